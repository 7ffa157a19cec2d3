/* Views of the event store: the questions people ask, in SQL they can read with .schema and build upon. */
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "store/schema.h"

static const struct {
	struct cgr_schema_object object;
	const char *help;
} view[] = {
	{ { "view", "tasks",
	    "CREATE VIEW tasks AS "
	    "SELECT t.id AS task, t.tid, t.tgid, t.comm, cc.path AS cpu_cgroup, mc.path AS memory_cgroup, t.start_ns, "
	    "t.end_ns, "
	    "t.parent, t.prio, t.policy, t.kernel_thread FROM task t LEFT JOIN css_set s ON s.id = t.css_set "
	    "LEFT JOIN cgroup cc ON cc.id = s.cpu_cgroup LEFT JOIN cgroup mc ON mc.id = s.memory_cgroup" },
	  "every task with its names, cgroups and life" },
	{ { "view", "memberships",
	    "CREATE VIEW memberships AS "
	    "SELECT m.task, t.tid, t.comm, m.from_ns, m.to_ns, cc.path AS cpu_cgroup, mc.path AS memory_cgroup, m.how "
	    "FROM membership m JOIN task t ON t.id = m.task JOIN css_set s ON s.id = m.css_set "
	    "LEFT JOIN cgroup cc ON cc.id = s.cpu_cgroup LEFT JOIN cgroup mc ON mc.id = s.memory_cgroup" },
	  "which task was in which cgroups, from when to when, and how that is known" },
	{ { "view", "knobs",
	    "CREATE VIEW knobs AS "
	    "SELECT c.path AS cgroup, n.name, k.t_ns, k.value, k.value2, k.text, k.source FROM knob k "
	    "JOIN cgroup c ON c.id = k.cgroup JOIN name n ON n.id = k.name" },
	  "limits and weights over time, with the exact text of the kernel file" },
	{ { "view", "counters",
	    "CREATE VIEW counters AS "
	    "SELECT c.path AS cgroup, n.name, k.t_ns, k.value, k.source FROM counter k "
	    "JOIN cgroup c ON c.id = k.cgroup JOIN name n ON n.id = k.name" },
	  "statistics over time, as the kernel files showed them" },
	{ { "view", "counter_changes",
	    "CREATE VIEW counter_changes AS "
	    "SELECT c.path AS cgroup, n.name, f.value AS first, l.value AS last, l.value - f.value AS change "
	    "FROM (SELECT cgroup, name, min(id) AS first_id, max(id) AS last_id FROM counter GROUP BY cgroup, name) g "
	    "JOIN counter f ON f.id = g.first_id JOIN counter l ON l.id = g.last_id "
	    "JOIN cgroup c ON c.id = g.cgroup JOIN name n ON n.id = g.name" },
	  "first and last value of every statistic" },
	{ { "view", "sched_summary",
	    "CREATE VIEW sched_summary AS "
	    "SELECT s.task, t.tid, t.comm, sum(s.run_ns + s.open_run_ns) AS run_ns, sum(s.stat_runtime_ns) AS "
	    "stat_runtime_ns, "
	    "sum(s.switches) AS switches, sum(s.preemptions) AS preemptions, sum(s.wakeups) AS wakeups, "
	    "sum(s.wait_ns) AS wait_ns, CASE WHEN sum(s.waits) > 0 THEN sum(s.wait_ns) / sum(s.waits) END AS mean_wait_ns, "
	    "max(s.max_wait_ns) AS max_wait_ns, "
	    "CASE WHEN sum(s.wake_waits) > 0 THEN sum(s.wake_wait_ns) / sum(s.wake_waits) END AS mean_wakeup_latency_ns, "
	    "max(s.max_wake_wait_ns) AS max_wakeup_latency_ns "
	    "FROM task_sched s JOIN task t ON t.id = s.task WHERE s.task > 0 GROUP BY s.task" },
	  "run time, switches, mean and worst latency per task (as perf sched latency)" },
	{ { "view", "sched_by_cgroup",
	    "CREATE VIEW sched_by_cgroup AS "
	    "SELECT coalesce(c.path, '(unknown)') AS cgroup, count(DISTINCT s.task) AS tasks, "
	    "sum(s.run_ns + s.open_run_ns) AS run_ns, sum(s.switches) AS switches, sum(s.preemptions) AS preemptions, "
	    "sum(s.wakeups) AS wakeups, sum(s.wait_ns) AS wait_ns, max(s.max_wait_ns) AS max_wait_ns, "
	    "CASE WHEN sum(s.wake_waits) > 0 THEN sum(s.wake_wait_ns) / sum(s.wake_waits) END AS mean_wakeup_latency_ns, "
	    "max(s.max_wake_wait_ns) AS max_wakeup_latency_ns "
	    "FROM task_sched s LEFT JOIN css_set x ON x.id = s.css_set LEFT JOIN cgroup c ON c.id = x.cpu_cgroup "
	    "WHERE s.task > 0 GROUP BY x.cpu_cgroup" },
	  "run time, wait time and wake-up latency per cgroup (tasks directly in it)" },
	{ { "view", "sched_by_cpu",
	    "CREATE VIEW sched_by_cpu AS "
	    "SELECT s.task, t.tid, t.comm, coalesce(c.path, '(unknown)') AS cgroup, s.cpu, s.run_ns + s.open_run_ns AS "
	    "run_ns, "
	    "s.switches FROM task_sched s JOIN task t ON t.id = s.task LEFT JOIN css_set x ON x.id = s.css_set "
	    "LEFT JOIN cgroup c ON c.id = x.cpu_cgroup" },
	  "who ran where: CPU time per task, cgroup and CPU; task 0 is idle" },
	{ { "view", "task_slices",
	    "CREATE VIEW task_slices AS "
	    "SELECT s.id, s.prev_task AS task, t.tid, t.comm, s.cpu, s.ts_ns - s.run_ns AS from_ns, s.ts_ns AS to_ns, "
	    "s.run_ns, "
	    "CASE WHEN s.prev_state & 255 = 0 THEN 'preempted' WHEN s.prev_state & 48 <> 0 THEN 'exited' ELSE 'blocked' "
	    "END AS ended, "
	    "s.flags >> 3 & 1 AS inferred FROM sched_switch s JOIN task t ON t.id = s.prev_task "
	    "WHERE s.run_ns IS NOT NULL AND s.prev_task > 0" },
	  "every stretch of time on a CPU: from, to, and how it ended" },
	{ { "view", "task_waits",
	    "CREATE VIEW task_waits AS "
	    "SELECT s.id, s.next_task AS task, t.tid, t.comm, s.cpu, s.ts_ns - s.wait_ns AS from_ns, s.ts_ns AS to_ns, "
	    "s.wait_ns, "
	    "CASE WHEN s.wake IS NULL THEN 'preempted' ELSE 'woken' END AS reason, s.wake, s.flags >> 3 & 1 AS inferred "
	    "FROM sched_switch s JOIN task t ON t.id = s.next_task WHERE s.wait_ns IS NOT NULL "
	    "UNION ALL SELECT s.id, s.task, t.tid, t.comm, s.cpu, s.ts_ns - s.wait_ns, s.ts_ns, s.wait_ns, "
	    "CASE WHEN s.wake IS NULL THEN 'preempted' ELSE 'woken' END, s.wake, s.flags >> 3 & 1 "
	    "FROM sched_run_start s JOIN task t ON t.id = s.task WHERE s.wait_ns IS NOT NULL" },
	  "every wait for a CPU: runnable from, running from, woken by whom" },
	{ { "view", "wakeup_latency",
	    "CREATE VIEW wakeup_latency AS "
	    "SELECT s.id, t.id AS task, t.tid, t.comm, w.ts_ns AS woken_ns, s.ts_ns AS ran_ns, s.wait_ns AS latency_ns, "
	    "s.cpu, "
	    "w.cpu AS waker_cpu, w.waker, wt.comm AS waker_comm, "
	    "CASE WHEN w.flags & 4 THEN 'nmi' WHEN w.flags & 1 THEN 'hardirq' WHEN w.flags & 2 THEN 'softirq' ELSE 'task' "
	    "END "
	    "AS context FROM sched_switch s JOIN sched_wakeup w ON w.id = s.wake JOIN task t ON t.id = s.next_task "
	    "JOIN task wt ON wt.id = w.waker" },
	  "every wake-up with its latency, its waker and the waker's context" },
	{ { "view", "ran_while_waiting",
	    "CREATE VIEW ran_while_waiting AS "
	    "SELECT w.id AS wait, w.next_task AS task, w.cpu, w.ts_ns - w.wait_ns AS wait_from_ns, w.ts_ns AS wait_to_ns, "
	    "r.prev_task AS running_task, t.tid AS running_tid, t.comm AS running_comm, "
	    "min(r.ts_ns, w.ts_ns) - max(r.ts_ns - r.run_ns, w.ts_ns - w.wait_ns) AS overlap_ns "
	    "FROM sched_switch w JOIN sched_switch r ON r.cpu = w.cpu AND r.id <= w.id AND r.id >= "
	    "coalesce((SELECT i.id FROM time_index i WHERE i.ts_ns <= w.ts_ns - w.wait_ns ORDER BY i.ts_ns DESC LIMIT 1), "
	    "0) "
	    "AND r.ts_ns > w.ts_ns - w.wait_ns AND r.run_ns IS NOT NULL JOIN task t ON t.id = r.prev_task "
	    "WHERE w.wait_ns > 0" },
	  "who ran on the CPU a task waited for, and for how much of the wait (choose a wait: WHERE wait = ...)" },
	{ { "view", "charges",
	    "CREATE VIEW charges AS "
	    "SELECT e.id, e.ts_ns, e.task, t.tid, t.comm, c.path AS cgroup, k.name AS kind, e.pages FROM charge e "
	    "JOIN task t ON t.id = e.task LEFT JOIN cgroup c ON c.id = e.cgroup JOIN charge_kind k ON k.id = "
	    "e.charge_kind" },
	  "who charged what and when; uncharges have negative pages" },
	{ { "view", "charges_by_task",
	    "CREATE VIEW charges_by_task AS "
	    "SELECT c.path AS cgroup, g.task, t.tid, t.comm, k.name AS kind, g.charged_pages, g.uncharged_pages "
	    "FROM (SELECT cgroup, task, charge_kind, sum(max(pages, 0)) AS charged_pages, -sum(min(pages, 0)) AS "
	    "uncharged_pages "
	    "FROM charge GROUP BY cgroup, task, charge_kind) g JOIN task t ON t.id = g.task LEFT JOIN cgroup c ON c.id = "
	    "g.cgroup "
	    "JOIN charge_kind k ON k.id = g.charge_kind" },
	  "pages charged and uncharged per cgroup, task and kind" },
	{ { "view", "page_cache_by_file",
	    "CREATE VIEW page_cache_by_file AS "
	    "SELECT g.file, f.path, f.dev, f.inode, g.lookup_pages, g.added_pages, g.deleted_pages, g.reclaimed_pages, "
	    "CASE WHEN g.lookup_pages > 0 THEN round(max(0.0, 1.0 - 1.0 * g.added_pages / g.lookup_pages), 4) END AS "
	    "hit_ratio "
	    "FROM (SELECT p.file, sum(CASE WHEN k.name IN ('page_cache_read', 'page_cache_fault') THEN max(p.pages, 1) "
	    "ELSE 0 END) "
	    "AS lookup_pages, sum(CASE WHEN k.name = 'page_cache_add' THEN p.pages ELSE 0 END) AS added_pages, "
	    "sum(CASE WHEN k.name = 'page_cache_delete' THEN p.pages ELSE 0 END) AS deleted_pages, "
	    "sum(CASE WHEN k.name = 'page_cache_delete' AND p.in_reclaim THEN p.pages ELSE 0 END) AS reclaimed_pages "
	    "FROM page_cache p JOIN event_kind k ON k.id = p.kind GROUP BY p.file) g LEFT JOIN file f ON f.id = g.file" },
	  "look-ups, inserts, deletes and hit ratio per file" },
	{ { "view", "reclaims",
	    "CREATE VIEW reclaims AS "
	    "SELECT b.id, b.task, t.tid, t.comm, c.path AS cgroup, b.ts_ns AS from_ns, e.ts_ns AS to_ns, "
	    "e.ts_ns - b.ts_ns AS reclaim_ns, e.reclaimed_pages FROM (SELECT id, ts_ns, task, cgroup, reclaimed_pages, "
	    "kind, "
	    "lead(id) OVER (PARTITION BY task ORDER BY id) AS end_id FROM memcg_reclaim) b "
	    "JOIN event_kind k ON k.id = b.kind AND k.name = 'memcg_reclaim_begin' JOIN memcg_reclaim e ON e.id = b.end_id "
	    "AND e.kind <> b.kind JOIN task t ON t.id = b.task LEFT JOIN cgroup c ON c.id = b.cgroup" },
	  "every pass of a task through memcg reclaim: how long, how many pages" },
	{ { "view", "throttled",
	    "CREATE VIEW throttled AS "
	    "SELECT c.path AS cgroup, p.periods AS nr_periods, p.throttled AS nr_throttled, p.usec AS throttled_usec, "
	    "s.spans, s.span_usec, s.inferred FROM cgroup c LEFT JOIN (SELECT k.cgroup, "
	    "max(CASE n.name WHEN 'cpu.stat.nr_periods' THEN k.value END) - min(CASE n.name WHEN 'cpu.stat.nr_periods' "
	    "THEN "
	    "k.value END) AS periods, max(CASE n.name WHEN 'cpu.stat.nr_throttled' THEN k.value END) - "
	    "min(CASE n.name WHEN 'cpu.stat.nr_throttled' THEN k.value END) AS throttled, "
	    "max(CASE n.name WHEN 'cpu.stat.throttled_usec' THEN k.value END) - min(CASE n.name WHEN "
	    "'cpu.stat.throttled_usec' "
	    "THEN k.value END) AS usec FROM counter k JOIN name n ON n.id = k.name WHERE n.name GLOB 'cpu.stat.*' GROUP BY "
	    "k.cgroup) "
	    "p ON p.cgroup = c.id LEFT JOIN (SELECT cgroup, count(*) AS spans, sum(to_ns - from_ns) / 1000 AS span_usec, "
	    "max(inferred) AS inferred FROM throttle_span GROUP BY cgroup) s ON s.cgroup = c.id "
	    "WHERE p.periods > 0 OR s.spans > 0" },
	  "throttled time per cgroup: the kernel's counters over the recording, and the spans seen or inferred" },
	{ { "view", "throttle_spans",
	    "CREATE VIEW throttle_spans AS "
	    "SELECT c.path AS cgroup, s.task, t.tid, t.comm, s.cpu, s.from_ns, s.to_ns, s.to_ns - s.from_ns AS "
	    "throttled_ns, "
	    "s.inferred FROM throttle_span s LEFT JOIN cgroup c ON c.id = s.cgroup LEFT JOIN task t ON t.id = s.task" },
	  "every stretch of time a task (or, where the kernel tells, a run queue) was kept off its CPU by a quota" },
	{ { "view", "oom_kills",
	    "CREATE VIEW oom_kills AS "
	    "SELECT o.ts_ns, o.victim AS task, t.tid, t.comm, mc.path AS memory_cgroup, o.context_task, x.comm AS "
	    "context_comm "
	    "FROM oom_kill o JOIN task t ON t.id = o.victim LEFT JOIN task x ON x.id = o.context_task "
	    "LEFT JOIN css_set s ON s.id = t.css_set LEFT JOIN cgroup mc ON mc.id = s.memory_cgroup" },
	  "OOM victims" },
	{ { "view", "dying_memcgs",
	    "CREATE VIEW dying_memcgs AS "
	    "SELECT c.id AS cgroup, c.path, c.removed_ns, c.released_ns, (SELECT sum(pages) FROM charge e WHERE e.cgroup = "
	    "c.id) "
	    "AS pages_charged_in_trace, (SELECT k.value FROM counter k JOIN name n ON n.id = k.name WHERE k.cgroup = c.id "
	    "AND n.name = 'memory.current' ORDER BY k.t_ns DESC LIMIT 1) AS last_memory_current "
	    "FROM cgroup c WHERE c.has_memory AND c.removed_ns IS NOT NULL AND c.released_ns IS NULL" },
	  "removed memory cgroups that are not released: what still is charged to them" },
	{ { "view", "cgroup_life",
	    "CREATE VIEW cgroup_life AS "
	    "SELECT c.path, h.controllers, d.hierarchy, d.kernel_id, d.born_ns, d.removed_ns, d.released_ns "
	    "FROM cgroup_dir d JOIN cgroup c ON c.id = d.cgroup LEFT JOIN hierarchy h ON h.id = d.hierarchy" },
	  "birth, removal and release of every cgroup directory, per hierarchy" },
	{ { "view", "events_by_kind",
	    "CREATE VIEW events_by_kind AS "
	    "SELECT k.name, k.in_table, sum(n.events) AS events, sum(n.inferred) AS inferred FROM event_count n "
	    "JOIN event_kind k ON k.id = n.kind GROUP BY n.kind" },
	  "how many events of each kind, and how many of them are inferred" },
	{ { "view", "other_events",
	    "CREATE VIEW other_events AS "
	    "SELECT e.id, e.ts_ns, e.cpu, e.task, t.tid, t.comm, f.system, f.name AS event, x.fields FROM event e "
	    "JOIN event_format f ON f.id = e.format LEFT JOIN event_fields x ON x.id = e.fields "
	    "LEFT JOIN task t ON t.id = e.task" },
	  "events without a table of their own, with all their fields as JSON: fields ->> 'name'" },
};

