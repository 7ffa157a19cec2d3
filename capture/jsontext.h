/* Texts of the kernel and of other people's programs as JSON strings. */
#ifndef CGR_CAPTURE_JSONTEXT_H
#define CGR_CAPTURE_JSONTEXT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* New reference; bytes that are not UTF-8 become \xHH, NUL ends the text. NULL only without memory. */
json_t *cgr_json_text(const char *text, size_t length);
/* obj[key] = text / number; ignore a NULL text. Failure (no memory) leaves the key out. */
void cgr_json_set_text(json_t *obj, const char *key, const char *text);
void cgr_json_set_int(json_t *obj, const char *key, int64_t value);

#endif
