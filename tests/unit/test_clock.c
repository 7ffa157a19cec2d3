/* From the counter of a recording's ring to CLOCK_MONOTONIC: the map itself, and the import by it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/flight.h"
#include "common/clockmap.h"
#include "common/limits.h"
#include "common/tracedat.h"
#include "parser/import.h"
#include "parser/trace.h"
#include "store/stream.h"
#include "tests/unit/trace_builder.h"

struct pair {
	uint64_t count, mono_ns;
};

static struct bytes pairs_of(const struct pair *pair, size_t count)
{
	struct bytes b = { 0 };

	for (size_t i = 0; i < count; i++) {
		put_number(&b, pair[i].count, 8);
		put_number(&b, pair[i].mono_ns, 8);
	}
	return b;
}

static struct cgr_clock_map map_of(const struct pair *pair, size_t count)
{
	struct bytes b = pairs_of(pair, count);
	struct cgr_clock_map map = { 0 };

	assert_int_equal(cgr_clock_map_add(&map, b.data, b.length, NULL), 0);
	assert_int_equal(cgr_clock_map_settle(&map, NULL), 0);
	free(b.data);
	return map;
}

static uint64_t ns(const struct cgr_clock_map *map, uint64_t count)
{
	struct cgr_clock_cursor cursor = { 0 };

	return cgr_clock_map_ns(map, &cursor, count);
}

/* Scales are rounded down. */
static void assert_near(uint64_t got, uint64_t expected)
{
	assert_in_range(got, expected - 3, expected + 3);
}

static void lines_follow_the_slew(void **state)
{
	/* 2.5 counts a ns; then the kernel slews its clock by 500 ppm */
	const struct pair pairs[] = {
		{ 1000000000, 7000000000 }, { 1500000000, 7200000000 }, { 2000000000, 7400100000 }, { 5000000000, 8600700000 }
	};
	struct cgr_clock_map map = map_of(pairs, 4);
	struct cgr_clock_cursor cursor = { 0 };
	uint64_t last = 0;

	(void)state;
	assert_int_equal(map.points, 4);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(ns(&map, pairs[i].count), pairs[i].mono_ns);
	assert_in_range(ns(&map, 1250000000), 7099999999, 7100000000);
	assert_in_range(ns(&map, 1750000000), 7300049999, 7300050000);
	/* before the first and behind the last, the line there goes on */
	assert_in_range(ns(&map, 750000000), 6899999999, 6900000001);
	assert_in_range(ns(&map, 7500000000), 9601199990, 9601200010);
	for (uint64_t count = 900000000; count < 6000000000; count += 999983) {
		uint64_t now = cgr_clock_map_ns(&map, &cursor, count);
		assert_true(now >= last);
		assert_int_equal(now, ns(&map, count));
		last = now;
	}
	cgr_clock_map_fini(&map);
}

/* The last of a killed recorder's pairs may be close together: 30 ns in 10 ms would be 3 usec after a second. */
static void end_has_a_long_line(void **state)
{
	const struct pair pairs[] = {
		{ 0, 1000000000 }, { 2500000000, 2000000000 }, { 5000000000, 3000000000 }, { 5025000000, 3010000030 }
	};
	struct cgr_clock_map map = map_of(pairs, 4);

	(void)state;
	assert_in_range(ns(&map, 7525000000), 4010000050, 4010000070);
	cgr_clock_map_fini(&map);
}

static void what_does_not_rise_is_dropped(void **state)
{
	const struct pair pairs[] = { { 300, 1200 }, { 100, 1000 },
		                          { 200, 1100 }, { 100, 1000 }, /* told twice, out of order */
		                          { 150, 1250 }, { 400, 1300 },
		                          { 450, 1350 }, { 500, 1350 } };
	const struct pair one[] = { { 100, 1000 }, { 100, 1000 }, { 90, 2000 } };
	const struct pair steep[] = { { 0, 0 }, { 1, UINT64_MAX }, { UINT64_MAX, UINT64_MAX } };
	struct cgr_clock_map map = map_of(pairs, 8), none = map_of(one, 3), hostile = map_of(steep, 3), zero = { 0 };

	(void)state;
	assert_int_equal(map.points, 5);
	assert_int_equal(map.restarts, 0); /* 150 is a slip: behind it the count goes on where it was */
	assert_int_equal(ns(&map, 250), 1150);
	assert_int_equal(ns(&map, 450), 1350);
	assert_int_equal(none.points, 0);
	assert_int_equal(hostile.points, 2);
	(void)ns(&hostile, UINT64_MAX);
	assert_int_equal(cgr_clock_map_settle(&zero, NULL), 0);
	assert_int_equal(zero.points, 0);
	assert_int_equal(cgr_clock_map_add(&zero, "0123456789abcde", 15, NULL), 0); /* torn: less than a pair */
	assert_int_equal(zero.points, 0);
	cgr_clock_map_fini(&map);
	cgr_clock_map_fini(&none);
	cgr_clock_map_fini(&hostile);
}

