/* The cgroup hierarchies of this machine, v1 and v2, and the cgroups in them. A path that exists on several v1
 * hierarchies is one cgroup. */
#ifndef CGR_CAPTURE_CGROUPFS_H
#define CGR_CAPTURE_CGROUPFS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define CGR_HIERARCHIES_MAX 32u

struct cgr_hierarchy {
	int id; /* hierarchy number as in /proc/PID/cgroup; 0 = v2 */
	int version; /* 1 or 2 */
	char controllers[256]; /* "cpu,cpuacct", "name=systemd"; v2: cgroup.controllers of the root */
	char mount[512]; /* where it is mounted */
	char root[512]; /* which directory of the hierarchy is mounted there ("/" outside containers) */
	char options[512];
};

struct cgr_cgroupfs {
	struct cgr_hierarchy hierarchy[CGR_HIERARCHIES_MAX];
	size_t count;
};

/* Reads mountinfo and /proc/self/cgroup. proc is "/proc" outside tests. */
int cgr_cgroupfs_load(struct cgr_cgroupfs *fs, const char *proc, struct cgr_error *reterr);
bool cgr_hierarchy_has(const struct cgr_hierarchy *hierarchy, const char *controller);
/* Index of the hierarchy that carries a controller (v1, or v2), -1 if none. */
int cgr_cgroupfs_find(const struct cgr_cgroupfs *fs, const char *controller);
json_t *cgr_cgroupfs_json(const struct cgr_cgroupfs *fs);

struct cgr_cgroup_dir {
	uint8_t hierarchy; /* index into cgr_cgroupfs.hierarchy */
	uint64_t id; /* kernfs id = inode */
};

struct cgr_cgroup {
	char *path; /* relative to the mount, "/" for its root */
	struct cgr_cgroup_dir dir[CGR_HIERARCHIES_MAX];
	unsigned dir_count;
};

/* All cgroups, sorted by path. */
struct cgr_cgroup_list {
	struct cgr_cgroup *cgroup;
	size_t count, capacity;
};
int cgr_cgroup_list_load(const struct cgr_cgroupfs *fs, struct cgr_cgroup_list *list, struct cgr_error *reterr);
void cgr_cgroup_list_fini(struct cgr_cgroup_list *list);
struct cgr_cgroup *cgr_cgroup_list_find(const struct cgr_cgroup_list *list, const char *path);
json_t *cgr_cgroup_dirs_json(const struct cgr_cgroupfs *fs, const struct cgr_cgroup *cgroup);

/* Opens the cgroup's directory on one hierarchy (O_PATH-like use with openat); -errno when it is gone. */
int cgr_cgroup_open(const struct cgr_cgroupfs *fs, const struct cgr_cgroup *cgroup, unsigned dir);

/* Knobs and counters under canonical names (docs/trace-file.md). With `files` not NULL every readable file of the
 * cpu, cpuacct, cpuset and memory controllers is added to it as text, too. Files that vanish are left out. */
void cgr_cgroup_read(const struct cgr_cgroupfs *fs, const struct cgr_cgroup *cgroup, json_t *knobs, json_t *counters,
                     json_t *files);
/* The files worth reading at every interval, held open: reading costs a third of opening each time, and a removed
 * cgroup says so with ENODEV. */
struct cgr_cgroup_files {
	struct {
		int fd;
		uint8_t version;
		uint8_t rule; /* index into the table of that version */
		uint8_t role; /* cgroupread.c: whether others tell that it stands still */
		bool known; /* read before; digest is that of its text then */
		uint64_t digest;
	} file[48];
	unsigned count;
	unsigned reads;
};
void cgr_cgroup_files_open(const struct cgr_cgroupfs *fs, const struct cgr_cgroup *cgroup,
                           struct cgr_cgroup_files *files);
/* Adds what stands in files whose text is another than at the last call; knobs NULL: those files are left alone. Of a
 * cgroup in which nothing was charged and nothing ran since then only a few files are read, most of the times. False
 * when the cgroup is gone. */
bool cgr_cgroup_files_read(struct cgr_cgroup_files *files, json_t *knobs, json_t *counters);
/* The next call adds everything again. */
void cgr_cgroup_files_forget(struct cgr_cgroup_files *files);
void cgr_cgroup_files_close(struct cgr_cgroup_files *files);
/* True when `file` is a knob whose change replay must see. */
bool cgr_cgroup_is_knob(const char *file);
/* Text of one knob or counter file into canonical names; version 1 or 2. Exposed for tests. */
void cgr_cgroup_convert(int version, const char *file, const char *text, json_t *knobs, json_t *counters);

/* True when path matches one of the shell globs or lies below one that matches; "/web" selects /web and all under it.
 */
bool cgr_cgroup_selected(const char *path, const char *const *globs, size_t count);

#endif
