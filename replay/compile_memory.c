/* Memory events become operations of the task in whose context they were recorded. */
#include "common/util.h"
#include "model/model.h"
#include "replay/compile_internal.h"

#define MISSES_MIN 32u
#define REQUEST_MAX_NS 50000000u /* a longer one was lost or requeued */
#define WINDOW_PAGES_MIN 1024u
#define PAGE_FASTEST_NS 1000u /* 4 KiB at 4 GB/s: no device of today is faster */
#define SHORT_BYTES (128u << 10) /* so little is no matter of the device's throughput */
#define SHORT_MIN 8u
#define REQUEST_USUAL_NS 200000u /* one request, where no short one was recorded */
#define RECLAIM_PAGES_MIN 32u
#define FAULTS_MIN 16u
#define FAULT_NS 750u
#define SLOW_LEAST 25u /* percent */
#define SLOW_MOST 20000u
#define CPU_LEAST_NS 1000u /* insert of a page into the cache, readahead amortising all else */
#define CPU_MOST_NS 50000u /* a request of its own, handed to a virtual device */

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
	t->adds = t->unwaited = 0;
	return claimed;
}

/* ---- what a miss costs ---- */
static struct miss_sum *miss_of(struct builder *b, const struct task_build *t)
{
	return &b->miss[t->added_pages ? t->added_pages > 1 : t->window];
}

void cgr_build_note_miss_wait(struct builder *b, uint32_t task, uint64_t wait_ns)
{
	struct task_build *t = &b->t[task];

	miss_of(b, t)->wait_ns += CGR_MIN(wait_ns, REQUEST_MAX_NS);
	t->miss_cpu_ns = t->read_cpu_ns + t->run_ns - CGR_MIN(t->cost_ns, t->run_ns);
}

/* Where a guest hands a request to its device the host takes over, and may not come back before the request is done:
 * the wait is there, but no sleep, and the kernel charges the task for none of it (steal time). It stands in the
 * program as a wait for what was missing. Other stolen time is the neighbours' and no part of the program. */
int cgr_build_note_stolen(struct builder *b, uint32_t task, uint64_t stolen_ns)
{
	struct task_build *t = &b->t[task];
	struct cgr_op op = { .kind = CGR_OP_BLOCK,
		                 .cause = CGR_CAUSE_DEVICE,
		                 .flags = CGR_OPF_STOLEN,
		                 .c = CGR_ID_NONE,
		                 .a = CGR_MIN(stolen_ns, REQUEST_MAX_NS * (uint64_t)t->requests) };

	t->debt_ns += stolen_ns;
	if (!op.a || !b->info->has_page_cache)
		return 0;
	cgr_build_note_miss_wait(b, task, op.a);
	t->unwaited = 0;
	return cgr_build_emit(b, task, &op);
}

/* How fast the device is while it has something to do: the time to a completion from the one before, or from the issue
 * where the device was idle. */
void cgr_build_device(struct builder *b, const struct cgr_event *e)
{
	if (e->kind == CGR_EV_BLOCK_ISSUE) {
		b->device_alone = !b->in_flight;
		if (!b->in_flight++)
			b->device_since_ns = e->ts_ns;
		if (e->task && !cgr_event_in_irq(e))
			b->t[e->task].requests++;
		return;
	}
	if (!b->in_flight) /* issued before the trace */
		return;
	b->in_flight--;
	if (!e->b) { /* a flush moves no data and says nothing of what does */
		b->device_since_ns = e->ts_ns;
		return;
	}
	if (b->device_alone && e->b <= SHORT_BYTES) {
		b->short_requests++;
		b->short_ns += CGR_MIN(e->ts_ns - b->device_since_ns, REQUEST_MAX_NS);
	}
	b->device_requests++;
	b->device_bytes += CGR_MIN(e->b, 1ull << 32);
	b->device_busy_ns += CGR_MIN(e->ts_ns - b->device_since_ns, REQUEST_MAX_NS);
	b->device_since_ns = e->ts_ns;
}

/* The look-up is over: what its misses took of the CPU. What comes before the first insert (the program's own work, the
 * way into the kernel) a hit costs too. A read is over when its event comes, and one that took nothing counts as well:
 * the time of its neighbours holds what the host had stolen from them, and it pays for that. Of a fault the end is not
 * seen, so that its CPU time counts up to its wait. */
