# The laboratory: cgroups of our own on the v1 hierarchies or on v2, programs run in them, counters read.
# Sourced by truth.sh, by samples/make.sh and inside the guest. Canonical (cgroup v2) names go in and come out.
# shellcheck shell=bash

LAB_TOP=${LAB_TOP:-cgrlab} # every cgroup of ours is this one or below it

lab_skip() { # REASON: a test that cannot run says so; where CGR_TRUTH_REQUIRED is set (CI on a full machine) it fails
	echo "SKIP: $*" >&2
	[ -z "${CGR_TRUTH_REQUIRED:-}" ] || exit 1
	exit 77
}

lab_find() { # sets LAB_MODE (v1, v2) and LAB_DIR_* (mount of each controller)
	local type where options
	[ "$(id -u)" = 0 ] || lab_skip "needs root for cgroups and tracefs"
	LAB_MODE= LAB_DIR_cpu= LAB_DIR_cpuacct= LAB_DIR_memory= LAB_DIR_cpuset=
	while read -r _ where type options _; do
		case $type in
		cgroup) # cpu and cpuacct are one hierarchy on most systems, two on some: /proc/self/mounts tells by name
			case ",${where##*/}," in *,cpu,*) LAB_DIR_cpu=$where ;; esac
			case ",${where##*/}," in *,cpuacct,*) LAB_DIR_cpuacct=$where ;; esac
			case ",$options," in *,memory,*) LAB_DIR_memory=$where ;; esac
			case ",$options," in *,cpuset,*) LAB_DIR_cpuset=$where ;; esac ;;
		cgroup2)
			if grep -qw cpu "$where/cgroup.controllers" && grep -qw memory "$where/cgroup.controllers"; then
				LAB_MODE=v2 LAB_DIR_cpu=$where LAB_DIR_cpuacct=$where LAB_DIR_memory=$where
				! grep -qw cpuset "$where/cgroup.controllers" || LAB_DIR_cpuset=$where
			fi ;;
		esac
	done </proc/self/mounts
	[ -n "$LAB_MODE" ] || LAB_MODE=v1
	[ -n "$LAB_DIR_cpu" ] && [ -n "$LAB_DIR_cpuacct" ] || lab_skip "no cgroup hierarchy with the cpu controller"
	[ -n "$LAB_DIR_memory" ] || lab_skip "no cgroup hierarchy with the memory controller"
}

# Whether the case sets a knob of that controller: cpuset is not taken from the others, who would not miss it.
lab_uses() { [[ $'\n'${CASE_KNOBS[*]-} == *"|$1."* ]]; }

lab_dirs() { # GROUP: its directory on each hierarchy, no duplicates
	local group=$LAB_TOP${1:+/$1}
	if [ $LAB_MODE = v2 ]; then echo "$LAB_DIR_cpu/$group"; return; fi
	{
		printf '%s\n' "$LAB_DIR_cpu/$group" "$LAB_DIR_cpuacct/$group" "$LAB_DIR_memory/$group"
		! lab_uses cpuset || echo "$LAB_DIR_cpuset/$group"
	} | sort -u
}

