#include "cli/replay_options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"
#include "model/registry.h"
#include "reports/report.h"

static int choose(char **slot, const char *name, struct cgr_error *reterr)
{
	if (!name)
		return 0;
	free(*slot);
	*slot = cgr_strdup(name);
	return *slot ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "scenario");
}

/* A loaded model is used at once: naming it again would only be one more way to forget it. */
static int load_models(const struct cgr_replay_options *options, struct cgr_scenario *scenario,
                       struct cgr_error *reterr)
{
	for (size_t i = 0; i < options->model.count; i++) {
		const struct cgr_model_head *head;
		char **slot;

		CGR_TRY(cgr_model_load(options->model.item[i], &head, reterr));
		slot = head->domain == CGR_DOMAIN_CPU      ? &scenario->cpu_model
		       : head->domain == CGR_DOMAIN_MEMORY ? &scenario->memory_model
		                                           : &scenario->reclaim_model;
		CGR_TRY(choose(slot, head->name, reterr));
	}
	return 0;
}

int cgr_replay_options_apply(const struct cgr_replay_options *options, struct cgr_scenario *scenario,
                             struct cgr_error *reterr)
{
	CGR_TRY(load_models(options, scenario, reterr));
	CGR_TRY(choose(&scenario->cpu_model, options->cpu, reterr));
	CGR_TRY(choose(&scenario->memory_model, options->memory, reterr));
	CGR_TRY(choose(&scenario->reclaim_model, options->reclaim, reterr));
	if (options->cpus)
		scenario->cpus = options->cpus;
	if (options->seed)
		scenario->seed = (uint64_t)options->seed;
	if (options->seeds)
		scenario->seeds = (uint32_t)options->seeds;
	if (options->until)
		scenario->until_done = !strcmp(options->until, "done");
	if (options->open_loop)
		scenario->open_loop = true;
	for (size_t i = 0; i < options->set.count; i++)
		CGR_TRY(cgr_scenario_set(scenario, options->set.item[i], reterr));
	for (size_t i = 0; i < options->param.count; i++)
		CGR_TRY(cgr_scenario_param(scenario, options->param.item[i], reterr));
	return 0;
}

int cgr_replay_options_scenario(const struct cgr_replay_options *options, const char *name,
                                struct cgr_scenario *scenario, struct cgr_error *reterr)
{
	CGR_TRY(cgr_scenario_init(scenario, name, reterr));
	return cgr_replay_options_apply(options, scenario, reterr);
}

void cgr_replay_options_fini(struct cgr_replay_options *options)
{
	cgr_string_list_fini(&options->set);
	cgr_string_list_fini(&options->param);
	cgr_string_list_fini(&options->model);
}

int cgr_recording_open(const char *path, bool quiet, struct cgr_recording *recording, struct cgr_error *reterr)
{
	int rc;

	*recording = (struct cgr_recording){ 0 };
	CGR_TRY(cgr_store_open(path, &recording->store, reterr));
	rc = cgr_compile(recording->store, cgr_progress_terminal(quiet), &recording->programs, reterr);
	if (rc < 0) {
		cgr_error_cause(reterr, "%s", path);
		cgr_recording_close(recording);
	}
	return rc;
}

void cgr_recording_close(struct cgr_recording *recording)
{
	cgr_programs_free(recording->programs);
	cgr_store_free(recording->store);
	*recording = (struct cgr_recording){ 0 };
}

static bool plain(const char *text)
{
	return *text && !text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=,+@%")];
}

static void put_word(struct cgr_strbuf *out, const char *word)
{
	if (plain(word)) {
		cgr_strbuf_printf(out, " %s", word);
		return;
	}
	cgr_strbuf_printf(out, " '");
	for (const char *p = word; *p; p++)
		if (*p == '\'')
			cgr_strbuf_printf(out, "'\\''");
		else
			cgr_strbuf_append(out, p, 1);
	cgr_strbuf_printf(out, "'");
}

char *cgr_command_line(int argc, char **argv)
{
	struct cgr_strbuf out = { 0 };

	cgr_strbuf_printf(&out, "cgreplay");
	for (int i = 0; i < argc; i++)
		put_word(&out, argv[i]);
	return out.failed ? NULL : out.text;
}

static void put_option(struct cgr_strbuf *out, const struct cgr_option *o)
{
	const struct cgr_string_list *list = o->value;

	switch (o->type) {
	case CGR_OPT_FLAG:
		if (*(const bool *)o->value)
			cgr_strbuf_printf(out, " --%s", o->name);
		break;
	case CGR_OPT_STRING:
	case CGR_OPT_ENUM:
		if (*(const char *const *)o->value) {
			cgr_strbuf_printf(out, " --%s", o->name);
			put_word(out, *(const char *const *)o->value);
		}
		break;
	case CGR_OPT_INT:
	case CGR_OPT_BYTES:
	case CGR_OPT_DURATION:
		if (*(const int64_t *)o->value)
			cgr_strbuf_printf(out, " --%s %" PRId64, o->name, *(const int64_t *)o->value);
		break;
	case CGR_OPT_LIST:
		for (size_t i = 0; i < list->count; i++) {
			cgr_strbuf_printf(out, " --%s", o->name);
			put_word(out, list->item[i]);
		}
		break;
	}
}

char *cgr_command_question(const struct cgr_command *command, const struct cgr_option *options, size_t count,
                           char *const *words, int positionals)
{
	static const char *const how[] = { "jobs", "quiet", "shard", "output" };
	struct cgr_strbuf out = { 0 };

	cgr_strbuf_printf(&out, "cgreplay %s", command->name);
	for (int i = 1; i <= positionals; i++)
		put_word(&out, words[i]);
	for (size_t i = 0; i < count; i++) {
		bool leave = !strcmp(options[i].name, "scheduler"); /* another name of --cpu, with the same value */

		for (size_t k = 0; k < CGR_ARRAY_SIZE(how); k++)
			leave |= !strcmp(options[i].name, how[k]);
		if (!leave)
			put_option(&out, &options[i]);
	}
	return out.failed ? NULL : out.text;
}

static int append(const struct cgr_replay_options *options, struct cgr_result *const *results, size_t count,
                  struct cgr_error *reterr)
{
	struct cgr_results *store;
	int rc = cgr_results_open(options->output, true, &store, reterr);

	for (size_t i = 0; i < count && rc >= 0; i++) {
		int64_t run;

		rc = cgr_results_append(store, results[i], &run, reterr);
	}
	if (rc >= 0 || store)
		cgr_results_free(store);
	return rc;
}

int cgr_replay_print(const struct cgr_replay_options *options, const char *store_path,
                     struct cgr_result *const *results, size_t count, struct cgr_error *reterr)
{
	const struct cgr_result *const *list = (const struct cgr_result *const *)results;
	const struct cgr_report_table_options table = { .all = options->all,
		                                            .colour = cgr_terminal_colour(STDOUT_FILENO),
		                                            .store_path = store_path };

	if (options->output)
		CGR_TRY(append(options, results, count, reterr));
	if (options->format && !strcmp(options->format, "json"))
		return count == 1 ? cgr_report_json(stdout, list[0], reterr)
		                  : cgr_report_json_list(stdout, list, count, reterr);
	if (options->format && !strcmp(options->format, "csv"))
		return cgr_report_csv(stdout, list, count, reterr);
	for (size_t i = 0; i < count; i++) {
		if (i)
			putchar('\n');
		CGR_TRY(cgr_report_table(stdout, list[i], &table, reterr));
	}
	return 0;
}
