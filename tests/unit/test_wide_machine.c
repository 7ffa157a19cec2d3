/* Machines of more than 64 CPUs: who may run where, and a replay on more CPUs than were recorded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cpulist.h"
#include "common/units.h"
#include "common/util.h"
#include "replay/compile.h"
#include "replay/run.h"
#include "store/store.h"
#include "store/writer.h"

#define MS 1000000ull
#define WORK_NS (10 * MS)
#define PRIO (120u | 120u << 16)

static void append(struct cgr_writer *w, struct cgr_event e)
{
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(w, &e, 1, &error), 0);
}

enum { IDLE = 1, MOVED = 2, INHERITS = 4, NARROW = 8, PINNED = 16, BORN = 32, OLD = 64 };

/* One task per CPU, each works 10 ms. Odd ones are bound to their CPU, even ones go where their cpuset lets them.
 * IDLE: /web was recorded with cpu.idle, whose weight the kernel's files show instead of its own. MOVED: all begin in
 * the root, and nobody is bound. INHERITS: /web names no CPUs of its own. With MOVED: NARROW: in /narrow, which has CPU
 * 0 only; PINNED: all have CPU 0 only; BORN: they were seen at the end, in /web, which then had CPU 0 only; OLD: on
 * Linux 6.1. */
static void write_tables(struct cgr_writer *w, uint32_t cpus, unsigned how)
{
	struct cgr_store_info info = { .kernel_release = "6.18.44",
		                           .kernel_version = 6u << 16 | 18 << 8 | 44,
		                           .hz = 250,
		                           .clock = "mono",
		                           .tool_version = "test",
		                           .source_path = "wide",
		                           .source_digest = "00",
		                           .duration_ns = 2 * WORK_NS,
		                           .cpus = cpus,
		                           .online_cpus = cpus,
		                           .cgroup_version = 2,
		                           .has_sched = true };
	struct cgr_store_cgroup web = { .path = "/web",
		                            .born_ns = -1,
		                            .removed_ns = INT64_MAX,
		                            .released_ns = INT64_MAX,
		                            .has_cpu = true,
		                            .recorded = true };
	struct cgr_store_css_set set = { 0 };
	struct cgr_error error = { 0 };
	char all[32], own[32];
	uint32_t id;

	if (how & OLD)
		info.kernel_version = 6u << 16 | 1 << 8;
	snprintf(all, sizeof all, "0-%u", cpus - 1);
	assert_int_equal(cgr_writer_set_info(w, &info, &error), 0);
	assert_int_equal(cgr_writer_add_cgroup(w, &web, &id, &error), 0);
	assert_int_equal(
	    cgr_writer_add_knob(w, id, "cpuset.cpus.effective", 0, 0, 0, how & BORN ? "0" : all, "start", NULL, &error), 0);
	if (how & INHERITS)
		assert_int_equal(cgr_writer_add_knob(w, id, "cpuset.cpus", 0, 0, 0, "", "start", NULL, &error), 0);
	if (how & IDLE) {
		assert_int_equal(cgr_writer_add_knob(w, id, "cpu.weight", 0, 0, 0, NULL, "start", NULL, &error), 0);
		assert_int_equal(cgr_writer_add_knob(w, id, "cpu.shares", 0, 3, 0, NULL, "start", NULL, &error), 0);
		assert_int_equal(cgr_writer_add_knob(w, id, "cpu.idle", 0, 1, 0, NULL, "start", NULL, &error), 0);
	}
	set.cpu_cgroup = set.cpuset_cgroup = how & MOVED ? 0 : id;
	if (how & NARROW) {
		web.path = "/narrow";
		assert_int_equal(cgr_writer_add_cgroup(w, &web, &set.cpuset_cgroup, &error), 0);
		assert_int_equal(
		    cgr_writer_add_knob(w, set.cpuset_cgroup, "cpuset.cpus.effective", 0, 0, 0, "0", "start", NULL, &error), 0);
	}
	assert_int_equal(cgr_writer_add_css_set(w, &set, NULL, 0, &id, &error), 0);
	for (uint32_t i = 1; i <= cpus; i++) {
		struct cgr_store_task task = { .tid = (int32_t)(1000 + i),
			                           .tgid = (int32_t)(1000 + i),
			                           .comm = "wide",
			                           .start_ns = how & BORN ? 0 : -1,
			                           .end_ns = INT64_MAX,
			                           .parent = CGR_ID_NONE,
			                           .css_set = id,
			                           .prio = 120,
			                           .cpus_allowed = how & PINNED              ? "0"
			                                           : i % 2 && !(how & MOVED) ? own
			                                                                     : all };

		snprintf(own, sizeof own, "%u", i - 1);
		assert_int_equal(cgr_writer_add_task(w, &task, &(uint32_t){ 0 }, &error), 0);
	}
}

