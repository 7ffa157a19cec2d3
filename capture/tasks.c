#include "capture/tasks.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/jsontext.h"
#include "capture/procfile.h"
#include "common/util.h"

#define TEXT_MAX (1u << 20)
#define STAT_FIELDS 52u
#define PF_KTHREAD 0x00200000

struct reader {
	struct cgr_procfile file;
	json_t *sets; /* array of css_sets */
	json_t *index; /* text of /proc/PID/cgroup -> number in sets */
	json_t *tasks;
	int64_t tick_ns; /* of USER_HZ, the unit of starttime */
};

/* Fields 3.. of /proc/PID/stat (1-based as in proc(5)); comm may hold anything, so count from the last ')'. */
static bool parse_stat(const char *text, int64_t *field, char *comm, size_t comm_size, char *ret_state)
{
	const char *open_paren = strchr(text, '('), *close_paren = strrchr(text, ')');

	if (open_paren == NULL || close_paren == NULL || close_paren < open_paren || close_paren[1] != ' ')
		return false;
	(void)snprintf(comm, comm_size, "%.*s", (int)(close_paren - open_paren - 1), open_paren + 1);
	*ret_state = close_paren[2];
	const char *at = close_paren + 3;
	for (unsigned i = 4; i <= STAT_FIELDS; i++) {
		char *end;
		field[i] = (int64_t)strtoull(at, &end, 10);
		if (*at != '\0' && at[1] == '-')
			field[i] = strtoll(at, &end, 10);
		if (end == at)
			return i > 41;
		at = end;
	}
	return true;
}

/* "4:memory:/web" lines -> {"4": "/web"} */
static json_t *membership_json(const char *text)
{
	json_t *set = json_object();

	for (const char *at = text; *at != '\0';) {
		size_t line = strcspn(at, "\n");
		char id[16];
		size_t word = strcspn(at, ":\n");
		const char *path = at + word < at + line ? memchr(at + word + 1, ':', line - word - 1) : NULL;
		if (path != NULL && word < sizeof(id)) {
			memcpy(id, at, word);
			id[word] = '\0';
			(void)json_object_set_new(set, id, cgr_json_text(path + 1, (size_t)(at + line - path - 1)));
		}
		at += line + (at[line] == '\n');
	}
	return set;
}

static void set_css_set(struct reader *r, json_t *task, int dirfd)
{
	if (cgr_procfile_read(&r->file, dirfd, "cgroup", TEXT_MAX) != 0 || r->file.length == 0)
		return;
	json_t *known = json_object_get(r->index, r->file.text);
	if (known == NULL) {
		(void)json_object_set_new(r->index, r->file.text, json_integer((json_int_t)json_array_size(r->sets)));
		(void)json_array_append_new(r->sets, membership_json(r->file.text));
		known = json_object_get(r->index, r->file.text);
	}
	if (known != NULL)
		(void)json_object_set(task, "css_set", known);
}

/* "Key:\tVALUE kB" of /proc/PID/status; false when absent. */
static bool status_kib(const char *text, const char *key, int64_t *ret)
{
	const char *at = strstr(text, key);

	if (at == NULL)
		return false;
	*ret = strtoll(at + strlen(key), NULL, 10);
	return true;
}

static void set_status(struct reader *r, json_t *task, int dirfd, bool leader)
{
	static const struct {
		const char *key, *name;
	} kib[] = { { "\nVmRSS:", "rss_pages" },        { "\nRssAnon:", "rss_anon_pages" },
		        { "\nRssFile:", "rss_file_pages" }, { "\nRssShmem:", "rss_shmem_pages" },
		        { "\nVmSwap:", "swap_pages" },      { "\nVmPTE:", "pgtable_pages" } };
	int64_t value;

	if (cgr_procfile_read(&r->file, dirfd, "status", TEXT_MAX) != 0)
		return;
	char *allowed = strstr(r->file.text, "\nCpus_allowed_list:");
	if (allowed != NULL) {
		allowed += strlen("\nCpus_allowed_list:");
		allowed += strspn(allowed, " \t");
		(void)json_object_set_new(task, "cpus_allowed", cgr_json_text(allowed, strcspn(allowed, "\n")));
	}
	for (size_t i = 0; leader && i < CGR_ARRAY_SIZE(kib); i++)
		if (status_kib(r->file.text, kib[i].key, &value))
			cgr_json_set_int(task, kib[i].name, value / 4);
}

