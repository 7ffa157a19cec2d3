/* Decompression of one section or chunk whose packed and plain sizes stand in the file. */
#ifndef CGR_PARSER_UNPACK_H
#define CGR_PARSER_UNPACK_H

#include "parser/trace.h"

struct cgr_unpacker {
	void *zstd;
};

/* Exactly plain bytes come out, or CGR_E_INPUT with the file offset. to holds plain bytes. */
int cgr_unpack(struct cgr_unpacker *unpacker, enum cgr_compression compression, const struct cgr_input *input,
               uint64_t offset, const uint8_t *packed, size_t packed_bytes, uint8_t *to, size_t plain_bytes,
               struct cgr_error *reterr);
void cgr_unpacker_fini(struct cgr_unpacker *unpacker);

#endif
