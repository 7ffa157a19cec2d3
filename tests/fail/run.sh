#!/usr/bin/env bash
# Broken recordings: `run.sh BINARY` imports every *.dat and *.data of this folder. Each must be refused with exit status
# 3 and exactly the message in NAME.message, and must leave an older store untouched. `run.sh --bless BINARY` writes the
# messages; read the diff before committing it. make.py made the files from good ones.
set -u
bless=0
[ "${1:-}" = --bless ] && { bless=1; shift; }
binary=$(readlink -f "$1")
cd "$(dirname "$0")" || exit 1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0 count=0
for file in *.dat *.data; do
	echo old >"$work/store.db"
	"$binary" import -q "$file" -o "$work/store.db" >"$work/out" 2>"$work/err"
	status=$?
	count=$((count + 1))
	[ $bless = 1 ] && cp "$work/err" "${file%.*}.message"
	if [ $status != 3 ]; then
		echo "$file: exit status $status, 3 expected"
		failed=1
	fi
	if ! cmp -s "$work/err" "${file%.*}.message"; then
		echo "$file: another message:"
		diff "${file%.*}.message" "$work/err"
		failed=1
	fi
	if [ "$(cat "$work/store.db")" != old ] || [ -s "$work/out" ] || [ "$(find "$work" | wc -l)" != 4 ]; then
		echo "$file: something was left behind or written to stdout"
		failed=1
	fi
done
echo "$count broken files"
exit $failed