static struct cgr_store *machine_with(uint32_t cpus, unsigned how)
{
	char path[] = "/tmp/cgr-test-wide-XXXXXX";
	struct cgr_writer *w = NULL;
	struct cgr_store *store = NULL;
	struct cgr_error error = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(path, 0, &w, &error), 0);
	write_tables(w, cpus, how);
	for (uint32_t i = 1; i <= cpus; i++)
		append(w, (struct cgr_event){
		              .ts_ns = MS + i, .kind = CGR_EV_SWITCH, .cpu = (uint16_t)(i - 1), .c = i, .d = PRIO });
	for (uint32_t i = 1; (how & MOVED) && i <= cpus; i++)
		append(w, (struct cgr_event){ .ts_ns = MS + 1000 + i,
		                              .task = i,
		                              .cpu = (uint16_t)(i - 1),
		                              .kind = CGR_EV_CGROUP_ATTACH,
		                              .a = 1,
		                              .c = i });
	for (uint32_t i = 1; i <= cpus; i++) {
		uint64_t end_ns = MS + WORK_NS + i;
		struct cgr_event e = { .ts_ns = end_ns, .task = i, .cpu = (uint16_t)(i - 1), .kind = CGR_EV_RUNTIME };

		e.a = WORK_NS;
		e.c = i;
		append(w, e);
		append(w, (struct cgr_event){
		              .ts_ns = end_ns, .task = i, .cpu = (uint16_t)(i - 1), .kind = CGR_EV_SWITCH, .a = 1, .d = PRIO });
	}
	assert_int_equal(cgr_writer_commit(w, &error), 0);
	cgr_writer_free(w);
	assert_int_equal(cgr_store_open(path, &store, &error), 0);
	unlink(path);
	return store;
}

static struct cgr_store *machine(uint32_t cpus)
{
	return machine_with(cpus, 0);
}

static struct cgr_result *ask(const struct cgr_store *store, uint32_t cpus, const char *setting, int expected)
{
	struct cgr_run_options options = { .threads = 1, .spans = true };
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };
	int rc;

	assert_int_equal(cgr_scenario_init(&scenario, "wide", &error), 0);
	scenario.cpus = cpus;
	scenario.seeds = 3;
	scenario.until_done = true;
	if (setting)
		assert_int_equal(cgr_scenario_set(&scenario, setting, &error), 0);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	rc = cgr_replay(store, programs, &scenario, &options, &result, &error);
	if (rc != expected) {
		char text[512];

		cgr_error_format(&error, text, sizeof text);
		fail_msg("replay on %u CPUs: %s", cpus, text);
	}
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	return result;
}

/* Every stretch of running lies on a CPU of first..last; odd tasks, where bound, on their own. Returns the end. */
static int64_t check_spans(const struct cgr_result *r, uint32_t first, uint32_t last, bool bound)
{
	int64_t end_ns = 0, ran_ns = 0;

	for (size_t i = 0; i < r->spans; i++) {
		const struct cgr_result_span *s = &r->span[i];
		uint32_t tid = (uint32_t)r->task[s->task].tid - 1000;

		assert_in_range(s->cpu, first, last);
		if (bound && tid % 2)
			assert_int_equal(s->cpu, tid - 1);
		ran_ns += s->end_ns - s->start_ns;
		end_ns = CGR_MAX(end_ns, s->end_ns);
	}
	assert_true(ran_ns >= (int64_t)(r->recorded_cpus * (WORK_NS - MS / 10)));
	return end_ns;
}

