/* The parts of the recorder that need no kernel: BTF, cgroup files, filters, probes, journal, flight recorder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

#include "capture/btf.h"
#include "capture/cgroupfs.h"
#include "capture/container.h"
#include "capture/flight.h"
#include "capture/journal.h"
#include "capture/jsontext.h"
#include "capture/kinds.h"
#include "capture/plan.h"
#include "capture/probes.h"
#include "capture/scope.h"
#include "capture/segment.h"
#include "common/tracedat.h"
#include "common/util.h"

/* ---- a small BTF: enum vm_event_item, enum node_stat_item, struct outer { struct { u64 pad; struct inner *p; }; },
 * struct inner { int a; int b; } ---- */

struct blob {
	struct cgr_td_bytes types, strings;
};

static uint32_t text(struct blob *b, const char *word)
{
	uint32_t at = (uint32_t)b->strings.length;

	cgr_td_append_text(&b->strings, word);
	return at;
}

static void type(struct blob *b, uint32_t name, uint32_t kind, uint32_t vlen, uint32_t size)
{
	cgr_td_append_u32(&b->types, name);
	cgr_td_append_u32(&b->types, kind << 24 | vlen);
	cgr_td_append_u32(&b->types, size);
}

static void member(struct blob *b, uint32_t name, uint32_t of, uint32_t bits)
{
	cgr_td_append_u32(&b->types, name);
	cgr_td_append_u32(&b->types, of);
	cgr_td_append_u32(&b->types, bits);
}

static void enumerator(struct blob *b, const char *name, uint32_t value)
{
	cgr_td_append_u32(&b->types, text(b, name));
	cgr_td_append_u32(&b->types, value);
}

/* memcg: 0 no struct mem_cgroup, 1 one without the members of cgroup v1, 2 one with them */
static struct cgr_td_bytes make_btf(unsigned memcg)
{
	struct blob b = { 0 };
	struct cgr_td_bytes file = { 0 };

	(void)text(&b, "");
	type(&b, text(&b, "int"), 1, 0, 4); /* 1 */
	cgr_td_append_u32(&b.types, 32);
	type(&b, text(&b, "inner"), 4, 2, 8); /* 2 */
	member(&b, text(&b, "a"), 1, 0);
	member(&b, text(&b, "b"), 1, 32);
	type(&b, 0, 2, 0, 2); /* 3: pointer to inner */
	type(&b, 0, 4, 2, 24); /* 4: anonymous */
	member(&b, text(&b, "pad"), 1, 0);
	member(&b, text(&b, "nested"), 2, 64);
	type(&b, text(&b, "outer"), 4, 2, 40); /* 5 */
	member(&b, text(&b, "head"), 1, 0);
	member(&b, 0, 4, 128);
	type(&b, text(&b, "vm_event_item"), 6, 3, 4); /* 6 */
	enumerator(&b, "PGPGIN", 0);
	enumerator(&b, "PGPGOUT", 1);
	enumerator(&b, "PGFAULT", 23);
	type(&b, text(&b, "node_stat_item"), 6, 3, 4); /* 7 */
	enumerator(&b, "NR_ANON_MAPPED", 17);
	enumerator(&b, "NR_FILE_MAPPED", 18);
	enumerator(&b, "NR_FILE_PAGES", 19);
	if (memcg) {
		type(&b, text(&b, "mem_cgroup"), 4, memcg, memcg * 4); /* 8 */
		member(&b, text(&b, "memory"), 1, 0);
		if (memcg == 2)
			member(&b, text(&b, "soft_limit"), 1, 32);
	}
	cgr_td_append_u16(&file, 0xeb9f);
	cgr_td_append(&file, "\1\0", 2);
	cgr_td_append_u32(&file, 24);
	cgr_td_append_u32(&file, 0);
	cgr_td_append_u32(&file, (uint32_t)b.types.length);
	cgr_td_append_u32(&file, (uint32_t)b.types.length);
	cgr_td_append_u32(&file, (uint32_t)b.strings.length);
	cgr_td_append(&file, b.types.data, b.types.length);
	cgr_td_append(&file, b.strings.data, b.strings.length);
	cgr_td_fini(&b.types);
	cgr_td_fini(&b.strings);
	assert_false(file.failed);
	return file;
}

static struct cgr_btf *load_btf(unsigned memcg)
{
	struct cgr_td_bytes file = make_btf(memcg);
	struct cgr_btf *btf = NULL;
	struct cgr_error err = { 0 };

	assert_int_equal(cgr_btf_parse(file.data, file.length, "test", &btf, &err), 0);
	cgr_td_fini(&file);
	return btf;
}

static void sum_values(void *context, const char *name, int64_t value)
{
	(void)name;
	*(int64_t *)context += value;
}

