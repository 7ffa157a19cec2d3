/* From the catalogue to what is switched on here: for each signal the first source this kernel has, and the events
 * with their in-kernel filters. */
#ifndef CGR_CAPTURE_PLAN_H
#define CGR_CAPTURE_PLAN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/btf.h"
#include "capture/cgroupfs.h"
#include "capture/facts.h"
#include "common/error.h"

#define CGR_PRESET_CPU 1u
#define CGR_PRESET_MEMORY 2u
#define CGR_PRESET_FULL 3u

enum cgr_signal {
#define CGR_SIGNAL(name, presets, says, costs) CGR_SIG_##name,
#define CGR_SOURCE(signal, kind, events, filter, text)
#include "capture/catalog.def"
#undef CGR_SIGNAL
#undef CGR_SOURCE
	CGR_SIG_COUNT
};

enum cgr_source_kind { CGR_SOURCE_TRACEPOINT, CGR_SOURCE_KPROBE, CGR_SOURCE_FUNCTION, CGR_SOURCE_SAMPLING };
enum cgr_filter_kind { CGR_FILTER_NONE, CGR_FILTER_TEXT, CGR_FILTER_ITEMS, CGR_FILTER_TIMERS };

struct cgr_source {
	enum cgr_signal signal;
	enum cgr_source_kind kind;
	const char *events;
	enum cgr_filter_kind filter;
	const char *text;
};

struct cgr_planned_event {
	char system[64]; /* as in the recording */
	char group[64]; /* as in tracefs: the system, or our group of kprobes */
	char name[64];
	char *filter; /* in the kernel's syntax, "" for none; owned */
	char *wide_filter; /* the same as long as that of --cgroup, but for all cgroups; owned */
	char *format; /* text of its format file, owned */
	char *functions; /* of ftrace:function: those to trace, blank-separated, owned; NULL: an event like any other */
	int id; /* tracepoint id, -1 when the format has none */
	bool all_items; /* all its items but the excluded are wanted */
	int64_t least_item; /* of those wanted one by one; -1: none yet */
	int64_t large_item; /* wanted where it changes by more than one; -1: none */
	int64_t shunned_item; /* wanted by nobody and frequent: goes before the others are looked at; -1: none */
	bool paged; /* carries a memory cgroup id: --cgroup narrows it */
};

struct cgr_planned_signal {
	bool wanted; /* by the preset */
	const struct cgr_source *use; /* NULL: no source on this kernel */
	char why[400]; /* why better sources were passed over */
};

struct cgr_plan {
	struct cgr_planned_signal signal[CGR_SIG_COUNT];
	struct cgr_planned_event *event;
	size_t count, capacity;
	bool scoped; /* page-level events are narrowed to the --cgroup subtrees */
	bool anon_implied; /* NR_ANON_MAPPED of single pages is left out: a charge without a kind is one anonymous page */
};

struct cgr_plan_input {
	const char *tracefs; /* its mount point; format files are read in events/ */
	const char *probe_group; /* kprobes are defined in the kernel under this name; NULL: none */
	bool functions; /* the function tracer may be used */
	unsigned presets;
	const struct cgr_btf *btf; /* NULL: items cannot be filtered, their signals fall back */
	const struct cgr_timer_symbols *symbols;
	const struct cgr_cgroupfs *fs;
	const struct cgr_cgroup_list *cgroups;
	const char *const *globs; /* --cgroup */
	size_t glob_count;
};

int cgr_plan_make(const struct cgr_plan_input *input, struct cgr_plan *plan, struct cgr_error *reterr);
void cgr_plan_fini(struct cgr_plan *plan);
/* The function tracer turned out to be refused: its signals fall back to what comes next. */
void cgr_plan_without_functions(struct cgr_plan *plan, const char *why);

const char *cgr_signal_name(unsigned signal);
unsigned cgr_signal_presets(unsigned signal);
const char *cgr_signal_says(unsigned signal);
const char *cgr_signal_costs(unsigned signal);
const char *cgr_source_kind_name(enum cgr_source_kind kind);
/* All sources in catalogue order. */
const struct cgr_source *cgr_sources_borrow(size_t *ret_count);

/* "signals" and "events" members of FACTS. */
json_t *cgr_plan_signals_json(const struct cgr_plan *plan);
json_t *cgr_plan_events_json(const struct cgr_plan *plan);

#endif
