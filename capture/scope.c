#include "capture/scope.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "capture/container.h"
#include "common/util.h"

#define NAMED_MAX 4u /* of several cgroups, in a message */
#define PART_LEAST 2u

enum match { MATCH_NONE, MATCH_PART, MATCH_WHOLE };

/* "web" is "web.service" as a person says it. */
static enum match match_unit(const char *unit, const char *word)
{
	size_t length = strlen(word);

	return strncmp(unit, word, length) == 0 && (unit[length] == '\0' || unit[length] == '.') ? MATCH_WHOLE : MATCH_NONE;
}

static enum match match_container(const char *path, const char *root, const char *word)
{
	static const char *const keys[] = { "name", "container_id", "pod_uid" };
	json_t *container = cgr_container_json(path, root);
	enum match best = MATCH_NONE;

	for (size_t i = 0; container != NULL && i < CGR_ARRAY_SIZE(keys); i++) {
		const char *text = json_string_value(json_object_get(container, keys[i]));
		if (text == NULL)
			continue;
		if (strcmp(text, word) == 0)
			best = MATCH_WHOLE;
		else if (strncmp(text, word, strlen(word)) == 0 || (i == 0 && strstr(text, word) != NULL))
			best = CGR_MAX(best, MATCH_PART);
	}
	json_decref(container);
	return best;
}

static enum match match_name(const char *path, const char *root, const char *word)
{
	const char *last = strrchr(path, '/');
	enum match best = last != NULL && strstr(last + 1, word) != NULL ? MATCH_PART : MATCH_NONE;

	if (last != NULL)
		best = CGR_MAX(best, match_unit(last + 1, word));
	return CGR_MAX(best, match_container(path, root, word));
}

static bool is_below(const char *path, const char *above)
{
	size_t length = strlen(above);

	return strncmp(path, above, length) == 0 && path[length] == '/';
}

struct found {
	enum match how;
	const char *path[NAMED_MAX];
	size_t count;
};

/* Whole names win over parts; of a cgroup and what lies below it (all of which carry a container's id in their paths)
 * the upper one counts. The list is sorted, so that comes first. */
static void look(const struct cgr_cgroup_list *list, const char *root, const char *word, struct found *found)
{
	*found = (struct found){ .how = MATCH_PART };
	for (size_t i = 0; i < list->count; i++) {
		const char *path = list->cgroup[i].path;
		enum match how = match_name(path, root, word);
		bool below = false;
		if (how < found->how || how == MATCH_NONE)
			continue;
		if (how > found->how)
			*found = (struct found){ .how = how };
		for (size_t k = 0; k < CGR_MIN(found->count, (size_t)NAMED_MAX); k++)
			below = below || is_below(path, found->path[k]);
		if (below)
			continue;
		if (found->count < NAMED_MAX)
			found->path[found->count] = path;
		found->count++;
	}
}

static int resolve_part(const struct cgr_cgroup_list *list, const char *root, const char *word, char **ret,
                        struct cgr_error *reterr)
{
	const char *part = word + strspn(word, "/");
	struct found found = { 0 };
	char names[512] = "";

	if (strlen(part) >= PART_LEAST && strchr(part, '/') == NULL)
		look(list, root, part, &found);
	/* a path says where it stands; a part of a name does not begin with a slash */
	if (found.count == 0 || word[0] == '/')
		return cgr_error_set(
		    reterr, CGR_E_USAGE,
		    "--cgroup %s: no such cgroup%s%s%s; for one that is made later give its parent, or a pattern "
		    "like '%s*'",
		    word, found.count > 0 ? " (there is " : "", found.count > 0 ? found.path[0] : "",
		    found.count > 0 ? ")" : "", part);
	if (found.count == 1) {
		*ret = cgr_strdup(found.path[0]);
		return *ret != NULL ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "no memory for --cgroup");
	}
	for (size_t i = 0; i < CGR_MIN(found.count, (size_t)NAMED_MAX); i++) {
		size_t at = strlen(names);
		(void)snprintf(names + at, sizeof(names) - at, "%s%.100s", i > 0 ? ", " : "", found.path[i]);
	}
	return cgr_error_set(reterr, CGR_E_USAGE, "--cgroup %s: %zu cgroups are called so: %s%s", word, found.count, names,
	                     found.count > NAMED_MAX ? ", ..." : "");
}

static int resolve(const struct cgr_cgroup_list *list, const char *root, const char *word, FILE *notes, char **ret,
                   struct cgr_error *reterr)
{
	/* a pattern is one of paths */
	char *glob = cgr_printf("%s%s", word[0] != '/' && strpbrk(word, "*?[") != NULL ? "/" : "", word);

	if (glob == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for --cgroup");
	for (size_t length = strlen(glob); length > 1 && glob[length - 1] == '/'; length--)
		glob[length - 1] = '\0';
	for (size_t i = 0; i < list->count; i++) {
		const char *const globs[] = { glob };
		if (cgr_cgroup_selected(list->cgroup[i].path, globs, 1)) {
			*ret = glob;
			return 0;
		}
	}
	if (strpbrk(glob, "*?[") == NULL) {
		int rc = resolve_part(list, root, glob, ret, reterr);
		free(glob);
		return rc;
	}
	if (notes != NULL)
		(void)fprintf(notes, "cgreplay: --cgroup '%s' matches no cgroup yet: those made later are recorded\n", glob);
	*ret = glob;
	return 0;
}

int cgr_scope_resolve(const struct cgr_cgroup_list *list, const char *const *words, size_t count, const char *root,
                      FILE *notes, struct cgr_scope *scope, struct cgr_error *reterr)
{
	int rc = 0;

	*scope = (struct cgr_scope){ .glob = cgr_calloc(count + 1, sizeof(*scope->glob)) };
	if (scope->glob == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for --cgroup");
	for (size_t i = 0; i < count && rc == 0; i++) {
		rc = resolve(list, root, words[i], notes, &scope->glob[i], reterr);
		scope->count += rc == 0;
	}
	if (rc < 0)
		cgr_scope_fini(scope);
	return rc;
}

void cgr_scope_fini(struct cgr_scope *scope)
{
	for (size_t i = 0; i < scope->count; i++)
		free(scope->glob[i]);
	free(scope->glob);
	*scope = (struct cgr_scope){ 0 };
}
