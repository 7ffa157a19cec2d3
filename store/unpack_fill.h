/* From pieces of columns to where their values belong: an array, or one field of the events of a kind. */
#ifndef CGR_STORE_UNPACK_FILL_H
#define CGR_STORE_UNPACK_FILL_H

#include <stddef.h>
#include <stdint.h>

#include "common/event.h"

enum cgr_piece_form {
	CGR_PIECE_CONST, /* base */
	CGR_PIECE_BYTES, /* base + bytes[i] */
	CGR_PIECE_LOOKUP, /* wide[bytes[i]] */
	CGR_PIECE_NARROW, /* base + narrow[i] */
	CGR_PIECE_WIDE /* wide[i] */
};

/* Some elements of a column, in the cheapest form they could be had in: what fits into a byte is widened only where it
 * is stored. Every value fits what it is for, every index its table. */
struct cgr_piece {
	enum cgr_piece_form form;
	uint64_t base;
	const uint8_t *bytes;
	const uint32_t *narrow;
	const uint64_t *wide;
};

/* out[i] = element i */
void cgr_fill8(uint8_t *out, const struct cgr_piece *piece, size_t count);
void cgr_fill16(uint16_t *out, const struct cgr_piece *piece, size_t count);
void cgr_fill32(uint32_t *out, const struct cgr_piece *piece, size_t count);
void cgr_fill64(uint64_t *out, const struct cgr_piece *piece, size_t count);

/* That field of event[place[i]] = element i */
typedef void cgr_fill_field(struct cgr_event *event, const uint16_t *place, const struct cgr_piece *piece,
                            size_t count);
cgr_fill_field cgr_fill_flags, cgr_fill_a, cgr_fill_b, cgr_fill_c, cgr_fill_d;

/* Two fields of event[place[i]] as in *from, for kinds where one of them or both are always the same. */
typedef void cgr_fill_constant(struct cgr_event *event, const uint16_t *place, const struct cgr_event *from,
                               size_t count);
cgr_fill_constant cgr_fill_constant_ab, cgr_fill_constant_cd;

#endif
