# CPU hotplug while a recording runs: a CPU goes and comes back, and one that was off at the start comes.
set -eu
. /job/truth/lab.sh
lab_find
online=/sys/devices/system/cpu/cpu1/online
work() { cgr-load periodic threads=3 burn_usec=2000 sleep_usec=3000 msec=1500 >/dev/null; }
try() { # NAME FIRST SECOND: CPU 1 is FIRST at the start, SECOND in the middle, FIRST again
	echo "$2" >$online
	cgreplay record --no-calibrate -o "/tmp/$1.dat" 2>"/tmp/$1.err" & pid=$!
	while [ ! -e "/tmp/$1.dat.partial" ]; do sleep 0.1; done
	sleep 1
	work
	echo "$3" >$online
	work
	echo "$2" >$online
	work
	kill -INT $pid
	wait $pid
	cat "/tmp/$1.err"
	cgreplay import -q "/tmp/$1.dat" -o "/tmp/$1.db"
	cgreplay info "/tmp/$1.db" | sed -n 4,5p
	echo 1 >$online
	# the reader of a CPU that is off has nothing to wait for, and must not spin for it
	wakeups=$(sqlite3 "/tmp/$1.db" "SELECT value FROM meta WHERE key = 'recorder.summary'" | grep -o '"wakeups":[0-9]*' | tr -dc '0-9\n')
	echo "wake-ups per CPU:" $wakeups
	for count in $wakeups; do [ "$count" -lt 400 ] || exit 1; done
	[ "$(echo "$wakeups" | wc -l)" = 2 ]
}
try goes 1 0
try comes 0 1
