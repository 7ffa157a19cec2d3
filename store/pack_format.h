/* The bytes of a packed block, shared by pack.c and unpack.c. All integers little endian.
 *
 *   u32 magic, u32 version, u32 events, u32 kinds
 *   kinds x { u32 kind, u32 events }                     ascending kind
 *   columns: KIND, TS, CPU, TASK over all events; then per kind, ascending: FLAGS, A, B, C, D
 *
 * A column: u8 encoding, u8 planes, u16 dictionary entries - 1, u32 bytes that follow, u64 base,
 * u64 first value, then the dictionary plane (DICT), then the byte planes, lowest first. A plane: u32 method << 28 |
 * stored bytes, bytes.
 */
#ifndef CGR_STORE_PACK_FORMAT_H
#define CGR_STORE_PACK_FORMAT_H

#include <stdint.h>

#define CGR_PACK_MAGIC 0x31424743u /* "CGB1" */
#define CGR_PACK_HEAD_BYTES 16u
#define CGR_PACK_COLUMN_BYTES 24u

enum cgr_pack_encoding {
	CGR_PACK_CONST, /* base */
	CGR_PACK_FOR, /* base + x */
	CGR_PACK_DELTA, /* previous + base + x; the first one as the header says */
	CGR_PACK_DICT, /* dictionary[x] */
	CGR_PACK_TSREL, /* time of the event + base + x */
	CGR_PACK_ENCODINGS
};
enum cgr_pack_method { CGR_PLANE_CONST, CGR_PLANE_RAW, CGR_PLANE_ZSTD };

enum cgr_pack_common { CGR_COLUMN_KIND, CGR_COLUMN_TS, CGR_COLUMN_CPU, CGR_COLUMN_TASK, CGR_COLUMNS_COMMON };
enum cgr_pack_field { CGR_FIELD_FLAGS, CGR_FIELD_A, CGR_FIELD_B, CGR_FIELD_C, CGR_FIELD_D, CGR_FIELDS };

/* The context task of an event is nearly always the one that was switched in last on its CPU: the TASK column
 * holds 0 for that, else task + 1. */
static inline int cgr_pack_changes_current(unsigned kind, unsigned kind_switch, unsigned kind_run_start)
{
	return kind == kind_switch || kind == kind_run_start;
}

#endif
