/* cgreplay record: arguments -> capture/record.h. */
#include <stdio.h>
#include <string.h>

#include "capture/perf.h"
#include "capture/plan.h"
#include "capture/record.h"
#include "cli/cli.h"
#include "common/optparse.h"
#include "common/units.h"
#include "common/util.h"

static int run(int argc, char **argv, struct cgr_error *reterr);

const struct cgr_command cgr_command_record = {
	.name = "record",
	.summary = "record what cgroups and tasks do on this machine",
	.usage = "record -o FILE [-d TIME] [--cgroup GLOB]... [--preset cpu|memory|full] [-- COMMAND...]",
	.examples = "cgreplay record -o web.dat -d 30s --cgroup /web\n"
	            "cgreplay record -o build.dat --preset full -- make -j2",
	.run = run,
};

static unsigned presets_of(const char *preset)
{
	return strcmp(preset, "cpu") == 0      ? CGR_PRESET_CPU
	       : strcmp(preset, "memory") == 0 ? CGR_PRESET_MEMORY
	                                       : CGR_PRESET_FULL;
}

static void print_result(const struct cgr_record_options *options, const struct cgr_record_result *result)
{
	char size[32], name[480];
	double seconds = (double)result->duration_ns / 1e9;

	if (result->nothing_written) {
		(void)fprintf(stderr, "cgreplay: %.1f s passed and nothing pulled the trigger: nothing was written\n", seconds);
		return;
	}
	if (result->trigger[0] != '\0')
		(void)fprintf(stderr, "cgreplay: written because of %s\n", result->trigger);

	if (result->first_segment > 0 && result->first_segment == result->last_segment)
		(void)snprintf(name, sizeof(name), "%.400s.%04u", options->output, result->last_segment);
	else if (result->first_segment > 0)
		(void)snprintf(name, sizeof(name), "%.400s.%04u to .%04u", options->output, result->first_segment,
		               result->last_segment);
	else
		(void)snprintf(name, sizeof(name), "%.400s", options->output);
	(void)fprintf(stderr, "cgreplay: %s: %.1f s, %llu events, %s, recorder took %.1f ms of CPU time\n", name, seconds,
	              (unsigned long long)result->events, cgr_format_bytes((int64_t)result->file_bytes, size, sizeof(size)),
	              (double)result->cpu_usec / 1e3);
	if (result->duration_ns > 0 && result->cpus > 0 && result->beside_usec + result->event_usec > 0) {
		double share = 1e5 / (double)result->duration_ns / result->cpus; /* of a usec, in percent */
		(void)fprintf(stderr, "cgreplay: beside the recorded programs it took %.1f ms",
		              (double)result->beside_usec / 1e3);
		if (result->event_usec > 0)
			(void)fprintf(stderr, ", their events an estimated %.1f ms", (double)result->event_usec / 1e3);
		(void)fprintf(stderr, ": %.2f %% of %u CPUs\n", (double)(result->beside_usec + result->event_usec) * share,
		              result->cpus);
	}
	if (result->removed_segments > 0)
		(void)fprintf(stderr, "cgreplay: %u older segments were removed to stay within --max-size\n",
		              result->removed_segments);
	if (result->lost_events > 0)
		(void)fprintf(stderr,
		              "cgreplay: %llu events were lost: predictions from this recording are not exact; record again "
		              "with a bigger --buffer or a smaller --preset\n",
		              (unsigned long long)result->lost_events);
}

static int record(const struct cgr_record_options *options, bool perf, bool quiet, struct cgr_error *reterr)
{
	struct cgr_record_result result;

	cgr_interrupt_install();
	CGR_TRY(cgr_outfile_check(options->output, reterr)); /* before an hour is recorded, not after */
	CGR_TRY(cgr_outfile_refuse_kinds(options->output, CGR_OUTFILE_TRACE | CGR_OUTFILE_PERF, reterr));
	CGR_TRY(perf ? cgr_record_perf(options, &result, reterr) : cgr_record(options, &result, reterr));
	if (!quiet)
		print_result(options, &result);
	return result.ran_command ? result.command_status : 0;
}

