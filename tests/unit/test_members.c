/* Which controllers a move between cgroups concerns: as the hierarchies tell, and where nobody told them (recordings
 * made by trace-cmd or perf), whichever controller has no hierarchy of its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/members.h"
#include "store/writer.h"

static char path[64];

/* A store of one task that begins in the root and is moved to /web in hierarchy 1. */
static void write_store(int cgroup_version, const char *first, const char *second)
{
	struct cgr_store_info info = { .kernel_release = "6.18.44", .online_cpus = 1, .cgroup_version = cgroup_version };
	struct cgr_store_cgroup web = {
		.path = "/web", .born_ns = -1, .removed_ns = INT64_MAX, .released_ns = INT64_MAX, .recorded = true
	};
	struct cgr_store_css_set set = { 0, 0, 0, 0 };
	struct cgr_writer_link links[2] = { { 1, 0 }, { 4, 0 } };
	struct cgr_store_task task = {
		.tid = 100, .tgid = 100, .comm = "t", .start_ns = -1, .end_ns = INT64_MAX, .parent = CGR_ID_NONE
	};
	struct cgr_event move = { .ts_ns = 5000, .kind = CGR_EV_CGROUP_ATTACH, .a = 1, .b = 1, .c = 1, .d = 1 };
	struct cgr_writer *w = NULL;
	struct cgr_error err = { 0 };
	uint32_t id;

	assert_int_equal(cgr_writer_new(path, 0, &w, &err), 0);
	assert_int_equal(cgr_writer_set_info(w, &info, &err), 0);
	assert_int_equal(cgr_writer_add_hierarchy(w, 1, 1, first, &err), 0);
	assert_int_equal(cgr_writer_add_hierarchy(w, 4, 1, second, &err), 0);
	assert_int_equal(cgr_writer_add_cgroup(w, &web, &id, &err), 0);
	assert_int_equal(cgr_writer_add_css_set(w, &set, links, 2, &id, &err), 0);
	assert_int_equal(cgr_writer_add_task(w, &task, &id, &err), 0);
	assert_int_equal(cgr_writer_append(w, &move, 1, &err), 0);
	assert_int_equal(cgr_writer_commit(w, &err), 0);
	(void)cgr_writer_free(w);
}

static void check(int cgroup_version, const char *first, const char *second, uint32_t cpu, uint32_t memory,
                  unsigned moved)
{
	struct cgr_event move = { .ts_ns = 5000, .kind = CGR_EV_CGROUP_ATTACH, .a = 1, .b = 1, .c = 1, .d = 1 };
	struct cgr_store *store = NULL;
	struct cgr_members members = { 0 };
	struct cgr_error err = { 0 };

	write_store(cgroup_version, first, second);
	assert_int_equal(cgr_store_open(path, &store, &err), 0);
	assert_int_equal(cgr_members_init(&members, store, &err), 0);
	assert_int_equal(members.cpu_cgroup[1], 0);
	assert_int_equal(members.memory_cgroup[1], 0);
	cgr_members_event(&members, &move);
	assert_int_equal(members.cpu_cgroup[1], cpu);
	assert_int_equal(members.memory_cgroup[1], memory);
	assert_int_equal(cgr_members_moved(store, 1), moved);
	cgr_members_fini(&members);
	(void)cgr_store_free(store);
	(void)unlink(path);
}

static void told(void **state)
{
	(void)state;
	check(1, "cpu,cpuacct", "memory", 1, 0, CGR_MOVE_CPU);
	check(1, "memory", "cpu", 0, 1, CGR_MOVE_MEMORY);
	check(1, "cpuset", "memory,cpu", 0, 0, CGR_MOVE_CPUSET);
	check(2, "", "", 1, 1, CGR_MOVE_CPU | CGR_MOVE_MEMORY | CGR_MOVE_CPUSET);
}

static void not_told(void **state)
{
	(void)state;
	check(0, "", "", 1, 1, CGR_MOVE_CPU | CGR_MOVE_MEMORY | CGR_MOVE_CPUSET);
	check(1, "", "memory", 1, 0, CGR_MOVE_CPU | CGR_MOVE_CPUSET);
	check(1, "name=systemd", "", 0, 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(told), cmocka_unit_test(not_told) };

	(void)snprintf(path, sizeof(path), "/tmp/cgr-test-members-%d.db", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
