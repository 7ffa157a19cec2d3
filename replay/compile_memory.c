/* Memory events become operations of the task in whose context they were recorded. */
#include "common/util.h"
#include "replay/compile_internal.h"

#define MISSES_MIN 32u
#define REQUEST_MAX_NS 50000000u /* a longer one was lost or requeued */
#define STREAM_BYTES 32768u /* mean size of requests from which they count as streaming */

/* Pages that a look-up finds were added for it a moment ago: they are no readahead, and the look-up missed them. */
static uint32_t claim_adds(struct builder *b, const struct cgr_event *e, uint32_t wanted)
{
	struct task_build *t = &b->t[e->task];
	uint64_t first = e->b, last = e->b + wanted;
	uint32_t claimed = 0;

	for (unsigned i = 0; i < t->adds; i++) {
		struct cgr_op *op = &cgr_chunk_at(b->programs, t->add[i].chunk)->op[t->add[i].position];
		uint64_t pages = op->b & 0xffffffffu;

		if (op->c != (uint32_t)e->a || op->a >= last || op->a + pages <= first)
			continue;
		op->flags = (uint8_t)(op->flags & ~CGR_OPF_READAHEAD);
		claimed += (uint32_t)(CGR_MIN(op->a + pages, last) - CGR_MAX(op->a, first));
	}
	t->adds = 0;
	return claimed;
}

/* ---- what a miss costs ---- */
static int note(struct builder *b, struct cgr_histogram *h, uint64_t value)
{
	if (cgr_histogram_add(h, value) < 0)
		return cgr_error_set(b->error, CGR_E_NOMEM, "histogram of the cost of misses");
	return 0;
}

/* A single page waits for one request of the device; what a wait for a window of many pages tells is its bandwidth,
 * which the requests themselves tell better (cgr_build_device). */
int cgr_build_note_miss_wait(struct builder *b, uint32_t task, uint64_t wait_ns)
{
	struct task_build *t = &b->t[task];
	uint32_t pages = t->missed_pages;

	t->missed_pages = 0;
	return note(b, pages > 1 ? &b->page_wait : &b->miss_wait, wait_ns / 1000);
}

/* How fast the device is while it has something to do: the time to a completion from the one before, or from the issue
 * where the device was idle. */
void cgr_build_device(struct builder *b, const struct cgr_event *e)
{
	if (e->kind == CGR_EV_BLOCK_ISSUE) {
		if (!b->in_flight++)
			b->device_since_ns = e->ts_ns;
		return;
	}
	if (!b->in_flight) /* issued before the trace */
		return;
	b->in_flight--;
	b->device_requests++;
	b->device_bytes += CGR_MIN(e->b, 1ull << 32);
	b->device_busy_ns += CGR_MIN(e->ts_ns - b->device_since_ns, REQUEST_MAX_NS);
	b->device_since_ns = e->ts_ns;
}

/* Waits add up, so it is their mean that counts; the longest thousandth is somebody else's. */
static uint64_t usual_mean(const struct cgr_histogram *h)
{
	uint64_t high = cgr_histogram_quantile(h, 999), sum = 0, count = 0;

	for (unsigned i = 0; h->bucket && i < CGR_HISTOGRAM_BUCKETS && cgr_histogram_bucket_low(i) <= high; i++) {
		sum += h->bucket[i] * (cgr_histogram_bucket_low(i) + CGR_MIN(cgr_histogram_bucket_high(i), high)) / 2;
		count += h->bucket[i];
	}
	return count ? sum / count : 0;
}

/* What comes before the insert (the program's own work, the way into the kernel) a hit costs too. */
static int note_lookup(struct builder *b, struct task_build *t, uint32_t claimed)
{
	uint32_t added = t->added_pages; /* with what was read ahead */

	t->added_pages = 0;
	if (!claimed || !added)
		return 0;
	if (added == 1)
		return note(b, &b->miss_cpu, t->read_cpu_ns / 64);
	return note(b, &b->page_cpu, t->read_cpu_ns / added);
}

void cgr_build_calibrate_misses(struct builder *b)
{
	struct cgr_calibration *c = &b->programs->calibration;

	c->miss_ns = usual_mean(b->miss_wait.count >= MISSES_MIN ? &b->miss_wait : &b->page_wait) * 1000;
	c->miss_cpu_ns = cgr_histogram_quantile(&b->miss_cpu, 500) * 64;
	/* many small requests tell the latency of one, not how fast large ones stream */
	if (b->device_requests >= MISSES_MIN / 4 && b->device_bytes / b->device_requests >= STREAM_BYTES)
		c->page_wait_ns = b->device_busy_ns / (b->device_bytes / 4096);
	c->page_cpu_ns = cgr_histogram_quantile(&b->page_cpu, 500);
	c->reclaim_page_ns = b->reclaim_pages >= 32 ? b->reclaim_ns / b->reclaim_pages : 0;
}

static int cache_add(struct builder *b, const struct cgr_event *e)
{
	struct cgr_op op = { .kind = CGR_OP_CACHE_ADD,
		                 .flags = CGR_OPF_READAHEAD,
		                 .c = (uint32_t)e->a,
		                 .a = e->b,
		                 .b = e->c | (uint64_t)e->d << 32 };
	struct task_build *t = &b->t[e->task];

	CGR_TRY(cgr_build_context(b, e, &op));
	if (e->task == 0 || cgr_event_in_irq(e) || t->state == TASK_GONE)
		return 0;
	t->missed = true;
	t->missed_pages += e->c;
	t->added_pages += e->c;
	if (!t->adds)
		t->read_cpu_ns = 0;
	if (t->adds == RECENT_ADDS) {
		for (unsigned i = 1; i < RECENT_ADDS; i++)
			t->add[i - 1] = t->add[i];
		t->adds--;
	}
	t->add[t->adds++] = (struct recent_add){ t->tail, cgr_chunk_at(b->programs, t->tail)->count - 1 };
	t->last_add = t->add[t->adds - 1];
	return 0;
}

