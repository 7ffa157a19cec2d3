/* Packed blocks that somebody changed: any byte may be anything, the unpacker must say so or deliver events whose
 * fields are in range, never crash and never deliver more than the block may hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/limits.h"
#include "store/pack.h"
#include "store_synthetic.h"

#define EVENTS 3000u

static struct cgr_event events[EVENTS + 4];

static size_t drain(struct cgr_unpacker *u)
{
	const struct cgr_event *got;
	struct cgr_error err = { 0 };
	size_t count, total = 0;
	int rc;

	while ((rc = cgr_unpacker_next(u, &got, &count, &err)) == 1) {
		for (size_t i = 0; i < count; i++) {
			assert_true(got[i].kind < CGR_EV_COUNT);
			assert_true(got[i].cpu < CGR_LIMIT_CPUS);
		}
		total += count;
	}
	assert_true(total <= CGR_PACK_EVENTS);
	assert_true(rc == 0 || err.code == CGR_E_INPUT);
	return total;
}

static void mutate(uint8_t *bytes, size_t size, struct cgr_rng *rng)
{
	size_t changes = 1 + cgr_rng_below(rng, 4);

	for (size_t i = 0; i < changes; i++) {
		/* headers are a small part of a block, and the part that matters */
		size_t reach = cgr_rng_below(rng, 2) == 0 ? CGR_MIN(size, (size_t)400) : size;

		bytes[cgr_rng_below(rng, reach)] = cgr_rng_below(rng, 3) == 0 ? 0xff : (uint8_t)cgr_rng_next(rng);
	}
}

static void damaged_blocks(void **state)
{
	struct cgr_packer *packer = cgr_packer_new();
	struct cgr_unpacker *u = cgr_unpacker_new();
	struct cgr_error err = { 0 };
	const uint8_t *packed;
	uint8_t *copy;
	struct synthetic s;
	struct cgr_rng rng;
	size_t size, refused = 0, count = 0;

	(void)state;
	assert_non_null(packer);
	assert_non_null(u);
	synthetic_init(&s, 11, false);
	while (count < EVENTS)
		count += synthetic_step(&s, events + count);
	assert_int_equal(cgr_packer_pack(packer, events, count, &packed, &size, &err), 0);
	copy = malloc(size);
	assert_non_null(copy);
	cgr_rng_init(&rng, 5);
	for (unsigned i = 0; i < 4000; i++) {
		size_t length = i % 8 == 0 ? cgr_rng_below(&rng, size) : size;
		uint64_t kinds = i % 3 == 0 ? 1ull << CGR_EV_CHARGE : 0;

		memcpy(copy, packed, size);
		mutate(copy, size, &rng);
		err.code = 0;
		if (cgr_unpacker_load(u, copy, length, kinds, &err) < 0) {
			assert_int_equal(err.code, CGR_E_INPUT);
			refused++;
		} else {
			(void)drain(u);
		}
	}
	assert_true(refused > 500);
	assert_int_equal(cgr_unpacker_load(u, packed, size, 0, &err), 0);
	assert_int_equal(drain(u), count);
	free(copy);
	(void)cgr_packer_free(packer);
	(void)cgr_unpacker_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(damaged_blocks) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
