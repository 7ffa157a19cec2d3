#!/usr/bin/env bash
# demo.sh BINARY OUTDIR: import a bundled real recording, ask it what a tighter limit would have done, write a report.
set -euo pipefail
binary=$(readlink -f "$1")
mkdir -p "$2"
out=$(readlink -f "$2")
cd "$(dirname "$0")"
sample=periodic-service
cgroup=/cgrlab

step() { printf '\n\033[1m$ %s\033[0m\n' "$*"; }

step "cgreplay import samples/$sample.dat -o $sample.db     # a recording of a real Linux 6.18 machine"
"$binary" import "$sample.dat" -o "$out/$sample.db"
step "cgreplay verify $sample.db                            # do the models reproduce what was recorded?"
"$binary" verify "$out/$sample.db"
rm -f "$out/runs.db"
step "cgreplay replay $sample.db --set '$cgroup:cpu.max=30000 100000' --until done -o runs.db"
"$binary" replay "$out/$sample.db" --set "$cgroup:cpu.max=30000 100000" --until done -o "$out/runs.db"
step "cgreplay report runs.db -o report.html"
"$binary" report "$out/runs.db" -o "$out/report.html"
printf '\nThe report is %s (one file, opens offline in any browser).\n' "$out/report.html"
