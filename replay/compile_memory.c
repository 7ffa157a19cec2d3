/* Memory events become operations of the task in whose context they were recorded. */
#include "common/util.h"
#include "replay/compile_internal.h"

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
	if (t->adds == RECENT_ADDS) {
		for (unsigned i = 1; i < RECENT_ADDS; i++)
			t->add[i - 1] = t->add[i];
		t->adds--;
	}
	t->add[t->adds++] = (struct recent_add){ t->tail, cgr_chunk_at(b->programs, t->tail)->count - 1 };
	return 0;
}

static int cache_lookup(struct builder *b, const struct cgr_event *e, enum cgr_op_kind kind)
{
	struct cgr_op op = { .kind = (uint8_t)kind, .c = (uint32_t)e->a, .a = e->b };
	uint32_t claimed = 0;

	if (e->task && !cgr_event_in_irq(e))
		claimed = claim_adds(b, e, e->c ? e->c : 1u);
	op.b = (e->c ? e->c : 1u) | (uint64_t)claimed << 32;
	return cgr_build_context(b, e, &op);
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
	case CGR_EV_RECLAIM_BEGIN:
		b->t[e->task].in_reclaim = e->task != 0 && !cgr_event_in_irq(e);
		return 0;
	case CGR_EV_RECLAIM_END:
		b->t[e->task].in_reclaim = false;
		b->t[e->task].reclaim_end_ns = e->ts_ns;
		return 0;
	default:
		return 0;
	}
}
