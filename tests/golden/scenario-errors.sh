# every mistake in a scenario file is told with its file, line and column, and ends with exit status 2
. "$SOURCE/tests/golden/lib.bash"
sample periodic-service
while IFS= read -r text; do
	printf '%b\n' "$text" >file.yaml
	"$CGREPLAY" replay periodic-service.db --scenario file.yaml -q
	echo "$? $text"
done <<'YAML'
scenario: 1
scenarios: []
scenarios: [{name: a}, {name: a}]
scenarios:\n  - name: a\n    based-on: b
scenarios: [{name: a, seeds: 0}]
scenarios: [{name: a, open_loop: true}]
scenarios: [{name: a, until: later}]
scenarios: [{name: a, set: {/nobody: {cpu.max: max}}}]
scenarios: [{name: a, set: {/cgrlab: {cpu.mx: max}}}]
scenarios: [{name: a, set: {/cgrlab: {cpu.max: half}}}]
scenarios: [{name: a, set: {/cgrlab: {cpu: 500q}}}]
scenarios: [{name: a, set: {/cgrlab: {memory: 512Mi}}}]
scenarios: [{name: a, at: [{time: 1s}]}]
scenarios: [{name: a, at: [{time: soon, set: {/cgrlab: {cpu.max: max}}}]}]
scenarios: [{name: a, params: {eevdf.base_slice: 1}}]
scenarios: [{name: a, cpu-model: evdf}]
scenarios: [{name: a, name: b}]
set: {/cgrlab: {cpu.max: max}}\nseeds: 3\nset: {/cgrlab: {cpu.max: 5000}}
set: {/cgrlab: {cpu.max: max, cpu.max: 5000}}
scenarios: [
YAML
printf 'scenarios:\n  - name: base\n    set: {"/cgr?ab": {cpu: 500m}}\n  - {name: later, based-on: base, at: [{time: 1s, set: {/cgrlab: {cpu.max: max}}}]}\n' >file.yaml
"$CGREPLAY" replay periodic-service.db --scenario file.yaml --explain | grep -E '^scenario|/cgrlab  cpu.max ='
# two values that are fine alone and that the kernel refuses together
sample oom-ramp
printf 'scenarios:\n  - name: a\n    set:\n      /cgrlab: {memory.max: 64M, memory.memsw.limit_in_bytes: 32M}\n' >file.yaml
"$CGREPLAY" replay oom-ramp.db --scenario file.yaml -q
echo "$? memsw below memory.max"
"$CGREPLAY" replay oom-ramp.db --set '/cgrlab:memory.memsw.limit_in_bytes=64M' --set '/cgrlab:memory.max=64M' --explain | grep -c '= 64M'
"$CGREPLAY" replay oom-ramp.db --set '/cgrlab:memory.memsw.limit_in_bytes=64M' --set '/cgrlab:memory.max=32M' --set '/cgrlab:memory.max=80M@0.1s' -q
echo "$? memory.max raised above memsw in mid-run"
