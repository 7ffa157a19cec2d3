/* What the recorder cost the programs it watched, told by the recording itself: where the kernel fires two tracepoints
 * with next to nothing between them, the gap of their times is what one event costs. */
#include <stdlib.h>

#include "common/util.h"
#include "replay/compile_internal.h"
#include "store/stream.h"

#define EVENTS_LOOKED_AT 400000u
#define PAIRS_MIN 200u
#define CODE_BETWEEN_NS 50u /* the kernel's own work between the two */
#define COST_MAX_NS 5000u
/* the kernel takes up to half as long again while neighbours of a virtual machine work */
#define SPEED_MIN_PERCENT 66u
/* events of no interest in the life of an anonymous page: its fault, its mapping and its list as it comes, the latter
 * two as it goes */
#define REJECTED_BORN 3u
#define REJECTED_DEAD 2u
#define REJECTED_MAPPED 3u /* a fault that maps a page of a file: the fault, its mapping as it comes and as it goes */

/* Pairs that follow each other at once: zap_pte_range and filemap_unaccount_folio going through a batch,
 * charge_memcg and the statistic of the same folio, __filemap_add_folio and its tracepoint. And two page faults, two
 * reads of a page that was there. */
enum pair {
	PAIR_UNMAP,
	PAIR_REMOVE,
	PAIR_CHARGE,
	PAIR_INSERT,
	PAIR_PRICES,
	PAIR_FAULT = PAIR_PRICES,
	PAIR_READ,
	PAIR_COUNT
};

static enum pair pair_of(const struct cgr_event *first, const struct cgr_event *second)
{
	if (first->kind == CGR_EV_MEM_STAT && second->kind == CGR_EV_MEM_STAT && first->c == second->c &&
	    (int64_t)first->b == -1 && (int64_t)second->b == -1) {
		if (second->c == CGR_ITEM_ANON_MAPPED)
			return PAIR_UNMAP;
		if (second->c == CGR_ITEM_FILE_PAGES)
			return PAIR_REMOVE;
	}
	if (first->kind == CGR_EV_CHARGE && second->kind == CGR_EV_MEM_STAT &&
	    (second->c == CGR_ITEM_ANON_MAPPED || second->c == CGR_ITEM_FILE_PAGES))
		return PAIR_CHARGE;
	if (first->kind == CGR_EV_MEM_STAT && first->c == CGR_ITEM_FILE_PAGES && second->kind == CGR_EV_CACHE_ADD)
		return PAIR_INSERT;
	if (first->kind == CGR_EV_CHARGE && second->kind == CGR_EV_CHARGE && first->c == CGR_CHARGE_ANON &&
	    second->c == CGR_CHARGE_ANON)
		return PAIR_FAULT;
	if (first->kind == CGR_EV_CACHE_READ && second->kind == CGR_EV_CACHE_READ && first->c == 1 && second->c == 1)
		return PAIR_READ;
	return PAIR_COUNT;
}

static int note_pair(struct cgr_event *last, const struct cgr_event *e, struct cgr_histogram gap[PAIR_COUNT])
{
	enum pair pair = last->task == e->task ? pair_of(last, e) : PAIR_COUNT;
	uint64_t ns = e->ts_ns - last->ts_ns;

	*last = *e;
	if (pair == PAIR_COUNT || (e->flags & CGR_EVF_INFERRED))
		return 0;
	return cgr_histogram_add(&gap[pair], CGR_MIN(ns, 100000u));
}

/* Costs add up, so it is their mean that counts; what is beyond the 99th percentile is an interrupt between the two.
 * UINT64_MAX where too few took from_ns or longer. */
static uint64_t usual_mean(const struct cgr_histogram *h, uint64_t from_ns)
{
	uint64_t high = cgr_histogram_quantile(h, 990), sum = 0, count = 0;

	if (!h->count)
		return UINT64_MAX;
	for (unsigned i = 0; i < h->buckets && cgr_histogram_bucket_low(i) <= high; i++) {
		if (cgr_histogram_bucket_low(i) < from_ns)
			continue;
		sum += h->bucket[i] * (cgr_histogram_bucket_low(i) + CGR_MIN(cgr_histogram_bucket_high(i), high)) / 2;
		count += h->bucket[i];
	}
	return count < PAIRS_MIN ? UINT64_MAX : sum / count;
}

static int collect(struct builder *b, struct cgr_histogram gap[PAIR_COUNT])
{
	struct cgr_stream *stream = NULL;
	struct cgr_event *last = cgr_calloc(b->n_cpus, sizeof *last);
	const struct cgr_event *events;
	uint64_t done = 0;
	size_t count;
	int rc = last ? cgr_stream_open(b->store, 0, 0, &stream, b->error)
	              : cgr_error_set(b->error, CGR_E_NOMEM, "events of %u CPUs", b->n_cpus);

	while (rc >= 0 && done < EVENTS_LOOKED_AT && (rc = cgr_stream_next(stream, &events, &count, b->error)) > 0) {
		for (size_t i = 0; i < count && rc > 0; i++)
			if (events[i].cpu < b->n_cpus && note_pair(&last[events[i].cpu], &events[i], gap) < 0)
				rc = cgr_error_set(b->error, CGR_E_NOMEM, "histogram of the cost of events");
		done += count;
	}
	cgr_stream_free(stream);
	free(last);
	return rc < 0 ? rc : 0;
}

