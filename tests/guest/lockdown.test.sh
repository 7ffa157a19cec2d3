# guest: --append lockdown=confidentiality
# A kernel that lets nobody read tracefs: one sentence that says so, exit 2, nothing left behind.
set -eu
mount -t securityfs securityfs /sys/kernel/security
cat /sys/kernel/security/lockdown
grep -q '\[confidentiality\]' /sys/kernel/security/lockdown
for backend in ftrace perf; do
	status=0
	cgreplay record --backend $backend -o /tmp/x.dat -d 1s 2>/tmp/err || status=$?
	cat /tmp/err
	[ $status = 2 ]
	[ "$(grep -c . /tmp/err)" = 1 ]
	grep -q 'locked down' /tmp/err
	[ -z "$(ls /tmp/x.dat* 2>/dev/null)" ]
done
[ -z "$(ls -d /sys/kernel/tracing/instances/cgreplay-* 2>/dev/null)" ]