static void test_btf_finds_enums_and_members(void **state)
{
	struct cgr_btf *btf = load_btf(0);
	int64_t sum = 0;

	(void)state;
	assert_int_equal(cgr_btf_enum(btf, "vm_event_item", sum_values, &sum), 3);
	assert_int_equal(sum, 24);
	assert_int_equal(cgr_btf_enum(btf, "nothing", sum_values, &sum), 0);
	assert_int_equal(cgr_btf_offset(btf, "inner", "b"), 4);
	/* through the anonymous member at byte 16: nested at 8 inside it */
	assert_int_equal(cgr_btf_offset(btf, "outer", "nested.b"), 16 + 8 + 4);
	assert_int_equal(cgr_btf_offset(btf, "outer", "pad"), 16);
	assert_true(cgr_btf_offset(btf, "outer", "missing") < 0);
	assert_int_equal(cgr_btf_size(btf, "outer"), 40);
	cgr_btf_free(btf);
}

static void test_btf_refuses_every_truncation(void **state)
{
	struct cgr_td_bytes file = make_btf(0);

	(void)state;
	for (size_t length = 0; length < file.length; length++) {
		struct cgr_btf *btf = NULL;
		struct cgr_error err = { 0 };
		uint8_t *copy = malloc(length + 1);
		memcpy(copy, file.data, length);
		assert_int_equal(cgr_btf_parse(copy, length, "cut", &btf, &err), CGR_E_INPUT);
		assert_null(btf);
		free(copy);
	}
	cgr_td_fini(&file);
}

/* ---- cgroup files ---- */

static const char *knob(const json_t *obj, const char *name)
{
	return json_string_value(json_object_get(obj, name));
}

static void test_v1_files_get_v2_names(void **state)
{
	json_t *knobs = json_object(), *counters = json_object();

	(void)state;
	cgr_cgroup_convert(1, "memory.limit_in_bytes", "9223372036854771712\n", knobs, counters);
	assert_string_equal(knob(knobs, "memory.max"), "max");
	cgr_cgroup_convert(1, "memory.limit_in_bytes", "67108864\n", knobs, counters);
	assert_string_equal(knob(knobs, "memory.max"), "67108864");
	cgr_cgroup_convert(1, "cpu.cfs_quota_us", "-1\n", knobs, counters);
	cgr_cgroup_convert(1, "cpu.cfs_period_us", "100000\n", knobs, counters);
	assert_string_equal(knob(knobs, "cpu.max"), "max 100000");
	cgr_cgroup_convert(1, "cpu.cfs_quota_us", "20000\n", knobs, counters);
	cgr_cgroup_convert(1, "cpu.cfs_period_us", "50000\n", knobs, counters);
	assert_string_equal(knob(knobs, "cpu.max"), "20000 50000");
	cgr_cgroup_convert(1, "cpu.shares", "3072\n", knobs, counters);
	assert_string_equal(knob(knobs, "cpu.weight"), "300");
	assert_string_equal(knob(knobs, "cpu.shares"), "3072");
	cgr_cgroup_convert(1, "memory.stat", "cache 1\nrss 2\ntotal_cache 10\ntotal_pgpgin 7\n", knobs, counters);
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.stat.local.file")), 1);
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.stat.file")), 10);
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.stat.local.anon")), 2);
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.stat.pgpgin")), 7);
	cgr_cgroup_convert(1, "cpu.stat", "nr_periods 5\nthrottled_time 123456\n", knobs, counters);
	assert_int_equal(json_integer_value(json_object_get(counters, "cpu.stat.nr_periods")), 5);
	assert_int_equal(json_integer_value(json_object_get(counters, "cpu.stat.throttled_usec")), 123);
	assert_int_equal(json_integer_value(json_object_get(counters, "cpu.stat.throttled_nsec")), 123456);
	cgr_cgroup_convert(1, "memory.oom_control", "oom_kill_disable 1\nunder_oom 0\noom_kill 3\n", knobs, counters);
	assert_string_equal(knob(knobs, "memory.oom_control.oom_kill_disable"), "1");
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.events.oom_kill")), 3);
	json_decref(knobs);
	json_decref(counters);
}

static void test_v2_files(void **state)
{
	json_t *knobs = json_object(), *counters = json_object();

	(void)state;
	cgr_cgroup_convert(2, "cpu.max", "max 100000\n", knobs, counters);
	assert_string_equal(knob(knobs, "cpu.max"), "max 100000");
	cgr_cgroup_convert(2, "memory.events", "low 0\nhigh 4\nmax 5\noom 1\noom_kill 1\n", knobs, counters);
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.events.max")), 5);
	cgr_cgroup_convert(2, "memory.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=77\nfull avg10=0 total=5\n",
	                   knobs, counters);
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.pressure.some_usec")), 77);
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.pressure.full_usec")), 5);
	assert_true(cgr_cgroup_is_knob("memory.max"));
	assert_true(cgr_cgroup_is_knob("cpu.cfs_quota_us"));
	assert_false(cgr_cgroup_is_knob("memory.stat"));
	assert_false(cgr_cgroup_is_knob("cgroup.procs"));
	json_decref(knobs);
	json_decref(counters);
}

static void put_lines(const char *root, const char *name, const char *lines)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%s/%s", root, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(lines, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

