#!/bin/bash
# Charges in a recording against the kernel's own statistics, per cgroup: anonymous memory growing and shrinking, file
# pages, both, one group below another: charges.sh CGREPLAY CGR-LOAD [DIRECTORY that keeps the recording]
# The same script runs on the live kernel, in CI, and in the guest (./dev guest test charges): there v2 with kprobes. Net pages by kind since the recording began must be what memory.stat shows at its end, to 1 %.
set -u
cgreplay=$(readlink -f "$1") load=$(readlink -f "$2") keep=${3:-}
skip() { echo "SKIP: $*"; [ -z "${CGR_TRUTH_REQUIRED:-}" ] || exit 1; exit 77; }
[ "$(id -u)" = 0 ] || skip "recording needs root"
memory=$(awk '$3 == "cgroup" && $4 ~ /(^|,)memory(,|$)/ { print $2; exit }' /proc/mounts) prefix=total_
names="rss=anon cache=file"
if [ -z "$memory" ]; then
	memory=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts) prefix= names="anon=anon file=file"
	grep -qw memory "$memory/cgroup.controllers" || skip "no memory controller"
	echo +memory >"$memory/cgroup.subtree_control"
fi
top=$memory/cgrcapture-charges-$$
work=$(mktemp -d "${TMPDIR:-/var/tmp}/cgr-charges-XXXXXX")
groups=(anon file mixed)
finish() {
	local dir _
	for dir in "$top"/*/ "$top"; do
		[ -d "$dir" ] || continue
		while read -r pid; do kill -KILL "$pid" 2>/dev/null; done <"$dir/cgroup.procs"
		for _ in 1 2 3 4 5 6 7 8 9 10; do rmdir "$dir" 2>/dev/null && break; sleep 0.1; done
	done
	rm -rf "$work"
}
trap finish EXIT
mkdir "$top" 2>/dev/null || skip "cannot make a cgroup in $memory"
[ ! -e "$top/cgroup.subtree_control" ] || echo +memory >"$top/cgroup.subtree_control"
for group in "${groups[@]}"; do mkdir "$top/$group"; done
for name in f m; do "$load" file file="$work/$name" mib=16 >/dev/null; done

# each program rests at its top while the counters are read; the caller's shell is in no group of ours
in_group() { local group=$1; shift; (echo 0 >"$top/$group/cgroup.procs" && exec "$@" >/dev/null) & disown; }
program() {
	in_group anon sh -c "'$load' saw low_mib=4 high_mib=24 teeth=3 rate=0 hold_msec=20; exec '$load' ramp mib=24 rate=0 hold_msec=60000"
	in_group file sh -c "'$load' scan file='$work/f' passes=2; exec sleep 60"
	in_group mixed sh -c "'$load' scan file='$work/m' passes=1; exec '$load' ramp mib=12 rate=0 hold_msec=60000"
}
stat_of() { # GROUP v1-OR-v2-NAME: bytes
	awk -v key="$prefix$2" '$1 == key { print $2 }' "$top/$1/memory.stat"
}
settled() { # nothing has changed for a second
	local now before=
	for _ in $(seq 200); do
		sleep 1
		now=$(for group in "${groups[@]}"; do for pair in $names; do stat_of "$group" "${pair%=*}"; done; done | tr '\n' ' ')
		[ "$now" != "$before" ] || [ "${now%% *}" -lt $((20 << 20)) ] || return 0
		before=$now
	done
}
"$cgreplay" record --cgroup "/$(basename "$top")" -o "$work/charges.dat" 2>"$work/log" & recorder=$!
for _ in $(seq 1000); do [ -e "$work/charges.dat.partial" ] && break; sleep 0.05; done
sleep 1 # past the start snapshot
program
settled
for group in "${groups[@]}"; do
	for pair in $names; do echo "$group ${pair#*=} $(stat_of "$group" "${pair%=*}")"; done
done >"$work/kernel"
kill -INT $recorder
wait $recorder || { cat "$work/log"; exit 1; }
[ -z "$keep" ] || cp "$work/charges.dat" "$keep/"
"$cgreplay" import -q "$work/charges.dat" -o "$work/charges.db" || exit 1
"$cgreplay" info "$work/charges.db" | grep -q 'none lost' || { echo "events were lost"; exit 1; }
for group in "${groups[@]}"; do
	"$cgreplay" sql --format csv "$work/charges.db" "SELECT '$group', kind, sum(pages), count(*) FROM (SELECT CASE kind WHEN 'shmem' THEN 'file' WHEN 'swapcache' THEN 'anon' ELSE kind END AS kind, pages FROM charges WHERE cgroup GLOB '/cgrcapture-charges-*/$group') GROUP BY kind"
done | tr -d '\r' | grep -v '^.group' >"$work/recorded"
awk -F '[ ,]' 'FNR == NR { pages[$1 " " $2] = $3; rows[$1 " " $2] = $4; next }
	{ key = $1 " " $2; want = $3 / 4096; got = pages[key] + 0; off = got - want; if (off < 0) off = -off
	  # 64 pages: what a CPU may hold back from memory.stat before it is flushed, twice
	  bad = off > want / 100 && off > 128
	  printf "%-12s recorded %7d pages (%d events), memory.stat %9.1f, off by %5.2f %%%s\n", key, got, rows[key], want, want ? 100 * off / want : 0, bad ? "  WRONG" : ""
	  if (want > 2000) big++
	  wrong += bad }
	END { if (big < 4) print "the programs did not grow as they should"; exit wrong > 0 || big < 4 }' "$work/recorded" "$work/kernel"
