/* Look-ups over an open store: borrowed arrays, cgroups by what people type, knobs and counters over time. */
#include <stdlib.h>
#include <string.h>

#include "common/cgroupname.h"
#include "common/optparse.h"
#include "common/util.h"
#include "store/store_internal.h"

const struct cgr_store_info *cgr_store_borrow_info(const struct cgr_store *store)
{
	return &store->info;
}

const char *cgr_store_borrow_meta(const struct cgr_store *store, const char *key)
{
	size_t low = 0, high = store->metas;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(store->meta[middle].key == NULL ? "" : store->meta[middle].key, key);

		if (order == 0)
			return store->meta[middle].value;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

#define BORROW(type, function, array, count)                                                                           \
	const struct type *function(const struct cgr_store *store, size_t *ret_count)                                      \
	{                                                                                                                  \
		*ret_count = store->count;                                                                                     \
		return store->array;                                                                                           \
	}
BORROW(cgr_store_cgroup, cgr_store_borrow_cgroups, cgroup, cgroups)
BORROW(cgr_store_task, cgr_store_borrow_tasks, task, tasks)
BORROW(cgr_store_css_set, cgr_store_borrow_css_sets, css_set, css_sets)
BORROW(cgr_store_sample, cgr_store_borrow_knobs, knob, knobs)
BORROW(cgr_store_sample, cgr_store_borrow_counters, counter, counters)
BORROW(cgr_store_file, cgr_store_borrow_files, file, files)
BORROW(cgr_store_lost, cgr_store_borrow_lost, lost, losts)

const char *cgr_store_borrow_name(const struct cgr_store *store, uint32_t name)
{
	return name < store->names ? store->name[name] : "";
}

const char *cgr_store_borrow_controllers(const struct cgr_store *store, uint32_t hierarchy)
{
	for (size_t i = 0; i < store->hierarchies; i++) {
		if (store->hierarchy[i].id == hierarchy)
			return store->hierarchy[i].controllers;
	}
	return NULL;
}

static uint32_t name_id(const struct cgr_store *store, const char *name)
{
	for (size_t i = 0; i < store->names; i++) {
		if (strcmp(store->name[i], name) == 0)
			return (uint32_t)i;
	}
	return CGR_ID_NONE;
}

/* Several cgroups may have had one path one after the other: what people mean is the one that was used, that is the
 * one with page-level records, else the one that lived longest within the trace. */
static bool better(const struct cgr_store *store, size_t candidate, size_t than)
{
	const struct cgr_store_cgroup *a = &store->cgroup[candidate], *b = &store->cgroup[than];
	int64_t end = store->info.duration_ns;
	int64_t a_ns = CGR_MIN(a->removed_ns, end) - CGR_MAX(a->born_ns, 0);
	int64_t b_ns = CGR_MIN(b->removed_ns, end) - CGR_MAX(b->born_ns, 0);

	if (a->recorded != b->recorded)
		return a->recorded;
	return a_ns > b_ns;
}

static bool matches(const struct cgr_store_cgroup *c, const char *text, enum cgr_name_match how)
{
	return cgr_name_matches(c->path, c->container, text, how);
}

static int ambiguous(const struct cgr_store *store, const char *text, enum cgr_name_match how, struct cgr_error *reterr)
{
	struct cgr_strbuf list = { 0 };
	unsigned shown = 0;
	int rc;

	for (size_t i = 0; i < store->cgroups && shown < 8; i++) {
		if (matches(&store->cgroup[i], text, how))
			cgr_strbuf_printf(&list, "%s%s", shown++ == 0 ? "" : ", ", store->cgroup[i].path);
	}
	rc = cgr_error_set(reterr, CGR_E_SCENARIO, "cgroup '%s' may be any of %s; give the whole path", text,
	                   list.text == NULL ? "several" : list.text);
	cgr_strbuf_fini(&list);
	return rc;
}

static int unknown(const struct cgr_store *store, const char *text, struct cgr_error *reterr)
{
	const char **paths = cgr_calloc(store->cgroups, sizeof(*paths));
	const char *near = NULL;
	int rc;

	for (size_t i = 0; paths != NULL && i < store->cgroups; i++)
		paths[i] = store->cgroup[i].path;
	if (paths != NULL)
		near = cgr_did_you_mean(text, paths, store->cgroups);
	if (near != NULL)
		rc =
		    cgr_error_set(reterr, CGR_E_SCENARIO, "%s: no cgroup '%s'; did you mean '%s'?", store->db.path, text, near);
	else
		rc = cgr_error_set(reterr, CGR_E_SCENARIO, "%s: no cgroup '%s'; `cgreplay info` lists them", store->db.path,
		                   text);
	free(paths);
	return rc;
}

int cgr_store_find_cgroup(const struct cgr_store *store, const char *text, uint32_t *ret_id, struct cgr_error *reterr)
{
	size_t length = strlen(text);
	char *plain = cgr_strdup(text);
	int rc = 0;

	if (plain == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", store->db.path);
	if (length > 1 && plain[length - 1] == '/')
		plain[length - 1] = '\0';
	for (enum cgr_name_match how = CGR_NAME_PATH; how < CGR_NAME_MATCHES; how++) {
		size_t found = store->cgroups;
		bool several = false;

		for (size_t i = 0; i < store->cgroups; i++) {
			if (!matches(&store->cgroup[i], plain, how))
				continue;
			if (found != store->cgroups && strcmp(store->cgroup[found].path, store->cgroup[i].path) != 0)
				several = true;
			if (found == store->cgroups || better(store, i, found))
				found = i;
		}
		if (found == store->cgroups)
			continue;
		*ret_id = (uint32_t)found;
		rc = several ? ambiguous(store, plain, how, reterr) : 0;
		free(plain);
		return rc;
	}
	rc = unknown(store, plain, reterr);
	free(plain);
	return rc;
}

bool cgr_store_knob_at(const struct cgr_store *store, uint32_t cgroup, const char *name, int64_t t_ns,
                       int64_t *ret_value, int64_t *ret_value2)
{
	uint32_t id = name_id(store, name);
	bool found = false;

	for (size_t i = 0; id != CGR_ID_NONE && i < store->knobs; i++) {
		const struct cgr_store_sample *s = &store->knob[i];

		if (s->cgroup != cgroup || s->name != id)
			continue;
		if (s->t_ns > t_ns && found)
			break;
		*ret_value = s->value;
		if (ret_value2 != NULL)
			*ret_value2 = s->value2;
		found = true;
		if (s->t_ns > t_ns)
			break; /* made during the trace: its first value is the one it was born with */
	}
	return found;
}

bool cgr_store_counter_first(const struct cgr_store *store, uint32_t cgroup, const char *name, int64_t *ret_value)
{
	uint32_t id = name_id(store, name);

	for (size_t i = 0; id != CGR_ID_NONE && i < store->counters; i++) {
		if (store->counter[i].cgroup == cgroup && store->counter[i].name == id) {
			*ret_value = store->counter[i].at_start ? store->counter[i].value : 0;
			return true;
		}
	}
	return false;
}

bool cgr_store_counter_last(const struct cgr_store *store, uint32_t cgroup, const char *name, int64_t *ret_value)
{
	uint32_t id = name_id(store, name);

	for (size_t i = store->counters; id != CGR_ID_NONE && i-- > 0;) {
		if (store->counter[i].cgroup == cgroup && store->counter[i].name == id) {
			*ret_value = store->counter[i].value;
			return true;
		}
	}
	return false;
}