/* An idle cgroup costs few reads; what moves is seen at once, what nothing else tells of within a second. */
static void test_idle_cgroups_are_looked_at_in_part(void **state)
{
	char root[] = P_tmpdir "/cgr-files-XXXXXX", command[600];
	struct cgr_cgroupfs fs = { .count = 1, .hierarchy = { { .id = 1, .version = 1, .controllers = "memory" } } };
	const struct cgr_cgroup cgroup = { .path = "/", .dir = { { 0, 10 } }, .dir_count = 1 };
	struct cgr_cgroup_files files;
	json_t *counters = json_object();
	unsigned reads;

	(void)state;
	assert_non_null(mkdtemp(root));
	(void)snprintf(fs.hierarchy[0].mount, sizeof(fs.hierarchy[0].mount), "%s", root);
	put_lines(root, "memory.stat", "pgpgin 10\n");
	put_lines(root, "memory.failcnt", "1\n");
	cgr_cgroup_files_open(&fs, &cgroup, &files);
	assert_int_equal(files.count, 2);
	assert_true(cgr_cgroup_files_read(&files, NULL, counters)); /* the first time all of them */
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.failcnt")), 1);

	put_lines(root, "memory.failcnt", "2\n");
	put_lines(root, "memory.stat", "pgpgin 11\n");
	assert_true(cgr_cgroup_files_read(&files, NULL, counters));
	assert_int_equal(json_integer_value(json_object_get(counters, "memory.failcnt")), 2);

	put_lines(root, "memory.failcnt", "3\n");
	for (reads = 0; reads < 20; reads++) {
		assert_true(cgr_cgroup_files_read(&files, NULL, counters));
		if (json_integer_value(json_object_get(counters, "memory.failcnt")) == 3)
			break;
	}
	assert_true(reads > 0 && reads < 10);
	cgr_cgroup_files_close(&files);
	json_decref(counters);
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static void test_globs_select_subtrees(void **state)
{
	const char *const globs[] = { "/web", "/kube*/pod?" };

	(void)state;
	assert_true(cgr_cgroup_selected("/web", globs, 2));
	assert_true(cgr_cgroup_selected("/web/worker/1", globs, 2));
	assert_false(cgr_cgroup_selected("/webber", globs, 2));
	assert_true(cgr_cgroup_selected("/kubepods/pod7/c", globs, 2));
	assert_false(cgr_cgroup_selected("/kubepods", globs, 2));
	assert_false(cgr_cgroup_selected("/", globs, 2));
}

static void test_bytes_that_are_no_text(void **state)
{
	json_t *value = cgr_json_text("a\xff\xc3\xa4\xc0\x80", 6);

	(void)state;
	assert_string_equal(json_string_value(value), "a\\xff\xc3\xa4\\xc0\\x80");
	json_decref(value);
}

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void test_container_names(void **state)
{
	json_t *c = cgr_container_json("/kubepods.slice/kubepods-burstable.slice/"
	                               "kubepods-burstable-pod1234abcd_12ab_34cd_56ef_1234567890ab.slice/"
	                               "cri-containerd-" ID ".scope",
	                               "");

	(void)state;
	assert_string_equal(json_string_value(json_object_get(c, "runtime")), "containerd");
	assert_string_equal(json_string_value(json_object_get(c, "container_id")), ID);
	assert_string_equal(json_string_value(json_object_get(c, "pod_uid")), "1234abcd-12ab-34cd-56ef-1234567890ab");
	json_decref(c);
	c = cgr_container_json("/docker/" ID, "");
	assert_string_equal(json_string_value(json_object_get(c, "runtime")), "docker");
	json_decref(c);
	c = cgr_container_json("/system.slice/nginx.service", "");
	assert_string_equal(json_string_value(json_object_get(c, "unit")), "nginx.service");
	json_decref(c);
	assert_null(cgr_container_json("/web/podium", ""));
	assert_null(cgr_container_json("/", ""));
}

/* ---- plan: a kernel made of files ---- */

static void put_event(const char *root, const char *name)
{
	char path[512], *slash;
	const char *colon = strchr(name, ':');

	(void)snprintf(path, sizeof(path), "%s/events/%.*s/%s/format", root, (int)(colon - name), name, colon + 1);
	for (slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(path, 0755);
		*slash = '/';
	}
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	(void)fprintf(file, "name: %s\nID: 42\nformat:\n", colon + 1);
	(void)fclose(file);
}

static const struct cgr_planned_event *find(const struct cgr_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->event[i].name, name) == 0)
			return &plan->event[i];
	return NULL;
}