lab_make_cpuset() { # GROUP: a new cpuset of v1 is empty and lets nobody in: it gets what the one above it has
	local dir=$LAB_DIR_cpuset part file
	for part in ${LAB_TOP//\// } ${1//\// }; do
		if mkdir "$dir/$part" 2>/dev/null; then
			for file in cpuset.mems cpuset.cpus; do cat "$dir/$file" >"$dir/$part/$file"; done
		fi
		dir+=/$part
	done
}

lab_make() { # GROUP...: makes each (and what is above it)
	local group dir controllers='+cpu +memory'
	! lab_uses cpuset || controllers+=' +cpuset'
	if [ $LAB_MODE = v2 ]; then
		echo "$controllers" >"$LAB_DIR_cpu/cgroup.subtree_control"
		mkdir -p "$LAB_DIR_cpu/$LAB_TOP"
		for group in "$@"; do
			[ -z "$group" ] || { echo "$controllers" >"$LAB_DIR_cpu/$LAB_TOP/cgroup.subtree_control"
				mkdir -p "$LAB_DIR_cpu/$LAB_TOP/$group"; }
		done
		return
	fi
	for group in "$@"; do
		! lab_uses cpuset || lab_make_cpuset "$group"
		for dir in $(lab_dirs "$group"); do mkdir -p "$dir"; done
	done
}

lab_cpus() { # N, or nothing for all: takes the CPUs from N on away; CPU 0 cannot go
	local file cpu state
	for file in /sys/devices/system/cpu/cpu[0-9]*/online; do
		[ -e "$file" ] || continue
		cpu=${file%/online} cpu=${cpu##*cpu} state=1
		[ -z "${1:-}" ] || [ "$cpu" -lt "$1" ] || state=0
		[ "$(<"$file")" = $state ] || echo $state >"$file" || return 1
	done
}

lab_remove() { # takes away everything below LAB_TOP, processes included; never fails
	local dir tries pid
	! lab_uses cpus || lab_cpus || true
	for dir in "$LAB_DIR_cpu" "$LAB_DIR_cpuacct" "$LAB_DIR_memory" "$LAB_DIR_cpuset"; do
		[ -n "$dir" ] && [ -d "$dir/$LAB_TOP" ] || continue
		for tries in 1 2 3 4 5 6 7 8; do
			find "$dir/$LAB_TOP" -name cgroup.procs -exec cat {} + 2>/dev/null | while read -r pid; do
				kill -KILL "$pid" 2>/dev/null || true
			done
			find "$dir/$LAB_TOP" -depth -type d -exec rmdir {} + 2>/dev/null && break
			sleep 0.05
		done
	done
	[ -z "${CASE_AFTER:-}" ] || (cd "$LAB_DATA" && eval "$CASE_AFTER") || true
	return 0
}

# v1 file and value of a canonical knob: prints FILE VALUE pairs, one a line
lab_v1_knob() { # KNOB VALUE
	local value=$2 quota period
	case $1 in
	cpu.max)
		read -r quota period <<<"$value"
		[ "$quota" = max ] && quota=-1
		echo "cpu.cfs_period_us ${period:-100000}"
		echo "cpu.cfs_quota_us $quota" ;;
	cpu.max.burst) echo "cpu.cfs_burst_us $value" ;;
	cpu.weight) echo "cpu.shares $((value * 1024 / 100))" ;;
	memory.max) echo "memory.limit_in_bytes ${value/max/-1}" ;;
	*) echo "$1 $value" ;;
	esac
}

lab_writes() { # GROUP KNOB VALUE: what to write where, VALUE TAB FILE, one a line
	local group=$LAB_TOP${1:+/$1} file value dir
	if [ $LAB_MODE = v2 ]; then printf '%s\t%s\n' "$3" "$LAB_DIR_cpu/$group/$2"; return; fi
	case $2 in
	cpu.*) dir=$LAB_DIR_cpu ;;
	cpuset.*) dir=$LAB_DIR_cpuset ;;
	memory.*) dir=$LAB_DIR_memory ;;
	*) return 1 ;;
	esac
	lab_v1_knob "$2" "$3" | while read -r file value; do printf '%s\t%s\n' "$value" "$dir/$group/$file"; done
}

lab_set() { # GROUP KNOB VALUE
	local file value
	lab_writes "$@" | while IFS=$'\t' read -r value file; do
		echo "$value" >"$file" || return 1
	done
}

lab_flat() { # FILE PREFIX KEY...: key/value lines of a flat-keyed file under canonical names (KEY or KEY=NAME)
	awk -v prefix="$2" -v keys="${*:3}" '
		BEGIN { n = split(keys, pair, " "); for (i = 1; i <= n; i++) { split(pair[i] "=" pair[i], p, "="); name[p[1]] = p[2] } }
		$1 in name { print prefix name[$1], $2 }' "$1"
}

