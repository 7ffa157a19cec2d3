#include "cli/info.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "common/util.h"

#define KNOB(name)                                                                                                     \
	"(SELECT k.value FROM knob k WHERE k.cgroup = c.id AND k.name = (SELECT id FROM name WHERE name = '" name          \
	"') ORDER BY k.t_ns DESC LIMIT 1)"
#define KNOB_TEXT(name)                                                                                                \
	"(SELECT k.text FROM knob k WHERE k.cgroup = c.id AND k.name = (SELECT id FROM name WHERE name = '" name           \
	"') ORDER BY k.t_ns DESC LIMIT 1)"
#define COUNTER(name)                                                                                                  \
	"(SELECT k.value FROM counter k WHERE k.cgroup = c.id AND k.name = (SELECT id FROM name WHERE name = '" name       \
	"') ORDER BY k.t_ns DESC LIMIT 1)"
#define CHANGE(name)                                                                                                   \
	"(SELECT max(k.value) - min(k.value) FROM counter k WHERE k.cgroup = c.id AND k.name = (SELECT id FROM name"       \
	" WHERE name = '" name "'))"

#define MACHINE                                                                                                        \
	"d AS (SELECT max(max(CASE key WHEN 'duration_ns' THEN CAST(value AS INTEGER) END), 1) AS ns, max(max(CASE key"    \
	" WHEN 'online_cpus' THEN CAST(value AS INTEGER) END), 1) AS cpus FROM meta)"