static void note_lookup(struct builder *b, struct task_build *t, uint64_t cpu_ns, bool over)
{
	struct miss_sum *sum = miss_of(b, t);

	if (!t->added_pages)
		return;
	sum->misses++;
	sum->pages += t->added_pages;
	if (cpu_ns || over) {
		sum->cpu_ns += cpu_ns;
		sum->cpu_pages += t->added_pages;
	}
	t->miss_cpu_ns = 0;
	t->window = t->added_pages > 1;
	t->added_pages = 0;
}

/* A price that was seen is known as well as the machine is the same on another day. */
static void price_seen(struct cgr_miss_price *p, const struct miss_sum *sum)
{
	p->seen = true;
	p->wait_ns = sum->wait_ns / sum->pages;
	p->wait_low_ns = p->wait_ns - p->wait_ns * CGR_DEVICE_PERCENT / 100;
	p->wait_high_ns = p->wait_ns + p->wait_ns * CGR_DEVICE_PERCENT / 100;
	p->cpu_ns = sum->cpu_pages ? sum->cpu_ns / sum->cpu_pages : 0; /* most of it hands requests to the device */
	p->cpu_low_ns = p->cpu_ns - p->cpu_ns * CGR_DEVICE_PERCENT / 100;
	p->cpu_high_ns = p->cpu_ns + p->cpu_ns * CGR_DEVICE_PERCENT / 100;
}

static uint64_t geometric_mean(uint64_t a, uint64_t b)
{
	uint64_t x = CGR_MAX(a, 1u), y = CGR_MAX(b, 1u), root = CGR_MIN(x, y);

	for (unsigned i = 0; i < 128; i++) { /* Newton, from below; 128 rounds halve any start */
		uint64_t next = (root + x * y / root) / 2;

		if (next == root || next == root + 1)
			break;
		root = next;
	}
	return root;
}

static void price_between(struct cgr_miss_price *p, uint64_t wait_low, uint64_t wait_high, uint64_t cpu_low,
                          uint64_t cpu_high)
{
	p->wait_low_ns = CGR_MIN(wait_low, wait_high);
	p->wait_high_ns = CGR_MAX(wait_low, wait_high);
	p->wait_ns = geometric_mean(p->wait_low_ns, p->wait_high_ns);
	p->cpu_low_ns = CGR_MIN(cpu_low, cpu_high);
	p->cpu_high_ns = CGR_MAX(cpu_low, cpu_high);
	p->cpu_ns = geometric_mean(p->cpu_low_ns, p->cpu_high_ns);
}

/* A page fault takes FAULT_NS where reclaim takes what the models say of it: so far apart are the two in the recordings
 * that show both, those of the memory table (docs/ACCURACY.md) with fruitless passes and with single pages freed: there
 * the models' prices and the reclaim that was measured agree as if a fault took 750 ns. Until then it was taken for
 * 400. What a program does between two faults counts, too, so the fast ones tell: a tenth of them is faster. */
static void calibrate_speed(struct builder *b)
{
	uint64_t fault_ns = cgr_histogram_quantile(&b->fault, 100) * 8;

	b->programs->calibration.slow_percent = 100;
	if (b->fault.count >= FAULTS_MIN)
		b->programs->calibration.slow_percent =
		    (uint32_t)CGR_MIN(CGR_MAX(fault_ns * 100 / FAULT_NS, (uint64_t)SLOW_LEAST), (uint64_t)SLOW_MOST);
}

/* CPU time since the charge before, where both were of one anonymous page and nothing else came between. */
static int note_fault(struct builder *b, const struct cgr_event *e, struct recent_add at)
{
	const struct cgr_op *op = cgr_chunk_at(b->programs, at.chunk)->op;

	if (at.position < 3 || e->c != CGR_CHARGE_ANON || e->b != 1 || op[at.position - 2].kind != CGR_OP_RUN ||
	    op[at.position - 3].kind != CGR_OP_CHARGE || op[at.position - 3].cause != CGR_CHARGE_ANON ||
	    op[at.position - 3].c != e->a)
		return 0;
	if (cgr_histogram_add(&b->fault, (op[at.position - 2].a - op[at.position - 2].b) / 8) < 0)
		return cgr_error_set(b->error, CGR_E_NOMEM, "page fault histogram");
	return 0;
}

/* The longest that a page by itself takes: as long as a short request of its own; where only long ones were seen, no
 * longer than those. */