static void test_plan_takes_what_is_there(void **state)
{
	char root[] = P_tmpdir "/cgr-plan-XXXXXX", command[600];
	struct cgr_btf *btf = load_btf(0);
	struct cgr_timer_symbols symbols = { .address = { [CGR_SYMBOL_hrtimer_wakeup] = 0xffffffff81000010u } };
	struct cgr_cgroupfs fs = { .count = 1, .hierarchy = { { .id = 4, .version = 1, .controllers = "memory" } } };
	struct cgr_cgroup groups[3] = { { .path = "/", .dir = { { 0, 1 } }, .dir_count = 1 },
		                            { .path = "/other", .dir = { { 0, 7 } }, .dir_count = 1 },
		                            { .path = "/web", .dir = { { 0, 9 } }, .dir_count = 1 } };
	struct cgr_cgroup_list list = { .cgroup = groups, .count = 3 };
	const char *const globs[] = { "/web" };
	struct cgr_plan plan;
	struct cgr_error err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(root));
	put_event(root, "sched:sched_switch");
	put_event(root, "timer:hrtimer_start");
	put_event(root, "timer:hrtimer_expire_entry");
	put_event(root, "memcg:mod_memcg_lruvec_state");
	put_event(root, "memcg:count_memcg_events");
	struct cgr_plan_input input = {
		.tracefs = root, .presets = CGR_PRESET_FULL, .btf = btf, .symbols = &symbols, .fs = &fs, .cgroups = &list
	};
	assert_int_equal(cgr_plan_make(&input, &plan, &err), 0);
	assert_int_equal(plan.signal[CGR_SIG_switch_].use->kind, CGR_SOURCE_TRACEPOINT);
	assert_null(plan.signal[CGR_SIG_wakeup].use);
	assert_non_null(strstr(plan.signal[CGR_SIG_wakeup].why, "sched:sched_waking"));
	assert_int_equal(plan.signal[CGR_SIG_kmem].use->kind, CGR_SOURCE_SAMPLING);
	/* names this kernel lacks are left out of the filter, known ones carry its numbers */
	/* ... and what is rejected most comes first: small numbers, then single anonymous pages, then mapped file pages */
	assert_string_equal(find(&plan, "mod_memcg_lruvec_state")->filter,
	                    "item>=17&&(item!=17||val>1||val<-1)&&item!=18&&(item==19||item==17)");
	assert_true(plan.anon_implied);
	assert_string_equal(find(&plan, "count_memcg_events")->filter, "item!=23");
	assert_string_equal(find(&plan, "hrtimer_start")->filter, "function==0xffffffff81000010");
	assert_int_equal(find(&plan, "sched_switch")->id, 42);
	cgr_plan_fini(&plan);

	input.globs = globs;
	input.glob_count = 1;
	assert_int_equal(cgr_plan_make(&input, &plan, &err), 0);
	assert_true(plan.scoped);
	assert_string_equal(find(&plan, "count_memcg_events")->filter, "(item!=23)&&(id!=1&&id!=7)");
	assert_string_equal(find(&plan, "count_memcg_events")->wide_filter, "(item!=23)&&(id!=0&&id!=0)");
	assert_string_equal(find(&plan, "mod_memcg_lruvec_state")->filter,
	                    "(item>=17&&(item!=17||val>1||val<-1)&&item!=18&&(item==19||item==17))&&(id!=1&&id!=7)");
	assert_string_equal(find(&plan, "sched_switch")->filter, "");
	cgr_plan_fini(&plan);

	for (unsigned memcg = 1; memcg <= 2; memcg++) { /* no charges are told without cgroup v1: pages are, one by one */
		struct cgr_btf *other = load_btf(memcg);

		input.btf = other;
		assert_int_equal(cgr_plan_make(&input, &plan, &err), 0);
		assert_int_equal(plan.signal[CGR_SIG_charge].use->kind,
		                 memcg == 1 ? CGR_SOURCE_SAMPLING : CGR_SOURCE_TRACEPOINT);
		assert_int_equal(strstr(plan.signal[CGR_SIG_charge].why, "CONFIG_MEMCG_V1") != NULL, memcg == 1);
		assert_int_equal(plan.anon_implied, memcg == 2);
		cgr_plan_fini(&plan);
		cgr_btf_free(other);
	}
	input.btf = NULL; /* without type information the numbers mean nothing: the signal falls back */
	assert_int_equal(cgr_plan_make(&input, &plan, &err), 0);
	assert_int_equal(plan.signal[CGR_SIG_charge].use->kind, CGR_SOURCE_SAMPLING);
	cgr_plan_fini(&plan);
	cgr_btf_free(btf);
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

