/* Options that replay, verify, sweep and recommend share. */
#ifndef CGR_CLI_REPLAY_OPTIONS_H
#define CGR_CLI_REPLAY_OPTIONS_H

#include "common/optparse.h"
#include "replay/run.h"
#include "store/store.h"

struct cgr_replay_options {
	struct cgr_string_list set, param, model;
	const char *scenario_file, *scenario_name;
	const char *cpu, *memory, *reclaim, *until, *format, *output;
	int64_t seed, seeds, cpus, threads;
	bool open_loop, quiet, all, explain, no_fidelity;
};
/* A recording opened and compiled. */
struct cgr_recording {
	struct cgr_store *store;
	struct cgr_programs *programs;
};

/* Loads --model files and turns the options into a scenario (to free with cgr_scenario_fini). */
int cgr_replay_options_scenario(const struct cgr_replay_options *options, const char *name,
                                struct cgr_scenario *scenario, struct cgr_error *reterr);
/* Everything given on the command line, added to a scenario that came from a file. */
int cgr_replay_options_apply(const struct cgr_replay_options *options, struct cgr_scenario *scenario,
                             struct cgr_error *reterr);
int cgr_recording_open(const char *path, bool quiet, struct cgr_recording *recording, struct cgr_error *reterr);
void cgr_recording_close(struct cgr_recording *recording);
void cgr_replay_options_fini(struct cgr_replay_options *options);
/* "cgreplay replay web.db --set ..." with shell quoting where needed; the caller frees. */
char *cgr_command_line(int argc, char **argv);
/* What was asked, without how it was run (threads, shard, progress) and where the answers went: the same for every part
 * of a sharded sweep and for any -j. After cgr_options_parse; words[1..positionals] are its positionals. The caller
 * frees. */
char *cgr_command_question(const struct cgr_command *command, const struct cgr_option *options, size_t count,
                           char *const *words, int positionals);
/* Prints in the asked format and appends to the results store when one was named. */
int cgr_replay_print(const struct cgr_replay_options *options, const char *store_path,
                     struct cgr_result *const *results, size_t count, struct cgr_error *reterr);

/* rows of the option table: --until and -o as replay, sweep and recommend have them ... */
#define CGR_REPLAY_OPTION_UNTIL(o)                                                                                     \
	{                                                                                                                  \
		.name = "until", .type = CGR_OPT_ENUM, .value = &(o).until, .argument = "WHEN",                                \
		.help = "judge at the recorded end, or when all recorded work is done", .choices = "end|done"                  \
	}
#define CGR_REPLAY_OPTION_OUTPUT(o, text)                                                                              \
	{                                                                                                                  \
		.name = "output", .letter = 'o', .type = CGR_OPT_STRING, .value = &(o).output, .argument = "FILE",             \
		.help = text                                                                                                   \
	}
