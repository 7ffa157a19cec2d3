/* Cgroups: one per path over all hierarchies while it lives; a path removed and made again is another one. Their
 * directories keep the kernel's ids per hierarchy. css_sets link a task to one cgroup per hierarchy. */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "parser/norm.h"

#define HIERARCHIES 64u

static uint64_t hash_bytes(const void *data, size_t length)
{
	const uint8_t *at = data;
	uint64_t hash = 14695981039346656037ull;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * 1099511628211ull;
	return hash ^ (hash >> 29);
}

int cgr_cgroups_init(struct cgr_norm *norm)
{
	uint32_t root;

	norm->cgroups.memory_hierarchy = CGR_ID_NONE;
	norm->cgroups.last_cgroup = CGR_ID_NONE;
	return cgr_cgroup_by_path(norm, "/", -1, &root);
}

uint32_t cgr_hierarchy_index(struct cgr_norm *norm, uint32_t number, int version, const char *controllers)
{
	struct cgr_cgroups *cgroups = &norm->cgroups;

	for (uint32_t i = 0; i < cgroups->hierarchies; i++)
		if (cgroups->hierarchy[i].number == number)
			return i;
	if (cgroups->hierarchies == HIERARCHIES)
		return CGR_ID_NONE;
	uint32_t index = cgroups->hierarchies++;
	struct cgr_hierarchy *hierarchy = &cgroups->hierarchy[index];
	*hierarchy = (struct cgr_hierarchy){ .number = number,
		                                 .version = version,
		                                 .controllers = cgr_strdup(controllers != NULL ? controllers : "") };
	for (const char *at = controllers; at != NULL && *at != '\0';) {
		size_t length = strcspn(at, ",");
		hierarchy->cpu |= length == 3 && memcmp(at, "cpu", 3) == 0;
		hierarchy->memory |= length == 6 && memcmp(at, "memory", 6) == 0;
		hierarchy->cpuset |= length == 6 && memcmp(at, "cpuset", 6) == 0;
		at += length + (at[length] == ',');
	}
	if (hierarchy->memory)
		cgroups->memory_hierarchy = index;
	return index;
}

static int path_slot(struct cgr_norm *norm, const char *path, uint64_t hash, size_t *ret_at)
{
	struct cgr_cgroups *cgroups = &norm->cgroups;
	size_t at;

	if (cgroups->by_path_count * 2 >= cgroups->by_path_capacity) {
		size_t capacity = cgroups->by_path_capacity == 0 ? 256 : cgroups->by_path_capacity * 2;
		typeof(cgroups->by_path) table = cgr_calloc(capacity, sizeof(*table));
		if (table == NULL)
			return cgr_error_set(norm->err, CGR_E_NOMEM, "out of memory for cgroups");
		for (size_t i = 0; i < capacity; i++)
			table[i].node = CGR_ID_NONE;
		for (size_t i = 0; i < cgroups->by_path_capacity; i++) {
			if (cgroups->by_path[i].node == CGR_ID_NONE)
				continue;
			for (at = cgroups->by_path[i].hash & (capacity - 1); table[at].node != CGR_ID_NONE;)
				at = (at + 1) & (capacity - 1);
			table[at] = cgroups->by_path[i];
		}
		free(cgroups->by_path);
		cgroups->by_path = table;
		cgroups->by_path_capacity = capacity;
	}
	for (at = hash & (cgroups->by_path_capacity - 1); cgroups->by_path[at].node != CGR_ID_NONE;
	     at = (at + 1) & (cgroups->by_path_capacity - 1))
		if (cgroups->by_path[at].hash == hash && strcmp(cgroups->node[cgroups->by_path[at].node].path, path) == 0)
			break;
	*ret_at = at;
	return CGR_OK;
}

static void fill_row(const struct cgr_cgroup_node *node, const struct cgr_cgroups *cgroups,
                     struct cgr_store_cgroup *row)
{
	*row = (struct cgr_store_cgroup){ .path = node->path,
		                              .container = node->container,
		                              .parent = node->parent,
		                              .born_ns = node->born_ns,
		                              .removed_ns = node->removed_ns,
		                              .released_ns = node->released_ns,
		                              .recorded = node->recorded };
	for (uint32_t i = 0; i < cgroups->hierarchies; i++) {
		if ((node->ever >> i & 1) == 0)
			continue;
		row->has_memory |= cgroups->hierarchy[i].memory;
		row->has_cpu |= cgroups->hierarchy[i].cpu;
	}
}

