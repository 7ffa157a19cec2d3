#!/bin/bash
# What can go wrong around a recording, staged on the live kernel: baddays.sh CGREPLAY CGR-LOAD
# Needs root and tracefs; touches only its own cgroup, instances and mount namespaces.
set -u
cgreplay=$(readlink -f "$1") load=$(readlink -f "$2")
skip() { echo "SKIP: $*"; [ -z "${CGR_TRUTH_REQUIRED:-}" ] || exit 1; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
tracing=$(awk '$3 == "tracefs" { print $2; exit }' /proc/mounts)
[ -n "$tracing" ] && [ -d "$tracing/instances" ] || skip "no tracefs with instances is mounted"
work=$(mktemp -d)
chmod 755 "$work"
memory=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/mounts)
group=$memory/cgrcapture-bad-$$
finish() {
	umount "$work/small" 2>/dev/null
	for dir in "$group" "$group-renamed"; do [ -z "$memory" ] || [ ! -d "$dir" ] || rmdir "$dir"; done
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
of() { "$cgreplay" sql --format csv "$1" "$2" | tail -n +2 | tr -d '\r'; }

# tracefs somewhere else, and nowhere with no right to mount it
unshare -m sh -c "umount -l '$tracing' && mkdir elsewhere && mount -t tracefs nodev elsewhere && exec '$cgreplay' record -q --no-calibrate -o a.dat -d 0.3s" 2>a.err
check "tracefs mounted elsewhere is found" is "$?" 0
check "and its recording imports" "$cgreplay" import -q a.dat -o a.db
setpriv --bounding-set -sys_admin --inh-caps -sys_admin \
	unshare -m true 2>/dev/null && echo "SKIP dropping capabilities has no effect here"
for backend in ftrace perf; do
	unshare -m sh -c "for at in \$(awk '\$3 == \"tracefs\" || \$3 == \"debugfs\" { print \$2 }' /proc/mounts | sort -r); do umount -l \$at; done
		exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin '$cgreplay' record -q --backend $backend -o a.dat -d 0.2s" 2>a.err
	check "tracefs mounted nowhere, and no right to mount it ($backend): exit 2" is $? 2
	check "and one sentence" is "$(grep -c . a.err)" 1
	check "that says so" says "tracefs" a.err
done

# capabilities, one at a time: either it works, or one clear sentence says what is missing
for cap in sys_admin perfmon dac_override dac_read_search sys_ptrace sys_resource syslog bpf ipc_lock kill; do
	rm -f c.dat c.dat.partial
	setpriv --bounding-set "-$cap" --inh-caps "-$cap" "$cgreplay" record -q --no-calibrate -o c.dat -d 0.2s 2>c.err
	status=$?
	if [ $status = 0 ]; then
		check "without CAP_${cap^^} it records, and the file imports" "$cgreplay" import -q c.dat -o c.db
	else
		check "without CAP_${cap^^}: exit 2" is $status 2
		check "and one sentence" is "$(grep -c . c.err)" 1
	fi
done
setpriv --bounding-set -all --inh-caps -all --reuid=65534 --clear-groups "$cgreplay" record --backend perf -o /dev/null/x -d 0.1s 2>d.err
check "the perf backend without any right: exit 2" is $? 2
check "says what it needs" says "CAP_PERFMON\|tracefs" d.err

for cap in sys_admin perfmon dac_override dac_read_search sys_ptrace sys_resource syslog ipc_lock; do
	rm -f d.data
	setpriv --bounding-set "-$cap" --inh-caps "-$cap" "$cgreplay" record -q --backend perf --preset cpu -o d.data -d 0.2s 2>d.err
	status=$?
	if [ $status = 0 ]; then
		check "without CAP_${cap^^} the perf backend records, and the file imports" "$cgreplay" import -q d.data -o d.db
	else
		check "the perf backend without CAP_${cap^^}: exit 2" is $status 2
		check "and one sentence" is "$(grep -c . d.err)" 1
	fi
done

# a command that is setuid to somebody else
cp "$(command -v sleep)" other && chown 65534 other && chmod 4755 other
"$cgreplay" record -q --no-calibrate -o e.dat -- "$work/other" 0.3
check "a setuid command runs to its end" is $? 0
check "and is in the recording" is "$("$cgreplay" import -q e.dat -o e.db && of e.db "SELECT count(*) > 0 FROM task WHERE comm = 'other'")" 1
"$cgreplay" record -q --no-calibrate -o e.dat -- "$work/other" 20 & pid=$!
sleep 1
kill -TERM $pid
wait $pid
check "and ends with the recorder" is $? 143

# a cgroup that gets another name meanwhile
if [ -n "$memory" ] && mkdir "$group" 2>/dev/null; then
	"$cgreplay" record -q --no-calibrate -o f.dat -- sh -c "echo 0 >'$group/cgroup.procs'; '$load' faults mib=4 loops=2 >/dev/null; mv '$group' '$group-renamed' && '$load' faults mib=4 loops=2 >/dev/null; sleep 0.3; echo 0 >'$memory/cgroup.procs'"
	check "a cgroup renamed meanwhile does no harm" is $? 0
	check "and the recording imports" "$cgreplay" import -q f.dat -o f.db
	rmdir "$group-renamed" "$group" 2>/dev/null
	mkdir "$group"
	"$cgreplay" record -q --no-calibrate -o n.dat --cgroup "bad-$$" -- sh -c "echo 0 >'$group/cgroup.procs'; '$load' faults mib=4 loops=2 >/dev/null; echo 0 >'$memory/cgroup.procs'"
	check "a part of a name does for record" is $? 0
	check "and for import" "$cgreplay" import -q --cgroup "bad-$$" n.dat -o n.db
	check "which keeps that cgroup's pages alone" is "$(of n.db "SELECT DISTINCT path FROM charge JOIN cgroup ON cgroup.id = charge.cgroup")" "${group#"$memory"}"
	check "and for replay" sh -c "'$cgreplay' replay n.db --set 'bad-$$:memory.max=1G' >/dev/null"
	"$cgreplay" import -q --cgroup no-such-name n.dat -o n.db 2>n.err
	check "a name nobody has is a usage error" is $? 2
	"$cgreplay" record -q --no-calibrate -o g.dat --cgroup "${group#"$memory"}" -- sh -c "sleep 0.3; rmdir '$group'; sleep 0.5; mkdir '$group'; sleep 0.3"
	check "the recorded cgroup removed and made again does no harm" is $? 0
	check "and the recording imports" "$cgreplay" import -q g.dat -o g.db
else
	echo "SKIP no writable memory hierarchy"
fi

# a reader that does not come to read: the ring overruns, and that is told everywhere
"$cgreplay" record --no-calibrate --buffer 64K -o h.dat -d 4s 2>h.err & pid=$!
for ((j = 0; j < 200; j++)); do [ -e h.dat.partial ] && break; sleep 0.01; done
sleep 0.3
kill -STOP $pid
"$load" faults mib=8 loops=8 >/dev/null
kill -CONT $pid
wait $pid
check "a reader that was stopped: the recording ends well" is $? 0
check "says that events were lost" says "events were lost" h.err
"$cgreplay" import -q h.dat -o h.db
check "and where: CPU, from and to" test "$(of h.db 'SELECT count(*) FROM lost')" -gt 0
check "info shows it" test "$("$cgreplay" info h.db | grep -c ' lost')" -gt 0
"$cgreplay" replay --format json h.db >h.json
check "metrics are predicted from it all the same" test "$(grep -c '"bounded"\|"extrapolated"' h.json)" -gt 0
check "none as exact" is "$(grep -c '"exact"' h.json)" 0
"$cgreplay" import -q --max-lost 0 h.dat -o h2.db 2>i.err
check "import --max-lost 0 refuses it" is $? 3

# what the ring holds after a stall is more than a segment takes: the bound of all files together holds all the same
mkdir burst
"$cgreplay" record -q --no-calibrate --buffer 32M -o burst/b.dat --max-size 4M --segment 1M & pid=$!
for ((j = 0; j < 500; j++)); do ls burst/*.partial >/dev/null 2>&1 && break; sleep 0.01; done
sleep 0.5
kill -STOP $pid
"$load" faults mib=64 loops=20 >/dev/null & "$load" pingpong rounds=300000 parent_usec=0 child_usec=0 >/dev/null
wait $!
kill -CONT $pid
(sleep 1.5; kill -INT $pid) &
most=0
while kill -0 $pid 2>/dev/null; do
	now=$(cat burst/b.dat.* burst/.b.dat* 2>/dev/null | wc -c)
	[ "$now" -le $most ] || most=$now
done
wait $pid
check "a burst after a stall, written in segments, ends well" is $? 0
check "and never takes more than --max-size ($most bytes)" test "$most" -le $((4 << 20))
check "and its segments import together" "$cgreplay" import -q burst/b.dat -o b.db

# a recorder that was stopped while it made its instance holds the lock: the next one does not wait for ever
flock "$tracing/instances" sleep 600 & pid=$!
sleep 0.2
timeout -k 1 250 "$cgreplay" record -q --no-calibrate -o l.dat -d 0.2s 2>l.err
check "a lock that nobody gives back does not hold up a recording" is $? 0
pkill -P $pid
kill $pid 2>/dev/null
wait $pid 2>/dev/null

# a flight recorder that was held up finds more than it holds when it is to write: its times are right all the same
"$cgreplay" record -q --no-calibrate --preset cpu --ring 1M --buffer 32M -o ring.dat & pid=$!
sleep 1
kill -STOP $pid
"$load" pingpong rounds=200000 parent_usec=0 child_usec=0 >/dev/null & "$load" pingpong rounds=200000 parent_usec=0 child_usec=0 >/dev/null
wait $!
kill -USR1 $pid
kill -CONT $pid
wait $pid
check "a flight recorder that is flooded writes its file" is $? 0
check "which imports" "$cgreplay" import -q ring.dat -o ring.db
check "and whose events lie between its start and its end" is "$(of ring.db "SELECT count(DISTINCT ts_ns) > 1000 AND abs(max(ts_ns) -
	(SELECT value FROM meta WHERE key = 'duration_ns')) < 500000000 FROM all_events")" 1

# a link into another filesystem: what is recorded grows there, where it can be renamed
if [ "$(stat -c %d /dev/shm 2>/dev/null)" != "$(stat -c %d .)" ] && target=$(mktemp /dev/shm/cgrcapture-XXXXXX); then
	ln -s "$target" link.dat
	for backend in ftrace perf; do
		"$cgreplay" record -q --no-calibrate --backend $backend -o link.dat -d 0.3s
		check "through a link into another filesystem it records ($backend)" is $? 0
		check "and the file imports" "$cgreplay" import -q "$target" -o link.db
		check "and the link stays, alone" is "$(find . -name 'link.dat*' -printf '%f %y ')" "link.dat l "
	done
	rm -f "$target"*
else
	echo "SKIP no second filesystem"
fi

# segments on a disk that fills up
mkdir small && mount -t tmpfs -o size=3m cgr-small small 2>/dev/null && {
	"$cgreplay" record --no-calibrate -o small/x.dat --segment 700K -d 60s -- sh -c 'for i in $(seq 4000); do /bin/true; done' 2>j.err
	check "a disk full of segments is an I/O error" is $? 4
	check "that says where they are" says "x.dat" j.err
	file=$(ls small/x.dat.* | head -n 1)
	check "the first of them imports ($file)" "$cgreplay" import -q "$file" -o j.db
	rm -f small/*
	head -c 2600K /dev/zero >small/rest
	"$cgreplay" record --no-calibrate -o small/f.dat --ring 4M -d 60s -- sh -c 'for i in $(seq 500); do /bin/true; done' 2>j.err
	check "a disk without room for what the flight recorder holds is an I/O error" is $? 4
	check "that says where" says "small/f.dat" j.err
	check "and leaves no file under the final name" test ! -e small/f.dat
	rm -f small/f.dat*
	"$cgreplay" record --backend perf --preset cpu -o small/p.data -d 20s -- sh -c 'for i in $(seq 2000); do /bin/true; done' 2>j.err
	check "so is one that fills up under the perf backend" is $? 4
	check "that says where the recording is kept" says "small/p.data.partial" j.err
	check "no file under the final name" test ! -e small/p.data
	check "what was written imports" "$cgreplay" import -q small/p.data.partial -o j.db
	umount small
}

# SIGKILL: what is not in the file is the last half second at most; far less than the bound tested here
uptime() { awk '{ print $1 }' /proc/uptime; }
for backend in ftrace perf; do
	"$cgreplay" record -q --no-calibrate --backend $backend -o k.dat & pid=$!
	for ((j = 0; j < 200; j++)); do [ -e k.dat.partial ] && break; sleep 0.01; done
	began=$(uptime) # the trace begins some milliseconds later
	sleep 2
	kill -KILL $pid
	killed=$(uptime)
	wait $pid 2>/dev/null
	"$cgreplay" import -q k.dat.partial -o k.db
	missing=$(awk -v began="$began" -v killed="$killed" -v last="$(of k.db "SELECT max(ts_ns) FROM all_events")" \
		'BEGIN { printf "%.2f", killed - began - last / 1e9 }')
	check "after SIGKILL ($backend) $missing s are missing" awk -v missing="$missing" 'BEGIN { exit !(missing < 3) }'
	rm -f k.dat*
done
exit $failed