/* Percent: a program that does nothing but touch pages and is faster at it than the recorder was when it measured runs
 * on a machine that has become faster. One that is slower may just have other things to do. Pages that come faster
 * still had no fault each: the kernel fills a whole range in one go (populate_vma_page_range). */
static uint32_t speed_percent(const struct builder *b, const struct cgr_histogram *faults)
{
	uint64_t page = b->info->calibrated_page_ns, dead = REJECTED_DEAD * (uint64_t)b->info->rejected_event_cost_ns;
	uint64_t mean_ns;

	if (!b->info->anon_implied || page <= dead)
		return 100;
	mean_ns = usual_mean(faults, (page - dead) * SPEED_MIN_PERCENT / 100);
	return mean_ns < page - dead ? (uint32_t)(mean_ns * 100 / (page - dead)) : 100;
}

/* What the recorder measured with anonymous pages is the price of a charge and of those that were rejected beside it.
 */
static void set_prices(struct builder *b, uint64_t pair_ns, uint32_t percent)
{
	uint32_t rejected = CGR_MIN(b->info->rejected_event_cost_ns, COST_MAX_NS) * percent / 100;
	uint32_t page =
	    b->info->anon_implied ? CGR_MIN(b->info->memory_event_cost_ns, 10 * COST_MAX_NS) * percent / 100 : 0;
	uint32_t beside = (REJECTED_BORN + REJECTED_DEAD) * rejected;

	b->event_cost_ns = b->event_cost_ns * percent / 100;
	b->memory_event_cost_ns = b->event_cost_ns;
	if (page && rejected)
		b->memory_event_cost_ns = CGR_MIN(page > beside + rejected ? page - beside : rejected, COST_MAX_NS);
	else if (page)
		b->memory_event_cost_ns = CGR_MIN(page / 2, COST_MAX_NS);
	if (pair_ns != UINT64_MAX)
		b->memory_event_cost_ns = (uint32_t)CGR_MIN(pair_ns - CGR_MIN(pair_ns, CODE_BETWEEN_NS), COST_MAX_NS);
	if (!rejected)
		rejected = b->info->anon_implied ? b->memory_event_cost_ns / 5 : b->memory_event_cost_ns / 2;
	b->rejected_event_cost_ns = rejected;
}

int cgr_build_recorder_cost(struct builder *b)
{
	struct cgr_histogram gap[PAIR_COUNT] = { { 0 } };
	uint64_t best = UINT64_MAX;
	int rc = b->info->has_memcg_events ? collect(b, gap) : 0;

	for (unsigned i = 0; i < PAIR_PRICES; i++)
		best = CGR_MIN(best, usual_mean(&gap[i], 0));
	set_prices(b, best, speed_percent(b, &gap[PAIR_FAULT]));
	cgr_build_host_modes(&gap[PAIR_FAULT], &b->host[0]);
	cgr_build_host_modes(&gap[PAIR_READ], &b->host[1]);
	for (unsigned i = 0; i < PAIR_COUNT; i++)
		cgr_histogram_fini(&gap[i]);
	return rc;
}

/* The kernel makes every event and throws away what was not asked for. mod_memcg_lruvec_state tells of lists and file
 * mappings: each folio that comes or goes makes such an event for its list. Kernel memory is page tables, slab or
 * stacks, which are counted there, too. Recordings that tell single anonymous pages by their charge alone reject most.
 */
static uint64_t rejected_beside(const struct builder *b, const struct cgr_event *e)
{
	uint64_t folios = CGR_MIN(e->d, 1u << 20);

	if (e->kind == CGR_EV_MEM_STAT)
		return b->info->has_snapshots && (e->c == CGR_ITEM_ANON_MAPPED || e->c == CGR_ITEM_FILE_PAGES);
	if (!b->info->anon_implied)
		return b->info->has_snapshots && e->kind == CGR_EV_CACHE_MAP;
	switch (e->kind) {
	case CGR_EV_CACHE_MAP:
	case CGR_EV_CACHE_FAULT:
		return REJECTED_MAPPED;
	case CGR_EV_CHARGE:
		return e->c == CGR_CHARGE_ANON ? REJECTED_BORN * folios : e->c == CGR_CHARGE_KMEM;
	case CGR_EV_UNCHARGE:
		return e->c == CGR_CHARGE_ANON ? REJECTED_DEAD * folios : e->c == CGR_CHARGE_KMEM;
	default:
		return 0;
	}
}

uint64_t cgr_build_memory_event_cost(const struct builder *b, const struct cgr_event *e)
{
	return b->memory_event_cost_ns + rejected_beside(b, e) * b->rejected_event_cost_ns;
}
