#!/bin/bash
# The recorder on the live kernel, good days and bad: record.sh CGREPLAY
# Needs root and tracefs; says SKIP with the reason without them. Touches only its own cgroup and instances.
set -u
cgreplay=$(readlink -f "$1")
skip() { echo "SKIP: $*"; [ -z "${CGR_TRUTH_REQUIRED:-}" ] || exit 1; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
tracing=$(awk '$3 == "tracefs" { print $2; exit }' /proc/mounts)
[ -n "$tracing" ] && [ -d "$tracing/instances" ] || skip "no tracefs with instances is mounted"
memory=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/mounts)
limit=memory.limit_in_bytes
if [ -z "$memory" ]; then
	memory=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
	limit=memory.max
fi
group=$memory/cgrcapture-$$
work=$(mktemp -d)
finish() {
	umount "$work/small" 2>/dev/null
	for dir in "$group/brief" "$group" "${held:-}"; do [ ! -d "$dir" ] || rmdir "$dir" 2>/dev/null; done
	rm -rf "$work"
}
trap finish EXIT
cd "$work" || exit 1
failed=0
check() { # WHAT CONDITION...
	local what=$1
	shift
	if "$@"; then echo "ok   $what"; else echo "FAIL $what"; failed=1; fi
}
is() { [ "$1" = "$2" ] || { echo "     got '$1', expected '$2'"; return 1; }; }
says() { grep -q -- "$1" "$2" || { echo "     no '$1' in: $(head -c 400 "$2")"; return 1; }; }
again() { # PID COMMAND...: runs the command until that process is gone
	local pid=$1 i
	shift
	for ((i = 0; i < 300; i++)); do
		kill -0 "$pid" 2>/dev/null || return 0
		"$@" >/dev/null 2>&1
		sleep 0.3
	done
}
"$cgreplay" record -o a.dat --no-calibrate -- sh -c 'exit 7' 2>a.err
check "the status of the command is ours" is $? 7
check "the recording is there, whole" test -s a.dat
check "and nothing half-written beside it" is "$(ls | grep -c partial)" 0
check "it imports" "$cgreplay" import a.dat -o a.db -q
"$cgreplay" record -q -o aa.dat -- sh -c 'for i in 1 2 3 4 5 6 7 8; do /bin/true; done' && "$cgreplay" import -q aa.dat -o aa.db
"$cgreplay" info aa.db --format json >aa.json
check "info tells events a second, what each cost, and the share of the machine" \
	grep -q '"event": "sched:sched_switch", "count": [0-9]*, "per_second": [0-9]*, "each_ns": [0-9]*, "percent_of_cpus": [0-9.]*' aa.json
check "and what the recorder took" grep -q '"recorder_usec": [1-9][0-9]*, "samples": [1-9].*"percent_of_cpus": [0-9]' aa.json
events=$(sed -n 's/.* s, \([0-9]*\) events.*/\1/p' a.err)
if command -v trace-cmd >/dev/null; then
	# the first line of the report is "cpus=N"; where events were lost it says so in lines of its own
	check "trace-cmd reports as many events as were recorded" is "$(trace-cmd report a.dat 2>/dev/null | tail -n +2 | grep -cv '^CPU:[0-9]* \[.*EVENTS')" "$events"
else
	echo "SKIP trace-cmd is not installed"
fi

"$cgreplay" record -q -o b.dat -- sh -c 'kill -TERM $$'
check "128 + signal of a killed command" is $? 143
"$cgreplay" record -o c.dat -- /no/such/command 2>c.err
check "a command that cannot run is a usage error" is $? 2
check "and named" says "/no/such/command" c.err
check "and leaves no file" is "$(ls c.dat* 2>/dev/null)" ""
"$cgreplay" record -q -o c.dat --cgroup /no/such/cgroup -d 0.1s 2>c.err
check "a --cgroup that is not there is a usage error" is $? 2
check "and named" says "/no/such/cgroup: no such cgroup" c.err
"$cgreplay" record --no-calibrate -o cc.dat --cgroup '/cgrcapture-not-yet*' -d 0.1s 2>c.err
check "a pattern may match nothing yet" is $? 0
check "which is told" says "matches no cgroup yet" c.err
"$cgreplay" record -q -o d.dat & pid=$!
sleep 0.8
kill -INT $pid
wait $pid
check "SIGINT ends a recording cleanly" is $? 0
check "which imports" "$cgreplay" import d.dat -o d.db -q
if [ -d "$tracing/events/timer/timer_expire_entry" ]; then # some kernel timer always expires within a second
	check "classic timers are told as their soft interrupt, begun and ended" is "$("$cgreplay" sql d.db "SELECT count(DISTINCT kind) || ' of vector ' || max(number) FROM irq
		WHERE kind IN (SELECT id FROM event_kind WHERE name GLOB 'softirq_*')" --format csv | tail -n 1 | tr -d '\r')" "2 of vector 1"
