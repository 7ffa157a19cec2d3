/* irq:*, timer:*, block:* -> the contexts and causes of wake-ups. */
#include "parser/fields.h"
#include "parser/norm.h"

#define HRTIMER_MODE_REL 1u
#define TIMER_SOFTIRQ 1u /* include/linux/interrupt.h */

static uint32_t function_of(const struct cgr_norm *norm, uint64_t address)
{
	for (size_t i = 0; i < norm->timers; i++)
		if (norm->timer[i].address == address)
			return norm->timer[i].function;
	return CGR_TIMER_OTHER;
}

/* hrtimers count on CLOCK_MONOTONIC or its neighbours. With another trace clock the first expiry, which runs when it is
 * due, gives the difference. */
static uint64_t timer_time(const struct cgr_norm *norm, uint64_t ns)
{
	return (uint64_t)((int64_t)ns + norm->timer_offset - (int64_t)norm->start - (int64_t)norm->from_ns);
}

static int on_hrtimer(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	bool start = entry->format->raw == CGR_RAW_HRTIMER_START;
	uint64_t address = CGR_FIELD(entry, 0), when = CGR_FIELD(entry, 1);
	uint32_t function = CGR_HAS(entry, 2) ? function_of(norm, CGR_FIELD(entry, 2)) : CGR_TIMER_OTHER;

	if (!start && !norm->timer_offset_known) {
		norm->timer_offset_known = true;
		norm->timer_offset = (int64_t)entry->record->time - (int64_t)when;
	}
	if (function == CGR_TIMER_CFS_PERIOD && norm->bandwidth.throttle != 0)
		CGR_TRY(cgr_norm_period_timer(norm, entry, start, address));
	if (start)
		return cgr_norm_push(norm, entry, CGR_EV_HRTIMER_START, timer_time(norm, when), address, function,
		                     CGR_HAS(entry, 3) ? (uint32_t)CGR_FIELD(entry, 3) & HRTIMER_MODE_REL : 0);
	return cgr_norm_push(norm, entry, CGR_EV_HRTIMER_EXPIRE, timer_time(norm, when), address, function, 0);
}

static int on_block(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	bool issue = entry->format->raw == CGR_RAW_BLOCK_ISSUE;
	uint64_t bytes = CGR_FIELD(entry, 2) * 512;

	if (bytes == 0 && issue)
		bytes = CGR_FIELD(entry, 3);
	return cgr_norm_push(norm, entry, issue ? CGR_EV_BLOCK_ISSUE : CGR_EV_BLOCK_DONE, CGR_FIELD(entry, 1), bytes,
	                     (uint32_t)CGR_FIELD(entry, 0), 0);
}

/* Classic timers run in the soft interrupt TIMER, one after the other (run_timer_softirq, kernel/time/timer.c): where
 * the vector itself was not recorded, each of them stands for it. */
static int on_timer(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	bool begins = entry->format->raw == CGR_RAW_TIMER_ENTRY;

	if (norm->softirq_seen)
		return cgr_norm_other(norm, entry);
	return cgr_norm_push(norm, entry, begins ? CGR_EV_SOFTIRQ_ENTRY : CGR_EV_SOFTIRQ_EXIT, 0, 0, TIMER_SOFTIRQ, 0);
}

int cgr_norm_timer(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	uint32_t first = (uint32_t)CGR_FIELD(entry, 0);

	switch (entry->format->raw) {
	case CGR_RAW_IRQ_ENTRY:
		return cgr_norm_push(norm, entry, CGR_EV_IRQ_ENTRY, 0, 0, first, 0);
	case CGR_RAW_IRQ_EXIT:
		return cgr_norm_push(norm, entry, CGR_EV_IRQ_EXIT, 0, 0, first, 0);
	case CGR_RAW_SOFTIRQ_ENTRY:
		norm->softirq_seen = true;
		return cgr_norm_push(norm, entry, CGR_EV_SOFTIRQ_ENTRY, 0, 0, first, 0);
	case CGR_RAW_SOFTIRQ_EXIT:
		return cgr_norm_push(norm, entry, CGR_EV_SOFTIRQ_EXIT, 0, 0, first, 0);
	case CGR_RAW_TIMER_ENTRY:
	case CGR_RAW_TIMER_EXIT:
		return on_timer(norm, entry);
	case CGR_RAW_HRTIMER_START:
	case CGR_RAW_HRTIMER_EXPIRE:
		return on_hrtimer(norm, entry);
	default:
		return on_block(norm, entry);
	}
}

int cgr_norm_other(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_format *format = (struct cgr_format *)(uintptr_t)entry->format;

	uint64_t fields = 0;

	if (!format->declared) {
		format->declared = true;
		CGR_TRY(cgr_writer_add_format(norm->writer, format->id, format->system, format->name, norm->err));
		if (norm->keep_fields)
			CGR_TRY(cgr_fields_prepare(format, norm->formats.swap, norm->err));
	}
	norm->stats.unknown_formats += format->event == NULL;
	if (format->json_fields > 0 && entry->record->length >= format->json_bytes && norm->now_ns >= norm->from_ns) {
		char json[CGR_FIELDS_JSON_MAX];
		size_t length = cgr_fields_json(format, entry->payload, entry->record->length, json);

		CGR_TRY(cgr_writer_add_fields(norm->writer, json, length, &fields, norm->err));
	}
	return cgr_norm_push(norm, entry, CGR_EV_OTHER, fields, 0, format->id, 0);
}