/* No kprobes, no tracepoints: the function tracer stands in where it knows the functions and their addresses. */
static void test_plan_takes_the_function_tracer(void **state)
{
	char root[] = P_tmpdir "/cgr-plan-XXXXXX", command[600];
	struct cgr_timer_symbols symbols = { .address = { [CGR_SYMBOL_throttle_cfs_rq] = 0xffffffff81000040u } };
	struct cgr_cgroupfs fs = { 0 };
	struct cgr_cgroup_list list = { 0 };
	struct cgr_plan plan;
	struct cgr_error err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(root));
	put_event(root, "ftrace:function");
	put_lines(root, "available_tracers", "blk nop function\n");
	put_lines(root, "available_filter_functions", "throttle_cfs_rq\nother [module]\nunthrottle_cfs_rq\n");
	struct cgr_plan_input input = {
		.tracefs = root, .functions = true, .presets = CGR_PRESET_CPU, .symbols = &symbols, .fs = &fs, .cgroups = &list
	};
	assert_int_equal(cgr_plan_make(&input, &plan, &err), 0);
	assert_int_equal(plan.signal[CGR_SIG_throttle].use->kind, CGR_SOURCE_FUNCTION);
	assert_string_equal(find(&plan, "function")->functions, "throttle_cfs_rq unthrottle_cfs_rq");
	assert_int_equal(plan.count, 1);
	cgr_plan_without_functions(&plan, "refused"); /* found out later */
	assert_int_equal(plan.signal[CGR_SIG_throttle].use->kind, CGR_SOURCE_SAMPLING);
	assert_string_equal(plan.signal[CGR_SIG_throttle].why, "refused");
	assert_int_equal(plan.count, 0);
	cgr_plan_fini(&plan);

	const struct {
		const char *file, *lines, *why;
		uint64_t address;
	} bad[] = { { "available_tracers", "blk nop function_graph\n", "no function tracer in this kernel", 1 },
		        { "available_tracers", "function\n", "addresses of kernel functions are hidden", 0 },
		        { "available_filter_functions", "throttle_cfs_rq\n", "knows no function unthrottle_cfs_rq", 1 } };
	for (size_t i = 0; i < CGR_ARRAY_SIZE(bad); i++) {
		put_lines(root, bad[i].file, bad[i].lines);
		symbols.address[CGR_SYMBOL_throttle_cfs_rq] = bad[i].address;
		assert_int_equal(cgr_plan_make(&input, &plan, &err), 0);
		assert_int_equal(plan.signal[CGR_SIG_throttle].use->kind, CGR_SOURCE_SAMPLING);
		assert_non_null(strstr(plan.signal[CGR_SIG_throttle].why, bad[i].why));
		cgr_plan_fini(&plan);
	}
	(void)snprintf(command, sizeof(command), "rm -r %s", root);
	assert_int_equal(system(command), 0);
}

static void test_probe_needs_type_information(void **state)
{
	struct cgr_btf *btf = load_btf(0);
	struct cgr_error err = { 0 };
	char *probe = NULL;

	(void)state;
	assert_int_equal(cgr_probe_text("g", "memcg", "count_memcg_events", btf, &probe, &err), CGR_E_UNAVAILABLE);
	assert_non_null(strstr(err.cause[0], "mem_cgroup.css.cgroup"));
	assert_int_equal(cgr_probe_text("g", "memcg", "unheard_of", btf, &probe, &err), CGR_E_UNAVAILABLE);
	cgr_btf_free(btf);
	if (cgr_btf_new(NULL, &btf, &err) < 0)
		skip();
	assert_int_equal(cgr_probe_text("g", "memcg", "count_memcg_events", btf, &probe, &err), 0);
	assert_ptr_equal(strstr(probe, "p:g/count_memcg_events __count_memcg_events id=+"), probe);
	assert_non_null(strstr(probe, "($arg1))):u64 item=$arg2:s32 val=$arg3:u64"));
	free(probe);
	cgr_btf_free(btf);
}

/* ---- journal and flight recorder ---- */

static void add_page(struct cgr_journal *journal, uint32_t cpu, uint8_t fill)
{
	uint8_t page[4096], frame[8192];
	struct cgr_error err = { 0 };

	memset(page, fill, sizeof(page));
	size_t got = ZSTD_compress(frame, sizeof(frame), page, sizeof(page), 1);
	assert_int_equal(cgr_journal_chunk(journal, cpu, frame, (uint32_t)got, sizeof(page), &err), 0);
}

static uint8_t *read_whole(const char *path, size_t *ret_length)
{
	FILE *file = fopen(path, "rb");
	uint8_t *data = malloc(1 << 20);

	assert_non_null(file);
	*ret_length = fread(data, 1, 1 << 20, file);
	(void)fclose(file);
	return data;
}

static const uint8_t *find_option(const uint8_t *file, uint64_t options, uint16_t id)
{
	for (uint64_t at = options + CGR_TD_SECTION_HEADER_BYTES;;) {
		uint16_t here = cgr_td_get_u16(file + at);
		if (here == id)
			return file + at + CGR_TD_OPTION_HEADER_BYTES;
		assert_int_not_equal(here, CGR_TD_DONE);
		at += CGR_TD_OPTION_HEADER_BYTES + cgr_td_get_u32(file + at + 2);
	}
}

