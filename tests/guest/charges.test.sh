# guest: --with ../capture/charges.sh
# One workload recorded here (6.1, cgroup v2, kprobes): the charges in the recording against memory.stat.
# charges.after.sh compares on the host.
set -eu
. /job/truth/lab.sh
lab_find
case_reset
CASE_NAME=charges
program . '$LOAD saw low_mib=8 high_mib=24 teeth=2 rate=0 hold_msec=50; $LOAD ramp mib=24 rate=0 hold_msec=100'
setting free
mkdir -p "$OUT"
cgreplay events >"$OUT/events" 2>&1 || true
# stays at its top while the counters are read: what is charged then must be what the recording adds up to
lab_make ''
lab_launcher /tmp/out free >/tmp/run.sh
lab_record free "$OUT/charges.dat" --preset full --cgroup /cgrlab
cat "$OUT/charges.dat.log"

# the same script as on the live kernel: per cgroup and kind, the page cache on a real file system
mkdir -p /data/work
TMPDIR=/data/work CGR_TRUTH_REQUIRED=1 bash /job/charges.sh "$(command -v cgreplay)" "$(command -v cgr-load)"