/* A suspend through which the counter runs: nearly two hours of it in what CLOCK_MONOTONIC has as 200 ms. */
static void suspend_breaks_the_line(void **state)
{
	const struct pair pairs[] = {
		{ 0, 0 }, { 500000000, 200000000 }, { 9000000000000, 400000000 }, { 9000500000000, 600000000 }
	};
	struct cgr_clock_map map = map_of(pairs, 4), end = map_of(pairs, 3), start = map_of(pairs + 1, 3);

	(void)state;
	assert_int_equal(map.breaks, 1);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(ns(&map, pairs[i].count), pairs[i].mono_ns);
	assert_in_range(ns(&map, 250000000), 99999999, 100000000);
	assert_in_range(ns(&map, 600000000), 239999999, 240000000);
	assert_in_range(ns(&map, 8999900000000), 360000000, 360000001);
	assert_in_range(ns(&map, 9000250000000), 499999999, 500000000);
	assert_in_range(ns(&map, 9001000000000), 799999999, 800000000);
	/* as the last and the first interval */
	assert_int_equal(end.breaks, 1);
	assert_in_range(ns(&end, 600000000), 239999999, 240000000);
	assert_in_range(ns(&end, 9000250000000), 499999999, 500000000);
	assert_int_equal(start.breaks, 1);
	assert_in_range(ns(&start, 600000000), 239999999, 240000000);
	cgr_clock_map_fini(&map);
	cgr_clock_map_fini(&end);
	cgr_clock_map_fini(&start);
}

/* An NTP daemon may slew by some per cent; two pairs close together tell a slope that is off. */
static void slew_and_noise_are_no_breaks(void **state)
{
	const struct pair pairs[] = { { 0, 0 },
		                          { 500000000, 200000000 },
		                          { 1000000000, 390000000 },
		                          { 1500000000, 574000000 },
		                          { 1500025000, 574009500 },
		                          { 2000000000, 773000000 } };
	struct cgr_clock_map map = map_of(pairs, 6);

	(void)state;
	assert_int_equal(map.breaks, 0);
	cgr_clock_map_fini(&map);
}

/* A single pair below the last one: the counter began anew, where the line goes on from it to the next pair. */
static void one_low_pair_may_be_a_new_count(void **state)
{
	const struct pair pairs[] = { { 10000000000, 10000000000 },
		                          { 20000000000, 20000000000 },
		                          { 1000000000, 21000000000 },
		                          { 100000000000, 120000000000 } };
	const struct pair same[] = { { 10000000000, 10000000000 },
		                         { 20000000000, 20000000000 },
		                         { 1000000000, 21000000000 },
		                         { 20000000000, 40000000000 } };
	const struct pair slip[] = { { 10000000000, 10000000000 },
		                         { 20000000000, 20000000000 },
		                         { 1000000000, 21000000000 },
		                         { 120000000000, 120000000000 } };
	struct cgr_clock_map map = map_of(pairs, 4), equal = map_of(same, 4), slipped = map_of(slip, 4);
	struct cgr_clock_cursor cursor = { 0 };

	(void)state;
	assert_int_equal(map.restarts, 1);
	assert_int_equal(map.points, 4);
	assert_near(cgr_clock_map_ns(&map, &cursor, 15000000000), 15000000000);
	assert_near(cgr_clock_map_ns(&map, &cursor, 25000000000), 45000000000);
	assert_near(cgr_clock_map_ns(&map, &cursor, 95000000000), 115000000000);
	assert_int_equal(equal.restarts, 1);
	assert_int_equal(slipped.restarts, 0);
	assert_int_equal(slipped.points, 3);
	cgr_clock_map_fini(&map);
	cgr_clock_map_fini(&equal);
	cgr_clock_map_fini(&slipped);
}

/* Suspend to RAM: the counter began anew, 3 s of CLOCK_MONOTONIC after the first pair and 500 ms before the next one.
 */
static void each_count_has_its_own_line(void **state)
{
	const struct pair pairs[] = {
		{ 900000000000, 5000000000 }, { 900500000000, 5200000000 }, { 901000000000, 5400100000 },
		{ 2500000000, 8500000000 },   { 3000000000, 8700000000 },   { 1000, 9000000000 },
	};
	struct cgr_clock_map map = map_of(pairs, 6), late = map_of(pairs + 3, 2), one = map_of(pairs + 2, 2);
	struct cgr_clock_cursor cursor = { 0 }, idle = { 0 };

	(void)state;
	assert_int_equal(map.points, 6);
	assert_int_equal(map.restarts, 2);
	assert_int_equal(map.breaks, 0);
	/* while tasks are frozen on the way down, no pair is read; nor on the way up */
	assert_int_equal(cgr_clock_map_ns(&map, &cursor, 900000000000), 5000000000);
	assert_near(cgr_clock_map_ns(&map, &cursor, 906000000000), 7400600000);
	assert_near(cgr_clock_map_ns(&map, &cursor, 1250000000), 8000000000);
	assert_near(cgr_clock_map_ns(&map, &cursor, 1249999000), 7999999600); /* no fall */
	assert_int_equal(cgr_clock_map_ns(&map, &cursor, 3000000000), 8700000000);
	assert_near(cgr_clock_map_ns(&map, &cursor, 3500000000), 8900000000);
	/* a part of a single pair has the slope of the one before */
	assert_near(cgr_clock_map_ns(&map, &cursor, 500001000), 9200000000);
	/* what may be of two parts is of the earlier one */
	assert_int_equal(cgr_clock_map_ns(&map, &idle, 901000000000), 5400100000);
	assert_near(cgr_clock_map_ns(&map, &idle, 1000), 7500000400);
	/* a CPU that is first heard of behind it */
	assert_int_equal(ns(&map, 3000000000), 8700000000);
	assert_int_equal(late.restarts, 0);
	assert_int_equal(one.points, 0); /* no slope at all */
	cgr_clock_map_fini(&map);
	cgr_clock_map_fini(&late);
	cgr_clock_map_fini(&one);
}