static uint64_t request_ns(const struct builder *b, uint64_t stream_ns)
{
	if (b->short_requests >= SHORT_MIN)
		return CGR_MAX(b->short_ns / b->short_requests, stream_ns);
	if (!b->device_requests)
		return REQUEST_USUAL_NS;
	return CGR_MAX(b->device_busy_ns / b->device_requests, stream_ns);
}

/* No page was read by itself. Its wait is no shorter than what the device takes for a page where it streams: that a
 * reader of windows waited for less is the doing of what was read ahead of it meanwhile. How far a long request's time
 * is its size's, and how far the device's latency, is not known: the range reaches as far as that time, but what is
 * taken for usual is no slow device. */
static void price_single(const struct builder *b, struct cgr_calibration *c, uint64_t stream_ns)
{
	const struct miss_sum *one = &b->miss[0];
	struct cgr_miss_price *p = &c->single;

	uint64_t least_ns = c->window.seen ? CGR_MAX(c->window.wait_ns, stream_ns) : stream_ns;

	price_between(p, least_ns, request_ns(b, stream_ns), CPU_LEAST_NS,
	              one->cpu_pages ? one->cpu_ns / one->cpu_pages : CPU_MOST_NS);
	if (b->short_requests < SHORT_MIN)
		p->wait_ns = geometric_mean(p->wait_low_ns,
		                            CGR_MAX(CGR_MIN(p->wait_high_ns, (uint64_t)REQUEST_USUAL_NS), p->wait_low_ns));
}

/* What is not of the page cache, or goes without a name, went page by page. */
static uint64_t price_of_folio(const struct builder *b)
{
	uint64_t pages = CGR_MAX(b->reclaim_pages, b->cache_pages);
	uint64_t folios = pages - b->cache_pages + b->cache_folios;

	if (b->reclaim_pages < RECLAIM_PAGES_MIN)
		return 0;
	return b->reclaim_ns * CGR_MEM_FOLIO_COST / (folios * CGR_MEM_FOLIO_COST + pages - CGR_MIN(folios, pages));
}

/* Nothing of the kind was seen. A page costs no less than the device takes for one where it streams, and no more than a
 * request of its own: in between lies what the recording does not tell. */
void cgr_build_calibrate_misses(struct builder *b)
{
	struct cgr_calibration *c = &b->programs->calibration;
	const struct miss_sum *one = &b->miss[0], *many = &b->miss[1];
	uint64_t stream = PAGE_FASTEST_NS;

	if (b->device_bytes >= 4096)
		stream = CGR_MAX(b->device_busy_ns / (b->device_bytes / 4096), PAGE_FASTEST_NS);
	if (one->misses >= MISSES_MIN)
		price_seen(&c->single, one);
	if (many->pages >= WINDOW_PAGES_MIN) {
		price_seen(&c->window, many);
		c->window_pages = many->pages / many->misses;
	}
	if (!c->single.seen)
		price_single(b, c, stream);
	if (!c->window.seen)
		price_between(&c->window, CGR_MIN(stream, c->single.wait_ns) / 2, c->single.wait_ns, CPU_LEAST_NS,
		              CGR_MAX(c->single.cpu_ns, CPU_LEAST_NS));
	c->stream_page_ns = stream;
	c->reclaim_folio_ns = price_of_folio(b);
	c->swap_read_ns = b->swap_reads >= MISSES_MIN ? b->swap_read_ns / b->swap_reads : 0;
	calibrate_speed(b);
}

/* Where the operation just written stands, position + 1; the task's own program or the world's. */
static struct recent_add op_at(const struct builder *b, const struct cgr_event *e)
{
	bool own = e->task && !cgr_event_in_irq(e) && b->t[e->task].state != TASK_GONE;
	uint32_t tail = b->t[own ? e->task : 0].tail;

	return (struct recent_add){ tail, cgr_chunk_at(b->programs, tail)->count };
}

/* The insert just written, and the one before it, for the same look-up. */
static void is_window(struct builder *b, const struct task_build *t)
{
	const struct cgr_chunk *last = cgr_chunk_at(b->programs, t->tail);

	cgr_chunk_at(b->programs, t->tail)->op[last->count - 1].flags |= CGR_OPF_WINDOW;
	cgr_chunk_at(b->programs, t->last_add.chunk)->op[t->last_add.position].flags |= CGR_OPF_WINDOW;
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
	if (!t->added_pages)
		t->read_cpu_ns = 0;
	else
		is_window(b, t);
	t->added_pages += e->c;
	if (t->adds == RECENT_ADDS) {
		for (unsigned i = 1; i < RECENT_ADDS; i++)
			t->add[i - 1] = t->add[i];
		t->adds--;
	}
	t->add[t->adds++] = (struct recent_add){ t->tail, cgr_chunk_at(b->programs, t->tail)->count - 1 };
	t->last_add = t->add[t->adds - 1];
	t->unwaited = (uint8_t)CGR_MIN(t->unwaited + 1u, (unsigned)t->adds);
	return 0;
}

