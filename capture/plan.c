#include "capture/plan.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture/functions.h"
#include "capture/jsontext.h"
#include "capture/probes.h"
#include "capture/procfile.h"
#include "common/limits.h"
#include "common/util.h"

/* The kernel takes at most a page of filter text (kernel/trace/trace_events.c: event_filter_write). */
#define FILTER_TEXT_MAX 4000u
#define CPU CGR_PRESET_CPU
#define MEMORY CGR_PRESET_MEMORY

static const struct {
	const char *name;
	unsigned presets;
	const char *says, *costs;
} signals[CGR_SIG_COUNT] = {
#define CGR_SIGNAL(name, presets, says, costs) { #name, presets, says, costs },
#define CGR_SOURCE(signal, kind, events, filter, text)
#include "capture/catalog.def"
#undef CGR_SIGNAL
#undef CGR_SOURCE
};

static const struct cgr_source sources[] = {
#define CGR_SIGNAL(name, presets, says, costs)
#define CGR_SOURCE(signal, kind, events, filter, text)                                                                 \
	{ CGR_SIG_##signal, CGR_SOURCE_##kind, events, CGR_FILTER_##filter, text },
#include "capture/catalog.def"
#undef CGR_SIGNAL
#undef CGR_SOURCE
};

const char *cgr_signal_name(unsigned signal)
{
	/* `switch` is a C keyword, hence switch_ in the catalogue */
	return signal == CGR_SIG_switch_ ? "switch" : signal < CGR_SIG_COUNT ? signals[signal].name : "unknown";
}

unsigned cgr_signal_presets(unsigned signal)
{
	return signal < CGR_SIG_COUNT ? signals[signal].presets : 0;
}

const char *cgr_signal_says(unsigned signal)
{
	return signal < CGR_SIG_COUNT ? signals[signal].says : "";
}

const char *cgr_signal_costs(unsigned signal)
{
	return signal < CGR_SIG_COUNT ? signals[signal].costs : "";
}

const char *cgr_source_kind_name(enum cgr_source_kind kind)
{
	static const char *const name[] = { "tracepoint", "kprobe", "function", "sampling" };

	return name[kind];
}

const struct cgr_source *cgr_sources_borrow(size_t *ret_count)
{
	*ret_count = CGR_ARRAY_SIZE(sources);
	return sources;
}

/* Next word of a blank-separated list; false at its end. */
static bool next_word(const char **at, char *word, size_t size)
{
	*at += strspn(*at, " ");
	size_t length = strcspn(*at, " ");

	if (length == 0 || length >= size)
		return false;
	memcpy(word, *at, length);
	word[length] = '\0';
	*at += length;
	return true;
}

static struct cgr_planned_event *find_event(struct cgr_plan *plan, const char *system, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->event[i].system, system) == 0 && strcmp(plan->event[i].name, name) == 0)
			return &plan->event[i];
	return NULL;
}

/* Splits "system:event" in place. */
static char *split(char *word)
{
	char *colon = strchr(word, ':');

	if (colon == NULL)
		return NULL;
	*colon = '\0';
	return colon + 1;
}

/* Text of the format file, malloc'ed; NULL when there is no such event. */
static char *read_format(const char *tracefs, const char *group, const char *event)
{
	struct cgr_procfile file = { 0 };
	char path[640];

	(void)snprintf(path, sizeof(path), "%s/events/%s/%s/format", tracefs, group, event);
	if (cgr_procfile_read(&file, AT_FDCWD, path, CGR_LIMIT_FORMAT_BYTES) != 0 || file.length == 0) {
		cgr_procfile_fini(&file);
		return NULL;
	}
	return file.text;
}

/* "sched:throttle_cfs_rq sched:unthrottle_cfs_rq" -> "throttle_cfs_rq unthrottle_cfs_rq": an event that stands for a
 * traced function has its name. */
static void functions_of(const struct cgr_source *source, struct cgr_strbuf *out)
{
	char word[128];

	for (const char *at = source->events; next_word(&at, word, sizeof(word));) {
		const char *name = split(word);
		if (name != NULL)
			cgr_strbuf_printf(out, "%s%s", out->length > 0 ? " " : "", name);
	}
}

