/* The writer of the event store for fuzzing the parser: takes everything, keeps nothing, and asserts what the real one
 * asks of its caller. Linked before the store's library, which is then not taken. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "store/writer.h"

struct cgr_writer {
	uint32_t cgroups, tasks, css_sets, files;
	uint64_t knobs, last_ns, fields;
};

int cgr_writer_new(const char *path, unsigned flags, struct cgr_writer **ret_writer, struct cgr_error *reterr)
{
	(void)path, (void)flags;
	*ret_writer = calloc(1, sizeof(**ret_writer));
	if (*ret_writer == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	(*ret_writer)->cgroups = (*ret_writer)->tasks = 1;
	return 0;
}

struct cgr_writer *cgr_writer_free(struct cgr_writer *writer)
{
	free(writer);
	return NULL;
}

/* Reads all of a string, so that a missing NUL is found. */
static void text(const char *string)
{
	if (string != NULL && strlen(string) > (1u << 24))
		abort();
}

int cgr_writer_set_info(struct cgr_writer *writer, const struct cgr_store_info *info, struct cgr_error *reterr)
{
	(void)writer, (void)reterr;
	text(info->kernel_release), text(info->clock), text(info->source_digest), text(info->source_path);
	return 0;
}
int cgr_writer_set_meta(struct cgr_writer *writer, const char *key, const char *value, struct cgr_error *reterr)
{
	(void)writer, (void)reterr;
	text(key), text(value);
	return 0;
}
int cgr_writer_add_log(struct cgr_writer *writer, const char *severity, const char *what, uint64_t count,
                       const char *cost, struct cgr_error *reterr)
{
	(void)writer, (void)reterr, (void)count;
	text(severity), text(what), text(cost);
	return 0;
}
int cgr_writer_add_hierarchy(struct cgr_writer *writer, uint32_t hierarchy, int version, const char *controllers,
                             struct cgr_error *reterr)
{
	(void)writer, (void)reterr, (void)hierarchy, (void)version;
	text(controllers);
	return 0;
}
int cgr_writer_add_cgroup(struct cgr_writer *writer, const struct cgr_store_cgroup *cgroup, uint32_t *ret_id,
                          struct cgr_error *reterr)
{
	(void)reterr;
	text(cgroup->path), text(cgroup->container);
	assert(cgroup->parent == CGR_ID_NONE || cgroup->parent < writer->cgroups);
	*ret_id = writer->cgroups++;
	return 0;
}
int cgr_writer_set_cgroup(struct cgr_writer *writer, uint32_t id, const struct cgr_store_cgroup *cgroup,
                          struct cgr_error *reterr)
{
	(void)reterr;
	text(cgroup->path), text(cgroup->container);
	assert(id < writer->cgroups);
	return 0;
}
int cgr_writer_add_cgroup_dir(struct cgr_writer *writer, uint32_t cgroup, uint32_t hierarchy, uint64_t kernel_id,
                              int64_t born_ns, int64_t removed_ns, int64_t released_ns, struct cgr_error *reterr)
{
	(void)reterr, (void)hierarchy, (void)kernel_id, (void)born_ns, (void)removed_ns, (void)released_ns;
	assert(cgroup < writer->cgroups);
	return 0;
}
int cgr_writer_add_task(struct cgr_writer *writer, const struct cgr_store_task *task, uint32_t *ret_id,
                        struct cgr_error *reterr)
{
	(void)reterr;
	text(task->comm), text(task->cpus_allowed);
	*ret_id = writer->tasks++;
	return 0;
}
int cgr_writer_set_task(struct cgr_writer *writer, uint32_t id, const struct cgr_store_task *task,
                        struct cgr_error *reterr)
{
	(void)reterr;
	text(task->comm), text(task->cpus_allowed);
	assert(id < writer->tasks && task->css_set < writer->css_sets);
	assert(task->parent == CGR_ID_NONE || task->parent < writer->tasks);
	return 0;
}
int cgr_writer_add_comm(struct cgr_writer *writer, uint32_t task, int64_t from_ns, const char *comm,
                        struct cgr_error *reterr)
{
	(void)reterr, (void)from_ns;
	text(comm);
	assert(task < writer->tasks);
	return 0;
}
int cgr_writer_add_css_set(struct cgr_writer *writer, const struct cgr_store_css_set *set,
                           const struct cgr_writer_link *links, size_t count, uint32_t *ret_id,
                           struct cgr_error *reterr)
{
	(void)reterr;
	for (size_t i = 0; i < count; i++)
		assert(links[i].cgroup < writer->cgroups);
	assert(set->cpu_cgroup < writer->cgroups && set->memory_cgroup < writer->cgroups);
	*ret_id = writer->css_sets++;
	return 0;
}
int cgr_writer_add_membership(struct cgr_writer *writer, uint32_t task, int64_t from_ns, uint32_t css_set,
                              const char *how, struct cgr_error *reterr)
{
	(void)reterr, (void)from_ns;
	text(how);
	assert(task < writer->tasks && css_set < writer->css_sets);
	return 0;
}
int cgr_writer_add_knob(struct cgr_writer *writer, uint32_t cgroup, const char *name, int64_t t_ns, int64_t value,
                        int64_t value2, const char *exact, const char *source, uint64_t *ret_row,
                        struct cgr_error *reterr)
{
	(void)reterr, (void)t_ns, (void)value, (void)value2;
	text(name), text(exact), text(source);
	assert(cgroup < writer->cgroups);
	if (ret_row != NULL)
		*ret_row = writer->knobs;
	writer->knobs++;
	return 0;
}
int cgr_writer_add_counter(struct cgr_writer *writer, uint32_t cgroup, const char *name, int64_t t_ns, int64_t value,
                           const char *source, struct cgr_error *reterr)
{
	(void)reterr, (void)t_ns, (void)value;
	text(name), text(source);
	assert(cgroup < writer->cgroups);
	return 0;
}
int cgr_writer_add_file(struct cgr_writer *writer, uint64_t dev, uint64_t inode, const char *path, uint32_t *ret_id,
                        struct cgr_error *reterr)
{
	(void)reterr, (void)dev, (void)inode;
	text(path);
	*ret_id = writer->files++;
	return 0;
}
int cgr_writer_set_file_path(struct cgr_writer *writer, uint32_t file, const char *path, struct cgr_error *reterr)
{
	(void)reterr;
	text(path);
	assert(file < writer->files);
	return 0;
}
int cgr_writer_add_lost(struct cgr_writer *writer, const struct cgr_store_lost *lost, struct cgr_error *reterr)
{
	(void)writer, (void)reterr;
	assert(lost->from_ns <= lost->to_ns);
	return 0;
}
int cgr_writer_add_format(struct cgr_writer *writer, uint32_t id, const char *system, const char *name,
                          struct cgr_error *reterr)
{
	(void)writer, (void)reterr, (void)id;
	text(system), text(name);
	return 0;
}
int cgr_writer_add_fields(struct cgr_writer *writer, const char *json, size_t length, uint64_t *ret_row,
                          struct cgr_error *reterr)
{
	uint32_t sum = 0;

