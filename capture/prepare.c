/* What can be recorded on this machine, and what will be. */
#include <stdio.h>
#include <string.h>

#include "capture/probes.h"
#include "capture/session.h"
#include "common/util.h"

static void note(const struct cgr_session *s, const char *text)
{
	if (s->options->notes != NULL)
		(void)fprintf(s->options->notes, "cgreplay: %s\n", text);
}

int cgr_plan_session(struct cgr_session *s, struct cgr_error *reterr)
{
	struct cgr_cgroup_list cgroups;

	CGR_TRY(cgr_tracefs_borrow_dir(&s->tracefs, reterr));
	CGR_TRY(cgr_cgroupfs_load(&s->fs, "/proc", reterr));
	if (cgr_btf_new(NULL, &s->btf, &s->btf_error) < 0)
		note(s, "no type information (BTF) in this kernel: memory events cannot be told apart and are left out");
	cgr_timer_symbols_load(&s->symbols);
	CGR_TRY(cgr_cgroup_list_load(&s->fs, &cgroups, reterr));
	int rc = cgr_scope_resolve(&cgroups, s->options->globs, s->options->glob_count, "", s->options->notes, &s->scope,
	                           reterr);
	if (rc < 0) {
		cgr_cgroup_list_fini(&cgroups);
		return rc;
	}
	cgr_probes_remove(s->tracefs, NULL);
	cgr_probe_group(s->probe_group, sizeof(s->probe_group));
	const struct cgr_plan_input input = { .tracefs = s->tracefs,
		                                  .probe_group =
		                                      s->options->no_kprobes || s->options->perf ? NULL : s->probe_group,
		                                  .functions = !s->options->perf,
		                                  .presets = s->options->presets,
		                                  .btf = s->btf,
		                                  .symbols = &s->symbols,
		                                  .fs = &s->fs,
		                                  .cgroups = &cgroups,
		                                  .globs = (const char *const *)s->scope.glob,
		                                  .glob_count = s->scope.count };
	rc = cgr_plan_make(&input, &s->plan, reterr);
	cgr_cgroup_list_fini(&cgroups);
	if (rc == 0 && s->plan.count == 0)
		rc =
		    cgr_error_set(reterr, CGR_E_UNAVAILABLE, "%s/events: none of the events to record exists here", s->tracefs);
	return rc;
}

void cgr_plan_session_fini(struct cgr_session *s)
{
	if (s->probe_group[0] != '\0')
		cgr_probes_remove(s->tracefs, s->probe_group);
	cgr_plan_fini(&s->plan);
	cgr_scope_fini(&s->scope);
	cgr_timer_symbols_fini(&s->symbols);
	s->btf = cgr_btf_free(s->btf);
}

int cgr_record_print_plan(const struct cgr_record_options *options, FILE *out, struct cgr_error *reterr)
{
	struct cgr_session s = { .options = options };
	int rc = cgr_plan_session(&s, reterr);

	for (unsigned i = 0; rc == 0 && i < CGR_SIG_COUNT; i++) {
		const struct cgr_planned_signal *signal = &s.plan.signal[i];
		bool poor = signal->use == NULL || signal->use->kind == CGR_SOURCE_SAMPLING;
		if (!signal->wanted)
			continue;
		(void)fprintf(out, "%-12s %-10s %s\n", cgr_signal_name(i),
		              signal->use == NULL ? "absent" : cgr_source_kind_name(signal->use->kind),
		              signal->use == NULL ? "" : signal->use->events);
		if (signal->why[0] != '\0')
			(void)fprintf(out, "%-12s %-10s because: %s\n", "", "", signal->why);
		if (poor)
			(void)fprintf(out, "%-12s %-10s costs: %s\n", "", "", cgr_signal_costs(i));
	}
	for (size_t i = 0; rc == 0 && i < s.plan.count; i++)
		if (s.plan.event[i].filter[0] != '\0')
			(void)fprintf(out, "filter %s:%s  %s\n", s.plan.event[i].system, s.plan.event[i].name,
			              s.plan.event[i].filter);
	cgr_plan_session_fini(&s);
	return rc;
}

json_t *cgr_record_signals(const struct cgr_record_options *options, struct cgr_error *reterr)
{
	struct cgr_session s = { .options = options };
	json_t *signals = NULL;

	if (cgr_plan_session(&s, reterr) == 0) {
		signals = cgr_plan_signals_json(&s.plan);
		if (signals == NULL)
			(void)cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the event catalogue");
	}
	cgr_plan_session_fini(&s);
	return signals;
}
