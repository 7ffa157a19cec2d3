/* Dispatch of records, common to all tracepoints: time, context task, interrupt context, the chain's evidence. */
#include "parser/norm.h"

#include <stdlib.h>

#include "common/limits.h"

/* enum trace_flag_type, kernel/trace: the same bits since 2.6.30 */
#define TRACE_FLAG_NEED_RESCHED 0x04u
#define TRACE_FLAG_HARDIRQ 0x08u
#define TRACE_FLAG_SOFTIRQ 0x10u
#define TRACE_FLAG_NMI 0x40u

static int to_store(void *arg, const struct cgr_event *events, size_t count, struct cgr_error *reterr)
{
	struct cgr_norm *norm = arg;

	norm->stats.events += count;
	return cgr_writer_append(norm->writer, events, count, reterr);
}

int cgr_norm_init(struct cgr_norm *norm, const struct cgr_trace *trace, struct cgr_writer *writer,
                  struct cgr_error *reterr)
{
	*norm = (struct cgr_norm){
		.trace = trace, .writer = writer, .err = reterr, .to_ns = UINT64_MAX, .switch_buffer = UINT32_MAX
	};
	memset(norm->item_of_stat, 255, sizeof(norm->item_of_stat));
	memset(norm->item_of_event, 255, sizeof(norm->item_of_event));
	norm->cgroups.memory_hierarchy = norm->cgroups.last_cgroup = CGR_ID_NONE;
	CGR_TRY(cgr_hold_init(&norm->hold, to_store, norm, reterr));
	CGR_TRY(cgr_formats_init(&norm->formats, trace, reterr));
	return cgr_cgroups_init(norm);
}

int cgr_norm_begin(struct cgr_norm *norm)
{
	struct cgr_task *idle = cgr_task_get(norm, 0);

	if (idle == NULL)
		return norm->err->code;
	(void)cgr_strcpy(idle->comm, sizeof(idle->comm), "swapper");
	idle->dirty = true;
	return CGR_OK;
}

void cgr_norm_fini(struct cgr_norm *norm)
{
	cgr_hold_fini(&norm->hold);
	cgr_formats_fini(&norm->formats);
	cgr_tasks_fini(&norm->tasks);
	cgr_cgroups_fini(&norm->cgroups);
	cgr_intern_fini(&norm->files.by_key);
	cgr_intern_fini(&norm->files.by_inode);
	free(norm->files.of_inode);
	free(norm->files.key);
	free(norm->cpu);
	free(norm->owner);
	free(norm->bandwidth.held);
	free(norm->bandwidth.owner);
}

static int need_cpu(struct cgr_norm *norm, uint32_t cpu)
{
	if (cpu >= CGR_LIMIT_CPUS)
		return cgr_error_set(norm->err, CGR_E_INPUT, "CPU number %u is out of range", cpu);
	CGR_TRY(cgr_grow((void **)&norm->cpu, &norm->cpu_capacity, (size_t)cpu + 1, sizeof(*norm->cpu), norm->err));
	for (; norm->cpus <= cpu; norm->cpus++)
		norm->cpu[norm->cpus].current_pid = INT32_MIN;
	return CGR_OK;
}

static int lost_record(struct cgr_norm *norm, const struct cgr_record *record)
{
	uint64_t from = record->lost_from > norm->start ? record->lost_from - norm->start : 0;
	struct cgr_entry entry = { .record = record, .cpu = record->cpu };

	/* A second instance lost events that the import takes from the first one anyway. */
	if (norm->owner != NULL && norm->switch_buffer != UINT32_MAX && record->buffer != norm->switch_buffer)
		return CGR_OK;
	cgr_mend_lost(norm, record->cpu);
	if (norm->now_ns < norm->from_ns)
		return CGR_OK;
	from = from > norm->from_ns ? from - norm->from_ns : 0;
	norm->stats.lost_spans++;
	norm->stats.lost_events += record->lost;
	norm->stats.lost_unknown += record->lost == 0;
	struct cgr_store_lost lost = { .cpu = record->cpu,
		                           .from_ns = (int64_t)from,
		                           .to_ns = (int64_t)(norm->now_ns - norm->from_ns),
		                           .events = record->lost };
	CGR_TRY(cgr_writer_add_lost(norm->writer, &lost, norm->err));
	return cgr_norm_push(norm, &entry, CGR_EV_LOST, record->lost, from, 0, 0);
}

static uint8_t context_flags(uint32_t flags)
{
	return (uint8_t)(((flags & TRACE_FLAG_HARDIRQ) != 0 ? CGR_EVF_HARDIRQ : 0) |
	                 ((flags & TRACE_FLAG_SOFTIRQ) != 0 ? CGR_EVF_SOFTIRQ : 0) |
	                 ((flags & TRACE_FLAG_NMI) != 0 ? CGR_EVF_NMI : 0) |
	                 ((flags & TRACE_FLAG_NEED_RESCHED) != 0 ? CGR_EVF_NEED_RESCHED : 0));
}