static void set_stat(json_t *task, const int64_t *field, int64_t tick_ns, bool leader)
{
	cgr_json_set_int(task, "ppid", field[4]);
	cgr_json_set_int(task, "sid", field[6]);
	(void)json_object_set_new(task, "kthread", json_boolean((field[9] & PF_KTHREAD) != 0));
	cgr_json_set_int(task, "cpu", field[39]);
	cgr_json_set_int(task, "policy", field[41]);
	/* proc prints task->prio - MAX_RT_PRIO; the tracepoints carry task->prio */
	cgr_json_set_int(task, "prio", field[18] + 100);
	cgr_json_set_int(task, "nice", field[19]);
	cgr_json_set_int(task, "rt_priority", field[40]);
	cgr_json_set_int(task, "start_boot_ns", field[22] * tick_ns);
	cgr_json_set_int(task, "min_flt", field[10]);
	cgr_json_set_int(task, "maj_flt", field[12]);
	if (leader)
		cgr_json_set_int(task, "vsize_bytes", field[23]);
}

static void add_task(struct reader *r, int dirfd, int64_t tid, int64_t tgid)
{
	int64_t field[STAT_FIELDS + 1] = { 0 }, adj;
	char comm[64], state[2] = { 0 };

	if (cgr_procfile_read(&r->file, dirfd, "stat", TEXT_MAX) != 0 ||
	    !parse_stat(r->file.text, field, comm, sizeof(comm), &state[0]))
		return;
	json_t *task = json_object();
	cgr_json_set_int(task, "tid", tid);
	cgr_json_set_int(task, "tgid", tgid);
	cgr_json_set_text(task, "comm", comm);
	cgr_json_set_text(task, "state", state);
	set_stat(task, field, r->tick_ns, tid == tgid);
	set_status(r, task, dirfd, tid == tgid);
	set_css_set(r, task, dirfd);
	if (cgr_procfile_read(&r->file, dirfd, "schedstat", TEXT_MAX) == 0)
		cgr_json_set_int(task, "runtime_ns", strtoll(r->file.text, NULL, 10));
	if (cgr_procfile_int(dirfd, "oom_score_adj", &adj))
		cgr_json_set_int(task, "oom_score_adj", adj);
	(void)json_array_append_new(r->tasks, task);
}

static void add_threads(struct reader *r, int proc, const char *tgid)
{
	char path[64];

	(void)snprintf(path, sizeof(path), "%.20s/task", tgid);
	int fd = openat(proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	if (dir == NULL) {
		if (fd >= 0)
			(void)close(fd);
		return;
	}
	for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		int task = openat(dirfd(dir), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (task < 0)
			continue;
		add_task(r, task, strtoll(entry->d_name, NULL, 10), strtoll(tgid, NULL, 10));
		(void)close(task);
	}
	(void)closedir(dir);
}

void cgr_tasks_json(json_t *snapshot)
{
	struct reader r = { .sets = json_array(), .index = json_object(), .tasks = json_array() };
	DIR *proc = opendir("/proc");

	r.tick_ns = 1000000000 / CGR_MAX(sysconf(_SC_CLK_TCK), 1);
	for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;)
		if (isdigit((unsigned char)entry->d_name[0]))
			add_threads(&r, dirfd(proc), entry->d_name);
	if (proc != NULL)
		(void)closedir(proc);
	(void)json_object_set_new(snapshot, "css_sets", r.sets);
	(void)json_object_set_new(snapshot, "tasks", r.tasks);
	json_decref(r.index);
	cgr_procfile_fini(&r.file);
}