/* every event of the store as one list, made from the tables so that none is forgotten */
static const char all_events_help[] = "all events in order: id, time, CPU, kind, task, flags";

size_t cgr_schema_view_count(void)
{
	return CGR_ARRAY_SIZE(view) + 1;
}

const char *cgr_schema_view_name(size_t index)
{
	return index < CGR_ARRAY_SIZE(view) ? view[index].object.name : "all_events";
}

const char *cgr_schema_view_help(size_t index)
{
	return index < CGR_ARRAY_SIZE(view) ? view[index].help : all_events_help;
}

static bool has_column(const struct cgr_event_table *table, enum cgr_value value)
{
	for (unsigned c = 0; c < table->columns; c++) {
		if (table->column[c].value == (uint8_t)value)
			return true;
	}
	return false;
}

static char *all_events_sql(void)
{
	struct cgr_strbuf buf = { 0 };

	cgr_strbuf_printf(&buf, "CREATE VIEW all_events AS ");
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		const struct cgr_event_table *table = &cgr_event_tables[t];
		const char *task = "NULL";
		bool kind = has_column(table, CGR_V_KIND);

		for (unsigned c = 0; c < table->columns; c++) {
			if (table->column[c].value == CGR_V_TASK)
				task = table->column[c].name;
		}
		cgr_strbuf_printf(&buf, "%sSELECT id, ts_ns, cpu, ", t == 0 ? "" : " UNION ALL ");
		if (kind)
			cgr_strbuf_printf(&buf, "(SELECT name FROM event_kind k WHERE k.id = e.kind) AS kind");
		else if (strcmp(table->name, "charge") == 0)
			cgr_strbuf_printf(&buf, "CASE WHEN pages < 0 THEN 'uncharge' ELSE 'charge' END AS kind");
		else
			cgr_strbuf_printf(&buf, "'%s' AS kind", cgr_event_kind_name((unsigned)__builtin_ctzll(table->kinds)));
		cgr_strbuf_printf(&buf, ", %s AS task, flags, '%s' AS in_table FROM %s e", task, table->name, table->name);
	}
	cgr_strbuf_printf(&buf, " ORDER BY id");
	if (buf.failed) {
		cgr_strbuf_fini(&buf);
		return NULL;
	}
	return buf.text;
}

char *cgr_schema_view_sql(size_t index)
{
	return index < CGR_ARRAY_SIZE(view) ? cgr_strdup(view[index].object.sql) : all_events_sql();
}
