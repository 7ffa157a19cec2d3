/* Makes small trace.dat and perf.data files in memory, in every form the reader claims to know. */
#ifndef CGR_TESTS_TRACE_BUILDER_H
#define CGR_TESTS_TRACE_BUILDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

struct bytes {
	uint8_t *data;
	size_t length, capacity;
	bool big; /* byte order of numbers put in */
};

static void put(struct bytes *b, const void *data, size_t length)
{
	if (b->length + length > b->capacity) {
		b->capacity = (b->length + length) * 2;
		b->data = realloc(b->data, b->capacity);
		if (b->data == NULL)
			abort();
	}
	if (length > 0)
		memcpy(b->data + b->length, data, length);
	b->length += length;
}
static void put_number(struct bytes *b, uint64_t value, unsigned bytes)
{
	uint8_t out[8];

	for (unsigned i = 0; i < bytes; i++)
		out[b->big ? bytes - 1 - i : i] = (uint8_t)(value >> (8 * i));
	put(b, out, bytes);
}
static void put_at(struct bytes *b, size_t at, uint64_t value, unsigned bytes)
{
	struct bytes part = { .big = b->big };

	put_number(&part, value, bytes);
	memcpy(b->data + at, part.data, bytes);
	free(part.data);
}
static void put_text(struct bytes *b, const char *text)
{
	put(b, text, strlen(text) + 1);
}
static void put_pad(struct bytes *b, size_t align)
{
	while (b->length % align != 0)
		put(b, "", 1);
}

/* ---- formats: sched_switch 300, sched_wakeup 301, sched_stat_runtime 302, odd_event 303 ---- */
#define COMMON                                                                                                         \
	"format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                                    \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                                             \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"                                     \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
#define RICH_FORMAT                                                                                                    \
	"name: rich_event\nID: 304\n" COMMON "\tfield:int number;\toffset:8;\tsize:4;\tsigned:1;\n"                        \
	"\tfield:__data_loc char[] name;\toffset:12;\tsize:4;\tsigned:0;\n"                                                \
	"\tfield:u64 large;\toffset:16;\tsize:8;\tsigned:0;\n\tfield:void * where;\toffset:24;\tsize:8;\tsigned:0;\n"      \
	"\tfield:unsigned char mac[6];\toffset:32;\tsize:6;\tsigned:0;\n\tfield:s16 pair[2];\toffset:38;\tsize:4;\t"       \
	"signed:1;\n\tfield:char fixed[4];\toffset:42;\tsize:4;\tsigned:0;\n"                                              \
	"\tfield:__data_loc char[] gone;\toffset:46;\tsize:4;\tsigned:0;\n\nprint fmt: \"\"\n"
static const char *const builder_formats[] = {
	"name: sched_switch\nID: 300\n" COMMON "\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n\tfield:int prev_prio;\toffset:28;\tsize:4;\tsigned:1;\n"
	"\tfield:long prev_state;\toffset:32;\tsize:8;\tsigned:1;\n"
	"\tfield:char next_comm[16];\toffset:40;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t next_pid;\toffset:56;\tsize:4;\tsigned:1;\n\tfield:int next_prio;\toffset:60;\tsize:4;\tsigned:1;\n"
	"\nprint fmt: \"%d\", REC->prev_pid\n",
	"name: sched_wakeup\nID: 301\n" COMMON "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n\tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n"
	"\tfield:int target_cpu;\toffset:32;\tsize:4;\tsigned:1;\n\nprint fmt: \"%d\", REC->pid\n",
	"name: sched_stat_runtime\nID: 302\n" COMMON "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n\tfield:u64 runtime;\toffset:32;\tsize:8;\tsigned:0;\n"
	"\nprint fmt: \"%d\", REC->pid\n",
	"name: odd_event\nID: 303\n" COMMON "\tfield:int number;\toffset:8;\tsize:4;\tsigned:1;\n\nprint fmt: \"\"\n",
	RICH_FORMAT,
	"name: sched_process_exit\nID: 305\n" COMMON "\tfield:char comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
	"\tfield:pid_t pid;\toffset:24;\tsize:4;\tsigned:1;\n\tfield:int prio;\toffset:28;\tsize:4;\tsigned:1;\n"
	"\nprint fmt: \"%d\", REC->pid\n",
};
#define BUILDER_FORMATS (sizeof(builder_formats) / sizeof(builder_formats[0]))
static const char builder_header_page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
                                          "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
                                          "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
                                          "\tfield: char data;\toffset:16;\tsize:%u;\tsigned:1;\n";

