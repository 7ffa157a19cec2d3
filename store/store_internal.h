/* The open store as the files of the reader share it. */
#ifndef CGR_STORE_STORE_INTERNAL_H
#define CGR_STORE_STORE_INTERNAL_H

#include <pthread.h>

#include "store/db.h"
#include "store/store.h"

struct cgr_text { /* interned strings live in chunks until the store is freed */
	char **chunk;
	size_t chunks, capacity, used, size;
};

struct cgr_store_block { /* index of the packed stream */
	int64_t block;
	uint64_t first_id, events, kinds, checksum;
	int64_t first_ns, last_ns;
	int64_t bytes;
};

struct cgr_store_pair {
	const char *key, *value;
};

struct cgr_store_hierarchy {
	uint32_t id;
	const char *controllers;
};

struct cgr_store {
	struct cgr_db db;
	pthread_mutex_t *lock; /* of db: streams of several threads fetch their blocks through it */
	struct cgr_text text;
	struct cgr_store_info info;
	struct cgr_store_pair *meta;
	size_t metas;
	struct cgr_store_hierarchy *hierarchy;
	size_t hierarchies;
	struct cgr_store_cgroup *cgroup;
	size_t cgroups;
	struct cgr_store_task *task;
	size_t tasks;
	struct cgr_store_css_set *css_set;
	size_t css_sets;
	const char **name;
	size_t names;
	struct cgr_store_sample *knob, *counter;
	size_t knobs, counters;
	struct cgr_store_file *file;
	size_t files;
	struct cgr_store_lost *lost;
	size_t losts;
	struct cgr_store_block *block;
	size_t blocks;
	bool lean;
	/* while loading */
	size_t capacity;
	uint64_t next_id;
	int64_t last_ns;
};

/* Bytes of a block into *buffer (grown), checksum verified. */
int cgr_store_read_block(const struct cgr_store *store, const struct cgr_store_block *block, uint8_t **buffer,
                         size_t *capacity, struct cgr_error *reterr);
const struct cgr_db *cgr_store_borrow_db(const struct cgr_store *store);

#endif
