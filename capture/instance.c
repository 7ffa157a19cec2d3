#include "capture/instance.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <tracefs.h>
#include <unistd.h>

#include "capture/procfile.h"
#include "common/util.h"

/* The ring wakes its reader when this share is filled; the reader looks by itself twice a second anyway. */
#define WAKE_PERCENT "25"
#define HEADER_PAGE_MAX 4096u
#define INSTANCES_LOCK_TRIES 250 /* of 20 ms */

/* A kernel locked down for confidentiality leaves tracefs empty when it boots so (kernel/trace/trace.c:
 * tracing_init_dentry) and refuses every open when it is locked down later (fs/tracefs/inode.c: default_open_file). */
static bool is_locked_down(void)
{
	char line[128];

	return cgr_procfile_line(AT_FDCWD, "/sys/kernel/security/lockdown", line, sizeof(line)) &&
	       strstr(line, "[confidentiality]") != NULL;
}

int cgr_tracefs_check(const char *dir, struct cgr_error *reterr)
{
	char path[640];

	(void)snprintf(path, sizeof(path), "%s/events/header_page", dir);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0) {
		(void)close(fd);
		return 0;
	}
	int code = errno;
	if (code == EPERM || is_locked_down())
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE,
		                     "%s: the kernel is locked down (confidentiality) and lets nobody trace it: boot with "
		                     "lockdown=integrity, or without secure boot, to record here",
		                     dir);
	if (code == ENOENT)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE,
		                     "%s holds no events: this kernel was built without CONFIG_TRACING, or is locked down",
		                     dir);
	errno = code;
	return cgr_error_errno(reterr, CGR_E_UNAVAILABLE,
	                       "%s: cannot read; recording needs root, or with --backend perf CAP_PERFMON and a tracefs it "
	                       "may read",
	                       path);
}

int cgr_tracefs_borrow_dir(const char **ret_dir, struct cgr_error *reterr)
{
	/* finds the mount wherever it is, and mounts it when it is nowhere */
	const char *dir = tracefs_tracing_dir();
	char path[512];

	if (dir == NULL)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE,
		                     "recording needs tracefs, and none is mounted: run as root, or "
		                     "`mount -t tracefs nodev /sys/kernel/tracing`, or record with --backend perf");
	int rc = cgr_tracefs_check(dir, reterr);
	if (rc < 0)
		return rc;
	(void)snprintf(path, sizeof(path), "%s/instances", dir);
	if (access(path, R_OK | W_OK) != 0)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE,
		                     "recording needs write access to %s (%s): run as root, or record with --backend perf",
		                     path, strerror(errno));
	*ret_dir = dir;
	return 0;
}

/* Held while an instance is made or judged stale, so that no one removes what another is just making. The wait is
 * bounded: a recorder that was stopped (SIGSTOP, a frozen cgroup) in this moment must not hold up the next one for
 * ever. -1 without the lock: then nothing may be judged stale. */
static int lock_instances(const char *dir)
{
	char path[512];

	(void)snprintf(path, sizeof(path), "%s/instances", dir);
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned tries = 0; fd >= 0 && tries < INSTANCES_LOCK_TRIES; tries++) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return fd;
		(void)nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
	}
	if (fd >= 0)
		(void)close(fd);
	return -1;
}

