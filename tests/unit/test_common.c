/* common/: the pieces every folder stands on. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/cgroupname.h"
#include "common/histogram.h"
#include "common/optparse.h"
#include "common/units.h"
#include "common/util.h"

static void sizes(void **state)
{
	static const struct {
		const char *text;
		int64_t bytes;
	} good[] = { { "0", 0 },
		         { "4096", 4096 },
		         { "64K", 65536 },
		         { "512M", 512ll << 20 },
		         { "1.5G", 3ll << 29 },
		         { "512Mi", 512ll << 20 },
		         { "max", CGR_UNLIMITED },
		         { "-1", CGR_UNLIMITED } };
	static const char *const bad[] = { "", "M", "12X", "-5", "1.M", "99999999999999999999", "9999999T", " 5" };
	int64_t bytes;
	(void)state;

	for (size_t i = 0; i < CGR_ARRAY_SIZE(good); i++) {
		assert_int_equal(cgr_parse_bytes(good[i].text, &bytes, NULL), 0);
		assert_int_equal(bytes, good[i].bytes);
	}
	for (size_t i = 0; i < CGR_ARRAY_SIZE(bad); i++)
		assert_int_equal(cgr_parse_bytes(bad[i], &bytes, NULL), CGR_E_USAGE);
}

static void durations_and_cpulists(void **state)
{
	int64_t ns;
	uint64_t mask[2];
	(void)state;

	assert_int_equal(cgr_parse_duration("30s", &ns, NULL), 0);
	assert_int_equal(ns, 30000000000);
	assert_int_equal(cgr_parse_duration("1.5", &ns, NULL), 0);
	assert_int_equal(ns, 1500000000);
	assert_int_equal(cgr_parse_duration("100ms", &ns, NULL), 0);
	assert_int_equal(ns, 100000000);
	assert_int_equal(cgr_parse_duration("5 parsecs", &ns, NULL), CGR_E_USAGE);
	assert_int_equal(cgr_parse_cpulist("0-2,65\n", mask, 2, NULL), 0);
	assert_int_equal(mask[0], 7);
	assert_int_equal(mask[1], 2);
	assert_int_equal(cgr_parse_cpulist("3-1", mask, 2, NULL), CGR_E_USAGE);
	assert_int_equal(cgr_parse_cpulist("128", mask, 2, NULL), CGR_E_USAGE);
	assert_int_equal(cgr_parse_cpulist("1,,2", mask, 2, NULL), CGR_E_USAGE);
}

static void numbers_for_people(void **state)
{
	char text[32];
	(void)state;

	assert_string_equal(cgr_format_bytes(412 << 20, text, sizeof(text)), "412M");
	assert_string_equal(cgr_format_bytes(1536, text, sizeof(text)), "1.5K");
	assert_string_equal(cgr_format_bytes(CGR_UNLIMITED, text, sizeof(text)), "max");
	assert_string_equal(cgr_format_count(20540, text, sizeof(text)), "20.5k");
	assert_string_equal(cgr_format_count(9999, text, sizeof(text)), "9999");
	assert_string_equal(cgr_format_usec(43120000, text, sizeof(text)), "43.12s");
	assert_string_equal(cgr_format_usec(1500, text, sizeof(text)), "1.5ms");
}

static void causes_keep_the_innermost(void **state)
{
	struct cgr_error err = { 0 };
	char text[4096];
	(void)state;

	assert_int_equal(cgr_error_set(&err, CGR_E_INPUT, "a.dat:%d: bad", 42), CGR_E_INPUT);
	assert_int_equal(cgr_error_cause(&err, "importing"), CGR_E_INPUT);
	cgr_error_format(&err, text, sizeof(text));
	assert_string_equal(text, "importing: a.dat:42: bad");
	/* what two callers say is printed once, and the file where its offset is */
	assert_int_equal(cgr_error_set(&err, CGR_E_INPUT, "a.dat:%d: bad", 42), CGR_E_INPUT);
	cgr_error_cause(&err, "a.dat");
	cgr_error_cause(&err, "a.dat");
	cgr_error_format(&err, text, sizeof(text));
	assert_string_equal(text, "a.dat:42: bad");
	for (int i = 0; i < 20; i++)
		cgr_error_cause(&err, "layer %d", i);
	cgr_error_format(&err, text, sizeof(text));
	assert_non_null(strstr(text, "a.dat:42: bad"));
	assert_int_equal(cgr_error_exit_status(CGR_E_INPUT), 3);
	assert_int_equal(cgr_error_exit_status(CGR_E_SCENARIO), 2);
	assert_int_equal(cgr_error_exit_status(CGR_E_CHECK), 1);
}

