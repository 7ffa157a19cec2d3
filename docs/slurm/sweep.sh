#!/bin/bash
# sweep.sh [-n PARTS] [-w] [-s SBATCH-OPTIONS] -o RUNS.db STORE SWEEP-OPTION...
#
# Spreads one `cgreplay sweep` over a Slurm cluster as a job array, one part of the grid per task, and puts the parts
# together in a job that waits for them. RUNS.db is the same file, byte for byte, that one sweep on one machine writes.
#
#   sweep.sh -n 32 -o runs.db web.db --vary '/web:memory.max=64M..1G/100' --vary '/web:cpu.max=20000,50000,100000'
#
#   -n PARTS    tasks of the array (default 8); more than the grid has points is pointless
#   -w          wait until RUNS.db is there; exit status 1 when a job failed
#   -s OPTIONS  for sbatch, e.g. -s '--partition=batch --time=1:00:00 --mem=4G'; --cpus-per-task=N gives each task N threads
#
# STORE and RUNS.db must be where every node sees them under the same path. Parts and logs stand in RUNS.db.parts; after a
# failure give the same command again: parts keep the runs they have, and only what is missing is made.
set -euo pipefail

usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$1" | sed '$d'; }
die() { echo "sweep.sh: $*" >&2; exit 2; }

# --- inside a job: sbatch runs a copy of this script
case ${1:-} in
--part) # PARTS FOLDER STORE SWEEP-OPTION...
	parts=$2 folder=$3
	shift 3
	exec cgreplay sweep "$@" --shard "$SLURM_ARRAY_TASK_ID/$parts" -j "${SLURM_CPUS_PER_TASK:-1}" -q \
		-o "$folder/part-$SLURM_ARRAY_TASK_ID.db" ;;
--merge) # PARTS FOLDER RUNS.db
	files=()
	for ((i = 1; i <= $2; i++)); do files+=("$3/part-$i.db"); done
	rm -f "$4.merging"
	cgreplay merge -o "$4.merging" "${files[@]}"
	mv "$4.merging" "$4"
	rm -r "$3"
	exit ;;
esac

parts=8 wait= options= output=
while getopts n:ws:o:h option; do
	case $option in
	n) parts=$OPTARG ;;
	w) wait=--wait ;;
	s) options=$OPTARG ;;
	o) output=$OPTARG ;;
	h) usage "$0"; exit 0 ;;
	*) usage "$0" >&2; exit 2 ;;
	esac
done
shift $((OPTIND - 1))
[ -n "$output" ] && [ $# -ge 2 ] || { usage "$0" >&2; exit 2; }
[[ $parts =~ ^[1-9][0-9]*$ ]] || die "-n $parts: expected a number of tasks"
[ -r "$1" ] || die "$1: no such event store; make it with cgreplay import"
[ ! -e "$output" ] || die "$output exists already: name another file, or remove it"
for tool in sbatch cgreplay; do command -v $tool >/dev/null || die "$tool is not in PATH"; done

folder=$output.parts
mkdir -p "$folder"
# shellcheck disable=SC2086
array=$(sbatch --parsable --job-name=cgreplay-sweep --array="1-$parts" --output="$folder/part-%a.log" $options "$0" \
	--part "$parts" "$folder" "$@")
array=${array%%;*}
echo "sweep: job array $array, $parts parts; logs in $folder" >&2
# shellcheck disable=SC2086
sbatch --parsable --job-name=cgreplay-merge --dependency="afterok:$array" --kill-on-invalid-dep=yes $wait \
	--output="$folder/merge.log" $options "$0" --merge "$parts" "$folder" "$output" >"$folder/merge.job" || true
if [ -z "$wait" ]; then
	echo "merge: job $(cut -d';' -f1 "$folder/merge.job") writes $output when all parts are done" >&2
elif [ ! -e "$output" ]; then # a merge whose parts failed is cancelled, and sbatch --wait calls that a success
	echo "sweep.sh: a part failed: see $folder/*.log; the same command again makes what is missing" >&2
	exit 1
fi