/* The recording begins 5 s before a suspend to RAM and goes on for longer after it than the machine was up before: a
 * CPU that slept through it comes back with a count above its last one. */
static void a_count_past_the_end_of_its_part_is_of_a_later_one(void **state)
{
	enum { BEFORE = 26, AFTER = 496, MS = 1000000 };
	static const uint64_t second = 1000000000;
	static const struct pair expected[] = { { 12, 12 }, { 15, 15 }, { 16, 31 }, { 40, 55 }, { 95, 110 }, { 155, 170 } };
	struct pair pairs[BEFORE + AFTER],
	    apart[] = { { 10, 10 }, { 20, 20 }, { 31, 31 }, { 20, 42 }, { 1, 50 }, { 2, 51 }, { 300, 349 } };
	struct cgr_clock_cursor cursor = { 0 }, later = { 0 };

	(void)state;
	for (size_t i = 0; i < BEFORE; i++)
		pairs[i].count = pairs[i].mono_ns = (10000 + 200 * i) * MS;
	for (size_t i = 0; i < AFTER; i++)
		pairs[BEFORE + i] = (struct pair){ (1000 + 200 * i) * MS, (16000 + 200 * i) * MS };
	struct cgr_clock_map map = map_of(pairs, BEFORE + AFTER);
	assert_int_equal(map.restarts, 1);
	for (size_t i = 0; i < sizeof(expected) / sizeof(*expected); i++)
		assert_near(cgr_clock_map_ns(&map, &cursor, expected[i].count * second), expected[i].mono_ns * second);
	/* the first count of a CPU, too; and one that no part has goes on as it was */
	assert_near(ns(&map, 16 * second), 31 * second);
	assert_near(cgr_clock_map_ns(&map, &later, 15 * second), 15 * second);
	assert_near(cgr_clock_map_ns(&map, &later, 1000 * second), 1000 * second);
	cgr_clock_map_fini(&map);
	/* past a part that it has not been in */
	for (size_t i = 0; i < sizeof(apart) / sizeof(*apart); i++)
		apart[i] = (struct pair){ apart[i].count * second, apart[i].mono_ns * second };
	map = map_of(apart, sizeof(apart) / sizeof(*apart));
	assert_int_equal(map.restarts, 2);
	cursor = (struct cgr_clock_cursor){ 0 };
	assert_near(cgr_clock_map_ns(&map, &cursor, 31 * second), 31 * second);
	assert_near(cgr_clock_map_ns(&map, &cursor, 200 * second), 249 * second);
	cgr_clock_map_fini(&map);
}

/* A row of segments of a week */
static void pairs_of_weeks_get_sparse(void **state)
{
	enum { SECTION = 1 << 16 };
	struct pair *pairs = calloc(SECTION, sizeof(*pairs));
	struct cgr_clock_map map = { 0 };
	uint64_t n = 0;

	(void)state;
	assert_non_null(pairs);
	while (n < 3u * CGR_LIMIT_CLOCK_PAIRS) {
		for (size_t i = 0; i < SECTION; i++, n++)
			pairs[i] = (struct pair){ n * 500000000, n * 200000000 };
		struct bytes b = pairs_of(pairs, SECTION);
		assert_int_equal(cgr_clock_map_add(&map, b.data, b.length, NULL), 0);
		free(b.data);
	}
	assert_int_equal(cgr_clock_map_settle(&map, NULL), 0);
	assert_in_range(map.points, CGR_LIMIT_CLOCK_PAIRS / 8, CGR_LIMIT_CLOCK_PAIRS);
	assert_in_range(map.point[map.points / 2].mono_ns, n * 200000000 / 4, n * 200000000 / 4 * 3);
	assert_in_range(ns(&map, 12345 * UINT64_C(500000000)), 12345 * UINT64_C(200000000) - 1,
	                12345 * UINT64_C(200000000));
	assert_int_equal(ns(&map, (n - 1) * 500000000), (n - 1) * 200000000);
	cgr_clock_map_fini(&map);
	free(pairs);
}

/* A hostile file: each pair below the last, so that none is a slip of a single reading. What fits into the map is
 * refused when it is settled, more when it would have to be thinned. */
