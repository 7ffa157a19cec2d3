#!/bin/bash
# Makes the bundled recordings and their measured outcomes on this machine's kernel: samples/make.sh [SAMPLE]...
# Needs root, tracefs and the cpu and memory controllers; uses cgroups of its own and removes them.
# NAME.dat is the recording, NAME.outcomes.csv what the kernel really did under the recorded and other settings:
# setting,set,until,cgroup,metric,runs,min,median,max; `set` holds the --set options of the what-if, ";" between them.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
build=$(readlink -f "${CGR_BUILD:-$here/../build}")
export CGR_BUILD=$build CGR_TRUTH_DIR=${CGR_TRUTH_DIR:-$build/truth}
truth=$here/../tests/truth/truth.sh

bash "$truth" samples --make "$@"
bash "$truth" samples --list "$@" | while IFS=: read -r name rest; do
	recorded=${rest##* }
	kept=$CGR_TRUTH_DIR/samples/$name
	[ -s "$kept/$recorded.dat" ] || { echo "make.sh: $name was not recorded" >&2; exit 1; }
	bytes=$(stat -c %s "$kept/$recorded.dat")
	[ "$bytes" -le 512000 ] || { echo "make.sh: $name is $bytes bytes, more than a sample may be" >&2; exit 1; }
	cp "$kept/$recorded.dat" "$here/$name.dat"
	bash "$truth" samples --outcomes "$name" >"$here/$name.outcomes.csv"
	echo "$name: $bytes bytes, recorded under $recorded"
done
