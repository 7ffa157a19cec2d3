#!/bin/bash
# Predictions against the real kernel: truth.sh cpu|memory [OPTION]... [CASE]...
# For each case: the ground truth (five runs under every setting, without recording) and the recordings are made
# once and kept in $CGR_TRUTH_DIR; predictions are made anew each time, one table row per metric.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
LAB_TRUTH=$here
# shellcheck source=tests/truth/lab.sh
. "$here/lab.sh"

usage() {
	cat <<'TEXT'
usage: truth.sh cpu|memory|guest-cpu|guest-memory|heldout-cpu|heldout-memory [OPTION]... [CASE]...
  --quick      only the subset that CI runs; its gates are bounds that noise cannot break
  --repeats N  runs per setting (default 5)
  --make       only make the ground truth and the recordings that are missing
  --measure    only make the ground truth that is missing
  --record     only make the recordings that are missing
  --predict    only predict, from what is there
  --fresh      forget what is kept for the chosen cases first
  --safe       instead of the table: the smallest memory.max without a kill, by bisecting the kernel and the prediction
  --open       beside the closed-loop prediction the open-loop one (recorded wake times), as the column "open"
  --bless      write the table to tests/truth/TABLE.csv as well
  --list       name the cases
  --outcomes   print the ground truth of the chosen cases as setting,set,until,cgroup,metric,runs,min,median,max
CGR_TRUTH_DIR      where ground truth and recordings are kept (default build/truth)
CGR_TRUTH_WRAP     command that runs a measurement alone on the machine (default: none)
CGR_TRUTH_REQUIRED set: what cannot run fails instead of being skipped
TEXT
}

table= only= quick= repeats=5 fresh= bless= list= wanted=() visit_one= open_loop=
while [ $# -gt 0 ]; do
	case $1 in
	cpu | memory | guest-cpu | guest-memory | heldout-cpu | heldout-memory | samples) [ -n "$table" ] && wanted+=("$1") || table=$1 ;;
	--quick) quick=1 ;;
	--repeats) repeats=$2; shift ;;
	--make) only=both ;;
	--measure) only=measure ;;
	--record) only=record ;;
	--predict) only=predict ;;
	--fresh) fresh=1 ;;
	--safe) only=safe ;;
	--open) open_loop=1 ;;
	--bless) bless=1 ;;
	--list) list=1 ;;
	--outcomes) list=outcomes ;;
	--one) visit_one=$2; shift ;; # one held measurement or recording: started by this script itself
	-h | --help) usage; exit 0 ;;
	-*) echo "truth.sh: unknown option $1" >&2; usage >&2; exit 2 ;;
	*) wanted+=("$1") ;;
	esac
	shift
done
cases=$here/$table.cases
[ "$table" != samples ] || cases=$here/../../samples/samples.cases
[ -n "$table" ] && [ -e "$cases" ] || { usage >&2; exit 2; }

build=${CGR_BUILD:-$here/../../build}
LAB_LOAD=${LAB_LOAD:-$(readlink -f "$build/tests/cgr-load" || true)}
LAB_CGREPLAY=${LAB_CGREPLAY:-$(readlink -f "$build/cgreplay" || true)}
[ -n "$LAB_LOAD" ] && [ -n "$LAB_CGREPLAY" ] || { echo "truth.sh: nothing is built in $build; run ./dev build" >&2; exit 2; }
truth_table=${LAB_TABLE:-$build/tests/cgr-truth-table}
keep=${CGR_TRUTH_DIR:-$build/truth}
mkdir -p "$keep"
keep=$(readlink -f "$keep")
LAB_DATA=${LAB_DATA:-$keep/data}
mkdir -p "$LAB_DATA" "$keep/$table"
export LAB_LOAD LAB_CGREPLAY LAB_DATA LAB_TRUTH CGR_TRUTH_DIR=$keep

