#include "common/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void *cgr_calloc(size_t count, size_t size)
{
	return calloc(count == 0 ? 1 : count, size == 0 ? 1 : size);
}

int cgr_grow(void **array, size_t *capacity, size_t need, size_t size, struct cgr_error *reterr)
{
	if (need <= *capacity)
		return 0;
	size_t grown = *capacity < 16 ? 16 : *capacity;

	while (grown < need) {
		if (grown > SIZE_MAX / 2)
			return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory: array of %zu elements", need);
		grown *= 2;
	}
	size_t bytes;

	if (__builtin_mul_overflow(grown, size, &bytes))
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory: array of %zu elements", need);
	char *moved = realloc(*array, bytes);

	if (moved == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory: %zu bytes", bytes);
	memset(moved + *capacity * size, 0, bytes - *capacity * size);
	*array = moved;
	*capacity = grown;
	return 0;
}

char *cgr_strdup(const char *text)
{
	return text == NULL ? NULL : strdup(text);
}

char *cgr_printf(const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	return text;
}

bool cgr_strcpy(char *to, size_t size, const char *from)
{
	size_t length = strlen(from);
	bool whole = length < size;

	if (size == 0)
		return false;
	if (!whole)
		length = size - 1;
	memcpy(to, from, length);
	to[length] = '\0';
	return whole;
}

static bool strbuf_reserve(struct cgr_strbuf *buf, size_t more)
{
	if (buf->failed)
		return false;
	size_t need = buf->length + more + 1;

	if (need > buf->capacity) {
		size_t grown = buf->capacity < 256 ? 256 : buf->capacity;
		while (grown < need)
			grown *= 2;
		char *moved = realloc(buf->text, grown);
		if (moved == NULL) {
			buf->failed = true;
			return false;
		}
		buf->text = moved;
		buf->capacity = grown;
	}
	return true;
}

void cgr_strbuf_append(struct cgr_strbuf *buf, const char *text, size_t length)
{
	if (!strbuf_reserve(buf, length))
		return;
	memcpy(buf->text + buf->length, text, length);
	buf->length += length;
	buf->text[buf->length] = '\0';
}

void cgr_strbuf_printf(struct cgr_strbuf *buf, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int n = vsnprintf(NULL, 0, format, args);

	va_end(args);
	if (n >= 0 && strbuf_reserve(buf, (size_t)n)) {
		(void)vsnprintf(buf->text + buf->length, (size_t)n + 1, format, again);
		buf->length += (size_t)n;
	} else {
		buf->failed = true;
	}
	va_end(again);
}

void cgr_strbuf_fini(struct cgr_strbuf *buf)
{
	free(buf->text);
	*buf = (struct cgr_strbuf){ 0 };
}

int cgr_file_read(const char *path, size_t limit, char **ret_text, size_t *ret_length, struct cgr_error *reterr)
{
	struct cgr_strbuf buf = { 0 };
	char chunk[8192];
	ssize_t n;
	int rc = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return cgr_error_errno(reterr, CGR_E_USAGE, "%s: cannot open", path);
	while ((n = read(fd, chunk, sizeof(chunk))) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			rc = cgr_error_errno(reterr, errno == EISDIR ? CGR_E_USAGE : CGR_E_IO, "%s: cannot read", path);
			break;
		}
		if (buf.length + (size_t)n > limit) {
			rc = cgr_error_set(reterr, CGR_E_LIMIT, "%s: larger than the limit of %zu bytes", path, limit);
			break;
		}
		cgr_strbuf_append(&buf, chunk, (size_t)n);
	}
	(void)close(fd);
	cgr_strbuf_append(&buf, "", 0);
	if (rc == 0 && buf.failed)
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	if (rc < 0) {
		cgr_strbuf_fini(&buf);
		return rc;
	}
	*ret_text = buf.text;
	if (ret_length != NULL)
		*ret_length = buf.length;
	return 0;
}

int cgr_write_all(int fd, const void *data, size_t length, const char *path, struct cgr_error *reterr)
{
	const char *at = data;

	while (length > 0) {
		ssize_t n = write(fd, at, length);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot write", path);
		at += n;
		length -= (size_t)n;
	}
	return 0;
}
