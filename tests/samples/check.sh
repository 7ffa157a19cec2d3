#!/bin/bash
# Every bundled recording against what the kernel really did: check.sh BUILD-DIRECTORY [SAMPLE]...
# Import, verify at the recorded limits, and one what-if per measured setting; predictions must lie inside the
# measured spread widened by 5 % and one unit. Needs no root: the kernel was asked when the samples were made.
set -u
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
build=$(readlink -f "$1")
shift
samples=$here/../../samples
work=$build/samples-check
mkdir -p "$work"
failed=0
note() { echo "$1"; failed=1; }

# verify's own 2 % for every counter. One reclaim batch (32 pages) of events or a per-CPU stock (64 pages) of bytes is
# below what the kernel itself repeats: its background reclaim drops cold pages of any recording. Completion is judged
# against the measured outcomes, without the recorder's cost.
verified() { # OUTPUT STORE
	"$build/cgreplay" verify "$2" >"$1" 2>&1 && return
	[ $? = 1 ] || return 1
	awk '$NF == "<-" && $2 != "completion_usec" { off = $3 - $4; if (off < 0) off = -off
		slack = $2 ~ /^memory\.(peak|current|stat\.(anon|file|kernel|shmem))$/ ? 262144 : 32
		if (off > slack) bad = 1 } END { exit bad }' "$1"
}

replay() { # STORE SET UNTIL JSON
	local options=() part
	while IFS= read -r part; do [ -z "$part" ] || options+=(--set "$part"); done < <(tr ';' '\n' <<<"$2")
	"$build/cgreplay" replay "$1" "${options[@]}" --until "$3" --format json >"$4" 2>"$4.log" ||
		{ note "NOT OK replay ${options[*]}: $(tail -n 1 "$4.log")"; return 1; }
}

# A cgroup is under pressure only while one of its tasks waits; what waits at the very end is in the pressure alone.
pressure() { # STORE
	"$build/cgreplay" replay "$1" --seeds 1 --no-fidelity --all --format csv 2>&1 | tr -d '\r' | awk -F, '
		$3 == "cpu.wait_usec" { wait[$2] = $6; seen++ }
		$3 == "cpu.pressure.some_usec" { some[$2] = $6 }
		END { for (g in some) if (some[g] > wait[g] + 200000) { print g, some[g], "of", wait[g]; bad = 1 }
			exit bad || !seen }'
}

[ $# -gt 0 ] || for file in "$samples"/*.dat; do file=${file##*/}; set -- "$@" "${file%.dat}"; done
for name in "$@"; do
	echo "== $name"
	store=$work/$name.db
	"$build/cgreplay" import "$samples/$name.dat" -o "$store" 2>"$work/$name.log" ||
		{ note "NOT OK import: $(tail -n 1 "$work/$name.log")"; continue; }
	verified "$work/$name.verify" "$store" || { note "NOT OK verify:"; cat "$work/$name.verify"; }
	pressure "$store" >"$work/$name.pressure" || note "NOT OK more pressure than waiting: $(cat "$work/$name.pressure")"
	[ "$(stat -c %s "$samples/$name.dat")" -le 512000 ] || note "NOT OK $name.dat is larger than a sample may be"
	first=
	while IFS=, read -r setting set until; do
		replay "$store" "$set" "$until" "$work/$name.$setting.json" || continue
		"$build/tests/cgr-truth-table" --outcomes "$samples/$name.outcomes.csv" --to "$setting" \
			--json "$work/$name.$setting.json" --bound 0.05 || failed=1
		[ -z "$first" ] || continue
		first=$setting
		replay "$store" "$set" "$until" "$work/$name.again.json"
		cmp -s "$work/$name.$setting.json" "$work/$name.again.json" || note "NOT OK two replays of one question differ"
	done < <(tail -n +2 "$samples/$name.outcomes.csv" | cut -d, -f1-3 | awk '!seen[$0]++')
done
exit $failed