lab_counters() { # GROUP: "NAME VALUE" lines
	local group=$LAB_TOP${1:+/$1} dir
	if [ $LAB_MODE = v2 ]; then
		dir=$LAB_DIR_cpu/$group
		lab_flat "$dir/cpu.stat" cpu.stat. usage_usec nr_periods nr_throttled throttled_usec nr_bursts burst_usec
		lab_flat "$dir/memory.events" memory.events. low high max oom oom_kill
		lab_flat "$dir/memory.stat" memory.stat. workingset_refault_file workingset_refault_anon pgscan pgsteal pgfault \
			pgmajfault
		[ ! -e "$dir/memory.peak" ] || echo "memory.peak $(<"$dir/memory.peak")"
		echo "memory.current $(<"$dir/memory.current")"
		[ ! -e "$dir/memory.pressure" ] || sed -n 's/^some .*total=/memory.pressure.some_usec /p' "$dir/memory.pressure"
		[ ! -e "$dir/memory.swap.current" ] || echo "memory.swap.current $(<"$dir/memory.swap.current")"
		return
	fi
	echo "cpu.stat.usage_usec $(($(<"$LAB_DIR_cpuacct/$group/cpuacct.usage") / 1000))"
	lab_flat "$LAB_DIR_cpu/$group/cpu.stat" cpu.stat. nr_periods nr_throttled throttled_time=throttled_usec nr_bursts \
		burst_time=burst_usec | awk '/_usec /{$2 = int($2 / 1000)} {print}'
	dir=$LAB_DIR_memory/$group
	echo "memory.peak $(<"$dir/memory.max_usage_in_bytes")"
	echo "memory.current $(<"$dir/memory.usage_in_bytes")"
	echo "memory.failcnt $(<"$dir/memory.failcnt")"
	lab_flat "$dir/memory.oom_control" memory.events. oom_kill
	lab_flat "$dir/memory.stat" memory.stat. total_workingset_refault_file=workingset_refault_file \
		total_workingset_refault_anon=workingset_refault_anon total_pgfault=pgfault total_pgmajfault=pgmajfault
}

# --- one case: what its file of cases declares -------------------------------------------------------------------
case_reset() {
	CASE_NAME= CASE_UNTIL=end CASE_GROUPS=() CASE_PROGRAM=() CASE_PROGRAM_GROUP=() CASE_SETTING=() CASE_RECORD=()
	CASE_FILES=() CASE_WATCH=() CASE_QUICK= CASE_BEFORE= CASE_AFTER= CASE_WHERE=any CASE_PRESET= CASE_SAFE= CASE_STEADY=
	declare -gA CASE_KNOBS=()
}
begin() { case_finish; case_reset; CASE_NAME=$1; }     # NAME: starts the next case
subset() { CASE_SUBSET=" $* "; }                       # only these of the cases that follow
until_done() { CASE_UNTIL=done; }                      # fixed work: judged when it is done, not at the recorded end
preset() { CASE_PRESET=$1; }                           # what the recorder records (default: by table)
quick() { CASE_QUICK=1; }                              # belongs to the subset that CI runs
only() { CASE_WHERE=$1; }                              # v1 or v2
steady() { CASE_STEADY=1; }                            # its times count: in a guest whose clock counts instructions
file() { CASE_FILES+=("$1 $2"); }                      # NAME MIB: a cold file every run starts with
before() { CASE_BEFORE=$1; }                           # shell text run outside the cgroups before every run
after() { CASE_AFTER=$1; }                             # the same after every run, when its counters have been read
group() { CASE_GROUPS+=("$@"); }                       # groups without programs of their own
watch() { CASE_WATCH+=("$@"); }                        # groups whose metrics are judged (default: those with programs)
program() { CASE_PROGRAM_GROUP+=("${1#.}"); CASE_PROGRAM+=("$2"); } # GROUP(. = top, - = none of ours) SHELL-COMMAND
# NAME [GROUP KNOB=VALUE[@MSEC]]...; the knob cpus.online, with any group, is the number of the machine's CPUs; @MSEC: written
# that long after the programs were started
setting() {
	local name=$1
	shift
	CASE_SETTING+=("$name")
	CASE_KNOBS[$name]=
	while [ $# -gt 0 ]; do CASE_KNOBS[$name]+="${1#.}|$2"$'\n'; shift 2; done
}
safe() { CASE_SAFE="${1#.}|$2|$3"; }                     # GROUP LOW HIGH (MiB): find the smallest memory.max without a kill
record() { CASE_RECORD+=("$@"); }                      # settings to record under
case_finish() {
	[ -n "${CASE_NAME:-}" ] || return 0
	[ -z "${CASE_SUBSET:-}" ] || [[ $CASE_SUBSET == *" $CASE_NAME "* ]] || return 0
	"$CASE_VISIT"
}

case_all_groups() { printf '%s\n' "${CASE_PROGRAM_GROUP[@]}" "${CASE_GROUPS[@]}" | grep -vx -e - | sort -u; }

lab_prepare() { # SETTING: fresh groups with the knobs of the setting, cold files
	local entry group knob
	lab_remove
	mapfile -t groups < <(case_all_groups)
	lab_make "${groups[@]}"
	while IFS='|' read -r group knob; do
		case $knob in
		'' | *@*) ;; # what is written in mid-run is the launcher's
		cpus.online=*) lab_cpus "${knob#*=}" ;;
		*) lab_set "$group" "${knob%%=*}" "${knob#*=}" ;;
		esac
	done <<<"${CASE_KNOBS[$1]}"
	rm -f "$LAB_DATA"/progress.*
	for entry in "${!CASE_PROGRAM[@]}"; do
		[[ ${CASE_PROGRAM[$entry]} != *progress.$entry* ]] || head -c 4096 /dev/zero >"$LAB_DATA/progress.$entry"
	done
	[ -z "$CASE_BEFORE" ] || (cd "$LAB_DATA" && eval "$CASE_BEFORE")
	for entry in "${CASE_FILES[@]}"; do
		"$LAB_LOAD" file file="$LAB_DATA/${entry% *}" mib="${entry#* }" >/dev/null
	done
}