static void test_own_cpus(void **state)
{
	static const uint32_t cpus[] = { 2, 64, 96, 256 };

	(void)state;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(cpus); i++) {
		struct cgr_store *store = machine(cpus[i]);
		struct cgr_result *r = ask(store, 0, NULL, 0);

		assert_int_equal(r->cpus, cpus[i]);
		check_spans(r, 0, cpus[i] - 1, true);
		cgr_result_free(r);
		cgr_store_free(store);
	}
}

/* A cpuset beyond the first 64: a wish it does not hold gives way, and 96 tasks share 32 CPUs. */
static void test_cpuset_beyond_64(void **state)
{
	struct cgr_store *store = machine(96);
	struct cgr_result *r = ask(store, 0, "/web:cpuset.cpus=64-95", 0);
	int64_t end_ns = check_spans(r, 64, 95, false);

	(void)state;
	assert_in_range(end_ns, 25 * MS, 50 * MS);
	assert_string_equal(r->change[0].to, "64-95");
	cgr_result_free(r);
	ask(store, 0, "/web:cpuset.cpus=96-99", CGR_E_SCENARIO);
	cgr_store_free(store);
}

/* Tasks that move into the cpuset in mid-run leave the CPU it lacks. */
static void test_moved_into_cpuset(void **state)
{
	struct cgr_store *store = machine_with(4, MOVED);
	struct cgr_result *r = ask(store, 0, "/web:cpuset.cpus=0-1", 0);
	int64_t elsewhere_ns = 0;

	(void)state;
	for (size_t i = 0; i < r->spans; i++)
		if (r->span[i].cpu > 1)
			elsewhere_ns += r->span[i].end_ns - r->span[i].start_ns;
	assert_in_range(elsewhere_ns, 0, 4000);
	assert_true(check_spans(r, 0, 3, false) > (int64_t)(19 * MS));
	cgr_result_free(r);
	cgr_store_free(store);
}

/* All four have CPU 0 only when they are seen, and move to /web. Whether they work side by side there. */
static bool spread(unsigned how, const char *setting)
{
	struct cgr_store *store = machine_with(4, MOVED | PINNED | how);
	struct cgr_result *r = ask(store, 0, setting, 0);
	int64_t end_ns = check_spans(r, 0, 3, false);

	cgr_result_free(r);
	cgr_store_free(store);
	return end_ns < (int64_t)(35 * MS);
}

/* Where the cpuset they were seen in says so, they asked for nothing. What they asked for goes along from Linux 6.2 on.
 */
static void test_wish_of_moved(void **state)
{
	(void)state;
	assert_true(spread(NARROW, NULL));
	assert_true(spread(NARROW | OLD, NULL));
	assert_false(spread(0, NULL));
	assert_true(spread(OLD, NULL));
	assert_true(spread(BORN, "/web:cpuset.cpus=0-3"));
	assert_true(spread(BORN | OLD, "/web:cpuset.cpus=0-3"));
}

/* How often a what-if hears of a knob. */
static unsigned told(const struct cgr_store *store, uint32_t cpus, const char *setting, const char *knob)
{
	struct cgr_scenario scenario;
	struct cgr_whatif plan;
	struct cgr_error error = { 0 };
	unsigned count = 0;

	assert_int_equal(cgr_scenario_init(&scenario, "told", &error), 0);
	scenario.cpus = cpus;
	if (setting)
		assert_int_equal(cgr_scenario_set(&scenario, setting, &error), 0);
	assert_int_equal(cgr_whatif_make(store, &scenario, &plan, &error), 0);
	for (size_t i = 0; i < plan.knobs; i++) {
		const struct cgr_knob_change *c = &plan.knob[i];
		const struct cgr_knob_desc *table = c->domain == CGR_DOMAIN_CPU ? plan.cpu->head.knobs : cgr_engine_knobs;

		count += c->domain <= CGR_DOMAIN_CPU && !strcmp(table[c->knob].name, knob);
	}
	cgr_whatif_fini(&plan);
	cgr_scenario_fini(&scenario);
	return count;
}

