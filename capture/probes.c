#include "capture/probes.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/procfile.h"
#include "common/util.h"

#define GROUP_PREFIX "cgreplay_"
#define EVENTS_TEXT_MAX (1u << 20)

struct probe {
	const char *system, *event, *function, *arguments;
};

static const struct probe probes[] = {
#define CGR_PROBE(system, event, function, arguments) { system, event, function, arguments },
#include "capture/probes.def"
#undef CGR_PROBE
};

static const struct probe *find_probe(const char *system, const char *event)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(probes); i++)
		if (strcmp(probes[i].system, system) == 0 && strcmp(probes[i].event, event) == 0)
			return &probes[i];
	return NULL;
}

void cgr_probe_group(char *out, size_t size)
{
	(void)snprintf(out, size, GROUP_PREFIX "%d", (int)getpid());
}

/* "STRUCT.member" -> its offset; false when the kernel has none. */
static bool member_offset(const struct cgr_btf *btf, const char *text, size_t length, int64_t *ret)
{
	char path[160];

	(void)snprintf(path, sizeof(path), "%.*s", (int)length, text);
	char *dot = strchr(path, '.');
	if (dot == NULL)
		return false;
	*dot = '\0';
	*ret = cgr_btf_offset(btf, path, dot + 1);
	return *ret >= 0;
}

/* One hop "A.x" or "A.x-A.y". */
static bool hop_offset(const struct cgr_btf *btf, const char *text, size_t length, int64_t *ret)
{
	const char *minus = memchr(text, '-', length);
	int64_t back = 0;

	if (minus != NULL && !member_offset(btf, minus + 1, length - (size_t)(minus - text) - 1, &back))
		return false;
	if (!member_offset(btf, text, minus == NULL ? length : (size_t)(minus - text), ret))
		return false;
	*ret -= back;
	return true;
}

/* "id:u64=$arg1>A.x>B.y" -> " id=+B(+A($arg1)):u64" */
static int add_argument(struct cgr_strbuf *out, const char *text, size_t length, const struct cgr_btf *btf,
                        struct cgr_error *reterr)
{
	size_t name = strcspn(text, ":"), equals = strcspn(text, "=");
	const char *at = text + equals + 1, *end = text + length;
	struct cgr_strbuf value = { 0 };

	cgr_strbuf_printf(&value, "%.*s", (int)CGR_MIN(strcspn(at, "> "), (size_t)(end - at)), at);
	for (at += strcspn(at, "> "); at < end && *at == '>';) {
		size_t hop = strcspn(at + 1, "> ");
		int64_t offset;
		if (!hop_offset(btf, at + 1, hop, &offset)) {
			cgr_strbuf_fini(&value);
			return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "this kernel's type information has no %.*s", (int)hop,
			                     at + 1);
		}
		char *inner = value.text;
		value = (struct cgr_strbuf){ 0 };
		cgr_strbuf_printf(&value, "%+" PRId64 "(%s)", offset, inner == NULL ? "" : inner);
		free(inner);
		at += 1 + hop;
	}
	cgr_strbuf_printf(out, " %.*s=%s%.*s", (int)name, text, value.text == NULL ? "" : value.text, (int)(equals - name),
	                  text + name);
	cgr_strbuf_fini(&value);
	return 0;
}

int cgr_probe_text(const char *group, const char *system, const char *event, const struct cgr_btf *btf, char **ret_text,
                   struct cgr_error *reterr)
{
	const struct probe *probe = find_probe(system, event);
	struct cgr_strbuf text = { 0 };
	int rc = 0;

	*ret_text = NULL;
	if (probe == NULL)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "no kprobe stands in for %s:%s", system, event);
	if (btf == NULL)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "no BTF to tell where %s:%s finds its fields", system, event);
	cgr_strbuf_printf(&text, "p:%s/%s %s", group, event, probe->function);
	for (const char *at = probe->arguments; *at != '\0' && rc == 0;) {
		size_t length = strcspn(at, " ");
		rc = add_argument(&text, at, length, btf, reterr);
		at += length + strspn(at + length, " ");
	}
	if (rc == 0 && text.failed)
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "no memory for a probe");
	if (rc < 0)
		cgr_strbuf_fini(&text);
	*ret_text = text.text;
	return rc;
}

static int write_probe(const char *tracefs, const char *text)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/kprobe_events", tracefs);
	int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	ssize_t got = write(fd, text, strlen(text));
	int rc = got < 0 ? -errno : 0;
	(void)close(fd);
	return rc;
}

int cgr_probe_define(const char *tracefs, const char *group, const char *system, const char *event,
                     const struct cgr_btf *btf, struct cgr_error *reterr)
{
	char path[768], *text;

	(void)snprintf(path, sizeof(path), "%.400s/events/%.100s/%.100s", tracefs, group, event);
	if (access(path, F_OK) == 0)
		return 0; /* another signal asked for it before */
	CGR_TRY(cgr_probe_text(group, system, event, btf, &text, reterr));
	int rc = write_probe(tracefs, text);
	free(text);
	if (rc == -ENOENT && access(path, F_OK) != 0)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "no kprobes in this kernel, or no function %s",
		                     find_probe(system, event)->function);
	if (rc < 0)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "kprobe %s: %s", find_probe(system, event)->function,
		                     strerror(-rc));
	return 0;
}

/* "p:cgreplay_12/name ..." belongs to group, or (NULL) to a recorder that is gone. */
static bool is_to_go(const char *line, const char *group)
{
	const char *name = strchr(line, ':');

	if (name == NULL || strncmp(name + 1, GROUP_PREFIX, strlen(GROUP_PREFIX)) != 0)
		return false;
	if (group != NULL)
		return strncmp(name + 1, group, strlen(group)) == 0 && name[1 + strlen(group)] == '/';
	int pid = atoi(name + 1 + strlen(GROUP_PREFIX));
	return pid > 0 && kill(pid, 0) != 0 && errno == ESRCH;
}

void cgr_probes_remove(const char *tracefs, const char *group)
{
	struct cgr_procfile file = { 0 };
	char path[512], command[256];
	char *save = NULL;

	(void)snprintf(path, sizeof(path), "%s/kprobe_events", tracefs);
	if (cgr_procfile_read(&file, AT_FDCWD, path, EVENTS_TEXT_MAX) == 0 && file.length > 0) {
		for (char *line = strtok_r(file.text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
			if (!is_to_go(line, group))
				continue;
			const char *name = strchr(line, ':') + 1;
			(void)snprintf(command, sizeof(command), "-:%.*s", (int)strcspn(name, " "), name);
			/* one in use by a running instance refuses, rightly */
			(void)write_probe(tracefs, command);
		}
	}
	cgr_procfile_fini(&file);
}