fi
if [ -z "$(cat "$tracing/set_event" "$tracing"/instances/*/set_event 2>/dev/null)" ]; then
	flag() { # NAME PID: record-cmd or norecord-cmd, as its instance has it
		local i
		for ((i = 0; i < 300; i++)); do ls "names.$1.dat.partial" >/dev/null 2>&1 && break; sleep 0.02; done
		grep -h 'record-cmd$' "$tracing/instances/cgreplay-$2"-*/trace_options
	}
	"$cgreplay" record -q --no-calibrate -o names.1.dat & pid=$!
	check "alone, it has the kernel keep no table of names" is "$(flag 1 $pid)" norecord-cmd
	"$cgreplay" record -q --no-calibrate -o names.2.dat & second=$!
	check "beside somebody who traces, it leaves that as it is" is "$(flag 2 $second)" record-cmd
	kill -INT $pid $second
	wait $pid $second
	if command -v trace-cmd >/dev/null; then
		# of our own tasks: what else runs here may have been there before, and end, without a name
		"$cgreplay" record -q --no-calibrate --preset cpu -o names.3.dat -- \
			sh -c 'for i in $(seq 100); do sh -c "echo \$\$; exec /bin/true"; done' >names.pids
		trace-cmd report names.3.dat >names.txt 2>/dev/null
		check "trace-cmd finds the names all the same" is "$(sed -n 's/^ *<\.\.\.>-\([0-9]*\) .*/\1/p' names.txt | grep -cxFf names.pids)" 0
		sleep 0.5 & early=$!
		"$cgreplay" record -q --no-calibrate --preset cpu -o names.4.dat -d 1s
		check "also that of a task that was there before and ends meanwhile" is "$(trace-cmd dump -i names.4.dat --cmd-lines 2>/dev/null | grep "^$early ")" "$early sleep"
		check "and the right ones" test "$(sed -n 's/^ *\(sh\|true\)-\([0-9]*\) *\[0.*/\2/p' names.txt | sort -u | grep -cxFf names.pids)" -ge 90
	fi
else
	echo "SKIP somebody else traces here: nothing is changed about the kernel's table of names"
fi
"$cgreplay" record -o /no/such/folder/x.dat -d 1s 2>e.err
check "a folder that is not there is an I/O error" is $? 4
setpriv --reuid=65534 --clear-groups "$cgreplay" record -o /dev/null/x -d 1s 2>f.err
check "without root: exit 2" is $? 2
check "and one clear sentence" is "$(grep -c . f.err)" 1

mkdir small && mount -t tmpfs -o size=400k cgr-small small 2>/dev/null && {
	"$cgreplay" record -o small/x.dat -d 5s -- sh -c 'for i in $(seq 400); do /bin/true; done' 2>g.err
	check "a full disk is an I/O error" is $? 4
	check "that says where the recording is kept" says "x.dat.partial" g.err
	check "no file under the final name" test ! -e small/x.dat
	check "what was flushed imports" "$cgreplay" import small/x.dat.partial -o g.db -q
	umount small
}

