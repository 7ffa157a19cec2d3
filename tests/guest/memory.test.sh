# What memory cgroups do that no table of workloads shows, put to the kernel (6.1, cgroup v2): the OOM killer's choice,
# memory.oom.group, limits written in mid-run, protection between siblings, charges that stay behind, dying cgroups.
# Each experiment runs twice: measured under the asked settings, and recorded without them (a "-" has none to ask).
# memory.after.sh replays the recordings under the asked settings on the host and compares.
set -u
swap_on 64
echo n >/sys/kernel/mm/lru_gen/enabled
root=/sys/fs/cgroup/sem
cp /bin/cgr-load /tmp/small
cp /bin/cgr-load /tmp/large
head -c 32M /dev/zero >/data/one
head -c 32M /dev/zero >/data/two
sync

inside() { # GROUP COMMAND...: the command alone is charged there
	bash -c 'echo $$ >"$0/cgroup.procs"; exec "${@:2}"' "$root/$1" "$@"
}
limit() { echo "$3" >"$root/$1/$2"; } # GROUP FILE VALUE

groups() { # GROUP...: fresh ones
	local group
	echo 3 >/proc/sys/vm/drop_caches
	find "$root" -depth -type d -exec rmdir {} + 2>/dev/null
	mkdir -p "$root"
	echo +memory >"$root/cgroup.subtree_control"
	for group in "$@"; do mkdir -p "$root/$group"; done
}
told() { # EXPERIMENT GROUP FILE KEY NAME TOLERANCE: a value of the kernel, under the name and with the unit of cgreplay
	local value
	value=$(if [ -n "$4" ]; then awk -v key="$4" '$1 == key { print $2 }' "$root/$2/$3"; else cat "$root/$2/$3"; fi)
	echo "$1 $2 $5 $value $6"
}

# ---- experiments: NAME_groups, NAME_run, NAME_told; ask_NAME: GROUP FILE VALUE of the asked settings ----
ask_oomgroup=("a memory.max 28M" "a memory.swap.max 0" "a memory.oom.group 1")
oomgroup_groups() { groups a; }
oomgroup_run() {
	inside a /tmp/small ramp mib=8 rate=0 hold_msec=1500 &
	sleep 0.3
	inside a /tmp/large ramp mib=24 rate=0 hold_msec=100 &
	wait
}
oomgroup_told() { told oomgroup a memory.events oom_kill memory.events.oom_kill 0; told oomgroup a memory.events oom_group_kill memory.events.oom_group_kill 0; }

# 900 thousandths of 28 MiB are more than what the larger one has ahead
ask_adj=("a memory.max 28M" "a memory.swap.max 0")
adj_groups() { groups a; }
adj_run() {
	inside a bash -c 'echo 900 >/proc/self/oom_score_adj; exec /tmp/small ramp mib=8 rate=0 hold_msec=1500' &
	sleep 0.3
	inside a /tmp/large ramp mib=24 rate=0 hold_msec=100
	wait
}
adj_told() { told adj a memory.events oom_kill memory.events.oom_kill 0; echo "adj a victim $(dmesg | sed -n 's/.*Killed process [0-9]* (\([a-z-]*\)).*/\1/p' | tail -n 1) 0"; }

# below its usage of anonymous memory: reclaim finds nothing, then the kill
ask_lower=()
lower_groups() { groups a; limit a memory.swap.max 0; }
lower_run() {
	inside a /tmp/large ramp mib=24 rate=0 hold_msec=1500 &
	sleep 0.8
	limit a memory.max 12M
	wait
}
lower_told() { told lower a memory.events oom_kill memory.events.oom_kill 0; }

# the same over page cache: reclaimed, nobody dies; memory.high likewise
ask_trim=()
trim_groups() { groups a b; }
trim_run() {
	inside a /bin/cgr-load scan file=/data/one passes=1
	inside b /bin/cgr-load scan file=/data/two passes=1
	limit a memory.max 12M
	limit b memory.high 12M
	sleep 0.2
}
trim_told() {
	told trim a memory.events oom_kill memory.events.oom_kill 0
	told trim a memory.current '' memory.current 5
	told trim b memory.current '' memory.current 5
}

