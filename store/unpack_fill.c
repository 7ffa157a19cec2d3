#include "store/unpack_fill.h"

/* One loop per form; target may use i. */
#define FILL(type, target)                                                                                             \
	do {                                                                                                               \
		const type base = (type)piece->base;                                                                           \
		const uint8_t *restrict bytes = piece->bytes;                                                                  \
		const uint32_t *restrict narrow = piece->narrow;                                                               \
		const uint64_t *restrict wide = piece->wide;                                                                   \
		switch (piece->form) {                                                                                         \
		case CGR_PIECE_CONST:                                                                                          \
			for (size_t i = 0; i < count; i++)                                                                         \
				target = base;                                                                                         \
			break;                                                                                                     \
		case CGR_PIECE_BYTES:                                                                                          \
			for (size_t i = 0; i < count; i++)                                                                         \
				target = (type)(base + bytes[i]);                                                                      \
			break;                                                                                                     \
		case CGR_PIECE_LOOKUP:                                                                                         \
			for (size_t i = 0; i < count; i++)                                                                         \
				target = (type)wide[bytes[i]];                                                                         \
			break;                                                                                                     \
		case CGR_PIECE_NARROW:                                                                                         \
			for (size_t i = 0; i < count; i++)                                                                         \
				target = (type)(base + narrow[i]);                                                                     \
			break;                                                                                                     \
		case CGR_PIECE_WIDE:                                                                                           \
			for (size_t i = 0; i < count; i++)                                                                         \
				target = (type)wide[i];                                                                                \
			break;                                                                                                     \
		}                                                                                                              \
	} while (0)

#define DEFINE_ARRAY(name, type)                                                                                       \
	void name(type *restrict out, const struct cgr_piece *piece, size_t count)                                         \
	{                                                                                                                  \
		FILL(type, out[i]);                                                                                            \
	}
DEFINE_ARRAY(cgr_fill8, uint8_t)
DEFINE_ARRAY(cgr_fill16, uint16_t)
DEFINE_ARRAY(cgr_fill32, uint32_t)
DEFINE_ARRAY(cgr_fill64, uint64_t)

#define DEFINE_FIELD(field, type)                                                                                      \
	void cgr_fill_##field(struct cgr_event *restrict event, const uint16_t *restrict place,                            \
	                      const struct cgr_piece *piece, size_t count)                                                 \
	{                                                                                                                  \
		FILL(type, event[place[i]].field);                                                                             \
	}
DEFINE_FIELD(flags, uint8_t)
DEFINE_FIELD(a, uint64_t)
DEFINE_FIELD(b, uint64_t)
DEFINE_FIELD(c, uint32_t)
DEFINE_FIELD(d, uint32_t)

#define DEFINE_CONSTANT(name, first, second)                                                                           \
	void name(struct cgr_event *restrict event, const uint16_t *restrict place, const struct cgr_event *restrict from, \
	          size_t count)                                                                                            \
	{                                                                                                                  \
		const struct cgr_event constant = *from;                                                                       \
		for (size_t i = 0; i < count; i++) {                                                                           \
			struct cgr_event *to = &event[place[i]];                                                                   \
			to->first = constant.first;                                                                                \
			to->second = constant.second;                                                                              \
		}                                                                                                              \
	}
DEFINE_CONSTANT(cgr_fill_constant_ab, a, b)
DEFINE_CONSTANT(cgr_fill_constant_cd, c, d)