static int new_node(struct cgr_norm *norm, const char *path, int64_t born_ns, uint32_t parent, uint32_t *ret_id)
{
	struct cgr_cgroups *cgroups = &norm->cgroups;
	struct cgr_store_cgroup row;

	if (cgroups->nodes >= CGR_LIMIT_CGROUPS)
		return cgr_error_set(norm->err, CGR_E_LIMIT, "%s: more than %u cgroups", norm->trace->input.path,
		                     CGR_LIMIT_CGROUPS);
	CGR_TRY(cgr_grow((void **)&cgroups->node, &cgroups->node_capacity, cgroups->nodes + 1, sizeof(*cgroups->node),
	                 norm->err));
	struct cgr_cgroup_node *node = &cgroups->node[cgroups->nodes];
	*node = (struct cgr_cgroup_node){ .path = cgr_strdup(path),
		                              .parent = parent,
		                              .born_ns = born_ns,
		                              .removed_ns = INT64_MAX,
		                              .released_ns = INT64_MAX,
		                              .recorded = true };
	if (node->path == NULL)
		return cgr_error_set(norm->err, CGR_E_NOMEM, "out of memory for cgroups");
	*ret_id = (uint32_t)cgroups->nodes++;
	if (*ret_id == 0)
		return CGR_OK; /* the root is there from the start */
	fill_row(node, cgroups, &row);
	uint32_t id;
	CGR_TRY(cgr_writer_add_cgroup(norm->writer, &row, &id, norm->err));
	return id == *ret_id ? CGR_OK
	                     : cgr_error_set(norm->err, CGR_E_INTERNAL, "cgroup %u became %u in the store", *ret_id, id);
}

/* One level; again: a new cgroup even when the path has one. */
static int one_level(struct cgr_norm *norm, const char *path, int64_t born_ns, bool again, uint32_t parent,
                     uint32_t *ret_id)
{
	uint64_t hash = hash_bytes(path, strlen(path));
	size_t at = 0;

	CGR_TRY(path_slot(norm, path, hash, &at));
	bool there = norm->cgroups.by_path[at].node != CGR_ID_NONE;
	if (there && !again) {
		*ret_id = norm->cgroups.by_path[at].node;
		return CGR_OK;
	}
	CGR_TRY(new_node(norm, path, born_ns, parent, ret_id));
	if (!there)
		norm->cgroups.by_path_count++;
	norm->cgroups.by_path[at].hash = hash;
	norm->cgroups.by_path[at].node = *ret_id;
	return CGR_OK;
}

/* "/a/b": the ancestors are made on the way when nobody told of them. */
static int by_path(struct cgr_norm *norm, const char *path, int64_t born_ns, bool again, uint32_t *ret_id)
{
	char up[CGR_LIMIT_PATH];
	uint32_t parent = norm->cgroups.nodes > 0 ? 0 : CGR_ID_NONE;

	if (!cgr_strcpy(up, sizeof(up), path))
		return cgr_error_set(norm->err, CGR_E_LIMIT, "%s: a cgroup path is longer than %u bytes",
		                     norm->trace->input.path, CGR_LIMIT_PATH);
	for (size_t i = 1; up[0] == '/' && up[1] != '\0' && up[i] != '\0'; i++) {
		if (up[i] != '/' || up[i + 1] == '\0')
			continue;
		up[i] = '\0';
		CGR_TRY(one_level(norm, up, -1, false, parent, &parent));
		up[i] = '/';
	}
	return one_level(norm, path, born_ns, again, parent, ret_id);
}

int cgr_cgroup_by_path(struct cgr_norm *norm, const char *path, int64_t born_ns, uint32_t *ret_id)
{
	return by_path(norm, path, born_ns, false, ret_id);
}

static uint64_t dir_key(uint32_t hierarchy, uint64_t kernel_id)
{
	return kernel_id * HIERARCHIES + hierarchy;
}

struct cgr_cgroup_dir *cgr_cgroup_dir_find(struct cgr_norm *norm, uint32_t hierarchy, uint64_t kernel_id)
{
	uint32_t dense = cgr_intern_find(&norm->cgroups.dir_by_id, dir_key(hierarchy, kernel_id));

	return dense == CGR_ID_NONE ? NULL : &norm->cgroups.dir[norm->cgroups.dir_of[dense]];
}

