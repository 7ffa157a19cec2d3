/* cgreplay models: which models there are, and what they understand. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/event.h"
#include "common/util.h"
#include "model/registry.h"
#include "reports/text.h"

static const enum cgr_domain domains[] = { CGR_DOMAIN_CPU, CGR_DOMAIN_MEMORY, CGR_DOMAIN_RECLAIM };

static void print_details(const struct cgr_model_head *h)
{
	printf("%s model %s: %s\n\n%s\n", cgr_domain_name(h->domain), h->name, h->summary, h->doc);
	if (h->n_params)
		printf("\nparameters (--param %s.NAME=VALUE)\n", h->name);
	for (unsigned i = 0; i < h->n_params; i++)
		printf("  %-26s %s (%" PRId64 " %s, %" PRId64 "..%" PRId64 ")\n", h->params[i].name, h->params[i].help,
		       h->params[i].fallback, h->params[i].unit, h->params[i].minimum, h->params[i].maximum);
	if (h->n_knobs)
		printf("\nknobs (--set 'CGROUP:KNOB=VALUE')\n");
	for (unsigned i = 0; i < h->n_knobs; i++)
		printf("  %-26s %s\n", h->knobs[i].name, h->knobs[i].help);
	if (h->n_metrics)
		printf("\nmetrics\n");
	for (unsigned i = 0; i < h->n_metrics; i++)
		printf("  %-40s %s [%s]\n", h->metrics[i].name, h->metrics[i].help, h->metrics[i].unit);
	printf("\nneeds events:");
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++)
		if (kind < 64 && (h->needs >> kind & 1))
			printf(" %s", cgr_event_kind_name(kind));
	printf("%s\n", h->needs ? "" : " none");
}

static int show(const char *name, struct cgr_error *reterr)
{
	const struct cgr_model_head *h;
	size_t shown = 0;

	for (size_t d = 0; d < CGR_ARRAY_SIZE(domains); d++)
		for (size_t i = 0; (h = cgr_model_borrow(domains[d], i)); i++)
			if (!strcmp(h->name, name)) {
				if (shown++)
					printf("\n");
				print_details(h);
			}
	return shown ? 0 : cgr_error_set(reterr, CGR_E_USAGE, "no model '%s'; `cgreplay models` lists them", name);
}

static void list(void)
{
	const struct cgr_model_head *h;

	for (size_t d = 0; d < CGR_ARRAY_SIZE(domains); d++)
		for (size_t i = 0; (h = cgr_model_borrow(domains[d], i)); i++)
			printf("%-8s %-12s %s\n", cgr_domain_name(domains[d]), h->name, h->summary);
	printf("%-8s %-12s %s\n", "memory", "recorded", "no model: memory stays as it was recorded");
}

/* ---- for scripts ---- */
static json_t *params_json(const struct cgr_model_head *h)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < h->n_params; i++) {
		const struct cgr_param_desc *p = &h->params[i];

		json_array_append_new(list, json_pack("{ss, ss, ss, sI, sI, sI}", "name", p->name, "unit", p->unit, "help",
		                                      p->help, "default", (json_int_t)p->fallback, "minimum",
		                                      (json_int_t)p->minimum, "maximum", (json_int_t)p->maximum));
	}
	return list;
}

static json_t *knobs_json(const struct cgr_model_head *h)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < h->n_knobs; i++)
		json_array_append_new(list, json_pack("{ss, ss}", "name", h->knobs[i].name, "help", h->knobs[i].help));
	return list;
}

static json_t *metrics_json(const struct cgr_model_head *h)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < h->n_metrics; i++) {
		const struct cgr_metric_desc *m = &h->metrics[i];

		json_array_append_new(list, json_pack("{ss, ss, ss, si, sI}", "name", m->name, "unit", m->unit, "help", m->help,
		                                      "worse", m->worse, "tolerance_ppm", (json_int_t)m->tolerance_ppm));
	}
	return list;
}

static json_t *model_json(const struct cgr_model_head *h)
{
	json_t *events = json_array();

	for (unsigned kind = 0; kind < CGR_EV_COUNT && kind < 64; kind++)
		if (h->needs >> kind & 1)
			json_array_append_new(events, json_string(cgr_event_kind_name(kind)));
	return json_pack("{ss, ss, ss, ss, so, so, so, so}", "domain", cgr_domain_name(h->domain), "name", h->name,
	                 "summary", h->summary, "doc", h->doc, "parameters", params_json(h), "knobs", knobs_json(h),
	                 "metrics", metrics_json(h), "events", events);
}

