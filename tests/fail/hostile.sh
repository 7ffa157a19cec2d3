#!/bin/bash
# What a careless or hostile user hands over: hostile.sh CGREPLAY SAMPLE.dat. Every case names the exit status and a piece
# of the message; nothing may hang, and nothing that is not a regular file may be replaced.
set -u
cgreplay=$(readlink -f "$1")
sample=$(readlink -f "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failed=0

expect() { # STATUS TEXT ARGUMENT...
	local status=$1 text=$2 got
	shift 2
	timeout -k 5 120 "$cgreplay" "$@" >out 2>err </dev/null
	got=$?
	if [ $got != "$status" ] || { [ -n "$text" ] && ! grep -qF -- "$text" err; }; then
		echo "NOT OK cgreplay $*: status $got, not $status with '$text':"
		head -c 400 err
		failed=1
	fi
}

mkfifo pipe
mkdir folder
expect 0 imported import "$sample" -o web.db
expect 2 'name a regular file' import "$sample" -o pipe
expect 2 'name a file in it' import "$sample" -o folder
expect 2 'name a regular file' record -o pipe -- true
expect 2 'name a regular file' replay web.db --seeds 1 --no-fidelity -o pipe
expect 3 'not a regular file' import pipe -o other.db
expect 0 '' replay web.db -q --seeds 1 --no-fidelity -o runs.db
expect 2 'name a regular file' report runs.db -o pipe
[ -p pipe ] || { echo "NOT OK the pipe was replaced"; failed=1; }

ln -s web.db link.db
expect 0 imported import "$sample" -o link.db
[ -L link.db ] || { echo "NOT OK the link was replaced"; failed=1; }

# a name mistyped or two swapped: neither a recording nor a store of another kind is written over
cp "$sample" other.dat
printf 'PERFILE2 and more' >other.perf
printf 'rules: [{metric: cpu.stat.nr_throttled, min: 0}]\n' >any.yaml
cp runs.db kept.db
for file in other.dat other.perf runs.db; do
	expect 2 "$file: is a" import "$sample" -o $file
done
for file in other.dat other.perf web.db; do
	expect 2 "$file: is a" report runs.db -o $file
	expect 2 "$file: is a" check runs.db --rules any.yaml --junit $file
done
for file in other.dat other.perf runs.db; do
	expect 2 "$file: is a" export web.db --to perfetto -o $file
done
expect 2 'runs.db: is a results store' export web.db --to trace -o runs.db
expect 2 'runs.db: is a results store' record -o runs.db -- true
cmp -s "$sample" other.dat && cmp -s runs.db kept.db || { echo "NOT OK one of them was written over"; failed=1; }
expect 0 exported export web.db -o other.dat
rm other.dat other.perf kept.db

printf 'scenarios: %s' "$(head -c 200000 /dev/zero | tr '\0' '[')" >deep.yaml
printf 'scenarios: [{name: a}]\n---\nscenarios: [{name: b}]\n' >two.yaml
for file in deep two; do
	expect 2 "$file.yaml:" replay web.db --scenario "$file.yaml" --explain
	expect 2 "$file.yaml:" check runs.db --rules "$file.yaml"
done
expect 2 'No such file' replay web.db --scenario none.yaml
expect 2 'No such file' check runs.db --rules none.yaml

expect 2 'root cgroup' replay web.db --set '/:cpu.max=20000 100000'
expect 2 'after the end of the recording' replay web.db --set '/cgrlab:cpu.max=20000 100000@99s'
expect 0 '' replay web.db -q --explain --set '/*:cpu.max=20000 100000'

# a cgroup with a name that would drive a terminal, start a line, or run in a shell: what is printed about it holds no escape
# byte, and what is there to paste is one word that is the path
evil=$'/a\'b"c,d\n\e[31me$(touch run)\\'
if command -v sqlite3 >/dev/null; then
	cp web.db evil.db
	sqlite3 evil.db "UPDATE cgroup SET path = '/a''b\"c,d' || char(10) || char(27) || '[31me\$(touch run)\\' WHERE path = '/cgrlab'"
	expect 0 '' replay evil.db --set '/*touch*:cpu.max=30000 100000' --explain
	cat out err >shown
	expect 2 'is no quota' replay evil.db --set "$evil:cpu.max=3"
	cat out err >>shown
	expect 0 '' replay evil.db -q --set '/*touch*:cpu.max=30000 100000' --seeds 1
	cat out err >>shown
	expect 0 '' replay evil.db -q --set '/*touch*:cpu.max=30000 100000' --seeds 1 -o evil-runs.db --name x
	expect 0 '' replay evil.db -q --set '/*touch*:cpu.max=20000 100000' --seeds 1 -o evil-runs.db --name y
	printf 'rules: [{metric: cpu.stat.nr_throttled, min: 0}]\n' >evil.yaml
	# compare: 1, x and y differ
	for command in '0 verify evil.db -q --seeds 1' '0 info evil.db' '1 compare evil-runs.db x y --all' \
		'0 report evil-runs.db --run x' '0 check evil-runs.db --rules evil.yaml'; do
		# shellcheck disable=SC2086
		expect ${command%% *} '' ${command#* }
		grep -q 'a.b.*touch' out || { echo "NOT OK ${command#* } does not show the cgroup"; failed=1; }
		cat out err >>shown
	done
	"$cgreplay" sql evil.db 'SELECT path FROM cgroup' >>shown 2>&1
	expect 0 '' recommend evil.db -q --cgroup touch --knob cpu.max --seeds 1
	cat out err >>shown
	grep -q "$(printf '\033')" shown && { echo "NOT OK an escape byte reaches the terminal"; failed=1; }
	paste=$(sed -n 's/^cgroupfs .* > //p' out)
	eval "got=${paste:-none}"
	# shellcheck disable=SC2154
	[ "$got" = "/sys/fs/cgroup/cpu$evil/cpu.cfs_period_us" ] || { echo "NOT OK pasted, it is $got"; failed=1; }
	[ ! -e run ] || { echo "NOT OK pasted, it runs"; failed=1; }
fi

# somebody changed the store by hand: half a transaction beside it is not read as if it were whole, and rows that went
# missing are told
if command -v sqlite3 >/dev/null; then
	cp web.db half.db
	ln -s half.db half-link.db
	printf '%s\n' 'PRAGMA cache_size = 1;' 'BEGIN;' 'UPDATE stream_block SET data = zeroblob(length(data));' \
		'UPDATE meta SET value = hex(randomblob(100000));' '.shell kill -9 $PPID' >half.sql
	bash -c "sqlite3 half.db <half.sql; :" >/dev/null 2>&1
	cmp -s web.db half.db && { echo "NOT OK sqlite3 wrote nothing yet"; failed=1; }
	for store in half.db half-link.db; do
		expect 3 'a change to it is unfinished' replay $store -q --seeds 1
	done
	expect 3 'a change to it is unfinished' sql half.db 'SELECT count(*) FROM task'
	sqlite3 half.db 'SELECT count(*) FROM task' >/dev/null
	expect 0 '' replay half.db -q --seeds 1
	dd if=/dev/zero of=half.db-journal bs=512 count=1 2>/dev/null # ended, and kept
	expect 0 '' info half.db
	rm half.db-journal
	printf 'x' >half.db-wal
	expect 3 'a change to it is unfinished' info half.db
	rm half.db-wal
	for table in meta knob counter task stream_block; do
		cp web.db fewer.db
		sqlite3 fewer.db "DELETE FROM $table WHERE rowid = (SELECT max(rowid) FROM $table)" 2>/dev/null ||
			sqlite3 fewer.db "DELETE FROM $table WHERE key = (SELECT max(key) FROM $table)"
		expect 3 "table $table: " info fewer.db
	done
fi

# a replay of many seeds is stopped: one message, the status of the manual page, nothing left behind
"$cgreplay" sweep web.db -q --vary '/cgrlab:cpu.max=10000..90000/500' -o stopped.db >out 2>err &
sleep 1
kill -TERM $!
wait $!
status=$?
[ $status = 4 ] && grep -qF SIGTERM err || { echo "NOT OK a stopped sweep: status $status, $(cat err)"; failed=1; }

# killed before its first run is in it, a results store is not there, not even empty
"$cgreplay" sweep web.db -q --vary '/cgrlab:cpu.max=10000..90000/500' --seeds 1000 -j 1 -o killed.db >out 2>err &
sleep 0.5
kill -KILL $!
wait $! 2>/dev/null
[ ! -e killed.db ] || { echo "NOT OK a killed sweep left $(stat -c %s killed.db) bytes"; failed=1; }
rm -f .killed.db.cgr-tmp-*

left=$(find . -name '*cgr-tmp*' -o -name '*.partial*' -o -name '*-journal' -o -name 'other.db')
[ -z "$left" ] || { echo "NOT OK left behind: $left"; failed=1; }
exit $failed