# Knobs of the setting that are written in mid-run (KNOB=VALUE@MSEC): each by a process of its own, outside the groups.
lab_later_writes() { # SETTING
	local group knob value file msec
	while IFS='|' read -r group knob; do
		[[ $knob = *@* ]] || continue
		msec=${knob##*@} knob=${knob%@*}
		echo "( sleep $(awk -v msec="$msec" 'BEGIN { print msec / 1000 }')"
		lab_writes "$group" "${knob%%=*}" "${knob#*=}" | while IFS=$'\t' read -r value file; do echo "echo '$value' >'$file'"; done
		echo ") & later+=(\$!)"
	done <<<"${CASE_KNOBS[$1]}"
}

# The script that runs the programs of the case, each in its group: what is measured and what is recorded is the
# same thing. Prints "completion_usec N" (first start to last end) and "exit.I STATUS" to $1.
lab_launcher() { # OUTPUT SETTING
	local i dir
	echo '#!/bin/bash'
	echo "cd '$LAB_DATA'; export LOAD='$LAB_LOAD' LAB_TRUTH='$LAB_TRUTH' PATH='$PATH'"
	echo 'start=${EPOCHREALTIME/./}'
	for i in "${!CASE_PROGRAM[@]}"; do
		echo "("
		if [ "${CASE_PROGRAM_GROUP[$i]}" != - ]; then
			for dir in $(lab_dirs "${CASE_PROGRAM_GROUP[$i]}"); do echo "echo 0 >'$dir/cgroup.procs'"; done
		fi
		case ${CASE_PROGRAM[$i]} in
		*' <= '*) # server <= client: the client stays outside and writes to the server's stdin
			echo "exec ${CASE_PROGRAM[$i]%% <= *} >/dev/null ) < <(${CASE_PROGRAM[$i]##* <= }) & pid[$i]=\$!" ;;
		*\;*) echo "{ ${CASE_PROGRAM[$i]}; } >/dev/null ) & pid[$i]=\$!" ;;
		*) echo "${CASE_PROGRAM[$i]} >/dev/null ) & pid[$i]=\$!" ;;
		esac
	done
	lab_later_writes "$2"
	echo "for i in \${!pid[@]}; do wait \${pid[i]}; echo \"exit.\$i \$?\"; done >'$1'"
	echo 'kill "${later[@]}" 2>/dev/null || true' # one that comes too late must not meet the next run
	# how far a killed program had come stands in a file of its own, where it told of its progress
	echo "for i in \${!pid[@]}; do [ ! -e progress.\$i ] || ! grep -q \"exit.\$i 137\" '$1' ||"
	echo "	echo victim_pages \$(od -An -t u8 -N 8 progress.\$i); done >>'$1'"
	echo "end=\${EPOCHREALTIME/./}; echo \"completion_usec \$((end - start))\" >>'$1'"
	# CPU time of everything this script started, to tell it from what others on the machine used
	echo "times >'$1.times'; awk 'NR == 2 { split(\$1, u, /[ms]/); split(\$2, s, /[ms]/)"
	echo "	printf \"cpu_usec %.0f\\n\", ((u[1] + s[1]) * 60 + u[2] + s[2]) * 1e6 }' '$1.times' >>'$1'"
}

lab_rows() { # SETTING REPEAT OUTPUT: CSV rows setting,repeat,group,metric,value of a run that just ended
	local group metric value
	while read -r metric value; do echo "$1,$2,,$metric,$value"; done <"$3"
	while read -r group; do
		lab_counters "$group" | while read -r metric value; do
			echo "$1,$2,/$LAB_TOP${group:+/$group},$metric,$value"
		done
	done < <(case_all_groups)
}