static void endless_restarts_are_refused(void **state)
{
	static const size_t counts[] = { CGR_LIMIT_CLOCK_RESTARTS + 1, CGR_LIMIT_CLOCK_RESTARTS + 2,
		                             CGR_LIMIT_CLOCK_PAIRS + 1 };

	(void)state;
	for (size_t k = 0; k < 3; k++) {
		struct pair *pairs = calloc(counts[k], sizeof(*pairs));
		struct cgr_clock_map map = { 0 };
		struct cgr_error err = { 0 };

		assert_non_null(pairs);
		for (size_t i = 0; i < counts[k]; i++)
			pairs[i] = (struct pair){ 900000000000 - i, 7000000000 + i * 200000000 };
		struct bytes b = pairs_of(pairs, counts[k]);
		int rc = cgr_clock_map_add(&map, b.data, b.length, &err);
		assert_int_equal(rc, k < 2 ? CGR_OK : CGR_E_LIMIT);
		if (rc == CGR_OK)
			assert_int_equal(cgr_clock_map_settle(&map, &err), k == 0 ? CGR_OK : CGR_E_LIMIT);
		assert_int_equal(err.count, k > 0);
		cgr_clock_map_fini(&map);
		free(b.data);
		free(pairs);
	}
}

/* ---- import ---- */

static char path[64];

static const char header_page[] = "\tfield: char data;\toffset:16;\tsize:4080;\n";

/* Times of the events of a file, in ns since the first one. */
static size_t times(const struct bytes *file, uint64_t *ret, size_t most)
{
	const struct cgr_import_options options = { .max_lost = -1, .to_ns = -1 };
	struct cgr_import_summary summary;
	struct cgr_trace *trace = NULL;
	struct cgr_store *store = NULL;
	struct cgr_stream *stream = NULL;
	const struct cgr_event *batch;
	struct cgr_error err = { 0 };
	size_t count = 0, got;

	assert_int_equal(cgr_trace_open_memory("mem.dat", file->data, file->length, &trace, &err), 0);
	assert_int_equal(cgr_import_trace(trace, path, &options, &summary, &err), 0);
	cgr_trace_free(trace);
	assert_int_equal(cgr_store_open(path, &store, &err), 0);
	assert_int_equal(cgr_stream_open(store, 0, 0, &stream, &err), 0);
	while (cgr_stream_next(stream, &batch, &got, &err) == 1)
		for (size_t i = 0; i < got; i++)
			if (batch[i].kind == CGR_EV_WAKEUP && count < most)
				ret[count++] = (uint64_t)batch[i].ts_ns;
	cgr_stream_free(stream);
	cgr_store_free(store);
	return count;
}

static void import_brings_stamps_to_one_clock(void **state)
{
	const struct pair pairs[] = { { 1000000000, 7000000000 }, { 2000000000, 7400000000 }, { 3000000000, 7800200000 } };
	/* by pairs, which say more than the line of TSC2NSEC; by that line; as they stand */
	static const uint64_t expected[3][4] = { { 0, 200000000, 600100000, 1000250000 },
		                                     { 0, 250000000, 750000000, 1250000000 },
		                                     { 0, 500000000, 1500000000, 2500000000 } };
	struct bytes clock = pairs_of(pairs, 3);

	(void)state;
	for (unsigned form = 0; form < 4; form++) {
		const struct builder_kernel kernel = { builder_formats,
			                                   BUILDER_FORMATS,
			                                   header_page,
			                                   NULL,
			                                   NULL,
			                                   form < 2 ? &clock : NULL,
			                                   form == 1 || form == 2,
			                                   0 };
		const struct builder f = { 7, BUILDER_ZSTD, false, false, 4096, 2, UINT32_MAX, &kernel };
		struct ring_builder ring[2];
		uint64_t at[8];

		for (unsigned cpu = 0; cpu < 2; cpu++)
			ring[cpu] = (struct ring_builder){ .page_bytes = 4096, .page = SIZE_MAX };
		ring_event(&ring[0], 1000000000, record_wakeup(false, 1, 2, 0));
		ring_event(&ring[1], 1500000000, record_wakeup(false, 3, 4, 1));
		ring_event(&ring[0], 2500000000, record_wakeup(false, 1, 2, 0));
		ring_event(&ring[1], 3500000000, record_wakeup(false, 3, 4, 1));
		ring_close(&ring[0]);
		ring_close(&ring[1]);
		struct bytes file = build(&f, ring);
		assert_int_equal(times(&file, at, 8), 4);
		for (size_t i = 0; i < 4; i++) /* rounded down, where a line is */
			assert_in_range(at[i] + 1, expected[form < 2 ? 0 : form - 1][i], expected[form < 2 ? 0 : form - 1][i] + 1);
		free(ring[0].pages.data);
		free(ring[1].pages.data);
		free(file.data);
	}
	free(clock.data);
}

