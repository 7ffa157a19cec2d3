#include "capture/cgroupfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/jsontext.h"
#include "capture/procfile.h"
#include "common/limits.h"
#include "common/util.h"

#define PROC_TEXT_MAX (4u << 20)
#define TREE_DEPTH_MAX 64u

/* The kernel writes blanks and backslashes in mountinfo as octal. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from != '\0';) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' && from[3] >= '0' &&
		    from[3] <= '7') {
			*to++ = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to++ = *from++;
		}
	}
	*to = '\0';
}

bool cgr_hierarchy_has(const struct cgr_hierarchy *hierarchy, const char *controller)
{
	size_t length = strlen(controller);

	for (const char *at = hierarchy->controllers; *at != '\0';) {
		size_t word = strcspn(at, ", ");
		if (word == length && strncmp(at, controller, word) == 0)
			return true;
		at += word + (at[word] != '\0');
	}
	return false;
}

int cgr_cgroupfs_find(const struct cgr_cgroupfs *fs, const char *controller)
{
	for (size_t i = 0; i < fs->count; i++)
		if (cgr_hierarchy_has(&fs->hierarchy[i], controller))
			return (int)i;
	return -1;
}

/* "4:memory:/path": the number of the hierarchy whose first controller is among the mount's options. */
static int hierarchy_id(const char *membership, const char *options, char *controllers, size_t size)
{
	struct cgr_hierarchy probe;
	char line[1024];

	(void)cgr_strcpy(probe.controllers, sizeof(probe.controllers), options);
	for (const char *at = membership; *at != '\0';) {
		size_t length = strcspn(at, "\n");
		(void)snprintf(line, sizeof(line), "%.*s", (int)CGR_MIN(length, sizeof(line) - 1), at);
		at += length + (at[length] == '\n');
		char *names = strchr(line, ':');
		char *path = names == NULL ? NULL : strchr(names + 1, ':');
		if (path == NULL)
			continue;
		*names++ = '\0';
		*path = '\0';
		char first[256];
		(void)snprintf(first, sizeof(first), "%.*s", (int)strcspn(names, ","), names);
		if (first[0] == '\0' || !cgr_hierarchy_has(&probe, first))
			continue;
		(void)cgr_strcpy(controllers, size, names);
		return atoi(line);
	}
	return -1;
}

/* mountinfo line: id parent dev root mount options... - fstype source superoptions */
static void add_mount(struct cgr_cgroupfs *fs, char *line, const char *membership)
{
	char *tail = strstr(line, " - ");
	char type[32], options[512], root[512], mount[512];
	struct cgr_hierarchy h = { 0 };

	if (tail == NULL || sscanf(tail + 3, "%31s %*s %511s", type, options) != 2 ||
	    (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0) ||
	    sscanf(line, "%*s %*s %*s %511s %511s", root, mount) != 2 || fs->count == CGR_HIERARCHIES_MAX)
		return;
	unescape(root);
	unescape(mount);
	h.version = strcmp(type, "cgroup2") == 0 ? 2 : 1;
	(void)cgr_strcpy(h.root, sizeof(h.root), root);
	(void)cgr_strcpy(h.mount, sizeof(h.mount), mount);
	(void)cgr_strcpy(h.options, sizeof(h.options), options);
	if (h.version == 2) {
		char file[640];
		(void)snprintf(file, sizeof(file), "%s/cgroup.controllers", mount);
		(void)cgr_procfile_line(AT_FDCWD, file, h.controllers, sizeof(h.controllers));
	} else {
		h.id = hierarchy_id(membership, options, h.controllers, sizeof(h.controllers));
	}
	if (h.id < 0)
		return;
	for (size_t i = 0; i < fs->count; i++)
		if (fs->hierarchy[i].id == h.id)
			return; /* mounted twice */
	fs->hierarchy[fs->count++] = h;
}

int cgr_cgroupfs_load(struct cgr_cgroupfs *fs, const char *proc, struct cgr_error *reterr)
{
	struct cgr_procfile mounts = { 0 }, membership = { 0 };
	char path[512];

	*fs = (struct cgr_cgroupfs){ 0 };
	(void)snprintf(path, sizeof(path), "%s/self/mountinfo", proc);
	int rc = cgr_procfile_read(&mounts, AT_FDCWD, path, PROC_TEXT_MAX);
	if (rc == 0) {
		(void)snprintf(path, sizeof(path), "%s/self/cgroup", proc);
		rc = cgr_procfile_read(&membership, AT_FDCWD, path, PROC_TEXT_MAX);
	}
	if (rc < 0)
		rc = cgr_error_set(reterr, CGR_E_UNAVAILABLE, "%s: %s; is /proc mounted?", path, strerror(-rc));
	char *save = NULL;
	for (char *line = rc == 0 ? strtok_r(mounts.text, "\n", &save) : NULL; line != NULL;
	     line = strtok_r(NULL, "\n", &save))
		add_mount(fs, line, membership.text);
	cgr_procfile_fini(&mounts);
	cgr_procfile_fini(&membership);
	return rc;
}

json_t *cgr_cgroupfs_json(const struct cgr_cgroupfs *fs)
{
	json_t *array = json_array();

	for (size_t i = 0; i < fs->count; i++) {
		const struct cgr_hierarchy *h = &fs->hierarchy[i];
		json_t *obj = json_object(), *names = json_array();
		cgr_json_set_int(obj, "id", h->id);
		cgr_json_set_int(obj, "version", h->version);
		for (const char *at = h->controllers; *at != '\0';) {
			size_t word = strcspn(at, ", ");
			(void)json_array_append_new(names, cgr_json_text(at, word));
			at += word + (at[word] != '\0');
		}
		(void)json_object_set_new(obj, "controllers", names);
		cgr_json_set_text(obj, "mount", h->mount);
		cgr_json_set_text(obj, "root", h->root);
		cgr_json_set_text(obj, "options", h->options);
		(void)json_array_append_new(array, obj);
	}
	return array;
}