/* Whoever reads the trace tells the functions apart by their addresses. */
static bool is_traceable(const struct cgr_plan_input *input, const struct cgr_source *source, char *why, size_t size)
{
	struct cgr_strbuf names = { 0 };
	struct cgr_error err = { 0 };
	bool hidden = input->symbols->address[CGR_SYMBOL_throttle_cfs_rq] == 0, traceable = false;

	functions_of(source, &names);
	if (!input->functions)
		(void)cgr_strcpy(why, size, "the function tracer is not wanted");
	else if (names.failed || cgr_functions_check(input->tracefs, names.text, &err) < 0)
		(void)cgr_strcpy(why, size, err.count > 0 ? err.cause[0] : "no memory for the names of functions");
	else if (hidden)
		(void)cgr_strcpy(why, size, "addresses of kernel functions are hidden (kernel.kptr_restrict)");
	else
		traceable = true;
	cgr_strbuf_fini(&names);
	return traceable;
}

/* True when all events of the source are there, or could be made; why says what is missing. */
static bool is_there(const struct cgr_plan_input *input, const struct cgr_source *source, char *why, size_t size)
{
	char word[128];
	const char *at = source->events;

	if (source->kind == CGR_SOURCE_FUNCTION)
		return is_traceable(input, source, why, size);
	while (next_word(&at, word, sizeof(word))) {
		struct cgr_error err = { 0 };
		char *event = split(word);
		if (event == NULL)
			return false;
		if (source->kind == CGR_SOURCE_KPROBE) {
			if (input->probe_group != NULL &&
			    cgr_probe_define(input->tracefs, input->probe_group, word, event, input->btf, &err) == 0)
				continue;
			(void)cgr_strcpy(why, size, err.count > 0 ? err.cause[0] : "kprobes are not wanted");
			return false;
		}
		char *format = read_format(input->tracefs, word, event);
		if (format == NULL) {
			(void)snprintf(why, size, "no tracepoint %s:%s", word, event);
			return false;
		}
		free(format);
	}
	return true;
}

struct lookup {
	const char *name;
	int64_t value;
	bool found;
};

static void match_enumerator(void *context, const char *enumerator, int64_t value)
{
	struct lookup *lookup = context;

	if (!lookup->found && strcmp(enumerator, lookup->name) == 0) {
		lookup->value = value;
		lookup->found = true;
	}
}

/* count_memcg_events counts vm events; the mod events share one number space of node and memcg items. */
static bool item_number(const struct cgr_btf *btf, const char *event, const char *name, int64_t *ret)
{
	struct lookup lookup = { .name = name };

	if (strcmp(event, "count_memcg_events") == 0) {
		(void)cgr_btf_enum(btf, "vm_event_item", match_enumerator, &lookup);
	} else {
		(void)cgr_btf_enum(btf, "node_stat_item", match_enumerator, &lookup);
		(void)cgr_btf_enum(btf, "memcg_stat_item", match_enumerator, &lookup);
	}
	*ret = lookup.value;
	return lookup.found;
}

static int set_filter(struct cgr_planned_event *event, struct cgr_strbuf *text, struct cgr_error *reterr)
{
	if (text->failed)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the filter of %s:%s", event->system, event->name);
	free(event->filter);
	event->filter = text->text != NULL ? text->text : cgr_strdup("");
	*text = (struct cgr_strbuf){ 0 };
	return event->filter != NULL ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "no memory for an event's filter");
}

static bool sees_charges(const struct cgr_plan *plan)
{
	const struct cgr_source *use = plan->signal[CGR_SIG_charge].use;

	return use != NULL && use->kind != CGR_SOURCE_SAMPLING;
}

/* Adds one word of a list of items to the filter: "NAME", "NAME>1" or "!NAME". Names this kernel does not have are no
 * loss (swap, zswap not built). */
