#include "replay/program.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/util.h"

#define CHUNKS_IN_MEMORY 65536u
#define HEAD_BYTES (CHUNKS_IN_MEMORY * sizeof(struct cgr_chunk))
/* Pages of this size, each as dear as a hundred small ones, are for what is longer than short recordings have. */
#define HUGE_BYTES (2u << 20)
#define SMALL_BYTES (256u << 10)

const char *cgr_cause_name(enum cgr_cause cause)
{
	static const char *const name[CGR_CAUSE_COUNT] = { "task", "timer", "device", "arrival", "unknown", "forever" };

	return cause < CGR_CAUSE_COUNT ? name[cause] : "?";
}

/* A file without a name: its pages may be written out when memory is short, which anonymous memory could not. */
static int open_unnamed(struct cgr_error *reterr)
{
	const char *folder[] = { getenv("TMPDIR"), "/var/tmp", "/tmp" };

	for (size_t i = 0; i < CGR_ARRAY_SIZE(folder); i++) {
		char path[1024];
		int fd;

		if (!folder[i] || strlen(folder[i]) > sizeof path - 32)
			continue;
		fd = open(folder[i], O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
		if (fd >= 0)
			return fd;
		cgr_strcpy(path, sizeof path, folder[i]);
		strcat(path, "/cgreplay-programs-XXXXXX");
		fd = mkostemp(path, O_CLOEXEC);
		if (fd >= 0) {
			unlink(path);
			return fd;
		}
	}
	return cgr_error_errno(reterr, CGR_E_IO, "no temporary file for the task programs (TMPDIR, /var/tmp, /tmp)");
}

static int extend_file(struct cgr_programs *programs, size_t bytes, struct cgr_error *reterr)
{
	int rc;

	if (programs->fd < 0)
		CGR_TRY(programs->fd = open_unnamed(reterr));
	/* posix_fallocate so that a full disk is an error here and not a SIGBUS later */
	rc = posix_fallocate(programs->fd, 0, (off_t)bytes);
	return rc ? cgr_error_set(reterr, CGR_E_IO, "temporary file for the task programs: cannot grow to %zu bytes: %s",
	                          bytes, strerror(rc))
	          : 0;
}

/* Addresses whose large pages begin SMALL_BYTES behind the first. MAP_FAILED: there are none. */
static char *map_aligned(size_t bytes, int protection, int flags)
{
	size_t spare = HUGE_BYTES, before;
	char *map = mmap(NULL, bytes + spare, protection, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (map == MAP_FAILED)
		return map;
	before = (HUGE_BYTES - ((uintptr_t)map + SMALL_BYTES) % HUGE_BYTES) % HUGE_BYTES;
	if (before)
		munmap(map, before);
	if (before < spare)
		munmap(map + before + bytes, spare - before);
	return map + before;
}

/* mremap moves one mapping at a time before Linux 6.17 (vma_to_resize), and madvise has made two of the head. */
static bool move_head(char *from, char *to)
{
	return mremap(from, SMALL_BYTES, SMALL_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to) != MAP_FAILED &&
	       mremap(from + SMALL_BYTES, HEAD_BYTES - SMALL_BYTES, HEAD_BYTES - SMALL_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED,
	              to + SMALL_BYTES) != MAP_FAILED;
}

static int no_mapping(size_t bytes, struct cgr_error *reterr)
{
	return cgr_error_errno(reterr, CGR_E_NOMEM, "mapping %zu bytes of task programs", bytes);
}

static int map_head(struct cgr_programs *programs, struct cgr_error *reterr)
{
	char *map = map_aligned(HEAD_BYTES, PROT_READ | PROT_WRITE, MAP_NORESERVE);

	if (map == MAP_FAILED)
		return no_mapping(HEAD_BYTES, reterr);
	(void)madvise(map + SMALL_BYTES, HEAD_BYTES - SMALL_BYTES, MADV_HUGEPAGE);
	programs->map = map;
	programs->map_bytes = HEAD_BYTES;
	programs->chunk_capacity = CHUNKS_IN_MEMORY;
	return 0;
}

/* One range of addresses: what most recordings need in memory, for a page of a file costs several times as much to come
 * by, and behind it the file. The range is taken without access, which no limit of private memory counts
 * (vm.overcommit_memory=2, RLIMIT_DATA). */
static int grow(struct cgr_programs *programs, uint32_t capacity, struct cgr_error *reterr)
{
	size_t bytes = (size_t)capacity * sizeof(struct cgr_chunk);
	char *map;

	CGR_TRY(extend_file(programs, bytes - HEAD_BYTES, reterr));
	map = map_aligned(bytes, PROT_NONE, 0);
	if (map == MAP_FAILED)
		return no_mapping(bytes, reterr);
	if (mmap(map + HEAD_BYTES, bytes - HEAD_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, programs->fd, 0) ==
	        MAP_FAILED ||
	    !move_head(programs->map, map)) {
		int rc = no_mapping(bytes, reterr);

		munmap(map, bytes);
		return rc;
	}
	if (programs->map_bytes > HEAD_BYTES)
		munmap(programs->map + HEAD_BYTES, programs->map_bytes - HEAD_BYTES);
	programs->map = map;
	programs->map_bytes = bytes;
	programs->chunk_capacity = capacity;
	return 0;
}

int cgr_programs_new(uint32_t tasks, struct cgr_programs **ret_programs, struct cgr_error *reterr)
{
	struct cgr_programs *programs = cgr_calloc(1, sizeof *programs);
	int rc;

	if (!programs)
		return cgr_error_set(reterr, CGR_E_NOMEM, "task programs");
	programs->fd = -1;
	programs->tasks = tasks;
	programs->program = cgr_calloc(tasks ? tasks : 1, sizeof *programs->program);
	programs->latency = cgr_calloc(tasks ? tasks : 1, sizeof *programs->latency);
	if (!programs->program || !programs->latency) {
		cgr_programs_free(programs);
		return cgr_error_set(reterr, CGR_E_NOMEM, "programs of %u tasks", tasks);
	}
	for (uint32_t i = 0; i < tasks; i++) {
		programs->program[i].first_chunk = programs->program[i].loop_chunk = CGR_ID_NONE;
		programs->program[i].end_ns = INT64_MAX;
		programs->program[i].prio = -1;
		programs->program[i].last_cpuset = CGR_ID_NONE;
	}
	rc = map_head(programs, reterr);
	if (rc < 0) {
		cgr_programs_free(programs);
		return rc;
	}
	*ret_programs = programs;
	return 0;
}

struct cgr_programs *cgr_programs_free(struct cgr_programs *programs)
{
	if (!programs)
		return NULL;
	if (programs->map)
		munmap(programs->map, programs->map_bytes);
	if (programs->fd >= 0)
		close(programs->fd);
	for (uint32_t i = 0; programs->latency && i < programs->tasks; i++)
		cgr_histogram_fini(&programs->latency[i]);
	free(programs->latency);
	free(programs->group_run_ns);
	free(programs->program);
	free(programs->site);
	free(programs->relation);
	free(programs->pipe);
	free(programs->phase);
	free(programs);
	return NULL;
}

int cgr_programs_append_chunk(struct cgr_programs *programs, uint32_t task, uint32_t *tail, const struct cgr_op *op,
                              struct cgr_error *reterr)
{
	uint32_t fresh = programs->chunks;
	struct cgr_chunk *chunk;

	if (fresh == UINT32_MAX / 2)
		return cgr_error_set(reterr, CGR_E_LIMIT, "the task programs have too many operations");
	if (fresh == programs->chunk_capacity)
		CGR_TRY(grow(programs, fresh * 2, reterr));
	programs->chunks++;
	if (*tail == CGR_ID_NONE)
		programs->program[task].first_chunk = fresh;
	else
		cgr_chunk_at(programs, *tail)->next = fresh;
	*tail = fresh;
	chunk = cgr_chunk_at(programs, fresh);
	chunk->next = CGR_ID_NONE;
	chunk->count = 1;
	chunk->op[0] = *op;
	programs->program[task].ops++;
	return 0;
}
