/* cgreplay import: trace.dat or perf.data -> event store. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/optparse.h"
#include "common/units.h"
#include "common/util.h"
#include "parser/import.h"

struct arguments {
	const char *output;
	bool lean, no_fields, quiet;
	int64_t from_ns, to_ns, max_lost;
	struct cgr_string_list cgroups;
};

static void tell_segments(const struct cgr_import_summary *s)
{
	if (s->segments == 0)
		return;
	fprintf(stderr, "note: %u segment%s of one recording", s->segments, s->segments == 1 ? "" : "s");
	if (s->segments_removed > 0)
		fprintf(stderr, ", the %u before %s not there", s->segments_removed, s->segments_removed == 1 ? "is" : "are");
	if (s->segments_missing > 0)
		fprintf(stderr, "; %u between them %s missing: those events are lost", s->segments_missing,
		        s->segments_missing == 1 ? "is" : "are");
	fprintf(stderr, "\n");
}

static void tell(const char *from, const char *to, const struct cgr_import_summary *s)
{
	fprintf(stderr, "imported %s: %.1f s, %llu events, %llu cgroups, %llu tasks", from, (double)s->duration_ns / 1e9,
	        (unsigned long long)s->records, (unsigned long long)s->cgroups, (unsigned long long)s->tasks);
	if (s->lost_spans > 0)
		fprintf(stderr, ", %llu lost", (unsigned long long)s->lost_events);
	if (s->inferred > 0)
		fprintf(stderr, ", %llu inferred", (unsigned long long)s->inferred);
	fprintf(stderr, " -> %s\n", to);
	tell_segments(s);
	if (s->unfinished)
		fprintf(stderr, "note: the recorder was killed; what it had written is imported, the end is missing\n");
	if (!s->snapshots)
		fprintf(stderr, "note: not made by cgreplay record: limits and counters are unknown (cgreplay info %s)\n", to);
}

static int check(const struct arguments *a, char **trace, int count, struct cgr_error *reterr)
{
	if (count == 0)
		return cgr_error_set(reterr, CGR_E_USAGE, "import: name the trace file: cgreplay import web.dat -o web.db");
	for (int i = 0; i < count; i++)
		if (strcmp(trace[i], "-") == 0) /* a trace is read from several places at once */
			return cgr_error_set(
			    reterr, CGR_E_USAGE,
			    "import: a recording cannot be read from standard input: save it to a file first, then "
			    "import that");
	if (a->output == NULL)
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "import: name the store to write with -o: cgreplay import %s -o web.db", trace[0]);
	if (a->to_ns >= 0 && a->to_ns <= a->from_ns)
		return cgr_error_set(reterr, CGR_E_USAGE, "import: --to must be later than --from");
	return 0;
}

static int import_it(const struct arguments *arguments, char **trace, int count, struct cgr_error *reterr)
{
	struct cgr_import_summary summary;
	struct cgr_import_options options = {
		.lean = arguments->lean,
		.no_fields = arguments->no_fields,
		.from_ns = arguments->from_ns,
		.to_ns = arguments->to_ns,
		.cgroup = arguments->cgroups.item,
		.cgroups = arguments->cgroups.count,
		.max_lost = arguments->max_lost,
		.progress = cgr_progress_terminal(arguments->quiet),
	};

	CGR_TRY(cgr_import((const char *const *)trace, (size_t)count, arguments->output, &options, &summary, reterr));
	if (!arguments->quiet)
		tell(trace[0], arguments->output, &summary);
	return 0;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct arguments arguments = { .to_ns = -1, .max_lost = -1 };
	const struct cgr_option options[] = {
		{ "output", 'o', CGR_OPT_STRING, &arguments.output, "FILE", "the event store to write (replaced when whole)",
		  NULL, 0, 0 },
		{ "lean", 0, CGR_OPT_FLAG, &arguments.lean, NULL,
		  "leave the rows of high-volume events out: replay works as before, SQL over single events does not", NULL, 0,
		  0 },
		{ "no-fields", 0, CGR_OPT_FLAG, &arguments.no_fields, NULL,
		  "leave out the fields of events that have no table of their own (table event_fields, some 100 bytes each)",
		  NULL, 0, 0 },
		{ "from", 0, CGR_OPT_DURATION, &arguments.from_ns, "TIME", "start this long after the start of the trace", NULL,
		  0, INT64_MAX },
		{ "to", 0, CGR_OPT_DURATION, &arguments.to_ns, "TIME", "stop this long after the start of the trace", NULL, 0,
		  INT64_MAX },
		{ "cgroup", 0, CGR_OPT_LIST, &arguments.cgroups, "PATH",
		  "keep page-level memory events of this subtree only (scheduling is always kept whole): a path, or an "
		  "unambiguous "
		  "part of a name it had when the recording started; may be repeated",
		  NULL, 0, 0 },
		{ "max-lost", 0, CGR_OPT_INT, &arguments.max_lost, "N", "fail with status 3 when more events were lost", NULL,
		  0, INT64_MAX },
		{ "quiet", 'q', CGR_OPT_FLAG, &arguments.quiet, NULL, "no progress and no summary", NULL, 0, 0 },
	};
	int positionals, rest;
	int rc = cgr_options_parse(&cgr_command_import, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);
	bool help = rc == 1;

	if (rc == 0)
		rc = check(&arguments, argv + 1, positionals, reterr);
	if (rc == 0)
		rc = import_it(&arguments, argv + 1, positionals, reterr);
	cgr_string_list_fini(&arguments.cgroups);
	return help ? 0 : rc;
}

const struct cgr_command cgr_command_import = {
	.name = "import",
	.summary = "turn a recording (trace.dat, perf.data) into an event store",
	.usage = "import TRACE... -o STORE [--lean] [--from TIME] [--to TIME] [--cgroup PATH]... [--max-lost N]",
	.examples = "cgreplay import web.dat -o web.db\n"
	            "cgreplay import web.dat -o web.db          (web.dat.0001, web.dat.0002, ... of record --max-size)\n"
	            "cgreplay import perf.data -o slice.db --lean --from 10s --to 20s",
	.run = run,
};