/* The weight that cpu.weight and cpu.shares showed while cpu.idle was 1 is no weight of the group. */
static void test_weight_of_idle_group(void **state)
{
	struct cgr_store *store = machine_with(2, IDLE);

	(void)state;
	assert_int_equal(told(store, 0, "/web:cpu.idle=0", "cpu.shares"), 0);
	assert_int_equal(told(store, 0, "/web:cpu.idle=0", "cpu.weight"), 0);
	assert_int_equal(told(store, 0, "/web:cpu.idle=0", "cpu.idle"), 1);
	cgr_store_free(store);
}

/* A cpuset of all CPUs holds those of a larger machine too. */
static void test_cpuset_of_all(void **state)
{
	struct cgr_store *store = machine(2);

	(void)state;
	assert_int_equal(told(store, 2, NULL, "cpuset.cpus"), 1);
	assert_int_equal(told(store, 4, NULL, "cpuset.cpus"), 0);
	cgr_store_free(store);
}

/* cgroup v2: the CPUs of a cgroup that names none follow those of the cgroup above. */
static void test_inherited_cpuset(void **state)
{
	struct cgr_store *store = machine_with(2, INHERITS);

	(void)state;
	assert_int_equal(told(store, 0, NULL, "cpuset.cpus"), 0);
	assert_int_equal(told(store, 0, "/web:cpuset.cpus=1", "cpuset.cpus"), 1);
	cgr_store_free(store);
}

static void test_more_cpus(void **state)
{
	struct cgr_store *store = machine(96);
	struct cgr_result *r = ask(store, 128, NULL, 0);

	(void)state;
	check_spans(r, 0, 127, true);
	cgr_result_free(r);
	r = ask(store, 2, NULL, 0); /* bound to CPUs that are not there: anywhere */
	assert_true(check_spans(r, 0, 1, false) > (int64_t)(40 * WORK_NS));
	cgr_result_free(r);
	ask(store, CGR_LIMIT_REPLAY_CPUS + 1, NULL, CGR_E_LIMIT);
	cgr_store_free(store);
}

static void test_lists(void **state)
{
	static const char *const list[] = { "0", "0-2,65", "63-64", "0,2,4-127", "1023" };
	uint64_t set[CGR_CPU_WORDS], all[CGR_CPU_WORDS];
	struct cgr_error error = { 0 };
	char text[64];

	(void)state;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(list); i++) {
		assert_int_equal(cgr_parse_cpulist(list[i], set, CGR_CPU_WORDS, &error), 0);
		assert_string_equal(cgr_format_cpulist(set, CGR_CPU_WORDS, text, sizeof text), list[i]);
	}
	assert_int_equal(cgr_cpus_count(set, CGR_CPU_WORDS), 1);
	cgr_cpus_fill(all, 96);
	assert_int_equal(cgr_cpus_count(all, cgr_cpus_words(96)), 96);
	assert_false(cgr_cpus_meet(set, all, cgr_cpus_words(96)));
	for (size_t i = 0; i < CGR_CPU_WORDS; i++)
		set[i] = 0x5555555555555555u;
	assert_string_equal(cgr_format_cpulist(set, CGR_CPU_WORDS, text, 12), "0,2,4,6...");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_cpus),
		cmocka_unit_test(test_cpuset_beyond_64),
		cmocka_unit_test(test_moved_into_cpuset),
		cmocka_unit_test(test_weight_of_idle_group),
		cmocka_unit_test(test_cpuset_of_all),
		cmocka_unit_test(test_inherited_cpuset),
		cmocka_unit_test(test_wish_of_moved),
		cmocka_unit_test(test_more_cpus),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests_name("wide machines", tests, NULL, NULL);
}