/* ---- records ---- */
static void put_head(struct bytes *b, unsigned id, int32_t pid)
{
	put_number(b, id, 2);
	put_number(b, 0, 2);
	put_number(b, (uint32_t)pid, 4);
}
static void put_comm(struct bytes *b, const char *comm)
{
	char text[16] = "";

	(void)snprintf(text, sizeof(text), "%s", comm);
	put(b, text, sizeof(text));
}
static inline struct bytes record_switch(bool big, int32_t prev, uint64_t state, int32_t next)
{
	struct bytes b = { .big = big };
	char name[16];

	put_head(&b, 300, prev);
	(void)snprintf(name, sizeof(name), "t%d", prev);
	put_comm(&b, prev == 0 ? "swapper" : name);
	put_number(&b, (uint32_t)prev, 4);
	put_number(&b, 120, 4);
	put_number(&b, state, 8);
	(void)snprintf(name, sizeof(name), "t%d", next);
	put_comm(&b, next == 0 ? "swapper" : name);
	put_number(&b, (uint32_t)next, 4);
	put_number(&b, 120, 4);
	return b;
}
static inline struct bytes record_wakeup(bool big, int32_t context, int32_t pid, unsigned cpu)
{
	struct bytes b = { .big = big };

	put_head(&b, 301, context);
	put_comm(&b, "w");
	put_number(&b, (uint32_t)pid, 4);
	put_number(&b, 120, 4);
	put_number(&b, cpu, 4);
	return b;
}
static inline struct bytes record_runtime(bool big, int32_t pid, uint64_t runtime)
{
	struct bytes b = { .big = big };

	put_head(&b, 302, pid);
	put_comm(&b, "w");
	put_number(&b, (uint32_t)pid, 4);
	put_number(&b, 0, 4);
	put_number(&b, runtime, 8);
	return b;
}

static inline struct bytes record_exit(bool big, int32_t pid)
{
	struct bytes b = { .big = big };

	put_head(&b, 305, pid);
	put_comm(&b, "w");
	put_number(&b, (uint32_t)pid, 4);
	put_number(&b, 120, 4);
	return b;
}

/* ---- ring-buffer pages of one CPU ---- */
struct ring_builder {
	struct bytes pages;
	uint32_t page_bytes;
	size_t page; /* offset of the open page, SIZE_MAX none */
	uint64_t last;
	uint64_t lost; /* put into the next page's head */
	bool stands; /* of a clock that began anew, as kernels to 5.8 do: no difference up to the end of the page; else none
	                once, in a time extend, and then those to the new count */
};
static void ring_close(struct ring_builder *r)
{
	if (r->page == SIZE_MAX || r->page_bytes == 0)
		return;
	put_at(&r->pages, r->page + 8, (r->pages.length - r->page - 16) | (r->lost != 0 ? 1ull << 31 | 1ull << 30 : 0), 8);
	if (r->lost != 0) {
		size_t used = r->pages.length;
		put_number(&r->pages, r->lost, 8);
		(void)used;
	}
	r->lost = 0;
	while ((r->pages.length - r->page) % r->page_bytes != 0)
		put(&r->pages, "", 1);
	r->page = SIZE_MAX;
}
static void ring_event(struct ring_builder *r, uint64_t time, struct bytes record)
{
	put_pad(&record, 4);
	bool extend = r->page != SIZE_MAX && time - r->last >= 1u << 27, fell = time < r->last;
	bool stands = r->stands && fell;
	if (r->page != SIZE_MAX && r->pages.length - r->page + record.length + 24 > r->page_bytes)
		ring_close(r);
	if (r->page == SIZE_MAX) {
		r->page = r->pages.length;
		put_number(&r->pages, time, 8);
		put_number(&r->pages, 0, 8);
		r->last = time;
		extend = stands = false;
	}
	uint64_t delta = stands ? 0 : time - r->last;
	if (extend && !stands) {
		if (fell)
			delta = 0;
		put_number(&r->pages, r->pages.big ? 30ull << 27 | (delta & 0x7ffffff) : (delta & 0x7ffffff) << 5 | 30, 4);
		put_number(&r->pages, delta >> 27, 4);
		delta = 0;
	}
	if (record.length <= 28 * 4) {
		uint64_t type = record.length / 4;
		put_number(&r->pages, r->pages.big ? type << 27 | delta : delta << 5 | type, 4);
	} else {
		put_number(&r->pages, r->pages.big ? delta : delta << 5, 4);
		put_number(&r->pages, record.length + 4, 4);
	}
	put(&r->pages, record.data, record.length);
	r->last = stands ? r->last : time;
	free(record.data);
}

