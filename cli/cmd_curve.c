/* cgreplay curve: misses of the page cache at every size, from one recording, without replaying it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "replay/miss_ratio.h"

#define PAGE_BYTES 4096

static void print_point(const struct cgr_curve *curve, uint64_t pages, bool csv)
{
	uint64_t misses = cgr_curve_misses(curve, pages), accesses = cgr_curve_accesses(curve);
	double ratio = accesses ? (double)misses / (double)accesses : 0;

	if (csv)
		printf("%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.6f\n", pages * PAGE_BYTES, accesses, misses, ratio);
	else
		printf("%12.1f MiB %14" PRIu64 " %10.4f\n", (double)pages * PAGE_BYTES / 1048576.0, misses, ratio);
}

static int print_curve(const struct cgr_curve *curve, int64_t points, bool csv)
{
	uint64_t pages = cgr_curve_pages(curve), before = 0;

	if (csv)
		puts("size_bytes,accesses,misses,miss_ratio");
	else
		printf("%" PRIu64 " accesses to %" PRIu64 " pages%s\n%16s %14s %10s\n", cgr_curve_accesses(curve), pages,
		       cgr_curve_sampled(curve) ? " (sampled)" : "", "LRU of size", "misses", "ratio");
	for (int64_t i = 1; i <= points; i++) {
		uint64_t size = pages * (uint64_t)i / (uint64_t)points;
		if (size != before)
			print_point(curve, size, csv);
		before = size;
	}
	return ferror(stdout) ? CGR_E_IO : 0;
}

static int curve_of(const char *path, const char *name, int64_t points, int64_t keep, bool csv,
                    struct cgr_error *reterr)
{
	struct cgr_store *store = NULL;
	struct cgr_curve *curve = cgr_curve_new((uint32_t)keep);
	uint32_t cgroup = 0;
	int rc = curve ? cgr_store_open(path, &store, reterr) : cgr_error_set(reterr, CGR_E_NOMEM, "curve of %s", path);

	if (rc >= 0 && name)
		rc = cgr_store_find_cgroup(store, name, &cgroup, reterr);
	if (rc >= 0)
		rc = cgr_curve_read(curve, store, cgroup, reterr);
	if (rc >= 0 && !cgr_curve_accesses(curve))
		rc = cgr_error_set(reterr, CGR_E_INPUT,
		                   "%s: no reads or faults of file pages by %s were recorded; record with --preset memory",
		                   path, name ? name : "/");
	if (rc >= 0)
		rc = print_curve(curve, points, csv);
	cgr_store_free(store);
	cgr_curve_free(curve);
	return rc;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	const char *cgroup = NULL, *format = "table";
	int64_t points = 32, keep = CGR_CURVE_PAGES_DEFAULT;
	const struct cgr_option options[] = {
		{ .name = "cgroup",
		  .letter = 'c',
		  .type = CGR_OPT_STRING,
		  .value = &cgroup,
		  .argument = "PATH",
		  .help = "count the tasks of this cgroup and its descendants (default: all)" },
		{ .name = "points",
		  .type = CGR_OPT_INT,
		  .value = &points,
		  .argument = "N",
		  .help = "sizes to print",
		  .minimum = 1,
		  .maximum = 1000000 },
		{ .name = "keep",
		  .type = CGR_OPT_INT,
		  .value = &keep,
		  .argument = "PAGES",
		  .help = "distinct pages kept exactly; above, pages are sampled",
		  .minimum = CGR_CURVE_PAGES_MIN,
		  .maximum = 1 << 28 },
		{ .name = "format",
		  .type = CGR_OPT_ENUM,
		  .value = &format,
		  .argument = "FORMAT",
		  .help = "table or csv",
		  .choices = "table|csv" },
	};
	int positionals, rest, rc;

	rc = cgr_options_parse(&cgr_command_curve, options, sizeof options / sizeof *options, argc, argv, &positionals,
	                       &rest, reterr);
	if (rc != 0)
		return rc > 0 ? 0 : rc;
	if (positionals != 1)
		return cgr_error_set(reterr, CGR_E_USAGE, "curve wants one store (made by cgreplay import)");
	return curve_of(argv[1], cgroup, points, keep, !strcmp(format, "csv"), reterr);
}

const struct cgr_command cgr_command_curve = {
	.name = "curve",
	.summary = "misses of the page cache at every size, from the recorded accesses",
	.usage = "curve STORE [--cgroup PATH] [--points N]",
	.examples = "cgreplay curve web.db --cgroup /web\ncgreplay curve web.db --cgroup /web --points 100 --format csv",
	.run = run,
};
