/* cgreplay curve: misses of the page cache at every size, from one recording, without replaying it. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "common/units.h"
#include "common/util.h"
#include "replay/miss_ratio.h"
#include "reports/json.h"

struct question {
	const char *path, *cgroup, *format;
	int64_t points, keep;
};

static double ratio_of(const struct cgr_curve *curve, uint64_t misses)
{
	uint64_t accesses = cgr_curve_accesses(curve);

	return accesses ? (double)misses / (double)accesses : 0;
}

static void print_table(const struct cgr_curve *curve, const uint64_t *size, const uint64_t *misses, size_t count)
{
	printf("%" PRIu64 " accesses to %" PRIu64 " pages%s\n%16s %14s %10s\n", cgr_curve_accesses(curve),
	       cgr_curve_pages(curve), cgr_curve_sampled(curve) ? " (sampled)" : "", "LRU of size", "misses", "ratio");
	for (size_t i = 0; i < count; i++)
		printf("%12.1f MiB %14" PRIu64 " %10.4f\n", (double)size[i] * CGR_PAGE_BYTES / 1048576.0, misses[i],
		       ratio_of(curve, misses[i]));
}

static void print_csv(const struct cgr_curve *curve, const uint64_t *size, const uint64_t *misses, size_t count)
{
	printf("size_bytes,accesses,misses,miss_ratio\r\n");
	for (size_t i = 0; i < count; i++)
		printf("%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.6f\r\n", size[i] * CGR_PAGE_BYTES, cgr_curve_accesses(curve),
		       misses[i], ratio_of(curve, misses[i]));
}

/* Misses and accesses are whole numbers: whoever wants a ratio divides them. */
static int print_json(const struct cgr_curve *curve, const char *cgroup, const uint64_t *size, const uint64_t *misses,
                      size_t count, struct cgr_error *reterr)
{
	json_t *points = json_array(), *root;

	for (size_t i = 0; i < count; i++)
		json_array_append_new(points, json_pack("{s:I, s:I}", "size_bytes", (json_int_t)(size[i] * CGR_PAGE_BYTES),
		                                        "misses", (json_int_t)misses[i]));
	root = json_pack("{s:i, s:o, s:I, s:I, s:b, s:o}", "schema_version", 1, "cgroup",
	                 cgr_report_json_text(cgroup ? cgroup : "/"), "accesses", (json_int_t)cgr_curve_accesses(curve),
	                 "pages", (json_int_t)cgr_curve_pages(curve), "sampled", (int)cgr_curve_sampled(curve), "points",
	                 points);
	if (!root)
		return cgr_error_set(reterr, CGR_E_NOMEM, "curve: out of memory");
	json_dumpf(root, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(root);
	return 0;
}

static int print_curve(const struct cgr_curve *curve, const struct question *q, struct cgr_error *reterr)
{
	uint64_t pages = cgr_curve_pages(curve), *size = cgr_calloc((size_t)q->points, sizeof *size);
	uint64_t *misses = cgr_calloc((size_t)q->points, sizeof *misses);
	size_t count = 0;
	int rc = size && misses ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "curve of %" PRId64 " points", q->points);

	for (uint64_t i = 1; rc == 0 && i <= (uint64_t)q->points; i++) {
		uint64_t at = pages * i / (uint64_t)q->points;

		if (at > (count ? size[count - 1] : 0))
			size[count++] = at;
	}
	if (rc == 0) {
		cgr_curve_sizes(curve, size, count, misses);
		if (strcmp(q->format, "json") == 0)
			rc = print_json(curve, q->cgroup, size, misses, count, reterr);
		else if (strcmp(q->format, "csv") == 0)
			print_csv(curve, size, misses, count);
		else
			print_table(curve, size, misses, count);
	}
	free(size);
	free(misses);
	return rc;
}

static int curve_of(const struct question *q, struct cgr_error *reterr)
{
	struct cgr_store *store = NULL;
	struct cgr_curve *curve = NULL;
	uint32_t cgroup = 0;
	int rc = cgr_store_open(q->path, &store, reterr);

	if (rc >= 0 && q->cgroup)
		rc = cgr_store_find_cgroup(store, q->cgroup, &cgroup, reterr);
	if (rc >= 0)
		rc = cgr_curve_read(store, cgroup, (uint32_t)q->keep, &curve, reterr);
	if (rc >= 0 && !cgr_curve_accesses(curve))
		rc = cgr_error_set(reterr, CGR_E_INPUT,
		                   "%s: no reads or faults of file pages by %s were recorded; record with --preset memory",
		                   q->path, q->cgroup ? q->cgroup : "/");
	if (rc >= 0)
		rc = print_curve(curve, q, reterr);
	cgr_store_free(store);
	cgr_curve_free(curve);
	return rc;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct question q = { .format = "table", .points = 32, .keep = CGR_CURVE_PAGES_DEFAULT };
	const struct cgr_option options[] = {
		{ .name = "cgroup",
		  .letter = 'c',
		  .type = CGR_OPT_STRING,
		  .value = &q.cgroup,
		  .argument = "PATH",
		  .help = "count the tasks of this cgroup and its descendants (default: all)" },
		{ .name = "points",
		  .type = CGR_OPT_INT,
		  .value = &q.points,
		  .argument = "N",
		  .help = "sizes to print",
		  .minimum = 1,
		  .maximum = 1000000 },
		{ .name = "keep",
		  .type = CGR_OPT_INT,
		  .value = &q.keep,
		  .argument = "PAGES",
		  .help = "distinct pages kept exactly; above, pages are sampled",
		  .minimum = CGR_CURVE_PAGES_MIN,
		  .maximum = 1 << 28 },
		{ .name = "format",
		  .type = CGR_OPT_ENUM,
		  .value = &q.format,
		  .argument = "FORMAT",
		  .help = "what goes to stdout",
		  .choices = "table|csv|json" },
	};
	int positionals, rest, rc;

	rc = cgr_options_parse(&cgr_command_curve, options, sizeof options / sizeof *options, argc, argv, &positionals,
	                       &rest, reterr);
	if (rc != 0)
		return rc > 0 ? 0 : rc;
	if (positionals != 1)
		return cgr_error_set(reterr, CGR_E_USAGE, "curve wants one store (made by cgreplay import)");
	q.path = argv[1];
	return curve_of(&q, reterr);
}

const struct cgr_command cgr_command_curve = {
	.name = "curve",
	.summary = "misses of the page cache at every size, from the recorded accesses",
	.usage = "curve STORE [--cgroup PATH] [--points N]",
	.examples = "cgreplay curve web.db --cgroup /web\ncgreplay curve web.db --cgroup /web --points 100 --format csv",
	.run = run,
};
