#!/bin/bash
# kill -9 at random moments: every file imports, and the next run removes what they left in the kernel. Of three, one
# records in segments and one with the perf backend: kill.sh CGREPLAY [TIMES, default 50]
set -u
cgreplay=$(readlink -f "$1")
times=${2:-50}
skip() { echo "SKIP: $*"; [ -z "${CGR_TRUTH_REQUIRED:-}" ] || exit 1; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
tracing=$(awk '$3 == "tracefs" { print $2; exit }' /proc/mounts)
[ -n "$tracing" ] && [ -d "$tracing/instances" ] || skip "no tracefs with instances is mounted"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
leftovers() { # instances whose recorder is gone: nobody holds the lock on trace_clock
	local n=0 dir
	for dir in "$tracing"/instances/cgreplay-*; do
		[ -d "$dir" ] || continue
		flock -n "$dir/trace_clock" true 2>/dev/null && n=$((n + 1))
	done
	echo $n
}
imported=0 files=0
"$cgreplay" record -q --backend perf -o p.data -d 0.1s 2>p.err || { no_perf=1; echo "without the perf backend: $(cat p.err)"; }
for ((i = 0; i < times; i++)); do
	how=()
	[ $((i % 3)) != 1 ] || how=(--segment 1M)
	[ $((i % 3)) != 2 ] || [ -n "${no_perf:-}" ] || how=(--backend perf)
	"$cgreplay" record -q --no-calibrate "${how[@]}" -o "k$i.dat" & pid=$!
	for ((j = 0; j < 300; j++)); do [ -n "$(ls "k$i".dat*.partial 2>/dev/null)" ] && break; sleep 0.01; done
	for ((j = 0; j < 30; j++)); do /bin/true; done
	sleep "0.$((RANDOM % 80 + 15))"
	kill -KILL $pid
	wait $pid 2>/dev/null
	# segments are taken together: the last one may have been killed before its first event
	name="k$i.dat.partial"
	[ "${how[*]}" != "--segment 1M" ] || name="k$i.dat"
	for file in "$name"; do
		[ -n "$(ls "$file"* 2>/dev/null)" ] || continue
		files=$((files + 1))
		"$cgreplay" import "$file" -o k.db -q && imported=$((imported + 1)) || echo "$file does not import"
	done
	rm -f "k$i".dat*
done
"$cgreplay" record -q --no-calibrate -o last.dat -d 0.1s
left=$(leftovers)
echo "killed $times times: $files files, $imported import; $left instances are left after the next run"
[ "$files" -ge "$times" ] && [ "$imported" = "$files" ] && [ "$left" = 0 ]