cpuset=$(awk '$3 == "cgroup" && $4 ~ /(^|,)cpuset(,|$)/ { print $2; exit }' /proc/self/mounts)
if [ -n "$cpuset" ] && mkdir "$cpuset/$(basename "$group")" 2>/dev/null; then
	cpuset=$cpuset/$(basename "$group")
	echo 0 >"$cpuset/cpuset.cpus"
	"$cgreplay" record -q --no-calibrate --preset cpu -o cpuset.dat -- sh -c "sleep 0.2; echo 0-1 >'$cpuset/cpuset.cpus'; sleep 0.2; echo 1 >'$cpuset/cpuset.cpus'; sleep 0.2"
	rmdir "$cpuset"
	"$cgreplay" import cpuset.dat -o cpuset.db -q
	check "a cpuset written meanwhile is seen when it is" is "$("$cgreplay" sql cpuset.db "SELECT group_concat(text, ' ') FROM knobs
		WHERE cgroup = '/$(basename "$group")' AND name = 'cpuset.cpus' AND source IN ('start', 'sample')" --format csv | tail -n 1 | tr -d '\r')" "0 0-1 1"
fi

if mkdir "$group" 2>/dev/null; then
	"$cgreplay" record -q -o h.dat -- sh -c "sleep 0.3; rmdir '$group'; sleep 0.3"
	check "a cgroup removed meanwhile does no harm" is $? 0
	check "the recording imports" "$cgreplay" import h.dat -o h.db -q
	mkdir "$group" && echo 16M >"$group/$limit"
	# again and again until it is seen: on a machine that is held up the recorder may look for the first time after a kill
	"$cgreplay" record -o i.dat --ring 4M --until oom --cgroup "/$(basename "$group")" -d 100s 2>i.err & pid=$!
	again $pid sh -c "echo 0 >'$group/cgroup.procs' && exec head -c 64M /dev/zero | tail >/dev/null"
	wait $pid
	check "the flight recorder writes at an OOM kill" says "oom_kill" i.err
	check "and says in which cgroup" says "$(basename "$group"): memory.events.oom_kill" i.err
	check "within its bound" test "$(stat -c %s i.dat)" -le 4500000
	check "and its file imports" "$cgreplay" import i.dat -o i.db -q
	# a container that is gone right after its kill: its counter is seen by nobody, the machine's is
	"$cgreplay" record -o ii.dat --ring 4M --until oom -d 100s 2>ii.err & pid=$!
	again $pid sh -c "mkdir '$group/brief' && echo 16M >'$group/brief/$limit' && (echo 0 >'$group/brief/cgroup.procs' &&
		exec head -c 64M /dev/zero | tail >/dev/null); while ! rmdir '$group/brief'; do :; done"
	wait $pid
	check "and at one in a cgroup that is gone at once" says "because of .*OOM kill\|oom_kill is" ii.err
	for _ in 1 2 3 4 5; do rmdir "$group/brief" "$group" 2>/dev/null && break; sleep 0.2; done
else
	echo "SKIP no writable memory hierarchy for the OOM test"
fi
"$cgreplay" record -o j.dat --ring 2M --until oom -d 0.3s 2>j.err
check "a flight recorder whose trigger is not pulled writes nothing" test ! -e j.dat
"$cgreplay" record -q -o j.dat --ring 2M --until oom & pid=$!
sleep 1
kill -INT $pid
wait $pid
check "but what it holds, when it is ended by a signal" "$cgreplay" import j.dat -o j.db -q
"$cgreplay" record -q -o jj.dat --ring 2M -d 0.5s
check "and with no trigger named, what it holds at its end" "$cgreplay" import jj.dat -o jj.db -q
"$cgreplay" record -o u.dat --ring 2M -d 20s 2>u.err & pid=$!
sleep 1
kill -USR1 $pid
wait $pid
check "SIGUSR1 writes it" says "because of SIGUSR1" u.err
"$cgreplay" record -o v.dat --ring 2M --until 'memory.current>1M' -d 20s 2>v.err
check "and so does a counter above its bound" says "memory.current is" v.err

cpu=$(awk '$3 == "cgroup" && $4 ~ /(^|,)cpu(,|$)/ { print $2; exit }' /proc/mounts) quota='echo 10000 >cpu.cfs_quota_us'
[ -n "$cpu" ] || { cpu=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts) quota="echo '10000 100000' >cpu.max"; }
held=$cpu/cgrcapture-held-$$
if mkdir "$held" 2>/dev/null && (cd "$held" && eval "$quota"); then
	"$cgreplay" record -o t.dat --ring 2M --until throttle=30 -d 100s 2>t.err & pid=$!
	again $pid timeout 2 sh -c "echo 0 >'$held/cgroup.procs'; while :; do :; done"
	wait $pid
	check "--until throttle=30 writes it when a quota holds a group up" says "$(basename "$held"): cpu.stat.throttled_usec is" t.err
	check "and what it wrote imports" "$cgreplay" import -q t.dat -o t.db
	check "and holds the group's throttling" test "$("$cgreplay" info t.db | grep -c "$(basename "$held")")" -gt 0
	for _ in 1 2 3 4 5; do rmdir "$held" 2>/dev/null && break; sleep 0.2; done
