#!/usr/bin/env bash
# sources.sh BINARY ADD-TIME-SHIFT: import of the files the tools themselves write, each made live and small, and each
# with the event counts the tool tells of it. trace-cmd: several instances, zstd and no compression, version 6, other
# sub-buffer sizes, missing CPUs, a guest's clock (TIME_SHIFT: equal times). perf: file, pipe, compressed, with and
# without --all-cgroups. Needs root, tracepoints, perf and trace-cmd; says SKIP with the reason where one is missing.
set -u
binary=$(readlink -f "$1") add_time_shift=$(readlink -f "$2")
tracing=/sys/kernel/tracing
skip() { echo "SKIP: $1"; exit 77; }
[ "$(id -u)" = 0 ] || skip "not root"
for tool in perf trace-cmd sqlite3 unshare taskset; do command -v $tool >/dev/null || skip "no $tool"; done
[ -w $tracing/instances ] || skip "no tracefs"
work=$(mktemp -d)
name=cgrsources$$
cleanup() {
	local i
	for i in $tracing/instances/"$name"*; do [ ! -d "$i" ] || rmdir "$i"; done
	rm -rf "$work"
}
trap cleanup EXIT
cd "$work" || exit 1
status=0
fail() { echo "sources: $1"; status=1; }
load="perf bench sched pipe -l 2000"

# What trace-cmd writes to although nothing asks it to, and a sandbox may refuse: function tracing. Covered by files of
# our own, in a mount namespace of our own.
cover='cover() { for f; do [ -e "$f" ] || continue; c=$(mktemp -p "$work"); mount --bind "$c" "$f" || exit 1; done; }
	cover /proc/sys/kernel/ftrace_enabled'
export work tracing

alone() { # SUBBUF-KB TRACE-CMD-ARGUMENT...: records with an instance of ours in the place of the top one
	local kb=$1 instance=$tracing/instances/$name
	shift
	mkdir "$instance" && echo "$kb" >"$instance/buffer_subbuf_size_kb" || { fail "no sub-buffers of $kb KiB"; return 1; }
	instance=$instance unshare -m bash -c "$cover"'
		mount --bind "$instance" $tracing && cover $tracing/set_ftrace_{filter,notrace,pid,notrace_pid} || exit 1
		"$@"' alone trace-cmd record "$@" >log 2>&1 || { cat log; fail "trace-cmd record $*"; }
	rmdir "$instance"
}
together() { # TRACE-CMD-ARGUMENT...: records with instances ${name}a and ${name}b
	mkdir "$tracing/instances/${name}a" "$tracing/instances/${name}b"
	name=$name unshare -m bash -c "$cover"'
		cover $tracing/{.,instances/${name}a,instances/${name}b}/set_ftrace_{filter,notrace,pid,notrace_pid}
		"$@"' together trace-cmd record "$@" >log 2>&1 || { cat log; fail "trace-cmd record $*"; }
	rmdir "$tracing/instances/${name}a" "$tracing/instances/${name}b" 2>/dev/null
}

import() { # FILE: into FILE.db; whole, and rows equal to the stream
	"$binary" import -q "$1" -o "$1.db" 2>log && "$binary" info --check "$1.db" >/dev/null 2>log || { cat log; fail "import of $1"; return 1; }
}
same_counts() { # WHAT: theirs, ours
	[ -s theirs ] || fail "$1: no events"
	if diff theirs ours >differ; then
		echo "$1: $(awk '{ n += $NF } END { print n }' ours) events of $(wc -l <ours) types, as the tool counts them"
	else
		fail "$1: events per type, the tool and import:"; cat differ
	fi
}
# Of several instances import takes each event type from the one that has most of it.
check_dat() { # FILE WHAT
	import "$1" || return
	trace-cmd report -i "$1" 2>/dev/null | sed -nE 's/^([^ ]+: )?.*\[[0-9]+\] +[0-9.]+: +([A-Za-z0-9_]+):.*/\1 \2/p' | sort | uniq -c |
		awk '{ if ($1 > n[$NF]) n[$NF] = $1 } END { for (e in n) print e, n[e] }' | sort >theirs
	sqlite3 -separator ' ' "$1.db" "SELECT name, sum(count) FROM source_count GROUP BY name" | sort >ours
	same_counts "$2"
}
check_perf() { # FILE WHAT
	import "$1" || return
	local from=$1
	[ "$1" != piped.data ] || from=-
	perf script -i $from -F event <"$1" 2>/dev/null | sed 's/ //g; s/:$//; s/.*://' | sort | uniq -c | awk '{ print $2, $1 }' | sort >theirs
	sqlite3 -separator ' ' "$1.db" "SELECT name, count FROM source_count" | sort >ours
	same_counts "$2"
}
# Every switch at the time the tool prints, in ns since the first.
check_times() { # FILE WHAT
	import "$1" || return
	trace-cmd report -t -i "$1" 2>/dev/null | sed -nE 's/^ *.*\[[0-9]+\] +([0-9]+)\.([0-9]+): +sched_switch:.*/\1\2/p' | sort -n |
		awk 'NR == 1 { first = $1 } { printf "%d\n", $1 - first }' >theirs
	sqlite3 "$1.db" "SELECT ts_ns FROM sched_switch WHERE NOT flags & 8 ORDER BY 1" >ours
	[ -s theirs ] || fail "$2: no switches"
	cmp -s theirs ours && echo "$2: $(wc -l <ours) switches at the times of trace-cmd" ||
		{ fail "$2: times differ"; diff theirs ours | head -n 4; }
}