static void test_journal_becomes_a_trace(void **state)
{
	char dir[] = P_tmpdir "/cgr-journal-XXXXXX", path[64], partial[80];
	struct cgr_journal journal;
	struct cgr_error err = { 0 };
	struct cgr_td_bytes none = { 0 };
	size_t length;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/x.dat", dir);
	(void)snprintf(partial, sizeof(partial), "%s/x.dat.partial", dir);
	assert_int_equal(cgr_journal_open(&journal, path, 4096, NULL, &err), 0);
	/* a second recorder with the same name is refused while we live */
	struct cgr_journal second;
	assert_int_equal(cgr_journal_open(&second, path, 4096, NULL, &err), CGR_E_USAGE);
	cgr_journal_close(&second, 0);
	assert_int_equal(cgr_journal_section(&journal, CGR_TD_HEADER_INFO, "abc", 3, &err), 0);
	add_page(&journal, 1, 0x11);
	add_page(&journal, 0, 0x22);
	add_page(&journal, 1, 0x33);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(cgr_journal_finish(&journal, path, 2, "mono", &none, &err), 0);
	cgr_journal_close(&journal, 1);
	assert_int_equal(access(partial, F_OK), -1);

	uint8_t *file = read_whole(path, &length);
	size_t at = CGR_TD_MAGIC_BYTES + 2 + 2 + 4 + 5;
	at += strlen((const char *)file + at) + 1;
	uint64_t options = cgr_td_get_u64(file + at);
	assert_true(options > 0 && options < length);
	assert_int_equal(cgr_td_get_u32(find_option(file, options, CGR_TD_CPUCOUNT)), 2);
	const uint8_t *buffer = find_option(file, options, CGR_TD_BUFFER);
	/* offset, "", "mono", page, count, then {cpu, offset, size} */
	const uint8_t *cpus = buffer + 8 + 1 + 5;
	assert_int_equal(cgr_td_get_u32(cpus), 4096);
	assert_int_equal(cgr_td_get_u32(cpus + 4), 2);
	const uint8_t *second_cpu = cpus + 8 + 20;
	assert_int_equal(cgr_td_get_u32(second_cpu), 1);
	uint64_t data = cgr_td_get_u64(second_cpu + 4);
	assert_int_equal(data % 4096, 0);
	assert_int_equal(cgr_td_get_u32(file + data), 2);
	uint8_t page[4096];
	uint32_t packed = cgr_td_get_u32(file + data + 4);
	assert_int_equal(ZSTD_decompress(page, sizeof(page), file + data + 12, packed), 4096);
	assert_int_equal(page[5], 0x11);
	free(file);
	(void)unlink(path);
	(void)rmdir(dir);
}

static void test_journal_of_a_killed_recorder_is_kept(void **state)
{
	char dir[] = P_tmpdir "/cgr-journal-XXXXXX", path[64];
	struct cgr_journal journal;
	struct cgr_error err = { 0 };
	char moved[80], command[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/x.dat", dir);
	assert_int_equal(cgr_journal_open(&journal, path, 4096, NULL, &err), 0);
	cgr_journal_close(&journal, 0); /* as if killed: the file stays, the lock goes */
	assert_int_equal(cgr_journal_open(&journal, path, 4096, NULL, &err), 0);
	(void)snprintf(moved, sizeof(moved), "%s.partial.1", path);
	assert_int_equal(access(moved, F_OK), 0);
	cgr_journal_close(&journal, 1);
	(void)snprintf(command, sizeof(command), "rm -r %s", dir);
	assert_int_equal(system(command), 0);
}

static void test_flight_keeps_the_last_bytes(void **state)
{
	struct cgr_flight flight;
	struct cgr_error err = { 0 };
	uint8_t frame[1000] = { 0 };

	(void)state;
	cgr_flight_init(&flight, 10000);
	assert_int_equal(cgr_flight_json(&flight, CGR_TD_SNAPSHOT, json_pack("{s:s}", "when", "start"), &err), 0);
	for (int i = 0; i < 50; i++)
		assert_int_equal(cgr_flight_chunk(&flight, 0, frame, sizeof(frame), 4096, &err), 0);
	assert_true(flight.bytes <= 10000);
	assert_int_equal(flight.count, 10);
	/* the snapshot had to go from the ring, and is kept aside: events without one mean little */
	assert_int_equal(flight.base.id, CGR_TD_SNAPSHOT);
	cgr_flight_fini(&flight);
}

static bool pulled(const char *what, const char *counter, int64_t first, int64_t second)
{
	struct cgr_trigger trigger;
	struct cgr_error err = { 0 };
	json_t *a = json_pack("{s:I}", counter, (json_int_t)first), *b = json_pack("{s:I}", counter, (json_int_t)second);

	assert_int_equal(cgr_trigger_parse(&trigger, what, &err), 0);
	cgr_trigger_watch(&trigger, 1000000000, "/x", a);
	cgr_trigger_watch(&trigger, 2000000000, "/x", b);
	bool hit = atomic_load(&trigger.hit);
	json_decref(a);
	json_decref(b);
	cgr_trigger_fini(&trigger);
	return hit;
}

/* One chunk per CPU and time: a page whose head says when its first event was. */
static void add_timed_page(struct cgr_flight *flight, uint32_t cpu, uint64_t begin_ns)
{
	uint8_t page[4096] = { 0 }, frame[8192];
	struct cgr_error err = { 0 };

	cgr_td_put_u64(page, begin_ns);
	size_t length = ZSTD_compress(frame, sizeof(frame), page, sizeof(page), 1);
	assert_false(ZSTD_isError(length));
	assert_int_equal(cgr_flight_chunk(flight, cpu, frame, (uint32_t)length, sizeof(page), &err), 0);
}

static void test_flight_starts_with_what_is_kept(void **state)
{
	const struct cgr_clock mono = { 0 };
	struct cgr_flight flight;

	(void)state;
	cgr_flight_init(&flight, 100000);
	assert_int_equal(cgr_flight_start_ns(&flight, &mono), 0);
	add_timed_page(&flight, 3, 700);
	add_timed_page(&flight, 1, 500);
	add_timed_page(&flight, 1, 400); /* a later chunk of a CPU does not begin it */
	assert_int_equal(cgr_flight_start_ns(&flight, &mono), 500);
	cgr_flight_fini(&flight);
}

static void put_record(uint8_t *page, uint32_t *at, uint32_t type_word, uint16_t id, uint32_t data_bytes)
{
	cgr_td_put_u32(page + *at, type_word);
	cgr_td_put_u16(page + *at + 4 + (type_word == 0 ? 4 : 0), id);
	if (type_word == 0)
		cgr_td_put_u32(page + *at + 4, data_bytes + 4);
	*at += 4 + (type_word == 0 ? 4u : 0) + data_bytes;
}

static void test_kinds_of_events_in_a_page(void **state)
{
	static struct cgr_kinds kinds;
	const struct cgr_cost cost = { .kind = { { 7, 100 }, { 9, 400 } }, .count = 2 };
	uint8_t page[4096] = { 0 };
	uint32_t at = 16;

	(void)state;
	put_record(page, &at, 2, 7, 8);
	put_record(page, &at, 30, 0, 4); /* time extend: carries no event */
	put_record(page, &at, 0, 9, 120); /* length in a word of its own */
	put_record(page, &at, 3, 7, 12);
	put_record(page, &at, 1, 11, 4);
	cgr_td_put_u64(page + 8, at - 16);
	cgr_kinds_count(&kinds, page, sizeof(page));
	assert_int_equal(kinds.seen[7], 2);
	assert_int_equal(kinds.seen[9], 1);
	assert_int_equal(kinds.seen[11], 1);
	/* 100 + 100 + 400 and the mean of what is known, 250, over four */
	assert_int_equal(cgr_cost_mean_ps(&cost, &kinds, 1), 212500);
	/* a page that says it holds more than it does, and one torn in a record, are left where they stop making sense */
	memset(page + 16, 0, sizeof(page) - 16);
	cgr_td_put_u64(page + 8, UINT64_MAX);
	cgr_kinds_count(&kinds, page, sizeof(page));
	assert_int_equal(kinds.seen[0], 0);
}

static void put_file(const char *dir, const char *name, size_t bytes)
{
	char path[128];
	static const char zero[4096];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, zero, bytes), (ssize_t)bytes);
	(void)close(fd);
}