static void ids_are_dense_and_stable(void **state)
{
	struct cgr_intern table = { 0 };
	uint32_t id;
	bool fresh;
	(void)state;

	for (uint64_t i = 0; i < 100000; i++) {
		assert_int_equal(cgr_intern_id(&table, i * 0x10001, &id, &fresh, NULL), 0);
		assert_true(fresh);
		assert_int_equal(id, i);
	}
	for (uint64_t i = 0; i < 100000; i++)
		assert_int_equal(cgr_intern_find(&table, i * 0x10001), i);
	assert_int_equal(cgr_intern_find(&table, 7), UINT32_MAX);
	cgr_intern_fini(&table);
}

static void histograms_of_different_reach_merge(void **state)
{
	struct cgr_histogram near = { 0 }, far = { 0 };
	(void)state;

	assert_int_equal(cgr_histogram_at(&near, 0), 0);
	assert_int_equal(cgr_histogram_add(&near, 3), 0);
	assert_true(near.buckets < CGR_HISTOGRAM_BUCKETS / 8); /* a short time takes little room */
	assert_int_equal(cgr_histogram_add(&far, 3), 0);
	assert_int_equal(cgr_histogram_add(&far, 1000000), 0);
	assert_int_equal(cgr_histogram_at(&near, far.buckets - 1), 0);
	assert_int_equal(cgr_histogram_merge(&far, &near), 0);
	assert_int_equal(far.count, 3);
	assert_int_equal(cgr_histogram_at(&far, 3), 2);
	assert_int_equal(cgr_histogram_merge(&near, &far), 0);
	assert_int_equal(near.count, 4);
	assert_int_equal(near.maximum, 1000000);
	assert_int_equal(cgr_histogram_quantile(&near, 750), 3);
	assert_int_equal(cgr_histogram_quantile(&near, 1000), 1000000);
	cgr_histogram_fini(&near);
	cgr_histogram_fini(&far);
}

static void quantiles_are_within_a_bucket(void **state)
{
	struct cgr_histogram h = { 0 };
	(void)state;

	for (uint64_t v = 1; v <= 100000; v++)
		assert_int_equal(cgr_histogram_add(&h, v), 0);
	uint64_t p50 = cgr_histogram_quantile(&h, 500), p99 = cgr_histogram_quantile(&h, 990);

	assert_in_range(p50, 50000, 50000 + 50000 / 32 + 1);
	assert_in_range(p99, 99000, 100000);
	assert_int_equal(cgr_histogram_quantile(&h, 1000), 100000);
	assert_int_equal(cgr_histogram_add(&h, UINT64_MAX), 0);
	assert_int_equal(cgr_histogram_quantile(&h, 1000), UINT64_MAX);
	for (unsigned i = 0; i + 1 < CGR_HISTOGRAM_BUCKETS; i++)
		assert_int_equal(cgr_histogram_bucket_high(i) + 1, cgr_histogram_bucket_low(i + 1));
	cgr_histogram_fini(&h);
}

static void random_is_reproducible(void **state)
{
	struct cgr_rng a, b, c;
	(void)state;

	cgr_rng_init(&a, 1);
	cgr_rng_init(&b, 1);
	cgr_rng_init(&c, 2);
	bool differs = false;

	for (int i = 0; i < 1000; i++) {
		uint64_t x = cgr_rng_next(&a);
		assert_true(x == cgr_rng_next(&b));
		differs |= x != cgr_rng_next(&c);
		assert_true(cgr_rng_below(&a, 10) < 10);
		(void)cgr_rng_below(&b, 10);
	}
	assert_true(differs);
}