static void join_item(const struct cgr_plan_input *input, struct cgr_plan *plan, struct cgr_planned_event *event,
                      const char *word, struct cgr_strbuf *text)
{
	/* single pages may be left out only where charges are seen */
	bool unwanted = word[0] == '!', large = strstr(word, ">1") != NULL && sees_charges(plan);
	char name[64];
	int64_t number;

	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(word + unwanted, ">"), word + unwanted);
	if ((event->all_items && !unwanted) || !item_number(input->btf, event->name, name, &number))
		return;
	/* the filter has room for one of each: more would be our own mistake in the catalogue */
	assert(!unwanted || event->all_items || event->shunned_item < 0 || event->shunned_item == number);
	assert(unwanted || !large || event->large_item < 0 || event->large_item == number);
	if (unwanted && !event->all_items) {
		event->shunned_item = number;
		return;
	}
	if (unwanted) {
		cgr_strbuf_printf(text, "%sitem!=%" PRId64, text->length > 0 ? "&&" : "", number);
		return;
	}
	cgr_strbuf_printf(text, "%sitem==%" PRId64, text->length > 0 ? "||" : "", number);
	event->large_item = large ? number : event->large_item;
	plan->anon_implied = plan->anon_implied || (large && strcmp(name, "NR_ANON_MAPPED") == 0);
	event->least_item = event->least_item < 0 ? number : CGR_MIN(event->least_item, number);
}

/* "item==3||item==7" from names, or "item!=5" where all but a few are wanted. */
static int join_items(const struct cgr_plan_input *input, struct cgr_plan *plan, struct cgr_planned_event *event,
                      const char *names, struct cgr_error *reterr)
{
	struct cgr_strbuf text = { 0 };
	bool all = names[0] == '*';
	char word[64];

	event->paged = true;
	if (event->all_items && !all)
		return 0;
	/* what was asked for one by one so far is part of all */
	cgr_strbuf_printf(&text, "%s", all && !event->all_items ? "" : event->filter);
	event->all_items = all;
	for (const char *at = names; next_word(&at, word, sizeof(word));)
		join_item(input, plan, event, word, &text);
	return set_filter(event, &text, reterr);
}

/* What is rejected most goes first, or it would pass through a dozen comparisons of some 7 ns each: the small numbers,
 * which nobody wants (list sizes, slab), then the changes by one, then the item that is shunned. */
static int finish_filters(struct cgr_plan *plan, struct cgr_error *reterr)
{
	for (size_t i = 0; i < plan->count; i++) {
		struct cgr_planned_event *event = &plan->event[i];
		struct cgr_strbuf text = { 0 };
		if (event->paged && !event->all_items && event->least_item > 0) {
			cgr_strbuf_printf(&text, "item>=%" PRId64 "&&", event->least_item);
			if (event->large_item >= 0)
				cgr_strbuf_printf(&text, "(item!=%" PRId64 "||val>1||val<-1)&&", event->large_item);
			if (event->shunned_item >= 0)
				cgr_strbuf_printf(&text, "item!=%" PRId64 "&&", event->shunned_item);
			cgr_strbuf_printf(&text, "(%s)", event->filter);
			CGR_TRY(set_filter(event, &text, reterr));
		}
		event->wide_filter = cgr_strdup(event->filter);
		if (event->wide_filter == NULL)
			return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for an event's filter");
	}
	return 0;
}

/* The callbacks that wake tasks or drive bandwidth control; the scheduler tick is what must stay out. */
static int join_timers(const struct cgr_plan_input *input, struct cgr_planned_event *event, struct cgr_error *reterr)
{
	static const enum cgr_timer_symbol wanted[] = { CGR_SYMBOL_hrtimer_wakeup,        CGR_SYMBOL_sched_cfs_period_timer,
		                                            CGR_SYMBOL_sched_cfs_slack_timer, CGR_SYMBOL_posix_timer_fn,
		                                            CGR_SYMBOL_timerfd_tmrproc,       CGR_SYMBOL_it_real_fn,
		                                            CGR_SYMBOL_alarmtimer_fired };
	struct cgr_strbuf text = { 0 };

	for (size_t i = 0; i < CGR_ARRAY_SIZE(wanted); i++)
		if (input->symbols->address[wanted[i]] != 0)
			cgr_strbuf_printf(&text, "%sfunction==0x%" PRIx64, text.length > 0 ? "||" : "",
			                  input->symbols->address[wanted[i]]);
	if (text.length == 0)
		return 0; /* addresses hidden: unfiltered, the tick included */
	return set_filter(event, &text, reterr);
}

