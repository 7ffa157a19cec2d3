/* Small tables and views of the event store. docs/schema.md is checked against this file by a test. */
#include "store/schema.h"

#include <string.h>

/* Times: ns since trace start; NULL = still there / not ended; negative = before the trace. */
const struct cgr_schema_object cgr_schema_tables[] = {
	{ "table", "meta", "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID" },
	{ "table", "import_log",
	  "CREATE TABLE import_log(id INTEGER PRIMARY KEY, severity TEXT, text TEXT, count INTEGER, cost TEXT)" },
	{ "table", "hierarchy", "CREATE TABLE hierarchy(id INTEGER PRIMARY KEY, version INTEGER, controllers TEXT)" },
	{ "table", "cgroup",
	  "CREATE TABLE cgroup(id INTEGER PRIMARY KEY, path TEXT, container TEXT, parent INTEGER REFERENCES cgroup(id),"
	  " born_ns INTEGER, removed_ns INTEGER, released_ns INTEGER, has_memory INTEGER, has_cpu INTEGER,"
	  " recorded INTEGER)" },
	{ "table", "cgroup_dir",
	  "CREATE TABLE cgroup_dir(cgroup INTEGER REFERENCES cgroup(id), hierarchy INTEGER REFERENCES hierarchy(id),"
	  " kernel_id INTEGER, born_ns INTEGER, removed_ns INTEGER, released_ns INTEGER)" },
	{ "table", "css_set",
	  "CREATE TABLE css_set(id INTEGER PRIMARY KEY, cpu_cgroup INTEGER REFERENCES cgroup(id),"
	  " memory_cgroup INTEGER REFERENCES cgroup(id), cpuset_cgroup INTEGER REFERENCES cgroup(id),"
	  " default_cgroup INTEGER REFERENCES cgroup(id))" },
	{ "table", "css_set_link",
	  "CREATE TABLE css_set_link(css_set INTEGER REFERENCES css_set(id), hierarchy INTEGER REFERENCES hierarchy(id),"
	  " cgroup INTEGER REFERENCES cgroup(id), PRIMARY KEY(css_set, hierarchy)) WITHOUT ROWID" },
	{ "table", "task",
	  "CREATE TABLE task(id INTEGER PRIMARY KEY, tid INTEGER, tgid INTEGER, comm TEXT, start_ns INTEGER,"
	  " end_ns INTEGER, parent INTEGER REFERENCES task(id), css_set INTEGER REFERENCES css_set(id), prio INTEGER,"
	  " policy INTEGER, kernel_thread INTEGER, oom_score_adj INTEGER, cpus_allowed TEXT,"
	  " session INTEGER)" },
	{ "table", "comm_history",
	  "CREATE TABLE comm_history(task INTEGER REFERENCES task(id), from_ns INTEGER, comm TEXT)" },
	{ "table", "membership",
	  "CREATE TABLE membership(task INTEGER REFERENCES task(id), from_ns INTEGER, to_ns INTEGER,"
	  " css_set INTEGER REFERENCES css_set(id), how TEXT, PRIMARY KEY(task, from_ns)) WITHOUT ROWID" },
	{ "table", "name", "CREATE TABLE name(id INTEGER PRIMARY KEY, name TEXT)" },
	{ "table", "knob",
	  "CREATE TABLE knob(id INTEGER PRIMARY KEY, cgroup INTEGER REFERENCES cgroup(id),"
	  " name INTEGER REFERENCES name(id), t_ns INTEGER, value INTEGER, value2 INTEGER, text TEXT, source TEXT)" },
	{ "table", "counter",
	  "CREATE TABLE counter(id INTEGER PRIMARY KEY, cgroup INTEGER REFERENCES cgroup(id),"
	  " name INTEGER REFERENCES name(id), t_ns INTEGER, value INTEGER, source TEXT)" },
	{ "table", "file", "CREATE TABLE file(id INTEGER PRIMARY KEY, dev INTEGER, inode INTEGER, path TEXT)" },
	{ "table", "lost", "CREATE TABLE lost(cpu INTEGER, from_ns INTEGER, to_ns INTEGER, events INTEGER)" },
	{ "table", "event_format", "CREATE TABLE event_format(id INTEGER PRIMARY KEY, system TEXT, name TEXT)" },
	{ "table", "event_fields", "CREATE TABLE event_fields(id INTEGER PRIMARY KEY, fields TEXT)" },
	{ "table", "source_count", "CREATE TABLE source_count(system TEXT, name TEXT, count INTEGER)" },
	{ "table", "event_kind",
	  "CREATE TABLE event_kind(id INTEGER PRIMARY KEY, name TEXT, in_table TEXT, a TEXT, b TEXT, c TEXT, d TEXT)" },
	{ "table", "charge_kind", "CREATE TABLE charge_kind(id INTEGER PRIMARY KEY, name TEXT)" },
	{ "table", "mem_item", "CREATE TABLE mem_item(id INTEGER PRIMARY KEY, name TEXT)" },
	{ "table", "timer_function", "CREATE TABLE timer_function(id INTEGER PRIMARY KEY, name TEXT)" },
	{ "table", "event_count",
	  "CREATE TABLE event_count(kind INTEGER REFERENCES event_kind(id), cpu INTEGER, events INTEGER,"
	  " inferred INTEGER, PRIMARY KEY(kind, cpu)) WITHOUT ROWID" },
	{ "table", "task_sched",
	  "CREATE TABLE task_sched(task INTEGER REFERENCES task(id), css_set INTEGER REFERENCES css_set(id),"
	  " cpu INTEGER, run_ns INTEGER, open_run_ns INTEGER, stat_runtime_ns INTEGER, switches INTEGER,"
	  " preemptions INTEGER, wakeups INTEGER, waits INTEGER, wait_ns INTEGER, max_wait_ns INTEGER,"
	  " max_wait_at_ns INTEGER, wake_waits INTEGER, wake_wait_ns INTEGER, max_wake_wait_ns INTEGER,"
	  " max_wake_wait_at_ns INTEGER)" },
	{ "table", "throttle_span",
	  "CREATE TABLE throttle_span(cgroup INTEGER REFERENCES cgroup(id), task INTEGER REFERENCES task(id), cpu INTEGER,"
	  " from_ns INTEGER, to_ns INTEGER, inferred INTEGER)" },
	{ "table", "time_index",
	  "CREATE TABLE time_index(ts_ns INTEGER, id INTEGER, PRIMARY KEY(ts_ns, id)) WITHOUT ROWID" },
	{ "table", "stream_block",
	  "CREATE TABLE stream_block(block INTEGER PRIMARY KEY, first_id INTEGER, events INTEGER, first_ns INTEGER,"
	  " last_ns INTEGER, kinds INTEGER, bytes INTEGER, checksum INTEGER, data BLOB)" },
	{ "table", "table_digest", "CREATE TABLE table_digest(name TEXT, rows INTEGER, digest INTEGER)" },
	{ "index", "knob_by_name", "CREATE INDEX knob_by_name ON knob(cgroup, name, t_ns)" },
	{ "index", "counter_by_name", "CREATE INDEX counter_by_name ON counter(cgroup, name, t_ns)" },
	{ "index", "task_by_tid", "CREATE INDEX task_by_tid ON task(tid)" },
	{ NULL, NULL, NULL },
};

const char *cgr_schema_digested(unsigned index)
{
	unsigned seen = 1;

	if (index == 0)
		return "sqlite_schema";
	for (const struct cgr_schema_object *o = cgr_schema_tables; o->name != NULL; o++) {
		if (strcmp(o->type, "table") == 0 && strcmp(o->name, "table_digest") != 0 && seen++ == index)
			return o->name;
	}
	return NULL;
}
