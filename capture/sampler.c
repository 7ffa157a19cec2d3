#include "capture/sampler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "capture/jsontext.h"
#include "capture/snapshot.h"
#include "common/limits.h"
#include "common/tracedat.h"
#include "common/util.h"

/* Samples reach the journal this often. */
#define FLUSH_NS 2000000000
/* A sample may cost at most 1/COST_SHARE of one CPU: with many cgroups the interval stretches instead. */
#define COST_SHARE 50
/* The tree is walked when inotify says it changed, and this often in any case. */
#define WALK_NS 1000000000
/* A written knob is sampled at once, but not more often than this. */
#define KNOB_NS 5000000

struct cgr_sampled {
	char *path;
	json_t *known; /* {"knobs", "counters"} as last written, and "dirs" until told */
	struct cgr_cgroup_files files;
	bool told, seen;
};

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

/* Adds what changed since the last time to out, knobs only when somebody may have written one; false when the cgroup
 * is gone. */
static bool sample_cgroup(struct cgr_sampled *c, bool knobs_too, json_t *out)
{
	json_t *knobs = json_object(), *counters = json_object(), *obj = json_object();
	int64_t now = cgr_mono_ns();
	bool there = cgr_cgroup_files_read(&c->files, knobs_too || !c->told ? knobs : NULL, counters);
	json_t *new_knobs = changes(json_object_get(c->known, "knobs"), knobs);
	json_t *new_counters = changes(json_object_get(c->known, "counters"), counters);

	cgr_json_set_text(obj, "path", c->path);
	cgr_json_set_int(obj, "mono_ns", now);
	if (!c->told)
		(void)json_object_set(obj, "dirs", json_object_get(c->known, "dirs"));
	if (json_object_size(new_knobs) > 0)
		(void)json_object_set(obj, "knobs", new_knobs);
	if (json_object_size(new_counters) > 0)
		(void)json_object_set(obj, "counters", new_counters);
	if (there && json_object_size(obj) > 2) {
		(void)json_array_append(out, obj);
		c->told = true;
	}
	json_decref(new_knobs);
	json_decref(new_counters);
	json_decref(knobs);
	json_decref(counters);
	json_decref(obj);
	return there;
}

static bool is_wanted(const struct cgr_sampler *s, const struct cgr_cgroup *cgroup)
{
	if (s->glob_count > 0 && !cgr_cgroup_selected(cgroup->path, s->globs, s->glob_count))
		return false;
	for (unsigned d = 0; d < cgroup->dir_count; d++) {
		const struct cgr_hierarchy *h = &s->fs->hierarchy[cgroup->dir[d].hierarchy];
		if (h->version == 2 || cgr_hierarchy_has(h, "memory") || cgr_hierarchy_has(h, "cpu") ||
		    cgr_hierarchy_has(h, "cpuacct") || cgr_hierarchy_has(h, "cpuset"))
			return true;
	}
	return false;
}

static void forget(struct cgr_sampled *c)
{
	cgr_cgroup_files_close(&c->files);
	free(c->path);
	json_decref(c->known);
}

static int by_path(const void *a, const void *b)
{
	return strcmp(((const struct cgr_sampled *)a)->path, ((const struct cgr_sampled *)b)->path);
}

static void watch_dirs(const struct cgr_sampler *s, const struct cgr_cgroup *cgroup)
{
	for (unsigned d = 0; d < cgroup->dir_count && s->inotify >= 0; d++) {
		char path[CGR_LIMIT_PATH + 512];
		(void)snprintf(path, sizeof(path), "%s%s", s->fs->hierarchy[cgroup->dir[d].hierarchy].mount, cgroup->path);
		(void)inotify_add_watch(s->inotify, path, IN_CREATE | IN_DELETE | IN_MOVE | IN_MODIFY | IN_ONLYDIR);
	}
}

static void add_sampled(struct cgr_sampler *s, size_t *capacity, const struct cgr_cgroup *cgroup)
{
	if (cgr_grow((void **)&s->cgroup, capacity, s->cgroup_count + 1, sizeof(*s->cgroup), NULL) < 0)
		return;
	struct cgr_sampled *c = &s->cgroup[s->cgroup_count];
	c->path = cgr_strdup(cgroup->path);
	if (c->path == NULL)
		return;
	c->known = json_pack("{s:{},s:{}}", "knobs", "counters");
	(void)json_object_set_new(c->known, "dirs", cgr_cgroup_dirs_json(s->fs, cgroup));
	cgr_cgroup_files_open(s->fs, cgroup, &c->files);
	c->told = false;
	c->seen = true;
	s->cgroup_count++;
	watch_dirs(s, cgroup);
}