static int add_event(const struct cgr_plan_input *input, struct cgr_plan *plan, const struct cgr_source *source,
                     char *word, struct cgr_error *reterr)
{
	char *name = split(word);
	const char *group = source->kind == CGR_SOURCE_KPROBE ? input->probe_group : word;
	char *format = name == NULL ? NULL : read_format(input->tracefs, group, name);

	if (format == NULL)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "%s/events/%s: event vanished", input->tracefs, word);
	struct cgr_planned_event *event = find_event(plan, word, name);
	if (event == NULL) {
		int rc = cgr_grow((void **)&plan->event, &plan->capacity, plan->count + 1, sizeof(*plan->event), reterr);
		if (rc < 0) {
			free(format);
			return rc;
		}
		event = &plan->event[plan->count++];
		(void)cgr_strcpy(event->system, sizeof(event->system), word);
		(void)cgr_strcpy(event->group, sizeof(event->group), group);
		(void)cgr_strcpy(event->name, sizeof(event->name), name);
		const char *id = strstr(format, "\nID:");
		event->id = id == NULL ? -1 : atoi(id + 4);
		event->format = format;
		event->least_item = event->large_item = event->shunned_item = -1;
		event->filter = cgr_strdup(source->filter == CGR_FILTER_TEXT ? source->text : "");
		if (event->filter == NULL)
			return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the event plan");
	} else {
		free(format);
	}
	if (source->filter == CGR_FILTER_ITEMS)
		return join_items(input, plan, event, source->text, reterr);
	return source->filter == CGR_FILTER_TIMERS ? join_timers(input, event, reterr) : 0;
}

/* One event, ftrace:function, tells of all traced functions. */
static int add_functions(const struct cgr_plan_input *input, struct cgr_plan *plan, const struct cgr_source *source,
                         struct cgr_error *reterr)
{
	char word[] = "ftrace:function";
	struct cgr_strbuf names = { 0 };

	CGR_TRY(add_event(input, plan, source, word, reterr));
	functions_of(source, &names);
	if (names.failed || names.text == NULL) {
		cgr_strbuf_fini(&names);
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the names of functions");
	}
	struct cgr_planned_event *event = find_event(plan, "ftrace", "function");
	free(event->functions);
	event->functions = names.text;
	return 0;
}

static int use_source(const struct cgr_plan_input *input, struct cgr_plan *plan, const struct cgr_source *source,
                      struct cgr_error *reterr)
{
	char word[128];
	const char *at = source->events;

	plan->signal[source->signal].use = source;
	if (source->kind == CGR_SOURCE_FUNCTION)
		return add_functions(input, plan, source, reterr);
	while (source->kind != CGR_SOURCE_SAMPLING && next_word(&at, word, sizeof(word)))
		CGR_TRY(add_event(input, plan, source, word, reterr));
	return 0;
}

/* From 6.11 on folios are counted as they are charged only where cgroup v1 is built in (memcg1_charge_statistics,
 * mm/memcontrol-v1.c, called by memcg1_commit_charge); its members of struct mem_cgroup tell. */
static bool counts_charges(const struct cgr_btf *btf)
{
	return btf == NULL || cgr_btf_offset(btf, "mem_cgroup", "memory") < 0 ||
	       cgr_btf_offset(btf, "mem_cgroup", "soft_limit") >= 0;
}

