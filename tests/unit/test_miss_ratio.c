/* Miss-ratio curves against a plain LRU simulated size by size, and sampled against exact. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/util.h"
#include "replay/miss_ratio.h"

static uint64_t plain_lru(const uint32_t *access, size_t count, uint32_t size)
{
	uint32_t *stack = calloc(size, sizeof *stack), used = 0;
	uint64_t misses = 0;
	for (size_t i = 0; i < count; i++) {
		uint32_t at = 0;
		while (at < used && stack[at] != access[i])
			at++;
		if (at == used) {
			misses++;
			if (used < size)
				used++;
			at = used - 1;
		}
		memmove(stack + 1, stack, at * sizeof *stack);
		stack[0] = access[i];
	}
	free(stack);
	return misses;
}

static void exact(void **state)
{
	(void)state;
	enum { COUNT = 20000 };
	static uint32_t access[COUNT];
	struct cgr_rng rng;
	struct cgr_curve *c = cgr_curve_new(0);
	cgr_rng_init(&rng, 3);
	for (size_t i = 0; i < COUNT; i++) {
		access[i] = (uint32_t)(i % 3 ? cgr_rng_below(&rng, 50) * cgr_rng_below(&rng, 20) : i % 700);
		assert_int_equal(cgr_curve_access(c, 1, access[i]), 0);
	}
	for (uint32_t size = 1; size < 1200; size += size < 20 ? 1 : 97)
		assert_int_equal(cgr_curve_misses(c, size), plain_lru(access, COUNT, size));
	assert_false(cgr_curve_sampled(c));
	cgr_curve_free(c);
}

/* The window of positions is handed out anew many times; a scan misses always below its length and never above. */
static void scan(void **state)
{
	(void)state;
	struct cgr_curve *c = cgr_curve_new(0);
	for (int round = 0; round < 12; round++)
		for (uint64_t i = 0; i < 40000; i++)
			assert_int_equal(cgr_curve_access(c, 7, i), 0);
	assert_int_equal(cgr_curve_misses(c, 39999), 12 * 40000);
	assert_int_equal(cgr_curve_misses(c, 40000), 40000);
	for (uint64_t i = 0; i < 40000; i++)
		cgr_curve_forget(c, 7, i);
	assert_int_equal(cgr_curve_pages(c), 0);
	cgr_curve_free(c);
}

static void sampled(void **state)
{
	(void)state;
	struct cgr_curve *full = cgr_curve_new(0), *part = cgr_curve_new(8192);
	struct cgr_rng rng;
	cgr_rng_init(&rng, 11);
	for (int i = 0; i < 600000; i++) {
		uint64_t page = i % 2 ? cgr_rng_below(&rng, 400) * cgr_rng_below(&rng, 200) : cgr_rng_below(&rng, 60000);
		assert_int_equal(cgr_curve_access(full, 1, page), 0);
		assert_int_equal(cgr_curve_access(part, 1, page), 0);
	}
	assert_true(cgr_curve_sampled(part));
	assert_true(cgr_curve_kept(part) <= 8192);
	for (uint64_t size = 2000; size < 60000; size += 4000) {
		int64_t a = (int64_t)cgr_curve_misses(full, size), b = (int64_t)cgr_curve_misses(part, size);
		assert_true(llabs(a - b) <= 600000 * 25 / 1000); /* 0.025 of miss ratio */
	}
	cgr_curve_free(full);
	cgr_curve_free(part);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(exact), cmocka_unit_test(scan), cmocka_unit_test(sampled) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
