#include "parser/format_text.h"

#include <ctype.h>
#include <string.h>

#include "common/limits.h"
#include "common/util.h"

#define WORDS_MAX 12u

struct words { /* identifiers and stars of a declaration, in order */
	struct {
		const char *at;
		size_t length;
	} word[WORDS_MAX];
	size_t count;
	bool dynamic; /* "[]" behind the type */
	unsigned long size; /* [N] behind the name, 0: a name in its place */
	bool array;
};

static bool word_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* "[]", "[N]" or, in kernels of the 2.6.3x years, "[TASK_COMM_LEN]" at p; returns what follows, NULL when it is
 * something else. */
static const char *brackets(const char *p, const char *end, struct words *words)
{
	unsigned long size = 0;
	const char *digits = ++p;

	if (p < end && word_char(*p) && !isdigit((unsigned char)*p)) {
		while (p < end && word_char(*p))
			p++;
	} else {
		while (p < end && isdigit((unsigned char)*p) && p - digits < 7)
			size = size * 10 + (unsigned long)(*p++ - '0');
	}
	if (p >= end || *p != ']')
		return NULL;
	if (p == digits)
		words->dynamic = true;
	else
		words->array = true, words->size = size;
	return p + 1;
}

static bool split(const char *p, const char *end, struct words *words)
{
	*words = (struct words){ .count = 0 };
	while (p != NULL && p < end) {
		if (*p == ' ') {
			p++;
		} else if (*p == '[') {
			/* behind the type when a name follows, behind the name when nothing does */
			if (words->count == 0 || words->array || words->dynamic)
				return false;
			p = brackets(p, end, words);
		} else if (words->count == WORDS_MAX || words->array) {
			return false;
		} else if (*p == '*' || word_char(*p)) {
			const char *from = p++;
			while (*from != '*' && p < end && word_char(*p))
				p++;
			words->word[words->count].at = from;
			words->word[words->count++].length = (size_t)(p - from);
		} else {
			return false;
		}
	}
	return p != NULL && words->count >= 2;
}

static bool is_word(const struct words *words, size_t i, const char *text)
{
	return words->word[i].length == strlen(text) && memcmp(words->word[i].at, text, words->word[i].length) == 0;
}

/* "\toffset:N;" and so on; -1 absent or out of range. */
static long number_of(const char *line, const char *end, const char *key)
{
	size_t length = strlen(key);
	long value = 0;

	for (const char *p = line; p + length < end; p++) {
		if (memcmp(p, key, length) != 0)
			continue;
		p += length;
		if (p >= end || !isdigit((unsigned char)*p))
			return -1;
		while (p < end && isdigit((unsigned char)*p) && value <= (long)CGR_LIMIT_FORMAT_BYTES)
			value = value * 10 + (*p++ - '0');
		return p < end && *p == ';' && value <= (long)CGR_LIMIT_FORMAT_BYTES ? value : -1;
	}
	return -1;
}

/* Kernels before 2.6.33 do not say "signed:". */
static bool signed_type(const struct words *words)
{
	static const char *const types[] = { "char", "short", "int",     "long",  "s8",    "s16",
		                                 "s32",  "s64",   "ssize_t", "pid_t", "loff_t" };
	bool is_signed = false;

	for (size_t i = 0; i + 1 < words->count; i++) {
		if (is_word(words, i, "unsigned") || words->word[i].at[0] == '*')
			return false;
		for (size_t t = 0; t < CGR_ARRAY_SIZE(types); t++)
			is_signed |= is_word(words, i, types[t]);
	}
	return is_signed;
}

static void field_line(const char *line, const char *end, struct cgr_strbuf *to)
{
	const char *from = line + strlen("field:"), *semicolon = memchr(from, ';', (size_t)(end - from));
	struct words words;

	if (semicolon == NULL || !split(from, semicolon, &words))
		return;
	bool located = is_word(&words, 0, "__data_loc") || is_word(&words, 0, "__rel_loc");
	long offset = number_of(semicolon, end, "offset:"), size = number_of(semicolon, end, "size:");
	long told = number_of(semicolon, end, "signed:");
	size_t name = words.count - 1;
	if (offset < 0 || size < 0 || located != words.dynamic || (located && words.count < 3) ||
	    words.word[name].at[0] == '*' || isdigit((unsigned char)words.word[name].at[0]))
		return;
	cgr_strbuf_printf(to, "\tfield:");
	for (size_t i = 0; i < name; i++)
		cgr_strbuf_printf(to, "%.*s%s", (int)words.word[i].length, words.word[i].at,
		                  words.dynamic && i + 1 == name ? "[] " : " ");
	cgr_strbuf_printf(to, "%.*s", (int)words.word[name].length, words.word[name].at);
	if (words.array)
		cgr_strbuf_printf(to, "[%lu]", words.size != 0 ? words.size : (unsigned long)size);
	cgr_strbuf_printf(to, ";\toffset:%ld;\tsize:%ld;\tsigned:%d;\n", offset, size,
	                  told < 0 ? signed_type(&words) : told > 0);
}

/* "name: sched_switch", "ID: 316" */
static bool head_line(const char *line, const char *end, const char *key, struct cgr_strbuf *to)
{
	size_t length = strlen(key);

	if ((size_t)(end - line) <= length || memcmp(line, key, length) != 0)
		return false;
	const char *p = line + length;
	while (p < end && word_char(*p) && p - line < 128)
		p++;
	if (p != end || p == line + length)
		return false;
	cgr_strbuf_printf(to, "%.*s\n", (int)(end - line), line);
	return true;
}

bool cgr_format_text(const char *text, size_t length, struct cgr_strbuf *ret_text)
{
	bool name = false, id = false, common = true;

	for (const char *line = text, *stop = text + length; line < stop;) {
		const char *end = memchr(line, '\n', (size_t)(stop - line));
		if (end == NULL)
			end = stop;
		const char *next = end < stop ? end + 1 : stop;
		while (line < end && (*line == '\t' || *line == ' '))
			line++;
		if (!name && head_line(line, end, "name: ", ret_text)) {
			name = true;
		} else if (name && !id && end - line < 16 && head_line(line, end, "ID: ", ret_text)) {
			id = true;
			cgr_strbuf_printf(ret_text, "format:\n");
		} else if (id && end - line > 6 && memcmp(line, "field:", 6) == 0) {
			/* The library tells common from own fields by the blank line between them. */
			const char *semicolon = memchr(line, ';', (size_t)(end - line));
			bool is_common = semicolon != NULL && memmem(line, (size_t)(semicolon - line), " common_", 8) != NULL;
			if (common && !is_common)
				cgr_strbuf_printf(ret_text, "\n");
			common = common && is_common;
			if (is_common == common)
				field_line(line, end, ret_text);
		}
		line = next;
	}
	if (name && id)
		cgr_strbuf_printf(ret_text, "%s\nprint fmt: \"\"\n", common ? "\n" : "");
	return name && id && !ret_text->failed;
}

uint32_t cgr_header_page_bytes(const char *text, size_t length)
{
	const char *data = memmem(text, length, "char data;", 10);

	if (data == NULL)
		return 0;
	long offset = number_of(data, text + length, "offset:"), size = number_of(data, text + length, "size:");
	return offset < 0 || size <= 0 ? 0 : (uint32_t)(offset + size);
}