static int bind_dir(struct cgr_norm *norm, uint32_t hierarchy, uint64_t kernel_id, uint32_t cgroup, int64_t born_ns)
{
	struct cgr_cgroups *cgroups = &norm->cgroups;
	uint32_t dense;
	bool is_new;

	CGR_TRY(cgr_intern_id(&cgroups->dir_by_id, dir_key(hierarchy, kernel_id), &dense, &is_new, norm->err));
	CGR_TRY(
	    cgr_grow((void **)&cgroups->dir_of, &cgroups->dir_of_capacity, (size_t)dense + 1, sizeof(uint32_t), norm->err));
	CGR_TRY(
	    cgr_grow((void **)&cgroups->dir, &cgroups->dir_capacity, cgroups->dirs + 1, sizeof(*cgroups->dir), norm->err));
	cgroups->dir_of[dense] = (uint32_t)cgroups->dirs;
	cgroups->dir[cgroups->dirs++] = (struct cgr_cgroup_dir){ .hierarchy = hierarchy,
		                                                     .cgroup = cgroup,
		                                                     .kernel_id = kernel_id,
		                                                     .born_ns = born_ns,
		                                                     .removed_ns = INT64_MAX,
		                                                     .released_ns = INT64_MAX };
	cgroups->node[cgroup].hierarchies |= 1ull << hierarchy;
	cgroups->node[cgroup].ever |= 1ull << hierarchy;
	cgroups->last_cgroup = CGR_ID_NONE;
	return CGR_OK;
}

int cgr_cgroup_dir(struct cgr_norm *norm, uint32_t hierarchy, uint64_t kernel_id, const char *path, int64_t born_ns,
                   uint32_t *ret_cgroup)
{
	struct cgr_cgroup_dir *dir = cgr_cgroup_dir_find(norm, hierarchy, kernel_id);

	if (dir != NULL && dir->removed_ns == INT64_MAX && strcmp(norm->cgroups.node[dir->cgroup].path, path) == 0) {
		*ret_cgroup = dir->cgroup;
		return CGR_OK;
	}
	CGR_TRY(by_path(norm, path, born_ns, false, ret_cgroup));
	struct cgr_cgroup_node *node = &norm->cgroups.node[*ret_cgroup];
	bool was_here = (node->ever >> hierarchy & 1) != 0;
	/* Made again: its directory on this hierarchy is gone, or all of them are. */
	if (*ret_cgroup != 0 && (was_here || (node->ever != 0 && node->hierarchies == 0)))
		CGR_TRY(by_path(norm, path, born_ns, true, ret_cgroup));
	return bind_dir(norm, hierarchy, kernel_id, *ret_cgroup, born_ns);
}

int cgr_cgroup_left_over(struct cgr_norm *norm, uint32_t hierarchy, uint64_t kernel_id, const char *path,
                         uint32_t *ret_cgroup)
{
	struct cgr_cgroups *cgroups = &norm->cgroups;
	size_t known = cgroups->nodes;
	uint32_t of_path, found = CGR_ID_NONE;

	for (size_t i = known; i-- > 1 && found == CGR_ID_NONE;)
		if (cgroups->node[i].removed_ns == CGR_REMOVED_BEFORE && (cgroups->node[i].ever >> hierarchy & 1) == 0 &&
		    strcmp(cgroups->node[i].path, path) == 0)
			found = (uint32_t)i;
	if (found == CGR_ID_NONE) {
		CGR_TRY(by_path(norm, path, -1, false, &of_path));
		found = of_path;
		if (cgroups->nodes == known) /* what has the path now keeps it */
			CGR_TRY(new_node(norm, path, -1, cgroups->node[of_path].parent, &found));
		cgroups->node[found].removed_ns = CGR_REMOVED_BEFORE;
	}
	CGR_TRY(bind_dir(norm, hierarchy, kernel_id, found, -1));
	cgroups->dir[cgroups->dirs - 1].removed_ns = CGR_REMOVED_BEFORE;
	cgroups->node[found].hierarchies &= ~(1ull << hierarchy);
	*ret_cgroup = found;
	return CGR_OK;
}

