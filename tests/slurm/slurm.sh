#!/bin/bash
# slurm.sh CGREPLAY SOURCE: docs/slurm/sweep.sh on a real slurmctld, slurmd and munged of our own, on loopback: the merged
# result of a job array must equal an unsharded sweep byte for byte, also after a task was killed. Prints TAP; exit 77
# where Slurm is not installed.
set -u
cgreplay=$(readlink -f "$1") source=$(readlink -f "$2")
for tool in slurmctld slurmd sbatch munged; do
	command -v $tool >/dev/null || { echo "1..0 # SKIP no $tool here (Debian packages slurmctld slurmd slurm-client munge)"; exit 77; }
done
[ "$(id -u)" = 0 ] || { echo '1..0 # SKIP slurmd needs root'; exit 77; }
work=$(mktemp -d)
number=0 failed=0 daemons=()
clean() {
	[ ${#daemons[@]} -eq 0 ] || kill "${daemons[@]}" 2>/dev/null
	wait 2>/dev/null
	rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM
check() { # NAME COMMAND...
	local name=$1
	shift
	number=$((number + 1))
	if "$@" >"$work/log" 2>&1; then echo "ok $number - $name"; else
		failed=1
		echo "not ok $number - $name"
		tail -n 20 "$work/log" "$work"/slurm*.log 2>/dev/null | sed 's/^/# /'
	fi
}
free_port() { # FROM: the first port nobody listens on
	local port=$1
	while (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do port=$((port + 1)); done
	echo "$port"
}

# --- a cluster of one node
host=$(hostname -s)
mkdir -m 755 "$work/state" "$work/spool"
chmod 755 "$work"
head -c 1024 /dev/urandom >"$work/munge.key"
chmod 400 "$work/munge.key"
munged --foreground --force --num-threads=1 --key-file="$work/munge.key" --socket="$work/munge.socket" --pid-file="$work/munge.pid" \
	--seed-file="$work/munge.seed" --log-file="$work/munge.log" 2>/dev/null &
daemons+=($!)
controller=$(free_port 26817) node=$(free_port 27818)
cat >"$work/slurm.conf" <<CONF
ClusterName=cgrtest
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$controller
SlurmdPort=$node
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
CredType=cred/munge
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_min_interval=100000,sched_interval=2
SlurmdParameters=config_overrides
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=4 State=UNKNOWN
PartitionName=test Nodes=$host Default=YES MaxTime=10 State=UP
CONF
export SLURM_CONF=$work/slurm.conf
touch "$work/munge.seed"
slurmctld -D -i >"$work/slurmctld.log" 2>&1 &
daemons+=($!)
slurmd -D -N "$host" >"$work/slurmd.log" 2>&1 &
daemons+=($!)
up() {
	local try
	for try in {1..60}; do
		case $(sinfo -h -o %T 2>/dev/null) in idle*) return 0 ;; esac
		sleep 0.5
	done
	sinfo
	return 1
}
check 'a cluster of one node is up' up

# --- the sweep, whole and in parts
PATH=$(dirname "$cgreplay"):$PATH
cd "$work" || exit 4
check 'import' cgreplay import -q "$source/samples/periodic-service.dat" -o service.db
grid=(--vary '/cgrlab:cpu.max=20000..120000/10' --vary '/cgrlab:cpu.weight=50,100' --seeds 2)
check 'unsharded' cgreplay sweep service.db "${grid[@]}" -j 2 -q -o whole.db
check 'as a job array' bash "$source/docs/slurm/sweep.sh" -n 4 -w -o array.db service.db "${grid[@]}"
check 'byte for byte the same' cmp whole.db array.db
check 'the parts are gone' test ! -e array.db.parts
check 'an existing result is not overwritten' sh -c "! bash '$source/docs/slurm/sweep.sh' -n 4 -o array.db service.db --vary /cgrlab:cpu.max=1,2"

# --- a node that kills a task: its part stays, the same command again makes the rest
mkdir bin
cat >bin/cgreplay <<SCRIPT
#!/bin/sh
if [ "\${SLURM_ARRAY_TASK_ID:-}" = 3 ] && [ ! -e "$work/killed" ]; then
	touch "$work/killed"
	"$cgreplay" "\$@" &
	sleep 0.3
	kill -KILL \$!
	exit 137
fi
exec "$cgreplay" "\$@"
SCRIPT
chmod +x bin/cgreplay
again=(env "PATH=$work/bin:$PATH" bash "$source/docs/slurm/sweep.sh" -n 4 -w -o resumed.db service.db "${grid[@]}")
check 'a killed task fails the sweep' sh -c '! "$@"' - "${again[@]}"
check 'nothing stands under the final name' test ! -e resumed.db
check 'the same command again' "${again[@]}"
check 'byte for byte the same, too' cmp whole.db resumed.db
echo "1..$number"
exit $failed
