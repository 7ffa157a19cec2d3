/* NAME.partial: where a recording grows, so that whatever kills the recorder, what was flushed can be imported; and
 * its conversion into the final trace.dat (docs/trace-file.md). */
#ifndef CGR_CAPTURE_JOURNAL_H
#define CGR_CAPTURE_JOURNAL_H

#include <jansson.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>

#include "common/error.h"
#include "common/tracedat.h"

struct cgr_journal {
	pthread_mutex_t lock; /* readers and sampler append concurrently */
	struct cgr_td_writer writer;
	char *path; /* NAME.partial */
	uint64_t chunk_bytes; /* how much of it is ring pages */
	int fd;
};
/* Creates NAME.partial for the final name `output`. One left by a killed recorder is moved to NAME.partial.N;
 * notes (or NULL) say so. Locked by flock while we live. */
int cgr_journal_open(struct cgr_journal *journal, const char *output, uint32_t page_bytes, FILE *notes,
                     struct cgr_error *reterr);
/* Compressed section of any bytes, or of JSON (the reference is taken over). Thread-safe. */
int cgr_journal_section(struct cgr_journal *journal, uint16_t id, const void *body, size_t length,
                        struct cgr_error *reterr);
int cgr_journal_json(struct cgr_journal *journal, uint16_t id, json_t *json, struct cgr_error *reterr);
/* One zstd frame of whole ring pages of a CPU. Thread-safe. */
int cgr_journal_chunk(struct cgr_journal *journal, uint32_t cpu, const void *frame, uint32_t compressed_bytes,
                      uint32_t plain_bytes, struct cgr_error *reterr);
/* Bytes written so far, and how many of them are not ring pages. Thread-safe. */
uint64_t cgr_journal_bytes(struct cgr_journal *journal);
uint64_t cgr_journal_described(struct cgr_journal *journal);
/* Writes the final file from the journal and puts it under its name. cpu_count and clock as in the BUFFER option;
 * more: options prepared by the caller (CPUSTAT and the like), appended as they are. */
int cgr_journal_finish(struct cgr_journal *journal, const char *output, uint32_t cpu_count, const char *clock,
                       const struct cgr_td_bytes *more, struct cgr_error *reterr);
/* Closes; removes NAME.partial when `remove_file`. Legal on a zeroed or closed one. */
void cgr_journal_close(struct cgr_journal *journal, int remove_file);

#endif