/* %lld is --top, -1 for all. Columns ending in _bytes, _ns and _usec are printed for people in tables. */
static const struct {
	const char *name, *title, *sql;
} section[] = {
	{ "cgroups", "cgroups, with limits in force and usage at the end",
	  "WITH used AS (SELECT cgroup, count(DISTINCT task) AS tasks, sum(ns) AS run_ns FROM (SELECT x.cpu_cgroup AS "
	  "cgroup,"
	  " s.task, s.run_ns + s.open_run_ns AS ns FROM task_sched s JOIN css_set x ON x.id = s.css_set WHERE s.task > 0"
	  " UNION ALL SELECT x.memory_cgroup, s.task, s.run_ns + s.open_run_ns FROM task_sched s JOIN css_set x ON x.id ="
	  " s.css_set WHERE s.task > 0 AND x.memory_cgroup IS NOT x.cpu_cgroup) GROUP BY cgroup)"
	  " SELECT c.path AS cgroup, c.container, CASE WHEN c.removed_ns IS NULL THEN '' WHEN c.released_ns IS NULL"
	  " AND c.has_memory THEN 'dying' ELSE 'removed' END AS state," KNOB("memory.max") " AS memory_max_bytes," COUNTER("memory.current") " AS memory_current_bytes," COUNTER("memory.peak") " AS memory_peak_bytes," CHANGE(
	      "memory.failcnt") " AS failcnt," CHANGE("memory.events.oom_kill") " AS oom_kill," KNOB_TEXT("cpu.max") " AS "
	                                                                                                             "cpu_"
	                                                                                                             "max"
	                                                                                                             "," KNOB("cpu.weight") " AS cpu_weight," CHANGE(
	                                                                                                                 "c"
	                                                                                                                 "p"
	                                                                                                                 "u"
	                                                                                                                 "."
	                                                                                                                 "s"
	                                                                                                                 "t"
	                                                                                                                 "a"
	                                                                                                                 "t"
	                                                                                                                 "."
	                                                                                                                 "n"
	                                                                                                                 "r"
	                                                                                                                 "_"
	                                                                                                                 "t"
	                                                                                                                 "h"
	                                                                                                                 "r"
	                                                                                                                 "o"
	                                                                                                                 "t"
	                                                                                                                 "t"
	                                                                                                                 "l"
	                                                                                                                 "e"
	                                                                                                                 "d") " AS nr_throttled, u.tasks, u.run_ns"
	                                                                                                                      " FROM cgroup c LEFT JOIN used u ON u.cgroup = c.id WHERE c.id IN (SELECT c2.id FROM cgroup c2 LEFT JOIN used u2"
	                                                                                                                      " ON u2.cgroup = c2.id ORDER BY coalesce(u2.run_ns, 0) DESC, c2.id LIMIT %lld) ORDER BY c.path, c.id" },
	{ "tasks", "who ran where",
	  "SELECT t.tid, t.comm, coalesce(c.path, '(unknown)') AS cgroup, sum(s.run_ns + s.open_run_ns) AS run_ns,"
	  " sum(s.switches) AS switches, sum(s.preemptions) AS preemptions, sum(s.wakeups) AS wakeups,"
	  " max(s.max_wake_wait_ns) AS worst_wakeup_ns, sum(s.wait_ns) AS wait_ns, group_concat(s.cpu || ':' ||"
	  " (100 * (s.run_ns + s.open_run_ns) / max((SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'duration_ns'), "
	  "1))"
	  " || '%%', ' ') AS cpus FROM task_sched s JOIN task t ON t.id = s.task LEFT JOIN css_set x ON x.id = s.css_set"
	  " LEFT JOIN cgroup c ON c.id = x.cpu_cgroup WHERE s.task > 0 GROUP BY s.task, s.css_set"
	  " ORDER BY 4 DESC, s.task LIMIT %lld" },
	{ "cpus", "CPUs",
	  "SELECT s.cpu, sum(CASE WHEN s.task > 0 THEN s.run_ns + s.open_run_ns END) AS busy_ns, sum(CASE WHEN s.task = 0"
	  " THEN s.run_ns + s.open_run_ns END) AS idle_ns, sum(s.switches) AS switches, (SELECT sum(n.events) FROM"
	  " event_count n WHERE n.cpu = s.cpu) AS events FROM task_sched s GROUP BY s.cpu ORDER BY s.cpu LIMIT %lld" },
	{ "events", "events by kind",
	  "SELECT k.name AS kind, k.in_table, sum(n.events) AS events, sum(n.inferred) AS inferred FROM event_count n"
	  " JOIN event_kind k ON k.id = n.kind GROUP BY n.kind ORDER BY 3 DESC, 1 LIMIT max(%lld, 100)" },
	/* the recorder's calibration says what an event of a kind took; kinds it did not measure count as its mean */
	{ "recorded_events", "kernel events as recorded, and what they are estimated to have cost",
	  "WITH measured AS (SELECT json_extract(j.value, '$.event') AS event, json_extract(j.value, '$.ns') AS ns FROM "
	  "meta"
	  " m, json_each(m.value, '$.calibration') j WHERE m.key = 'facts.recorder' AND json_valid(m.value)), " MACHINE
	  " SELECT s.system || ':' || s.name AS event, s.count, CAST(s.count * 1e9 / d.ns AS INTEGER) AS per_second,"
	  " CAST(coalesce(c.ns, (SELECT avg(ns) FROM measured)) AS INTEGER) AS each_ns, round(100.0 * s.count *"
	  " coalesce(c.ns, (SELECT avg(ns) FROM measured)) / d.ns / d.cpus, 3) AS percent_of_cpus FROM source_count s, d "
	  "LEFT"
	  " JOIN measured c ON c.event = s.system || ':' || s.name ORDER BY 2 DESC, 1 LIMIT %lld" },
	{ "recording_cost", "what recording took of the machine",
	  "WITH s AS (SELECT j.value AS v FROM meta m, json_each(m.value) j WHERE m.key = 'recorder.summaries' AND"
	  " json_valid(m.value) UNION ALL SELECT value FROM meta WHERE key = 'recorder.summary' AND json_valid(value) AND"
	  " NOT EXISTS (SELECT 1 FROM meta WHERE key = 'recorder.summaries')), " MACHINE
	  ", t AS (SELECT sum(json_extract(v, '$.recorder.cpu_usec')) AS recorder, sum(json_extract(v,"
	  " '$.recorder.event_usec')) AS events, sum(json_extract(v, '$.recorder.samples')) AS samples,"
	  " sum(json_extract(v, '$.recorder.sampler_usec')) AS sampler FROM s) SELECT t.recorder AS recorder_usec, "
	  "t.samples,"
	  " t.sampler AS sampler_usec, nullif(t.events, 0) AS events_estimated_usec, round(1e5 * (t.recorder + "
	  "coalesce(t.events, 0)) "
	  "/"
	  " d.ns / d.cpus, 2) AS percent_of_cpus FROM t, d WHERE t.recorder IS NOT NULL LIMIT %lld" },
	{ "dying", "dying memory cgroups (removed, still charged)",
	  "SELECT path AS cgroup, removed_ns, last_memory_current AS memory_current_bytes, pages_charged_in_trace FROM"
	  " dying_memcgs ORDER BY removed_ns LIMIT %lld" },
	{ "throttled", "throttled",
	  "SELECT cgroup, nr_periods, nr_throttled, throttled_usec, spans, span_usec, inferred FROM throttled LIMIT %lld" },
	{ "lost", "lost events",
	  "SELECT cpu, from_ns, to_ns, nullif(events, 0) AS events FROM lost ORDER BY from_ns, cpu LIMIT %lld" },
	{ "import_log", "what import mended or noticed",
	  "SELECT severity, text, nullif(count, 0) AS count, cost FROM import_log ORDER BY id LIMIT max(%lld, 100)" },
	{ "missing", "what is missing, and what that costs",
	  "SELECT what, cost FROM (SELECT 0 AS rank, 'scheduler events' AS what, 'no CPU prediction at all' AS cost FROM "
	  "meta"
	  " WHERE key = 'has_sched' AND value = '0' UNION ALL SELECT 1, 'memcg events (charges)', 'memory only from "
	  "samples:"
	  " no other memory limit can be asked' FROM meta WHERE key = 'has_memcg_events' AND value = '0' UNION ALL SELECT "
	  "2,"
	  " 'page-cache events', 'file memory by counts alone: smaller limits are extrapolated' FROM meta WHERE key ="
	  " 'has_page_cache' AND value = '0' UNION ALL SELECT 3, 'snapshots of cgroups, limits and counters', 'limits are"
	  " unknown, membership is inferred from events, predictions cannot be checked against counters' FROM meta WHERE "
	  "key"
	  " = 'has_snapshots' AND value = '0' UNION ALL SELECT 4, value || ' lost events', 'nothing is exact' FROM meta "
	  "WHERE"
	  " key = 'lost_events' AND value <> '0' UNION ALL SELECT 5, 'rows of single events (--lean)', 'cgreplay sql reads"
	  " them from the packed stream, slower; sqlite3 sees empty tables' FROM meta WHERE key = 'lean' AND value = '1'"
	  " UNION ALL SELECT 6, 'HZ', 'ticks are taken at 250 a second' FROM meta WHERE key = 'hz' AND value = '0'"
	  " UNION ALL SELECT 7, 'recorder signal: ' || json_extract(j.value, '$.name'), json_extract(j.value, '$.costs')"
	  " FROM meta m, json_each(m.value) j WHERE m.key = 'facts.signals' AND json_valid(m.value) AND"
	  " json_extract(j.value, '$.absent')) ORDER BY rank, what LIMIT max(%lld, 100)" },
};

