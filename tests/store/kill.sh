#!/usr/bin/env bash
# kill.sh BINARY KILL-AT.so TRACE [TRIALS]: import killed at any moment leaves the old file or none, never a part. First
# before, in and after every call that changes a file (30 of them, evenly spread), then TRIALS times (default 30)
# at a random moment; each time once where a store stands already and once where none does.
set -u
binary=$(readlink -f "$1") preload=$(readlink -f "$2") trace=$(readlink -f "$3") trials=${4:-30}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
status=0
fail() { echo "kill: $1"; status=1; }
"$binary" import -q "$trace" -o whole.db || exit 1
"$binary" import -q --lean "$trace" -o old.db || exit 1
CGR_KILL_COUNT=count LD_PRELOAD=$preload "$binary" import -q "$trace" -o again.db || exit 1
cmp -s whole.db again.db || { fail "two imports of one trace differ"; exit 1; }
calls=$(cat count)
[ "$calls" -gt 10 ] || { fail "only $calls calls change a file: is $preload not loaded?"; exit 1; }

old=0 none=0 new=0
look() { # WHEN: what stands under the final name
	if [ ! -e x.db ]; then
		[ "$1" = none ] && none=$((none + 1)) || fail "$2: the old file is gone"
	elif cmp -s x.db whole.db; then
		new=$((new + 1))
	elif [ "$1" = old ] && cmp -s x.db old.db; then
		old=$((old + 1))
	else
		fail "$2: x.db is neither the old store nor the new one"
	fi
	rm -f x.db .x.db.cgr-tmp-*
}
prepare() { [ "$1" = none ] || cp old.db x.db; }

step=$(((calls + 29) / 30))
for ((at = 1; at <= calls; at += step)); do
	for before in old none; do
		prepare $before
		{ CGR_KILL_AT=$at LD_PRELOAD=$preload "$binary" import -q "$trace" -o x.db; } >/dev/null 2>&1
		[ $? = 137 ] || [ $at -ge $((calls - 2)) ] || fail "call $at of $calls: not killed"
		look $before "call $at of $calls"
	done
done
echo "kill: at $(((calls + step - 1) / step)) of $calls calls that change a file: $old times the old store, $none times none, $new times the new one"
[ $old -gt 0 ] && [ $none -gt 0 ] || fail "no import was killed before its end"

start=${EPOCHREALTIME/./}
"$binary" import -q "$trace" -o x.db
took=$((${EPOCHREALTIME/./} - start))
rm -f x.db
old=0 none=0 new=0
for ((i = 0; i < trials; i++)); do
	before=$([ $((i % 2)) = 0 ] && echo old || echo none)
	prepare $before
	"$binary" import -q "$trace" -o x.db 2>/dev/null &
	pid=$!
	us=$((RANDOM * 32768 + RANDOM))
	us=$((us % (took * 5 / 4 + 1)))
	sleep "$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))"
	kill -9 $pid 2>/dev/null
	{ wait $pid; } 2>/dev/null
	look "$before" "after $us us"
done
echo "kill: at $trials random moments: $old times the old store, $none times none, $new times the new one"
exit $status