/* A page that is dirty without a look-up or a wait since it was inserted was made to be written
 * (write_begin_get_folio): it is charged for good, nothing is read for it, and nobody waits for it. One that was waited
 * for was read first: by a fault that is to write (do_shared_fault), or because only a part of it is overwritten. */
static void written_at_once(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];
	struct recent_add last = t->last_add;

	if (!e->task || cgr_event_in_irq(e) || !t->unwaited)
		return;
	struct cgr_op *op = &cgr_chunk_at(b->programs, last.chunk)->op[last.position];
	uint64_t pages = op->b & 0xffffffffu;

	if (op->c != (uint32_t)e->a || e->b < op->a || e->b >= op->a + pages || op->flags & CGR_OPF_WRITES)
		return;
	op->flags = (uint8_t)((op->flags & ~(CGR_OPF_READAHEAD | CGR_OPF_REFAULT)) | CGR_OPF_WRITES);
	t->added_pages -= (uint32_t)CGR_MIN(pages, t->added_pages);
	if (--t->adds)
		t->last_add = t->add[t->adds - 1];
	else
		t->added_pages = 0; /* older inserts than are kept: none is left that a next one could be in a window with */
	if (!--t->unwaited)
		t->missed = false;
}

static int cache_lookup(struct builder *b, const struct cgr_event *e, enum cgr_op_kind kind)
{
	struct cgr_op op = { .kind = (uint8_t)kind, .c = (uint32_t)e->a, .a = e->b };
	bool own = e->task && !cgr_event_in_irq(e);
	uint32_t claimed = 0;

	if (own)
		claimed = claim_adds(b, e, e->c ? e->c : 1u);
	if (own && kind != CGR_OP_CACHE_READ)
		note_lookup(b, &b->t[e->task], b->t[e->task].miss_cpu_ns, false);
	op.b = (e->c ? e->c : 1u) | (uint64_t)claimed << 32;
	CGR_TRY(cgr_build_context(b, e, &op));
	if (kind == CGR_OP_CACHE_FAULT && own && b->t[e->task].state != TASK_GONE) {
		b->t[e->task].fault = op_at(b, e);
		b->t[e->task].anon.position = 0;
	}
	if (kind == CGR_OP_CACHE_READ && own) {
		note_lookup(b, &b->t[e->task], b->t[e->task].read_cpu_ns, true);
		b->t[e->task].read = op_at(b, e);
		cgr_build_note_host(b, op_at(b, e));
	}
	return 0;
}

/* A kernel page that goes by its last reference (put_page: pipe buffers, sockets) is uncharged like a page of a list,
 * straight from the counter (mm/memcontrol.c: uncharge_batch), and the event that counts the list pages of the batch
 * follows and says 0. Only one freed by its owner (__free_pages) goes into the CPU's stock. */
static bool ends_batch(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];
	bool empty = e->kind == CGR_EV_UNCHARGE && !e->b;

	if (empty && t->kernel_page.position)
		cgr_chunk_at(b->programs, t->kernel_page.chunk)->op[t->kernel_page.position - 1].flags |= CGR_OPF_DIRECT;
	t->kernel_page.position = 0;
	return empty;
}

/* Much of what exiting programs leave is freed a grace period later, in a soft interrupt of whoever runs then (tasks,
 * stacks, page tables): no moment of the clock, but so long after as the cgroup goes on working meanwhile. It stands in
 * front of the next charge of that cgroup; taken at its recorded time it would pile up where the what-if is faster. */
static bool is_late(const struct builder *b, const struct cgr_event *e)
{
	return e->kind == CGR_EV_UNCHARGE && e->c == CGR_CHARGE_KMEM && e->a < b->programs->groups &&
	       (e->task == 0 || cgr_event_in_irq(e));
}