events="-e sched_switch -e sched_wakeup -e sched_waking -e sched_stat_runtime"
together -o two.dat -B "${name}a" $events -B "${name}b" -e sched_switch -e timer -e irq -e signal $load
check_dat two.dat "two instances"
# fields of events that have no meaning of their own in the store
trace-cmd report -i two.dat 2>/dev/null | sed -nE 's/.* softirq_raise: +vec=([0-9]+) .*/\1/p' | sort >theirs
sqlite3 two.dat.db "SELECT fields ->> 'vec' FROM other_events WHERE event = 'softirq_raise'" | sort >ours
[ -s theirs ] && cmp -s theirs ours && echo "fields of $(wc -l <ours) events, as the tool prints them" || { fail "fields of other events"; diff theirs ours | head -n 4; }
alone 4 -o none.dat --compression none $events $load
check_dat none.dat "no compression"
trace-cmd convert -i none.dat -o six.dat --file-version 6 >/dev/null 2>&1 && check_dat six.dat "version 6"
alone 4 -o zstd.dat --compression zstd $events $load
check_dat zstd.dat "zstd"
for kb in 8 64; do
	alone $kb -o sub$kb.dat $events $load
	check_dat sub$kb.dat "sub-buffers of $kb KiB"
done
alone 4 -o mask.dat -M 2 $events taskset -c 1 $load
check_dat mask.dat "CPU 1 only"
[ "$(sqlite3 mask.dat.db 'SELECT count(DISTINCT cpu) FROM event_count WHERE events > 0 AND cpu <> 1')" = 0 ] || fail "events of a CPU that was left out"

# a guest's clock: offset per CPU; three measurements between which the offset moves; a clock of another rate
alone 4 -o host.dat -e sched_switch $load
from=$(trace-cmd report -t -i host.dat 2>/dev/null | sed -nE '0,/sched_switch/s/^ *.*\[[0-9]+\] +([0-9]+)\.([0-9]+): +sched_switch:.*/\1\2/p')
shift_by() { # WHAT FLAGS SAMPLE...
	local what=$1
	shift
	"$add_time_shift" host.dat guest.dat "$@" && check_times guest.dat "$what"
}
check_times host.dat "the host's clock"
shift_by "a guest's clock, one offset per CPU" 0 "0:$from:-1000000:1:0" "1:$from:2500000:1:0"
measured=()
for cpu in 0 1; do measured+=("$cpu:$((from + 2000000)):100:1:0" "$cpu:$((from + 6000000)):90100:1:0" "$cpu:$((from + 9000000)):80100:1:0"); done
shift_by "a guest's clock, measured three times" 1 "${measured[@]}"
shift_by "a guest's clock, steps" 0 "0:$from:7:1:0" "0:$((from + 4000000)):70:1:0" "0:$((from + 5000000)):90:1:0" "1:$from:-3:1:0"
shift_by "a guest's clock of another rate" 1 "0:$from:5:1025:10" "0:$((from + 9000000)):1005:1025:10" "1:$from:5:1025:10" "1:$((from + 9000000)):1005:1025:10"

events="-e sched:sched_switch -e sched:sched_wakeup -e sched:sched_stat_runtime"
perf_record() { perf record -q -a -m 4096 -c 1 "$@" -- $load >log 2>&1 || { cat log; fail "perf record $*"; }; }
perf_record $events -o file.data && check_perf file.data "perf"
perf_record $events --all-cgroups -o cgroups.data && check_perf cgroups.data "perf --all-cgroups"
perf_record $events --all-cgroups -z -o packed.data && check_perf packed.data "perf -z"
perf record -q -a -m 4096 -c 1 $events --all-cgroups -o - -- sleep 0.2 2>log >piped.data && check_perf piped.data "perf, piped"

# who moves while perf records is told by the cgroup of its samples alone; the stream has an event of it, for replay
unified=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
if [ -n "$unified" ] && mkdir "$unified/$name" 2>/dev/null; then
	perf record -q -a -m 4096 -c 1 $events --all-cgroups -o moved.data -- bash -c 'perf bench sched pipe -l 10000 >/dev/null &
		sleep 0.1; echo $! >"$1/cgroup.procs"; pgrep -P $! | while read -r p; do echo $p >"$1/cgroup.procs"; done; wait' moved "$unified/$name" >log 2>&1
	rmdir "$unified/$name"
	check_perf moved.data "perf, tasks that move"
	moved="FROM memberships WHERE cpu_cgroup = '/$name' AND how = 'inferred' AND from_ns > (SELECT start_ns FROM task WHERE id = memberships.task)"
	[ "$(sqlite3 moved.data.db "SELECT count(*) > 0 AND min(from_ns) > 0 $moved")" = 1 ] || fail "no move was inferred"
	[ "$(sqlite3 moved.data.db "SELECT count(*) $moved AND EXISTS (SELECT 1 FROM cgroup_event e WHERE e.task = memberships.task AND ts_ns = from_ns AND flags & 8)")" = \
		"$(sqlite3 moved.data.db "SELECT count(*) $moved")" ] || fail "a move without an event"
	# what a task ran before it moved, as much again, is not the cgroup's (replay takes the price of events off)
	ran=$(sqlite3 moved.data.db "SELECT run_ns / 1000 FROM sched_by_cgroup WHERE cgroup = '/$name'")
	told=$("$binary" replay moved.data.db --seeds 1 --format csv 2>/dev/null | awk -F, -v cgroup="/$name" '$2 == cgroup && $3 == "cpu.stat.usage_usec" { print $5 }')
	awk -v ran="$ran" -v told="$told" 'BEGIN { exit !(told > ran * 0.75 && told < ran * 1.25) }' || fail "CPU time of a cgroup entered late: $told us told, $ran us recorded"
fi
exit $status
