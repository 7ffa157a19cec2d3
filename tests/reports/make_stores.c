/* make_stores FOLDER: the results stores that cli.sh runs the commands on. good.db holds one run, worse.db the same
 * with more throttling and a kill, noise.db the same with less than the noise changed, sweep.db twelve limits. */
#include <stdio.h>
#include <unistd.h>

#include "tests/unit/result_fixture.h"

static void save(const char *folder, const char *name, struct cgr_result **runs, size_t count)
{
	struct cgr_error err = { 0 };
	struct cgr_results *store;
	char *path = cgr_printf("%s/%s", folder, name);
	int64_t run;
	(void)unlink(path);
	int rc = cgr_results_open(path, true, &store, &err);
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = cgr_results_append(store, runs[i], &run, &err);
	if (rc < 0) {
		char text[800];
		cgr_error_format(&err, text, sizeof text);
		(void)fprintf(stderr, "%s: %s\n", path, text);
		exit(1);
	}
	cgr_results_free(store);
	for (size_t i = 0; i < count; i++)
		cgr_result_free(runs[i]);
	free(path);
}

/* Scales throttling of /web by percent. */
static struct cgr_result *throttled(int64_t percent)
{
	struct cgr_result *r = fixture_result(256);
	for (size_t i = 0; i < r->metrics; i++)
		if (r->metric[i].cgroup == 1 && r->metric[i].metric >= 4) {
			r->metric[i].predicted = r->metric[i].predicted * percent / 100;
			r->metric[i].low = r->metric[i].low * percent / 100;
			r->metric[i].high = r->metric[i].high * percent / 100;
		}
	return r;
}

int main(int argc, char **argv)
{
	static const int64_t limits[] = { 256, 32, 64, 96, 128, 160, 192, 224, 320, 384, 448, 512 };
	struct cgr_result *runs[CGR_ARRAY_SIZE(limits)];
	if (argc != 2)
		return 2;
	runs[0] = throttled(100);
	save(argv[1], "good.db", runs, 1);
	runs[0] = throttled(101);
	save(argv[1], "noise.db", runs, 1);
	runs[0] = throttled(180);
	save(argv[1], "worse.db", runs, 1);
	for (size_t i = 0; i < CGR_ARRAY_SIZE(limits); i++)
		runs[i] = fixture_result(limits[i]);
	save(argv[1], "sweep.db", runs, CGR_ARRAY_SIZE(limits));
	return 0;
}