static void output_appears_whole_or_not(void **state)
{
	char path[] = "/tmp/cgr-test-out-XXXXXX";
	struct cgr_outfile file;
	char *text = NULL;
	(void)state;

	(void)close(mkstemp(path));
	assert_int_equal(cgr_outfile_open(&file, path, NULL), 0);
	assert_int_equal(cgr_write_all(file.fd, "new", 3, path, NULL), 0);
	cgr_outfile_abort(&file);
	assert_int_equal(cgr_file_read(path, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "");
	free(text);
	assert_int_equal(cgr_outfile_open(&file, path, NULL), 0);
	assert_int_equal(cgr_write_all(file.fd, "new", 3, path, NULL), 0);
	assert_int_equal(cgr_outfile_commit(&file, NULL), 0);
	assert_int_equal(cgr_file_read(path, 100, &text, NULL, NULL), 0);
	assert_string_equal(text, "new");
	free(text);
	assert_int_equal(cgr_file_read(path, 2, &text, NULL, NULL), CGR_E_LIMIT);
	(void)unlink(path);
}

/* timeout(1) signals its child and then its group: one request, and the recording is put in its place. A later one
 * kills. */
static void two_signals_at_once_are_one(void **state)
{
	struct timespec later = { .tv_nsec = 700000000 };
	int status;
	(void)state;

	for (int kills = 0; kills < 2; kills++) {
		pid_t child = fork();

		assert_true(child >= 0);
		if (child == 0) {
			cgr_interrupt_install();
			(void)raise(SIGINT);
			(void)raise(SIGINT);
			(void)raise(SIGTERM);
			if (kills) {
				(void)nanosleep(&later, NULL);
				(void)raise(SIGINT);
			}
			_exit(cgr_interrupt_signal() == SIGINT ? 7 : 8);
		}
		assert_int_equal(waitpid(child, &status, 0), child);
		if (kills)
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGINT);
		else
			assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	}
}

