#!/bin/bash
# Speed beside the tools people use, on one trace, on one machine, in one run: bench.sh BUILD-DIRECTORY [EVENTS]
# Records a switch storm of at least EVENTS events (default 4,000,000) with our recorder, and the same program once
# more with perf; then times import, the scheduler summary, the packed stream and replay beside trace-cmd report and perf
# sched latency, and tells the bytes per event. Absolute figures mean little on another machine: read the ratios.
# At the end recordings are replayed beside real time: the storm, a quarter of it, the bundled samples and, where truth.sh
# has kept any in CGR_TRUTH_DIR, those of the CPU tables. CGR_BENCH_ONLY=replay: only that.
# CGR_BENCH_RUNS: how often each is timed, the fastest counts (3); of the packed stream the median. CGR_BENCH_KEEP=1: take the recordings (and the stores to
# replay) of the last run.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
build=$(readlink -f "${1:-$here/../../build}")
wanted=${2:-4000000}
cgreplay=$build/cgreplay load=$build/tests/cgr-load
work=$build/bench
runs=${CGR_BENCH_RUNS:-3}

skip() { echo "SKIP: $*" >&2; exit 77; }
[ -x "$cgreplay" ] && [ -x "$load" ] || { echo "bench.sh: $build holds no cgreplay; run ./dev build" >&2; exit 2; }
[ "$(id -u)" = 0 ] || skip "recording the trace needs root"
for tool in trace-cmd perf awk; do command -v $tool >/dev/null || skip "$tool is not installed (./dev bench installs it)"; done
mkdir -p "$work"
trap 'rm -f "$work"/out.*' EXIT
result=$work/bench.csv
echo "what,events,seconds,events_per_second,peak_kib" >"$result"

seconds() { # COMMAND...: wall seconds of the fastest of $runs runs; leaves the peak (KiB) in $work/out.peak
	local i start end best=
	for ((i = 0; i < runs; i++)); do
		start=${EPOCHREALTIME/./}
		if ! "$load" peak output="$work/out.peak" -- "$@" >"$work/out.text" 2>"$work/out.error"; then
			echo "bench.sh: failed: $*" >&2; tail -n 5 "$work/out.error" >&2; return 1
		fi
		end=${EPOCHREALTIME/./}
		[ -n "$best" ] && [ "$best" -le $((end - start)) ] || best=$((end - start))
	done
	awk -v us="$best" 'BEGIN { printf "%.3f", us / 1e6 }'
}
line() { # WHAT EVENTS SECONDS
	awk -v what="$1" -v n="$2" -v s="$3" -v peak="$(<"$work/out.peak")" -v csv="$result" 'BEGIN {
		printf "%-34s %9d events %8.3f s %12.0f events/s %8.1f MiB\n", what, n, s, n / s, peak / 1024
		printf "%s,%d,%.3f,%.0f,%d\n", what, n, s, n / s, peak >>csv }'
}
ratio() { # WHAT SECONDS EVENTS / SECONDS EVENTS
	awk -v what="$1" -v a="$3" -v b="$2" -v c="$5" -v d="$4" 'BEGIN { printf "  %-50s %6.2f times as fast\n", what, (a / b) / (c / d) }'
}

