/* Readahead as mm/readahead.c and mm/filemap.c decide it: windows per open file, from the misses and marks that a
 * replay meets. An open file is taken to be (process, file). Whether a file is read with POSIX_FADV_RANDOM, how far its
 * device reads ahead and where it ends are learned from the recorded inserts. */
#ifndef CGR_MODEL_LIB_MEM_READAHEAD_H
#define CGR_MODEL_LIB_MEM_READAHEAD_H

#include <stdbool.h>
#include <stdint.h>

#define CGR_READAHEAD_SLOTS 16384u

struct cgr_readahead { /* struct file_ra_state */
	uint32_t file, process; /* file + 1; 0 = unused slot */
	uint64_t start;
	uint32_t size, async_size;
	uint64_t prev_pos; /* in pages: one past the last page of the previous read */
	bool spliced; /* read by splice: each read marks its folios accessed, also the one the previous read ended in */
	uint32_t prev_folio; /* the folio that page stood in: a hint for the owner of the page table */
	uint64_t cut_off; /* where the next recorded insert of a window lies that found no room in the replay; 0 none */
	uint64_t cut_ns; /* when it was cut off */
	uint64_t recorded_from, recorded_next; /* run of recorded inserts since the last access, [from, next) */
	uint16_t mmap_miss;
	uint8_t order;
	uint8_t random_seen, ahead_seen; /* evidence: inserts that stop at the request; inserts beyond it */
	uint8_t map_single, map_around; /* the same of faults: one page read, or the pages around it too */
	uint64_t fault_index; /* page + 1 of the last fault that missed in the recording, 0 none */
};
struct cgr_readahead_window {
	uint64_t start;
	uint32_t size; /* pages; 0 = nothing to read ahead */
	uint64_t mark; /* page that gets the mark, UINT64_MAX none */
	uint8_t order; /* of the folios, as far as alignment allows */
};
#define CGR_READAHEAD_FILES 65536u
struct cgr_readahead_file {
	uint32_t file; /* + 1 */
	uint32_t end; /* one past the last page anybody touched */
};
struct cgr_readahead_table {
	struct cgr_readahead *slot; /* CGR_READAHEAD_SLOTS */
	struct cgr_readahead_file *files; /* CGR_READAHEAD_FILES */
	uint32_t max_pages; /* largest window seen, at least `floor` */
	uint32_t kernel_version;
};

struct cgr_readahead *cgr_readahead_of(struct cgr_readahead_table *table, uint32_t process, uint32_t file);
/* A recorded insert: what it tells about the file. */
void cgr_readahead_learn_insert(struct cgr_readahead_table *table, struct cgr_readahead *ra, uint64_t index,
                                uint32_t pages);
void cgr_readahead_learn_end(struct cgr_readahead_table *table, uint32_t file, uint64_t end);
/* One past the last page of the file as far as known; never beyond what was touched. */
uint64_t cgr_readahead_end(const struct cgr_readahead_table *table, uint32_t file);
bool cgr_readahead_is_random(const struct cgr_readahead *ra);

/* Is a page cached? For the look at history and at what follows. */
typedef bool (*cgr_readahead_cached)(void *arg, uint32_t file, uint64_t index);
/* An access to [index, end): what the inserts before it tell. One that a sequential stream would have turned into
 * readahead and that read only what was asked speaks for POSIX_FADV_RANDOM. */
void cgr_readahead_learn_access(struct cgr_readahead *ra, uint64_t index, uint64_t end, cgr_readahead_cached cached,
                                void *arg);
/* A fault at `index` that missed in the recording: what was read for the one before it. */
void cgr_readahead_learn_fault(const struct cgr_readahead_table *table, struct cgr_readahead *ra, uint64_t index);
/* MADV_RANDOM (VM_RAND_READ): nothing is read around a fault, and references through the mapping do not count
 * (vma_has_recency, from 6.3). */
bool cgr_readahead_map_is_random(const struct cgr_readahead *ra);
/* page_cache_sync_ra at a miss of [index, index + request). */
struct cgr_readahead_window cgr_readahead_sync(const struct cgr_readahead_table *table, struct cgr_readahead *ra,
                                               uint64_t index, uint32_t request, cgr_readahead_cached cached,
                                               void *arg);
/* page_cache_async_ra at a marked folio of `folio_pages` that holds index. */
struct cgr_readahead_window cgr_readahead_async(const struct cgr_readahead_table *table, struct cgr_readahead *ra,
                                                uint64_t index, uint32_t folio_pages, uint32_t request,
                                                cgr_readahead_cached cached, void *arg);
/* do_sync_mmap_readahead at a fault that misses. */
struct cgr_readahead_window cgr_readahead_fault(const struct cgr_readahead_table *table, struct cgr_readahead *ra,
                                                uint64_t index);

#endif
