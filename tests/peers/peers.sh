#!/usr/bin/env bash
# peers.sh BINARY: what import tells of a recording against what perf and trace-cmd tell of the same file.
# - perf.data: run time per task equal to `perf sched latency`; worst wait per task equal to it, and context switches,
#   run time and worst wake-up latency per task equal to `perf sched timehist`, for every task of which the kernel
#   reported every switch (sched.sql has the rules); events per kind equal to `perf script`.
# - trace.dat: events per kind equal to `trace-cmd report`.
# Needs root, tracepoints, perf and trace-cmd; says SKIP with the reason where one is missing.
set -u
binary=$(readlink -f "$1")
here=$(dirname "$(readlink -f "$0")")
skip() { echo "SKIP: $1"; exit 77; }
[ "$(id -u)" = 0 ] || skip "not root"
command -v perf >/dev/null || skip "no perf"
command -v trace-cmd >/dev/null || skip "no trace-cmd"
command -v sqlite3 >/dev/null || skip "no sqlite3"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
status=0

record() { # perf.data without lost events: with some, neither side can know every switch
	local try
	for try in 1 2 3 4 5; do
		perf record -q -a -m 8192 -c 1 -e sched:sched_switch -e sched:sched_wakeup -e sched:sched_wakeup_new \
			-e sched:sched_migrate_task -e sched:sched_process_fork -e sched:sched_stat_runtime -o sched.data -- \
			perf bench sched pipe -l 20000 >/dev/null 2>&1 || skip "perf record does not work here"
		rm -f sched.db
		"$binary" import -q sched.data -o sched.db || exit 1
		sqlite3 sched.db <"$here/sched.sql" || exit 1
		# with both ends of the pipe on a CPU that hides switches there is no task to compare: a rare draw, record again
		[ "$(sqlite3 sched.db 'SELECT count(*) FROM lost')" = 0 ] && [ -s ours.timehist ] && return
	done
	skip "perf record loses events, or the kernel hides switches of every task, in $try recordings"
}

equal() { # WHAT THEIRS OURS: same columns for every tid in both, ms to the last digit they print (1 us)
	sort "$2" >theirs.sorted
	sort "$3" >ours.sorted
	join theirs.sorted ours.sorted | awk -v what="$1" '
		function far(a, b) { return a - b > 0.0011 || b - a > 0.0011 }
		{ n++; half = (NF - 1) / 2; differs = 0
		  for (i = 2; i <= 1 + half; i++) if (far($i, $(i + half))) differs = 1
		  if (differs) { bad++; print what ": task, theirs, ours: " $0 } }
		END { printf "%s: %d of %d tasks equal\n", what, n - bad, n; exit !(n > 0 && bad == 0) }' || status=1
}

same_counts() { # WHAT THEIRS OURS
	if diff "$2" "$3" >differ; then echo "events per kind equal to $1"; else echo "events per kind, $1 and import:"; cat differ; status=1; fi
}

compare_latency() {
	perf sched latency -p -i sched.data 2>/dev/null |
		sed -nE 's/^ *.*:([0-9]+) *\| *([0-9.]+) ms \| *[0-9]+ \| avg: *[0-9.]+ ms \| max: *([0-9.]+) ms.*/\1 \2 \3/p' >latency
	cut -d' ' -f1,2 latency >theirs.runtime
	cut -d' ' -f1,3 latency >theirs.latency
	equal "run time as perf sched latency" theirs.runtime ours.runtime
	equal "worst wait as perf sched latency" theirs.latency ours.latency
}

compare_timehist() {
	perf sched timehist -s -i sched.data 2>/dev/null |
		sed -nE 's/^ *.*\[([0-9]+)(\/[0-9]+)?\] +-?[0-9]+ +([0-9]+) +([0-9.]+) .*/\1 \3 \4/p' | sort >summary
	perf sched timehist -i sched.data 2>/dev/null |
		sed -nE 's/^ *[0-9.]+ +\[[0-9]+\] +.*\[([0-9]+)(\/[0-9]+)?\] +([0-9.]+) +([0-9.]+) +([0-9.]+) *$/\1 \4/p' |
		awk '!($1 in max) || $2 > max[$1] { max[$1] = $2 } END { for (tid in max) print tid, max[tid] }' | sort >delay
	join summary delay >theirs.timehist
	equal "switches, run time and worst wake-up latency as perf sched timehist" theirs.timehist ours.timehist
	[ ! -s ours.worst ] || { echo "sched_summary differs from the waits in the rows (tid, max_wait_ns, max_wakeup_latency_ns):"
		cat ours.worst; status=1; }
}

record
compare_latency
compare_timehist
perf script -i sched.data -F event 2>/dev/null | sed 's/ //g; s/:$//; s/:/ /' | sort | uniq -c | awk '{print $3, $1}' | sort >theirs
sqlite3 -separator ' ' sched.db "select name, count from source_count" | sort >ours
same_counts "perf script" theirs ours

if "$binary" record -o sched.dat -d 1s >/dev/null 2>record.err; then
	"$binary" import -q sched.dat -o dat.db || exit 1
	trace-cmd report sched.dat 2>/dev/null | sed -nE 's/^ *.*\[[0-9]+\] +[0-9.]+: +([A-Za-z0-9_]+):.*/\1/p' | sort | uniq -c |
		awk '{print $2, $1}' | sort >theirs
	sqlite3 -separator ' ' dat.db "select name, count from source_count" | sort >ours
	same_counts "trace-cmd report" theirs ours
else
	echo "SKIP of trace-cmd: $(cat record.err)"
fi
exit $status
