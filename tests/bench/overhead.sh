#!/bin/bash
# What recording costs: the same program with and without it, in turn, in one run: overhead.sh BUILD-DIRECTORY [PAIRS]
# Bounds: 5 % for a compile and for redis with preset full, 2 % with preset cpu, 40 % for the page-fault storm.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
build=$(readlink -f "${1:-$here/../../build}")
pairs=${2:-7}
work=$build/overhead
top=$(readlink -f "$here/../..")
wrap=${CGR_TRUTH_WRAP:-} # a command that runs a measurement alone on the machine
skip() { echo "SKIP: $*" >&2; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
for tool in redis-server redis-benchmark redis-cli make gcc awk; do
	command -v $tool >/dev/null || skip "$tool is not installed (./dev bench installs it)"
done
mkdir -p "$work"

compile() { rm -rf "$work/objects"; make -s -j2 -f "$here/overhead.mk" TOP="$top" OUT="$work/objects" GENERATED="$build/generated"; }
storm() { "$build/tests/cgr-load" faults mib=64 loops=40 >/dev/null; }
redis() { redis-benchmark -p 7398 -t set,get -n 60000 -c 8 -q >/dev/null; }
export -f compile storm redis
export work here top build
usec() { local start=${EPOCHREALTIME/./}; "$@" >/dev/null 2>&1; echo $((${EPOCHREALTIME/./} - start)); }

one() { # inside the exclusive hold: WHAT PRESET
	local i plain recorded
	[ "$1" != redis ] || { redis-server --port 7398 --save '' --appendonly no --daemonize yes >/dev/null; sleep 0.3; }
	"$1" >/dev/null 2>&1 # warm: both of a pair find the same caches
	for ((i = 0; i < pairs; i++)); do
		plain=$(usec "$1")
		# the body of the function as a script: what is timed is the program, not the recorder's start and end
		recorded=$("$build/cgreplay" record --preset "$2" -o "$work/$1.dat" -- bash -c "usec() { $(declare -f usec | sed '1,2d;$d')
}; usec $1" 2>"$work/$1.log")
		echo "$1 $2 $plain $recorded"
	done
	[ "$1" != redis ] || redis-cli -p 7398 shutdown nosave
}

if [ "${3:-}" = one ]; then one "$4" "$5"; exit; fi
: >"$work/pairs"
for entry in "compile full 5" "redis full 5" "compile cpu 2" "redis cpu 2" "storm full 40"; do
	read -r what preset bound <<<"$entry"
	$wrap bash "$here/overhead.sh" "$build" "$pairs" one "$what" "$preset" >"$work/pairs.$what.$preset"
	# the median of the pairs' ratios: a disturbance hits one pair, not the median
	awk -v bound="$bound" '{ r[NR] = $4 / $3 - 1; what = $1 " --preset " $2 }
		END { n = asort_numeric(r, NR)
			m = NR % 2 ? r[(NR + 1) / 2] : (r[NR / 2] + r[NR / 2 + 1]) / 2
			printf "%-24s slow-down %+6.2f%% (%+.2f%%..%+.2f%%) of %d pairs, bound %d%% %s\n", what, m * 100, r[1] * 100, r[NR] * 100, NR, bound,
				m * 100 <= bound ? "ok" : "OVER" }
		function asort_numeric(a, n,  i, j, t) { for (i = 2; i <= n; i++) { t = a[i]; for (j = i - 1; j > 0 && a[j] > t; j--) a[j + 1] = a[j]; a[j + 1] = t } return n }
	' "$work/pairs.$what.$preset"
	tail -n 1 "$work/$what.log" | sed 's/^/    /'
done
