#!/usr/bin/env bash
# Golden CLI tests: each CASE.sh is run in an empty folder with $CGREPLAY, $SOURCE and $STORES set. Its standard output must
# equal CASE.stdout, each line of its standard error must match the glob on the same line of CASE.stderr, and its exit
# status CASE.exit (0 when absent). `run.sh --bless BINARY [CASE]` writes what is there now; read the diff before
# committing it.
set -u
bless=0
[ "${1:-}" = --bless ] && { bless=1; shift; }
CGREPLAY=$(readlink -f "$1")
STORES=$(dirname "$CGREPLAY")/report-stores # what the test report_stores has written
SOURCE=$(readlink -f "$(dirname "$0")/../..")
export CGREPLAY SOURCE STORES LC_ALL=C NO_COLOR=1
here=$(readlink -f "$(dirname "$0")")
passed=0 failed=0

expect_lines() { # GOT-FILE GLOB-FILE
	local got glob n=0
	while :; do
		IFS= read -r got <&3 || got=$'\x01'
		IFS= read -r glob <&4 || glob=$'\x01'
		n=$((n + 1))
		[ "$got" = $'\x01' ] && [ "$glob" = $'\x01' ] && return 0
		# shellcheck disable=SC2053
		[[ $got == $glob ]] || { echo "line $n: got:      $got"; echo "line $n: expected: $glob"; return 1; }
	done 3<"$1" 4<"$2"
}

for script in "$here"/${2:-*}.sh; do
	name=$(basename "$script" .sh)
	[ "$name" = run ] && continue
	base=$here/$name
	work=$(mktemp -d)
	(cd "$work" && bash "$script" >"$work/.stdout" 2>"$work/.stderr" </dev/null)
	status=$?
	sed -i "s|$work|WORK|g; s|$SOURCE|SOURCE|g" "$work/.stdout" "$work/.stderr"
	if [ $bless = 1 ]; then
		cp "$work/.stdout" "$base.stdout"
		if [ -s "$work/.stderr" ]; then cp "$work/.stderr" "$base.stderr"; else rm -f "$base.stderr"; fi
		if [ $status != 0 ]; then echo $status >"$base.exit"; else rm -f "$base.exit"; fi
	fi
	why=
	want=0
	[ -f "$base.exit" ] && want=$(cat "$base.exit")
	[ "$status" = "$want" ] || why="exit status $status, expected $want"$'\n'
	why+=$(diff -u "$base.stdout" "$work/.stdout" 2>&1)
	stderr=$base.stderr
	[ -f "$stderr" ] || stderr=/dev/null
	why+=$(expect_lines "$work/.stderr" "$stderr")
	if [ -z "$why" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAIL %s\n%s\n' "$name" "$why"
		[ "$status" = "$want" ] || head -n 20 "$work/.stderr"
	fi
	rm -rf "$work"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
