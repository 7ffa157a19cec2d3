/* Event formats: the library parses the text once, here every wanted field becomes an offset and a size, and the
 * checks that a record is long enough become one comparison. */
#ifndef CGR_PARSER_FORMATS_H
#define CGR_PARSER_FORMATS_H

#include <event-parse.h>
#include <string.h>

#include "parser/trace.h"

enum cgr_raw {
	CGR_RAW_OTHER,
#define RAW(id, ...) CGR_RAW_##id,
#include "parser/raw.def"
#undef RAW
	CGR_RAW_COUNT
};

#define CGR_FIELDS_MAX 8

struct cgr_field {
	uint32_t offset;
	uint8_t size; /* 1, 2, 4, 8; 0: absent, or longer than a number */
	bool is_signed, swap, present;
	bool dynamic, relative; /* __data_loc, __rel_loc */
	uint32_t bytes; /* of an array */
};

struct cgr_format {
	enum cgr_raw raw;
	uint32_t id; /* common_type */
	uint32_t min_bytes; /* of a record, so that every fixed field is inside */
	struct cgr_field field[CGR_FIELDS_MAX];
	const struct tep_event *event; /* NULL: the trace has no format of this id */
	const char *system, *name;
	uint64_t count; /* records seen */
	bool declared; /* told to the store */
	struct cgr_json_field *json; /* fields.h: all fields, of a format without a kind of its own */
	size_t json_fields;
	uint32_t json_bytes; /* of a record, so that every fixed field is inside */
};

struct cgr_formats {
	struct cgr_format **by_id; /* 65536 entries, made when first seen */
	struct cgr_field type, flags, pid; /* common fields */
	uint32_t min_bytes;
	struct tep_handle *tep;
	bool swap;
};

int cgr_formats_init(struct cgr_formats *formats, const struct cgr_trace *trace, struct cgr_error *reterr);
void cgr_formats_fini(struct cgr_formats *formats);
/* The format of an id, resolved at first use; NULL only without memory. */
struct cgr_format *cgr_formats_find(struct cgr_formats *formats, uint32_t id);

/* A field of the format text as offset and size; *min_bytes is raised to hold it. false: it lies where no record can
 * have it. */
bool cgr_field_resolve(const struct tep_format_field *from, bool swap, struct cgr_field *to, uint32_t *min_bytes);

/* payload holds at least min_bytes. */
static inline uint64_t cgr_field_get(const struct cgr_field *field, const uint8_t *payload)
{
	const uint8_t *at = payload + field->offset;
	uint64_t v64;
	uint32_t v32;
	uint16_t v16;

	switch (field->size) {
	case 8:
		memcpy(&v64, at, 8);
		return __builtin_expect(field->swap, 0) ? __builtin_bswap64(v64) : v64;
	case 4:
		memcpy(&v32, at, 4);
		if (__builtin_expect(field->swap, 0))
			v32 = __builtin_bswap32(v32);
		return field->is_signed ? (uint64_t)(int64_t)(int32_t)v32 : v32;
	case 2:
		memcpy(&v16, at, 2);
		if (field->swap)
			v16 = __builtin_bswap16(v16);
		return field->is_signed ? (uint64_t)(int64_t)(int16_t)v16 : v16;
	case 1:
		return field->is_signed ? (uint64_t)(int64_t)(int8_t)*at : *at;
	default:
		return 0;
	}
}

/* Text of a char array or __data_loc field, at most size - 1 bytes, always terminated. Returns its length. */
size_t cgr_field_text(const struct cgr_field *field, const uint8_t *payload, uint32_t length, char *to, size_t size);

#endif