else
	echo "SKIP no writable cpu hierarchy for the throttle trigger"
fi

# segments: a burst of processes fills several; the oldest go
mkdir seg
"$cgreplay" record -q -o seg/s.dat --max-size 6M --segment 1M -- sh -c 'for i in $(seq 5000); do /bin/true; done' & pid=$!
most=0
while kill -0 $pid 2>/dev/null; do
	now=$(cat seg/s.dat.* seg/.s.dat* 2>/dev/null | wc -c)
	[ "$now" -le $most ] || most=$now
	sleep 0.05
done
wait $pid
check "a recording in segments ends well" is $? 0
check "never takes more than --max-size ($most bytes)" test "$most" -le $((6 << 20))
first=$(ls seg | head -n 1) last=$(ls seg | tail -n 1)
check "leaves only numbered segments" is "$(ls seg | grep -cv '^s.dat.[0-9]\{4\}$')" 0
check "several were written ($first to $last)" test "${last#s.dat.}" -ge 0003
check "each imports by itself" "$cgreplay" import "seg/$last" -o seg.db -q
if command -v trace-cmd >/dev/null; then
	check "and opens with trace-cmd" test "$(trace-cmd report "seg/$first" 2>/dev/null | wc -l)" -gt 100
fi
"$cgreplay" record -q --no-calibrate -o seg/s.dat --segment 1M & pid=$!
for ((j = 0; j < 300; j++)); do ls seg/*.partial >/dev/null 2>&1 && break; sleep 0.01; done
sleep 0.5
"$cgreplay" record -q --no-calibrate -o seg/s.dat --segment 1M -d 1s 2>w.err
check "a second recorder under the same name is refused" says "another recording writes it" w.err
kill -KILL $pid
wait $pid 2>/dev/null
check "the segment of a killed recorder imports" "$cgreplay" import "$(ls seg/*.partial)" -o seg.db -q
mkdir killed
"$cgreplay" record -q --no-calibrate -o killed/k.dat --segment 600K & pid=$!
for ((j = 0; j < 20000; j++)); do # until one is finished and the next has begun
	[ -e killed/k.dat.0001 ] && ls killed/*.partial >/dev/null 2>&1 && break
	/bin/true
done
sleep 1
kill -KILL $pid
wait $pid 2>/dev/null
check "finished segments and the one its recorder was killed in import together" "$cgreplay" import -q killed/k.dat -o seg.db
last=$(ls killed/*.partial | tail -n 1)
head -c 11000 "$last" >killed/cut && mv killed/cut "$last"
check "also when that one holds no event yet" "$cgreplay" import -q killed/k.dat -o seg.db
"$cgreplay" import -q "$last" -o seg.db 2>y.err
check "which by itself is told" says "holds no events" y.err
before=$(ls seg | wc -l)
"$cgreplay" record -q --no-calibrate -o seg/s.dat --segment 1M -d 0.2s
check "the next recording goes on behind it" is "$(ls seg | wc -l)" $((before + 1))
"$cgreplay" record -o seg/t.dat --max-size 2M -d 0.2s --segment 1M 2>x.err
check "--max-size that has no room for four segments is refused" is $? 2

"$cgreplay" record --backend perf --preset cpu -o k.data -- sleep 0.3 2>k.err
status=$?
if [ $status = 0 ]; then
	check "the perf backend's file imports" "$cgreplay" import k.data -o k.db -q
	if command -v perf >/dev/null; then
		check "perf script prints as many samples as were recorded" is "$(perf script -i k.data 2>/dev/null | wc -l)" \
			"$(sed -n 's/.* s, \([0-9]*\) events.*/\1/p' k.err)"
	fi
else
	echo "SKIP perf backend: $(cat k.err)"
fi

exit $failed
