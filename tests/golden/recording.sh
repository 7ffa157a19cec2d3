# import, info, sql and export of a bundled recording: what a person sees
"$CGREPLAY" import "$SOURCE/samples/periodic-service.dat" -o p.db; echo "exit $?"
# the cgroups and tasks that happened to be there beside the workload's are left out
"$CGREPLAY" info p.db | grep -v '^digest' | sed '/^cgroups, /,/^CPUs/d; /^kernel events/,/^throttled/d'
echo "--- info for scripts: no limit is max"
"$CGREPLAY" info p.db --format csv | tr -d '\r' | grep '^/cgrlab,' | cut -d, -f1,4,9
"$CGREPLAY" info p.db --format csv | grep -c 9223372036854775807
"$CGREPLAY" info p.db --format json | grep -oE '"memory_max_bytes": ("max"|9223372036854775807)' | sort -u
echo "--- sql"
"$CGREPLAY" sql p.db "SELECT switches, run_ns, max_wait_ns FROM sched_summary WHERE comm = 'cgr-load' ORDER BY switches LIMIT 5"
"$CGREPLAY" sql p.db --format csv "SELECT * FROM throttled"
"$CGREPLAY" sql p.db --format json "SELECT path, controllers, born_ns FROM cgroup_life WHERE path = '/cgrlab' ORDER BY hierarchy"
"$CGREPLAY" sql p.db .help
printf '.schema event_kind\nSELECT 1 AS a; SELECT 2 AS b;\n.schema mem_item\n' | "$CGREPLAY" sql p.db
"$CGREPLAY" sql p.db "DELETE FROM task"; echo "exit $?"
echo "--- export"
"$CGREPLAY" export p.db --to csv -o csv; echo "exit $?"
for table in sched_switch cgroup knob; do printf '%s: %s lines, header %s\n' $table "$(wc -l <csv/$table.csv)" "$(head -n 1 csv/$table.csv)"; done
"$CGREPLAY" export p.db -o p.json; echo "exit $?"
head -c 200 p.json; echo
