#include "capture/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/jsontext.h"
#include "capture/snapshot.h"
#include "common/util.h"

/* Samples reach the journal this often. */
#define FLUSH_NS 2000000000
/* A sample may cost at most this share of one CPU: with many cgroups the interval stretches instead. */
#define COST_SHARE 50

/* Members of `now` that differ from `before`; before is updated. */
static json_t *changes(json_t *before, json_t *now)
{
	json_t *diff = json_object(), *value;
	const char *key;

	json_object_foreach(now, key, value)
	{
		json_t *old = json_object_get(before, key);
		if (old == NULL || !json_equal(old, value))
			(void)json_object_set(diff, key, value);
	}
	(void)json_object_update(before, diff);
	return diff;
}

static void sample_cgroup(struct cgr_sampler *s, const struct cgr_cgroup *cgroup, json_t *out)
{
	json_t *knobs = json_object(), *counters = json_object(), *obj = json_object();

	cgr_json_set_text(obj, "path", cgroup->path);
	/* directory names may hold any byte, keys of JSON must not */
	const char *key = json_string_value(json_object_get(obj, "path"));
	json_t *entry = json_object_get(s->known, key);
	if (entry == NULL) {
		entry = json_pack("{s:{},s:{}}", "knobs", "counters");
		(void)json_object_set_new(s->known, key, entry);
		(void)json_object_set_new(obj, "dirs", cgr_cgroup_dirs_json(s->fs, cgroup));
	}
	cgr_cgroup_read(s->fs, cgroup, knobs, counters, NULL);
	json_t *new_knobs = changes(json_object_get(entry, "knobs"), knobs);
	json_t *new_counters = changes(json_object_get(entry, "counters"), counters);
	if (json_object_size(new_knobs) > 0)
		(void)json_object_set(obj, "knobs", new_knobs);
	if (json_object_size(new_counters) > 0)
		(void)json_object_set(obj, "counters", new_counters);
	if (json_object_size(obj) > 1)
		(void)json_array_append(out, obj);
	json_decref(new_knobs);
	json_decref(new_counters);
	json_decref(knobs);
	json_decref(counters);
	json_decref(obj);
}

/* Cgroups known before that this walk did not find. */
static void forget_gone(struct cgr_sampler *s, const struct cgr_cgroup_list *list, json_t *sample)
{
	json_t *gone = json_array(), *entry;
	json_t *found = json_object();
	const char *path;
	void *next;

	for (size_t i = 0; i < list->count; i++) {
		json_t *text = cgr_json_text(list->cgroup[i].path, strlen(list->cgroup[i].path));
		(void)json_object_set_new(found, json_string_value(text), json_null());
		json_decref(text);
	}
	json_object_foreach_safe(s->known, next, path, entry)
	{
		if (json_object_get(found, path) != NULL)
			continue;
		(void)json_array_append_new(gone, cgr_json_text(path, strlen(path)));
		(void)json_object_del(s->known, path);
	}
	if (json_array_size(gone) > 0)
		(void)json_object_set(sample, "gone", gone);
	json_decref(gone);
	json_decref(found);
}

static bool carries_counters(const struct cgr_sampler *s, const struct cgr_cgroup *cgroup)
{
	for (unsigned d = 0; d < cgroup->dir_count; d++) {
		const struct cgr_hierarchy *h = &s->fs->hierarchy[cgroup->dir[d].hierarchy];
		if (h->version == 2 || cgr_hierarchy_has(h, "memory") || cgr_hierarchy_has(h, "cpu") ||
		    cgr_hierarchy_has(h, "cpuacct"))
			return true;
	}
	return false;
}

static void take(struct cgr_sampler *s)
{
	struct cgr_cgroup_list list;
	int64_t begin = cgr_mono_ns();

	if (cgr_cgroup_list_load(s->fs, &list, NULL) < 0)
		return;
	json_t *sample = json_object(), *cgroups = json_array();
	cgr_json_set_int(sample, "mono_ns", begin);
	for (size_t i = 0; i < list.count; i++) {
		const struct cgr_cgroup *cgroup = &list.cgroup[i];
		if ((s->glob_count == 0 || cgr_cgroup_selected(cgroup->path, s->globs, s->glob_count)) &&
		    carries_counters(s, cgroup))
			sample_cgroup(s, cgroup, cgroups);
	}
	forget_gone(s, &list, sample);
	(void)json_object_set_new(sample, "cgroups", cgroups);
	int64_t took = cgr_mono_ns() - begin;
	cgr_json_set_int(sample, "took_ns", took);
	(void)json_array_append_new(s->pending, sample);
	s->count++;
	s->took_ns += (uint64_t)took;
	if (s->watch != NULL)
		s->watch(s->watch_context, begin, s->known);
	cgr_cgroup_list_fini(&list);
}

static void flush(struct cgr_sampler *s)
{
	if (json_array_size(s->pending) == 0 || s->code < 0)
		return;
	json_t *doc = json_object();
	cgr_json_set_int(doc, "schema_version", 1);
	cgr_json_set_int(doc, "interval_ns", s->interval_ns);
	(void)json_object_set_new(doc, "samples", s->pending);
	s->pending = json_array();
	s->flushed_ns = cgr_mono_ns();
	s->code = cgr_journal_json(s->journal, CGR_TD_SAMPLES, doc, &s->error);
}

static void *sampler_main(void *context)
{
	struct cgr_sampler *s = context;
	struct pollfd stop = { .fd = s->stop_pipe[0], .events = POLLIN };
	int64_t due = cgr_mono_ns();

	atomic_store(&s->tid, (int)syscall(SYS_gettid));
	(void)pthread_setname_np(pthread_self(), "cgr-sampler");
	for (;;) {
		int64_t begin = cgr_mono_ns(), took;
		take(s);
		if (cgr_mono_ns() - s->flushed_ns >= FLUSH_NS)
			flush(s);
		took = cgr_mono_ns() - begin;
		due = CGR_MAX(due + s->interval_ns, begin + took * COST_SHARE);
		int64_t left_ms = CGR_MAX((due - cgr_mono_ns() + 999999) / 1000000, 1);
		if (poll(&stop, 1, (int)left_ms) > 0)
			break;
	}
	flush(s);
	return NULL;
}

int cgr_sampler_start(struct cgr_sampler *s, struct cgr_error *reterr)
{
	sigset_t all, before;

	s->known = json_object();
	s->pending = json_array();
	s->flushed_ns = cgr_mono_ns();
	if (s->known == NULL || s->pending == NULL || pipe2(s->stop_pipe, O_CLOEXEC) != 0)
		return cgr_error_errno(reterr, CGR_E_INTERNAL, "cannot start the sampler");
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&s->thread, NULL, sampler_main, s);
	s->started = errno == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return s->started ? 0 : cgr_error_errno(reterr, CGR_E_INTERNAL, "cannot start the sampler");
}

int cgr_sampler_stop(struct cgr_sampler *s, struct cgr_error *reterr)
{
	if (!s->started)
		return 0;
	(void)close(s->stop_pipe[1]);
	(void)pthread_join(s->thread, NULL);
	s->started = false;
	(void)close(s->stop_pipe[0]);
	json_decref(s->known);
	json_decref(s->pending);
	if (s->code < 0 && reterr != NULL)
		*reterr = s->error;
	return s->code;
}
