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
	char size[32];
	double seconds = (double)result->duration_ns / 1e9;

	if (result->nothing_written) {
		(void)fprintf(stderr, "cgreplay: %.1f s passed and nothing pulled the trigger: nothing was written\n", seconds);
		return;
	}
	if (result->trigger[0] != '\0')
		(void)fprintf(stderr, "cgreplay: written because of %s\n", result->trigger);

	(void)fprintf(stderr, "cgreplay: %s: %.1f s, %llu events, %s, recorder took %.1f ms of CPU time\n", options->output,
	              seconds, (unsigned long long)result->events,
	              cgr_format_bytes((int64_t)result->file_bytes, size, sizeof(size)), (double)result->cpu_usec / 1e3);
	if (result->event_usec > 0 && result->duration_ns > 0 && result->cpus > 0)
		(void)fprintf(stderr, "cgreplay: events took an estimated %.1f ms (%.2f %% of %u CPUs)\n",
		              (double)result->event_usec / 1e3,
		              (double)result->event_usec * 1e5 / (double)result->duration_ns / result->cpus, result->cpus);
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
	CGR_TRY(perf ? cgr_record_perf(options, &result, reterr) : cgr_record(options, &result, reterr));
	if (!quiet)
		print_result(options, &result);
	return result.ran_command ? result.command_status : 0;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	const char *output = NULL, *preset = "full", *backend = "ftrace";
	int64_t duration_ns = 0, buffer_bytes = CGR_RECORD_BUFFER_BYTES, sample_ns = CGR_RECORD_SAMPLE_NS;
	int64_t ring_bytes = 0;
	const char *until = NULL;
	struct cgr_string_list globs = { 0 };
	bool quiet = false, dry_run = false, calibrate = true;
	int positionals, rest;
	const struct cgr_option table[] = {
		{ .name = "output",
		  .letter = 'o',
		  .type = CGR_OPT_STRING,
		  .value = &output,
		  .argument = "FILE",
		  .help = "the recording (trace.dat 7); appears under this name when it is whole" },
		{ .name = "duration",
		  .letter = 'd',
		  .type = CGR_OPT_DURATION,
		  .value = &duration_ns,
		  .argument = "TIME",
		  .help = "stop after this time; without it and without COMMAND, SIGINT ends the recording" },
		{ .name = "cgroup",
		  .type = CGR_OPT_LIST,
		  .value = &globs,
		  .argument = "GLOB",
		  .help = "page-level memory events only of these subtrees, e.g. /web or '/kube*'" },
		{ .name = "preset",
		  .type = CGR_OPT_ENUM,
		  .value = &preset,
		  .argument = "NAME",
		  .choices = "cpu|memory|full",
		  .help = "what to record (full)" },
		{ .name = "buffer",
		  .type = CGR_OPT_BYTES,
		  .value = &buffer_bytes,
		  .argument = "SIZE",
		  .help = "kernel ring per CPU (16M)" },
		{ .name = "sample",
		  .type = CGR_OPT_DURATION,
		  .value = &sample_ns,
		  .argument = "TIME",
		  .help = "interval at which knobs and counters are read (100ms); 0 for never" },
		{ .name = "backend",
		  .type = CGR_OPT_ENUM,
		  .value = &backend,
		  .argument = "NAME",
		  .choices = "ftrace|perf",
		  .help = "ftrace (trace.dat with all facts), or perf where no tracefs instance can be had (perf.data)" },
		{ .name = "ring",
		  .type = CGR_OPT_BYTES,
		  .value = &ring_bytes,
		  .argument = "SIZE",
		  .help = "flight recorder: keep the last SIZE in memory, write it when --until happens" },
		{ .name = "until",
		  .type = CGR_OPT_STRING,
		  .value = &until,
		  .argument = "WHAT",
		  .help = "oom, throttle, throttle=PERCENT, signal (SIGUSR1), or COUNTER>VALUE as in 'memory.current>500M'" },
		{ .name = "calibrate",
		  .type = CGR_OPT_FLAG,
		  .value = &calibrate,
		  .help = "measure first what an event costs here (on; --no-calibrate starts a tenth of a second earlier)" },
		{ .name = "dry-run",
		  .type = CGR_OPT_FLAG,
		  .value = &dry_run,
		  .help = "print what would be recorded on this machine, and what is missing" },
		{ .name = "quiet", .letter = 'q', .type = CGR_OPT_FLAG, .value = &quiet, .help = "no summary on stderr" },
	};
	int rc =
	    cgr_options_parse(&cgr_command_record, table, CGR_ARRAY_SIZE(table), argc, argv, &positionals, &rest, reterr);

	if (rc != 0) {
		cgr_string_list_fini(&globs);
		return rc < 0 ? rc : 0;
	}
	struct cgr_record_options options = { .output = output,
		                                  .duration_ns = duration_ns,
		                                  .globs = globs.item,
		                                  .glob_count = globs.count,
		                                  .presets = presets_of(preset),
		                                  .buffer_bytes = buffer_bytes,
		                                  .sample_ns = sample_ns,
		                                  .calibrate = calibrate,
		                                  .ring_bytes = ring_bytes,
		                                  .until = until,
		                                  .command = rest < argc ? argv + rest : NULL,
		                                  .notes = quiet ? NULL : stderr };
	if (positionals > 0)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "record: unexpected '%s'; put a command after --", argv[1]);
	else if (buffer_bytes < 65536 || buffer_bytes > ((int64_t)1 << 36))
		rc = cgr_error_set(reterr, CGR_E_USAGE, "record: --buffer takes 64K to 64G per CPU");
	else if (until != NULL && ring_bytes == 0)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "record: --until needs --ring SIZE");
	else if (ring_bytes != 0 && (ring_bytes < 1 << 20 || sample_ns <= 0))
		rc = cgr_error_set(reterr, CGR_E_USAGE, "record: --ring takes at least 1M, and needs --sample");
	else if (ring_bytes != 0 && strcmp(backend, "perf") == 0)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "record: --ring needs --backend ftrace");
	else if (dry_run)
		rc = cgr_record_print_plan(&options, stdout, reterr);
	else if (output == NULL)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "record: -o FILE is missing");
	else
		rc = record(&options, strcmp(backend, "perf") == 0, quiet, reterr);
	cgr_string_list_fini(&globs);
	return rc;
}
