#include "parser/formats.h"

#include <stdlib.h>

#include "common/limits.h"
#include "common/util.h"
#include "parser/fields.h"

#define IDS 65536u

struct wanted {
	enum cgr_raw raw;
	const char *system, *names;
	const char *field[CGR_FIELDS_MAX];
};

static const struct wanted wanted[] = {
#define RAW(id, sys, event, ...) { CGR_RAW_##id, sys, event, { __VA_ARGS__ } },
#include "parser/raw.def"
#undef RAW
};

/* Is name one of "a|b"? */
static bool among(const char *names, const char *name)
{
	size_t length = strlen(name);

	for (const char *at = names; at != NULL; at = strchr(at, '|') != NULL ? strchr(at, '|') + 1 : NULL)
		if (strncmp(at, name, length) == 0 && (at[length] == '\0' || at[length] == '|'))
			return true;
	return false;
}

static struct tep_format_field *find_field(const struct tep_event *event, const char *names)
{
	char name[64];

	for (const char *at = names; at != NULL;) {
		size_t length = strcspn(at, "|");
		if (length < sizeof(name)) {
			memcpy(name, at, length);
			name[length] = '\0';
			for (struct tep_format_field *field = event->format.fields; field != NULL; field = field->next)
				if (strcmp(field->name, name) == 0)
					return field;
		}
		at = at[length] == '|' ? at + length + 1 : NULL;
	}
	return NULL;
}

bool cgr_field_resolve(const struct tep_format_field *from, bool swap, struct cgr_field *to, uint32_t *min_bytes)
{
	if (from->offset < 0 || from->size < 0 || (uint32_t)from->offset > CGR_LIMIT_FORMAT_BYTES ||
	    (uint32_t)from->size > CGR_LIMIT_FORMAT_BYTES)
		return false;
	*to = (struct cgr_field){
		.offset = (uint32_t)from->offset, .bytes = (uint32_t)from->size, .swap = swap, .present = true
	};
	to->is_signed = (from->flags & TEP_FIELD_IS_SIGNED) != 0;
	to->dynamic = (from->flags & TEP_FIELD_IS_DYNAMIC) != 0;
	to->relative = to->dynamic && (from->flags & TEP_FIELD_IS_RELATIVE) != 0;
	if (to->dynamic && to->bytes != 4)
		return false;
	bool number = from->size == 1 || from->size == 2 || from->size == 4 || from->size == 8;
	if (number && ((from->flags & TEP_FIELD_IS_ARRAY) == 0 || to->dynamic))
		to->size = (uint8_t)from->size;
	*min_bytes = CGR_MAX(*min_bytes, to->offset + to->bytes);
	return true;
}

static bool resolve(struct cgr_format *format, const struct wanted *want, bool swap)
{
	for (size_t i = 0; i < CGR_FIELDS_MAX && want->field[i] != NULL; i++) {
		bool optional = want->field[i][0] == '?';
		struct tep_format_field *field = find_field(format->event, want->field[i] + optional);

		if (field == NULL && optional)
			continue;
		if (field == NULL || !cgr_field_resolve(field, swap, &format->field[i], &format->min_bytes))
			return false;
	}
	return true;
}

/* A kernel that has two spellings of one event is not known; the first table row that fits wins. */
static void classify(struct cgr_format *format, bool swap)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(wanted); i++) {
		if (strcmp(wanted[i].system, format->system) != 0 || !among(wanted[i].names, format->name))
			continue;
		if (resolve(format, &wanted[i], swap)) {
			format->raw = wanted[i].raw;
			return;
		}
		memset(format->field, 0, sizeof(format->field));
		format->min_bytes = 0;
	}
}

struct cgr_format *cgr_formats_find(struct cgr_formats *formats, uint32_t id)
{
	if (id >= IDS)
		return NULL;
	if (formats->by_id[id] != NULL)
		return formats->by_id[id];
	struct cgr_format *format = calloc(1, sizeof(*format));
	if (format == NULL)
		return NULL;
	format->id = id;
	format->event = tep_find_event(formats->tep, (int)id);
	format->system = format->event != NULL && format->event->system != NULL ? format->event->system : "unknown";
	format->name = format->event != NULL && format->event->name != NULL ? format->event->name : "unknown";
	if (format->event != NULL)
		classify(format, formats->swap);
	format->min_bytes = CGR_MAX(format->min_bytes, formats->min_bytes);
	formats->by_id[id] = format;
	return format;
}

static void common_fields(struct cgr_formats *formats)
{
	/* Every kernel since 2.6.30: u16 type, u8 flags, u8 preempt count, s32 pid. Taken from the formats when told. */
	formats->type = (struct cgr_field){ .size = 2, .bytes = 2, .swap = formats->swap, .present = true };
	formats->flags = (struct cgr_field){ .offset = 2, .size = 1, .bytes = 1, .present = true };
	formats->pid = (struct cgr_field){
		.offset = 4, .size = 4, .bytes = 4, .is_signed = true, .swap = formats->swap, .present = true
	};
	formats->min_bytes = 8;
	struct tep_event *event = tep_get_first_event(formats->tep);
	for (struct tep_format_field *field = event != NULL ? event->format.common_fields : NULL; field != NULL;
	     field = field->next) {
		struct cgr_field *to = strcmp(field->name, "common_type") == 0    ? &formats->type
		                       : strcmp(field->name, "common_flags") == 0 ? &formats->flags
		                       : strcmp(field->name, "common_pid") == 0   ? &formats->pid
		                                                                  : NULL;
		struct cgr_field resolved;
		uint32_t bytes = 0;
		if (to != NULL && cgr_field_resolve(field, formats->swap, &resolved, &bytes) && resolved.size != 0 &&
		    bytes <= 64) {
			*to = resolved;
			formats->min_bytes = CGR_MAX(formats->min_bytes, bytes);
		}
	}
}

int cgr_formats_init(struct cgr_formats *formats, const struct cgr_trace *trace, struct cgr_error *reterr)
{
	*formats = (struct cgr_formats){ .tep = trace->tep, .swap = trace->swap };
	formats->by_id = cgr_calloc(IDS, sizeof(struct cgr_format *));
	if (formats->by_id == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	common_fields(formats);
	return CGR_OK;
}

void cgr_formats_fini(struct cgr_formats *formats)
{
	for (size_t i = 0; formats->by_id != NULL && i < IDS; i++) {
		if (formats->by_id[i] != NULL)
			cgr_fields_free(formats->by_id[i]);
		free(formats->by_id[i]);
	}
	free(formats->by_id);
	formats->by_id = NULL;
}

size_t cgr_field_text(const struct cgr_field *field, const uint8_t *payload, uint32_t length, char *to, size_t size)
{
	uint64_t offset = field->offset, bytes = field->bytes;

	to[0] = '\0';
	if (!field->present)
		return 0;
	if (field->dynamic) {
		uint32_t place = (uint32_t)cgr_field_get(field, payload);
		offset = place & 0xffff;
		bytes = place >> 16;
		if (field->relative)
			offset += field->offset + 4u;
	}
	if (offset > length)
		return 0;
	bytes = CGR_MIN(bytes, length - offset);
	bytes = CGR_MIN(bytes, size - 1);
	size_t used = strnlen((const char *)payload + offset, bytes);
	memcpy(to, payload + offset, used);
	to[used] = '\0';
	return used;
}
