/* The fields of events that have no kind of their own, as a JSON object: what people ask with ->> in SQL. */
#ifndef CGR_PARSER_FIELDS_H
#define CGR_PARSER_FIELDS_H

#include "parser/formats.h"

#define CGR_FIELDS_JSON_MAX 4096u /* of one event; fields that go beyond are left out */

enum cgr_json_how { CGR_JSON_NUMBER, CGR_JSON_ADDRESS, CGR_JSON_TEXT, CGR_JSON_LIST };

struct cgr_json_field {
	char *label; /* "name": with its quotes and colon, escaped */
	size_t label_length;
	enum cgr_json_how how;
	uint32_t element; /* bytes of an element of a list */
	struct cgr_field field;
};

/* Resolves all fields of the format once. */
int cgr_fields_prepare(struct cgr_format *format, bool swap, struct cgr_error *reterr);
/* Writes {"name":value,...} of a record of at least format->min_bytes bytes to to[CGR_FIELDS_JSON_MAX]; returns the
 * length. Numbers are numbers, addresses and what no 64-bit signed integer holds are text, texts are UTF-8 (other bytes
 * as \u00XX), arrays are lists. A field that lies outside the record is null. "..." is true where fields did not fit.
 */
size_t cgr_fields_json(const struct cgr_format *format, const uint8_t *payload, uint32_t length, char *to);
void cgr_fields_free(struct cgr_format *format);

#endif