/* One CPU wrote on into the page it had before the machine went to sleep, one had a new page, one slept on. */
static void import_joins_what_a_new_count_parts(void **state)
{
	const struct pair pairs[] = { { 900000000000, 7000000000 },
		                          { 900500000000, 7200000000 },
		                          { 1500000000, 8000000000 },
		                          { 2000000000, 8200000000 } };
	struct bytes clock = pairs_of(pairs, 4);
	const struct builder_kernel kernel = {
		builder_formats, BUILDER_FORMATS, header_page, NULL, NULL, &clock, false, 0
	};
	const struct builder f = { 7, BUILDER_ZSTD, false, false, 4096, 3, UINT32_MAX, &kernel };

	(void)state;
	for (unsigned old = 0; old < 2; old++) {
		/* the events of CPU 0 on the way up have the earliest times they can have had: behind a difference of zero, or,
		 * up to 5.8, all that of the last one before, however long they took */
		static const uint64_t expected[2][9] = {
			{ 0, 200000000, 400000000, 500000000, 500000000, 501000000, 1000000000, 1200000000, 1400000000 },
			{ 0, 200000000, 400000000, 500000000, 500000000, 500000000, 1000000000, 1200000000, 1400000000 }
		};
		struct ring_builder ring[3];
		uint64_t at[9];

		for (unsigned cpu = 0; cpu < 3; cpu++)
			ring[cpu] = (struct ring_builder){ .page_bytes = 4096, .page = SIZE_MAX, .stands = old == 1 };
		ring_event(&ring[0], 900000000000, record_wakeup(false, 1, 2, 0));
		ring_event(&ring[0], 901250000000, record_wakeup(false, 1, 2, 0)); /* on the way down */
		ring_event(&ring[0], 750000000, record_wakeup(false, 1, 2, 0)); /* on the way up */
		ring_event(&ring[0], 752500000, record_wakeup(false, 1, 2, 0));
		ring_close(&ring[0]);
		ring_event(&ring[0], 1500000000, record_wakeup(false, 1, 2, 0));
		ring_event(&ring[1], 900500000000, record_wakeup(false, 3, 4, 1));
		ring_close(&ring[1]);
		ring_event(&ring[1], 2500000000, record_wakeup(false, 3, 4, 1));
		ring_event(&ring[2], 901000000000, record_wakeup(false, 5, 6, 2));
		ring_close(&ring[2]);
		ring_event(&ring[2], 2000000000, record_wakeup(false, 5, 6, 2));
		for (unsigned cpu = 0; cpu < 3; cpu++)
			ring_close(&ring[cpu]);
		struct bytes file = build(&f, ring);
		assert_int_equal(times(&file, at, 9), 9);
		for (size_t i = 0; i < 9; i++) /* lines are rounded */
			assert_in_range(at[i] + 1, expected[old][i], expected[old][i] + 2);
		for (unsigned cpu = 0; cpu < 3; cpu++)
			free(ring[cpu].pages.data);
		free(file.data);
	}
	free(clock.data);
}

static int64_t logged(const char *like)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "SELECT total(count) FROM import_log WHERE text LIKE ?", -1, &stmt, NULL),
	                 SQLITE_OK);
	(void)sqlite3_bind_text(stmt, 1, like, -1, SQLITE_STATIC);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	int64_t count = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return count;
}

/* The flight recorder dropped the pairs of before a suspend to RAM with the events of their time, but not the events
 * of a quiet CPU behind these: nothing tells their times, which is said. */
static void import_tells_of_stamps_without_pairs(void **state)
{
	const struct pair pairs[] = { { 20000000000, 1020000000000 }, { 40000000000, 1040000000000 } };
	struct bytes clock = pairs_of(pairs, 2);
	const struct builder_kernel kernel = {
		builder_formats, BUILDER_FORMATS, header_page, NULL, NULL, &clock, false, 0
	};
	const struct builder f = { 7, BUILDER_ZSTD, false, false, 4096, 2, UINT32_MAX, &kernel };
	struct ring_builder ring[2];
	uint64_t at[5];

	(void)state;
	for (unsigned cpu = 0; cpu < 2; cpu++)
		ring[cpu] = (struct ring_builder){ .page_bytes = 4096, .page = SIZE_MAX };
	ring_event(&ring[0], 900000000000, record_wakeup(false, 1, 2, 0));
	ring_event(&ring[0], 901000000000, record_wakeup(false, 1, 2, 0));
	ring_event(&ring[1], 21000000000, record_wakeup(false, 3, 4, 1));
	ring_event(&ring[1], 25000000000, record_wakeup(false, 3, 4, 1));
	ring_event(&ring[1], 45000000000, record_wakeup(false, 3, 4, 1)); /* frozen tasks are not that */
	ring_close(&ring[0]);
	ring_close(&ring[1]);
	struct bytes file = build(&f, ring);
	assert_int_equal(times(&file, at, 5), 5);
	assert_int_equal(logged("%no CLOCK pair is near%"), 2);
	free(ring[0].pages.data);
	free(ring[1].pages.data);
	free(file.data);
	free(clock.data);
}

/* The kernel writes no negative difference: a time extend that uses its highest bit says nine years. */
static void import_takes_extends_as_they_stand(void **state)
{
	const struct builder f = { 7, BUILDER_ZSTD, false, false, 4096, 1, UINT32_MAX, NULL };
	struct ring_builder ring = { .page_bytes = 4096, .page = SIZE_MAX };
	uint64_t at[2];

	(void)state;
	ring_event(&ring, 1000000000, record_wakeup(false, 1, 2, 0));
	ring_event(&ring, 1000000000 + (UINT64_C(1) << 58), record_wakeup(false, 3, 4, 0));
	ring_close(&ring);
	struct bytes file = build(&f, &ring);
	assert_int_equal(times(&file, at, 2), 2);
	assert_int_equal(at[1], UINT64_C(1) << 58);
	free(ring.pages.data);
	free(file.data);
}

