/* Text helpers of the printers: hostile names made harmless, values in people's form. */
#ifndef CGR_REPORTS_TEXT_H
#define CGR_REPORTS_TEXT_H

#include "common/util.h"
#include "store/result.h"

/* Names come from recordings of anybody's machine. Every form below is valid UTF-8 whatever goes in; a byte that
 * is not becomes the four characters \xNN. */
/* Also control characters and bidirectional overrides as \xNN / \u{N}: cannot drive a terminal. */
void cgr_text_plain(struct cgr_strbuf *out, const char *text);
/* For jansson, which escapes control characters itself. */
void cgr_text_utf8(struct cgr_strbuf *out, const char *text);
/* cgr_text_plain with & < > " ' as entities: for element text and quoted attributes. */
void cgr_text_html(struct cgr_strbuf *out, const char *text);
/* An RFC 4180 field; text that a spreadsheet would run as a formula (= + - @ first) gets a leading '. */
void cgr_text_csv(struct cgr_strbuf *out, const char *text);
/* A word for a POSIX shell, single-quoted when it needs to be; with control characters or broken UTF-8 as $'...'. */
void cgr_text_shell(struct cgr_strbuf *out, const char *text);

/* A metric in the unit of its table: 412M, 20.5k, 43.1s, 1.2 %; "max" when unlimited. Returns out. */
char *cgr_text_value(const char *unit, int64_t value, char *out, size_t size);
/* "20.1k..21.0k", or one value when both ends print alike. */
char *cgr_text_range(const char *unit, int64_t low, int64_t high, char *out, size_t size);
/* Relative change in tenths of a percent as "+4.6 %"; "" when from is 0. */
char *cgr_text_change(int64_t from, int64_t to, char *out, size_t size);

#endif
