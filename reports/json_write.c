/* Writing a JSON document as json_dumpf(JSON_INDENT(1) | JSON_REAL_PRECISION(6)) does, byte for byte. jansson's own
 * looks for loops by putting the address of every object and array, printed, into a table, and writes token by token:
 * three quarters of what the report of a short replay cost. A document of ours is a tree. */
#include <inttypes.h>
#include <string.h>

#include "reports/json.h"

#define WRITE_BYTES 65536u /* so much is gathered for one write */

struct sink {
	FILE *out;
	struct cgr_strbuf text;
	bool failed;
};

static void put(struct sink *sink, const char *text, size_t length)
{
	cgr_strbuf_append(&sink->text, text, length);
}

static void flush(struct sink *sink)
{
	if (sink->text.length && fwrite(sink->text.text, 1, sink->text.length, sink->out) != sink->text.length)
		sink->failed = true;
	sink->text.length = 0;
}

static void put_line(struct sink *sink, size_t depth)
{
	put(sink, "\n", 1);
	for (size_t i = 0; i < depth; i++)
		put(sink, " ", 1);
}

static void put_integer(struct sink *sink, json_int_t value)
{
	char digits[24];
	char *at = digits + sizeof(digits);
	uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) != 0);
	if (value < 0)
		*--at = '-';
	put(sink, at, (size_t)(digits + sizeof(digits) - at));
}

static int put_piece(const char *text, size_t length, void *sink)
{
	put(sink, text, length);
	return 0;
}

/* What is rare is left to jansson: numbers with a fraction, texts with something to escape. */
static void put_any(struct sink *sink, const json_t *value)
{
	sink->failed |= json_dump_callback(value, put_piece, sink, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)) != 0;
}

static bool is_plain(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < 0x20 || text[i] == '"' || text[i] == '\\')
			return false;
	return true;
}

static void put_string(struct sink *sink, const json_t *value)
{
	const char *text = json_string_value(value);
	size_t length = json_string_length(value);

	if (!is_plain(text, length)) {
		put_any(sink, value);
		return;
	}
	put(sink, "\"", 1);
	put(sink, text, length);
	put(sink, "\"", 1);
}

static void put_key(struct sink *sink, const char *key)
{
	size_t length = strlen(key);

	if (is_plain(key, length)) {
		put(sink, "\"", 1);
		put(sink, key, length);
		put(sink, "\": ", 3);
		return;
	}
	json_t *text = json_string(key);

	if (text)
		put_any(sink, text);
	else
		sink->failed = true;
	json_decref(text);
	put(sink, ": ", 2);
}

static void put_value(struct sink *sink, json_t *value, size_t depth);

static void put_object(struct sink *sink, json_t *object, size_t depth)
{
	const char *key;
	json_t *member;
	bool any = false;

	put(sink, "{", 1);
	json_object_foreach(object, key, member)
	{
		put(sink, ",", any);
		any = true;
		put_line(sink, depth + 1);
		put_key(sink, key);
		put_value(sink, member, depth + 1);
	}
	if (any)
		put_line(sink, depth);
	put(sink, "}", 1);
}

static void put_array(struct sink *sink, json_t *array, size_t depth)
{
	json_t *member;
	size_t i;

	put(sink, "[", 1);
	json_array_foreach(array, i, member)
	{
		put(sink, ",", i > 0);
		put_line(sink, depth + 1);
		put_value(sink, member, depth + 1);
	}
	if (json_array_size(array))
		put_line(sink, depth);
	put(sink, "]", 1);
}

static void put_value(struct sink *sink, json_t *value, size_t depth)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		put_object(sink, value, depth);
		break;
	case JSON_ARRAY:
		put_array(sink, value, depth);
		break;
	case JSON_STRING:
		put_string(sink, value);
		break;
	case JSON_INTEGER:
		put_integer(sink, json_integer_value(value));
		break;
	default:
		put_any(sink, value);
		break;
	}
	if (sink->text.length >= WRITE_BYTES)
		flush(sink);
}

int cgr_json_write(FILE *out, json_t *document)
{
	struct sink sink = { .out = out };

	put_value(&sink, document, 0);
	flush(&sink);
	if (sink.text.failed)
		sink.failed = true;
	cgr_strbuf_fini(&sink.text);
	return sink.failed ? -1 : 0;
}