int cgr_cgroup_of_memcg(struct cgr_norm *norm, uint64_t kernel_id, uint32_t *ret_cgroup)
{
	struct cgr_cgroups *cgroups = &norm->cgroups;
	char path[64];

	if (cgroups->last_cgroup != CGR_ID_NONE && cgroups->last_kernel_id == kernel_id) {
		*ret_cgroup = cgroups->last_cgroup;
		return CGR_OK;
	}
	struct cgr_cgroup_dir *dir = NULL;
	if (cgroups->memory_hierarchy != CGR_ID_NONE)
		dir = cgr_cgroup_dir_find(norm, cgroups->memory_hierarchy, kernel_id);
	/* A foreign trace does not say which hierarchy has the memory controller: the one that knows the id. */
	for (uint32_t i = 0; dir == NULL && cgroups->memory_hierarchy == CGR_ID_NONE && i < cgroups->hierarchies; i++)
		dir = cgr_cgroup_dir_find(norm, i, kernel_id);
	if (dir != NULL) {
		*ret_cgroup = dir->cgroup;
	} else if (kernel_id <= 1) {
		*ret_cgroup = 0;
	} else {
		cgroups->unknown_ids++;
		(void)snprintf(path, sizeof(path), "/memcg-id-%llu", (unsigned long long)kernel_id);
		CGR_TRY(cgr_cgroup_by_path(norm, path, -1, ret_cgroup));
		uint32_t hierarchy = cgroups->memory_hierarchy;
		if (hierarchy == CGR_ID_NONE)
			hierarchy = cgr_hierarchy_index(norm, 0, 0, "");
		if (hierarchy != CGR_ID_NONE)
			CGR_TRY(bind_dir(norm, hierarchy, kernel_id, *ret_cgroup, -1));
	}
	cgroups->last_kernel_id = kernel_id;
	cgroups->last_cgroup = *ret_cgroup;
	return CGR_OK;
}

uint32_t cgr_cgroup_common(const struct cgr_norm *norm, uint32_t a, uint32_t b)
{
	const struct cgr_cgroup_node *node = norm->cgroups.node;

	if (a == CGR_ID_NONE)
		return b;
	for (; a != CGR_ID_NONE; a = node[a].parent) /* parents have smaller ids or are the root */
		for (uint32_t up = b; up != CGR_ID_NONE; up = node[up].parent)
			if (up == a)
				return a;
	return 0;
}

static bool is_under(const char *path, const char *scope)
{
	size_t length = strlen(scope);

	while (length > 1 && scope[length - 1] == '/')
		length--;
	return strncmp(path, scope, length) == 0 && (path[length] == '\0' || path[length] == '/' || length == 1);
}

bool cgr_cgroup_in_scope(const struct cgr_norm *norm, uint32_t cgroup)
{
	for (size_t i = 0; i < norm->scopes; i++)
		if (is_under(norm->cgroups.node[cgroup].path, norm->scope[i]))
			return true;
	return norm->scopes == 0;
}

const char *cgr_cgroup_empty_scope(const struct cgr_norm *norm)
{
	for (size_t i = 0; i < norm->scopes; i++) {
		bool found = false;

		for (size_t c = 0; c < norm->cgroups.nodes && !found; c++)
			found = is_under(norm->cgroups.node[c].path, norm->scope[i]);
		if (!found)
			return norm->scope[i];
	}
	return NULL;
}

/* ---- css_sets ---- */

static int add_set(struct cgr_norm *norm, const uint32_t row[64], uint32_t *ret_set)
{
	struct cgr_cgroups *cgroups = &norm->cgroups;
	struct cgr_writer_link link[HIERARCHIES];
	struct cgr_store_css_set set = { 0 };
	uint32_t shared = 0, deepest = 0;

	for (uint32_t i = 0; i < cgroups->hierarchies; i++) {
		const struct cgr_hierarchy *hierarchy = &cgroups->hierarchy[i];
		link[i] = (struct cgr_writer_link){ hierarchy->number, row[i] };
		if (row[i] != 0)
			deepest = row[i];
		if (hierarchy->version == 2)
			set.default_cgroup = shared = row[i];
	}
	/* A controller nobody told the hierarchy of: v2's, or the only cgroup the task is known to be in. */
	set.cpu_cgroup = set.memory_cgroup = set.cpuset_cgroup = shared != 0 ? shared : deepest;
	for (uint32_t i = 0; i < cgroups->hierarchies; i++) {
		if (cgroups->hierarchy[i].cpu)
			set.cpu_cgroup = row[i];
		if (cgroups->hierarchy[i].memory)
			set.memory_cgroup = row[i];
		if (cgroups->hierarchy[i].cpuset)
			set.cpuset_cgroup = row[i];
	}
	for (uint32_t i = 0; i < cgroups->hierarchies; i++) {
		struct cgr_hierarchy *hierarchy = &cgroups->hierarchy[i];
		if (!hierarchy->told)
			CGR_TRY(cgr_writer_add_hierarchy(norm->writer, hierarchy->number, hierarchy->version,
			                                 hierarchy->controllers, norm->err));
		hierarchy->told = true;
	}
	return cgr_writer_add_css_set(norm->writer, &set, link, cgroups->hierarchies, ret_set, norm->err);
}