static int dispatch(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	switch (entry->format->raw) {
	case CGR_RAW_SWITCH ... CGR_RAW_RUNTIME:
		return cgr_norm_sched(norm, entry);
	case CGR_RAW_IRQ_ENTRY ... CGR_RAW_BLOCK_DONE:
		return cgr_norm_timer(norm, entry);
	case CGR_RAW_CGROUP_MKDIR ... CGR_RAW_UNTHROTTLE:
		return cgr_norm_cgroup(norm, entry);
	case CGR_RAW_FUNCTION:
		return cgr_norm_function(norm, entry);
	case CGR_RAW_MEMCG_COUNT ... CGR_RAW_RSS_STAT:
		return cgr_norm_memcg(norm, entry);
	case CGR_RAW_CACHE_ADD ... CGR_RAW_CACHE_DIRTY:
		return cgr_norm_cache(norm, entry);
	case CGR_RAW_RECLAIM_BEGIN ... CGR_RAW_OOM_VICTIM:
		return cgr_norm_reclaim(norm, entry);
	default:
		return cgr_norm_other(norm, entry);
	}
}

/* The switch chain only lives where switches are recorded, and interrupts that hit between the tracepoint and the
 * switch itself do not count as proof: only families that cannot be emitted there do. */
static int prove(struct cgr_norm *norm, const struct cgr_entry *entry, int32_t pid)
{
	struct cgr_cpu *cpu = &norm->cpu[entry->cpu];

	if (__builtin_expect(cpu->current_pid == pid, 1)) {
		cpu->proof_ns = norm->now_ns;
		return CGR_OK;
	}
	switch (entry->format->raw) {
	case CGR_RAW_SWITCH: /* its handler sees to it */
	case CGR_RAW_OTHER:
	case CGR_RAW_FUNCTION: /* anywhere */
		return CGR_OK;
	case CGR_RAW_RUNTIME:
		if ((int32_t)CGR_FIELD(entry, 0) == pid)
			return cgr_mend_proof(norm, entry->cpu, entry->task, CGR_FIELD(entry, 1));
		return CGR_OK;
	default:
		return cgr_mend_proof(norm, entry->cpu, entry->task, 0);
	}
}

static int event_record(struct cgr_norm *norm, const struct cgr_record *record)
{
	struct cgr_entry entry = { .record = record, .payload = record->payload, .cpu = record->cpu };

	if (record->length < norm->formats.min_bytes)
		return cgr_error_set(norm->err, CGR_E_INPUT, "a record of CPU %u at %llu ns has %u bytes, too few for its head",
		                     record->cpu, (unsigned long long)norm->now_ns, record->length);
	uint32_t id = (uint32_t)cgr_field_get(&norm->formats.type, record->payload) & 0xffff;
	if (norm->owner != NULL && norm->owner[id] != record->buffer) {
		norm->stats.duplicate_records++;
		return CGR_OK;
	}
	struct cgr_format *format = cgr_formats_find(&norm->formats, id);
	if (format == NULL)
		return cgr_error_set(norm->err, CGR_E_NOMEM, "out of memory");
	entry.format = format;
	entry.flags = context_flags((uint32_t)cgr_field_get(&norm->formats.flags, record->payload));
	int32_t pid = (int32_t)cgr_field_get(&norm->formats.pid, record->payload);
	entry.task = cgr_task_get(norm, pid);
	if (entry.task == NULL)
		return norm->err->code;
	if (norm->now_ns >= norm->from_ns) {
		format->count++;
		norm->stats.records++;
	}
	if (__builtin_expect(record->length < format->min_bytes, 0)) {
		norm->stats.short_records++;
		return cgr_norm_other(norm, &entry);
	}
	if (record->cgroup != 0 && record->cgroup != entry.task->perf_cgroup)
		CGR_TRY(cgr_norm_sample_cgroup(norm, &entry, record->cgroup));
	CGR_TRY(prove(norm, &entry, pid));
	return dispatch(norm, &entry);
}

int cgr_norm_record(struct cgr_norm *norm, const struct cgr_record *record, struct cgr_error *reterr)
{
	norm->err = reterr;
	if (record->time > INT64_MAX)
		return cgr_error_set(reterr, CGR_E_INPUT, "CPU %u: a time of %llu ns is out of range: damaged", record->cpu,
		                     (unsigned long long)record->time);
	norm->now_ns = record->time > norm->start ? record->time - norm->start : 0;
	norm->stats.time_backwards += record->time_backwards;
	norm->stats.times_astray += record->time_astray;
	if (record->cpu >= norm->cpus)
		CGR_TRY(need_cpu(norm, record->cpu));
	if (!norm->slice_open && norm->now_ns >= norm->from_ns) {
		norm->slice_open = true;
		if (norm->from_ns > 0)
			CGR_TRY(cgr_mend_slice_start(norm));
	}
	switch (record->type) {
	case CGR_RECORD_EVENT:
		return event_record(norm, record);
	case CGR_RECORD_LOST:
		return lost_record(norm, record);
	default:
		return cgr_norm_side(norm, record);
	}
}

static int source_counts(struct cgr_norm *norm)
{
	for (uint32_t id = 0; id < 65536; id++) {
		const struct cgr_format *format = norm->formats.by_id[id];
		if (format != NULL && format->count > 0)
			CGR_TRY(cgr_writer_add_source_count(norm->writer, format->system, format->name, format->count, norm->err));
	}
	return CGR_OK;
}

int cgr_norm_finish(struct cgr_norm *norm, struct cgr_error *reterr)
{
	norm->err = reterr;
	CGR_TRY(cgr_hold_drain(&norm->hold, 0, reterr));
	CGR_TRY(cgr_tasks_finish(norm));
	CGR_TRY(cgr_cgroups_finish(norm));
	return source_counts(norm);
}
