#!/bin/bash
# The flight recorder over a long time: SECONDS of work in a cgroup, then an OOM kill; what is on disk afterwards must
# hold the last seconds before the kill and stay under its bound: flight.sh CGREPLAY CGR-LOAD [SECONDS, default 600]
# Kills elsewhere are none of its business: the recorder is told the cgroup.
set -u
cgreplay=$(readlink -f "$1") load=$(readlink -f "$2") seconds=${3:-600}
skip() { echo "SKIP: $*"; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
memory=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/mounts) limit=memory.limit_in_bytes
[ -n "$memory" ] || { memory=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts) limit=memory.max; }
group=$memory/cgrcapture-flight-$$
mkdir "$group" 2>/dev/null || skip "no writable memory hierarchy"
work=$(mktemp -d)
finish() { # what the kill left of the group goes a moment later
	for _ in 1 2 3 4 5 6 7 8 9 10; do rmdir "$group" 2>/dev/null && break; sleep 0.2; done
	rm -rf "$work"
}
trap finish EXIT
echo 96M >"$group/$limit"
"$cgreplay" record -o "$work/flight.dat" --preset memory --cgroup "/${group##*/}" --ring 8M --until oom -d $((seconds + 300)) 2>"$work/err" & recorder=$!
sleep 2
(
	echo 0 >"$group/cgroup.procs"
	end=$((SECONDS + seconds))
	while [ $SECONDS -lt $end ]; do
		"$load" faults mib=32 loops=4 >/dev/null
		sleep 0.5
	done
	exec tail /dev/zero # reads what never ends a line: grows until it is killed
)
wait $recorder
status=$?
cat "$work/err"
bytes=$(stat -c %s "$work/flight.dat" 2>/dev/null || echo 0)
"$cgreplay" import -q "$work/flight.dat" -o "$work/flight.db" || exit 1
"$cgreplay" info "$work/flight.db" | head -n 8
ask() { "$cgreplay" sql --format csv "$work/flight.db" "$1" | tail -n 1 | tr -d '\r'; }
span=$(ask "SELECT printf('%.1f', (max(ts_ns) - min(ts_ns)) / 1e9) FROM all_events")
echo "status $status, $bytes bytes, events span $span s"
kills=$(ask "SELECT count(*) FROM oom_kill")
echo "OOM kills in it: $kills"
[ $status = 0 ] && [ "$bytes" -gt 100000 ] && [ "$bytes" -le $((9 << 20)) ] && [ "${kills:-0}" -ge 1 ]