int cgr_css_set(struct cgr_norm *norm, const uint32_t cgroup_of_hierarchy[64], uint32_t *ret_set)
{
	struct cgr_cgroups *cgroups = &norm->cgroups;
	uint64_t hash = hash_bytes(cgroup_of_hierarchy, sizeof(uint32_t) * HIERARCHIES);
	uint32_t dense, set;
	bool is_new;

	for (;; hash = hash * 6364136223846793005ull + 1442695040888963407ull) { /* next place of a probe sequence */
		CGR_TRY(cgr_intern_id(&cgroups->set_by_hash, hash, &dense, &is_new, norm->err));
		if (is_new)
			break;
		set = cgroups->set_of[dense];
		if (memcmp(cgroups->set[set], cgroup_of_hierarchy, sizeof(cgroups->set[set])) == 0) {
			*ret_set = set;
			return CGR_OK;
		}
	}
	if (cgroups->sets >= CGR_LIMIT_CSS_SETS)
		return cgr_error_set(norm->err, CGR_E_LIMIT, "%s: more than %u css_sets", norm->trace->input.path,
		                     CGR_LIMIT_CSS_SETS);
	CGR_TRY(
	    cgr_grow((void **)&cgroups->set_of, &cgroups->set_of_capacity, (size_t)dense + 1, sizeof(uint32_t), norm->err));
	CGR_TRY(
	    cgr_grow((void **)&cgroups->set, &cgroups->set_capacity, cgroups->sets + 1, sizeof(*cgroups->set), norm->err));
	CGR_TRY(add_set(norm, cgroup_of_hierarchy, &set));
	if (set != cgroups->sets)
		return cgr_error_set(norm->err, CGR_E_INTERNAL, "css_set %zu became %u in the store", cgroups->sets, set);
	memcpy(cgroups->set[cgroups->sets++], cgroup_of_hierarchy, sizeof(cgroups->set[0]));
	cgroups->set_of[dense] = set;
	*ret_set = set;
	return CGR_OK;
}

int cgr_cgroups_finish(struct cgr_norm *norm)
{
	struct cgr_cgroups *cgroups = &norm->cgroups;

	for (uint32_t i = 0; i < cgroups->nodes; i++) {
		struct cgr_store_cgroup row;
		fill_row(&cgroups->node[i], cgroups, &row);
		row.recorded &= cgr_cgroup_in_scope(norm, i);
		CGR_TRY(cgr_writer_set_cgroup(norm->writer, i, &row, norm->err));
	}
	for (uint32_t i = 0; i < cgroups->hierarchies; i++) {
		struct cgr_hierarchy *hierarchy = &cgroups->hierarchy[i];
		if (!hierarchy->told)
			CGR_TRY(cgr_writer_add_hierarchy(norm->writer, hierarchy->number, hierarchy->version,
			                                 hierarchy->controllers, norm->err));
		hierarchy->told = true;
	}
	for (size_t i = 0; i < cgroups->dirs; i++) {
		const struct cgr_cgroup_dir *dir = &cgroups->dir[i];
		CGR_TRY(cgr_writer_add_cgroup_dir(norm->writer, dir->cgroup, cgroups->hierarchy[dir->hierarchy].number,
		                                  dir->kernel_id, dir->born_ns, dir->removed_ns, dir->released_ns, norm->err));
	}
	return CGR_OK;
}

void cgr_cgroups_fini(struct cgr_cgroups *cgroups)
{
	for (size_t i = 0; i < cgroups->nodes; i++) {
		free(cgroups->node[i].path);
		free(cgroups->node[i].container);
	}
	for (uint32_t i = 0; i < cgroups->hierarchies; i++)
		free(cgroups->hierarchy[i].controllers);
	free(cgroups->node);
	free(cgroups->dir);
	free(cgroups->dir_of);
	free(cgroups->by_path);
	free(cgroups->set);
	free(cgroups->set_of);
	cgr_intern_fini(&cgroups->dir_by_id);
	cgr_intern_fini(&cgroups->set_by_hash);
}
