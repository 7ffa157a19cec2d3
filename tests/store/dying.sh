#!/usr/bin/env bash
# dying.sh BINARY: a memory cgroup that is removed while pages of files are still charged to it is told as dying, with
# what it holds and who was in it, and one that held nothing is not. Needs root, the memory controller and tracepoints;
# says SKIP with the reason where one is missing.
set -u
binary=$(readlink -f "$1")
skip() { echo "SKIP: $1"; exit 77; }
[ "$(id -u)" = 0 ] || skip "not root"
[ -w /sys/kernel/tracing/instances ] || skip "no tracefs"
for root in /sys/fs/cgroup/memory /sys/fs/cgroup; do [ -w $root/cgroup.procs ] && [ -e $root/memory.stat ] && break; done
[ -e $root/memory.stat ] || skip "no memory controller at hand"
[ ! -e $root/cgroup.subtree_control ] || grep -q memory $root/cgroup.subtree_control || skip "the memory controller is not enabled for children"
[ -e /sys/kernel/tracing/events/memcg/mod_memcg_lruvec_state ] || skip "the kernel has no memcg events"
work=$(mktemp -d)
name=cgrdying$$
cleanup() { rmdir $root/${name}full $root/${name}empty 2>/dev/null; rm -rf "$work"; }
trap cleanup EXIT
cat >"$work/load" <<'END'
mkdir "$1full" "$1empty"
(echo $BASHPID >"$1empty/cgroup.procs"; exec true)
(echo $BASHPID >"$1full/cgroup.procs"; exec dd if=/dev/zero of="$2" bs=1M count=8 2>/dev/null)
rmdir "$1empty" "$1full"
END
"$binary" record -q --preset memory -o "$work/a.dat" -- bash "$work/load" $root/$name "$work/file" || exit 1
"$binary" import -q "$work/a.dat" -o "$work/a.db" || exit 1
ask() { "$binary" sql --format csv "$work/a.db" "$1" | tail -n +2 | tr -d '\r'; }
status=0
expect() { [ "$2" = "$3" ] && echo "$1: $2" || { echo "dying: $1: $2, expected $3"; status=1; }; }
expect "is dying, was removed, holds its file" \
	"$(ask "SELECT removed_ns > 0, released_ns IS NULL, pages_charged_in_trace BETWEEN 2048 AND 2600 FROM dying_memcgs WHERE path = '/${name}full'")" 1,1,1
expect "who was in it" "$(ask "SELECT DISTINCT comm FROM memberships WHERE memory_cgroup = '/${name}full' AND how = 'attach'")" dd
expect "holds nothing worth telling" "$(ask "SELECT coalesce(max(pages_charged_in_trace), 0) < 64 FROM dying_memcgs WHERE path = '/${name}empty'")" 1
exit $status
