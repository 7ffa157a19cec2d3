/* import --cgroup: a path as it is, or an unambiguous part of a name that the snapshot at the start knows. */
#include "common/cgroupname.h"
#include "parser/facts.h"

static int several(const struct cgr_norm *norm, const char *text, enum cgr_name_match how)
{
	struct cgr_strbuf list = { 0 };
	unsigned shown = 0;

	for (size_t i = 0; i < norm->cgroups.nodes && shown < 8; i++)
		if (cgr_name_matches(norm->cgroups.node[i].path, norm->cgroups.node[i].container, text, how))
			cgr_strbuf_printf(&list, "%s%s", shown++ == 0 ? "" : ", ", norm->cgroups.node[i].path);
	int rc = cgr_error_set(norm->err, CGR_E_USAGE, "--cgroup '%s' may be any of %s; give the whole path", text,
	                       list.text == NULL ? "several" : list.text);
	cgr_strbuf_fini(&list);
	return rc;
}

static int find_path(const struct cgr_norm *norm, const char *text, const char **ret_path)
{
	const struct cgr_cgroups *cgroups = &norm->cgroups;

	for (enum cgr_name_match how = CGR_NAME_PATH; how < CGR_NAME_MATCHES; how++) {
		*ret_path = NULL;
		for (size_t i = 0; i < cgroups->nodes; i++) {
			if (!cgr_name_matches(cgroups->node[i].path, cgroups->node[i].container, text, how))
				continue;
			if (*ret_path != NULL)
				return several(norm, text, how);
			*ret_path = cgroups->node[i].path;
		}
		if (*ret_path != NULL)
			return CGR_OK;
	}
	return cgr_error_set(norm->err, CGR_E_USAGE,
	                     "--cgroup '%s': no cgroup of this name when the recording started; for a later one write its "
	                     "path: /%s",
	                     text, text);
}

int cgr_facts_within(struct cgr_facts *facts, struct cgr_norm *norm)
{
	if (norm->scopes == 0)
		return CGR_OK;
	facts->within = cgr_calloc(norm->scopes + 1, sizeof(*facts->within));
	if (facts->within == NULL)
		return cgr_error_set(norm->err, CGR_E_NOMEM, "out of memory for --cgroup");
	for (size_t i = 0; i < norm->scopes; i++) {
		const char *path = norm->scope[i];
		if (path[0] != '/')
			CGR_TRY(find_path(norm, norm->scope[i], &path));
		facts->within[i] = cgr_strdup(path);
		if (facts->within[i] == NULL)
			return cgr_error_set(norm->err, CGR_E_NOMEM, "out of memory for --cgroup");
	}
	norm->scope = (const char *const *)facts->within;
	return CGR_OK;
}
