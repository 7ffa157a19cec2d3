/* What people write: --set, scenario files, --vary, --require, models of another make. Each mistake must name its
 * place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/util.h"
#include "model/registry.h"
#include "replay/heap.h"
#include "replay/recommend.h"
#include "replay/scenario_file.h"
#include "replay/sweep.h"

static void load(const char *text, struct cgr_scenario **list, size_t *count, char *message, size_t size)
{
	char path[] = "/tmp/cgr-test-scenario-XXXXXX";
	struct cgr_error error = { 0 };
	int fd = mkstemp(path), rc;

	*list = NULL;
	*count = 0;
	message[0] = 0;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	rc = cgr_scenario_file_load(path, list, count, &error);
	if (rc < 0) {
		assert_int_equal(cgr_error_exit_status(rc), 2);
		cgr_error_format(&error, message, size);
	}
	unlink(path);
}

static void test_file(void **state)
{
	struct cgr_scenario *list;
	char message[1000];
	size_t count;

	(void)state;
	load("scenarios:\n"
	     "  - name: a\n"
	     "    set: {/web: {memory.max: 256M, cpu: 500m}}\n"
	     "    seeds: 3\n"
	     "  - name: b\n"
	     "    based-on: a\n"
	     "    until: done\n"
	     "    set: {/web: {memory.max: 128M}}\n"
	     "    at: [{time: 2s, set: {/web: {memory.max: 64M}}}]\n",
	     &list, &count, message, sizeof message);
	assert_string_equal(message, "");
	assert_int_equal(count, 2);
	assert_int_equal(list[0].settings, 2);
	assert_int_equal(list[1].settings, 3); /* memory.max of the base was said again */
	assert_string_equal(list[1].setting[0].value, "128M");
	assert_int_equal(list[1].setting[2].t_ns, 2000000000);
	assert_int_equal(list[1].seeds, 3);
	assert_true(list[1].until_done);
	cgr_scenarios_free(list, count);
}

static void test_file_errors(void **state)
{
	static const struct {
		const char *text, *place, *what;
	} bad[] = {
		{ "", ":1:1:", "empty" },
		{ "set: [1\n", ":2:1:", "not YAML" },
		{ "name: a\nsett: {}\n", ":2:1:", "did you mean 'set'" },
		{ "scenarios:\n  - name: a\n  - name: a\n", ":3:11:", "already" },
		{ "scenarios:\n  - name: b\n    based-on: a\n", ":3:15:", "based on" },
		{ "set: {/web: 3}\n", ":1:13:", "expected knobs" },
		{ "seeds: 0\n", ":1:8:", "range" },
		{ "at: [{time: soon, set: {}}]\n", ":1:13:", "not a time" },
	};

	(void)state;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(bad); i++) {
		struct cgr_scenario *list;
		char message[1000];
		size_t count;

		load(bad[i].text, &list, &count, message, sizeof message);
		assert_null(list);
		if (!strstr(message, bad[i].place) || !strstr(message, bad[i].what))
			fail_msg("case %zu: '%s'", i, message);
	}
}

static void test_set(void **state)
{
	struct cgr_scenario s;
	struct cgr_error error = { 0 };

	(void)state;
	assert_int_equal(cgr_scenario_init(&s, "x", &error), 0);
	assert_int_equal(cgr_scenario_set(&s, "/a:b:cpu.max=50000 100000@1s", &error), 0);
	assert_string_equal(s.setting[0].cgroup, "/a:b");
	assert_string_equal(s.setting[0].knob, "cpu.max");
	assert_string_equal(s.setting[0].value, "50000 100000");
	assert_int_equal(s.setting[0].t_ns, 1000000000);
	assert_int_equal(cgr_scenario_set(&s, "/web", &error), CGR_E_USAGE);
	assert_int_equal(cgr_scenario_set(&s, "memory.max=1", &error), CGR_E_USAGE);
	cgr_scenario_fini(&s);
}

static void test_axis(void **state)
{
	struct cgr_axis axis;
	struct cgr_error error = { 0 };

	(void)state;
	assert_int_equal(cgr_axis_parse("/web:memory.max=64M..128M/3", &axis, &error), 0);
	assert_int_equal(axis.count, 3);
	assert_string_equal(axis.value[1], "100663296");
	cgr_axis_fini(&axis);
	assert_int_equal(cgr_axis_parse("/web:cpu.max=1000..100000/x3", &axis, &error), 0);
	assert_string_equal(axis.value[1], "10000");
	cgr_axis_fini(&axis);
	assert_int_equal(cgr_axis_parse("/web:cpu.max=max,20000 100000", &axis, &error), 0);
	assert_string_equal(axis.value[1], "20000 100000");
	cgr_axis_fini(&axis);
	assert_int_equal(cgr_axis_parse("/web:memory.max=1G..64M/3", &axis, &error), CGR_E_USAGE);
	cgr_axis_fini(&axis);
	assert_int_equal(cgr_axis_parse("/web:memory.max=64M..1G", &axis, &error), CGR_E_USAGE);
	cgr_axis_fini(&axis);
}

static void test_require(void **state)
{
	struct cgr_requirement r;
	struct cgr_error error = { 0 };

	(void)state;
	assert_int_equal(cgr_requirement_parse("p99 wakeup_latency<5ms", &r, &error), 0);
	assert_string_equal(r.metric, "wakeup_latency.p99_usec");
	assert_int_equal(r.value, 5000);
	cgr_requirement_fini(&r);
	assert_int_equal(cgr_requirement_parse("completion<+3%", &r, &error), 0);
	assert_true(r.relative);
	assert_int_equal(r.value, 30000);
	cgr_requirement_fini(&r);
	assert_int_equal(cgr_requirement_parse("cpu.throttled_share<=1.5%", &r, &error), 0);
	assert_string_equal(r.op, "<=");
	assert_int_equal(r.value, 15000);
	cgr_requirement_fini(&r);
	assert_int_equal(cgr_requirement_parse("memory.events.oom_kill", &r, &error), CGR_E_USAGE);
}

