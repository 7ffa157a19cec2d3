#include "capture/snapshot.h"

#include <fcntl.h>
#include <stdio.h>
#include <time.h>

#include "capture/container.h"
#include "capture/facts.h"
#include "capture/jsontext.h"
#include "capture/procfile.h"
#include "capture/tasks.h"
#include "common/util.h"

int64_t cgr_mono_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static json_t *cgroup_json(const struct cgr_cgroupfs *fs, const struct cgr_cgroup *cgroup)
{
	json_t *obj = json_object(), *knobs = json_object(), *counters = json_object(), *files = json_object();

	cgr_json_set_text(obj, "path", cgroup->path);
	cgr_json_set_int(obj, "mono_ns", cgr_mono_ns());
	(void)json_object_set_new(obj, "dirs", cgr_cgroup_dirs_json(fs, cgroup));
	cgr_cgroup_read(fs, cgroup, knobs, counters, files);
	json_t *container = cgr_container_json(cgroup->path, "");
	if (container != NULL)
		(void)json_object_set_new(obj, "container", container);
	(void)json_object_set_new(obj, "knobs", knobs);
	(void)json_object_set_new(obj, "counters", counters);
	(void)json_object_set_new(obj, "files", files);
	return obj;
}

static json_t *pressure_json(void)
{
	static const char *const names[] = { "cpu", "memory", "io", "irq" };
	struct cgr_procfile file = { 0 };
	json_t *obj = json_object();

	for (size_t i = 0; i < CGR_ARRAY_SIZE(names); i++) {
		char path[64];
		(void)snprintf(path, sizeof(path), "/proc/pressure/%s", names[i]);
		if (cgr_procfile_read(&file, AT_FDCWD, path, 4096) == 0)
			cgr_json_set_text(obj, names[i], file.text);
	}
	cgr_procfile_fini(&file);
	return obj;
}

json_t *cgr_snapshot_json(const struct cgr_cgroupfs *fs, const char *when)
{
	struct cgr_cgroup_list list;
	int64_t begin = cgr_mono_ns();

	if (cgr_cgroup_list_load(fs, &list, NULL) < 0)
		return NULL;
	json_t *obj = json_object(), *cgroups = json_array();
	cgr_json_set_int(obj, "schema_version", 1);
	cgr_json_set_text(obj, "when", when);
	cgr_json_set_int(obj, "mono_ns", begin);
	for (size_t i = 0; i < list.count; i++)
		(void)json_array_append_new(cgroups, cgroup_json(fs, &list.cgroup[i]));
	(void)json_object_set_new(obj, "cgroups", cgroups);
	cgr_tasks_json(obj);
	(void)json_object_set_new(obj, "vmstat", cgr_vmstat_json());
	(void)json_object_set_new(obj, "meminfo", cgr_meminfo_json());
	(void)json_object_set_new(obj, "pressure", pressure_json());
	cgr_json_set_int(obj, "took_ns", cgr_mono_ns() - begin);
	cgr_cgroup_list_fini(&list);
	return obj;
}
