#!/bin/bash
# recommend.sh [OPTION]... [CASE]...: the recommendations put to the real kernel. Each case of recommend.cases is recorded
# ONCE without a limit; `cgreplay recommend` names the smallest limit that keeps each requirement; then the kernel
# runs the same programs without a limit, at the recommended one (the requirement must hold) and 10 % below it (it
# must not). One line per question, and a CSV beside the recordings.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
LAB_TRUTH=$here
# shellcheck source=tests/truth/lab.sh
. "$here/lab.sh"

usage() {
	cat <<'TEXT'
usage: recommend.sh [OPTION]... [CASE]...
  --repeats N  runs per limit (default 5)
  --per-hold N repetitions per exclusive hold of the machine (default 1)
  --ask        only recommend, from the recordings that are there
  --fresh      forget recordings and measurements first
CGR_TRUTH_DIR      where recordings and measurements are kept (default build/truth)
CGR_TRUTH_WRAP     command that runs a measurement alone on the machine (default: none)
CGR_TRUTH_REQUIRED set: what cannot run fails instead of being skipped
TEXT
}

repeats=5 per_hold=1 only_ask= fresh= one= wanted=()
while [ $# -gt 0 ]; do
	case $1 in
	--repeats) repeats=$2; shift ;;
	--per-hold) per_hold=$2; shift ;;
	--ask) only_ask=1 ;;
	--fresh) fresh=1 ;;
	--one) one=$2; shift ;; # one held recording or measurement: started by this script itself
	-h | --help) usage; exit 0 ;;
	-*) echo "recommend.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	*) wanted+=("$1") ;;
	esac
	shift
done
build=${CGR_BUILD:-$here/../../build}
LAB_LOAD=$(readlink -f "$build/tests/cgr-load" || true)
LAB_CGREPLAY=$(readlink -f "$build/cgreplay" || true)
[ -x "$LAB_LOAD" ] && [ -x "$LAB_CGREPLAY" ] || { echo "recommend.sh: nothing is built in $build; run ./dev build" >&2; exit 2; }
mkdir -p "${CGR_TRUTH_DIR:=$build/truth}/recommend"
CGR_TRUTH_DIR=$(readlink -f "$CGR_TRUTH_DIR")
keep=$CGR_TRUTH_DIR/recommend
LAB_DATA=${LAB_DATA:-$CGR_TRUTH_DIR/data}
mkdir -p "$LAB_DATA"
export LAB_LOAD LAB_CGREPLAY LAB_DATA LAB_TRUTH CGR_TRUTH_DIR
status=0

ask() { CASE_ASK+=("$1|$2"); } # KNOB REQUIREMENT
dir() { echo "$keep/$CASE_NAME"; }
alone() { ${CGR_TRUTH_WRAP:-} bash "$here/recommend.sh" --one "$1" "$CASE_NAME"; }

# What other programs do on the machine is not in question: in every run the group outweighs them all.
WEIGHT='|cpu.weight=10000'