static void test_segments_are_counted_and_trimmed(void **state)
{
	char dir[] = P_tmpdir "/cgr-segment-XXXXXX", path[64], command[128];
	struct cgr_segment_set set;
	struct cgr_error err = { 0 };

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/x.dat", dir);
	put_file(dir, "x.dat.0002", 100);
	put_file(dir, "x.dat.0011", 300);
	put_file(dir, "x.dat.0012.partial", 50); /* left by a killed recorder */
	put_file(dir, "x.dat.1", 7); /* not ours: no four digits */
	put_file(dir, "x.dat.0003.bak", 7);
	put_file(dir, "y.dat.0099", 7);
	assert_int_equal(cgr_segment_set_load(&set, path, &err), 0);
	assert_int_equal(set.count, 3);
	assert_int_equal(set.bytes, 450);
	assert_int_equal(set.first, 13);
	assert_int_equal(set.next, 13);
	char *name = cgr_segment_name(path, set.next);
	put_file(dir, "x.dat.0013", 200);
	assert_int_equal(cgr_segment_set_add(&set, 13, name, &err), 0);
	free(name);
	/* the oldest go first; those of the recording before are not counted as ours */
	assert_int_equal(cgr_segment_set_trim(&set, 350, &err), 0);
	assert_int_equal(set.bytes, 250);
	assert_int_equal(set.removed, 0);
	assert_int_equal(cgr_segment_set_trim(&set, 0, &err), 0);
	assert_int_equal(set.count, 0);
	assert_int_equal(set.removed, 1);
	cgr_segment_set_fini(&set);
	(void)snprintf(command, sizeof(command), "test $(ls %s | wc -l) = 3 && rm -r %s", dir, dir);
	assert_int_equal(system(command), 0);
}

