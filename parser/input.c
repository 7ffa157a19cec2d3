#include "parser/input.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"

static struct cgr_input *volatile mapped_inputs;
static uintptr_t page_mask;

/* A mapped file that is truncated takes its pages away: put zeros there and let the reader go on to where it asks.
 * Inputs are opened and closed by one thread, the one that reads them. */
static void on_bus_error(int signal_number, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr, page = at & page_mask;

	(void)context;
	for (struct cgr_input *input = mapped_inputs; input != NULL; input = input->next) {
		uintptr_t from = (uintptr_t)input->data, to = from + input->size;

		if (at < from || at >= to)
			continue;
		input->shrunk = true;
		if (mmap((void *)page, to - page, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != MAP_FAILED)
			return;
	}
	(void)signal(signal_number, SIG_DFL); /* not ours: as if there were no handler */
}

static int watch(struct cgr_input *input, struct cgr_error *reterr)
{
	struct sigaction action = { .sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO };

	page_mask = ~((uintptr_t)sysconf(_SC_PAGESIZE) - 1);
	input->next = mapped_inputs;
	mapped_inputs = input;
	if (sigaction(SIGBUS, &action, NULL) != 0)
		return cgr_error_errno(reterr, CGR_E_INTERNAL, "%s: cannot watch for its truncation", input->path);
	return CGR_OK;
}

static void unwatch(struct cgr_input *input)
{
	struct cgr_input *before = mapped_inputs;

	if (before == input)
		mapped_inputs = input->next;
	for (; before != NULL; before = before->next)
		if (before->next == input)
			before->next = input->next;
}

int cgr_input_check(const struct cgr_input *input, struct cgr_error *reterr)
{
	if (!input->shrunk)
		return CGR_OK;
	return cgr_error_set(reterr, CGR_E_INPUT,
	                     "%s: the file became shorter while it was read: wait until nobody writes it, then try again",
	                     input->path);
}

static int map(struct cgr_input *input, struct cgr_error *reterr)
{
	struct stat st;

	input->fd = open(input->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
	if (input->fd < 0)
		return cgr_error_errno(reterr, CGR_E_INPUT, "%s: cannot open it for reading", input->path);
	if (fstat(input->fd, &st) != 0)
		return cgr_error_errno(reterr, CGR_E_INPUT, "%s: cannot stat it", input->path);
	if (!S_ISREG(st.st_mode))
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: not a regular file: save the recording to a file first, then import that",
		                     input->path);
	if (st.st_size == 0)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:0: the file is empty", input->path);
	void *data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, input->fd, 0);
	if (data == MAP_FAILED)
		return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot map it", input->path);
	input->data = data;
	input->size = (size_t)st.st_size;
	input->mapped = true;
	return watch(input, reterr);
}

int cgr_input_open(struct cgr_input *input, const char *path, struct cgr_error *reterr)
{
	*input = (struct cgr_input){ .fd = -1, .path = cgr_strdup(path) };
	if (input->path == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	int rc = map(input, reterr);
	if (rc < 0)
		cgr_input_close(input);
	return rc;
}

int cgr_input_memory(struct cgr_input *input, const char *path, const void *data, size_t size, struct cgr_error *reterr)
{
	*input = (struct cgr_input){ .fd = -1, .path = cgr_strdup(path), .data = data, .size = size };
	if (input->path == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	return CGR_OK;
}

void cgr_input_close(struct cgr_input *input)
{
	if (input->mapped)
		unwatch(input);
	if (input->mapped)
		munmap((void *)(uintptr_t)input->data, input->size);
	if (input->path != NULL && input->fd >= 0)
		close(input->fd);
	free(input->path);
	*input = (struct cgr_input){ .fd = -1 };
}

void cgr_input_forget(const struct cgr_input *input, uint64_t from, uint64_t to)
{
	uint64_t page = 4096;

	if (!input->mapped || to > input->size)
		return;
	from = (from + page - 1) / page * page;
	to = to / page * page;
	if (from < to)
		(void)madvise((void *)(uintptr_t)(input->data + from), (size_t)(to - from), MADV_DONTNEED);
}

void cgr_cursor_init(struct cgr_cursor *cursor, const struct cgr_input *input, uint64_t from, uint64_t length,
                     bool swap)
{
	*cursor = (struct cgr_cursor){ .input = input, .origin = from, .swap = swap };
	if (from > input->size) {
		cursor->failed = true;
		return;
	}
	cursor->base = input->data + from;
	cursor->end = (size_t)CGR_MIN(length, input->size - from);
}

const uint8_t *cgr_cursor_bytes(struct cgr_cursor *cursor, uint64_t length)
{
	if (cursor->failed || length > cursor->end - cursor->position) {
		cursor->failed = true;
		return NULL;
	}
	const uint8_t *at = cursor->base + cursor->position;
	cursor->position += (size_t)length;
	return at;
}

uint8_t cgr_cursor_u8(struct cgr_cursor *cursor)
{
	const uint8_t *at = cgr_cursor_bytes(cursor, 1);

	return at != NULL ? *at : 0;
}

uint16_t cgr_cursor_u16(struct cgr_cursor *cursor)
{
	const uint8_t *at = cgr_cursor_bytes(cursor, 2);
	uint16_t value;

	if (at == NULL)
		return 0;
	memcpy(&value, at, sizeof(value));
	return cursor->swap ? __builtin_bswap16(value) : value;
}

uint32_t cgr_cursor_u32(struct cgr_cursor *cursor)
{
	const uint8_t *at = cgr_cursor_bytes(cursor, 4);
	uint32_t value;

	if (at == NULL)
		return 0;
	memcpy(&value, at, sizeof(value));
	return cursor->swap ? __builtin_bswap32(value) : value;
}

uint64_t cgr_cursor_u64(struct cgr_cursor *cursor)
{
	const uint8_t *at = cgr_cursor_bytes(cursor, 8);
	uint64_t value;

	if (at == NULL)
		return 0;
	memcpy(&value, at, sizeof(value));
	return cursor->swap ? __builtin_bswap64(value) : value;
}

const char *cgr_cursor_string(struct cgr_cursor *cursor, size_t limit)
{
	if (cursor->failed)
		return NULL;
	size_t left = CGR_MIN(cursor->end - cursor->position, limit);
	const char *text = (const char *)cursor->base + cursor->position;
	const char *nul = left > 0 ? memchr(text, '\0', left) : NULL;

	if (nul == NULL) {
		cursor->failed = true;
		return NULL;
	}
	cursor->position += (size_t)(nul - text) + 1;
	return text;
}

size_t cgr_cursor_left(const struct cgr_cursor *cursor)
{
	return cursor->failed ? 0 : cursor->end - cursor->position;
}

int cgr_cursor_error(const struct cgr_cursor *cursor, struct cgr_error *reterr, const char *format, ...)
{
	char text[CGR_ERROR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (cursor->unpacked)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: byte %zu of the decompressed section: %s",
		                     cursor->input->path, (unsigned long long)cursor->origin, cursor->position, text);
	return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: %s", cursor->input->path,
	                     (unsigned long long)(cursor->origin + cursor->position), text);
}

int cgr_cursor_check(const struct cgr_cursor *cursor, const char *what, struct cgr_error *reterr)
{
	if (!cursor->failed)
		return CGR_OK;
	return cgr_cursor_error(cursor, reterr, "the %s ends inside %s: the file is truncated or damaged",
	                        cursor->unpacked || cursor->origin + cursor->end < cursor->input->size ? "section" : "file",
	                        what);
}
