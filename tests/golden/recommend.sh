# the smallest safe limit as a table and as JSON; no answer is exit status 1
. "$SOURCE/tests/golden/lib.bash"
sample oom-ramp
sample periodic-service
memory=("$CGREPLAY" recommend oom-ramp.db --cgroup /cgrlab --knob memory.max --require 'memory.events.oom_kill==0' -q)
echo '--- memory.max'; twice "${memory[@]}" | sed '/^oom-ramp.db/,$d' | mask
echo '--- without --require: the usual question of the knob'; "$CGREPLAY" recommend oom-ramp.db --cgroup /cgrlab --knob memory.max -q | cmp - <("${memory[@]}") && echo same
"$CGREPLAY" recommend periodic-service.db --cgroup /cgrlab --knob cpu.weight -q; echo "exit $?"
"$CGREPLAY" recommend periodic-service.db --cgroup /cgrlab --knob cpu.maxx -q; echo "exit $?"
echo '--- a part of a name is enough, the answer names the cgroup'; "$CGREPLAY" recommend oom-ramp.db --cgroup grlab --knob memory.limit_in_bytes -q | sed -n '1p;/^cgroupfs/p' | mask
echo '--- json'; twice "${memory[@]}" --format json | grep -oE '^ {0,2}"[a-z_0-9]+"' | sort -u
echo '--- cpu.max'; twice "$CGREPLAY" recommend periodic-service.db --cgroup /cgrlab --knob cpu.max --require 'completion<+30%' --until done --seeds 2 -q | sed '/^periodic-service.db/,$d' | mask
echo '--- csv'; "${memory[@]}" --format csv | head -n 2 | tr -d '\r'
echo '--- impossible'; "$CGREPLAY" recommend periodic-service.db --cgroup /cgrlab --knob cpu.max --require 'cpu.stat.usage_usec<1us' --seeds 1 -q | head -n 1; echo "exit ${PIPESTATUS[0]}"
"$CGREPLAY" recommend periodic-service.db --cgroup /cgrlab --knob cpu.max --require 'cpu.stat.nr_throtled==0' -q; echo "exit $?"
"$CGREPLAY" recommend periodic-service.db --cgroup /cgrlab --knob cpu.max --require 'completion' -q; echo "exit $?"
"$CGREPLAY" recommend periodic-service.db --cgroup /cgrlab --knob memory.max --require 'memory.events.oom_kill==0' -q; echo "exit $?"
echo '--- runs kept, for the report'; "${memory[@]}" -o runs.db >/dev/null; "${memory[@]}" -o runs.db >/dev/null
sqlite3 runs.db "SELECT count(*) > 3, count(DISTINCT name) = count(*), sum(json_extract(scenario_json, '\$.recommend.recommended')), min(json_extract(scenario_json, '\$.recommend.requirements')) FROM run"
"$CGREPLAY" report runs.db -o page.html && grep -oE '"recommended":[0-9]+,"requirements":\[[^]]*\]' page.html | mask
