#include "parser/fields.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/limits.h"
#include "common/util.h"

#define LIST_MAX 256u

struct out { /* text under construction; room is kept for the end of the object */
	char *at, *end;
	bool full;
};

static void add(struct out *out, const char *text, size_t length)
{
	if (length > (size_t)(out->end - out->at)) {
		out->full = true;
		return;
	}
	memcpy(out->at, text, length);
	out->at += length;
}

static void add_unsigned(struct out *out, uint64_t value, bool negative)
{
	char digits[24], *at = digits + sizeof(digits);

	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value != 0);
	if (negative)
		*--at = '-';
	add(out, at, (size_t)(digits + sizeof(digits) - at));
}

static void add_number(struct out *out, uint64_t value, bool is_signed)
{
	if (is_signed && (int64_t)value < 0) {
		add_unsigned(out, ~value + 1, true);
	} else if (value > INT64_MAX) { /* SQLite would make a rounded real number of it */
		add(out, "\"", 1);
		add_unsigned(out, value, false);
		add(out, "\"", 1);
	} else {
		add_unsigned(out, value, false);
	}
}

/* Length of the valid UTF-8 sequence at text, 0: none. */
static size_t utf8_length(const uint8_t *text, size_t left)
{
	size_t length = text[0] < 0xc2 ? 0 : text[0] < 0xe0 ? 2 : text[0] < 0xf0 ? 3 : text[0] < 0xf5 ? 4 : 0;

	if (length == 0 || length > left)
		return 0;
	for (size_t i = 1; i < length; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
	    (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
		return 0; /* overlong, surrogate, beyond U+10FFFF */
	return length;
}

static void add_text(struct out *out, const uint8_t *text, size_t length)
{
	add(out, "\"", 1);
	for (size_t i = 0; i < length && !out->full;) {
		char escape[8];
		size_t more;

		if (text[i] == '"' || text[i] == '\\') {
			escape[0] = '\\';
			escape[1] = (char)text[i++];
			add(out, escape, 2);
		} else if (text[i] >= 0x20 && text[i] < 0x7f) {
			add(out, (const char *)text + i++, 1);
		} else if ((more = utf8_length(text + i, length - i)) > 0) {
			add(out, (const char *)text + i, more);
			i += more;
		} else {
			(void)snprintf(escape, sizeof(escape), "\\u%04x", (unsigned)text[i++]);
			add(out, escape, 6);
		}
	}
	add(out, "\"", 1);
}

static uint64_t element(const struct cgr_json_field *f, const uint8_t *at)
{
	struct cgr_field one = { .size = (uint8_t)f->element, .is_signed = f->field.is_signed, .swap = f->field.swap };

	return cgr_field_get(&one, at);
}

static void add_list(struct out *out, const struct cgr_json_field *f, const uint8_t *at, size_t bytes)
{
	size_t count = CGR_MIN(bytes / f->element, (size_t)LIST_MAX);

	add(out, "[", 1);
	for (size_t i = 0; i < count && !out->full; i++) {
		if (i > 0)
			add(out, ",", 1);
		add_number(out, element(f, at + i * f->element), f->field.is_signed);
	}
	add(out, "]", 1);
}

/* Where the bytes of a text or list stand; false: outside the record. */
static bool place(const struct cgr_json_field *f, const uint8_t *payload, uint32_t length, uint32_t *ret_offset,
                  uint32_t *ret_bytes)
{
	*ret_offset = f->field.offset;
	*ret_bytes = f->field.bytes;
	if (f->field.dynamic) {
		uint32_t word = (uint32_t)cgr_field_get(&f->field, payload);

		*ret_offset = (word & 0xffff) + (f->field.relative ? f->field.offset + 4u : 0);
		*ret_bytes = word >> 16;
	} else if (*ret_offset < length && *ret_bytes == 0) { /* char text[]: to the end of the record */
		*ret_bytes = length - *ret_offset;
	}
	return *ret_offset <= length && *ret_bytes <= length - *ret_offset;
}

static void add_value(struct out *out, const struct cgr_json_field *f, const uint8_t *payload, uint32_t length)
{
	uint32_t offset, bytes;
	char address[24]; /* "0x" and 16 digits in quotes */

	switch (f->how) {
	case CGR_JSON_NUMBER:
		add_number(out, cgr_field_get(&f->field, payload), f->field.is_signed);
		return;
	case CGR_JSON_ADDRESS:
		add(out, address,
		    (size_t)snprintf(address, sizeof(address), "\"0x%llx\"",
		                     (unsigned long long)cgr_field_get(&f->field, payload)));
		return;
	default:
		if (!place(f, payload, length, &offset, &bytes))
			add(out, "null", 4);
		else if (f->how == CGR_JSON_TEXT)
			add_text(out, payload + offset, strnlen((const char *)payload + offset, bytes));
		else
			add_list(out, f, payload + offset, bytes);
	}
}

size_t cgr_fields_json(const struct cgr_format *format, const uint8_t *payload, uint32_t length, char *to)
{
	static const char cut[] = "\"...\":true";
	struct out out = { .at = to, .end = to + CGR_FIELDS_JSON_MAX - sizeof(cut) - 2 };
	bool left_out = false;

	*out.at++ = '{';
	for (size_t i = 0; i < format->json_fields; i++) {
		const struct cgr_json_field *f = &format->json[i];
		char *before = out.at;

		if (out.at > to + 1)
			add(&out, ",", 1);
		add(&out, f->label, f->label_length);
		add_value(&out, f, payload, length);
		if (out.full) { /* a smaller one may still fit */
			out.at = before;
			out.full = false;
			left_out = true;
		}
	}
	if (left_out) {
		if (out.at > to + 1)
			*out.at++ = ',';
		memcpy(out.at, cut, sizeof(cut) - 1);
		out.at += sizeof(cut) - 1;
	}
	*out.at++ = '}';
	return (size_t)(out.at - to);
}

/* ---- what the format tells ---- */

static bool make_label(struct cgr_json_field *f, const char *name)
{
	size_t room = strlen(name) * 6 + 4;
	struct out out;

	f->label = malloc(room);
	if (f->label == NULL)
		return false;
	out = (struct out){ .at = f->label, .end = f->label + room };
	add_text(&out, (const uint8_t *)name, strlen(name));
	add(&out, ":", 1);
	f->label_length = (size_t)(out.at - f->label);
	return true;
}

static bool is_text(const struct tep_format_field *from)
{
	return (from->flags & TEP_FIELD_IS_ARRAY) != 0 && from->type != NULL && strstr(from->type, "char") != NULL &&
	       strstr(from->type, "unsigned") == NULL;
}

/* false: nothing that can be shown. */
static bool make_field(const struct tep_format_field *from, bool swap, struct cgr_json_field *f, uint32_t *min_bytes)
{
	*f = (struct cgr_json_field){ .how = CGR_JSON_NUMBER };
	if (from->name == NULL || !cgr_field_resolve(from, swap, &f->field, min_bytes))
		return false;
	if ((from->flags & TEP_FIELD_IS_ARRAY) != 0 || f->field.dynamic) {
		uint32_t bytes = from->elementsize;

		f->how = is_text(from) ? CGR_JSON_TEXT : CGR_JSON_LIST;
		f->element = bytes == 2 || bytes == 4 || bytes == 8 ? bytes : 1;
		return true;
	}
	if (f->field.size == 0) { /* a structure: its bytes */
		f->how = CGR_JSON_LIST;
		f->element = 1;
		f->field.is_signed = false;
	} else if ((from->flags & TEP_FIELD_IS_POINTER) != 0) {
		f->how = CGR_JSON_ADDRESS;
		f->field.is_signed = false;
	}
	return true;
}

int cgr_fields_prepare(struct cgr_format *format, bool swap, struct cgr_error *reterr)
{
	uint32_t min_bytes = format->min_bytes;
	size_t count = 0;

	if (format->event == NULL)
		return CGR_OK;
	for (struct tep_format_field *from = format->event->format.fields; from != NULL; from = from->next)
		count++;
	format->json = cgr_calloc(count + 1, sizeof(*format->json));
	if (format->json == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	for (struct tep_format_field *from = format->event->format.fields; from != NULL; from = from->next) {
		struct cgr_json_field *f = &format->json[format->json_fields];

		if (!make_field(from, swap, f, &min_bytes))
			continue;
		if (!make_label(f, from->name))
			return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
		format->json_fields++;
	}
	format->json_bytes = min_bytes;
	return CGR_OK;
}

void cgr_fields_free(struct cgr_format *format)
{
	for (size_t i = 0; i < format->json_fields; i++)
		free(format->json[i].label);
	free(format->json);
	format->json = NULL;
	format->json_fields = 0;
}
