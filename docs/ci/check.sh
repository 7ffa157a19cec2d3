#!/bin/sh
# check.sh RECORDING.dat BASELINE.db RULES.yaml: what a pipeline runs. Replays the questions of the rules on this build's
# recording and stops the pipeline (exit 1) when a rule is broken. Leaves check.xml and report.html for the server.
# Without a baseline file yet, this run becomes it.
set -eu
recording=$1 baseline=$2 rules=$3
cgreplay import "$recording" -o build.db --quiet
rm -f runs.db
cgreplay replay build.db -o runs.db --name recorded-limits --quiet >/dev/null
cgreplay report runs.db -o report.html
if [ ! -e "$baseline" ]; then
	cgreplay check runs.db --rules "$rules" --baseline "$baseline" --update-baseline --junit check.xml
	exit 0
fi
exec cgreplay check runs.db --rules "$rules" --baseline "$baseline" --junit check.xml