static void test_triggers(void **state)
{
	struct cgr_trigger trigger;
	struct cgr_error err = { 0 };

	(void)state;
	assert_false(pulled("oom", "memory.events.oom_kill", 3, 3));
	assert_true(pulled("oom", "memory.events.oom_kill", 3, 4));
	assert_false(pulled("throttle=20", "cpu.stat.throttled_usec", 0, 190000));
	assert_true(pulled("throttle=20", "cpu.stat.throttled_usec", 0, 210000));
	assert_true(pulled("memory.current>500M", "memory.current", 1, 500 * 1048576ll + 1));
	assert_false(pulled("memory.current>500M", "memory.current", 1, 500 * 1048576ll));
	assert_true(pulled("memory.current>=500M", "memory.current", 1, 500 * 1048576ll));
	assert_true(pulled("cpu.pressure.some_usec>5s", "cpu.pressure.some_usec", 1, 5000001));
	assert_false(pulled("cpu.pressure.some_usec>5s", "cpu.pressure.some_usec", 1, 5000000));
	/* a name that is nearly one of those sampled is refused; one like none of them may still come */
	json_t *sampled = json_pack("{s:i,s:i}", "memory.current", 1, "memory.peak", 1);
	const struct {
		const char *text;
		int code;
		bool unknown;
	} names[] = { { "memory.current>1M", 0, false },
		          { "memory.curent>1M", CGR_E_USAGE, true },
		          { "cpu.stat.nr_bursts>1", 0, true },
		          { "oom", 0, false } };
	for (size_t i = 0; i < CGR_ARRAY_SIZE(names); i++) {
		bool unknown;
		assert_int_equal(cgr_trigger_parse(&trigger, names[i].text, &err), 0);
		assert_int_equal(cgr_trigger_check(&trigger, sampled, &unknown, &err), names[i].code);
		assert_int_equal(unknown, names[i].unknown);
		cgr_trigger_fini(&trigger);
	}
	json_decref(sampled);
	/* a cgroup that comes after the first sample began with zero; one that was there may have any past */
	json_t *one = json_pack("{s:i}", "memory.events.oom_kill", 1);
	assert_int_equal(cgr_trigger_parse(&trigger, "oom", &err), 0);
	cgr_trigger_watch(&trigger, 1000000000, "/old", one);
	assert_false(atomic_load(&trigger.hit));
	cgr_trigger_watch(&trigger, 2000000000, "/old", one);
	cgr_trigger_watch(&trigger, 2000000000, "/new", one);
	assert_true(atomic_load(&trigger.hit));
	assert_non_null(strstr(trigger.what, "/new"));
	cgr_trigger_fini(&trigger);
	json_decref(one);
	assert_int_equal(cgr_trigger_parse(&trigger, "sometimes", &err), CGR_E_USAGE);
	cgr_trigger_fini(&trigger);
}

/* What --cgroup WORD stands for; "" when it is refused. */
static void resolved(const char *word, const char *expected)
{
	static const char id[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	char pod[128], inner[160];
	(void)snprintf(pod, sizeof(pod), "/docker/%s", id);
	(void)snprintf(inner, sizeof(inner), "%s/init", pod);
	struct cgr_cgroup groups[] = { { .path = "/" },      { .path = "/docker" },       { .path = pod },
		                           { .path = inner },    { .path = "/web.service" },  { .path = "/web-cache" },
		                           { .path = "/batch" }, { .path = "/batch/web-log" } };
	const struct cgr_cgroup_list list = { .cgroup = groups, .count = sizeof(groups) / sizeof(groups[0]) };
	struct cgr_scope scope;
	struct cgr_error err = { 0 };
	int rc = cgr_scope_resolve(&list, &word, 1, "/nowhere", NULL, &scope, &err);

	if (expected[0] == '\0') {
		assert_int_equal(rc, CGR_E_USAGE);
		assert_non_null(strstr(err.cause[0], word));
		return;
	}
	assert_int_equal(rc, 0);
	assert_string_equal(scope.glob[0], expected);
	cgr_scope_fini(&scope);
}

static void test_scope_takes_paths_patterns_and_names(void **state)
{
	(void)state;
	resolved("/batch", "/batch");
	resolved("/batch/", "/batch");
	resolved("/bat*", "/bat*");
	resolved("bat*", "/bat*");
	resolved("/later*", "/later*");
	resolved("batch", "/batch");
	resolved("web", "/web.service"); /* the whole name of a unit; the others only hold the word */
	resolved("web-", ""); /* two of them */
	resolved("log", "/batch/web-log");
	/* a container's id, of which its children have the path, too */
	resolved("0123456789ab", "/docker/0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef");
	resolved("/web", "");
	resolved("nothing", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_btf_finds_enums_and_members),
		cmocka_unit_test(test_btf_refuses_every_truncation),
		cmocka_unit_test(test_v1_files_get_v2_names),
		cmocka_unit_test(test_v2_files),
		cmocka_unit_test(test_idle_cgroups_are_looked_at_in_part),
		cmocka_unit_test(test_globs_select_subtrees),
		cmocka_unit_test(test_bytes_that_are_no_text),
		cmocka_unit_test(test_container_names),
		cmocka_unit_test(test_plan_takes_what_is_there),
		cmocka_unit_test(test_plan_takes_the_function_tracer),
		cmocka_unit_test(test_probe_needs_type_information),
		cmocka_unit_test(test_journal_becomes_a_trace),
		cmocka_unit_test(test_journal_of_a_killed_recorder_is_kept),
		cmocka_unit_test(test_flight_keeps_the_last_bytes),
		cmocka_unit_test(test_flight_starts_with_what_is_kept),
		cmocka_unit_test(test_kinds_of_events_in_a_page),
		cmocka_unit_test(test_segments_are_counted_and_trimmed),
		cmocka_unit_test(test_triggers),
		cmocka_unit_test(test_scope_takes_paths_patterns_and_names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