/* ... and those common to all four commands */
#define CGR_REPLAY_OPTIONS(o)                                                                                          \
	{ .name = "set",                                                                                                   \
	  .type = CGR_OPT_LIST,                                                                                            \
	  .value = &(o).set,                                                                                               \
	  .argument = "CGROUP:KNOB=VALUE",                                                                                 \
	  .help = "give a knob another value; with @TIME from then on; may be repeated" },                                 \
	    { .name = "scenario",                                                                                          \
		  .type = CGR_OPT_STRING,                                                                                      \
		  .value = &(o).scenario_file,                                                                                 \
		  .argument = "FILE",                                                                                          \
		  .help = "read what-ifs from a YAML file" },                                                                  \
	    { .name = "cpus",                                                                                              \
		  .type = CGR_OPT_INT,                                                                                         \
		  .value = &(o).cpus,                                                                                          \
		  .argument = "N",                                                                                             \
		  .help = "simulate N CPUs instead of the recorded number",                                                    \
		  .minimum = 1,                                                                                                \
		  .maximum = CGR_LIMIT_REPLAY_CPUS },                                                                          \
	    { .name = "cpu",                                                                                               \
		  .type = CGR_OPT_STRING,                                                                                      \
		  .value = &(o).cpu,                                                                                           \
		  .argument = "MODEL",                                                                                         \
		  .help = "CPU scheduler model, or recorded to play back the schedule as it was" },                            \
	    { .name = "scheduler",                                                                                         \
		  .type = CGR_OPT_STRING,                                                                                      \
		  .value = &(o).cpu,                                                                                           \
		  .argument = "MODEL",                                                                                         \
		  .help = "same as --cpu" },                                                                                   \
	    { .name = "memory",                                                                                            \
		  .type = CGR_OPT_STRING,                                                                                      \
		  .value = &(o).memory,                                                                                        \
		  .argument = "MODEL",                                                                                         \
		  .help = "memory controller model, or recorded to leave memory as it was" },                                  \
	    { .name = "reclaim",                                                                                           \
		  .type = CGR_OPT_STRING,                                                                                      \
		  .value = &(o).reclaim,                                                                                       \
		  .argument = "MODEL",                                                                                         \
		  .help = "reclaim policy under the memory model" },                                                           \
	    { .name = "param",                                                                                             \
		  .type = CGR_OPT_LIST,                                                                                        \
		  .value = &(o).param,                                                                                         \
		  .argument = "MODEL.NAME=VALUE",                                                                              \
		  .help = "parameter of a model; may be repeated" },                                                           \
	    { .name = "model",                                                                                             \
		  .type = CGR_OPT_LIST,                                                                                        \
		  .value = &(o).model,                                                                                         \
		  .argument = "FILE.so",                                                                                       \
		  .help = "load a model built out of tree and use it; may be repeated" },                                      \
	    { .name = "seed",                                                                                              \
		  .type = CGR_OPT_INT,                                                                                         \
		  .value = &(o).seed,                                                                                          \
		  .argument = "N",                                                                                             \
		  .help = "first seed of what the kernel draws by lot",                                                        \
		  .minimum = 1,                                                                                                \
		  .maximum = INT64_MAX / 2 },                                                                                  \
	    { .name = "seeds",                                                                                             \
		  .type = CGR_OPT_INT,                                                                                         \
		  .value = &(o).seeds,                                                                                         \
		  .argument = "N",                                                                                             \
		  .help = "how many seeds; the range over them is printed",                                                    \
		  .minimum = 1,                                                                                                \
		  .maximum = CGR_LIMIT_SEEDS },                                                                                \
	    { .name = "open-loop",                                                                                         \
		  .type = CGR_OPT_FLAG,                                                                                        \
		  .value = &(o).open_loop,                                                                                     \
		  .help = "keep the recorded wake times instead of following causes" },                                        \
	    { .name = "jobs",                                                                                              \
		  .letter = 'j',                                                                                               \
		  .type = CGR_OPT_INT,                                                                                         \
		  .value = &(o).threads,                                                                                       \
		  .argument = "N",                                                                                             \
		  .help = "threads to use",                                                                                    \
		  .minimum = 1,                                                                                                \
		  .maximum = 64 },                                                                                             \
	    { .name = "format",                                                                                            \
		  .type = CGR_OPT_ENUM,                                                                                        \
		  .value = &(o).format,                                                                                        \
		  .argument = "FORMAT",                                                                                        \
		  .help = "table, csv or json",                                                                                \
		  .choices = "table|csv|json" },                                                                               \
	    { .name = "all",                                                                                               \
		  .type = CGR_OPT_FLAG,                                                                                        \
		  .value = &(o).all,                                                                                           \
		  .help = "print every metric, also the unchanged ones" },                                                     \
	{                                                                                                                  \
		.name = "quiet", .letter = 'q', .type = CGR_OPT_FLAG, .value = &(o).quiet, .help = "no progress on stderr"     \
	}

#endif
