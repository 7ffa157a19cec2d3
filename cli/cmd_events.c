/* cgreplay events: the event catalogue, and what of it this machine has. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "capture/plan.h"
#include "capture/record.h"
#include "cli/cli.h"
#include "common/optparse.h"
#include "common/util.h"

static int run(int argc, char **argv, struct cgr_error *reterr);

const struct cgr_command cgr_command_events = {
	.name = "events",
	.summary = "list the signals models want, their sources, and what this machine has",
	.usage = "events [--format table|csv|json]",
	.examples = "cgreplay events\n"
	            "cgreplay events --format json",
	.run = run,
};

static const char *preset_text(unsigned presets)
{
	return presets == CGR_PRESET_FULL ? "cpu,memory" : presets == CGR_PRESET_CPU ? "cpu" : "memory";
}

static const json_t *find_here(const json_t *here, const char *name)
{
	const json_t *signal;
	size_t i;

	json_array_foreach(here, i, signal)
	{
		const char *text = json_string_value(json_object_get(signal, "name"));
		if (text != NULL && strcmp(text, name) == 0)
			return signal;
	}
	return NULL;
}

/* "unknown" when this machine cannot be asked (no root, no tracefs). */
static const char *source_here(const json_t *here, const char *name)
{
	const json_t *signal = find_here(here, name);
	const char *source = json_string_value(json_object_get(signal, "source"));

	return here == NULL ? "unknown" : source != NULL ? source : "absent";
}

static void print_table(const json_t *here)
{
	size_t count;
	const struct cgr_source *sources = cgr_sources_borrow(&count);

	for (unsigned i = 0; i < CGR_SIG_COUNT; i++) {
		const char *name = cgr_signal_name(i);
		const char *why = json_string_value(json_object_get(find_here(here, name), "why"));
		printf("%s  (%s; here: %s)\n    %s\n", name, preset_text(cgr_signal_presets(i)), source_here(here, name),
		       cgr_signal_says(i));
		for (size_t j = 0; j < count; j++)
			if (sources[j].signal == (enum cgr_signal)i)
				printf("    %-10s %s\n", cgr_source_kind_name(sources[j].kind), sources[j].events);
		if (why != NULL)
			printf("    why not better: %s\n", why);
		printf("    without: %s\n", cgr_signal_costs(i));
	}
}

static void print_csv_field(const char *text, const char *end)
{
	(void)putchar('"');
	for (; *text != '\0'; text++) {
		if (*text == '"')
			(void)putchar('"');
		(void)putchar(*text);
	}
	printf("\"%s", end);
}

static void print_csv(const json_t *here)
{
	size_t count;
	const struct cgr_source *sources = cgr_sources_borrow(&count);

	printf("signal,presets,rank,source,events,here,says,without\r\n");
	for (unsigned i = 0; i < CGR_SIG_COUNT; i++) {
		const char *name = cgr_signal_name(i);
		unsigned rank = 0;
		for (size_t j = 0; j < count; j++) {
			if (sources[j].signal != (enum cgr_signal)i)
				continue;
			printf("%s,\"%s\",%u,%s,%s,%s,", name, preset_text(cgr_signal_presets(i)), ++rank,
			       cgr_source_kind_name(sources[j].kind), sources[j].events, source_here(here, name));
			print_csv_field(cgr_signal_says(i), ",");
			print_csv_field(cgr_signal_costs(i), "\r\n");
		}
	}
}

static int print_json(const json_t *here, struct cgr_error *reterr)
{
	json_t *signals = json_array();
	size_t count;
	const struct cgr_source *sources = cgr_sources_borrow(&count);

	for (unsigned i = 0; i < CGR_SIG_COUNT; i++) {
		json_t *list = json_array();
		for (size_t j = 0; j < count; j++)
			if (sources[j].signal == (enum cgr_signal)i)
				(void)json_array_append_new(list,
				                            json_pack("{s:s,s:s}", "source", cgr_source_kind_name(sources[j].kind),
				                                      "events", sources[j].events));
		(void)json_array_append_new(
		    signals, json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "name", cgr_signal_name(i), "presets",
		                       preset_text(cgr_signal_presets(i)), "here", source_here(here, cgr_signal_name(i)),
		                       "says", cgr_signal_says(i), "without", cgr_signal_costs(i), "sources", list));
	}
	json_t *doc = json_pack("{s:i,s:o}", "schema_version", 1, "signals", signals);
	int rc = doc == NULL || json_dumpf(doc, stdout, JSON_INDENT(1)) != 0
	             ? cgr_error_set(reterr, CGR_E_IO, "cannot write the event catalogue")
	             : 0;
	if (rc == 0)
		(void)putchar('\n');
	json_decref(doc);
	return rc;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	const char *format = "table";
	int positionals, rest;
	const struct cgr_option table[] = {
		{ .name = "format",
		  .type = CGR_OPT_ENUM,
		  .value = &format,
		  .argument = "NAME",
		  .choices = "table|csv|json",
		  .help = "how to print (table)" },
	};
	int rc =
	    cgr_options_parse(&cgr_command_events, table, CGR_ARRAY_SIZE(table), argc, argv, &positionals, &rest, reterr);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (positionals > 0)
		return cgr_error_set(reterr, CGR_E_USAGE, "events: unexpected '%s'", argv[1]);
	const struct cgr_record_options options = { .presets = CGR_PRESET_FULL };
	struct cgr_error here_error = { 0 };
	json_t *here = cgr_record_signals(&options, &here_error);
	if (here == NULL)
		(void)fprintf(stderr, "cgreplay: cannot tell what this machine has: %s\n", here_error.cause[0]);
	if (strcmp(format, "json") == 0)
		rc = print_json(here, reterr);
	else if (strcmp(format, "csv") == 0)
		print_csv(here);
	else
		print_table(here);
	json_decref(here);
	return rc;
}