chosen() {
	[ "$CASE_WHERE" = any ] || [ "$CASE_WHERE" = "${LAB_MODE:-$CASE_WHERE}" ] || return 1
	[ ${#wanted[@]} -gt 0 ] && { [[ " ${wanted[*]} " == *" $CASE_NAME "* ]]; return; }
	[ -z "$quick" ] || [ -n "$CASE_QUICK" ]
}
in_guest() { [[ $table == guest-* ]] && [ ! -e /job/truth ]; } # this table, and not yet inside
guest_case() { # ground truth and recordings of one case, made in one boot of the guest
	local job steady=()
	[ "$table" != guest-cpu ] && [ -z "$CASE_STEADY" ] || steady=(--steady)
	job=$(mktemp -d)
	mkdir -p "$job/kept/$table/$CASE_NAME"
	cp "$(dir)"/*.csv "$(dir)"/*.dat "$job/kept/$table/$CASE_NAME/" 2>/dev/null || true
	echo "$table" >"$job/table"; echo "$CASE_NAME" >"$job/cases"; echo "$repeats" >"$job/repeats"
	echo "guest: measuring and recording $CASE_NAME" >&2
	${CGR_TRUTH_WRAP:-} bash "$here/../guest/guest.sh" run "$here/../guest/truth.sh" "${steady[@]}" --out "$job/out" --with "$job/table" \
		--with "$job/cases" --with "$job/repeats" --with "$job/kept" >"$(dir)/guest.log" 2>&1 || echo "truth: the guest failed, see $(dir)/guest.log" >&2
	cp "$job/out/truth/$table/$CASE_NAME"/* "$(dir)/" 2>/dev/null || true
	rm -rf "$job"
}
alone() { ${CGR_TRUTH_WRAP:-} bash "$here/truth.sh" "$table" --repeats "$repeats" --one "$1" "$CASE_NAME"; }
dir() { echo "$keep/$table/$CASE_NAME"; }

missing() { # what (measure, record): the settings that are not there yet
	local s
	if [ "$1" = measure ]; then
		for s in "${CASE_SETTING[@]}"; do [ -s "$(dir)/$s.measured.csv" ] || echo "$s"; done
	else
		for s in "${CASE_RECORD[@]}"; do [ -s "$(dir)/$s.dat" ] || echo "$s"; done
	fi
}
make_missing() { # measure, record or both: all of a case in one exclusive hold
	[ -n "$(if [ "$1" != record ]; then missing measure; fi; if [ "$1" != measure ]; then missing record; fi)" ] || return 0
	if in_guest; then guest_case; return; fi
	echo "$table: $1 $CASE_NAME" >&2
	alone "$1" || echo "truth: $1 of $CASE_NAME failed" >&2
}

record_one() { # SETTING
	local preset=$CASE_PRESET scope=()
	case $table in *memory) preset=${preset:-full} ;; *) preset=${preset:-cpu} ;; esac
	[ "$preset" = cpu ] || scope=(--cgroup "/$LAB_TOP")
	lab_record "$1" "$(dir)/$1.dat" --preset "$preset" "${scope[@]}"
	rm -f "$(dir)/$1.db"
}

record_missing() {
	local s
	for s in $(missing record); do record_one "$s" || echo "truth: recording $CASE_NAME under $s failed" >&2; done
}

# Inside the exclusive hold. The repeats of the settings take turns and the recordings are made in the midst of them:
# the speed of a machine drifts, what runs first finds cold caches and memory that the host of a virtual machine has
# taken back, and two settings must not be measured on two machines.
run_one() { # WHAT
	local r s settings group low high
	mkdir -p "$(dir)"
	exec 5>"${TMPDIR:-/tmp}/$LAB_TOP.lock"
	flock 5 # the top cgroup is one: two runs at a time would be one broken run
	trap 'lab_remove' EXIT
	trap 'exit 130' INT TERM
	if [ "$1" = safe ]; then
		IFS='|' read -r group low high <<<"$CASE_SAFE"
		bisect $((low * 1024)) $((high * 1024)) lab_killed "$group" >"$(dir)/safe.tmp"
		mv "$(dir)/safe.tmp" "$(dir)/safe.csv"
		return
	fi
	settings=
	[ "$1" = record ] || settings=$(missing measure)
	for s in $settings; do : >"$(dir)/$s.measured.tmp"; done
	for ((r = 1; r <= repeats; r++)); do
		[ "$r" -ne $(((repeats + 1) / 2)) ] || [ "$1" = measure ] || record_missing
		for s in $settings; do lab_measure "$s" "$r" >>"$(dir)/$s.measured.tmp"; done
	done
	for s in $settings; do mv "$(dir)/$s.measured.tmp" "$(dir)/$s.measured.csv"; done
}

# When the programs of a recording were started, in msec of the trace: what is written in mid-run counts from there.
started_msec() { # SETTING
	"$LAB_CGREPLAY" sql "$(dir)/$1.db" "SELECT min(m.from_ns) / 1000000 FROM membership m JOIN css_set_link l ON l.css_set = m.css_set
		JOIN cgroup c ON c.id = l.cgroup WHERE m.from_ns > 0 AND (c.path = '/$LAB_TOP' OR c.path LIKE '/$LAB_TOP/%')" --format csv | tail -n 1 | tr -d '\r'
}
sets() { # FROM TO: the --set options of the what-if, every knob that differs (a knob only FROM has goes to max)
	local group knob
	while IFS='|' read -r group knob; do
		[ -z "$knob" ] && continue
		[[ $'\n'${CASE_KNOBS[$2]} != *$'\n'"$group|${knob%%=*}="* ]] || continue
		case ${knob%%=*} in
		cpus.online) printf '%s\0%s\0' --cpus "$(nproc --all)"; continue ;;
		cpuset.cpus) knob=cpuset.cpus=0-$(($(nproc --all) - 1)) ;;
		cpu.weight) knob=cpu.weight=100 ;;
		cpu.idle | cpu.max.burst) knob=${knob%%=*}=0 ;;
		*) knob=${knob%%=*}=max ;;
		esac
		printf '%s\0%s\0' --set "/$LAB_TOP${group:+/$group}:$knob"
	done <<<"${CASE_KNOBS[$1]}"
	while IFS='|' read -r group knob; do
		case $knob in
		'') ;;
		cpus.online=*) printf '%s\0%s\0' --cpus "${knob#*=}" ;;
		*@*) printf '%s\0%s\0' --set "/$LAB_TOP${group:+/$group}:${knob%@*}@$(($(started_msec "$1") + ${knob##*@}))ms" ;;
		*) printf '%s\0%s\0' --set "/$LAB_TOP${group:+/$group}:$knob" ;;
		esac
	done <<<"${CASE_KNOBS[$2]}"
}

outcomes() { # setting, the what-if that leads to it from the recorded one, and the spread of every metric
	local s options set
	echo "setting,set,until,cgroup,metric,runs,min,median,max"
	for s in "${CASE_SETTING[@]}"; do
		mapfile -t -d '' options < <(sets "${CASE_RECORD[0]}" "$s")
		set=$(printf '%s\n' "${options[@]}" | grep -v -e '^--set$' -e '^$' | paste -sd';' || true)
		[ "$s" != "${CASE_RECORD[0]}" ] || set=
		tail -q -n +1 "$(dir)/$s.measured.csv" | sort -t, -k3,3 -k4,4 -k5,5n |
			awk -F, -v setting="$s" -v set="$set" -v until="$CASE_UNTIL" -v preset="$CASE_PRESET" '
			# only what the recording can tell about: a cpu recording does not see pages
			$4 ~ /^exit|^disturbed|^cpu_usec|pgfault|pgmajfault|memory.current|refault_anon|burst/ { next }
			preset == "cpu" && $4 ~ /^memory/ || preset == "full" && $4 ~ /^cpu/ { next }
			$4 == "completion_usec" && until == "end" { next }
			function flush() { if (n) printf "%s,%s,%s,%s,%s,%d,%s,%s,%s\n", setting, set, until, group, metric, n, v[1],
				n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2, v[n]; n = 0 }
			{ if ($3 != group || $4 != metric) flush(); group = $3; metric = $4; v[++n] = $5 }
			END { flush() }'
	done
}

import_one() { # SETTING
	[ -s "$(dir)/$1.dat" ] || { echo "truth: $CASE_NAME was not recorded under $1" >&2; return 1; }
	[ -s "$(dir)/$1.db" ] && [ "$(dir)/$1.db" -nt "$LAB_CGREPLAY" ] && [ "$(dir)/$1.db" -nt "$(dir)/$1.dat" ] && return
	"$LAB_CGREPLAY" import "$(dir)/$1.dat" -o "$(dir)/$1.db" 2>"$(dir)/$1.import.log" && return
	echo "truth: import of $(dir)/$1.dat failed: $(tail -n 1 "$(dir)/$1.import.log")" >&2
	return 1
}

replay_one() { # FROM TO: one prediction beside its truth, rows appended
	local options=() latency=() open=() disturbed=()
	[ -s "$(dir)/$2.measured.csv" ] || return 0
	[ "$1" = "$2" ] || mapfile -t -d '' options < <(sets "$1" "$2")
	if ! timeout 300 "$LAB_CGREPLAY" replay "$(dir)/$1.db" "${options[@]}" --until "$CASE_UNTIL" --format json \
		>"$(dir)/$1-$2.json" 2>"$(dir)/$1-$2.log"; then
		echo "truth: replay of $CASE_NAME $1 -> $2 failed: $(tail -n 1 "$(dir)/$1-$2.log")" >&2
		return 1
	fi
	if [ -n "$open_loop" ] && timeout 300 "$LAB_CGREPLAY" replay "$(dir)/$1.db" "${options[@]}" --until "$CASE_UNTIL" --open-loop \
		--format json >"$(dir)/$1-$2.open.json" 2>/dev/null; then
		open=(--open "$(dir)/$1-$2.open.json")
	fi
	[ ! -s "$(dir)/$2-$2.json" ] || latency=(--latency "$(dir)/$2-$2.json")
	# other work ran beside the recording or beside most of the repeats: shown, but not counted; in a guest that counts its
	# own time nothing does
	if [ "$table" != guest-cpu ] && [ -z "$CASE_STEADY" ] && { grep -q ',disturbed,1' "$(dir)/$1.dat.csv" ||
		[ "$(grep -c ',disturbed,1' "$(dir)/$2.measured.csv")" -gt $((repeats / 2)) ]; }; then
		disturbed=(--disturbed)
	fi
	"$truth_table" "${disturbed[@]}" --case "$CASE_NAME" --from "$1" --to "$2" --until "$CASE_UNTIL" --table "${table#guest-}" \
		--measured "$(dir)/$2.measured.csv" --json "$(dir)/$1-$2.json" "${latency[@]}" "${open[@]}" "${groups[@]/#//$LAB_TOP/}" >>"$rows"
}

predict() {
	local from to groups failed=0
	mapfile -t groups < <(if [ ${#CASE_WATCH[@]} -gt 0 ]; then printf '%s\n' "${CASE_WATCH[@]}"; else
		printf '%s\n' "${CASE_PROGRAM_GROUP[@]}" | grep -vx -e - | sort -u; fi)
	for from in "${CASE_RECORD[@]}"; do # the recorded settings first: their replays hold the latencies that were seen
		import_one "$from" && replay_one "$from" "$from" || failed=1
	done
	for from in "${CASE_RECORD[@]}"; do
		[ -s "$(dir)/$from.db" ] || continue
		for to in "${CASE_SETTING[@]}"; do
			[ "$from" = "$to" ] || replay_one "$from" "$to" || failed=1
		done
	done
	return $failed
}

bisect() { # LOW HIGH TEST...: the smallest KIB, to 1/512, for which TEST KIB does not say that something is killed
	local low=$1 high=$2 middle
	shift 2
	while [ $((high - low)) -gt $((high / 512 + 1)) ]; do
		middle=$(((low + high) / 2))
		if "$@" "$middle"; then low=$middle; else high=$middle; fi
	done
	echo "$high"
}
predicted_killed() { # GROUP KIB
	timeout 120 "$LAB_CGREPLAY" replay "$(dir)/free.db" --set "/$LAB_TOP${1:+/$1}:memory.max=$2K" --until "$CASE_UNTIL" \
		--format json >"$(dir)/safe.json" 2>/dev/null || true
	grep -q '"kind": *"oom_kill"' "$(dir)/safe.json"
}
safe_limit() {
	local group low high real told
	[ -n "$CASE_SAFE" ] || return 0
	IFS='|' read -r group low high <<<"$CASE_SAFE"
	[ -s "$(dir)/safe.csv" ] || { echo "bisecting $CASE_NAME" >&2; alone safe; }
	[ -s "$(dir)/free.dat" ] || alone record
	[ -s "$(dir)/free.db" ] || "$LAB_CGREPLAY" import "$(dir)/free.dat" -o "$(dir)/free.db" 2>/dev/null || return 1
	real=$(<"$(dir)/safe.csv") told=$(bisect $((low * 1024)) $((high * 1024)) predicted_killed "$group")
	awk -v name="$CASE_NAME" -v group="/$LAB_TOP${group:+/$group}" -v real="$real" -v told="$told" 'BEGIN {
		error = told / real - 1; off = told - real; if (off < 0) off = -off
		good = off <= 1024 || off <= 0.03 * real
		printf "%-16s %-14s kernel %8.2f MiB predicted %8.2f MiB error %+6.2f%% %s\n", name, group, real / 1024, told / 1024,
			error * 100, good ? "ok" : "OUT"
		exit !good }'
}

visit() {
	chosen || return 0
	if [ "$list" = outcomes ]; then outcomes; return; fi
	if [ -n "$list" ]; then echo "$CASE_NAME: ${CASE_SETTING[*]}; recorded under ${CASE_RECORD[*]}"; return; fi
	if [ -n "$visit_one" ]; then run_one "$visit_one"; return; fi
	mkdir -p "$(dir)"
	[ -z "$fresh" ] || rm -f "$(dir)"/*
	case $only in
	measure | record | both) make_missing "$only" ;;
	safe) safe_limit || status=1 ;;
	predict) predict || status=1 ;;
	*) make_missing both; predict || status=1 ;;
	esac
}

status=0
rows=$keep/$table/rows.csv
[ "$only" = predict ] || [ -n "$list" ] || in_guest || lab_find
if [ -z "$list$visit_one" ]; then : >"$rows"; fi
CASE_VISIT=visit
CASE_NAME=
SECOND_DIRS=
[ -n "${LAB_MODE:-}" ] && SECOND_DIRS=$(lab_dirs second | paste -sd, -)
export SECOND_DIRS
# shellcheck source=tests/truth/cpu.cases
. "$cases"
case_finish
[ -z "$list$visit_one" ] || exit $status
[ -z "$only" ] || [ "$only" = predict ] || exit $status
"$truth_table" --summary "$rows" --table "${table#guest-}" ${quick:+--gate} || status=1
[ -z "$bless" ] || cp "$rows" "$here/$table.csv"
exit $status