protect_groups() { groups a b; }
ask_protect=(". memory.max 40M" "a memory.low 24M")
protect_run() {
	inside a /bin/cgr-load scan file=/data/one passes=1
	inside b /bin/cgr-load scan file=/data/two passes=2
}
protect_told() { told protect a memory.current '' memory.current 6; told protect b memory.current '' memory.current 6; }

# hard protection of one sibling, and half as much claimed by the other as there is
ask_share=(". memory.max 32M" ". memory.min 16M" "a memory.min 16M" "b memory.min 16M")
share_groups() { groups a b; }
share_run() {
	inside a /bin/cgr-load scan file=/data/one passes=1
	inside b /bin/cgr-load scan file=/data/two passes=2
}
share_told() { told share a memory.current '' memory.current 8; told share b memory.current '' memory.current 8; }

# what was charged before the move stays
ask_move=()
move_groups() { groups a b; }
move_run() {
	inside a /tmp/large ramp mib=16 rate=20 hold_msec=1200 &
	sleep 0.45
	cat "$root/a/cgroup.procs" | while read -r pid; do echo "$pid" >"$root/b/cgroup.procs"; done
	wait
}
move_told() { told move a memory.peak '' memory.peak 4; told move b memory.peak '' memory.peak 4; }

ask_dying=()
dying_groups() { groups a/gone a/stays; }
dying_run() {
	echo +memory >"$root/a/cgroup.subtree_control"
	inside a/gone /bin/cgr-load scan file=/data/one passes=1
	inside a/stays true
	rmdir "$root/a/gone"
	sleep 0.3
}
dying_told() { told dying a cgroup.stat nr_dying_descendants cgroup.stat.nr_dying_descendants 0; told dying a memory.current '' memory.current 2; }

# swap there is, but not for this one; and a little of it
ask_noswap=("a memory.max 12M" "a memory.swap.max 0")
noswap_groups() { groups a; }
noswap_run() { inside a /tmp/large ramp mib=24 rate=0 hold_msec=100; }
noswap_told() { told noswap a memory.events oom_kill memory.events.oom_kill 0; }
ask_someswap=("a memory.max 12M" "a memory.swap.max 4M")
someswap_groups() { groups a; }
someswap_run() { inside a /tmp/large ramp mib=24 rate=0 hold_msec=100; }
someswap_told() { told someswap a memory.events oom_kill memory.events.oom_kill 0; told someswap a memory.stat pgsteal memory.stat.pgsteal 3; }
ask_fits=("a memory.max 12M" "a memory.swap.max 16M")
fits_groups() { groups a; }
fits_run() { inside a /tmp/large ramp mib=24 rate=0 hold_msec=100; }
fits_told() { told fits a memory.events oom_kill memory.events.oom_kill 0; told fits a memory.stat pgscan memory.stat.pgscan 3; }

mkdir -p "$OUT"
for name in oomgroup adj lower trim protect share move dying noswap someswap fits; do
	declare -n ask=ask_$name
	"${name}_groups" 2>/dev/null
	for line in "${ask[@]}"; do # shellcheck disable=SC2086
		limit $line
		echo "$name $line" >>"$OUT/asked"
	done
	"${name}_run" 2>/dev/null
	"${name}_told" | tee -a "$OUT/measured"
	"${name}_groups" 2>/dev/null
	cgreplay record -q -o "$OUT/$name.dat" --preset full --cgroup /sem -d 20s -- bash -c "
		$(declare -f inside limit "${name}_run"); root=$root; ${name}_run" 2>"$OUT/$name.log" || true
	[ -s "$OUT/$name.dat" ] || { echo "$name was not recorded"; cat "$OUT/$name.log"; }
done
