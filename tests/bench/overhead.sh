#!/bin/bash
# What recording costs: the same program with and without it, in turn, in one run:
# overhead.sh BUILD-DIRECTORY [PAIRS [compile|redis|storm]]
# Bounds: 5 % for a compile and for redis with preset full, 2 % with preset cpu, 40 % for the page-fault storm.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
build=$(readlink -f "${1:-$here/../../build}")
pairs=${2:-15}
work=$build/overhead
top=$(readlink -f "$here/../..")
wrap=${CGR_TRUTH_WRAP:-} # a command that runs a measurement alone on the machine
skip() { echo "SKIP: $*" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
for tool in redis-server redis-benchmark redis-cli taskset make gcc awk; do
	command -v $tool >/dev/null || skip "$tool is not installed (./dev bench installs it)"
done
mkdir -p "$work"

# Each takes about a second; server and client of redis have a CPU each, or the scheduler's placement would be measured
compile() { rm -rf "$work/objects"; make -s -j2 -f "$here/overhead.mk" TOP="$top" OUT="$work/objects" GENERATED="$build/generated"; }
storm() { "$build/tests/cgr-load" faults mib=64 loops=10 >/dev/null; }
redis() { taskset -c 0 redis-benchmark -p 7398 -t set,get -n 25000 -c 8 -q >/dev/null; }
export -f compile storm redis
export work here top build
usec() { local start=${EPOCHREALTIME/./}; "$@" >/dev/null 2>&1; echo $((${EPOCHREALTIME/./} - start)); }
plain() { usec "$1"; }
recorded() { # WHAT PRESET: what is timed is the program, not the recorder's start and end
	"$build/cgreplay" record --preset "$2" -o "$work/$1.dat" -- bash -c "usec() { $(declare -f usec | sed '1,2d;$d')
}; usec $1" 2>"$work/$1.log"
	sed -n 's/.*: \([0-9.]*\) % of .* CPUs$/\1/p' "$work/$1.log" >>"$work/share.$1.$2"
}

one() { # inside the exclusive hold: WHAT PRESET
	local i a b
	: >"$work/share.$1.$2"
	if [ "$1" = redis ]; then
		taskset -c 1 redis-server --port 7398 --save '' --appendonly no --daemonize yes >/dev/null
		sleep 0.3
		redis-cli -p 7398 ping | grep -q PONG || { echo "no redis server on port 7398" >&2; exit 1; }
	fi
	"$1" >/dev/null 2>&1 # warm: both of a pair find the same caches
	for ((i = 0; i < pairs; i++)); do # who comes first changes: a machine that drifts favours neither
		if [ $((i % 2)) = 0 ]; then a=$(plain "$1") b=$(recorded "$1" "$2"); else b=$(recorded "$1" "$2") a=$(plain "$1"); fi
		echo "$1 $2 $a $b"
	done
	[ "$1" != redis ] || redis-cli -p 7398 shutdown nosave
}

if [ "${3:-}" = one ]; then one "$4" "$5"; exit; fi
for entry in "compile full 5" "redis full 5" "compile cpu 2" "redis cpu 2" "storm full 40"; do
	read -r what preset bound <<<"$entry"
	[ -z "${3:-}" ] || [ "$3" = "$what" ] || continue
	$wrap bash "$here/overhead.sh" "$build" "$pairs" one "$what" "$preset" >"$work/pairs.$what.$preset"
	share=$(sort -n "$work/share.$what.$preset" | awk '{ x[NR] = $1 } END { print x[int((NR + 1) / 2)] }')
	# the median of the pairs' ratios: a disturbance hits one pair, not the median; the fastest of each kind beside it:
	# disturbances only ever add
	awk -v bound="$bound" -v share="$share" '{ r[NR] = $4 / $3 - 1; what = $1 " --preset " $2
			if (!a || $3 < a) a = $3; if (!b || $4 < b) b = $4 }
		END { sort_numeric(r, NR)
			m = NR % 2 ? r[(NR + 1) / 2] : (r[NR / 2] + r[NR / 2 + 1]) / 2
			printf "%-24s slow-down median %+6.2f%%, middle half %+.2f%%..%+.2f%%, fastest to fastest %+.2f%% (%d pairs); bound %d%% %s; calibration: %s%% of the machine\n",
				what, m * 100, r[int(NR / 4) + 1] * 100, r[NR - int(NR / 4)] * 100, (b / a - 1) * 100, NR, bound,
				m * 100 <= bound ? "ok" : "OVER", share }
		function sort_numeric(a, n,  i, j, t) { for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j + 1] = a[j]; a[j + 1] = t } }
	' "$work/pairs.$what.$preset"
done
