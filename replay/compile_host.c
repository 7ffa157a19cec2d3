/* Memory that the host of a virtual machine has taken back (free page reporting, a balloon) costs whoever touches it
 * first ten times what the guest's own kernel does for the page, and no clock of the guest tells it from work. A run
 * meets it by chance, and a recording more often than others, as its ring has just taken what was in use before. It
 * shows where the same small thing is done over and over, a page faulted in or found by a read: its cost has then two
 * modes with next to nothing in between. What is between them is told of each, so that another run can go without. */
#include "common/util.h"
#include "replay/compile_internal.h"

#define TIMES 3u /* so far beyond the median the second mode begins at least: preparing pages in batches is less */
#define VALLEY_TIMES_MOST 8u
#define COST_MOST_NS 65536u
#define SHARE 16u /* one of so many: lists that are drained by 31 (mm/swap.c) are a mode of their own, too */
#define RATIO 8u /* so many times what is in the valley stands beyond it */
#define LOOKS_MIN 512u

static uint64_t count_between(const struct cgr_histogram *h, uint64_t from_ns, uint64_t to_ns)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < h->buckets && cgr_histogram_bucket_low(i) < to_ns; i++)
		count += cgr_histogram_bucket_low(i) >= from_ns ? h->bucket[i] : 0;
	return count;
}

void cgr_build_host_modes(const struct cgr_histogram *h, struct host_modes *ret)
{
	*ret = (struct host_modes){ .above_ns = UINT64_MAX };
	if (h->count < LOOKS_MIN)
		return;
	ret->usual_ns = CGR_MAX(cgr_histogram_quantile(h, 500), (uint64_t)1);
	for (uint64_t at = TIMES * ret->usual_ns; at <= VALLEY_TIMES_MOST * ret->usual_ns; at += ret->usual_ns / 2 + 1) {
		uint64_t end = at + at / 4, beyond = count_between(h, end, COST_MOST_NS);

		if (beyond * SHARE < h->count || count_between(h, at, end) * RATIO > beyond)
			continue;
		ret->above_ns = end;
		return;
	}
}

static bool same(const struct cgr_op *first, const struct cgr_op *second)
{
	if (first->kind != second->kind || first->c != second->c)
		return false;
	if (first->kind == CGR_OP_CHARGE)
		return first->cause == CGR_CHARGE_ANON && second->cause == CGR_CHARGE_ANON && first->a == 1 && second->a == 1;
	return first->kind == CGR_OP_CACHE_READ && (uint32_t)first->b == 1 && (uint32_t)second->b == 1;
}

void cgr_build_note_host(struct builder *b, struct recent_add at)
{
	struct cgr_op *op = cgr_chunk_at(b->programs, at.chunk)->op;

	if (at.position < 3 || op[at.position - 2].kind != CGR_OP_RUN || !same(&op[at.position - 3], &op[at.position - 1]))
		return;
	const struct host_modes *modes = &b->host[op[at.position - 1].kind == CGR_OP_CACHE_READ];
	uint64_t ns = op[at.position - 2].a;

	if (ns > modes->above_ns && ns < COST_MOST_NS)
		op[at.position - 2].c = (uint32_t)CGR_MIN(ns - modes->usual_ns, ns - op[at.position - 2].b);
}
