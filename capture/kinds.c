#include "capture/kinds.h"

#include "common/tracedat.h"
#include "common/util.h"

/* kernel/trace/ring_buffer.c: u64 time, u64 commit, then records with 5 bits of type; parser/ring.c reads the same */
enum { HEAD = 16, LONG = 0, PADDING = 29, TIME_EXTEND = 30, TIME_STAMP = 31 };
#define COMMIT_USED 0x7ffffffu

void cgr_kinds_count(struct cgr_kinds *kinds, const uint8_t *page, uint32_t page_bytes)
{
	uint32_t used = cgr_td_get_u32(page + 8) & COMMIT_USED, at = HEAD;
	uint32_t end = CGR_MIN(HEAD + used, page_bytes);

	while (at + 6 <= end) {
		uint32_t type = cgr_td_get_u32(page + at) & 31, length = type * 4;
		at += 4;
		if (type == PADDING)
			return;
		if (type == TIME_EXTEND || type == TIME_STAMP) {
			at += 4;
			continue;
		}
		if (type == LONG) { /* its length counts itself */
			length = cgr_td_get_u32(page + at);
			if (length < 6 || length > end - at || at + 6 > end)
				return;
			kinds->seen[cgr_td_get_u16(page + at + 4) % CGR_KINDS]++;
		} else {
			kinds->seen[cgr_td_get_u16(page + at) % CGR_KINDS]++;
		}
		at += (length + 3) & ~3u;
	}
}

int64_t cgr_cost_mean_ps(const struct cgr_cost *cost, const struct cgr_kinds *kinds, size_t count)
{
	int64_t sum = 0, events = 0, known = 0, mean = 0;

	if (cost->count == 0)
		return 0;
	for (size_t i = 0; i < cost->count; i++)
		mean += cost->kind[i].ns;
	mean /= (int64_t)cost->count;
	for (size_t k = 0; k < count; k++) {
		for (size_t id = 0; id < CGR_KINDS; id++)
			events += kinds[k].seen[id];
		for (size_t i = 0; i < cost->count; i++) {
			int64_t seen = kinds[k].seen[(size_t)cost->kind[i].id % CGR_KINDS];
			sum += seen * cost->kind[i].ns;
			known += seen;
		}
	}
	return events == 0 ? mean * 1000 : (sum + (events - known) * mean) * 1000 / events;
}