# Inside the exclusive hold: record, or run each setting of a question once per repetition. One hold is a few repetitions,
# so that it stays short whatever their number is; settings take turns, so that a drift of the machine meets all alike.
run_one() { # record | QUESTION-NUMBER:REPETITION...
	local r name value knob number=${1%%:*}
	exec 5>"${TMPDIR:-/tmp}/$LAB_TOP.lock"
	flock 5
	trap 'lab_remove' EXIT
	trap 'exit 130' INT TERM
	CASE_KNOBS[free]=$WEIGHT$'\n'
	if [ "$1" = record ]; then
		lab_record free "$(dir)/free.dat" --preset full --cgroup "/$LAB_TOP"
		return
	fi
	knob=${CASE_ASK[$number]%%|*}
	for r in ${1#*:}; do
		: >"$(dir)/$number.$r.tmp"
		while IFS='|' read -r name value; do
			CASE_KNOBS[$name]=$WEIGHT$'\n'
			[ -z "$value" ] || CASE_KNOBS[$name]+="|$knob=$value"$'\n'
			lab_measure "$name" "$r" </dev/null >>"$(dir)/$number.$r.tmp"
		done <"$(dir)/$number.settings"
		mv "$(dir)/$number.$r.tmp" "$(dir)/$number.$r.csv"
	done
}

# Every repetition that is not there yet, then all in one file.
measure() { # NUMBER
	local r missing=()
	for ((r = 1; r <= repeats; r++)); do
		[ -s "$(dir)/$1.$r.csv" ] || missing+=("$r")
	done
	while [ ${#missing[@]} -gt 0 ]; do
		alone "$1:${missing[*]:0:$per_hold}" || return 1
		missing=("${missing[@]:$per_hold}")
	done
	cat "$(dir)/$1".[0-9]*.csv >"$(dir)/$1.measured.csv"
}

# Lines "NAME|VALUE" of what the kernel is asked: nothing, the recommended limit, 10 % below it.
settings() { # RECOMMENDATION.json
	local value period
	value=$(sed -n 's/^ "recommended": \([0-9]*\),.*/\1/p' "$1")
	period=$(sed -n 's/^ "period_usec": \([0-9]*\),.*/\1/p' "$1")
	echo "free|"
	if [ -n "$period" ]; then echo "at|$value $period"; echo "below|$((value * 9 / 10)) $period"; else
		echo "at|$value"; echo "below|$((value * 9 / 10 / 4096 * 4096))"; fi
}

# What the requirement is about, as the kernel's own figures say it: min, median, max per setting, kept or not. A relative
# requirement is held against the unlimited run of the same repetition, made within the same seconds: the machine itself
# drifts. The CPU time of one and the same work moves by 10 to 30 % from run to run on a shared machine, whatever the limit
# is, and completion with it. So a question about completion is judged a second time for equal work: each run's time
# scaled by what its CPU time differs from that of the unlimited run beside it. Both counts are shown; the verdict is
# about the medians as they were measured.
verdict() { # REQUIREMENT MEASURED.csv
	sort -t, -k1,1 -k2,2n "$2" | awk -F, -v rule="$1" -v top="/$LAB_TOP" '
		function figure(s, r,   k) {
			k = s SUBSEP r SUBSEP
			if (metric == "completion") return value[k "" SUBSEP "completion_usec"] / 1e6
			if (metric == "cpu.throttled_share") {
				if (!value[k top SUBSEP "cpu.stat.nr_periods"]) return 0
				return 100 * value[k top SUBSEP "cpu.stat.nr_throttled"] / value[k top SUBSEP "cpu.stat.nr_periods"]
			}
			return value[k top SUBSEP metric]
		}
		function usage(s, r) { return value[s, r, top, "cpu.stat.usage_usec"] }
		function judged(s, r, equal,   f) { # what is held against the bound: the figure, or its ratio to the run without a limit
			f = figure(s, r)
			if (equal && metric == "completion" && usage(s, r)) f *= usage("free", r) / usage(s, r)
			return relative ? f / figure("free", r) : f
		}
		function sort_runs(v,   i, j, t) {
			for (i = 1; i <= runs; i++) for (j = i + 1; j <= runs; j++) if (v[j] < v[i]) { t = v[i]; v[i] = v[j]; v[j] = t }
		}
		function range(s,   r, v) {
			for (r = 1; r <= runs; r++) v[r] = figure(s, r)
			sort_runs(v)
			return sprintf("%.4g..%.4g", v[1], v[runs])
		}
		function middle(s,   r, v) {
			for (r = 1; r <= runs; r++) v[r] = judged(s, r)
			sort_runs(v)
			return v[int((runs + 1) / 2)]
		}
		function kept(f) { return op == "==" ? f == bound : f < bound }
		function counts(equal,   r, at, under) {
			for (r = 1; r <= runs; r++) { at += kept(judged("at", r, equal)); under += !kept(judged("below", r, equal)) }
			return sprintf("%d/%d,%d/%d", at, runs, under, runs)
		}
		BEGIN {
			match(rule, /[<=]+/); metric = substr(rule, 1, RSTART - 1); op = substr(rule, RSTART, RLENGTH)
			text = substr(rule, RSTART + RLENGTH); relative = text ~ /^\+/
			bound = relative ? 1 + text / 100 : text + 0
		}
		{ value[$1, $2, $3, $4] = $5; if ($2 + 0 > runs) runs = $2 + 0; disturbed += $4 == "disturbed" }
		END {
			good = kept(middle("at")); bad = !kept(middle("below"))
			printf "%s,%s,%s,%s,%s,%d,%s\n", range("free"), range("at"), range("below"), counts(0), counts(1), disturbed,
				good && bad ? "ok" : good ? "TOO WIDE" : "TOO TIGHT"
		}'
}

# What recommend itself says of the limit 10 % below its answer: broken in the best seed too, or depending on the run.
predicted_below() { # RECOMMENDATION.json SETTINGS
	local broken below
	broken=$(sed -n 's/^ "surely_broken": \([0-9]*\),.*/\1/p' "$1")
	below=$(sed -n 's/^below|\([0-9]*\).*/\1/p' "$2")
	if [ "${broken:-0}" -ge "$below" ]; then echo broken; else echo depends; fi
}

question() { # NUMBER
	local knob=${CASE_ASK[$1]%%|*} rule=${CASE_ASK[$1]#*|} json row value
	json=$(dir)/$1.json
	"$LAB_CGREPLAY" recommend "$(dir)/free.db" --cgroup "/$LAB_TOP" --knob "$knob" --require "$rule" --until "$CASE_UNTIL" \
		-q --format json >"$json" || { echo "$CASE_NAME: no recommendation for $rule" >&2; status=1; return; }
	settings "$json" >"$(dir)/$1.settings.new"
	if ! cmp -s "$(dir)/$1.settings.new" "$(dir)/$1.settings"; then
		rm -f "$(dir)/$1.measured.csv" "$(dir)/$1".[0-9]*.csv
		mv "$(dir)/$1.settings.new" "$(dir)/$1.settings"
	fi
	value=$(sed -n 's/^at|//p' "$(dir)/$1.settings")
	[ -z "$only_ask" ] || { echo "$CASE_NAME,$knob,$rule,$value"; return 0; }
	[ -s "$(dir)/$1.measured.csv" ] || measure "$1" || { status=1; return; }
	row=$(predicted_below "$json" "$(dir)/$1.settings"),$(verdict "$rule" "$(dir)/$1.measured.csv")
	echo "$CASE_NAME,$knob,$rule,$value,$row" | tee -a "$keep/recommend.csv"
	[[ $row == *,ok ]] || status=1
}

# What is asked relative to the recording is only as good as it: one made beside other work is made again, three times
# at most.
record_alone() {
	local try
	[ ! -s "$(dir)/free.dat" ] || return 0
	for try in 1 2 3; do
		alone record || return 1
		grep -q ',disturbed,' "$(dir)/free.dat.csv" || return 0
		echo "$CASE_NAME: recorded beside other work ($try)" >&2
	done
}

visit() {
	local i
	[ ${#wanted[@]} -eq 0 ] || [[ " ${wanted[*]} " == *" $CASE_NAME "* ]] || return 0
	if [ -n "$one" ]; then run_one "$one"; return; fi
	mkdir -p "$(dir)"
	[ -z "$fresh" ] || rm -f "$(dir)"/*
	record_alone || { status=1; return; }
	if [ ! -s "$(dir)/free.db" ] || [ "$LAB_CGREPLAY" -nt "$(dir)/free.db" ]; then
		"$LAB_CGREPLAY" import "$(dir)/free.dat" -o "$(dir)/free.db" -q
	fi
	for i in "${!CASE_ASK[@]}"; do question "$i"; done
}

[ -n "$only_ask" ] || lab_find
for tool in redis-server redis-benchmark gcc make; do command -v $tool >/dev/null || lab_skip "needs $tool"; done
[ -n "$one$only_ask" ] || echo 'case,knob,requirement,recommended,predicted_10_percent_below,kernel_free,kernel_at,kernel_10_percent_below,kept_at,broken_below,kept_at_equal_work,broken_below_equal_work,disturbed,verdict' |
	tee "$keep/recommend.csv"
CASE_VISIT=visit CASE_NAME= CASE_ASK=()
# the questions belong to the case that begin() starts
eval "$(declare -f case_reset | sed '1s/case_reset/lab_case_reset/')"
case_reset() { lab_case_reset; CASE_ASK=(); }
# shellcheck source=tests/truth/recommend.cases
. "$here/recommend.cases"
case_finish
exit $status
