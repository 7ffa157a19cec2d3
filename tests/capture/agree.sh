#!/bin/bash
# One run seen by three recorders at once: our ftrace backend, our perf backend, and `perf record --all-cgroups`. All
# three import, and agree on the context switches of every task of the workload: agree.sh CGREPLAY CGR-LOAD
set -u
cgreplay=$(readlink -f "$1") load=$(readlink -f "$2")
skip() { echo "SKIP: $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
command -v perf >/dev/null || skip "perf is not installed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

record() {
	rm -rf ./*
	local i
	"$cgreplay" record -q --no-calibrate --preset cpu -o ftrace.dat & local ftrace=$!
	"$cgreplay" record -q --preset cpu --backend perf -o ours.data & local ours=$!
	perf record -q -a --all-cgroups -m 8192 -c 1 -e sched:sched_switch -e sched:sched_wakeup -e sched:sched_process_fork \
		-e sched:sched_process_exit -o theirs.data >/dev/null 2>&1 & local theirs=$!
	for ((i = 0; i < 1000; i++)); do
		[ -e ftrace.dat.partial ] && [ -s theirs.data ] && [ -s ours.data.partial ] && break
		sleep 0.02
	done
	sleep 2 # all three are at work
	"$load" periodic threads=3 burn_usec=700 sleep_usec=1500 count=300 >/dev/null
	kill -INT $ftrace $ours $theirs
	wait $ftrace && wait $ours || skip "one of our backends does not record here"
	wait $theirs
	[ -s theirs.data ] || skip "perf record --all-cgroups does not work here"
}

ask() { "$cgreplay" sql --format csv "$1" "$2" | tail -n +2 | tr -d '\r' | tr ',' ' '; }
switches() { # STORE: tid and how often it was switched to and from, as reported by the kernel (8: inferred)
	ask "$1" "SELECT t.tid, (SELECT count(*) FROM sched_switch s WHERE s.next_task = t.id AND NOT s.flags & 8),
		(SELECT count(*) FROM sched_switch s WHERE s.prev_task = t.id AND NOT s.flags & 8)
		FROM task t WHERE t.comm = 'cgr-load' ORDER BY t.tid" | awk '$2 + $3 > 0'
}

for try in 1 2 3; do
	record
	lost=0
	for name in ftrace.dat ours.data theirs.data; do
		"$cgreplay" import -q "$name" -o "$name.db" || exit 1
		lost=$((lost + $(ask "$name.db" 'SELECT count(*) FROM lost')))
		switches "$name.db" >"$name.switches"
	done
	[ $lost -gt 0 ] || break
done
[ $lost = 0 ] || skip "events are lost in each of $try recordings"
cat ftrace.dat.switches
[ "$(wc -l <ftrace.dat.switches)" -ge 3 ] || { echo "the workload's tasks are missing"; exit 1; }
# both ways: there are kernels that never report a switch away from an idle CPU, as most are on a machine at rest
[ "$(awk '{ n += $2 + $3 } END { print n }' ftrace.dat.switches)" -gt 500 ] || { echo "hardly any switches"; exit 1; }
diff ftrace.dat.switches ours.data.switches && diff ftrace.dat.switches theirs.data.switches &&
	echo "ftrace, our perf backend and perf record --all-cgroups agree on every task's context switches"
