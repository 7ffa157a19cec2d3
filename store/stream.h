/* The packed event stream: the same events as the rows, in (time, cpu, sequence) order, in zstd column blocks
 * with a time index and checksums. A reader holds one decoded block; several readers may run in parallel. */
#ifndef CGR_STORE_STREAM_H
#define CGR_STORE_STREAM_H

#include "common/event.h"
#include "store/store.h"

struct cgr_stream;

/* kinds: bit mask of enum cgr_event_kind wanted (0 = all); others may be skipped without decoding. */
int cgr_stream_open(const struct cgr_store *store, int64_t from_ns, uint64_t kinds, struct cgr_stream **ret_stream,
                    struct cgr_error *reterr);
/* Next batch, borrowed until the next call. 1 = a batch, 0 = end, negative = error (checksum, truncation: CGR_E_INPUT).
 */
int cgr_stream_next(struct cgr_stream *stream, const struct cgr_event **ret_events, size_t *ret_count,
                    struct cgr_error *reterr);
struct cgr_stream *cgr_stream_free(struct cgr_stream *stream);

#endif
