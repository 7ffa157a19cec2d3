#!/usr/bin/env bash
# peers.sh BINARY: what import tells of a recording against what perf and trace-cmd tell of the same file.
# - perf.data: run time per task equal to `perf sched latency`, worst wait per task equal for every task whose switches
#   the kernel reported in full, context switches equal to `perf script`.
# - trace.dat: events per kind equal to `trace-cmd report`.
# Needs root, tracepoints, perf and trace-cmd; says SKIP with the reason where one is missing.
set -u
binary=$(readlink -f "$1")
skip() { echo "SKIP: $1"; exit 77; }
[ "$(id -u)" = 0 ] || skip "not root"
command -v perf >/dev/null || skip "no perf"
command -v trace-cmd >/dev/null || skip "no trace-cmd"
command -v sqlite3 >/dev/null || skip "no sqlite3"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
perf record -q -a -m 8192 -c 1 -e sched:sched_switch -e sched:sched_wakeup -e sched:sched_wakeup_new \
	-e sched:sched_migrate_task -e sched:sched_process_fork -e sched:sched_stat_runtime -o sched.data -- \
	perf bench sched pipe -l 20000 >/dev/null 2>&1 || skip "perf record does not work here"
"$binary" import -q sched.data -o sched.db || exit 1
status=0

perf sched latency -p -i sched.data 2>/dev/null |
	sed -nE 's/^ *.*:([0-9]+) *\| *([0-9.]+) ms \| *[0-9]+ \| avg: *[0-9.]+ ms \| max: *([0-9.]+) ms.*/\1 \2 \3/p' |
	sort >perf.txt
# tid, run time, worst wait in ms, whether a switch of it was inferred; pids used twice are left out
sqlite3 -separator ' ' sched.db "select s.tid, printf('%.3f', s.stat_runtime_ns / 1e6), printf('%.3f', coalesce(s.max_wait_ns, 0) / 1e6),
	exists(select 1 from sched_switch w where (w.prev_task = s.task or w.next_task = s.task) and w.flags & 8)
	from sched_summary s where (select count(*) from task t where t.tid = s.tid) = 1" | sort >ours.txt
join perf.txt ours.txt | awk '
	function far(a, b) { return a - b > 0.0011 || b - a > 0.0011 }
	{ n++; if (far($2, $4)) { print "task " $1 ": run time " $2 " ms by perf, " $4 " ms by import"; bad++ } }
	!$6 { whole++; if (far($3, $5)) other++ }
	END { printf "run time of %d tasks, worst wait of %d of %d tasks equal to perf sched latency\n", n - bad, whole - other, whole
		exit !(n > 0 && bad == 0 && other * 10 <= whole) }' || status=1

perf script -i sched.data -F event 2>/dev/null | sed 's/ //g; s/:$//; s/:/ /' | sort | uniq -c | awk '{print $3, $1}' | sort >perf.txt
sqlite3 -separator ' ' sched.db "select name, count from source_count" | sort >ours.txt
if diff perf.txt ours.txt >/dev/null; then echo "events per kind equal to perf script"; else echo "events per kind:"; diff perf.txt ours.txt; status=1; fi

if "$binary" record -o sched.dat -d 1s >/dev/null 2>record.err; then
	"$binary" import -q sched.dat -o dat.db || exit 1
	trace-cmd report sched.dat 2>/dev/null | sed -nE 's/^ *.*\[[0-9]+\] +[0-9.]+: +([A-Za-z0-9_]+):.*/\1/p' | sort | uniq -c |
		awk '{print $2, $1}' | sort >cmd.txt
	sqlite3 -separator ' ' dat.db "select name, count from source_count" | sort >ours.txt
	if diff cmd.txt ours.txt >/dev/null; then echo "events per kind equal to trace-cmd report"; else echo "events per kind:"; diff cmd.txt ours.txt; status=1; fi
else
	echo "SKIP of trace-cmd: $(cat record.err)"
fi
exit $status
