#include "reports/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/units.h"

/* Length of the well-formed UTF-8 sequence at s (RFC 3629: no overlong forms, no surrogates), 0 if there is none. */
static size_t utf8_length(const unsigned char *s, uint32_t *ret_point)
{
	if (s[0] < 0x80) {
		*ret_point = s[0];
		return 1;
	}
	size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	uint32_t point = s[0] & (0xffu >> (length + 1));
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (s[i] & 0x3fu);
	}
	static const uint32_t least[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	if (point < least[length] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return length;
}

/* Characters that change how the text around them is shown: C0, DEL, C1, line separators, bidi controls. */
static bool is_control(uint32_t point)
{
	return point < 0x20 || (point >= 0x7f && point < 0xa0) || (point >= 0x200b && point <= 0x200f) ||
	       (point >= 0x2028 && point <= 0x202e) || (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
}

static const char *entity(uint32_t point)
{
	switch (point) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&#39;";
	default:
		return NULL;
	}
}

static void convert(struct cgr_strbuf *out, const char *text, bool plain, bool html)
{
	const unsigned char *s = (const unsigned char *)(text ? text : "");
	while (*s) {
		uint32_t point = 0;
		size_t length = utf8_length(s, &point);
		const char *escaped = html && length ? entity(point) : NULL;
		if (!length) {
			cgr_strbuf_printf(out, "\\x%02x", *s);
			length = 1;
		} else if (escaped) {
			cgr_strbuf_append(out, escaped, strlen(escaped));
		} else if (plain && is_control(point)) {
			if (point < 0x100)
				cgr_strbuf_printf(out, "\\x%02x", point);
			else
				cgr_strbuf_printf(out, "\\u{%x}", point);
		} else {
			cgr_strbuf_append(out, (const char *)s, length);
		}
		s += length;
	}
}

void cgr_text_plain(struct cgr_strbuf *out, const char *text)
{
	convert(out, text, true, false);
}

void cgr_text_utf8(struct cgr_strbuf *out, const char *text)
{
	convert(out, text, false, false);
}

void cgr_text_html(struct cgr_strbuf *out, const char *text)
{
	convert(out, text, true, true);
}

void cgr_text_csv(struct cgr_strbuf *out, const char *text)
{
	struct cgr_strbuf clean = { 0 };
	cgr_text_plain(&clean, text);
	const char *s = clean.text ? clean.text : "";
	bool formula = *s && strchr("=+-@", *s);
	if (!formula && !strpbrk(s, ",\"")) {
		cgr_strbuf_append(out, s, strlen(s));
	} else {
		cgr_strbuf_append(out, "\"", 1);
		if (formula)
			cgr_strbuf_append(out, "'", 1);
		for (; *s; s++)
			cgr_strbuf_append(out, *s == '"' ? "\"\"" : s, *s == '"' ? 2 : 1);
		cgr_strbuf_append(out, "\"", 1);
	}
	out->failed |= clean.failed;
	cgr_strbuf_fini(&clean);
}

/* $'...' as of POSIX.1-2024 (bash, zsh, ksh, busybox): each byte that a terminal or an eye could take for something
 * else as an octal escape, which ends after three digits whatever follows. */
static void shell_escaped(struct cgr_strbuf *out, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	cgr_strbuf_printf(out, "$'");
	while (*s) {
		uint32_t point = 0;
		size_t length = utf8_length(s, &point), bytes = length ? length : 1;
		if (!length || is_control(point))
			for (size_t i = 0; i < bytes; i++)
				cgr_strbuf_printf(out, "\\%03o", s[i]);
		else {
			if (*s == '\'' || *s == '\\')
				cgr_strbuf_append(out, "\\", 1);
			cgr_strbuf_append(out, (const char *)s, length);
		}
		s += bytes;
	}
	cgr_strbuf_append(out, "'", 1);
}

static bool is_plain(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	uint32_t point = 0;
	for (size_t length; *s; s += length) {
		length = utf8_length(s, &point);
		if (!length || is_control(point))
			return false;
	}
	return true;
}

void cgr_text_shell(struct cgr_strbuf *out, const char *text)
{
	static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
	if (*text && !text[strspn(text, safe)]) {
		cgr_strbuf_append(out, text, strlen(text));
		return;
	}
	if (!is_plain(text)) {
		shell_escaped(out, text);
		return;
	}
	cgr_strbuf_append(out, "'", 1);
	for (; *text; text++)
		cgr_strbuf_append(out, *text == '\'' ? "'\\''" : text, *text == '\'' ? 4 : 1);
	cgr_strbuf_append(out, "'", 1);
}

char *cgr_text_value(const char *unit, int64_t value, char *out, size_t size)
{
	if (value == CGR_UNLIMITED) {
		snprintf(out, size, "max");
		return out;
	}
	if (strcmp(unit, "bytes") == 0)
		return cgr_format_bytes(value, out, size);
	if (strcmp(unit, "usec") == 0)
		return cgr_format_usec(value, out, size);
	if (strcmp(unit, "ppm") == 0) {
		int64_t hundredths = value / 100;
		snprintf(out, size, "%s%" PRId64 ".%02" PRId64 " %%", hundredths < 0 && hundredths > -100 ? "-" : "",
		         hundredths / 100, (hundredths < 0 ? -hundredths : hundredths) % 100);
		return out;
	}
	return cgr_format_count(value, out, size);
}

char *cgr_text_range(const char *unit, int64_t low, int64_t high, char *out, size_t size)
{
	char from[48], to[48];
	cgr_text_value(unit, low, from, sizeof from);
	cgr_text_value(unit, high, to, sizeof to);
	if (strcmp(from, to) == 0)
		snprintf(out, size, "%s", from);
	else
		snprintf(out, size, "%s..%s", from, to);
	return out;
}

char *cgr_text_change(int64_t from, int64_t to, char *out, size_t size)
{
	out[0] = '\0';
	if (from == 0 || from == CGR_UNLIMITED || to == CGR_UNLIMITED)
		return out;
	/* counters of a long recording pass 2^53; a long double keeps the ratio right and needs no overflow care */
	long double ratio = ((long double)to - (long double)from) * 100.0L / (long double)(from < 0 ? -from : from);
	if (ratio >= 1000.0L || ratio <= -1000.0L)
		snprintf(out, size, "×%.1Lf", (long double)to / (long double)from);
	else if (ratio > -0.05L && ratio < 0.05L)
		snprintf(out, size, "%s", from == to ? "±0 %" : ratio < 0 ? "-0.0 %" : "+0.0 %");
	else
		snprintf(out, size, "%+.1Lf %%", ratio);
	return out;
}
