#!/bin/bash
# What recording costs: the same program with and without it, in turn, in one run:
# overhead.sh BUILD-DIRECTORY [ROUNDS [compile|redis|storm [full|cpu]]]
# Bounds: 5 % for a compile and for redis with preset full, 2 % with preset cpu, 40 % for the page-fault storm.
#
# One recorder is there all the time; for the runs without it, its events are switched off and it is stopped (SIGSTOP).
# With CGR_OVERHEAD_WHOLE=1 each run has a recorder of its own or none: fewer runs in the same time.
# A round is off, on, on, off (or the other way round): what drifts meanwhile cancels out. Told are time on the clock and
# CPU time of the program (user and system, of redis client and server), each as the median over the rounds of on / off,
# as the ratio of the lower quartiles (other work on the machine and on its host only ever adds time), and of the fastest;
# in brackets what 95 of 100 resamplings of the rounds give. Rounds of an earlier run are added to with CGR_OVERHEAD_ADD=1.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
build=$(readlink -f "${1:-$here/../../build}")
rounds=${2:-8}
work=$build/overhead
top=$(readlink -f "$here/../..")
wrap=${CGR_TRUTH_WRAP:-} # a command that runs a measurement alone on the machine
skip() { echo "SKIP: $*" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
for tool in redis-server redis-benchmark redis-cli taskset make gcc awk; do
	command -v $tool >/dev/null || skip "$tool is not installed (./dev bench installs it)"
done
mkdir -p "$work"

# Each takes some tenths of a second; server and client of redis have a CPU each, or the scheduler's placement would be measured
compile() { rm -rf "$work/objects"; make -s -j2 -f "$here/overhead.mk" TOP="$top" OUT="$work/objects" GENERATED="$build/generated"; }
storm() { "$build/tests/cgr-load" faults mib=64 loops=10 >/dev/null; }
redis() { taskset -c 0 redis-benchmark -p 7398 -t set,get -n 5000 -c 8 -q >/dev/null; }
server_usec() { # CPU time of the redis server so far, all its threads
	local sum=0 ns
	for task in /proc/"$(<"$work/redis.pid")"/task/*/schedstat; do read -r ns _ <"$task" && sum=$((sum + ns)); done
	echo $((sum / 1000))
}
timed() { # WHAT: "wall cpu" in usec
	local before=0 after=0 TIMEFORMAT='%R %U %S' seconds
	[ "$1" != redis ] || before=$(server_usec)
	seconds=$({ time "$1" >/dev/null 2>&1; } 2>&1)
	[ "$1" != redis ] || after=$(server_usec)
	awk -v server=$((after - before)) '{ printf "%d %d\n", $1 * 1e6, ($2 + $3) * 1e6 + server }' <<<"$seconds"
}
export -f compile storm redis server_usec timed
export work here top build
note_share() { # WHAT PRESET [USEC of the recording in which it was at work]
	awk -v on="${3:-0}" 'match($0, /: [0-9.]+ s, /) { whole = substr($0, RSTART + 2) * 1e6 }
		/ CPUs$/ { sub(/ % of .*/, ""); sub(/.*: /, ""); print on ? $0 * whole / on : $0 }' "$work/$1.log" >>"$work/share.$1.$2"
}
recorded() { # WHAT PRESET: what is timed is the program, not the recorder's start and end
	"$build/cgreplay" record --preset "$2" -o "$work/$1.dat" -- bash -c "timed $1" 2>"$work/$1.log"
	note_share "$1" "$2"
}

start_recorder() { # WHAT PRESET: sets recorder (pid), instance, events (those it uses)
	local i tracing
	rm -f "$work/$1.dat"*
	"$build/cgreplay" record --preset "$2" -o "$work/$1.dat" 2>"$work/$1.log" & recorder=$!
	trap end_recorder EXIT
	for ((i = 0; i < 500; i++)); do [ -s "$work/$1.dat.partial" ] && break; sleep 0.02; done
	sleep 0.5
	tracing=$(awk '$3 == "tracefs" { print $2; exit }' /proc/mounts) # where the recorder mounted it, if nobody had
	instance=$(ls -d "$tracing/instances/cgreplay-$recorder-"* | head -n 1)
	events=$(cat "$instance/set_event")
	[ -n "$events" ] || { cat "$work/$1.log" >&2; exit 1; }
}
end_recorder() {
	[ -n "${recorder:-}" ] || return 0
	kill -CONT $recorder && kill -INT $recorder && wait $recorder || true
	recorder=
}
switch_recorder() { # on|off
	if [ "$1" = on ]; then
		kill -CONT $recorder
		echo "$events" >>"$instance/set_event"
	else
		echo 0 >"$instance/events/enable"
		sleep 0.05 # what is in the ring is not read all at once
		kill -STOP $recorder
	fi
}

one() { # inside the exclusive hold: WHAT PRESET
	local i run order key result on_usec=0
	if [ "$1" = redis ]; then
		taskset -c 1 redis-server --port 7398 --save '' --appendonly no --daemonize yes --pidfile "$work/redis.pid" >/dev/null
		sleep 0.3
		redis-cli -p 7398 ping | grep -q PONG || { echo "no redis server on port 7398" >&2; exit 1; }
	fi
	"$1" >/dev/null 2>&1 # warm: all find the same caches
	[ -n "${CGR_OVERHEAD_WHOLE:-}" ] || { start_recorder "$1" "$2"; state=on; }
	for ((i = 0; i < rounds; i++)); do
		[ $((i % 2)) = 0 ] && order="off on on off" || order="on off off on"
		key=$EPOCHSECONDS.$i
		for run in $order; do
			if [ -z "${CGR_OVERHEAD_WHOLE:-}" ]; then
				[ $run = $state ] || { switch_recorder $run; state=$run; }
				result=$(timed "$1")
				[ $run = off ] || on_usec=$((on_usec + ${result% *}))
			else
				result=$([ $run = on ] && recorded "$1" "$2" || timed "$1")
			fi
			echo "$key $run $result"
		done
	done
	[ -n "${CGR_OVERHEAD_WHOLE:-}" ] || { [ $state = on ] || switch_recorder on; end_recorder; note_share "$1" "$2" $on_usec; }
	[ "$1" != redis ] || redis-cli -p 7398 shutdown nosave
}

if [ "${3:-}" = one ]; then one "$4" "$5"; exit; fi
for entry in "compile full 5" "redis full 5" "compile cpu 2" "redis cpu 2" "storm full 40"; do
	read -r what preset bound <<<"$entry"
	[ -z "${3:-}" ] || [ "$3" = "$what" ] || continue
	[ -z "${4:-}" ] || [ "$4" = "$preset" ] || continue
	[ -n "${CGR_OVERHEAD_ADD:-}" ] || rm -f "$work/rounds.$what.$preset" "$work/share.$what.$preset"
	[ "$rounds" = 0 ] || $wrap bash "$here/overhead.sh" "$build" "$rounds" one "$what" "$preset" >>"$work/rounds.$what.$preset"
	touch "$work/share.$what.$preset"
	share=$(sort -n "$work/share.$what.$preset" | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }')
	awk -v what="$what" -v preset="$preset" -v bound="$bound" -v share="$share" -f "$here/overhead.awk" "$work/rounds.$what.$preset"
done
