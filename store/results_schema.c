/* Tables and views of the results store; docs/schema.md describes them. */
#include <stddef.h>

#include "store/results_internal.h"

const char *const cgr_results_schema[] = {
	"run",
	"CREATE TABLE run(id INTEGER PRIMARY KEY, name TEXT UNIQUE, base_name TEXT, scenario_json TEXT,"
	" memory_model TEXT, cpu_model TEXT, reclaim_model TEXT, tool_version TEXT, source_path TEXT, source_digest TEXT,"
	" kernel_release TEXT, command TEXT, seed INTEGER, seeds INTEGER, cpus INTEGER, recorded_cpus INTEGER,"
	" duration_usec INTEGER, replayed_usec INTEGER, events INTEGER, lost_events INTEGER,"
	" unexplained_block_usec INTEGER, blocks INTEGER, unexplained_blocks INTEGER, causality_violations INTEGER,"
	" inferred_runtime_usec INTEGER)",
	"cgroup",
	"CREATE TABLE cgroup(run INTEGER REFERENCES run(id), id INTEGER, path TEXT, PRIMARY KEY(run, id)) WITHOUT ROWID",
	"metric",
	"CREATE TABLE metric(id INTEGER PRIMARY KEY, name TEXT, unit TEXT, help TEXT, worse INTEGER,"
	" tolerance_ppm INTEGER, UNIQUE(name, unit, help, worse, tolerance_ppm))",
	"run_metric",
	"CREATE TABLE run_metric(run INTEGER REFERENCES run(id), position INTEGER, metric INTEGER REFERENCES metric(id),"
	" PRIMARY KEY(run, position)) WITHOUT ROWID",
	"metric_value",
	"CREATE TABLE metric_value(run INTEGER REFERENCES run(id), position INTEGER, cgroup INTEGER, metric INTEGER"
	" REFERENCES metric(id), recorded INTEGER, predicted INTEGER, low INTEGER, high INTEGER, class TEXT,"
	" PRIMARY KEY(run, position)) WITHOUT ROWID",
	"series",
	"CREATE TABLE series(run INTEGER REFERENCES run(id), id INTEGER, cgroup INTEGER, name TEXT, recorded INTEGER,"
	" PRIMARY KEY(run, id)) WITHOUT ROWID",
	"series_point",
	"CREATE TABLE series_point(run INTEGER REFERENCES run(id), series INTEGER, position INTEGER, t_usec INTEGER,"
	" value INTEGER, PRIMARY KEY(run, series, position)) WITHOUT ROWID",
	"task",
	"CREATE TABLE task(run INTEGER REFERENCES run(id), id INTEGER, tid INTEGER, comm TEXT, cgroup INTEGER,"
	" start_usec INTEGER, end_usec INTEGER, recorded_end_usec INTEGER, runtime_usec INTEGER,"
	" recorded_runtime_usec INTEGER, wait_usec INTEGER, throttled_usec INTEGER, wakeups INTEGER,"
	" wakeup_latency_sum_usec INTEGER, wakeup_latency_max_usec INTEGER, wakeup_latency_histogram TEXT,"
	" recorded_wakeups INTEGER, recorded_wakeup_latency_sum_usec INTEGER, recorded_wakeup_latency_max_usec INTEGER,"
	" recorded_wakeup_latency_histogram TEXT, PRIMARY KEY(run, id)) WITHOUT ROWID",
	"decision",
	"CREATE TABLE decision(run INTEGER REFERENCES run(id), id INTEGER, t_usec INTEGER, kind TEXT, cgroup INTEGER,"
	" tid INTEGER, comm TEXT, value INTEGER, PRIMARY KEY(run, id)) WITHOUT ROWID",
	"fidelity",
	"CREATE TABLE fidelity(run INTEGER REFERENCES run(id), id INTEGER, cgroup INTEGER, metric INTEGER REFERENCES"
	" metric(id), recorded INTEGER, replayed INTEGER, low INTEGER, high INTEGER, PRIMARY KEY(run, id)) WITHOUT ROWID",
	"span",
	"CREATE TABLE span(run INTEGER REFERENCES run(id), id INTEGER, start_ns INTEGER, end_ns INTEGER, task INTEGER,"
	" cpu INTEGER, state INTEGER, PRIMARY KEY(run, id)) WITHOUT ROWID",
	"change",
	"CREATE TABLE change(run INTEGER REFERENCES run(id), id INTEGER, cgroup TEXT, knob TEXT, from_value TEXT,"
	" to_value TEXT, t_usec INTEGER, PRIMARY KEY(run, id)) WITHOUT ROWID",
	"run_by_base_name",
	"CREATE INDEX run_by_base_name ON run(base_name)",
	"run_metrics",
	"CREATE VIEW run_metrics AS SELECT r.name AS run, c.path AS cgroup, m.name AS metric, m.unit, v.recorded,"
	" v.predicted, v.low, v.high, v.class FROM metric_value v JOIN run r ON r.id = v.run JOIN metric m ON m.id ="
	" v.metric LEFT JOIN cgroup c ON c.run = v.run AND c.id = v.cgroup ORDER BY v.run, v.position",
	"run_decisions",
	"CREATE VIEW run_decisions AS SELECT r.name AS run, d.t_usec, d.kind, c.path AS cgroup, d.tid, d.comm, d.value"
	" FROM decision d JOIN run r ON r.id = d.run LEFT JOIN cgroup c ON c.run = d.run AND c.id = d.cgroup"
	" ORDER BY d.run, d.id",
	"run_tasks",
	"CREATE VIEW run_tasks AS SELECT r.name AS run, t.tid, t.comm, c.path AS cgroup, t.start_usec, t.end_usec,"
	" t.recorded_end_usec, t.runtime_usec, t.recorded_runtime_usec, t.wait_usec, t.throttled_usec, t.wakeups,"
	" t.wakeup_latency_max_usec, t.recorded_wakeup_latency_max_usec FROM task t JOIN run r ON r.id = t.run LEFT JOIN"
	" cgroup c ON c.run = t.run AND c.id = t.cgroup ORDER BY t.run, t.id",
	"run_fidelity",
	"CREATE VIEW run_fidelity AS SELECT r.name AS run, c.path AS cgroup, m.name AS metric, f.recorded, f.replayed,"
	" f.low, f.high FROM fidelity f JOIN run r ON r.id = f.run JOIN metric m ON m.id = f.metric LEFT JOIN cgroup c"
	" ON c.run = f.run AND c.id = f.cgroup ORDER BY f.run, f.id",
	NULL,
};

/* Tables that stores made by earlier versions lack: made when a run that needs them is added, absent when read. */
const char *const cgr_results_schema_added[] = {
	"curve",
	"CREATE TABLE curve(run INTEGER REFERENCES run(id), id INTEGER, cgroup INTEGER, sampled INTEGER, accesses INTEGER,"
	" pages INTEGER, PRIMARY KEY(run, id)) WITHOUT ROWID",
	"curve_point",
	"CREATE TABLE curve_point(run INTEGER REFERENCES run(id), curve INTEGER, position INTEGER, size_bytes INTEGER,"
	" misses INTEGER, PRIMARY KEY(run, curve, position)) WITHOUT ROWID",
	NULL,
};
