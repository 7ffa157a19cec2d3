/* A mapped input file and a bounds-checked cursor over it. Input is hostile: every read goes through a cursor, which
 * fails once and stays failed, so that a parse reads straight down and asks at the end. */
#ifndef CGR_PARSER_INPUT_H
#define CGR_PARSER_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct cgr_input {
	char *path;
	const uint8_t *data; /* read-only mapping */
	size_t size;
	int fd;
	bool mapped; /* false: memory lent by cgr_input_memory */
	volatile bool shrunk; /* pages of the mapping went away: somebody truncated the file; they read as 0 now */
	struct cgr_input *next; /* of all mapped inputs */
};

/* Maps a regular file; *input stays where it is until it is closed. CGR_E_INPUT: missing, empty, a directory. */
int cgr_input_open(struct cgr_input *input, const char *path, struct cgr_error *reterr);
/* CGR_E_INPUT when the file became shorter since it was opened; to be asked before what was read is believed. */
int cgr_input_check(const struct cgr_input *input, struct cgr_error *reterr);
/* Over memory that outlives the input (fuzzers, tests); path is for messages. */
int cgr_input_memory(struct cgr_input *input, const char *path, const void *data, size_t size,
                     struct cgr_error *reterr);
void cgr_input_close(struct cgr_input *input); /* legal on a zeroed one */
/* Tells the kernel that this span will not be read again: keeps the resident size bounded. */
void cgr_input_forget(const struct cgr_input *input, uint64_t from, uint64_t to);

struct cgr_cursor {
	const struct cgr_input *input;
	const uint8_t *base; /* bytes [0, end) may be read */
	size_t position, end;
	uint64_t origin; /* file offset of base, or of the compressed section it came from */
	bool unpacked; /* base is decompressed: offsets are told inside the section */
	bool swap; /* the file's byte order is not ours */
	bool failed; /* a read went past the end; position stays where it was */
};

/* [from, from + length) of the file; length is cut to the file. */
void cgr_cursor_init(struct cgr_cursor *cursor, const struct cgr_input *input, uint64_t from, uint64_t length,
                     bool swap);
uint8_t cgr_cursor_u8(struct cgr_cursor *cursor);
uint16_t cgr_cursor_u16(struct cgr_cursor *cursor);
uint32_t cgr_cursor_u32(struct cgr_cursor *cursor);
uint64_t cgr_cursor_u64(struct cgr_cursor *cursor);
/* Borrowed bytes, NULL (and failed) when fewer are left. */
const uint8_t *cgr_cursor_bytes(struct cgr_cursor *cursor, uint64_t length);
/* Borrowed NUL-terminated string inside the span, NULL (and failed) when there is no NUL within limit bytes. */
const char *cgr_cursor_string(struct cgr_cursor *cursor, size_t limit);
size_t cgr_cursor_left(const struct cgr_cursor *cursor);
/* CGR_E_INPUT "path:offset: WHAT", the place being the cursor's. */
int cgr_cursor_error(const struct cgr_cursor *cursor, struct cgr_error *reterr, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* CGR_OK, or the error that the file ends inside WHAT. */
int cgr_cursor_check(const struct cgr_cursor *cursor, const char *what, struct cgr_error *reterr);

#endif