static int emit_late(struct builder *b, const struct cgr_event *e)
{
	struct cgr_op op = { .kind = CGR_OP_UNCHARGE, .cause = CGR_CHARGE_KMEM, .c = (uint32_t)e->a };

	if (e->kind != CGR_EV_CHARGE || e->a >= b->programs->groups || !b->late_pages[e->a] || e->task == 0 ||
	    cgr_event_in_irq(e))
		return 0;
	op.a = op.b = b->late_pages[e->a];
	b->late_pages[e->a] = 0;
	return cgr_build_context(b, e, &op);
}

int cgr_build_late_end(struct builder *b)
{
	for (uint32_t group = 0; group < b->programs->groups; group++) {
		struct cgr_op op = { .kind = CGR_OP_UNCHARGE, .cause = CGR_CHARGE_KMEM, .c = group };

		op.a = op.b = b->late_pages[group];
		if (op.a)
			CGR_TRY(cgr_build_world(b, (uint64_t)b->info->duration_ns, &op));
	}
	return 0;
}

static int charge(struct builder *b, const struct cgr_event *e, enum cgr_op_kind kind)
{
	struct cgr_op op = { .kind = (uint8_t)kind, .cause = (uint8_t)e->c, .c = (uint32_t)e->a, .a = e->b, .b = e->d };
	struct task_build *t = &b->t[e->task];

	if (ends_batch(b, e))
		return 0;
	if (is_late(b, e)) {
		b->late_pages[e->a] += e->b;
		return 0;
	}
	CGR_TRY(emit_late(b, e));
	if (kind == CGR_OP_UNCHARGE) {
		CGR_TRY(cgr_build_swap_uncharged(b, e, &op.a));
		if (!op.a)
			return 0;
	}
	/* with page-cache events the same pages come once more, by name */
	if (e->c == CGR_CHARGE_FILE && b->info->has_page_cache)
		return 0;
	if (t->exiting)
		op.flags |= CGR_OPF_EXITING;
	if (t->in_reclaim)
		op.flags |= CGR_OPF_RECLAIM;
	CGR_TRY(cgr_build_context(b, e, &op));
	if (kind == CGR_OP_CHARGE) {
		CGR_TRY(note_fault(b, e, op_at(b, e)));
		cgr_build_note_host(b, op_at(b, e));
		CGR_TRY(cgr_build_swap_charged(b, e, op_at(b, e)));
	}
	if (kind == CGR_OP_UNCHARGE && e->c == CGR_CHARGE_KMEM && e->task && !cgr_event_in_irq(e) && t->state != TASK_GONE)
		t->kernel_page = (struct recent_add){ t->tail, cgr_chunk_at(b->programs, t->tail)->count };
	return 0;
}

static int set_in_reclaim(struct builder *b, uint32_t task, uint64_t ts_ns, bool in_reclaim)
{
	cgr_build_book(b, task, ts_ns);
	CGR_TRY(cgr_build_flush(b, task));
	b->t[task].in_reclaim = in_reclaim;
	return 0;
}

/* The end of a reclaim was lost: its CPU has lost events since, or the task does what it cannot do inside one
 * (filemap's reads and faults, execve, do_exit are no shrinker's). Without this all its later waits would be the
 * limit's. */
int cgr_build_reclaim_over(struct builder *b, const struct cgr_event *e)
{
	uint32_t task = e->kind == CGR_EV_LOST ? b->cpu[e->cpu].current : e->task;

	if (task >= b->n_tasks || !b->t[task].in_reclaim || cgr_event_in_irq(e))
		return 0;
	switch (e->kind) {
	case CGR_EV_LOST:
	case CGR_EV_CACHE_READ:
	case CGR_EV_CACHE_FAULT:
	case CGR_EV_EXEC:
	case CGR_EV_EXIT:
		return set_in_reclaim(b, task, e->ts_ns, false);
	default:
		return 0;
	}
}

/* CPU time between begin and end is the recorded limit's: a simulated limit brings its own. */
static int reclaim(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];

	if (e->task == 0 || cgr_event_in_irq(e))
		return 0;
	CGR_TRY(set_in_reclaim(b, e->task, e->ts_ns, e->kind == CGR_EV_RECLAIM_BEGIN));
	if (t->in_reclaim)
		return 0;
	t->reclaim_end_ns = e->ts_ns;
	b->reclaim_pages += CGR_MIN(e->a, 1u << 20);
	return 0;
}

