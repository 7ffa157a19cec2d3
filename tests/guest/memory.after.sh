# memory.after.sh OUT BUILD: each experiment's recording replayed under the asked settings, beside what the kernel did.
# Lines of OUT/measured: EXPERIMENT GROUP METRIC VALUE TOLERANCE (percent; 0: the same).
set -u
out=$1 build=$2
failed=0
replayed=

replay() { # EXPERIMENT: CSV and JSON of its what-if
	local sets=() group file value
	while read -r _ group file value; do
		[ "$group" = . ] && group=/sem || group=/sem/$group
		sets+=(--set "$group:$file=$value")
	done < <(grep "^$1 " "$out/asked" 2>/dev/null)
	"$build/cgreplay" import "$out/$1.dat" -o "$out/$1.db" 2>"$out/$1.import.log" &&
		"$build/cgreplay" replay "$out/$1.db" "${sets[@]}" --format csv >"$out/$1.csv" 2>"$out/$1.replay.log" &&
		"$build/cgreplay" replay "$out/$1.db" "${sets[@]}" --format json >"$out/$1.json" 2>>"$out/$1.replay.log"
}
predicted() { # EXPERIMENT GROUP METRIC
	if [ "$3" = victim ]; then # the first one killed
		tr -d ' \n' <"$out/$1.json" | sed -n 's/.*"decisions":\[[^]]*"kind":"oom_kill"[^}]*"comm":"\([^"]*\)".*/\1/p' | head -n 1
		return
	fi
	awk -F, -v group="/sem/$2" -v metric="$3" '$2 == group && $3 == metric { print $6 }' "$out/$1.csv"
}

while read -r name group metric value tolerance; do
	if [ "$replayed" != "$name" ]; then
		replayed=$name
		replay "$name" || { echo "$name: not replayed: $(tail -n 1 "$out/$name".*.log)"; failed=1; }
	fi
	told=$(predicted "$name" "$group" "$metric")
	if awk -v a="$value" -v b="$told" -v t="$tolerance" 'BEGIN {
		if (b == "") exit 1
		if (t == 0) exit a "" != b ""
		d = a - b; if (d < 0) d = -d
		exit d > a * t / 100 && d > 524288 }'; then
		verdict=ok
	else
		verdict=WRONG failed=1
	fi
	printf '%-9s %-3s %-36s kernel %-12s predicted %-12s %s\n' "$name" "$group" "$metric" "$value" "${told:--}" "$verdict"
done <"$out/measured"
exit $failed