/* A cgroup whose directories changed (removed and made again under one name, or seen on one hierarchy first) is opened
 * anew: its files are others now. */
static bool is_same(const struct cgr_sampler *s, const struct cgr_sampled *c, const struct cgr_cgroup *cgroup)
{
	json_t *dirs = cgr_cgroup_dirs_json(s->fs, cgroup);
	bool same = json_equal(dirs, json_object_get(c->known, "dirs"));

	json_decref(dirs);
	return same;
}

static void drop_unseen(struct cgr_sampler *s)
{
	size_t kept = 0;

	for (size_t i = 0; i < s->cgroup_count; i++) {
		struct cgr_sampled *c = &s->cgroup[i];
		if (c->seen) {
			s->cgroup[kept++] = *c;
			continue;
		}
		(void)json_array_append_new(s->gone, cgr_json_text(c->path, strlen(c->path)));
		forget(c);
	}
	s->cgroup_count = kept;
}

/* Brings s->cgroup up to date with the tree. */
static void walk(struct cgr_sampler *s)
{
	struct cgr_cgroup_list list;
	size_t before = s->cgroup_count, capacity = before;

	s->walked_ns = cgr_mono_ns();
	s->changed = false;
	if (cgr_cgroup_list_load(s->fs, &list, NULL) < 0)
		return;
	for (size_t i = 0; i < before; i++)
		s->cgroup[i].seen = false;
	for (size_t i = 0; i < list.count; i++) {
		struct cgr_sampled key = { .path = list.cgroup[i].path };
		if (!is_wanted(s, &list.cgroup[i]))
			continue;
		struct cgr_sampled *c = before == 0 ? NULL : bsearch(&key, s->cgroup, before, sizeof(*s->cgroup), by_path);
		if (c != NULL && is_same(s, c, &list.cgroup[i]))
			c->seen = true;
		else
			add_sampled(s, &capacity, &list.cgroup[i]);
	}
	drop_unseen(s);
	if (s->cgroup_count > 0)
		qsort(s->cgroup, s->cgroup_count, sizeof(*s->cgroup), by_path);
	cgr_cgroup_list_fini(&list);
}

static void take(struct cgr_sampler *s)
{
	int64_t begin = cgr_mono_ns();

	bool walks = s->changed || s->inotify < 0 || begin - s->walked_ns >= WALK_NS, knobs_too = walks || s->knob;
	s->knob = false;
	if (walks)
		walk(s);
	json_t *sample = json_object(), *cgroups = json_array();
	cgr_json_set_int(sample, "mono_ns", begin);
	for (size_t i = 0; i < s->cgroup_count; i++)
		if (!sample_cgroup(&s->cgroup[i], knobs_too, cgroups))
			s->changed = true;
	if (json_array_size(s->gone) > 0) {
		(void)json_object_set_new(sample, "gone", s->gone);
		s->gone = json_array();
	}
	(void)json_object_set_new(sample, "cgroups", cgroups);
	int64_t took = cgr_mono_ns() - begin;
	cgr_json_set_int(sample, "took_ns", took);
	(void)json_array_append_new(s->pending, sample);
	atomic_fetch_add(&s->count, 1);
	atomic_fetch_add(&s->took_ns, (uint64_t)took);
	for (size_t i = 0; i < s->cgroup_count && s->watch != NULL; i++)
		s->watch(s->watch_context, begin, s->cgroup[i].path, json_object_get(s->cgroup[i].known, "counters"));
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
	s->code = s->emit(s->emit_context, CGR_TD_SAMPLES, doc, &s->error);
}

/* Reads what inotify says; true when a knob was written. */
static bool read_changes(struct cgr_sampler *s)
{
	_Alignas(struct inotify_event) char buffer[8192];
	bool knob = false;
	ssize_t got;

	while ((got = read(s->inotify, buffer, sizeof(buffer))) > 0) {
		for (ssize_t at = 0; at < got;) {
			const struct inotify_event *event = (const void *)(buffer + at);
			if ((event->mask & (IN_CREATE | IN_DELETE | IN_MOVE | IN_Q_OVERFLOW)) != 0)
				s->changed = true;
			if ((event->mask & IN_MODIFY) != 0 && event->len > 0 && cgr_cgroup_is_knob(event->name))
				knob = true;
			at += (ssize_t)sizeof(*event) + event->len;
		}
	}
	return knob;
}

