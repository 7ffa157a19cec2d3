-- The figures of `perf sched latency` and `perf sched timehist` from our rows, for exactly those tasks whose events
-- both can know in full. Left out, by rule:
--   pid used twice     perf keeps one record per pid
--   inferred switches  the kernel did not report every switch of the task: import infers what perf cannot see
--   lost events        the same, for the CPU's whole chain (the script records again instead)
--   woken in a wait    a wake-up of a task that was preempted and waits already: latency and timehist restart the wait
--                      there, import counts it from the preemption
-- and from the figures, not the tasks:
--   preempted in the kernel (prev_state 0x100)  `perf sched latency` looks the letter of the state up beyond the end of
--                      its table (sched_out_state, 6.1) and takes the task for asleep: it has no such wait
--   the last switch of a task that exited       timehist files it under tid -1
--   a run still open at the end                 timehist tells of a wait when the run after it ends
.separator ' '
CREATE TEMP TABLE switch_out AS SELECT prev_task AS task, ts_ns, id, prev_state & 256 AS in_kernel FROM sched_switch;
CREATE INDEX temp.switch_out_by_task ON switch_out(task, ts_ns);
CREATE TEMP TABLE woken AS SELECT task, ts_ns FROM sched_wakeup;
CREATE INDEX temp.woken_by_task ON woken(task, ts_ns);
CREATE TEMP TABLE wait AS SELECT id, next_task AS task, ts_ns - wait_ns AS from_ns, ts_ns AS to_ns, wake,
	wake IS NULL AND EXISTS (SELECT 1 FROM switch_out o WHERE o.task = next_task AND o.ts_ns = w.ts_ns - w.wait_ns AND o.in_kernel)
		AS in_kernel
	FROM sched_switch w WHERE wait_ns IS NOT NULL;
CREATE TEMP TABLE left_out AS
	SELECT id AS task FROM task WHERE tid IN (SELECT tid FROM task GROUP BY tid HAVING count(*) > 1)
	UNION SELECT prev_task FROM sched_switch WHERE flags & 8
	UNION SELECT next_task FROM sched_switch WHERE flags & 8
	UNION SELECT task FROM sched_run_start
	UNION SELECT wait.task FROM wait JOIN woken k ON k.task = wait.task AND k.ts_ns > from_ns AND k.ts_ns < to_ns
		WHERE wake IS NULL;
CREATE TEMP TABLE last_out AS SELECT task, max(id) AS id FROM switch_out GROUP BY task;
.output ours.runtime
SELECT tid, printf('%.3f', stat_runtime_ns / 1e6) FROM sched_summary s
	WHERE (SELECT count(*) FROM task t WHERE t.tid = s.tid) = 1;
.output ours.latency
SELECT tid, printf('%.3f', coalesce((SELECT max(to_ns - from_ns) FROM wait w WHERE w.task = s.task AND NOT in_kernel), 0) / 1e6)
	FROM sched_summary s WHERE task NOT IN left_out;
.output ours.timehist
SELECT tid, switches, printf('%.3f', run_ns / 1e6), printf('%.3f', coalesce((SELECT max(w.to_ns - w.from_ns) FROM wait w
	JOIN last_out o ON o.task = w.task WHERE w.task = s.task AND w.wake IS NOT NULL AND w.id < o.id), 0) / 1e6)
	FROM sched_summary s WHERE switches > 0 AND task NOT IN left_out AND (SELECT end_ns IS NULL FROM task t WHERE t.id = s.task);
.output ours.worst
SELECT tid, max_wait_ns, max_wakeup_latency_ns FROM sched_summary s WHERE task NOT IN left_out AND (
	coalesce(max_wait_ns, 0) <> coalesce((SELECT max(to_ns - from_ns) FROM wait w WHERE w.task = s.task), 0) OR
	coalesce(max_wakeup_latency_ns, 0) <>
		coalesce((SELECT max(to_ns - from_ns) FROM wait w WHERE w.task = s.task AND w.wake IS NOT NULL), 0));