/* ---- files ---- */
enum builder_compression { BUILDER_NONE, BUILDER_ZSTD, BUILDER_ZLIB };
struct builder_kernel { /* what its tracing says of itself */
	const char *const *formats;
	size_t format_count;
	const char *header_page;
	const char *guest; /* name of one that ran in threads 101 and 102, NULL none */
	const char *system; /* of its events, NULL: sched */
	const struct bytes *clock; /* body of a CLOCK section, NULL none */
	bool tsc; /* TSC2NSEC: half a ns per count */
	unsigned clock_again; /* so many more options lead to that CLOCK section */
};
struct builder {
	int version; /* 6, 7 */
	enum builder_compression compression;
	bool big, second_instance;
	uint32_t page_bytes, cpus, missing_cpu /* UINT32_MAX none */;
	const struct builder_kernel *kernel; /* NULL: of builder_formats and builder_header_page */
};

static struct bytes packed(const struct builder *f, const void *data, size_t length)
{
	struct bytes out = { .big = f->big };
	size_t bound = length + length / 8 + 1024;
	uint8_t *room = malloc(bound);
	uLongf got = bound;

	if (room == NULL)
		abort();
	if (f->compression == BUILDER_ZSTD)
		got = ZSTD_compress(room, bound, data, length, 3);
	else
		(void)compress2(room, &got, data, length, 9);
	put_number(&out, got, 4);
	put_number(&out, length, 4);
	put(&out, room, got);
	free(room);
	return out;
}
static void put_header_info(struct bytes *b, const struct builder *f)
{
	char page[512];
	int length = f->kernel != NULL ? snprintf(page, sizeof(page), "%s", f->kernel->header_page)
	                               : snprintf(page, sizeof(page), builder_header_page, f->page_bytes - 16);

	put(b, "header_page\0", 12);
	put_number(b, (uint64_t)length, 8);
	put(b, page, (size_t)length);
	put(b, "header_event\0", 13);
	put_number(b, 0, 8);
}
static void put_formats(struct bytes *b, const struct builder *f)
{
	const char *const *formats = f->kernel != NULL ? f->kernel->formats : builder_formats;
	size_t count = f->kernel != NULL ? f->kernel->format_count : BUILDER_FORMATS;

	put_number(b, 1, 4);
	put_text(b, f->kernel != NULL && f->kernel->system != NULL ? f->kernel->system : "sched");
	put_number(b, count, 4);
	for (size_t i = 0; i < count; i++) {
		put_number(b, strlen(formats[i]), 8);
		put(b, formats[i], strlen(formats[i]));
	}
}
static size_t put_section(struct bytes *b, const struct builder *f, unsigned id, struct bytes body)
{
	size_t at = b->length;
	struct bytes data = body;

	if (f->compression != BUILDER_NONE)
		data = packed(f, body.data, body.length);
	put_number(b, id, 2);
	put_number(b, f->compression != BUILDER_NONE, 2);
	put_number(b, UINT32_MAX, 4);
	put_number(b, data.length, 8);
	put(b, data.data, data.length);
	if (data.data != body.data)
		free(data.data);
	free(body.data);
	return at;
}
static void put_option(struct bytes *b, unsigned id, struct bytes body)
{
	put_number(b, id, 2);
	put_number(b, body.length, 4);
	put(b, body.data, body.length);
	free(body.data);
}
static struct bytes number_bytes(const struct builder *f, uint64_t value, unsigned bytes)
{
	struct bytes b = { .big = f->big };

