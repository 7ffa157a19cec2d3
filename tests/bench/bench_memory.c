/* How fast the memory model is by itself: charges, page accesses, miss-ratio curves. Prints one CSV row per figure:
 * what,operations,seconds,operations_per_second. */
#include <stdio.h>
#include <time.h>

#include "replay/miss_ratio.h"
#include "tests/unit/mem_host.h"

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void row(const char *what, uint64_t operations, double seconds)
{
	printf("%s,%llu,%.3f,%.0f\n", what, (unsigned long long)operations, seconds, (double)operations / seconds);
}

static const uint32_t chain[] = { 0, 1, 2 };

/* Charge and uncharge events of single anonymous pages, three levels deep, two CPUs. */
static void charges(void)
{
	struct mem_host *h = host_new(&cgr_reclaim_lru2, 2, CGR_KERNEL(6, 18, 44), 0, 4, chain);
	struct cgr_mem_request request = {
		.task = 3, .cgroup = 3, .kind = CGR_CHARGE_ANON, .pages = 1, .file = CGR_NONE, .index = CGR_MEM_NO_INDEX
	};
	uint64_t operations = 20000000;
	double start = now();
	for (uint64_t i = 0; i < operations; i++) {
		struct cgr_mem_outcome outcome = { 0 };
		request.cpu = (uint32_t)(i >> 10) & 1;
		if (i & 8192)
			cgr_memory_memcg.uncharge(&h->memory, &request);
		else
			cgr_memory_memcg.charge(&h->memory, &request, &outcome);
	}
	row("charge and uncharge events", operations, now() - start);
	host_free(h);
}

/* Reads of single pages: `hot` of eight in an eighth of the file, the rest anywhere. limit_mib 0: everything stays. */
static void accesses(const char *what, const struct cgr_reclaim_ops *policy, int64_t limit_mib, bool sequential)
{
	struct mem_host *h = host_new(policy, 2, CGR_KERNEL(6, 18, 44), 0, 2, chain);
	uint64_t pages = 512 * HOST_MIB, operations = 10000000;
	struct cgr_rng rng;
	cgr_rng_init(&rng, 7);
	uint32_t *index = malloc(operations * sizeof(*index));
	for (uint64_t i = 0; i < operations; i++) {
		uint64_t x = cgr_rng_next(&rng);
		index[i] = (uint32_t)(sequential ? i % pages : (x & 7) < 6 ? (x >> 8) % (pages / 8) : (x >> 8) % pages);
	}
	for (uint64_t i = 0; i < 64; i++) { /* teach it that the file is read at random */
		host_insert(h, 1, 1, i, 1);
		(void)host_read(h, 1, 1, i, 1);
	}
	for (uint64_t i = 0; i < pages; i++)
		(void)host_read(h, 1, 1, i, 1);
	if (limit_mib)
		host_knob(h, 1, "memory.max", limit_mib << 20);
	double start = now();
	for (uint64_t i = 0; i < operations; i++)
		(void)host_read(h, 1, 1, index[i], 1);
	row(what, operations, now() - start);
	free(index);
	host_free(h);
}

/* The exact curve of 100 million accesses: six of eight in an eighth of the pages, or once around after the other. */
static void curve(const char *what, uint64_t pages, bool sequential)
{
	struct cgr_curve *c = cgr_curve_new(0);
	uint64_t operations = 100000000;
	struct cgr_rng rng;
	cgr_rng_init(&rng, 7);
	double start = now();
	for (uint64_t i = 0; i < operations; i++) {
		uint64_t x = sequential ? 0 : cgr_rng_next(&rng);
		uint64_t index = sequential ? i % pages : (x & 7) < 6 ? (x >> 8) % (pages / 8) : (x >> 8) % pages;
		if (cgr_curve_access(c, 1, index) < 0) {
			fputs("bench_memory: out of memory\n", stderr);
			exit(1);
		}
	}
	row(what, operations, now() - start);
	cgr_curve_free(c);
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("what,operations,seconds,operations_per_second");
	charges();
	accesses("lru2 accesses, all resident", &cgr_reclaim_lru2, 0, false);
	accesses("lru2 accesses, half fits, skewed", &cgr_reclaim_lru2, 256, false);
	accesses("lru2 accesses, half fits, scan", &cgr_reclaim_lru2, 256, true);
	accesses("lru accesses, half fits, skewed", &cgr_reclaim_lru, 256, false);
	curve("exact curve, 512 MiB of pages, skewed", 512 * HOST_MIB, false);
	curve("exact curve, 8 GiB of pages, skewed", 8192 * HOST_MIB, false);
	curve("exact curve, 8 GiB of pages, scan", 8192 * HOST_MIB, true);
	return 0;
}