/* do_swap_page counts PGMAJFAULT when the page is there: what zram took of the CPU for it since the charge. */
static void note_swap_read(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];

	if (!t->swapped_in.position)
		return;
	cgr_chunk_at(b->programs, t->swapped_in.chunk)->op[t->swapped_in.position - 1].flags |= CGR_OPF_SWAPREAD;
	t->swapped_in.position = 0;
	cgr_build_book(b, e->task, e->ts_ns);
	b->swap_read_ns += t->run_ns - CGR_MIN(t->cost_ns, t->run_ns);
	b->swap_reads++;
}

/* Pages that a task itself makes clean are written and waited for (fsync); the flusher, a kernel thread, does what the
 * recorded memory was short of, or what was due. */
static int written(struct builder *b, const struct cgr_event *e)
{
	struct cgr_op op = { .kind = CGR_OP_CACHE_WRITTEN, .c = (uint32_t)e->a, .b = 0 - e->b };
	struct task_build *t = &b->t[e->task];

	if ((int64_t)e->b >= 0 || b->task[e->task].kernel_thread || t->in_reclaim || t->state == TASK_GONE)
		return 0;
	if (t->written.position) {
		cgr_chunk_at(b->programs, t->written.chunk)->op[t->written.position - 1].b += op.b;
		return 0;
	}
	CGR_TRY(cgr_build_context(b, e, &op));
	t->written = op_at(b, e);
	return 0;
}

/* What is truncated becomes clean just before it is deleted (truncate_cleanup_folio), and nobody writes it. */
static void not_written(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];
	struct cgr_op *op;

	if (!e->task || cgr_event_in_irq(e) || !t->written.position)
		return;
	op = &cgr_chunk_at(b->programs, t->written.chunk)->op[t->written.position - 1];
	op->b -= CGR_MIN(op->b, (uint64_t)e->c);
}

/* folio_mark_accessed follows the look-up; only a large folio does not wait in a batch of the CPU. Who comes to the
 * beginning of one marks it in any case; only a read in its midst tells of how the file is read. Folios stand on their
 * natural boundaries, those of the recording on others than the replay's. */
static void activated(struct builder *b, const struct task_build *t, uint64_t pages)
{
	struct cgr_op *op = &cgr_chunk_at(b->programs, t->read.chunk)->op[t->read.position - 1];

	if (op->a % pages)
		op->flags |= CGR_OPF_ACTIVATES;
}

/* filemap_fault counts PGMAJFAULT between its tracepoint and the inserts, workingset_refault its event after the
 * insert: they say of the look-up that it missed, and of the page that its shadow was found. */
static int mem_stat(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];

	if (e->c == CGR_ITEM_SWAP)
		return cgr_build_swap_slots(b, e, (int64_t)e->b);
	if (e->task == 0 || cgr_event_in_irq(e))
		return 0;
	if (e->c == CGR_ITEM_FILE_DIRTY)
		return written(b, e);
	if (e->c == CGR_ITEM_PGACTIVATE && e->b > 1 && !t->in_reclaim && t->read.position)
		activated(b, t, e->b);
	if (e->c == CGR_ITEM_REFAULT_ANON || e->c == CGR_ITEM_PSWPIN)
		return cgr_build_swap_in(b, e->task);
	if (e->c == CGR_ITEM_PGMAJFAULT && !t->fault.position) {
		if (t->anon.position)
			CGR_TRY(cgr_build_swap_in(b, e->task));
		note_swap_read(b, e);
	} else if (e->c == CGR_ITEM_PGMAJFAULT) {
		struct cgr_op *op = &cgr_chunk_at(b->programs, t->fault.chunk)->op[t->fault.position - 1];

		op->b = (op->b & 0xffffffffu) | 1ull << 32;
		t->fault.position = 0;
	} else if (e->c == CGR_ITEM_REFAULT_FILE && t->adds) {
		cgr_chunk_at(b->programs, t->last_add.chunk)->op[t->last_add.position].flags |= CGR_OPF_REFAULT;
	}
	return 0;
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
		if (!op.flags)
			not_written(b, e);
		else if (b->t[e->task].in_reclaim && !cgr_event_in_irq(e)) {
			b->cache_folios++;
			b->cache_pages += e->c;
		}
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
		if (e->kind == CGR_EV_CACHE_DIRTY)
			written_at_once(b, e);
		return cgr_build_context(b, e, &op);
	case CGR_EV_MEM_STAT:
		return mem_stat(b, e);
	case CGR_EV_RECLAIM_BEGIN:
	case CGR_EV_RECLAIM_END:
		return reclaim(b, e);
	default:
		return 0;
	}
}