struct arguments {
	const char *output, *preset, *backend, *until;
	int64_t duration_ns, buffer_bytes, sample_ns, ring_bytes, max_bytes, segment_bytes;
	struct cgr_string_list globs;
	bool quiet, dry_run, calibrate, kprobes;
};

#define SEGMENT_LEAST (256 << 10)
#define SEGMENTS 8 /* that --max-size is divided into */

/* What cannot go together, and numbers out of range. */
static int check(const struct arguments *a, struct cgr_error *reterr)
{
	bool perf = strcmp(a->backend, "perf") == 0;

	if (a->duration_ns == 0)
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "record: -d 0 would record nothing; leave -d out to record until COMMAND exits or SIGINT");
	if (a->buffer_bytes < 65536 || a->buffer_bytes > ((int64_t)1 << 36))
		return cgr_error_set(reterr, CGR_E_USAGE, "record: --buffer takes 64K to 64G per CPU");
	if (a->until != NULL && a->ring_bytes == 0)
		return cgr_error_set(reterr, CGR_E_USAGE, "record: --until needs --ring SIZE");
	if (a->ring_bytes != 0 && (a->ring_bytes < 1 << 20 || a->sample_ns <= 0))
		return cgr_error_set(reterr, CGR_E_USAGE, "record: --ring takes at least 1M, and needs --sample");
	if (a->ring_bytes != 0 && perf)
		return cgr_error_set(reterr, CGR_E_USAGE, "record: --ring needs --backend ftrace");
	if (a->segment_bytes != 0 && perf)
		return cgr_error_set(reterr, CGR_E_USAGE, "record: --max-size and --segment need --backend ftrace");
	if (a->segment_bytes != 0 && a->ring_bytes != 0)
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "record: --ring writes one file of at most its size; it goes with neither --max-size nor "
		                     "--segment");
	if (a->segment_bytes != 0 && a->segment_bytes < SEGMENT_LEAST)
		return cgr_error_set(reterr, CGR_E_USAGE, "record: --segment takes at least 256K, --max-size at least 2M");
	if (a->max_bytes != 0 && a->max_bytes / 4 < a->segment_bytes)
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "record: --max-size must have room for four segments: the one that grows, the last one in "
		                     "both its forms, and one that is kept");
	return 0;
}

