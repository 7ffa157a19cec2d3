/* cgreplay models: which models there are, and what they understand. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/event.h"
#include "common/util.h"
#include "model/registry.h"

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

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct cgr_string_list files = { 0 };
	const struct cgr_option options[] = {
		{ .name = "model",
		  .type = CGR_OPT_LIST,
		  .value = &files,
		  .argument = "FILE.so",
		  .help = "load a model built out of tree first; may be repeated" },
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
	for (int i = 1; i <= positionals && rc >= 0; i++)
		rc = show(argv[i], reterr);
	if (rc >= 0 && !positionals)
		list();
	cgr_string_list_fini(&files);
	return rc;
}

const struct cgr_command cgr_command_models = {
	.name = "models",
	.summary = "list the models, or describe one: parameters, knobs, metrics",
	.usage = "models [--model FILE.so] [NAME...]",
	.examples = "cgreplay models\ncgreplay models eevdf",
	.run = run,
};