static void print_line(const char *label, const char *text)
{
	printf("%-11s", label);
	cgr_rows_print_plain(stdout, text);
	printf("\n");
}

static void print_recording(const struct cgr_store *store, const char *path)
{
	const struct cgr_store_info *info = cgr_store_borrow_info(store);
	const char *lean = cgr_store_borrow_meta(store, "lean");
	size_t spans;
	char lost[80] = "none lost";

	(void)cgr_store_borrow_lost(store, &spans);
	if (info->lost_events > 0)
		(void)snprintf(lost, sizeof(lost), "%" PRIu64 " lost in %zu spans", info->lost_events, spans);
	else if (spans > 0)
		(void)snprintf(lost, sizeof(lost), "an unknown number lost in %zu spans", spans);
	print_line("store", path);
	print_line("source", info->source_path);
	print_line("digest", info->source_digest);
	printf("%-11s%.3f s, ", "recording", (double)info->duration_ns / 1e9);
	printf("Linux ");
	cgr_rows_print_plain(stdout, info->kernel_release[0] == '\0' ? "(unknown)" : info->kernel_release);
	printf(", %u CPUs", info->online_cpus == 0 ? info->cpus : info->online_cpus);
	if (info->hz != 0)
		printf(", HZ %u", info->hz);
	if (info->cgroup_version != 0)
		printf(", cgroup v%d", info->cgroup_version);
	printf(", clock ");
	cgr_rows_print_plain(stdout, info->clock[0] == '\0' ? "(unknown)" : info->clock);
	const char *recorded = cgr_store_borrow_meta(store, "recorded_events");
	uint64_t events = recorded == NULL ? info->events : strtoull(recorded, NULL, 10);

	printf("\n%-11s%" PRIu64 " events", "", events);
	if (events < info->events)
		printf(" and %" PRIu64 " inferred by import", info->events - events);
	printf(", %s%s\n", lost, lean != NULL && strcmp(lean, "1") == 0 ? ", lean" : "");
}

