#include "replay/scenario.h"

#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "common/util.h"

static int copy_text(char **to, const char *from, struct cgr_error *reterr)
{
	free(*to);
	*to = NULL;
	if (!from)
		return 0;
	*to = cgr_strdup(from);
	return *to ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "scenario");
}

int cgr_scenario_init(struct cgr_scenario *scenario, const char *name, struct cgr_error *reterr)
{
	*scenario = (struct cgr_scenario){ .seed = 1, .point = -1 };
	return copy_text(&scenario->name, name, reterr);
}

void cgr_scenario_fini(struct cgr_scenario *scenario)
{
	for (size_t i = 0; i < scenario->settings; i++) {
		free(scenario->setting[i].cgroup);
		free(scenario->setting[i].knob);
		free(scenario->setting[i].value);
		free(scenario->setting[i].where);
	}
	for (size_t i = 0; i < scenario->params; i++)
		free(scenario->param[i]);
	free(scenario->setting);
	free(scenario->param);
	free(scenario->name);
	free(scenario->where);
	free(scenario->cpu_model);
	free(scenario->memory_model);
	free(scenario->reclaim_model);
	*scenario = (struct cgr_scenario){ 0 };
}

int cgr_scenario_add(struct cgr_scenario *scenario, const char *cgroup, const char *knob, const char *value,
                     int64_t t_ns, const char *where, struct cgr_error *reterr)
{
	struct cgr_setting *s;

	for (size_t i = 0; i < scenario->settings; i++) { /* said again: the later one holds */
		s = &scenario->setting[i];
		if (s->t_ns != t_ns || strcmp(s->cgroup, cgroup) != 0 || strcmp(s->knob, knob) != 0)
			continue;
		CGR_TRY(copy_text(&s->value, value, reterr));
		return copy_text(&s->where, where, reterr);
	}
	CGR_TRY(cgr_grow((void **)&scenario->setting, &scenario->capacity, scenario->settings + 1, sizeof *s, reterr));
	s = &scenario->setting[scenario->settings++];
	*s = (struct cgr_setting){ .t_ns = t_ns };
	CGR_TRY(copy_text(&s->cgroup, cgroup, reterr));
	CGR_TRY(copy_text(&s->knob, knob, reterr));
	CGR_TRY(copy_text(&s->value, value, reterr));
	return copy_text(&s->where, where, reterr);
}

int cgr_scenario_param(struct cgr_scenario *scenario, const char *text, struct cgr_error *reterr)
{
	const char *dot = strchr(text, '.'), *equals = strchr(text, '=');

	if (!dot || !equals || dot > equals || dot == text || !equals[1])
		return cgr_error_set(reterr, CGR_E_USAGE, "--param '%s': expected MODEL.NAME=VALUE, e.g. lru2.batch=32", text);
	CGR_TRY(cgr_grow((void **)&scenario->param, &scenario->param_capacity, scenario->params + 1,
	                 sizeof *scenario->param, reterr));
	return copy_text(&scenario->param[scenario->params++], text, reterr);
}

int cgr_scenario_copy(struct cgr_scenario *to, const struct cgr_scenario *from, struct cgr_error *reterr)
{
	CGR_TRY(cgr_scenario_init(to, from->name, reterr));
	to->cpus = from->cpus;
	to->point = from->point;
	to->seed = from->seed;
	to->seeds = from->seeds;
	to->until_done = from->until_done;
	to->open_loop = from->open_loop;
	CGR_TRY(copy_text(&to->where, from->where, reterr));
	CGR_TRY(copy_text(&to->cpu_model, from->cpu_model, reterr));
	CGR_TRY(copy_text(&to->memory_model, from->memory_model, reterr));
	CGR_TRY(copy_text(&to->reclaim_model, from->reclaim_model, reterr));
	for (size_t i = 0; i < from->settings; i++) {
		const struct cgr_setting *s = &from->setting[i];

		CGR_TRY(cgr_scenario_add(to, s->cgroup, s->knob, s->value, s->t_ns, s->where, reterr));
	}
	for (size_t i = 0; i < from->params; i++)
		CGR_TRY(cgr_scenario_param(to, from->param[i], reterr));
	return 0;
}

int cgr_scenario_set(struct cgr_scenario *scenario, const char *text, struct cgr_error *reterr)
{
	/* the knob follows the last colon before the '=': cgroup names may hold colons */
	const char *equals = strchr(text, '='), *colon = NULL, *at;
	char *cgroup = NULL, *knob = NULL, *value = NULL;
	int64_t t_ns = 0;
	int rc;

	for (const char *p = text; equals && p < equals; p++)
		if (*p == ':')
			colon = p;
	if (!equals || !colon || colon == text || colon + 1 == equals || !equals[1])
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "--set '%s': expected CGROUP:KNOB=VALUE, e.g. --set '/web:memory.max=256M'", text);
	at = strrchr(equals, '@');
	if (at && cgr_parse_duration(at + 1, &t_ns, reterr) < 0)
		return cgr_error_cause(reterr, "--set '%s': time after '@'", text);
	cgroup = cgr_printf("%.*s", (int)(colon - text), text);
	knob = cgr_printf("%.*s", (int)(equals - colon - 1), colon + 1);
	value = at ? cgr_printf("%.*s", (int)(at - equals - 1), equals + 1) : cgr_strdup(equals + 1);
	rc = cgroup && knob && value ? cgr_scenario_add(scenario, cgroup, knob, value, t_ns, "--set", reterr)
	                             : cgr_error_set(reterr, CGR_E_NOMEM, "--set");
	free(cgroup);
	free(knob);
	free(value);
	return rc;
}