static void test_model_check(void **state)
{
	struct cgr_cpu_ops ops;
	struct cgr_error error = { 0 };
	char text[1000];

	(void)state;
	memcpy(&ops, cgr_model_find(CGR_DOMAIN_CPU, "fifo", &error), sizeof ops);
	assert_int_equal(cgr_model_check(&ops.head, "x.so", &error), 0);
	ops.head.abi_version = CGR_MODEL_ABI + 1;
	assert_int_equal(cgr_model_check(&ops.head, "x.so", &error), CGR_E_SCENARIO);
	cgr_error_format(&error, text, sizeof text);
	assert_non_null(strstr(text, "ABI"));
	ops.head.abi_version = CGR_MODEL_ABI;
	ops.head.struct_size = 8;
	error = (struct cgr_error){ 0 };
	assert_int_equal(cgr_model_check(&ops.head, "x.so", &error), CGR_E_SCENARIO);
	cgr_error_format(&error, text, sizeof text);
	assert_non_null(strstr(text, "8 bytes"));
	ops.head.struct_size = sizeof ops;
	ops.pick = NULL;
	assert_int_equal(cgr_model_check(&ops.head, "x.so", NULL), CGR_E_SCENARIO);
	error = (struct cgr_error){ 0 };
	assert_null(cgr_model_find(CGR_DOMAIN_CPU, "eevdv", &error));
	cgr_error_format(&error, text, sizeof text);
	assert_non_null(strstr(text, "eevdf"));
	assert_int_equal(cgr_model_load("/nonexistent/model.so", &(const struct cgr_model_head *){ NULL }, NULL),
	                 CGR_E_SCENARIO);
}

static void test_heap(void **state)
{
	struct cgr_heap heap;
	struct cgr_rng rng;
	uint64_t armed[200] = { 0 }, last = 0;

	(void)state;
	cgr_rng_init(&rng, 3);
	assert_int_equal(cgr_heap_init(&heap, 200), 0);
	for (int i = 0; i < 20000; i++) {
		uint32_t slot = (uint32_t)cgr_rng_below(&rng, 200);

		if (cgr_rng_below(&rng, 4)) {
			armed[slot] = 1 + cgr_rng_below(&rng, 1000);
			cgr_heap_arm(&heap, slot, armed[slot]);
		} else {
			armed[slot] = 0;
			cgr_heap_disarm(&heap, slot);
		}
	}
	while (cgr_heap_top(&heap)) {
		struct cgr_heap_entry top = *cgr_heap_top(&heap);

		assert_int_equal(top.time_ns, armed[top.slot]);
		assert_true(top.time_ns >= last);
		last = top.time_ns;
		armed[top.slot] = 0;
		cgr_heap_disarm(&heap, top.slot);
	}
	for (size_t i = 0; i < CGR_ARRAY_SIZE(armed); i++)
		assert_int_equal(armed[i], 0);
	cgr_heap_fini(&heap);
}

/* The armed slot that comes first: by time, then by the order of arming. CGR_ID_NONE: nothing is armed. */
static uint32_t first_armed(const uint64_t armed[100], const uint64_t order[100])
{
	uint32_t first = CGR_ID_NONE;

	for (uint32_t i = 0; i < 100; i++)
		if (armed[i] &&
		    (first == CGR_ID_NONE || armed[i] < armed[first] || (armed[i] == armed[first] && order[i] < order[first])))
			first = i;
	return first;
}

/* What is taken off the top leaves a place that the next call fills, whichever that is, and what is disarmed lies dead
 * in its own: many are due at one time, some late, and where few are armed the top is often dead. */
static void random_heap(uint64_t seed, uint32_t disarms)
{
	struct cgr_heap heap;
	struct cgr_rng rng;
	uint64_t armed[100] = { 0 }, order[100] = { 0 }, now = 100;

	cgr_rng_init(&rng, seed);
	assert_int_equal(cgr_heap_init(&heap, 100), 0);
	for (uint64_t i = 0; i < 50000; i++) {
		uint32_t slot = (uint32_t)cgr_rng_below(&rng, 100), action = (uint32_t)cgr_rng_below(&rng, disarms + 4);

		if (action < disarms) {
			armed[slot] = 0;
			cgr_heap_disarm(&heap, slot);
		} else if (action < disarms + 2) {
			const struct cgr_heap_entry *top = cgr_heap_top(&heap);
			uint32_t first = first_armed(armed, order);

			assert_int_equal(top ? top->slot : CGR_ID_NONE, first);
			if (!top)
				continue;
			assert_int_equal(top->time_ns, armed[first]);
			now = CGR_MAX(now, armed[first]);
			armed[first] = 0;
			cgr_heap_take(&heap);
			slot = first;
		} else {
			armed[slot] = now - 5 + cgr_rng_below(&rng, 50);
			order[slot] = i;
			cgr_heap_arm(&heap, slot, armed[slot]);
		}
		assert_true(cgr_heap_armed(&heap, slot) == (armed[slot] != 0));
	}
	cgr_heap_fini(&heap);
}

static void test_heap_take(void **state)
{
	(void)state;
	for (uint32_t disarms = 0; disarms < 5; disarms++)
		random_heap(5 + disarms, disarms);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file), cmocka_unit_test(test_file_errors), cmocka_unit_test(test_set),
		cmocka_unit_test(test_axis), cmocka_unit_test(test_require),     cmocka_unit_test(test_model_check),
		cmocka_unit_test(test_heap), cmocka_unit_test(test_heap_take),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
