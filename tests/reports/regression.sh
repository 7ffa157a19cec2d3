#!/usr/bin/env bash
# regression.sh CGREPLAY LOAD [PAIRS]: records the same load again and again on the running kernel and lets the CI script
# of docs/ci judge: unchanged pairs must pass every time, and a load that burns 30 % more, or holds a third more memory,
# must be caught. Needs root and tracefs. CGR_EXCLUSIVE may name a command that keeps the machine quiet meanwhile.
set -u
cgreplay=$(readlink -f "$1") load=$(readlink -f "$2") pairs=${3:-3}
source=$(readlink -f "$(dirname "$0")/../..")
export LAB_TOP=${LAB_TOP:-cgrreports}
# shellcheck source=tests/truth/lab.sh
. "$source/tests/truth/lab.sh"
lab_find
[ -w /sys/kernel/tracing/instances ] || lab_skip "needs tracefs at /sys/kernel/tracing"
work=$(mktemp -d)
trap 'lab_remove; rm -rf "$work"' EXIT
cd "$work" || exit 4
PATH=$(dirname "$cgreplay"):$PATH
number=0 failed=0
cat >rules.yaml <<RULES
rules:
  - {name: nothing is killed, metric: memory.events.oom_kill, cgroup: /$LAB_TOP, max: 0}
  - {name: no more CPU, metric: cpu.stat.usage_usec, cgroup: /$LAB_TOP, against: baseline, value: recorded, worse: higher, tolerance: 15%}
  - {name: no more memory, metric: memory.peak, cgroup: /$LAB_TOP, against: baseline, value: recorded, tolerance: 12%}
  - {name: no longer wait, metric: completion_usec, cgroup: /$LAB_TOP, against: baseline, tolerance: 40%}
RULES

record() { # NAME MIB BURN_USEC
	lab_remove
	lab_make ''
	# the load moves itself in before it starts, so that everything it charges is charged there
	# shellcheck disable=SC2016
	${CGR_EXCLUSIVE:-} cgreplay record -q -o "$1.dat" --cgroup "/$LAB_TOP" -- bash -c '
		for dir in $1; do echo $$ >"$dir/cgroup.procs"; done
		"$2" ramp mib="$3" hold_msec=20 >/dev/null && exec "$2" periodic threads=2 burn_usec="$4" sleep_usec=3000 count=120 >/dev/null
	' - "$(lab_dirs '' | tr '\n' ' ')" "$load" "$2" "$3"
}
judge() { # NAME WANTED-STATUS WORDS
	local got
	sh "$source/docs/ci/check.sh" "$1.dat" baseline.db rules.yaml >out 2>err
	got=$?
	number=$((number + 1))
	if [ $got = "$2" ]; then echo "ok $number - $3"; else
		failed=1
		echo "not ok $number - $3: exit $got, expected $2"
		sed 's/^/# /' out err | head -n 40
	fi
	[ "$2" = 0 ] || grep -h BROKEN out | sed 's/^/# /'
}

record base 40 5000
judge base 0 'the first run becomes the baseline'
for ((i = 1; i <= pairs; i++)); do
	record same 40 5000
	judge same 0 "unchanged, $i of $pairs"
done
record slow 40 6500
judge slow 1 '30 % more CPU time is caught'
grep -q 'BROKEN no more CPU' out || { failed=1; echo '# but not by the CPU rule'; }
record fat 54 5000
judge fat 1 'a third more memory is caught'
grep -q 'BROKEN no more memory' out || { failed=1; echo '# but not by the memory rule'; }
xmllint --noout check.xml || failed=1
echo "1..$number"
exit $failed