static int cache_lookup(struct builder *b, const struct cgr_event *e, enum cgr_op_kind kind)
{
	struct cgr_op op = { .kind = (uint8_t)kind, .c = (uint32_t)e->a, .a = e->b };
	uint32_t claimed = 0;

	if (e->task && !cgr_event_in_irq(e))
		claimed = claim_adds(b, e, e->c ? e->c : 1u);
	op.b = (e->c ? e->c : 1u) | (uint64_t)claimed << 32;
	CGR_TRY(cgr_build_context(b, e, &op));
	if (kind == CGR_OP_CACHE_FAULT && e->task && !cgr_event_in_irq(e) && b->t[e->task].state != TASK_GONE)
		b->t[e->task].fault =
		    (struct recent_add){ b->t[e->task].tail, cgr_chunk_at(b->programs, b->t[e->task].tail)->count };
	if (kind == CGR_OP_CACHE_READ && e->task && !cgr_event_in_irq(e))
		return note_lookup(b, &b->t[e->task], claimed);
	return 0;
}

static int charge(struct builder *b, const struct cgr_event *e, enum cgr_op_kind kind)
{
	struct cgr_op op = { .kind = (uint8_t)kind, .cause = (uint8_t)e->c, .c = (uint32_t)e->a, .a = e->b, .b = e->d };
	const struct task_build *t = &b->t[e->task];

	/* with page-cache events the same pages come once more, by name */
	if (e->c == CGR_CHARGE_FILE && b->info->has_page_cache)
		return 0;
	if (t->exiting)
		op.flags |= CGR_OPF_EXITING;
	if (t->in_reclaim)
		op.flags |= CGR_OPF_RECLAIM;
	return cgr_build_context(b, e, &op);
}

/* CPU time between begin and end is the recorded limit's: a simulated limit brings its own. */
static int reclaim(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];

	if (e->task == 0 || cgr_event_in_irq(e))
		return 0;
	cgr_build_book(b, e->task, e->ts_ns);
	CGR_TRY(cgr_build_flush(b, e->task));
	t->in_reclaim = e->kind == CGR_EV_RECLAIM_BEGIN;
	if (t->in_reclaim)
		return 0;
	t->reclaim_end_ns = e->ts_ns;
	b->reclaim_pages += CGR_MIN(e->a, 1u << 20);
	return 0;
}

/* filemap_fault counts PGMAJFAULT between its tracepoint and the inserts, workingset_refault its event after the
 * insert: they say of the look-up that it missed, and of the page that its shadow was found. */
static void mem_stat(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];

	if (e->task == 0 || cgr_event_in_irq(e))
		return;
	if (e->c == CGR_ITEM_PGMAJFAULT && t->fault.position) {
		struct cgr_op *op = &cgr_chunk_at(b->programs, t->fault.chunk)->op[t->fault.position - 1];

		op->b = (op->b & 0xffffffffu) | 1ull << 32;
		t->fault.position = 0;
	} else if (e->c == CGR_ITEM_REFAULT_FILE && t->adds) {
		cgr_chunk_at(b->programs, t->last_add.chunk)->op[t->last_add.position].flags |= CGR_OPF_REFAULT;
	}
}

int cgr_build_memory(struct builder *b, const struct cgr_event *e)
{
	struct cgr_op op = { .c = (uint32_t)e->a, .a = e->b, .b = e->c | (uint64_t)CGR_ID_NONE << 32 };

	switch (e->kind) {
	case CGR_EV_CHARGE:
		return charge(b, e, CGR_OP_CHARGE);
	case CGR_EV_UNCHARGE:
		return charge(b, e, CGR_OP_UNCHARGE);
	case CGR_EV_CACHE_ADD:
		return cache_add(b, e);
	case CGR_EV_CACHE_DELETE:
		op.kind = CGR_OP_CACHE_DELETE;
		op.flags = e->d || b->t[e->task].in_reclaim ? CGR_OPF_RECLAIM : 0;
		return cgr_build_context(b, e, &op);
	case CGR_EV_CACHE_READ:
		return cache_lookup(b, e, CGR_OP_CACHE_READ);
	case CGR_EV_CACHE_FAULT:
		return cache_lookup(b, e, CGR_OP_CACHE_FAULT);
	case CGR_EV_CACHE_MAP:
		return cache_lookup(b, e, CGR_OP_CACHE_MAP);
	case CGR_EV_CACHE_DIRTY:
	case CGR_EV_CACHE_ACCESS:
		op.kind = e->kind == CGR_EV_CACHE_DIRTY ? CGR_OP_CACHE_DIRTY : CGR_OP_CACHE_ACCESS;
		return cgr_build_context(b, e, &op);
	case CGR_EV_MEM_STAT:
		mem_stat(b, e);
		return 0;
	case CGR_EV_RECLAIM_BEGIN:
	case CGR_EV_RECLAIM_END:
		return reclaim(b, e);
	default:
		return 0;
	}
}
