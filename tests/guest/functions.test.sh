# guest: --steady
# Without kprobes the function tracer tells of throttling: the same spans as the kernel's own counters, and as kprobes say
# in a second recording beside it. Time is counted in instructions: a host that is held up shows as no span.
set -eu
. /job/truth/lab.sh
lab_find
tracing=/sys/kernel/tracing
cgreplay record --dry-run --no-kprobes --preset cpu | tee /tmp/plan
grep -q '^throttle *function *sched:throttle_cfs_rq sched:unthrottle_cfs_rq' /tmp/plan
grep -q 'kprobes are not wanted' /tmp/plan

# two groups with quotas of their own, one below the group that has it
lab_make ''
lab_set '' cpu.max 'max 100000'
mkdir -p /sys/fs/cgroup/cgrlab/a/deep /sys/fs/cgroup/cgrlab/b
echo +cpu >/sys/fs/cgroup/cgrlab/cgroup.subtree_control
echo +cpu >/sys/fs/cgroup/cgrlab/a/cgroup.subtree_control
echo '30000 100000' >/sys/fs/cgroup/cgrlab/a/cpu.max
echo '20000 70000' >/sys/fs/cgroup/cgrlab/b/cpu.max
cat >/tmp/work.sh <<'WORK'
(echo 0 >/sys/fs/cgroup/cgrlab/a/deep/cgroup.procs; exec cgr-load spin threads=1 msec=2500) &
(echo 0 >/sys/fs/cgroup/cgrlab/b/cgroup.procs; exec cgr-load spin threads=1 msec=2500) &
wait
WORK
cgreplay record -q --no-calibrate --no-kprobes --preset cpu -o /tmp/f.dat -- bash /tmp/work.sh & pid=$!
cgreplay record -q --no-calibrate --preset cpu -o /tmp/k.dat -d 4s
wait $pid
[ -z "$(ls -d $tracing/instances/cgreplay-* 2>/dev/null)" ]
for one in f k; do cgreplay import -q /tmp/$one.dat -o /tmp/$one.db; done
[ "$(sqlite3 /tmp/f.db 'SELECT min(inferred) FROM throttle_span')" = 1 ] # whose a span is the tracer does not say
[ "$(sqlite3 /tmp/k.db 'SELECT max(inferred) FROM throttle_span')" = 0 ]
cp /tmp/f.dat "$OUT"/
spans() { # STORE: per cgroup, spans of 2 ms and more and their sum in ms
	sqlite3 "$1" "SELECT c.path, count(*), CAST(sum(s.to_ns - s.from_ns) / 1e6 AS INTEGER) FROM throttle_span s
		JOIN cgroup c ON c.id = s.cgroup WHERE s.to_ns - s.from_ns >= 2000000 AND c.path IN ('/cgrlab/a', '/cgrlab/b') GROUP BY 1 ORDER BY 1"
}
echo "function tracer:"; spans /tmp/f.db | tee /tmp/f.spans
echo "kprobes:"; spans /tmp/k.db | tee /tmp/k.spans
for group in a b; do
	grep -H . /sys/fs/cgroup/cgrlab/$group/cpu.stat | grep throttled
	read -r times usec < <(awk '$1 == "nr_throttled" { n = $2 } $1 == "throttled_usec" { print n, $2 }' /sys/fs/cgroup/cgrlab/$group/cpu.stat)
	for one in f k; do
		awk -F'|' -v path=/cgrlab/$group -v times="$times" -v usec="$usec" -v one=$one '$1 == path { n = $2; ms = $3 }
			END { printf "%s %s: %d spans, %d ms, the kernel counts %d and %d ms\n", one, path, n, ms, times, usec / 1000
				exit !(n >= 10 && n >= times - 1 && n <= times + 1 && ms >= usec / 1000 * 0.98 - 2 && ms <= usec / 1000 * 1.02 + 2) }' /tmp/$one.spans
	done
done
rmdir /sys/fs/cgroup/cgrlab/a/deep /sys/fs/cgroup/cgrlab/a /sys/fs/cgroup/cgrlab/b
lab_remove
