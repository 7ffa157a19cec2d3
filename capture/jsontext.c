#include "capture/jsontext.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"

/* Length of the valid UTF-8 sequence at text (RFC 3629: no overlongs, no surrogates), 0 if there is none. */
static size_t sequence(const unsigned char *text, size_t left)
{
	unsigned char lead = text[0];
	size_t need = lead < 0x80                   ? 1
	              : lead >= 0xc2 && lead < 0xe0 ? 2
	              : (lead & 0xf0) == 0xe0       ? 3
	              : lead >= 0xf0 && lead < 0xf5 ? 4
	                                            : 0;

	if (need == 0 || need > left)
		return 0;
	for (size_t i = 1; i < need; i++)
		if ((text[i] & 0xc0) != 0x80)
			return 0;
	if ((lead == 0xe0 && text[1] < 0xa0) || (lead == 0xed && text[1] > 0x9f) || (lead == 0xf0 && text[1] < 0x90) ||
	    (lead == 0xf4 && text[1] > 0x8f))
		return 0;
	return need;
}

json_t *cgr_json_text(const char *text, size_t length)
{
	json_t *plain = json_stringn(text, strnlen(text, length));
	struct cgr_strbuf buf = { 0 };

	if (plain != NULL)
		return plain;
	length = strnlen(text, length);
	for (size_t i = 0; i < length;) {
		size_t good = sequence((const unsigned char *)text + i, length - i);
		if (good > 0)
			cgr_strbuf_append(&buf, text + i, good);
		else
			cgr_strbuf_printf(&buf, "\\x%02x", (unsigned)(unsigned char)text[i]);
		i += good > 0 ? good : 1;
	}
	json_t *value = buf.failed ? NULL : json_stringn(buf.text == NULL ? "" : buf.text, buf.length);
	cgr_strbuf_fini(&buf);
	return value;
}

void cgr_json_set_text(json_t *obj, const char *key, const char *text)
{
	if (text != NULL)
		(void)json_object_set_new(obj, key, cgr_json_text(text, strlen(text)));
}

void cgr_json_set_int(json_t *obj, const char *key, int64_t value)
{
	(void)json_object_set_new(obj, key, json_integer(value));
}
