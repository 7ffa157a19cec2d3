# one what-if as a table, CSV and JSON; what --explain prints; the same bytes twice
. "$SOURCE/tests/golden/lib.bash"
sample oom-ramp
sample periodic-service
ask=("$CGREPLAY" replay periodic-service.db --set '/cgrlab:cpu.max=30000 100000' --until done)
echo '--- table'; twice "${ask[@]}" | mask
echo '--- csv'; twice "${ask[@]}" --format csv | head -n 4 | mask
echo '--- json'; twice "${ask[@]}" --format json | grep -oE '^ {0,2}"[a-z_]+"' | sort -u
echo '--- explain'; "$CGREPLAY" replay periodic-service.db --set '/cgrlab:cpu=300m' --set '/cgrlab:cpu.max=max@1s' --explain
echo '--- killed'; twice "$CGREPLAY" replay oom-ramp.db --set '/cgrlab:memory=48Mi' | grep -E '^(scenario|models|verdict|next)|oom_kill' | mask
echo '--- verify'; for tolerance in 5% 0.5 x; do "$CGREPLAY" verify periodic-service.db --tolerance $tolerance -q | tail -n 1 | cut -d';' -f1; echo "exit ${PIPESTATUS[0]}"; done
echo '--- the share of throttled periods is a metric like any other'
"${ask[@]}" -o runs.db -q >/dev/null
printf 'rules:\n  - {metric: cpu.throttled_share, cgroup: /cgrlab, max: 50%%}\n  - {metric: cpu.throttled_share, cgroup: /cgrlab, min: 90%%}\n  - {metric: p99 wakeup_latency, cgroup: /cgrlab, max: 10s}\n' >rules.yaml
"$CGREPLAY" check runs.db --rules rules.yaml | mask; echo "exit ${PIPESTATUS[0]}"
"$CGREPLAY" report runs.db --format csv | tr -d '\r' | grep ',cpu.throttled_share,' | cut -d, -f2-5,9
echo '--- a counter that stays 0 is there to be asked for, and no difference'
"$CGREPLAY" replay oom-ramp.db --set '/cgrlab:memory.max=1G' -o zero.db --name wide -q >/dev/null
"$CGREPLAY" replay oom-ramp.db --set '/cgrlab:memory.max=2G' -o zero.db --name wider -q >/dev/null
printf 'rules:\n  - {metric: memory.events.oom, max: 0}\n  - {metric: memory.events.max, cgroup: /cgrlab, max: 0}\n' >rules.yaml
"$CGREPLAY" check zero.db --rules rules.yaml; echo "exit $?"
printf 'rules:\n  - {metric: memory.events.oom_kill, cgroup: /process_api, max: 0}\n  - {metric: cpu.stat.nr_throttled, cgroup: /process_api, min: 1}\n' >rules.yaml
"$CGREPLAY" check zero.db --rules rules.yaml --run wide; echo "exit $?"
printf 'rules: [{metric: p99 wakeup_latency, cgroup: /process_api, max: 0}]\n' >rules.yaml
"$CGREPLAY" check zero.db --rules rules.yaml; echo "exit $?"
"$CGREPLAY" compare zero.db wide wider --format csv | grep 'only in'
echo '--- other CPUs are a change, too'; "$CGREPLAY" replay periodic-service.db --cpus 1 --seeds 1 | grep -E '^(scenario|models)' | mask