/* A recording of some days has more sections of ours than any other program's file has options. */
static void long_recordings_have_many_sections(void **state)
{
	const struct pair pairs[] = { { 1000000000, 7000000000 }, { 2000000000, 7400000000 } };
	struct bytes clock = pairs_of(pairs, 2);
	const struct builder_kernel kernel = { builder_formats, BUILDER_FORMATS, header_page,      NULL, NULL,
		                                   &clock,          false,           CGR_LIMIT_OPTIONS };
	const struct builder f = { 7, BUILDER_ZSTD, false, false, 4096, 1, UINT32_MAX, &kernel };
	struct ring_builder ring = { .page_bytes = 4096, .page = SIZE_MAX };
	uint64_t at[2];

	(void)state;
	ring_event(&ring, 1000000000, record_wakeup(false, 1, 2, 0));
	ring_event(&ring, 1500000000, record_wakeup(false, 3, 4, 0));
	ring_close(&ring);
	struct bytes file = build(&f, &ring);
	assert_int_equal(times(&file, at, 2), 2);
	assert_in_range(at[1], 199999999, 200000000);
	free(ring.pages.data);
	free(file.data);
	free(clock.data);
}

/* The machine died with that section on its way to the disk. */
static void torn_pairs_of_a_killed_recorder_are_skipped(void **state)
{
	static const uint8_t head[8] = { 0x06, 0x80, 1, 0, 0xff, 0xff, 0xff, 0xff };
	const struct pair pairs[] = { { 1000000000, 7000000000 }, { 2000000000, 7400000000 } };
	struct bytes clock = pairs_of(pairs, 2);
	const struct builder_kernel kernel = {
		builder_formats, BUILDER_FORMATS, header_page, NULL, NULL, &clock, false, 0
	};
	const struct builder f = { 7, BUILDER_ZSTD, false, false, 4096, 1, UINT32_MAX, &kernel };
	struct ring_builder ring = { .page_bytes = 4096, .page = SIZE_MAX };
	struct cgr_trace *trace = NULL;

	(void)state;
	ring_event(&ring, 1000000000, record_wakeup(false, 1, 2, 0));
	ring_close(&ring);
	struct bytes file = build(&f, &ring);
	uint8_t *section = memmem(file.data, file.length, head, sizeof(head));
	assert_non_null(section);
	memset(section + CGR_TD_SECTION_HEADER_BYTES + 8, 0, 4); /* no zstd */
	put_at(&file, CGR_TD_MAGIC_BYTES + 2 + 2 + 4 + 5 + 2, 0, 8); /* no options yet: unfinished */
	assert_int_equal(cgr_trace_open_memory("mem.dat.partial", file.data, file.length, &trace, NULL), 0);
	assert_int_equal(trace->clock_sections, 1);
	assert_int_equal(cgr_trace_load_clock(trace, NULL), 0);
	assert_int_equal(trace->clock_map.points, 0);
	cgr_trace_free(trace);
	free(ring.pages.data);
	free(file.data);
	free(clock.data);
}

/* ---- the flight recorder's start ---- */

static void add_page(struct cgr_flight *flight, uint64_t begin)
{
	uint8_t page[4096] = { 0 }, frame[8192];

	cgr_td_put_u64(page, begin);
	size_t length = ZSTD_compress(frame, sizeof(frame), page, sizeof(page), 1);
	assert_int_equal(cgr_flight_chunk(flight, 0, frame, (uint32_t)length, sizeof(page), NULL), 0);
}

/* The pairs go with the events of their time; those that are left tell of what is left. */
static void flight_starts_by_its_pairs(void **state)
{
	const struct pair early[] = { { 1000000000, 7000000000 }, { 2000000000, 7400000000 } };
	const struct pair late[] = { { 2000000000, 7400000000 }, { 3000000000, 7800200000 } };
	struct bytes first = pairs_of(early, 2), second = pairs_of(late, 2);
	const struct cgr_clock clock = { .counts = true };
	struct cgr_flight flight;

	(void)state;
	cgr_flight_init(&flight, 1 << 20);
	assert_int_equal(cgr_flight_section(&flight, CGR_TD_CLOCK, first.data, first.length, NULL), 0);
	add_page(&flight, 1500000000);
	assert_int_equal(cgr_flight_section(&flight, CGR_TD_CLOCK, second.data, second.length, NULL), 0);
	add_page(&flight, 2500000000);
	assert_in_range(cgr_flight_start_ns(&flight, &clock), 7199999999, 7200000000);
	assert_null(cgr_flight_snapshot(&flight));
	/* a snapshot early in what is kept is where the file begins */
	flight.item[0].added_ns = flight.item[1].added_ns -= 1000000000;
	assert_int_equal(cgr_flight_json(&flight, CGR_TD_SNAPSHOT, json_pack("{s:s}", "when", "start"), NULL), 0);
	json_t *snapshot = cgr_flight_snapshot(&flight);
	assert_string_equal(json_string_value(json_object_get(snapshot, "when")), "start");
	json_decref(snapshot);
	cgr_flight_fini(&flight);
	free(first.data);
	free(second.data);
}