# Speed and memory of replay: a recording of whatever length within the same private memory.
ping_pong() { # NAME ROUNDS
	[ -n "${CGR_BENCH_KEEP:-}" ] && [ -e "$work/$1.dat" ] && return
	"$cgreplay" record --preset cpu -o "$work/$1.dat" -- "$load" pingpong rounds="$2" parent_usec=0 child_usec=0 >/dev/null 2>&1
}
replay_all() {
	local stores=() trace store
	mkdir -p "$work/replay"
	ping_pong quarter $((wanted / 40))
	ping_pong whole $((wanted / 10))
	for trace in "$work"/{quarter,whole}.dat "$here"/../../samples/*.dat "${CGR_TRUTH_DIR:-$build/truth}"/{cpu,heldout-cpu}/*/*.dat; do
		[ -e "$trace" ] || continue
		store=${trace##*/}
		case $trace in */cpu/* | */heldout-cpu/*) store=$(basename "$(dirname "$trace")").$store ;; esac
		store=$work/replay/${store%.dat}.db
		{ [ -n "${CGR_BENCH_KEEP:-}" ] && [ -e "$store" ]; } || "$cgreplay" import "$trace" -o "$store" >/dev/null 2>&1 || continue
		stores+=("$store")
	done
	echo "replay beside real time, one seed on one CPU with the start of the process, the fastest of $((runs * 2)) runs:"
	"$build/tests/bench_replay" "$cgreplay" $((runs * 2)) "${stores[@]}"
	for store in quarter whole; do
		(ulimit -d 131072 && "$cgreplay" replay "$work/replay/$store.db" --seeds 1 -j 1 --format json >/dev/null 2>&1) &&
			echo "$store.db within 128 MiB of private memory" || echo "$store.db NEEDS more than 128 MiB of private memory"
	done
}

if [ "${CGR_BENCH_ONLY:-}" = replay ]; then
	replay_all
	exit
fi
# how many events a round trip makes depends on where the kernel puts its two ends: record until there are enough
count() { sed -nE 's/.*, ([0-9]+) events.*/\1/p'; }
record() { # ROUNDS
	echo "recording $1 round trips of a pipe ping-pong ..." >&2
	"$cgreplay" record --preset cpu -o "$work/storm.dat" -- "$load" pingpong rounds="$1" parent_usec=0 child_usec=0 >/dev/null
	perf sched record -o "$work/storm.perf" -- "$load" pingpong rounds="$1" parent_usec=0 child_usec=0 >/dev/null 2>&1
}
import_both() {
	ours=$("$cgreplay" import "$work/storm.dat" -o "$work/storm.db" 2>&1 | count)
	theirs=$("$cgreplay" import "$work/storm.perf" -o "$work/perf.db" 2>&1 | count)
}
ours=0 theirs=0
[ -z "${CGR_BENCH_KEEP:-}" ] || [ ! -e "$work/storm.perf" ] || import_both
for ((rounds = wanted / 10; ours < wanted || theirs < wanted; rounds = rounds * 3 / 2)); do
	record $rounds
	import_both
done

s_tracecmd=$(seconds trace-cmd report -i "$work/storm.dat"); line "trace-cmd report" "$ours" "$s_tracecmd"
s_perf=$(seconds perf sched latency -i "$work/storm.perf"); line "perf sched latency" "$theirs" "$s_perf"
s_import=$(seconds "$cgreplay" import "$work/storm.dat" -o "$work/storm.db"); line "cgreplay import" "$ours" "$s_import"
s_lean=$(seconds "$cgreplay" import --lean "$work/storm.dat" -o "$work/lean.db"); line "cgreplay import --lean" "$ours" "$s_lean"
s_replay=$(seconds "$cgreplay" replay "$work/storm.db" --format json); line "cgreplay replay, all seeds" "$ours" "$s_replay"
s_one=$(seconds "$cgreplay" replay "$work/storm.db" --seeds 1 --format json); line "cgreplay replay, one seed" "$ours" "$s_one"
s_plean=$(seconds "$cgreplay" import --lean "$work/storm.perf" -o "$work/plean.db"); line "cgreplay import --lean of perf.data" "$theirs" "$s_plean"
s_summary=$(seconds "$cgreplay" sql "$work/perf.db" "SELECT * FROM sched_summary ORDER BY max_wakeup_latency_ns DESC"); line "view sched_summary" "$theirs" "$s_summary"
s_pimport=$(seconds "$cgreplay" import "$work/storm.perf" -o "$work/perf.db"); line "cgreplay import of the perf.data" "$theirs" "$s_pimport"
echo
stream_runs=9
read -r read_events s_read s_least s_most s_open < <("$build/tests/bench_store" --read "$work/lean.db" $stream_runs)
line "packed stream, ready for the engine" "$read_events" "$s_read"
awk -v n="$read_events" -v median="$s_read" -v least="$s_least" -v most="$s_most" -v open="$s_open" -v runs=$stream_runs 'BEGIN {
	printf "  the median of %d readings; fastest %.1f, slowest %.1f M events/s; with opening the store %.1f M events/s\n", runs, n / least / 1e6, n / most / 1e6, n / (median + open) / 1e6 }'
echo
ratio "import beside trace-cmd report" "$s_import" "$ours" "$s_tracecmd" "$ours"
ratio "  beside Perfetto, at 1.94 times trace-cmd report" "$s_import" "$ours" "$(awk -v s="$s_tracecmd" 'BEGIN { print s / 1.94 }')" "$ours"
ratio "import --lean beside trace-cmd report" "$s_lean" "$ours" "$s_tracecmd" "$ours"
ratio "import --lean beside perf sched latency" "$s_lean" "$ours" "$s_perf" "$theirs"
ratio "import --lean of perf.data beside perf sched latency" "$s_plean" "$theirs" "$s_perf" "$theirs"
ratio "view sched_summary beside perf sched latency" "$s_summary" "$theirs" "$s_perf" "$theirs"
ratio "import of perf.data beside perf sched latency" "$s_pimport" "$theirs" "$s_perf" "$theirs"
ratio "replay (one seed) beside perf sched latency" "$s_one" "$ours" "$s_perf" "$theirs"
ask() { "$cgreplay" sql --format csv "$1" "$2" | tail -n 1; }
awk -v events="$(ask "$work/storm.db" "SELECT sum(events) FROM stream_block")" -v packed="$(ask "$work/storm.db" "SELECT sum(bytes) FROM stream_block")" \
	-v full="$(stat -c %s "$work/storm.db")" -v lean="$(stat -c %s "$work/lean.db")" 'BEGIN {
	printf "  %-50s %6.2f bytes per event\n  %-50s %6.2f bytes per event\n", "packed stream", packed / events, "rows", (full - lean) / events }'
ls -l "$work/storm.dat" "$work/storm.db" "$work/lean.db" "$work/storm.perf" | awk '{ printf "  %-50s %9.1f MiB\n", $NF, $5 / 1048576 }'
echo
replay_all