static char *section_sql(size_t i, int64_t top)
{
	const char *text = section[i].sql;
	struct cgr_strbuf buf = { 0 };

	for (; *text != '\0'; text++) {
		if (strncmp(text, "%lld", 4) == 0) {
			cgr_strbuf_printf(&buf, "%lld", top == 0 ? -1ll : (long long)top);
			text += 3;
		} else if (strncmp(text, "%%", 2) == 0) {
			cgr_strbuf_append(&buf, "%", 1);
			text++;
		} else {
			cgr_strbuf_append(&buf, text, 1);
		}
	}
	if (buf.failed)
		cgr_strbuf_fini(&buf);
	return buf.text;
}

static int start_section(struct cgr_query *query, size_t i, int64_t top, struct cgr_error *reterr)
{
	char *sql = section_sql(i, top);
	int rc =
	    sql == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "out of memory") : cgr_query_start(query, sql, NULL, reterr);

	free(sql);
	return rc;
}

static int print_tables(struct cgr_query *query, const char *path, int64_t top, struct cgr_error *reterr)
{
	print_recording(cgr_query_borrow_store(query), path);
	for (size_t i = 0; i < CGR_ARRAY_SIZE(section); i++) {
		CGR_TRY(start_section(query, i, top, reterr));
		CGR_TRY(cgr_rows_print_titled(stdout, query, section[i].title, reterr));
	}
	return 0;
}

static int print_json(struct cgr_query *query, int64_t top, struct cgr_error *reterr)
{
	printf("{\"schema_version\": 1,\n\"recording\": ");
	CGR_TRY(cgr_query_start(query,
	                        "SELECT key, value FROM meta WHERE key NOT GLOB 'facts.*' AND key NOT GLOB 'recorder.*'"
	                        " ORDER BY key",
	                        NULL, reterr));
	CGR_TRY(cgr_rows_print_object(stdout, query, reterr));
	for (size_t i = 0; i < CGR_ARRAY_SIZE(section); i++) {
		printf(",\n\"%s\": ", section[i].name);
		CGR_TRY(start_section(query, i, top, reterr));
		CGR_TRY(cgr_rows_print_limits(stdout, query, CGR_ROWS_JSON, reterr));
	}
	printf("}\n");
	return 0;
}

int cgr_info_print(struct cgr_query *query, const char *path, enum cgr_rows_format format, int64_t top,
                   struct cgr_error *reterr)
{
	if (cgr_query_borrow_store(query) == NULL)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: a results store; info is about event stores (see `cgreplay report` and `compare`)",
		                     path);
	if (format == CGR_ROWS_JSON)
		return print_json(query, top, reterr);
	if (format == CGR_ROWS_TABLE)
		return print_tables(query, path, top, reterr);
	CGR_TRY(start_section(query, 0, top, reterr)); /* CSV has one table: the cgroups */
	return cgr_rows_print_limits(stdout, query, CGR_ROWS_CSV, reterr);
}