static int add_dir(struct cgr_cgroup_list *list, const char *path, uint8_t hierarchy, uint64_t id,
                   struct cgr_error *reterr)
{
	if (list->count >= CGR_LIMIT_CGROUPS)
		return cgr_error_set(reterr, CGR_E_LIMIT, "more than %u cgroup directories on this machine", CGR_LIMIT_CGROUPS);
	CGR_TRY(cgr_grow((void **)&list->cgroup, &list->capacity, list->count + 1, sizeof(*list->cgroup), reterr));
	struct cgr_cgroup *cgroup = &list->cgroup[list->count];
	cgroup->path = cgr_strdup(path);
	if (cgroup->path == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the cgroup tree");
	cgroup->dir[0] = (struct cgr_cgroup_dir){ .hierarchy = hierarchy, .id = id };
	cgroup->dir_count = 1;
	list->count++;
	return 0;
}

/* Takes over fd. Directories that vanish while we walk are left out: cgroups come and go. */
static int walk(struct cgr_cgroup_list *list, int fd, const char *path, uint8_t hierarchy, unsigned depth,
                struct cgr_error *reterr)
{
	struct stat st;
	DIR *dir = fstat(fd, &st) == 0 ? fdopendir(fd) : NULL;
	int rc = 0;

	if (dir == NULL) {
		(void)close(fd);
		return 0;
	}
	rc = add_dir(list, path, hierarchy, st.st_ino, reterr);
	for (struct dirent *entry; rc == 0 && depth < TREE_DEPTH_MAX && (entry = readdir(dir)) != NULL;) {
		char below[CGR_LIMIT_PATH];
		if (entry->d_type != DT_DIR || strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path[1] == '\0' ? "" : path, entry->d_name) >= (int)sizeof(below))
			continue;
		int child = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		if (child >= 0)
			rc = walk(list, child, below, hierarchy, depth + 1, reterr);
	}
	(void)closedir(dir);
	return rc;
}

static int by_path(const void *a, const void *b)
{
	const struct cgr_cgroup *x = a, *y = b;
	int order = strcmp(x->path, y->path);

	return order != 0 ? order : (int)x->dir[0].hierarchy - (int)y->dir[0].hierarchy;
}

static void merge_equal_paths(struct cgr_cgroup_list *list)
{
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct cgr_cgroup *last = kept > 0 ? &list->cgroup[kept - 1] : NULL;
		if (last != NULL && strcmp(last->path, list->cgroup[i].path) == 0) {
			if (last->dir_count < CGR_HIERARCHIES_MAX)
				last->dir[last->dir_count++] = list->cgroup[i].dir[0];
			free(list->cgroup[i].path);
			continue;
		}
		list->cgroup[kept++] = list->cgroup[i];
	}
	list->count = kept;
}

int cgr_cgroup_list_load(const struct cgr_cgroupfs *fs, struct cgr_cgroup_list *list, struct cgr_error *reterr)
{
	int rc = 0;

	*list = (struct cgr_cgroup_list){ 0 };
	for (size_t i = 0; i < fs->count && rc == 0; i++) {
		int fd = open(fs->hierarchy[i].mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			rc = walk(list, fd, "/", (uint8_t)i, 0, reterr);
	}
	if (rc < 0) {
		cgr_cgroup_list_fini(list);
		return rc;
	}
	if (list->count > 0)
		qsort(list->cgroup, list->count, sizeof(*list->cgroup), by_path);
	merge_equal_paths(list);
	return 0;
}

void cgr_cgroup_list_fini(struct cgr_cgroup_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->cgroup[i].path);
	free(list->cgroup);
	*list = (struct cgr_cgroup_list){ 0 };
}

struct cgr_cgroup *cgr_cgroup_list_find(const struct cgr_cgroup_list *list, const char *path)
{
	size_t low = 0, high = list->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(list->cgroup[middle].path, path);
		if (order == 0)
			return &list->cgroup[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

json_t *cgr_cgroup_dirs_json(const struct cgr_cgroupfs *fs, const struct cgr_cgroup *cgroup)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < cgroup->dir_count; i++) {
		json_t *obj = json_object();
		cgr_json_set_int(obj, "hierarchy", fs->hierarchy[cgroup->dir[i].hierarchy].id);
		cgr_json_set_int(obj, "id", (int64_t)cgroup->dir[i].id);
		(void)json_array_append_new(array, obj);
	}
	return array;
}

int cgr_cgroup_open(const struct cgr_cgroupfs *fs, const struct cgr_cgroup *cgroup, unsigned dir)
{
	const struct cgr_hierarchy *h = &fs->hierarchy[cgroup->dir[dir].hierarchy];
	char path[CGR_LIMIT_PATH + sizeof(h->mount)];

	(void)snprintf(path, sizeof(path), "%s%s", h->mount, cgroup->path);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool cgr_cgroup_selected(const char *path, const char *const *globs, size_t count)
{
	char prefix[CGR_LIMIT_PATH];

	for (size_t i = 0; i < count; i++) {
		if (!cgr_strcpy(prefix, sizeof(prefix), path))
			continue;
		/* the path itself, then each of its parents: a glob takes its whole subtree */
		for (;;) {
			if (fnmatch(globs[i], prefix, FNM_PATHNAME) == 0)
				return true;
			char *slash = strrchr(prefix, '/');
			if (slash == NULL || slash == prefix)
				break;
			*slash = '\0';
		}
		if (strcmp(globs[i], "/") == 0)
			return true;
	}
	return false;
}