static void retell(struct cgr_sampler *s)
{
	unsigned wanted = atomic_load(&s->wanted);

	flush(s);
	for (size_t i = 0; i < s->cgroup_count; i++) {
		(void)json_object_clear(json_object_get(s->cgroup[i].known, "knobs"));
		(void)json_object_clear(json_object_get(s->cgroup[i].known, "counters"));
		cgr_cgroup_files_forget(&s->cgroup[i].files);
		s->cgroup[i].told = false;
	}
	atomic_store(&s->retold, wanted);
}

/* Sleeps until the next sample is due. False when the recording ends. */
static bool wait_until(struct cgr_sampler *s, int64_t due, int64_t earliest)
{
	struct pollfd fds[2] = { { .fd = s->stop_pipe[0], .events = POLLIN }, { .fd = s->inotify, .events = POLLIN } };
	bool knob = false;

	for (;;) {
		int64_t now = cgr_mono_ns(), left = (knob ? CGR_MIN(due, earliest) : due) - now;
		if (left <= 0)
			return true;
		int got = poll(fds, knob || s->inotify < 0 ? 1 : 2, (int)((left + 999999) / 1000000));
		if (got > 0 && fds[0].revents != 0) {
			char byte;
			if (read(s->stop_pipe[0], &byte, 1) != 1)
				return false; /* closed: the recording ends */
			retell(s);
		}
		if (got > 0 && !knob && s->inotify >= 0)
			s->knob = knob = read_changes(s);
	}
}

static void *sampler_main(void *context)
{
	struct cgr_sampler *s = context;
	int64_t due = cgr_mono_ns();

	atomic_store(&s->tid, (int)syscall(SYS_gettid));
	(void)pthread_setname_np(pthread_self(), "cgr-sampler");
	do {
		int64_t begin = cgr_mono_ns();
		take(s);
		if (cgr_mono_ns() - s->flushed_ns >= FLUSH_NS)
			flush(s);
		int64_t earliest = CGR_MAX(begin + KNOB_NS, begin + (cgr_mono_ns() - begin) * COST_SHARE);
		due = CGR_MAX(due + s->interval_ns, earliest);
		if (!wait_until(s, due, earliest))
			break;
		due = CGR_MIN(due, cgr_mono_ns());
	} while (s->code == 0);
	flush(s);
	return NULL;
}

/* Open files cost nothing but a limit made for other programs. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int cgr_sampler_start(struct cgr_sampler *s, struct cgr_error *reterr)
{
	sigset_t all, before;

	s->pending = json_array();
	s->gone = json_array();
	s->changed = true;
	s->flushed_ns = cgr_mono_ns();
	s->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (s->pending == NULL || s->gone == NULL || pipe2(s->stop_pipe, O_CLOEXEC) != 0)
		return cgr_error_errno(reterr, CGR_E_INTERNAL, "cannot start the sampler");
	raise_file_limit();
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&s->thread, NULL, sampler_main, s);
	s->started = errno == 0;
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return s->started ? 0 : cgr_error_errno(reterr, CGR_E_INTERNAL, "cannot start the sampler");
}

void cgr_sampler_retell(struct cgr_sampler *s, int timeout_ms)
{
	if (!s->started)
		return;
	atomic_fetch_add(&s->wanted, 1);
	if (write(s->stop_pipe[1], "r", 1) != 1)
		return;
	for (; timeout_ms > 0 && atomic_load(&s->retold) != atomic_load(&s->wanted); timeout_ms--)
		(void)poll(NULL, 0, 1);
}

int cgr_sampler_stop(struct cgr_sampler *s, struct cgr_error *reterr)
{
	if (!s->started)
		return 0;
	(void)close(s->stop_pipe[1]);
	(void)pthread_join(s->thread, NULL);
	s->started = false;
	(void)close(s->stop_pipe[0]);
	if (s->inotify >= 0)
		(void)close(s->inotify);
	for (size_t i = 0; i < s->cgroup_count; i++)
		forget(&s->cgroup[i]);
	free(s->cgroup);
	json_decref(s->pending);
	json_decref(s->gone);
	if (s->code < 0 && reterr != NULL)
		*reterr = s->error;
	return s->code;
}