lab_busy() { # CPU time (usec) that all CPUs together did not idle since boot
	awk -v cpus="$(nproc)" 'FNR == 1 && FILENAME == "/proc/uptime" { up = $1 }
		FILENAME == "/proc/stat" && $1 == "cpu" { printf "%.0f", (up * cpus - ($5 + $6) / 100) * 1e6 }' /proc/uptime /proc/stat
}

# Whether others took more than 1/$3 of the machine during the run that just ended: its result would be that of a
# slower machine. $1 the run's output, $2 lab_busy before it, $4 CPU time of ours (default: that of the programs).
lab_disturbed() {
	local all ours wall
	all=$(($(lab_busy) - $2))
	ours=${4:-$(awk '$1 == "cpu_usec" { print $2 }' "$1")} wall=$(awk '$1 == "completion_usec" { print $2 }' "$1")
	[ $((all - ours)) -gt 60000 ] && [ $(((all - ours) * $3)) -gt $((wall * $(nproc))) ]
}

lab_children_usec() { # BEFORE AFTER: CPU time of a shell's children between two outputs of its `times`
	awk 'FNR == 2 { split($1, u, /[ms]/); split($2, s, /[ms]/); usec = ((u[1] + s[1]) * 60 + u[2] + s[2]) * 1e6 - usec }
		END { printf "%.0f", usec }' "$1" "$2"
}

lab_again() { # SETTING TRY: whether a disturbed run is made once more; a machine that is never quiet is taken as it is
	[ "${LAB_RETRIES:=5}" -gt 0 ] && [ "$2" -lt 3 ] || return 1
	LAB_RETRIES=$((LAB_RETRIES - 1))
	echo "disturbed by other work, once more: $CASE_NAME $1 ($2)" >&2
}

lab_measure() { # SETTING REPEAT: one run without recording; CSV rows setting,repeat,group,metric,value
	local out try before
	out=$(mktemp)
	for try in 1 2 3; do
		lab_prepare "$1"
		lab_launcher "$out" "$1" >"$out.sh"
		before=$(lab_busy)
		bash "$out.sh" 2>"$out.err" || { cat "$out.err" >&2; rm -f "$out"*; return 1; }
		lab_disturbed "$out" "$before" 20 || break
		lab_again "$1" "$try" || { echo "disturbed 1" >>"$out"; break; }
	done
	lab_rows "$1" "$2" "$out"
	rm -f "$out"*
	lab_remove
}

lab_killed() { # GROUP KIB: exit 0 when something is killed with memory.max of the group at KIB
	local out killed=1 group
	out=$(mktemp)
	CASE_KNOBS[probe]="$1|memory.max=$2K"$'\n'
	lab_prepare probe
	lab_launcher "$out" probe >"$out.sh"
	bash "$out.sh" 2>/dev/null || true
	while read -r group; do
		[ "$(lab_counters "$group" | awk '$1 == "memory.events.oom_kill" { print $2 }')" = 0 ] || killed=0
	done < <(case_all_groups)
	rm -f "$out"*
	lab_remove
	return $killed
}

lab_record() { # SETTING FILE [RECORD-OPTION]...: one run under the recorder; its own counters beside it as FILE.csv
	local setting=$1 file=$2 out try before
	shift 2
	out=$(mktemp)
	for try in 1 2 3; do
		lab_prepare "$setting"
		lab_launcher "$out" "$setting" >"$out.sh"
		times >"$out.before"
		before=$(lab_busy)
		if ! "$LAB_CGREPLAY" record -o "$file" "$@" -- bash "$out.sh" 2>"$file.log"; then
			cat "$file.log" >&2; rm -f "$out"*; lab_remove; return 1
		fi
		times >"$out.after" # the recorder is ours, too: it calibrates itself, and writes its file
		lab_disturbed "$out" "$before" 20 "$(lab_children_usec "$out.before" "$out.after")" || break
		lab_again "$setting" "$try" || { echo "disturbed 1" >>"$out"; break; }
	done
	[ -s "$file" ] || { echo "the recorder left no $file" >&2; lab_remove; return 1; }
	lab_rows "$setting" 0 "$out" >"$file.csv"
	rm -f "$out"*
	lab_remove
}