static int act(struct arguments *a, char *const *command, struct cgr_error *reterr)
{
	if (a->max_bytes > 0 && a->segment_bytes == 0)
		a->segment_bytes = CGR_MAX(a->max_bytes / SEGMENTS, 1);
	CGR_TRY(check(a, reterr));
	const struct cgr_record_options options = { .output = a->output,
		                                        .duration_ns = CGR_MAX(a->duration_ns, (int64_t)0),
		                                        .globs = a->globs.item,
		                                        .glob_count = a->globs.count,
		                                        .presets = presets_of(a->preset),
		                                        .buffer_bytes = a->buffer_bytes,
		                                        .sample_ns = a->sample_ns,
		                                        .calibrate = a->calibrate,
		                                        .no_kprobes = !a->kprobes,
		                                        .perf = strcmp(a->backend, "perf") == 0,
		                                        .ring_bytes = a->ring_bytes,
		                                        .max_bytes = a->max_bytes,
		                                        .segment_bytes = a->segment_bytes,
		                                        .until = a->until,
		                                        .command = command,
		                                        .notes = a->quiet ? NULL : stderr };
	if (a->dry_run)
		return cgr_record_print_plan(&options, stdout, reterr);
	if (a->output == NULL)
		return cgr_error_set(reterr, CGR_E_USAGE, "record: -o FILE is missing");
	return record(&options, options.perf, a->quiet, reterr);
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct arguments a = { .preset = "full",
		                   .backend = "ftrace",
		                   .duration_ns = -1,
		                   .buffer_bytes = CGR_RECORD_BUFFER_BYTES,
		                   .sample_ns = CGR_RECORD_SAMPLE_NS,
		                   .calibrate = true,
		                   .kprobes = true };
	const struct cgr_option table[] = {
		{ "output", 'o', CGR_OPT_STRING, &a.output, "FILE",
		  "the recording (trace.dat 7); appears under this name when it is whole", NULL, 0, 0 },
		{ "duration", 'd', CGR_OPT_DURATION, &a.duration_ns, "TIME",
		  "stop after this time; without it and without COMMAND, SIGINT ends the recording", NULL, 0, INT64_MAX },
		{ "cgroup", 0, CGR_OPT_LIST, &a.globs, "GLOB",
		  "page-level memory events only of these subtrees: a path, a pattern like '/kube*', or an unambiguous part of "
		  "a "
		  "cgroup's or container's name",
		  NULL, 0, 0 },
		{ "preset", 0, CGR_OPT_ENUM, &a.preset, "NAME", "what to record (full)", "cpu|memory|full", 0, 0 },
		{ "buffer", 0, CGR_OPT_BYTES, &a.buffer_bytes, "SIZE", "kernel ring per CPU (16M)", NULL, 0, INT64_MAX },
		{ "sample", 0, CGR_OPT_DURATION, &a.sample_ns, "TIME",
		  "interval at which knobs and counters are read (100ms); 0 for never", NULL, 0, INT64_MAX },
		{ "max-size", 0, CGR_OPT_BYTES, &a.max_bytes, "SIZE",
		  "write numbered segments FILE.0001, FILE.0002, ... and remove the oldest, so that all of them together never "
		  "pass SIZE",
		  NULL, 0, INT64_MAX },
		{ "segment", 0, CGR_OPT_BYTES, &a.segment_bytes, "SIZE",
		  "size of a segment (an eighth of --max-size); without --max-size all of them are kept", NULL, 0, INT64_MAX },
		{ "backend", 0, CGR_OPT_ENUM, &a.backend, "NAME",
		  "ftrace (trace.dat with all facts), or perf where no tracefs instance can be had (perf.data)", "ftrace|perf",
		  0, 0 },
		{ "ring", 0, CGR_OPT_BYTES, &a.ring_bytes, "SIZE",
		  "flight recorder: keep the last SIZE in memory, write it when --until happens", NULL, 0, INT64_MAX },
		{ "until", 0, CGR_OPT_STRING, &a.until, "WHAT",
		  "oom, throttle, throttle=PERCENT, signal (SIGUSR1), or COUNTER>VALUE as in 'memory.current>500M'", NULL, 0,
		  0 },
		{ "calibrate", 0, CGR_OPT_FLAG, &a.calibrate, NULL,
		  "measure first what an event costs here (on; --no-calibrate starts a tenth of a second earlier)", NULL, 0,
		  0 },
		{ "kprobes", 0, CGR_OPT_FLAG, &a.kprobes, NULL,
		  "define kprobes where the kernel has no tracepoint (on; --no-kprobes where a policy forbids them)", NULL, 0,
		  0 },
		{ "dry-run", 0, CGR_OPT_FLAG, &a.dry_run, NULL,
		  "print what would be recorded on this machine, and what is missing", NULL, 0, 0 },
		{ "quiet", 'q', CGR_OPT_FLAG, &a.quiet, NULL, "no summary on stderr", NULL, 0, 0 },
	};
	int positionals, rest;
	int rc =
	    cgr_options_parse(&cgr_command_record, table, CGR_ARRAY_SIZE(table), argc, argv, &positionals, &rest, reterr);

	if (rc == 0 && positionals > 0)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "record: unexpected '%s'; put a command after --", argv[1]);
	else if (rc == 0)
		rc = act(&a, rest < argc ? argv + rest : NULL, reterr);
	else if (rc == 1)
		rc = 0;
	cgr_string_list_fini(&a.globs);
	return rc;
}
