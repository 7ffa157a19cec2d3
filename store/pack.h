/* One block of the packed stream: up to CGR_PACK_EVENTS events as narrow columns, each byte plane of a column
 * compressed by itself. Private to store/ and its tests; docs/schema.md describes the bytes. */
#ifndef CGR_STORE_PACK_H
#define CGR_STORE_PACK_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/event.h"

#define CGR_PACK_EVENTS 65536u
#define CGR_PACK_VERSION 1u
/* no block of CGR_PACK_EVENTS events can be larger: incompressible columns plus headers */
#define CGR_PACK_BYTES_MAX (CGR_PACK_EVENTS * 48u + (1u << 20))

_Static_assert(CGR_EV_COUNT <= 64, "kind masks are 64 bits wide");

struct cgr_packer;
struct cgr_packer *cgr_packer_new(void); /* NULL: out of memory */
struct cgr_packer *cgr_packer_free(struct cgr_packer *packer);
/* Packs count (1..CGR_PACK_EVENTS) events in time order; the bytes are borrowed until the next call. */
int cgr_packer_pack(struct cgr_packer *packer, const struct cgr_event *events, size_t count, const uint8_t **ret_bytes,
                    size_t *ret_size, struct cgr_error *reterr);

struct cgr_unpacker;
struct cgr_unpacker *cgr_unpacker_new(void);
struct cgr_unpacker *cgr_unpacker_free(struct cgr_unpacker *unpacker);
/* Takes a block (borrowed until the last cgr_unpacker_next of it). kinds: mask of wanted kinds, 0 = all.
 * CGR_E_INPUT with the reason for anything that is not a block of that version. */
int cgr_unpacker_load(struct cgr_unpacker *unpacker, const uint8_t *bytes, size_t size, uint64_t kinds,
                      struct cgr_error *reterr);
/* Next events of the loaded block, at most CGR_UNPACK_BATCH and possibly 0 of them when none was wanted;
 * returns 1, 0 at the end of the block, or CGR_E_INPUT where a column holds what can not be. Borrowed until the next
 * call. */
#define CGR_UNPACK_BATCH 1024u
int cgr_unpacker_next(struct cgr_unpacker *unpacker, const struct cgr_event **ret_events, size_t *ret_count,
                      struct cgr_error *reterr);

/* Over the stored bytes of a block; 8 bytes at a time, so that checking costs nothing beside decoding. */
uint64_t cgr_pack_checksum(const uint8_t *bytes, size_t size);

#endif
