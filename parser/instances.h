/* Several instances in one file may have recorded the same events: each event type is taken from one of them. */
#ifndef CGR_PARSER_INSTANCES_H
#define CGR_PARSER_INSTANCES_H

#include "parser/trace.h"

/* *ret_owner: 65536 entries, the buffer that event type is taken from; NULL when the file has one instance only. */
int cgr_instances_choose(const struct cgr_trace *trace, uint8_t **ret_owner, struct cgr_error *reterr);

#endif