static bool is_usable(const struct cgr_plan_input *input, const struct cgr_source *source, char *why, size_t size)
{
	if (source->kind == CGR_SOURCE_SAMPLING)
		return true;
	if (!is_there(input, source, why, size))
		return false;
	if (source->filter == CGR_FILTER_ITEMS && input->btf == NULL) {
		(void)snprintf(why, size, "no BTF to tell the item numbers");
		return false;
	}
	if (source->signal == CGR_SIG_charge && !counts_charges(input->btf)) {
		(void)snprintf(why, size, "this kernel is built without CONFIG_MEMCG_V1 and counts no charged folios");
		return false;
	}
	return true;
}

/* Ids on the memory hierarchy of the cgroups that are (not) selected, as a filter over `id`. */
static void id_filter(const struct cgr_plan_input *input, bool selected, struct cgr_strbuf *text)
{
	int memory = cgr_cgroupfs_find(input->fs, "memory");

	for (size_t i = 0; i < input->cgroups->count; i++) {
		const struct cgr_cgroup *cgroup = &input->cgroups->cgroup[i];
		if (cgr_cgroup_selected(cgroup->path, input->globs, input->glob_count) != selected)
			continue;
		for (unsigned d = 0; d < cgroup->dir_count; d++)
			if (cgroup->dir[d].hierarchy == memory)
				cgr_strbuf_printf(text, "%sid%s%" PRIu64,
				                  text->length == 0 ? ""
				                  : selected        ? "||"
				                                    : "&&",
				                  selected ? "==" : "!=", cgroup->dir[d].id);
	}
}

/* What is calibrated with our own events: each comparison of `ids` once, and all of them hold, for no cgroup has id 0.
 */
static void id_filter_for_all(const char *ids, struct cgr_strbuf *text)
{
	for (const char *at = strstr(ids, "id"); at != NULL; at = strstr(at + 1, "id"))
		cgr_strbuf_printf(text, "%sid!=0", text->length == 0 ? "" : "&&");
}

static char *narrowed(const char *filter, const char *ids)
{
	struct cgr_strbuf text = { 0 };

	if (filter[0] != '\0')
		cgr_strbuf_printf(&text, "(%s)&&(%s)", filter, ids);
	else
		cgr_strbuf_printf(&text, "%s", ids);
	return text.text;
}

static int narrow_event(struct cgr_planned_event *event, const char *ids, const char *all, struct cgr_error *reterr)
{
	char *filter = narrowed(event->filter, ids), *wide = narrowed(event->filter, all);

	if (filter == NULL || wide == NULL) {
		free(filter);
		free(wide);
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the filter of %s:%s", event->system, event->name);
	}
	free(event->filter);
	free(event->wide_filter);
	event->filter = filter;
	event->wide_filter = wide;
	return 0;
}

/* Prefer to exclude what exists outside: cgroups made later in the subtree are then recorded from their first page.
 * Only when that is too long for the kernel, include the ones that exist inside. */
static int narrow_to_scope(const struct cgr_plan_input *input, struct cgr_plan *plan, struct cgr_error *reterr)
{
	struct cgr_strbuf ids = { 0 }, all = { 0 };
	int rc = 0;

	id_filter(input, false, &ids);
	if (ids.length > FILTER_TEXT_MAX / 2) {
		cgr_strbuf_fini(&ids);
		id_filter(input, true, &ids);
	}
	plan->scoped = ids.length > 0 && ids.length <= FILTER_TEXT_MAX / 2;
	if (plan->scoped) {
		id_filter_for_all(ids.text, &all);
		if (ids.failed || all.failed)
			rc = cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the filter of cgroups");
	}
	for (size_t i = 0; i < plan->count && plan->scoped && rc == 0; i++)
		if (plan->event[i].paged)
			rc = narrow_event(&plan->event[i], ids.text, all.text, reterr);
	cgr_strbuf_fini(&ids);
	cgr_strbuf_fini(&all);
	return rc;
}

/* Why each better source was passed over, once each: a signal may have several. */
static void add_reason(struct cgr_planned_signal *signal, const char *why)
{
	size_t length = strlen(signal->why);

	if (strstr(signal->why, why) == NULL)
		(void)snprintf(signal->why + length, sizeof(signal->why) - length, "%s%s", length > 0 ? "; " : "", why);
}