/* A burst that fills the memory pushes all pairs out; those that the recorder has read last tell the time. */
static void flight_starts_by_the_newest_pairs(void **state)
{
	struct cgr_clock_pair pair[] = { { 2000000000, 7400000000 }, { 3000000000, 7800000000 } };
	const struct cgr_clock clock = { .counts = true, .pair = pair, .pairs = 2 }, blind = { .counts = true };
	struct cgr_flight flight;

	(void)state;
	cgr_flight_init(&flight, 1 << 20);
	add_page(&flight, 1500000000);
	assert_in_range(cgr_flight_start_ns(&flight, &clock), 7199999999, 7200000001);
	assert_int_equal(cgr_flight_start_ns(&flight, &blind), 0); /* no count is a time */
	cgr_flight_fini(&flight);
}

/* ---- what the recorder reads ---- */

struct fake_machine { /* 2.5 counts a ns, until the kernel has another clock source */
	int64_t mono_ns, slept_ns, given_up_ns;
	uint64_t since; /* the counter began so many ns of CLOCK_MONOTONIC ago, at mono_ns 0 */
};

static uint64_t fake_count(void *context)
{
	struct fake_machine *m = context;
	int64_t now = m->mono_ns += 20; /* each reading takes some time */
	/* from then on CLOCK_MONOTONIC is another quartz, 200 ppm faster */
	int64_t fast = now > m->given_up_ns ? (now - m->given_up_ns) / 5000 : 0;

	return ((uint64_t)(now - fast) + m->since) * 5 / 2;
}

static int64_t fake_mono_ns(void *context)
{
	return ((struct fake_machine *)context)->mono_ns;
}

static int64_t fake_boot_ns(void *context)
{
	const struct fake_machine *m = context;

	return m->mono_ns + m->slept_ns;
}

static bool fake_is_kernels(void *context)
{
	const struct fake_machine *m = context;

	return m->mono_ns <= m->given_up_ns;
}

/* Ticks as the recorder does, until then; what is due goes to where the file would be. */
static void record_until(struct cgr_clock *clock, struct fake_machine *m, int64_t until_ns, struct cgr_td_bytes *file)
{
	while (m->mono_ns < until_ns) {
		m->mono_ns += 50000000;
		if (cgr_clock_tick(clock)) {
			cgr_clock_body(clock, file);
			cgr_clock_written(clock);
		}
	}
}

/* The kernel has found the counter unreliable, and makes its time of another one (clocksource_watchdog): pairs go on.
 */
static void a_counter_given_up_is_told_and_followed(void **state)
{
	struct fake_machine m = { .mono_ns = 1000000000, .given_up_ns = 6000000000, .since = 100000000000 };
	const struct cgr_clock_reader reader = { fake_count, fake_mono_ns, fake_boot_ns, fake_is_kernels, &m };
	struct cgr_clock clock = { .reader = &reader, .counts = true };
	struct cgr_clock_cursor cursor = { 0 };
	struct cgr_clock_map map = { 0 };
	struct cgr_td_bytes file = { 0 };

	(void)state;
	cgr_clock_look(&clock);
	record_until(&clock, &m, 5900000000, &file);
	assert_null(cgr_clock_check(&clock, CGR_CLOCK_GIVEN_UP));
	record_until(&clock, &m, 12000000000, &file);
	assert_non_null(strstr(cgr_clock_check(&clock, CGR_CLOCK_GIVEN_UP), "unreliable"));
	assert_true(clock.given_up);
	m.given_up_ns = INT64_MAX; /* the user has set it anew: what was, was */
	assert_non_null(cgr_clock_check(&clock, CGR_CLOCK_GIVEN_UP));
	m.given_up_ns = 6000000000;
	cgr_clock_look(&clock);
	cgr_clock_body(&clock, &file);
	assert_int_equal(cgr_clock_map_add(&map, file.data, file.length, NULL), 0);
	assert_int_equal(cgr_clock_map_settle(&map, NULL), 0);
	assert_int_equal(map.breaks + map.restarts, 0);
	for (m.mono_ns = 1100000000; m.mono_ns < 12000000000; m.mono_ns += 7777777) {
		uint64_t count = fake_count(&m), got = cgr_clock_map_ns(&map, &cursor, count);
		assert_in_range(got, (uint64_t)m.mono_ns - 60, (uint64_t)m.mono_ns + 60); /* a pair is off by its readings */
	}
	cgr_clock_map_fini(&map);
	cgr_td_fini(&file);
	cgr_clock_fini(&clock);
}

