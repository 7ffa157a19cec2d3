/* The trace.dat layout, version 7, in one place: the recorder writes it, the reader reads it, the exporter writes it
 * back. All integers of the file are in the byte order named in its head; this project writes little endian only.
 * docs/trace-file.md has the layout in words and the JSON of the own sections. */
#ifndef CGR_COMMON_TRACEDAT_H
#define CGR_COMMON_TRACEDAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

/* ---- head: magic, version text + NUL, u8 endian, u8 long size, u32 page size; v7: compressor + NUL,
 * its version + NUL, u64 offset of the first OPTIONS section (0: unfinished file, see CGR_TD_JOURNAL) ---- */
#define CGR_TD_MAGIC "\x17\x08\x44tracing"
#define CGR_TD_MAGIC_BYTES 10u
#define CGR_TD_VERSION_7 "7"
#define CGR_TD_LITTLE_ENDIAN 0u
#define CGR_TD_BIG_ENDIAN 1u

/* Numbers shared by options and sections. */
enum cgr_td_id {
	CGR_TD_DONE = 0, /* option: u64 offset of the next OPTIONS section; as a section id: OPTIONS */
	CGR_TD_DATE = 1,
	CGR_TD_CPUSTAT = 2,
	CGR_TD_BUFFER = 3,
	CGR_TD_TRACECLOCK = 4,
	CGR_TD_UNAME = 5,
	CGR_TD_HOOK = 6,
	CGR_TD_OFFSET = 7,
	CGR_TD_CPUCOUNT = 8,
	CGR_TD_VERSION = 9,
	CGR_TD_PROCMAPS = 10,
	CGR_TD_TRACEID = 11,
	CGR_TD_TIME_SHIFT = 12,
	CGR_TD_GUEST = 13,
	CGR_TD_TSC2NSEC = 14,
	CGR_TD_STRINGS = 15,
	CGR_TD_HEADER_INFO = 16,
	CGR_TD_FTRACE_EVENTS = 17,
	CGR_TD_EVENT_FORMATS = 18,
	CGR_TD_KALLSYMS = 19,
	CGR_TD_PRINTK = 20,
	CGR_TD_CMDLINES = 21,
	CGR_TD_BUFFER_TEXT = 22,
	/* Ours. trace-cmd numbers grow upward from 25, unknown ones are skipped by every reader. Each is an option
	 * {u64 offset of its section} and a section of the same id (compressed as any other). May occur repeatedly. */
	CGR_TD_FACTS = 0x8001, /* JSON: the machine, enum tables, events used */
	CGR_TD_JOURNAL = 0x8002, /* only in unfinished files: one chunk of ring-buffer pages, struct below */
	CGR_TD_SNAPSHOT = 0x8003, /* JSON: cgroup tree, knobs, counters, tasks at one moment */
	CGR_TD_SAMPLES = 0x8004, /* JSON: knobs and counters every interval */
	CGR_TD_SUMMARY = 0x8005, /* JSON: what the recording cost, ring statistics per CPU */
	CGR_TD_CLOCK = 0x8006, /* pairs {u64 count of the ring's clock, u64 CLOCK_MONOTONIC in ns}: common/clockmap.h */
};

#define CGR_TD_SECTION_HEADER_BYTES 16u /* u16 id, u16 flags, s32 string id, u64 size of what follows */
#define CGR_TD_SECTION_COMPRESSED 1u /* body: u32 compressed bytes, u32 plain bytes, data (not for BUFFER) */
#define CGR_TD_OPTION_HEADER_BYTES 6u /* u16 id, u32 size */
#define CGR_TD_CHUNK_HEADER_BYTES 8u /* u32 compressed bytes, u32 plain bytes; per CPU preceded by u32 chunk count */
#define CGR_TD_PAGE_BYTES 4096u /* alignment of each CPU's data */

/* Body of a JOURNAL section (uncompressed section, the pages inside are one zstd frame). A killed recorder leaves
 * NAME.partial: head with options offset 0, sections 16, 17, 18, CLOCK, FACTS, SNAPSHOT, JOURNAL, SAMPLES in the order
 * written, without options. Read it by walking section headers until one does not fit or its checksum fails. */
struct cgr_td_journal {
	uint32_t cpu;
	uint32_t checksum; /* cgr_td_checksum() of the compressed bytes */
	uint32_t compressed_bytes;
	uint32_t plain_bytes; /* a multiple of the sub-buffer size */
};
#define CGR_TD_JOURNAL_BYTES 16u

/* FNV-1a folded to 32 bits over 8-byte words: finds torn writes, is no defence against malice. */
uint32_t cgr_td_checksum(const void *data, size_t bytes);

/* Little-endian access to unaligned memory. */
uint16_t cgr_td_get_u16(const void *at);
uint32_t cgr_td_get_u32(const void *at);
uint64_t cgr_td_get_u64(const void *at);
void cgr_td_put_u16(void *at, uint16_t value);
void cgr_td_put_u32(void *at, uint32_t value);
void cgr_td_put_u64(void *at, uint64_t value);

/* ---- writing ---- */

/* Growing byte buffer for section bodies. Zero-initialise; a failed allocation is remembered in .failed. */
struct cgr_td_bytes {
	uint8_t *data;
	size_t length, capacity;
	bool failed;
};
void cgr_td_append(struct cgr_td_bytes *bytes, const void *data, size_t length);
void cgr_td_append_u16(struct cgr_td_bytes *bytes, uint16_t value);
void cgr_td_append_u32(struct cgr_td_bytes *bytes, uint32_t value);
void cgr_td_append_u64(struct cgr_td_bytes *bytes, uint64_t value);
void cgr_td_append_text(struct cgr_td_bytes *bytes, const char *text); /* with its NUL */
void cgr_td_append_option(struct cgr_td_bytes *bytes, uint16_t id, const void *data, uint32_t length);
void cgr_td_fini(struct cgr_td_bytes *bytes);

/* Writer of one v7 file over an open descriptor: keeps the position and the options collected so far. */
struct cgr_td_writer {
	int fd; /* borrowed */
	const char *path; /* borrowed, for messages */
	uint64_t position; /* bytes written so far */
	uint64_t patch; /* where the options offset stands in the head */
	struct cgr_td_bytes options;
};
void cgr_td_writer_init(struct cgr_td_writer *writer, int fd, const char *path);
void cgr_td_writer_fini(struct cgr_td_writer *writer);
/* Head with compressor "zstd" and options offset 0. */
int cgr_td_write_head(struct cgr_td_writer *writer, uint32_t page_bytes, struct cgr_error *reterr);
/* A section, compressed when `compress`; adds the option {id, u64 offset} when `option`. */
int cgr_td_write_section(struct cgr_td_writer *writer, uint16_t id, const void *body, size_t length, bool compress,
                         bool option, struct cgr_error *reterr);
/* Raw bytes at the current position. */
int cgr_td_write_raw(struct cgr_td_writer *writer, const void *data, size_t length, struct cgr_error *reterr);
/* OPTIONS section with everything collected and DONE, and its offset into the head: the file is complete. */
int cgr_td_write_options(struct cgr_td_writer *writer, struct cgr_error *reterr);

#endif