/* A rename onto a device would replace the device: it happened to /dev/null. */
static void output_replaces_only_regular_files(void **state)
{
	char folder[] = "/tmp/cgr-test-out-XXXXXX", fifo[64], file_path[64], link_path[64];
	struct cgr_outfile file;
	struct stat st;
	(void)state;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(fifo, sizeof(fifo), "%s/fifo", folder);
	(void)snprintf(file_path, sizeof(file_path), "%s/file", folder);
	(void)snprintf(link_path, sizeof(link_path), "%s/link", folder);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(cgr_outfile_check(fifo, NULL), CGR_E_USAGE);
	assert_int_equal(cgr_outfile_open(&file, fifo, NULL), CGR_E_USAGE);
	assert_int_equal(cgr_outfile_check(folder, NULL), CGR_E_USAGE);
	assert_int_equal(cgr_outfile_check("", NULL), CGR_E_USAGE);
	assert_int_equal(cgr_outfile_check("-", NULL), CGR_E_USAGE);
	assert_int_equal(cgr_outfile_check(file_path, NULL), 0);
	/* through a link: the link stays, its target is replaced */
	(void)close(open(file_path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	assert_int_equal(symlink("file", link_path), 0);
	/* what is read is not written over, whatever it is called */
	assert_int_equal(cgr_outfile_refuse_input(link_path, file_path, NULL), CGR_E_USAGE);
	assert_int_equal(cgr_outfile_refuse_input(folder, file_path, NULL), 0);
	assert_int_equal(cgr_outfile_refuse_input(NULL, file_path, NULL), 0);
	assert_int_equal(cgr_outfile_open(&file, link_path, NULL), 0);
	assert_int_equal(cgr_write_all(file.fd, "new", 3, link_path, NULL), 0);
	assert_int_equal(cgr_outfile_commit(&file, NULL), 0);
	assert_int_equal(lstat(link_path, &st), 0);
	assert_true(S_ISLNK(st.st_mode));
	assert_int_equal(stat(file_path, &st), 0);
	assert_int_equal(st.st_size, 3);
	(void)unlink(fifo);
	(void)unlink(link_path);
	(void)unlink(file_path);
	assert_int_equal(rmdir(folder), 0);
}

static void patterns_of_paths(void **state)
{
	(void)state;
	assert_true(cgr_name_fits("/web", "/web*"));
	assert_true(cgr_name_fits("/web2", "web?"));
	assert_false(cgr_name_fits("/web/worker", "/web*")); /* as in a shell, and in a scenario as in a rule */
	assert_true(cgr_name_fits("/web/worker", "/web/*"));
	assert_false(cgr_name_fits("/web/worker/1", "/web/*"));
	assert_true(cgr_name_fits("/web/worker/1", "/web/**"));
	assert_true(cgr_name_fits("/web/worker/1", "/w*/**"));
	assert_false(cgr_name_fits("/web", "/web/**"));
	assert_false(cgr_name_fits("/webber/1", "/web/**"));
	for (const char *const *all = (const char *const[]){ "*", "**", "/**", NULL }; *all; all++) {
		assert_true(cgr_name_fits("/web/worker/1", *all));
		assert_true(cgr_name_fits("/web", *all));
		assert_false(cgr_name_fits("/", *all));
	}
	assert_false(cgr_name_fits("/web/worker", "/*"));
	assert_true(cgr_name_is_pattern("/a[bc]"));
	assert_false(cgr_name_is_pattern("/a.b"));
}

static void options_from_a_table(void **state)
{
	static const struct cgr_command command = { .name = "test", .summary = "s", .usage = "u" };
	bool flag = false, other = true;
	const char *output = NULL, *format = "table";
	int64_t count = 0;
	struct cgr_string_list sets = { 0 };
	const struct cgr_option options[] = {
		{ .name = "flag", .letter = 'f', .type = CGR_OPT_FLAG, .value = &flag, .help = "" },
		{ .name = "other", .type = CGR_OPT_FLAG, .value = &other, .help = "" },
		{ .name = "output", .letter = 'o', .type = CGR_OPT_STRING, .value = &output, .help = "" },
		{ .name = "count",
		  .letter = 'n',
		  .type = CGR_OPT_INT,
		  .value = &count,
		  .help = "",
		  .minimum = 1,
		  .maximum = 9 },
		{ .name = "set", .type = CGR_OPT_LIST, .value = &sets, .help = "" },
		{ .name = "format", .type = CGR_OPT_ENUM, .value = &format, .choices = "table|csv|json", .help = "" },
	};
	char *argv[] = { "test",      "a.db", "-fo",          "x",  "--set", "p=1", "b", "--no-other",
		             "--set=q=2", "-n5",  "--format=csv", "--", "cmd",   "-x",  NULL };
	int positionals, rest;
	struct cgr_error err = { 0 };
	(void)state;

	assert_int_equal(cgr_options_parse(&command, options, 6, 14, argv, &positionals, &rest, &err), 0);
	assert_int_equal(positionals, 2);
	assert_string_equal(argv[1], "a.db");
	assert_string_equal(argv[2], "b");
	assert_int_equal(rest, 12);
	assert_true(flag);
	assert_false(other);
	assert_string_equal(output, "x");
	assert_int_equal(count, 5);
	assert_int_equal(sets.count, 2);
	assert_string_equal(sets.item[1], "q=2");
	assert_string_equal(format, "csv");
	cgr_string_list_fini(&sets);
	char *typo[] = { "test", "--outptu", "x", NULL };

	assert_int_equal(cgr_options_parse(&command, options, 6, 3, typo, &positionals, &rest, &err), CGR_E_USAGE);
	assert_non_null(strstr(err.cause[0], "did you mean --output?"));
	char *range[] = { "test", "-n", "10", NULL };

	assert_int_equal(cgr_options_parse(&command, options, 6, 3, range, &positionals, &rest, &err), CGR_E_USAGE);
	char *missing[] = { "test", "--output", NULL };

	assert_int_equal(cgr_options_parse(&command, options, 6, 2, missing, &positionals, &rest, &err), CGR_E_USAGE);
	char *choice[] = { "test", "--format", "tab", NULL };

	assert_int_equal(cgr_options_parse(&command, options, 6, 3, choice, &positionals, &rest, &err), CGR_E_USAGE);
}

/* A recording that cannot be put into its place is still somebody's data. */
static void adopted_file_stays_when_it_cannot_be_placed(void **state)
{
	char folder[] = "/tmp/cgr-test-out-XXXXXX", path[64], partial[80], *place;
	struct cgr_outfile file;
	(void)state;

	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof(path), "%s/file", folder);
	(void)snprintf(partial, sizeof(partial), "%s.partial", path);
	int fd = open(partial, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(cgr_outfile_adopt(&file, path, partial, fd, NULL), 0);
	assert_int_equal(mkdir(path, 0700), 0); /* rename will not put a file there */
	assert_int_equal(cgr_outfile_commit(&file, NULL), CGR_E_IO);
	cgr_outfile_abort(&file);
	assert_int_equal(access(partial, F_OK), 0);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(symlink("file.partial", path), 0);
	place = cgr_outfile_place(path);
	assert_string_equal(place, partial);
	free(place);
	(void)unlink(path);
	(void)unlink(partial);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sizes),
		cmocka_unit_test(durations_and_cpulists),
		cmocka_unit_test(numbers_for_people),
		cmocka_unit_test(causes_keep_the_innermost),
		cmocka_unit_test(ids_are_dense_and_stable),
		cmocka_unit_test(histograms_of_different_reach_merge),
		cmocka_unit_test(quantiles_are_within_a_bucket),
		cmocka_unit_test(random_is_reproducible),
		cmocka_unit_test(output_appears_whole_or_not),
		cmocka_unit_test(output_replaces_only_regular_files),
		cmocka_unit_test(two_signals_at_once_are_one),
		cmocka_unit_test(adopted_file_stays_when_it_cannot_be_placed),
		cmocka_unit_test(patterns_of_paths),
		cmocka_unit_test(options_from_a_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
