/* An event format of a stranger, rewritten so that the library only ever sees well-formed text. */
#ifndef CGR_PARSER_FORMAT_TEXT_H
#define CGR_PARSER_FORMAT_TEXT_H

#include "common/util.h"

/* Keeps the name, the ID and every field line that is what the kernel writes: "field:TYPE NAME[N]; offset:N; size:N;
 * signed:N;". Drops the print format and all else. false: there is no name or ID. */
bool cgr_format_text(const char *text, size_t length, struct cgr_strbuf *ret_text);

/* Bytes of a sub-buffer by the text of events/header_page; 0 when it does not tell. */
uint32_t cgr_header_page_bytes(const char *text, size_t length);

#endif
