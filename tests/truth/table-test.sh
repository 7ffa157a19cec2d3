#!/bin/bash
# The judge is judged: cgr-truth-table must call a good prediction good and a bad one bad.  table-test.sh TOOL
set -u
tool=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
expect() { # WHAT WANTED GOT
	[ "$2" = "$3" ] || { echo "NOT OK $1: wanted '$2', got '$3'"; failed=1; }
}
for r in 1 2 3 4 5; do
	printf 'b,%d,,completion_usec,%d\nb,%d,/cgrlab,cpu.stat.usage_usec,%d\nb,%d,/cgrlab,cpu.stat.nr_throttled,%d\n' $r $((2000000 + r * 1000)) \
		$r $((1000 * r + 497000)) $r $((48 + r % 2))
done >"$work/b.csv"
answer() { # USAGE THROTTLED END
	printf '{"cgroups":[{"path":"/cgrlab","metrics":{"cpu.stat.usage_usec":{"predicted":%s,"low":%s,"high":%s,"class":"bounded"},
	"cpu.stat.nr_throttled":{"predicted":%s,"low":47,"high":50,"class":"bounded"}}}],
	"tasks":[{"cgroup":"/cgrlab","start_usec":1000,"end_usec":%s},{"cgroup":"/cgrlab/x","start_usec":5000,"end_usec":9000},
	{"cgroup":"/cgrlabel","start_usec":0,"end_usec":9999999}],"decisions":[]}' "$1" "$(($1 - 100))" "$(($1 + 100))" "$2" "$3" >"$work/answer.json"
}
rows() { "$tool" --table cpu --case w --from a --to b --until done --measured "$work/b.csv" --json "$work/answer.json" /cgrlab >"$work/rows.csv"; }

answer 500000 49 2004000
rows || failed=1
expect "rows" 3 "$(wc -l <"$work/rows.csv")"
expect "completion from the first start to the last end of our tasks only" 2003000 "$(awk -F, '$6 == "completion_usec" { print $11 }' "$work/rows.csv")"
expect "median of the usage" 500000 "$(awk -F, '$6 == "cpu.stat.usage_usec" { print $8 }' "$work/rows.csv")"
"$tool" --summary "$work/rows.csv" --table cpu --gate >"$work/out" || { echo "NOT OK the gate broke on a good table"; failed=1; }
expect "no cell outside" 0 "$(grep -c ' OUT' "$work/out")"

answer 600000 20 3004000
rows || failed=1
"$tool" --summary "$work/rows.csv" --table cpu --gate >"$work/out" && { echo "NOT OK the gate held on a bad table"; failed=1; }
expect "all cells outside" 3 "$(grep -c ' OUT' "$work/out")"
expect "the interval misses" 1 "$(grep -c 'interval misses' "$work/out")"

cell() { # MIN MEDIAN MAX PREDICTED: a row of refaults
	printf 'memory,w,a,b,/cgrlab,memory.stat.workingset_refault_file,%s,%s,%s,%s,%s,%s,,bounded,\n' "$1" "$2" "$3" "$4" "$4" "$4" >"$work/rows.csv"
	"$tool" --summary "$work/rows.csv" --table memory >"$work/out" || failed=1
}
cell 0 21 42 0
expect "refaults that a reading of memory.stat cannot tell apart are inside" 0 "$(grep -c ' OUT' "$work/out")"
cell 0 21 42 400
expect "more than that is outside" 1 "$(grep -c ' OUT' "$work/out")"
cell 4000 4100 4200 3700
expect "many refaults are judged by their number" 1 "$(grep -c ' OUT' "$work/out")"

answer 600000 20 null
rows || failed=1
"$tool" --summary "$work/rows.csv" --table cpu >"$work/out" || failed=1
expect "a completion that was not predicted is outside" 1 "$(grep 'completion_usec' "$work/out" | grep -c ' OUT')"

: >"$work/rows.csv"
"$tool" --summary "$work/rows.csv" --table cpu --gate >/dev/null 2>&1 && { echo "NOT OK the gate held on an empty table"; failed=1; }

echo 'b,/cgrlab:cpu.max=1 2,end,/cgrlab,cpu.stat.nr_throttled,5,48,49,49' >"$work/o.csv"
answer 500000 49 1
"$tool" --outcomes "$work/o.csv" --to b --json "$work/answer.json" >/dev/null || { echo "NOT OK a good sample was refused"; failed=1; }
answer 500000 20 1
sed -i 's/"low":47,"high":50/"low":19,"high":21/' "$work/answer.json"
"$tool" --outcomes "$work/o.csv" --to b --json "$work/answer.json" >/dev/null && { echo "NOT OK a bad sample passed"; failed=1; }
"$tool" --outcomes "$work/o.csv" --to c --json "$work/answer.json" >/dev/null 2>&1 && { echo "NOT OK a setting without rows passed"; failed=1; }
[ $failed = 0 ] && echo "ok"
exit $failed
