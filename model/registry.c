#include "model/registry.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

#include "common/optparse.h"
#include "common/util.h"

struct cgr_reclaim_ops; /* only its address is needed here: every table starts with the head */

#define CGR_CPU_MODEL(name) extern const struct cgr_cpu_ops cgr_cpu_##name;
#define CGR_MEMORY_MODEL(name) extern const struct cgr_memory_ops cgr_memory_##name;
#define CGR_RECLAIM_MODEL(name) extern const struct cgr_reclaim_ops cgr_reclaim_##name;
#include "cpu_models.def"
#include "memory_models.def"
#include "reclaim_models.def"
#undef CGR_CPU_MODEL
#undef CGR_MEMORY_MODEL
#undef CGR_RECLAIM_MODEL

#define CGR_CPU_MODEL(name) (const void *)&cgr_cpu_##name,
#define CGR_MEMORY_MODEL(name) (const void *)&cgr_memory_##name,
#define CGR_RECLAIM_MODEL(name) (const void *)&cgr_reclaim_##name,
static const void *const in_tree[] = {
#include "cpu_models.def"
#include "memory_models.def"
#include "reclaim_models.def"
	NULL,
};

/* A plug-in made from a copy of an in-tree model defines a table of the same name, and means its own. The address
 * sanitizer cannot live with this flag. */
#if defined(RTLD_DEEPBIND) && !defined(__SANITIZE_ADDRESS__)
#define OWN_SYMBOLS_FIRST RTLD_DEEPBIND
#else
#define OWN_SYMBOLS_FIRST 0
#endif
#define PLUGINS_MAX 64
static const struct cgr_model_head *loaded[PLUGINS_MAX];
static size_t n_loaded;

const char *cgr_domain_name(enum cgr_domain domain)
{
	switch (domain) {
	case CGR_DOMAIN_MEMORY:
		return "memory";
	case CGR_DOMAIN_CPU:
		return "cpu";
	case CGR_DOMAIN_RECLAIM:
		return "reclaim";
	}
	return "unknown";
}

const struct cgr_model_head *cgr_model_borrow(enum cgr_domain domain, size_t index)
{
	for (size_t i = 0; in_tree[i]; i++) {
		const struct cgr_model_head *head = in_tree[i];

		if (head->domain == domain && index-- == 0)
			return head;
	}
	for (size_t i = 0; i < n_loaded; i++)
		if (loaded[i]->domain == domain && index-- == 0)
			return loaded[i];
	return NULL;
}

const struct cgr_model_head *cgr_model_find(enum cgr_domain domain, const char *name, struct cgr_error *reterr)
{
	const struct cgr_model_head *head, *found = NULL;
	const char *names[256];
	size_t count = 0;

	for (size_t i = 0; (head = cgr_model_borrow(domain, i)); i++) {
		if (!strcmp(head->name, name))
			found = head; /* the last wins: plug-ins come after the in-tree models */
		if (count < CGR_ARRAY_SIZE(names))
			names[count++] = head->name;
	}
	if (!found) {
		const char *near = cgr_did_you_mean(name, names, count);

		cgr_error_set(reterr, CGR_E_SCENARIO, "no %s model '%s'%s%s%s; `cgreplay models` lists them",
		              cgr_domain_name(domain), name, near ? " (did you mean '" : "", near ? near : "",
		              near ? "'?)" : "");
	}
	return found;
}

int cgr_model_load(const char *path, const struct cgr_model_head **ret_head, struct cgr_error *reterr)
{
	const struct cgr_plugin *plugin;
	char full[CGR_ERROR_TEXT_MAX];
	void *handle;

	/* Without a slash dlopen would search the library path and not the current folder. */
	if (!cgr_strcpy(full, sizeof full, strchr(path, '/') ? "" : "./") || strlen(path) + 3 > sizeof full)
		return cgr_error_set(reterr, CGR_E_USAGE, "--model: path is too long");
	strcat(full, path);
	handle = dlopen(full, RTLD_NOW | RTLD_LOCAL | OWN_SYMBOLS_FIRST);
	if (!handle)
		return cgr_error_set(reterr, CGR_E_SCENARIO, "%s: cannot load this model: %s", path, dlerror());
	plugin = dlsym(handle, CGR_PLUGIN_SYMBOL);
	if (!plugin)
		return cgr_error_set(reterr, CGR_E_SCENARIO,
		                     "%s: not a cgreplay model: it does not export '%s' (use CGR_MODEL_PLUGIN in the source)",
		                     path, CGR_PLUGIN_SYMBOL);
	if (plugin->abi_version != CGR_MODEL_ABI)
		return cgr_error_set(
		    reterr, CGR_E_SCENARIO,
		    "%s: built for model ABI %u, this cgreplay has ABI %u: rebuild it against the installed model.h", path,
		    plugin->abi_version, CGR_MODEL_ABI);
	if (plugin->struct_size < sizeof *plugin || !plugin->model)
		return cgr_error_set(reterr, CGR_E_SCENARIO, "%s: '%s' is %zu bytes, at least %zu are needed", path,
		                     CGR_PLUGIN_SYMBOL, plugin->struct_size, sizeof *plugin);
	CGR_TRY(cgr_model_check(plugin->model, path, reterr));
	if (n_loaded == PLUGINS_MAX)
		return cgr_error_set(reterr, CGR_E_LIMIT, "%s: more than %d --model files", path, PLUGINS_MAX);
	loaded[n_loaded++] = plugin->model;
	*ret_head = plugin->model;
	return 0;
}
