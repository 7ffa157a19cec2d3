#include "capture/container.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "capture/jsontext.h"
#include "common/util.h"

#define ID_LENGTH 64u
#define UID_LENGTH 36u

/* What runtimes put before the id in a directory name; "" is the bare id of the cgroupfs driver. */
static const struct {
	const char *prefix, *runtime;
} runtimes[] = {
	{ "docker-", "docker" },  { "cri-containerd-", "containerd" }, { "crio-", "cri-o" }, { "libpod-", "podman" },
	{ "cri-", "containerd" },
};

/* Length of the run of hex digits at text. */
static size_t hex_run(const char *text)
{
	size_t n = 0;

	while (isxdigit((unsigned char)text[n]))
		n++;
	return n;
}

/* The container id in one directory name; its runtime from the prefix, else from the folder above. */
static bool find_id(const char *word, size_t length, const char *above, char *id, const char **ret_runtime)
{
	const char *at = word;

	*ret_runtime = strncmp(above, "docker/", 7) == 0 ? "docker" : "unknown";
	for (size_t i = 0; i < CGR_ARRAY_SIZE(runtimes); i++) {
		size_t prefix = strlen(runtimes[i].prefix);
		if (length > prefix && strncmp(word, runtimes[i].prefix, prefix) == 0) {
			at = word + prefix;
			*ret_runtime = runtimes[i].runtime;
			break;
		}
	}
	if (hex_run(at) != ID_LENGTH || (size_t)(at - word) + ID_LENGTH > length)
		return false;
	memcpy(id, at, ID_LENGTH);
	id[ID_LENGTH] = '\0';
	return true;
}

/* "...pod1234abcd_12ab_..." -> the uid with dashes; systemd writes them as underscores. */
static bool find_pod(const char *word, size_t length, char *uid)
{
	for (const char *at = word; (at = strstr(at, "pod")) != NULL && at + 3 + UID_LENGTH <= word + length; at++) {
		size_t n = 0;
		for (; n < UID_LENGTH; n++) {
			char c = at[3 + n];
			bool dash = n == 8 || n == 13 || n == 18 || n == 23;
			if (dash ? c != '-' && c != '_' : !isxdigit((unsigned char)c))
				break;
			uid[n] = dash ? '-' : c;
		}
		uid[n] = '\0';
		if (n == UID_LENGTH)
			return true;
	}
	return false;
}

static bool ends_with(const char *text, size_t length, const char *tail)
{
	size_t n = strlen(tail);

	return length > n && memcmp(text + length - n, tail, n) == 0;
}

/* Docker's own file: Name and Config.Labels. */
static void add_docker_labels(json_t *obj, const char *root, const char *id)
{
	char path[512];
	const char *name;

	(void)snprintf(path, sizeof(path), "%s/var/lib/docker/containers/%s/config.v2.json", root, id);
	json_t *file = json_load_file(path, 0, NULL);
	name = json_string_value(json_object_get(file, "Name"));
	if (name != NULL)
		cgr_json_set_text(obj, "name", name + (name[0] == '/'));
	json_t *labels = json_object_get(json_object_get(file, "Config"), "Labels");
	if (json_is_object(labels))
		(void)json_object_set(obj, "labels", labels);
	json_decref(file);
}

/* The runtime specification of a container, where containerd and CRI-O keep the annotations of Kubernetes. */
static bool add_annotations(json_t *obj, const char *path)
{
	json_t *file = json_load_file(path, 0, NULL);
	json_t *annotations = json_object_get(file, "annotations");
	const char *name = json_string_value(json_object_get(annotations, "io.kubernetes.cri.container-name"));

	if (name == NULL)
		name = json_string_value(json_object_get(annotations, "io.kubernetes.container.name"));
	if (name != NULL)
		cgr_json_set_text(obj, "name", name);
	if (json_is_object(annotations))
		(void)json_object_set(obj, "labels", annotations);
	bool found = file != NULL;
	json_decref(file);
	return found;
}

static void add_labels(json_t *obj, const char *root, const char *id)
{
	static const char *const folders[] = { "run/containerd/io.containerd.runtime.v2.task/k8s.io",
		                                   "run/containerd/io.containerd.runtime.v2.task/default",
		                                   "run/containerd/io.containerd.runtime.v2.task/moby",
		                                   "run/containers/storage/overlay-containers" };
	char path[512];

	add_docker_labels(obj, root, id);
	for (size_t i = 0; json_object_get(obj, "labels") == NULL && i < CGR_ARRAY_SIZE(folders); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s/%s/%sconfig.json", root, folders[i], id,
		               strstr(folders[i], "overlay") != NULL ? "userdata/" : "");
		if (add_annotations(obj, path))
			break;
	}
}

json_t *cgr_container_json(const char *path, const char *root)
{
	json_t *obj = json_object();
	const char *above = "";

	for (const char *word = path + 1; *word != '\0';) {
		size_t length = strcspn(word, "/");
		char id[ID_LENGTH + 1], uid[UID_LENGTH + 1];
		const char *runtime;
		if (ends_with(word, length, ".service") || ends_with(word, length, ".scope") ||
		    ends_with(word, length, ".slice"))
			(void)json_object_set_new(obj, "unit", cgr_json_text(word, length));
		if (find_pod(word, length, uid))
			cgr_json_set_text(obj, "pod_uid", uid);
		if (find_id(word, length, above, id, &runtime)) {
			cgr_json_set_text(obj, "container_id", id);
			cgr_json_set_text(obj, "runtime", runtime);
			add_labels(obj, root, id);
		}
		above = word;
		word += length + (word[length] == '/');
	}
	if (json_object_size(obj) == 0) {
		json_decref(obj);
		return NULL;
	}
	return obj;
}