/* An instance lives as long as its maker holds the lock on its `trace_clock` file. */
static bool is_abandoned(const char *instances, const char *name)
{
	char path[1024];

	(void)snprintf(path, sizeof(path), "%s/%s/trace_clock", instances, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool abandoned = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0;
	if (fd >= 0)
		(void)close(fd);
	return abandoned;
}

static unsigned remove_stale(const char *dir)
{
	char instances[512], path[1024];
	unsigned removed = 0;

	(void)snprintf(instances, sizeof(instances), "%s/instances", dir);
	DIR *list = opendir(instances);
	for (struct dirent *entry; list != NULL && (entry = readdir(list)) != NULL;) {
		if (strncmp(entry->d_name, CGR_INSTANCE_PREFIX, strlen(CGR_INSTANCE_PREFIX)) != 0 ||
		    !is_abandoned(instances, entry->d_name))
			continue;
		(void)snprintf(path, sizeof(path), "%s/%s", instances, entry->d_name);
		if (rmdir(path) == 0)
			removed++;
	}
	if (list != NULL)
		(void)closedir(list);
	return removed;
}

unsigned cgr_instances_remove_stale(void)
{
	const char *dir;
	unsigned removed = 0;

	if (cgr_tracefs_borrow_dir(&dir, NULL) < 0)
		return 0;
	int lock = lock_instances(dir);
	if (lock >= 0) {
		removed = remove_stale(dir);
		(void)close(lock);
	}
	return removed;
}

char *cgr_instance_read(const struct cgr_instance *instance, const char *file)
{
	return tracefs_instance_file_read(instance->handle, file, NULL);
}

/* The data field of events/header_page says how big a sub-buffer of this ring is. */
static int read_page_bytes(struct cgr_instance *instance, struct cgr_error *reterr)
{
	char *text = cgr_instance_read(instance, "events/header_page");
	char *data = text == NULL ? NULL : strstr(text, "data;");
	unsigned offset = 0, size = 0;

	if (text == NULL)
		text = tracefs_instance_file_read(NULL, "events/header_page", NULL);
	if (data == NULL && text != NULL)
		data = strstr(text, "data;");
	if (data == NULL || sscanf(data, "data; offset:%u; size:%u", &offset, &size) != 2) {
		free(text);
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "%s/events/header_page: cannot tell the ring's page size",
		                     instance->dir);
	}
	free(text);
	instance->page_bytes = offset + size;
	if (instance->page_bytes < 1024 || instance->page_bytes > (1u << 20))
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "%s/events/header_page: ring pages of %u bytes", instance->dir,
		                     instance->page_bytes);
	return 0;
}

static int put_file(struct cgr_instance *instance, const char *file, const char *text, struct cgr_error *reterr)
{
	if (tracefs_instance_file_write(instance->handle, file, text) < 0)
		return cgr_error_errno(reterr, CGR_E_UNAVAILABLE, "%s/%s: cannot write '%s'", instance->dir, file, text);
	return 0;
}

static int configure(struct cgr_instance *instance, uint64_t buffer_kib, const char *clock, struct cgr_error *reterr)
{
	CGR_TRY(cgr_instance_switch(instance, false, reterr));
	CGR_TRY(put_file(instance, "trace_clock", clock, reterr));
	if (tracefs_instance_set_buffer_size(instance->handle, buffer_kib, -1) < 0)
		return cgr_error_errno(reterr, CGR_E_UNAVAILABLE,
		                       "%s/buffer_size_kb: the kernel has no %llu KiB per CPU for the ring; ask for less with "
		                       "--buffer",
		                       instance->dir, (unsigned long long)buffer_kib);
	/* older kernels lack some of these: their defaults serve */
	(void)tracefs_instance_file_write(instance->handle, "buffer_percent", WAKE_PERCENT);
	(void)tracefs_instance_file_write(instance->handle, "options/disable_on_free", "1");
	(void)tracefs_instance_file_write(instance->handle, "options/record-tgid", "0");
	instance->free_fd = tracefs_instance_file_open(instance->handle, "free_buffer", O_WRONLY | O_CLOEXEC);
	if (instance->free_fd >= 0)
		(void)fcntl(instance->free_fd, F_SETFD, FD_CLOEXEC);
	return read_page_bytes(instance, reterr);
}

/* Whether an event is on, or soon may be, in the top instance or in one of `instances` but ours. */
static bool is_traced_by_others(const char *dir, const char *ours)
{
	char path[1024], line[8];

	(void)snprintf(path, sizeof(path), "%s/set_event", dir);
	bool traced = cgr_procfile_line(AT_FDCWD, path, line, sizeof(line)) && line[0] != '\0';
	(void)snprintf(path, sizeof(path), "%s/instances", dir);
	DIR *list = opendir(path);
	for (struct dirent *entry; list != NULL && !traced && (entry = readdir(list)) != NULL;) {
		if (entry->d_name[0] == '.' || strcmp(entry->d_name, ours) == 0)
			continue;
		(void)snprintf(path, sizeof(path), "%s/instances/%s/set_event", dir, entry->d_name);
		traced = strncmp(entry->d_name, CGR_INSTANCE_PREFIX, strlen(CGR_INSTANCE_PREFIX)) == 0 ||
		         (cgr_procfile_line(AT_FDCWD, path, line, sizeof(line)) && line[0] != '\0');
	}
	if (list != NULL)
		(void)closedir(list);
	return traced;
}

/* With record-cmd every switch and wake-up writes names into one table under one lock of all CPUs (kernel/trace/
 * trace_sched_switch.c: probe_sched_switch), a quarter of the cost of these events; ours carry the names. An instance
 * has the flag from the top one and may drop it through trace_options, but that drops it for all events that are on
 * anywhere (trace_event_enable_cmd_record): so only while nobody else traces. */
