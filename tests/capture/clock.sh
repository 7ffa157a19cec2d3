#!/bin/bash
# Times of a recording are CLOCK_MONOTONIC, whatever clock its ring has: the kernel's own reading of it stands in every
# expiry of a timer, a moment before the event: clock.sh CGREPLAY CGR-LOAD [SWITCHES, default 100000]
# The same script runs on the live kernel and in the guest (./dev guest test clock). With CGR_TEST_CLOCKSOURCE=NS it also
# takes the counter away from the kernel in the midst of a recording, as the kernel itself does when it finds it
# unreliable, and gives it back: that is for a machine on which nobody measures. NS is how far a time may be off in the
# 200 ms in which it happens (20000 is good for a machine; in an emulator the kernel's clock misses more of the change).
# With CGR_TRUTH_REQUIRED a machine on which that cannot be done fails.
set -u
cgreplay=$(readlink -f "$1") load=$(readlink -f "$2") switches=${3:-100000}
skip() { echo "SKIP: $*"; [ -z "${CGR_TRUTH_REQUIRED:-}" ] || exit 1; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
tracing=$(awk '$3 == "tracefs" { print $2; exit }' /proc/mounts)
[ -n "$tracing" ] && [ -d "$tracing/instances" ] || skip "no tracefs with instances is mounted"
work=$(mktemp -d)
source=/sys/devices/system/clocksource/clocksource0 taken=
trap '[ -z "$taken" ] || echo tsc >$source/current_clocksource; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work" || exit 1
failed=0
check() { # WHAT CONDITION...
	local what=$1
	shift
	if "$@"; then echo "ok   $what"; else echo "FAIL $what"; failed=1; fi
}
ask() { "$cgreplay" sql --format csv "$1" "$2" | tail -n +2 | tr -d '\r' | tr ',' ' '; }
# per eighth of the expiries: how many, and how long after the kernel's reading the earliest event of them is; a machine
# that is held up only ever makes that longer. Timers on the wall clock tell another time.
lags() { ask "$1" "WITH e AS (SELECT ntile(8) OVER (ORDER BY ts_ns) AS part, ts_ns - now_ns AS lag FROM timer
	WHERE now_ns IS NOT NULL AND abs(ts_ns - now_ns) < 100000000) SELECT part, count(*), min(lag) FROM e GROUP BY part ORDER BY part"; }
truthful() { # STORE [NS more, on both sides]: 200 ns before it the pairs may be off by, 50 usec after it a busy machine may take
	lags "$1" >lags
	sed 's/^/     /' lags
	awk -v more="${2:-0}" '$2 < 5 || $3 < -200 - more || $3 > 50000 + more { bad = 1 } END { exit bad || NR < 8 }' lags
}
ended_well() { # WHAT PID: a recorder that was told to end
	wait "$2"
	check "the recorder $1 ends well" test $? = 0
}
works() { "$load" periodic threads=2 burn_usec=100 sleep_usec=900 count="$1" >/dev/null; }

"$cgreplay" record -q --no-calibrate --preset cpu -o a.dat -- "$load" periodic threads=2 burn_usec=100 sleep_usec=900 count=3000 >/dev/null
"$cgreplay" import -q a.dat -o a.db || exit 1
expected=mono
[ "$(cat $source/current_clocksource)" != tsc ] || expected=x86-tsc
check "the ring's clock is $expected" test "$(ask a.db "SELECT json_extract(value, '$') FROM meta WHERE key = 'facts.clock'")" = $expected
check "what a timer says and when it was recorded agree, from the beginning to the end" truthful a.db
check "no time was held because it went back" test "$(ask a.db "SELECT count(*) FROM import_log WHERE text LIKE '%went back%'")" = 0

"$cgreplay" record -q --no-calibrate --preset cpu -o k.dat & pid=$!
for ((i = 0; i < 500; i++)); do [ -e k.dat.partial ] && break; sleep 0.01; done
works 3000
kill -KILL $pid
wait $pid 2>/dev/null
"$cgreplay" import -q k.dat.partial -o k.db
check "they agree in what a killed recorder left" truthful k.db

"$cgreplay" record -q --no-calibrate --preset cpu --segment 1M -o s.dat & pid=$!
for ((i = 0; i < 500; i++)); do [ -e s.dat.0001.partial ] && break; sleep 0.01; done
"$load" pingpong rounds=$switches parent_usec=0 child_usec=0 >/dev/null & works 3000
wait $!
kill -INT $pid
ended_well "of segments" $pid
"$cgreplay" import -q s.dat -o s.db
check "in segments" truthful s.db
check "of which there are several" test "$(ls s.dat.* | wc -l)" -ge 2
check "between which no time was held" test "$(ask s.db "SELECT count(*) FROM import_log WHERE text LIKE '%went back%'")" = 0
"$cgreplay" import -q "$(ls -S s.dat.* | head -n 1)" -o one.db # the largest: the last may end at once
check "and in a segment by itself" truthful one.db

"$cgreplay" record -q --no-calibrate --preset cpu --ring 1M -o f.dat & pid=$!
sleep 1
"$load" pingpong rounds=$switches parent_usec=0 child_usec=0 >/dev/null & works 3000
wait $!
kill -USR1 $pid
ended_well "that flies" $pid
"$cgreplay" import -q f.dat -o f.db
check "in what the flight recorder kept" truthful f.db
check "whose first event is at its start" test "$(ask f.db 'SELECT min(ts_ns) < 50000000 FROM all_events')" = 1

other=$(tr ' ' '\n' <$source/available_clocksource | grep -vx -e tsc -e '' | head -n 1)
if [ -n "${CGR_TEST_CLOCKSOURCE:-}" ] && [ "$expected" = x86-tsc ] && [ -n "$other" ]; then
	"$cgreplay" record --no-calibrate --preset cpu -o u.dat 2>u.err & pid=$!
	for ((i = 0; i < 500; i++)); do [ -e u.dat.partial ] && break; sleep 0.01; done
	works 1500
	taken=1
	echo "$other" >$source/current_clocksource
	works 1500
	kill -INT $pid
	ended_well "whose counter was taken" $pid
	check "a recording in which the kernel went over to $other says so" grep -q unreliable u.err
	echo tsc >$source/current_clocksource
	taken=
	check "and the counter is the kernel's clock again" test "$(cat $source/current_clocksource)" = tsc
	"$cgreplay" import -q u.dat -o u.db
	check "import says so, too" test "$(ask u.db "SELECT count(*) FROM import_log WHERE text LIKE '%unreliable%'")" = 1
	check "what its timers say and when they were recorded agree all the same" truthful u.db "$CGR_TEST_CLOCKSOURCE"
elif [ -n "${CGR_TEST_CLOCKSOURCE:-}" ] && [ -n "${CGR_TRUTH_REQUIRED:-}" ]; then
	check "the kernel's clock source is tsc, and there is another one" false
else
	echo "SKIP the kernel keeps its clock source (CGR_TEST_CLOCKSOURCE=NS, tsc and another one are needed)"
fi

if command -v trace-cmd >/dev/null; then
	uptime() { awk '{ print $1 }' /proc/uptime; }
	before=$(uptime)
	"$cgreplay" record -q --no-calibrate --preset cpu -o t.dat -- "$load" periodic burn_usec=100 sleep_usec=900 count=500 >/dev/null
	after=$(uptime)
	"$cgreplay" import -q t.dat -o t.db
	trace-cmd report -t t.dat 2>/dev/null | sed -n 's/.* \([0-9]*\.[0-9]*\): sched_switch:.*/\1/p' >reported
	ask t.db "SELECT ts_ns FROM sched_switch WHERE NOT flags & 8 ORDER BY id" >ours
	check "trace-cmd reports seconds since the machine was started ($before to $after)" \
		awk -v before="$before" -v after="$after" '$1 < before - 1 || $1 > after + 1 { bad = 1 } END { exit bad || NR < 100 }' reported
	check "which are ours to a microsecond" sh -c "paste -d ' ' reported ours | awk '{ d = \$1 * 1e9 - \$2 } NR == 1 { first = d }
		{ if (d - first > 2000 || first - d > 2000) bad = 1 } END { exit bad || NR < 100 }'"
else
	echo "SKIP trace-cmd is not installed"
fi
exit $failed