int cgr_plan_make(const struct cgr_plan_input *input, struct cgr_plan *plan, struct cgr_error *reterr)
{
	int rc = 0;

	*plan = (struct cgr_plan){ 0 };
	for (size_t i = 0; i < CGR_ARRAY_SIZE(sources) && rc == 0; i++) {
		struct cgr_planned_signal *signal = &plan->signal[sources[i].signal];
		char why[160];
		signal->wanted = (signals[sources[i].signal].presets & input->presets) != 0;
		if (!signal->wanted || signal->use != NULL)
			continue;
		if (is_usable(input, &sources[i], why, sizeof(why)))
			rc = use_source(input, plan, &sources[i], reterr);
		else
			add_reason(signal, why);
	}
	if (rc == 0)
		rc = finish_filters(plan, reterr);
	if (rc == 0 && input->glob_count > 0)
		rc = narrow_to_scope(input, plan, reterr);
	if (rc < 0)
		cgr_plan_fini(plan);
	return rc;
}

void cgr_plan_fini(struct cgr_plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		free(plan->event[i].filter);
		free(plan->event[i].wide_filter);
		free(plan->event[i].format);
		free(plan->event[i].functions);
	}
	free(plan->event);
	*plan = (struct cgr_plan){ 0 };
}

void cgr_plan_without_functions(struct cgr_plan *plan, const char *why)
{
	size_t kept = 0;

	for (size_t i = 0; i < plan->count; i++) {
		struct cgr_planned_event *event = &plan->event[i];
		if (event->functions == NULL) {
			plan->event[kept++] = *event;
			continue;
		}
		free(event->filter);
		free(event->wide_filter);
		free(event->format);
		free(event->functions);
	}
	plan->count = kept;
	for (unsigned i = 0; i < CGR_SIG_COUNT; i++) {
		struct cgr_planned_signal *signal = &plan->signal[i];
		if (signal->use == NULL || signal->use->kind != CGR_SOURCE_FUNCTION)
			continue;
		/* what comes next in the catalogue needs nothing of the kernel: samples */
		const struct cgr_source *next = signal->use + 1;
		bool same = next < sources + CGR_ARRAY_SIZE(sources) && next->signal == signal->use->signal;
		signal->use = same && next->kind == CGR_SOURCE_SAMPLING ? next : NULL;
		(void)cgr_strcpy(signal->why, sizeof(signal->why), why);
	}
}

json_t *cgr_plan_signals_json(const struct cgr_plan *plan)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < CGR_SIG_COUNT; i++) {
		const struct cgr_planned_signal *signal = &plan->signal[i];
		json_t *obj = json_object();
		if (!signal->wanted) {
			json_decref(obj);
			continue;
		}
		cgr_json_set_text(obj, "name", cgr_signal_name(i));
		(void)json_object_set_new(obj, "absent", json_boolean(signal->use == NULL));
		if (signal->use != NULL) {
			cgr_json_set_text(obj, "source", cgr_source_kind_name(signal->use->kind));
			json_t *events = json_array();
			char word[128];
			for (const char *at = signal->use->events; next_word(&at, word, sizeof(word));)
				(void)json_array_append_new(events, json_string(word));
			(void)json_object_set_new(obj, "events", events);
		}
		if (signal->why[0] != '\0')
			cgr_json_set_text(obj, "why", signal->why);
		cgr_json_set_text(obj, "costs", signals[i].costs);
		(void)json_array_append_new(array, obj);
	}
	return array;
}

json_t *cgr_plan_events_json(const struct cgr_plan *plan)
{
	json_t *array = json_array();

	for (size_t i = 0; i < plan->count; i++) {
		json_t *obj = json_object();
		cgr_json_set_text(obj, "system", plan->event[i].system);
		cgr_json_set_text(obj, "name", plan->event[i].name);
		cgr_json_set_int(obj, "id", plan->event[i].id);
		cgr_json_set_text(obj, "filter", plan->event[i].filter);
		(void)json_array_append_new(array, obj);
	}
	return array;
}