/* Suspend to RAM: the counter is 0 where the machine comes up; the next pair is in the file at once. */
static void a_counter_begun_anew_is_written_at_once(void **state)
{
	struct fake_machine m = { .mono_ns = 1000000000, .given_up_ns = INT64_MAX, .since = 100000000000 };
	const struct cgr_clock_reader reader = { fake_count, fake_mono_ns, fake_boot_ns, fake_is_kernels, &m };
	struct cgr_clock clock = { .reader = &reader, .counts = true };
	struct cgr_clock_cursor cursor = { 0 };
	struct cgr_clock_map map = { 0 };
	struct cgr_td_bytes file = { 0 }, options = { 0 };

	(void)state;
	cgr_clock_look(&clock);
	record_until(&clock, &m, 7000000000, &file);
	m.since = (uint64_t)-m.mono_ns;
	m.slept_ns = 3600000000000;
	m.mono_ns += 800000000; /* tasks are still frozen */
	assert_true(cgr_clock_tick(&clock));
	assert_int_equal(clock.restarts, 1);
	assert_int_equal(clock.suspends, 1);
	cgr_clock_options(&clock, &options);
	assert_int_equal(options.length, 0); /* one reading is no line */
	cgr_clock_body(&clock, &file);
	assert_int_equal(cgr_clock_map_add(&map, file.data, file.length, NULL), 0);
	assert_int_equal(cgr_clock_map_settle(&map, NULL), 0); /* the recorder is killed */
	assert_int_equal(map.restarts, 1);
	assert_in_range(cgr_clock_map_ns(&map, &cursor, (5000000000 + 100000000000) * 5 / 2), 4999999980, 5000000020);
	for (int64_t up = 1000000; up < 2000000000; up += 1000000)
		assert_in_range(cgr_clock_map_ns(&map, &cursor, (uint64_t)up * 5 / 2), (uint64_t)(up - (int64_t)m.since) - 50,
		                (uint64_t)(up - (int64_t)m.since) + 50);
	cgr_clock_look(&clock);
	cgr_clock_options(&clock, &options); /* of what came since */
	assert_int_not_equal(options.length, 0);
	cgr_clock_map_fini(&map);
	cgr_td_fini(&file);
	cgr_td_fini(&options);
	cgr_clock_fini(&clock);
}

static void suspends_and_a_new_count_are_noticed(void **state)
{
	struct cgr_clock clock = { .counts = true };

	(void)state;
	cgr_clock_look(&clock);
	cgr_clock_look(&clock);
	assert_int_equal(clock.restarts + clock.suspends, 0);
	clock.slept_ns -= 2000000000; /* two seconds of it since */
	cgr_clock_look(&clock);
	assert_int_equal(clock.suspends, 1);
	assert_int_equal(clock.restarts, 0);
	assert_non_null(cgr_clock_check(&clock, CGR_CLOCK_SUSPENDED));
	assert_null(cgr_clock_check(&clock, CGR_CLOCK_RESTARTED));
	clock.pair[clock.pairs - 1].count = UINT64_MAX;
	cgr_clock_look(&clock);
	assert_int_equal(clock.suspends, 1);
	assert_int_equal(clock.restarts, 1);
	/* each that applies is told */
	clock.given_up = true;
	assert_non_null(strstr(cgr_clock_check(&clock, CGR_CLOCK_GIVEN_UP), "unreliable"));
	assert_non_null(strstr(cgr_clock_check(&clock, CGR_CLOCK_RESTARTED), "began anew"));
	assert_null(cgr_clock_check(&clock, CGR_CLOCK_SUSPENDED)); /* the new count's */
	clock.suspends = 2;
	assert_non_null(strstr(cgr_clock_check(&clock, CGR_CLOCK_SUSPENDED), "no part"));
	cgr_clock_fini(&clock);
	assert_null(cgr_clock_check(&clock, CGR_CLOCK_GIVEN_UP)); /* a clock that does not count cannot fail */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_follow_the_slew),
		cmocka_unit_test(end_has_a_long_line),
		cmocka_unit_test(what_does_not_rise_is_dropped),
		cmocka_unit_test(suspend_breaks_the_line),
		cmocka_unit_test(slew_and_noise_are_no_breaks),
		cmocka_unit_test(each_count_has_its_own_line),
		cmocka_unit_test(a_count_past_the_end_of_its_part_is_of_a_later_one),
		cmocka_unit_test(one_low_pair_may_be_a_new_count),
		cmocka_unit_test(pairs_of_weeks_get_sparse),
		cmocka_unit_test(endless_restarts_are_refused),
		cmocka_unit_test(import_brings_stamps_to_one_clock),
		cmocka_unit_test(import_joins_what_a_new_count_parts),
		cmocka_unit_test(import_takes_extends_as_they_stand),
		cmocka_unit_test(import_tells_of_stamps_without_pairs),
		cmocka_unit_test(torn_pairs_of_a_killed_recorder_are_skipped),
		cmocka_unit_test(flight_starts_by_its_pairs),
		cmocka_unit_test(flight_starts_by_the_newest_pairs),
		cmocka_unit_test(a_counter_given_up_is_told_and_followed),
		cmocka_unit_test(a_counter_begun_anew_is_written_at_once),
		cmocka_unit_test(suspends_and_a_new_count_are_noticed),
		cmocka_unit_test(long_recordings_have_many_sections),
	};

	(void)snprintf(path, sizeof(path), P_tmpdir "/cgr-clock-%d.db", (int)getpid());
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	return failed;
}
