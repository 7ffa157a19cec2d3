/* Event tables: which kinds they hold and where each column takes its value from. */
#include "store/schema.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"

#define K(name) (1ull << CGR_EV_##name)
#define TASK "task(id)"
#define CGROUP "cgroup(id)"
#define FILE_ "file(id)"
#define KIND "event_kind(id)"
/* every event table starts and ends with these */
#define HEAD                                                                                                           \
	{ "id", CGR_V_ID, 0, NULL }, { "ts_ns", CGR_V_TS, 0, NULL },                                                       \
	{                                                                                                                  \
		"cpu", CGR_V_CPU, 0, NULL                                                                                      \
	}
#define FLAGS                                                                                                          \
	{                                                                                                                  \
		"flags", CGR_V_FLAGS, 0, NULL                                                                                  \
	}

static const struct cgr_event_column sched_switch[] = {
	HEAD,
	{ "prev_task", CGR_V_TASK, 0, TASK },
	{ "next_task", CGR_V_C, 0, TASK },
	{ "prev_state", CGR_V_A, 0, NULL },
	{ "prev_prio", CGR_V_D_LOW, 0, NULL },
	{ "next_prio", CGR_V_D_HIGH, 0, NULL },
	{ "run_ns", CGR_V_RUN, 0, NULL },
	{ "wait_ns", CGR_V_WAIT, 0, NULL },
	{ "wake", CGR_V_WAKE, 0, "sched_wakeup(id)" },
	FLAGS,
};
static const struct cgr_event_column sched_run_start[] = {
	HEAD,
	{ "context_task", CGR_V_TASK, 0, TASK },
	{ "task", CGR_V_C, 0, TASK },
	{ "wait_ns", CGR_V_WAIT, 0, NULL },
	{ "wake", CGR_V_WAKE, 0, "sched_wakeup(id)" },
	FLAGS,
};
static const struct cgr_event_column sched_wakeup[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "waker", CGR_V_TASK, 0, TASK },
	{ "task", CGR_V_C, 0, TASK },
	{ "target_cpu", CGR_V_D_LOW, 0, NULL },
	{ "prio", CGR_V_D_HIGH, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column sched_migrate[] = {
	HEAD,
	{ "context_task", CGR_V_TASK, 0, TASK },
	{ "task", CGR_V_C, 0, TASK },
	{ "from_cpu", CGR_V_D_LOW, 0, NULL },
	{ "to_cpu", CGR_V_D_HIGH, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column sched_runtime[] = {
	HEAD,
	{ "context_task", CGR_V_TASK, 0, TASK },
	{ "task", CGR_V_C, 0, TASK },
	{ "runtime_ns", CGR_V_A, 0, NULL },
	{ "vruntime_ns", CGR_V_B, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column task_event[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "context_task", CGR_V_TASK, 0, TASK },
	{ "task", CGR_V_C, K(FORK) | K(EXIT), TASK },
	{ "old_pid", CGR_V_C, K(EXEC), NULL },
	{ "group_dead", CGR_V_D, K(EXIT), NULL },
	FLAGS,
};
static const struct cgr_event_column irq[] = {
	HEAD, { "kind", CGR_V_KIND, 0, KIND }, { "task", CGR_V_TASK, 0, TASK }, { "number", CGR_V_C, 0, NULL }, FLAGS,
};
static const struct cgr_event_column timer[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "task", CGR_V_TASK, 0, TASK },
	{ "expires_ns", CGR_V_A, K(HRTIMER_START), NULL },
	{ "now_ns", CGR_V_A, K(HRTIMER_EXPIRE), NULL },
	{ "timer", CGR_V_B, 0, NULL },
	{ "function", CGR_V_C, 0, "timer_function(id)" },
	{ "mode", CGR_V_D, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column block_io[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "task", CGR_V_TASK, 0, TASK },
	{ "sector", CGR_V_A, 0, NULL },
	{ "bytes", CGR_V_B, 0, NULL },
	{ "dev", CGR_V_C, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column throttle[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "task", CGR_V_TASK, 0, TASK },
	{ "cgroup", CGR_V_A_ID, 0, CGROUP },
	{ "throttled_cpu", CGR_V_D, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column cgroup_event[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "context_task", CGR_V_TASK, 0, TASK },
	{ "cgroup", CGR_V_A_ID, 0, CGROUP },
	{ "hierarchy", CGR_V_B, 0, NULL },
	{ "task", CGR_V_C_ID, K(CGROUP_ATTACH), TASK },
	{ "which", CGR_V_C, K(CGROUP_OTHER), NULL },
	{ "whole_process", CGR_V_D, K(CGROUP_ATTACH), NULL },
	FLAGS,
};
static const struct cgr_event_column charge[] = {
	HEAD,
	{ "task", CGR_V_TASK, 0, TASK },
	{ "cgroup", CGR_V_A_ID, 0, CGROUP },
	{ "charge_kind", CGR_V_C, 0, "charge_kind(id)" },
	{ "pages", CGR_V_SIGNED_B, 0, NULL },
	{ "folios", CGR_V_D, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column mem_stat[] = {
	HEAD,
	{ "task", CGR_V_TASK, 0, TASK },
	{ "cgroup", CGR_V_A_ID, 0, CGROUP },
	{ "item", CGR_V_C, 0, "mem_item(id)" },
	{ "delta", CGR_V_B, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column rss_stat[] = {
	HEAD,
	{ "task", CGR_V_TASK, 0, TASK },
	{ "mm", CGR_V_A, 0, NULL },
	{ "bytes", CGR_V_B, 0, NULL },
	{ "member", CGR_V_C, 0, NULL },
	{ "curr", CGR_V_D, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column page_cache[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "task", CGR_V_TASK, 0, TASK },
	{ "file", CGR_V_A_ID, 0, FILE_ },
	{ "page_index", CGR_V_B, 0, NULL },
	{ "pages", CGR_V_C, 0, NULL },
	{ "cgroup", CGR_V_D_ID, K(CACHE_ADD), CGROUP },
	{ "in_reclaim", CGR_V_D, K(CACHE_DELETE), NULL },
	FLAGS,
};
static const struct cgr_event_column memcg_reclaim[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "task", CGR_V_TASK, 0, TASK },
	{ "cgroup", CGR_V_A_ID, K(RECLAIM_BEGIN), CGROUP },
	{ "gfp_flags", CGR_V_B, K(RECLAIM_BEGIN), NULL },
	{ "page_order", CGR_V_C, K(RECLAIM_BEGIN), NULL },
	{ "reclaimed_pages", CGR_V_A, K(RECLAIM_END), NULL },
	FLAGS,
};
static const struct cgr_event_column lru_shrink[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "task", CGR_V_TASK, 0, TASK },
	{ "scanned_pages", CGR_V_A_LOW, K(SHRINK_INACTIVE), NULL },
	{ "reclaimed_pages", CGR_V_A_HIGH, K(SHRINK_INACTIVE), NULL },
	{ "activated_pages", CGR_V_B, K(SHRINK_INACTIVE), NULL },
	{ "taken_pages", CGR_V_A_LOW, K(SHRINK_ACTIVE), NULL },
	{ "deactivated_pages", CGR_V_A_HIGH, K(SHRINK_ACTIVE), NULL },
	{ "kept_pages", CGR_V_B, K(SHRINK_ACTIVE), NULL },
	{ "priority", CGR_V_C_LOW8, 0, NULL },
	{ "is_file", CGR_V_C_BIT8, 0, NULL },
	{ "cgroup", CGR_V_D_ID, K(SHRINK_INACTIVE), CGROUP },
	FLAGS,
};
static const struct cgr_event_column page_fault[] = {
	HEAD,
	{ "task", CGR_V_TASK, 0, TASK },
	{ "address", CGR_V_A, 0, NULL },
	{ "ip", CGR_V_B, 0, NULL },
	{ "error_code", CGR_V_C, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column oom_kill[] = {
	HEAD,
	{ "context_task", CGR_V_TASK, 0, TASK },
	{ "victim", CGR_V_C, 0, TASK },
	FLAGS,
};
static const struct cgr_event_column charge_call[] = {
	HEAD,
	{ "task", CGR_V_TASK, 0, TASK },
	{ "cgroup", CGR_V_A_ID, 0, CGROUP },
	{ "pages", CGR_V_B, 0, NULL },
	{ "gfp_flags", CGR_V_C, 0, NULL },
	FLAGS,
};
static const struct cgr_event_column event[] = {
	HEAD,
	{ "kind", CGR_V_KIND, 0, KIND },
	{ "task", CGR_V_TASK, 0, TASK },
	{ "format", CGR_V_C, K(OTHER), "event_format(id)" },
	{ "fields", CGR_V_A_NZ, K(OTHER), "event_fields(id)" },
	{ "a", CGR_V_A, 0, NULL },
	{ "b", CGR_V_B, 0, NULL },
	{ "c", CGR_V_C, 0, NULL },
	{ "d", CGR_V_D, 0, NULL },
	FLAGS,
};

#define CACHE_KINDS                                                                                                    \
	(K(CACHE_ADD) | K(CACHE_DELETE) | K(CACHE_READ) | K(CACHE_FAULT) | K(CACHE_MAP) | K(CACHE_DIRTY) | K(CACHE_ACCESS))
#define TABLE(name, lean, kinds)                                                                                       \
	{                                                                                                                  \
#name, kinds, lean, name, CGR_ARRAY_SIZE(name)                                                                 \
	}
const struct cgr_event_table cgr_event_tables[] = {
	TABLE(sched_switch, false, K(SWITCH)),
	TABLE(sched_run_start, false, K(RUN_START)),
	TABLE(sched_wakeup, false, K(WAKING) | K(WAKEUP) | K(WAKEUP_NEW)),
	TABLE(sched_migrate, false, K(MIGRATE)),
	TABLE(sched_runtime, false, K(RUNTIME)),
	TABLE(task_event, true, K(FORK) | K(EXEC) | K(EXIT)),
	TABLE(irq, false, K(IRQ_ENTRY) | K(IRQ_EXIT) | K(SOFTIRQ_ENTRY) | K(SOFTIRQ_EXIT)),
	TABLE(timer, false, K(HRTIMER_START) | K(HRTIMER_EXPIRE)),
	TABLE(block_io, false, K(BLOCK_ISSUE) | K(BLOCK_DONE)),
	TABLE(throttle, true, K(THROTTLE) | K(UNTHROTTLE)),
	TABLE(cgroup_event, true,
	      K(CGROUP_MKDIR) | K(CGROUP_RMDIR) | K(CGROUP_RELEASE) | K(CGROUP_ATTACH) | K(CGROUP_OTHER)),
	TABLE(charge, false, K(CHARGE) | K(UNCHARGE)),
	TABLE(mem_stat, false, K(MEM_STAT)),
	TABLE(rss_stat, false, K(RSS_STAT)),
	TABLE(page_cache, false, CACHE_KINDS),
	TABLE(memcg_reclaim, false, K(RECLAIM_BEGIN) | K(RECLAIM_END)),
	TABLE(lru_shrink, false, K(SHRINK_INACTIVE) | K(SHRINK_ACTIVE)),
	TABLE(page_fault, false, K(PAGE_FAULT)),
	TABLE(oom_kill, true, K(OOM_VICTIM)),
	TABLE(charge_call, false, K(CHARGE_CALL)),
	TABLE(event, false, K(KNOB) | K(LOST) | K(OTHER)), /* last: also what no other table names */
};
const unsigned cgr_event_table_count = CGR_ARRAY_SIZE(cgr_event_tables);

unsigned cgr_event_table_of(unsigned kind)
{
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		if ((cgr_event_tables[t].kinds >> kind & 1) != 0)
			return t;
	}
	return cgr_event_table_count - 1;
}

char *cgr_event_table_ddl(const struct cgr_event_table *table, const char *name)
{
	struct cgr_strbuf buf = { 0 };

	cgr_strbuf_printf(&buf, "CREATE TABLE %s(", name == NULL ? table->name : name);
	for (unsigned c = 0; c < table->columns; c++) {
		const struct cgr_event_column *column = &table->column[c];

		cgr_strbuf_printf(&buf, "%s%s INTEGER%s%s%s", c == 0 ? "" : ", ", column->name, c == 0 ? " PRIMARY KEY" : "",
		                  column->reference == NULL ? "" : " REFERENCES ",
		                  column->reference == NULL ? "" : column->reference);
	}
	cgr_strbuf_printf(&buf, ")");
	if (buf.failed) {
		cgr_strbuf_fini(&buf);
		return NULL;
	}
	return buf.text;
}

static bool dense(uint64_t value, int64_t *ret_value)
{
	*ret_value = (int64_t)value;
	return value != CGR_ID_NONE;
}

static bool derived_value(unsigned value, const struct cgr_sched_derived *derived, int64_t *ret_value)
{
	if (value == CGR_V_WAKE) {
		*ret_value = (int64_t)derived->wake;
		return derived->wake != 0;
	}
	*ret_value = value == CGR_V_RUN ? derived->run_ns : derived->wait_ns;
	return *ret_value >= 0;
}

/* Parts of the four words. */
static int64_t word_value(enum cgr_value value, const struct cgr_event *e)
{
	switch (value) {
	case CGR_V_A:
	case CGR_V_A_NZ:
		return (int64_t)e->a;
	case CGR_V_A_LOW:
		return (int64_t)(e->a & 0xffffffffu);
	case CGR_V_A_HIGH:
		return (int64_t)(e->a >> 32);
	case CGR_V_B:
		return (int64_t)e->b;
	case CGR_V_B_LOW:
		return (int64_t)(e->b & 0xffffffffu);
	case CGR_V_B_HIGH:
		return (int64_t)(e->b >> 32);
	case CGR_V_SIGNED_B:
		return e->kind == CGR_EV_UNCHARGE ? -(int64_t)e->b : (int64_t)e->b;
	case CGR_V_C:
		return e->c;
	case CGR_V_C_LOW8:
		return e->c & 0xff;
	case CGR_V_C_BIT8:
		return e->c >> 8 & 1;
	case CGR_V_D_LOW:
		return e->d & 0xffff;
	case CGR_V_D_HIGH:
		return e->d >> 16;
	default:
		return e->d;
	}
}

/* Words that hold a dense id, or none. */
static bool id_value(enum cgr_value value, const struct cgr_event *e, int64_t *ret_value)
{
	switch (value) {
	case CGR_V_A_ID:
		return dense(e->a, ret_value);
	case CGR_V_B_ID:
		return dense(e->b, ret_value);
	case CGR_V_C_ID:
		return dense(e->c, ret_value);
	default:
		return dense(e->d, ret_value);
	}
}

bool cgr_event_value(const struct cgr_event_column *column, const struct cgr_event *e, uint64_t id,
                     const struct cgr_sched_derived *derived, int64_t *ret_value)
{
	if (column->kinds != 0 && (column->kinds >> e->kind & 1) == 0)
		return false;
	switch ((enum cgr_value)column->value) {
	case CGR_V_ID:
		*ret_value = (int64_t)id;
		return true;
	case CGR_V_TS:
		*ret_value = (int64_t)e->ts_ns;
		return true;
	case CGR_V_CPU:
		*ret_value = e->cpu;
		return true;
	case CGR_V_KIND:
		*ret_value = e->kind;
		return true;
	case CGR_V_FLAGS:
		*ret_value = e->flags;
		return true;
	case CGR_V_TASK:
		*ret_value = e->task;
		return true;
	case CGR_V_A_ID:
	case CGR_V_B_ID:
	case CGR_V_C_ID:
	case CGR_V_D_ID:
		return id_value(column->value, e, ret_value);
	case CGR_V_RUN:
	case CGR_V_WAIT:
	case CGR_V_WAKE:
		return derived_value(column->value, derived, ret_value);
	default:
		*ret_value = word_value(column->value, e);
		return column->value != CGR_V_A_NZ || e->a != 0;
	}
}