static void csv_row(const struct cgr_model_head *h, const char *kind, const char *name, const char *unit,
                    const char *help, const struct cgr_param_desc *range)
{
	struct cgr_strbuf text = { 0 };

	cgr_text_csv(&text, help);
	printf("%s,%s,%s,%s,%s,", cgr_domain_name(h->domain), h->name, kind, name, unit);
	if (range)
		printf("%" PRId64 ",%" PRId64 ",%" PRId64 ",", range->fallback, range->minimum, range->maximum);
	else
		printf(",,,");
	printf("%s\r\n", text.text ? text.text : "");
	cgr_strbuf_fini(&text);
}

static void print_csv(const struct cgr_model_head *h)
{
	csv_row(h, "model", h->name, "", h->summary, NULL);
	for (unsigned i = 0; i < h->n_params; i++)
		csv_row(h, "parameter", h->params[i].name, h->params[i].unit, h->params[i].help, &h->params[i]);
	for (unsigned i = 0; i < h->n_knobs; i++)
		csv_row(h, "knob", h->knobs[i].name, "", h->knobs[i].help, NULL);
	for (unsigned i = 0; i < h->n_metrics; i++)
		csv_row(h, "metric", h->metrics[i].name, h->metrics[i].unit, h->metrics[i].help, NULL);
}

/* The named models, or all of them, with everything they declare. */
static int print_data(char *const *names, int count, bool json, struct cgr_error *reterr)
{
	const struct cgr_model_head *h;
	json_t *models = json_array(), *root;

	if (!json)
		printf("domain,model,kind,name,unit,default,minimum,maximum,help\r\n");
	for (int k = 0; k < (count ? count : 1); k++) {
		size_t found = 0;

		for (size_t d = 0; d < CGR_ARRAY_SIZE(domains); d++)
			for (size_t i = 0; (h = cgr_model_borrow(domains[d], i)); i++) {
				if (count && strcmp(h->name, names[k]) != 0)
					continue;
				found++;
				if (json)
					json_array_append_new(models, model_json(h));
				else
					print_csv(h);
			}
		if (!found) {
			json_decref(models);
			return cgr_error_set(reterr, CGR_E_USAGE, "no model '%s'; `cgreplay models` lists them", names[k]);
		}
	}
	root = json_pack("{si, so}", "schema_version", 1, "models", models);
	if (!root)
		return cgr_error_set(reterr, CGR_E_NOMEM, "models: out of memory");
	if (json) {
		json_dumpf(root, stdout, JSON_INDENT(1));
		putchar('\n');
	}
	json_decref(root);
	return 0;
}

static int print_text(char *const *names, int count, struct cgr_error *reterr)
{
	for (int i = 0; i < count; i++)
		CGR_TRY(show(names[i], reterr));
	if (!count)
		list();
	return 0;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	const char *format = "table";
	struct cgr_string_list files = { 0 };
	const struct cgr_option options[] = {
		{ .name = "model",
		  .type = CGR_OPT_LIST,
		  .value = &files,
		  .argument = "FILE.so",
		  .help = "load a model built out of tree first; may be repeated" },
		{ .name = "format",
		  .type = CGR_OPT_ENUM,
		  .value = &format,
		  .argument = "FORMAT",
		  .help = "what goes to stdout; csv and json hold everything the models declare",
		  .choices = "table|csv|json" },
	};
	int positionals, rest,
	    rc = cgr_options_parse(&cgr_command_models, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);

	if (rc) {
		cgr_string_list_fini(&files);
		return rc < 0 ? rc : 0;
	}
	for (size_t i = 0; i < files.count && rc >= 0; i++) {
		const struct cgr_model_head *head;

		rc = cgr_model_load(files.item[i], &head, reterr);
	}
	if (rc >= 0)
		rc = strcmp(format, "table") == 0 ? print_text(argv + 1, positionals, reterr)
		                                  : print_data(argv + 1, positionals, strcmp(format, "json") == 0, reterr);
	cgr_string_list_fini(&files);
	return rc;
}

const struct cgr_command cgr_command_models = {
	.name = "models",
	.summary = "list the models, or describe one: parameters, knobs, metrics",
	.usage = "models [--model FILE.so] [--format table|csv|json] [NAME...]",
	.examples = "cgreplay models eevdf\ncgreplay models --format json",
	.run = run,
};