	(void)reterr;
	assert(length >= 2 && json[0] == '{' && json[length - 1] == '}');
	for (size_t i = 0; i < length; i++) {
		assert((unsigned char)json[i] >= 0x20);
		sum += (unsigned char)json[i];
	}
	assert(sum > 0);
	*ret_row = ++writer->fields;
	return 0;
}
int cgr_writer_add_source_count(struct cgr_writer *writer, const char *system, const char *name, uint64_t count,
                                struct cgr_error *reterr)
{
	(void)writer, (void)reterr, (void)count;
	text(system), text(name);
	return 0;
}

static bool names_task(uint8_t kind)
{
	return kind == CGR_EV_SWITCH || kind == CGR_EV_WAKING || kind == CGR_EV_WAKEUP || kind == CGR_EV_WAKEUP_NEW ||
	       kind == CGR_EV_MIGRATE || kind == CGR_EV_FORK || kind == CGR_EV_EXIT || kind == CGR_EV_RUNTIME ||
	       kind == CGR_EV_RUN_START || kind == CGR_EV_SIGNAL || kind == CGR_EV_OOM_VICTIM ||
	       kind == CGR_EV_CGROUP_ATTACH;
}

int cgr_writer_append(struct cgr_writer *writer, const struct cgr_event *events, size_t count, struct cgr_error *reterr)
{
	(void)reterr;
	for (size_t i = 0; i < count; i++) {
		assert(events[i].kind < CGR_EV_COUNT && events[i].task < writer->tasks);
		assert(events[i].ts_ns >= writer->last_ns);
		assert(!names_task(events[i].kind) || events[i].c < writer->tasks);
		writer->last_ns = events[i].ts_ns;
	}
	return 0;
}

int cgr_writer_commit(struct cgr_writer *writer, struct cgr_error *reterr)
{
	(void)writer, (void)reterr;
	return 0;
}
