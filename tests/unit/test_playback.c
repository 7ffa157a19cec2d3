/* The CPU model `recorded`: a schedule that no scheduler would make is played back as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/util.h"
#include "replay/compile.h"
#include "replay/run.h"
#include "store/store.h"
#include "store/writer.h"

#define MS 1000000ull
#define CPUS 2u
#define TASKS 3u
#define SKEW_NS 3000u

static const uint32_t prio[TASKS + 1] = { 120, 120, 120, 50 }; /* the third is a real-time task */

struct stretch {
	uint64_t from_ms, to_ms;
	uint32_t cpu, task;
	bool sleeps; /* else it was preempted */
};
/* CPU 0 idles from 9 to 12 ms although task 1 waits; task 2 is woken at 15 ms and runs only at 17 ms, elsewhere. */
static const struct stretch recorded[] = {
	{ 1, 8, 0, 1, false }, { 3, 5, 1, 3, true }, { 8, 9, 0, 2, true }, { 12, 14, 0, 1, true }, { 17, 18, 1, 2, true },
};

static void append(struct cgr_writer *w, struct cgr_event e)
{
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(w, &e, 1, &error), 0);
}

static uint32_t prios(uint32_t prev, uint32_t next)
{
	return prio[prev] | prio[next] << 16;
}

/* What the scheduler charged for a stretch: now a little less, now a little more than its switches tell. */
static uint64_t kernel_ns(const struct stretch *s)
{
	uint64_t ns = (s->to_ms - s->from_ms) * MS;

	return s->to_ms % 2 ? ns + SKEW_NS : ns - SKEW_NS;
}

/* What happens at one millisecond: departures first, then the wake-up, then arrivals. */
static void write_ms(struct cgr_writer *w, uint64_t ms)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(recorded); i++) {
		const struct stretch *s = &recorded[i], *follower = i + 1 < CGR_ARRAY_SIZE(recorded) ? s + 1 : NULL;
		struct cgr_event e = { .ts_ns = ms * MS, .task = s->task, .cpu = (uint16_t)s->cpu, .kind = CGR_EV_RUNTIME };
		uint32_t next = 0;

		if (s->to_ms != ms)
			continue;
		e.a = kernel_ns(s);
		e.c = s->task;
		append(w, e);
		for (; follower && follower < recorded + CGR_ARRAY_SIZE(recorded) && !next; follower++)
			next = follower->from_ms == ms && follower->cpu == s->cpu ? follower->task : 0;
		append(w, (struct cgr_event){ .ts_ns = ms * MS,
		                              .task = s->task,
		                              .cpu = (uint16_t)s->cpu,
		                              .kind = CGR_EV_SWITCH,
		                              .a = s->sleeps ? 1 : 0,
		                              .c = next,
		                              .d = prios(s->task, next) });
	}
	if (ms == 15)
		append(
		    w,
		    (struct cgr_event){
		        .ts_ns = ms * MS, .cpu = 1, .kind = CGR_EV_WAKING, .flags = CGR_EVF_HARDIRQ, .c = 2, .d = 120u << 16 });
	for (size_t i = 0; i < CGR_ARRAY_SIZE(recorded); i++) {
		const struct stretch *s = &recorded[i];
		bool follows = false;

		for (size_t k = 0; k < CGR_ARRAY_SIZE(recorded); k++)
			follows |= recorded[k].to_ms == ms && recorded[k].cpu == s->cpu;
		if (s->from_ms == ms && !follows)
			append(w, (struct cgr_event){ .ts_ns = ms * MS,
			                              .cpu = (uint16_t)s->cpu,
			                              .kind = CGR_EV_SWITCH,
			                              .c = s->task,
			                              .d = prios(0, s->task) });
	}
}