static void leave_names_out(struct cgr_instance *instance, const char *dir)
{
	instance->no_names = !is_traced_by_others(dir, instance->name) &&
	                     tracefs_instance_file_write(instance->handle, "trace_options", "norecord-cmd") > 0;
}

static int create_locked(struct cgr_instance *instance, const char *dir, struct cgr_error *reterr)
{
	for (unsigned i = 0; i < 1000; i++) {
		char path[1024];
		(void)snprintf(instance->name, sizeof(instance->name), CGR_INSTANCE_PREFIX "%d-%u", (int)getpid(), i);
		(void)snprintf(path, sizeof(path), "%s/instances/%s", dir, instance->name);
		if (access(path, F_OK) == 0)
			continue; /* of another pid namespace */
		instance->handle = tracefs_instance_create(instance->name);
		break;
	}
	if (instance->handle == NULL)
		return cgr_error_errno(reterr, CGR_E_UNAVAILABLE,
		                       "%s/instances: cannot make an instance; recording needs root and a kernel with "
		                       "CONFIG_TRACING, not locked down",
		                       dir);
	(void)snprintf(instance->dir, sizeof(instance->dir), "%.400s/instances/%s", dir, instance->name);
	char clock[640];
	(void)snprintf(clock, sizeof(clock), "%s/trace_clock", instance->dir);
	instance->lock_fd = open(clock, O_RDONLY | O_CLOEXEC);
	if (instance->lock_fd < 0 || flock(instance->lock_fd, LOCK_EX | LOCK_NB) != 0)
		return cgr_error_errno(reterr, CGR_E_UNAVAILABLE, "%s: cannot lock", clock);
	return 0;
}

int cgr_instance_open(struct cgr_instance *instance, uint64_t buffer_kib_per_cpu, const char *clock,
                      struct cgr_error *reterr)
{
	const char *dir;

	*instance = (struct cgr_instance){ .lock_fd = -1, .free_fd = -1 };
	CGR_TRY(cgr_tracefs_borrow_dir(&dir, reterr));
	int lock = lock_instances(dir);
	if (lock >= 0)
		(void)remove_stale(dir);
	int rc = create_locked(instance, dir, reterr);
	if (rc == 0 && lock >= 0)
		leave_names_out(instance, dir);
	if (lock >= 0)
		(void)close(lock);
	if (rc == 0)
		rc = configure(instance, buffer_kib_per_cpu, clock, reterr);
	if (rc < 0)
		cgr_instance_close(instance);
	return rc;
}

int cgr_instance_filter(struct cgr_instance *instance, const struct cgr_plan *plan, struct cgr_error *reterr)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct cgr_planned_event *event = &plan->event[i];
		char file[192];
		(void)snprintf(file, sizeof(file), "events/%s/%s/filter", event->group, event->name);
		if (event->filter[0] != '\0' && event->functions == NULL)
			CGR_TRY(put_file(instance, file, event->filter, reterr));
	}
	return 0;
}

int cgr_instance_enable(struct cgr_instance *instance, const struct cgr_plan *plan, struct cgr_error *reterr)
{
	for (size_t i = 0; i < plan->count; i++) {
		char file[192];
		if (plan->event[i].functions != NULL)
			continue; /* a tracer, no event: functions.h */
		(void)snprintf(file, sizeof(file), "events/%s/%s/enable", plan->event[i].group, plan->event[i].name);
		CGR_TRY(put_file(instance, file, "1", reterr));
	}
	return 0;
}

int cgr_instance_switch(struct cgr_instance *instance, bool on, struct cgr_error *reterr)
{
	return put_file(instance, "tracing_on", on ? "1" : "0", reterr);
}

void cgr_instance_close(struct cgr_instance *instance)
{
	if (instance->handle == NULL)
		return;
	(void)tracefs_trace_off(instance->handle);
	(void)tracefs_instance_file_write(instance->handle, "events/enable", "0");
	/* an open file keeps the instance busy */
	if (instance->free_fd >= 0)
		(void)close(instance->free_fd);
	if (instance->lock_fd >= 0)
		(void)close(instance->lock_fd);
	for (unsigned i = 0; i < 50 && tracefs_instance_destroy(instance->handle) != 0 && errno == EBUSY; i++)
		(void)usleep(10000); /* a reader elsewhere (trace-cmd, an inspecting admin) may hold a file for a moment */
	tracefs_instance_free(instance->handle);
	*instance = (struct cgr_instance){ .lock_fd = -1, .free_fd = -1 };
}
