# guest: --with ../capture/clock.sh --append tsc=reliable
# Times of a recording on this kernel, whose clock source is the emulator's.
set -eu
cat /sys/devices/system/clocksource/clocksource0/current_clocksource
CGR_TRUTH_REQUIRED=1 CGR_TEST_CLOCKSOURCE=500000 bash /job/clock.sh "$(command -v cgreplay)" "$(command -v cgr-load)" 30000