static struct cgr_store *recording(void)
{
	struct cgr_store_info info = { .kernel_release = "6.18.44",
		                           .kernel_version = 6u << 16 | 18 << 8 | 44,
		                           .hz = 250,
		                           .clock = "mono",
		                           .tool_version = "test",
		                           .source_path = "playback",
		                           .source_digest = "00",
		                           .duration_ns = 20 * MS,
		                           .cpus = CPUS,
		                           .online_cpus = CPUS,
		                           .cgroup_version = 2,
		                           .has_sched = true };
	struct cgr_store_css_set set = { 0 };
	char path[] = "/tmp/cgr-test-playback-XXXXXX";
	struct cgr_writer *w = NULL;
	struct cgr_store *store = NULL;
	struct cgr_error error = { 0 };
	uint32_t id;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(path, 0, &w, &error), 0);
	assert_int_equal(cgr_writer_set_info(w, &info, &error), 0);
	assert_int_equal(cgr_writer_add_css_set(w, &set, NULL, 0, &id, &error), 0);
	for (uint32_t i = 1; i <= TASKS; i++) {
		struct cgr_store_task task = { .tid = (int32_t)i,
			                           .tgid = (int32_t)i,
			                           .comm = "play",
			                           .start_ns = -1,
			                           .end_ns = INT64_MAX,
			                           .parent = CGR_ID_NONE,
			                           .prio = (int16_t)prio[i] };

		assert_int_equal(cgr_writer_add_task(w, &task, &id, &error), 0);
	}
	for (uint64_t ms = 1; ms < 20; ms++)
		write_ms(w, ms);
	assert_int_equal(cgr_writer_commit(w, &error), 0);
	cgr_writer_free(w);
	assert_int_equal(cgr_store_open(path, &store, &error), 0);
	unlink(path);
	return store;
}

static struct cgr_result *play(const struct cgr_store *store, const char *model, uint64_t cpus, int expected)
{
	struct cgr_run_options options = { .threads = 1, .spans = true };
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_scenario_init(&scenario, "play", &error), 0);
	scenario.cpu_model = strdup(model);
	scenario.cpus = (uint32_t)cpus;
	scenario.seeds = 3;
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(cgr_replay(store, programs, &scenario, &options, &result, &error), expected);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	return result;
}

/* How much of a recorded stretch the result shows on the same CPU. */
static int64_t shown_ns(const struct cgr_result *r, const struct stretch *s)
{
	int64_t sum = 0;

	for (size_t i = 0; i < r->spans; i++) {
		const struct cgr_result_span *x = &r->span[i];
		int64_t from = CGR_MAX(x->start_ns, (int64_t)(s->from_ms * MS)),
		        to = CGR_MIN(x->end_ns, (int64_t)(s->to_ms * MS));

		if (x->cpu == s->cpu && (uint32_t)r->task[x->task].tid == s->task && to > from)
			sum += to - from;
	}
	return sum;
}

static int64_t charged_ns(const struct cgr_result *r, int32_t tid)
{
	for (uint32_t i = 0; i < r->tasks; i++)
		if (r->task[i].tid == tid)
			return r->task[i].runtime_usec * 1000;
	return -1;
}

static void test_schedule(void **state)
{
	struct cgr_store *store = recording();
	struct cgr_result *r = play(store, "recorded", 0, 0);
	int64_t ran = 0, total = 0;

	(void)state;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(recorded); i++) {
		int64_t length = (int64_t)((recorded[i].to_ms - recorded[i].from_ms) * MS);

		assert_in_range(shown_ns(r, &recorded[i]), length - 4000, length);
		total += length;
	}
	for (uint32_t i = 1; i <= TASKS; i++) { /* what the kernel charged, but for the rounding of one stretch */
		int64_t charged = 0;

		for (size_t k = 0; k < CGR_ARRAY_SIZE(recorded); k++)
			if (recorded[k].task == i)
				charged += (int64_t)kernel_ns(&recorded[k]);
		assert_in_range(charged + SKEW_NS - charged_ns(r, (int32_t)i), 0, 2 * SKEW_NS);
	}
	for (size_t i = 0; i < r->spans; i++)
		ran += r->span[i].end_ns - r->span[i].start_ns;
	assert_in_range(ran, total - 20000, total);
	cgr_result_free(r);
	/* the same programs under a scheduler: nobody waits beside an idle CPU */
	r = play(store, "eevdf", 0, 0);
	assert_true(shown_ns(r, &recorded[3]) < (int64_t)MS);
	cgr_result_free(r);
	play(store, "recorded", 4, CGR_E_SCENARIO);
	cgr_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_schedule) };

	return cmocka_run_group_tests_name("playback", tests, NULL, NULL);
}