	put_number(&b, value, bytes);
	return b;
}
static void put_buffer(struct bytes *b, const struct builder *f, struct bytes *options, const char *name,
                       const struct ring_builder *ring)
{
	struct bytes option = { .big = f->big };
	size_t at = b->length;
	uint32_t count = f->cpus - (f->missing_cpu < f->cpus);

	put_number(b, 3, 2);
	put_number(b, f->compression != BUILDER_NONE, 2);
	put_number(b, UINT32_MAX, 4);
	put_number(b, 0, 8);
	put_number(&option, at, 8);
	put_text(&option, name);
	put_text(&option, "mono");
	put_number(&option, f->page_bytes, 4);
	put_number(&option, count, 4);
	for (uint32_t cpu = 0; cpu < f->cpus; cpu++) {
		if (cpu == f->missing_cpu)
			continue;
		put_pad(b, 4096);
		size_t from = b->length;
		if (f->compression == BUILDER_NONE) {
			put(b, ring[cpu].pages.data, ring[cpu].pages.length);
		} else {
			size_t chunk = (size_t)f->page_bytes * 2, total = ring[cpu].pages.length;
			put_number(b, (total + chunk - 1) / chunk, 4);
			for (size_t i = 0; i < total; i += chunk) {
				struct bytes one = packed(f, ring[cpu].pages.data + i, total - i < chunk ? total - i : chunk);
				put(b, one.data, one.length);
				free(one.data);
			}
		}
		put_number(&option, cpu, 4);
		put_number(&option, from, 8);
		put_number(&option, b->length - from, 8);
	}
	put_at(b, at + 8, b->length - at - 16, 8);
	put_option(options, 3, option);
}
static void put_guest(struct bytes *options, const struct builder *f)
{
	struct bytes option = { .big = f->big };

	put_text(&option, f->kernel->guest);
	put_number(&option, 0x1234567, 8);
	put_number(&option, 2, 4);
	for (uint32_t cpu = 0; cpu < 2; cpu++) {
		put_number(&option, cpu, 4);
		put_number(&option, 101 + cpu, 4);
	}
	put_option(options, 13, option);
}
static void put_clock(struct bytes *b, struct bytes *options, const struct builder *f)
{
	struct bytes body = { .big = f->big };

	if (f->kernel->tsc) {
		put_number(&body, 1, 4);
		put_number(&body, 1, 4);
		put_number(&body, 0, 8);
		put_option(options, 14, body);
	}
	body = (struct bytes){ .big = f->big };
	if (f->kernel->clock == NULL)
		return;
	put(&body, f->kernel->clock->data, f->kernel->clock->length);
	size_t at = put_section(b, f, 0x8006, body);
	for (unsigned i = 0; i <= f->kernel->clock_again; i++)
		put_option(options, 0x8006, number_bytes(f, at, 8));
}
static void build_7(struct bytes *b, const struct builder *f, const struct ring_builder *ring)
{
	struct bytes body = { .big = f->big }, options = { .big = f->big };

	put_text(b, f->compression == BUILDER_ZSTD ? "zstd" : f->compression == BUILDER_ZLIB ? "zlib" : "none");
	put_text(b, "1");
	size_t patch = b->length;
	put_number(b, 0, 8);
	put_header_info(&body, f);
	put_option(&options, 16, number_bytes(f, put_section(b, f, 16, body), 8));
	body = (struct bytes){ .big = f->big };
	put_formats(&body, f);
	put_option(&options, 18, number_bytes(f, put_section(b, f, 18, body), 8));
	put_option(&options, 8, number_bytes(f, f->cpus, 4));
	put_option(&options, 200, number_bytes(f, 7, 4)); /* an option from the future */
	if (f->kernel != NULL && f->kernel->guest != NULL)
		put_guest(&options, f);
	if (f->kernel != NULL)
		put_clock(b, &options, f);
	put_buffer(b, f, &options, "", ring);
	if (f->second_instance)
		put_buffer(b, f, &options, "other", ring + f->cpus);
	put_option(&options, 0, number_bytes(f, 0, 8));
	put_at(b, patch, b->length, 8);
	(void)put_section(b, f, 0, options);
}
static void build_6(struct bytes *b, const struct builder *f, const struct ring_builder *ring)
{
	put_header_info(b, f);
	put_number(b, 0, 4);
	put_formats(b, f);
	put_number(b, 0, 4);
	put_number(b, 0, 4);
	put_number(b, 0, 8);
	put_number(b, f->cpus, 4);
	put(b, "options  \0", 10);
	put_number(b, 0, 2);
	put(b, "flyrecord\0", 10);
	size_t table = b->length;
	for (uint32_t cpu = 0; cpu < f->cpus; cpu++) {
		put_number(b, 0, 8);
		put_number(b, 0, 8);
	}
	for (uint32_t cpu = 0; cpu < f->cpus; cpu++) {
		if (cpu == f->missing_cpu)
			continue;
		put_pad(b, 4096);
		put_at(b, table + 16 * cpu, b->length, 8);
		put_at(b, table + 16 * cpu + 8, ring[cpu].pages.length, 8);
		put(b, ring[cpu].pages.data, ring[cpu].pages.length);
	}
}
/* ring: cpus builders, closed; twice as many with a second instance */
static struct bytes build(const struct builder *f, const struct ring_builder *ring)
{
	struct bytes b = { .big = f->big };

	put(&b, "\x17\x08\x44tracing", 10);
	put_text(&b, f->version == 6 ? "6" : "7");
	put_number(&b, f->big, 1);
	put_number(&b, 8, 1);
	put_number(&b, f->page_bytes, 4);
	if (f->version == 6)
		build_6(&b, f, ring);
	else
		build_7(&b, f, ring);
	return b;
}

#endif
