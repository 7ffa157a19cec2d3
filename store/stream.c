/* Reading the packed stream: block index, skipping, decoding batch by batch. */
#include "store/stream.h"

#include <stdlib.h>

#include "common/util.h"
#include "store/pack.h"
#include "store/store_internal.h"

struct cgr_stream {
	const struct cgr_store *store;
	struct cgr_unpacker *unpacker;
	uint8_t *buffer;
	size_t capacity;
	uint64_t kinds;
	uint64_t from_ns;
	size_t next_block;
	bool loaded;
};

/* First block that may hold events at or after from_ns. */
static size_t first_block(const struct cgr_store *store, int64_t from_ns)
{
	size_t low = 0, high = store->blocks;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (store->block[middle].last_ns < from_ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

int cgr_stream_open(const struct cgr_store *store, int64_t from_ns, uint64_t kinds, struct cgr_stream **ret_stream,
                    struct cgr_error *reterr)
{
	struct cgr_stream *stream = cgr_calloc(1, sizeof(*stream));

	if (stream != NULL)
		stream->unpacker = cgr_unpacker_new();
	if (stream == NULL || stream->unpacker == NULL) {
		free(stream);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", store->db.path);
	}
	stream->store = store;
	stream->kinds = kinds;
	stream->from_ns = from_ns < 0 ? 0 : (uint64_t)from_ns;
	stream->next_block = first_block(store, from_ns);
	*ret_stream = stream;
	return 0;
}

struct cgr_stream *cgr_stream_free(struct cgr_stream *stream)
{
	if (stream == NULL)
		return NULL;
	(void)cgr_unpacker_free(stream->unpacker);
	free(stream->buffer);
	free(stream);
	return NULL;
}

/* Loads the next block with wanted kinds; 1, or 0 at the end. */
static int load_next(struct cgr_stream *stream, struct cgr_error *reterr)
{
	const struct cgr_store *store = stream->store;
	const struct cgr_store_block *block;
	int rc;

	while (stream->next_block < store->blocks && stream->kinds != 0 &&
	       (store->block[stream->next_block].kinds & stream->kinds) == 0)
		stream->next_block++;
	if (stream->next_block == store->blocks)
		return 0;
	block = &store->block[stream->next_block++];
	CGR_TRY(cgr_store_read_block(store, block, &stream->buffer, &stream->capacity, reterr));
	rc = cgr_unpacker_load(stream->unpacker, stream->buffer, (size_t)block->bytes, stream->kinds, reterr);
	if (rc < 0)
		return cgr_error_cause(reterr, "%s: stream_block %lld", store->db.path, (long long)block->block);
	return 1;
}

int cgr_stream_next(struct cgr_stream *stream, const struct cgr_event **ret_events, size_t *ret_count,
                    struct cgr_error *reterr)
{
	for (;;) {
		const struct cgr_event *events;
		size_t count, skip = 0;

		if (!stream->loaded) {
			int rc = load_next(stream, reterr);

			if (rc <= 0)
				return rc;
			stream->loaded = true;
		}
		int more = cgr_unpacker_next(stream->unpacker, &events, &count, reterr);

		if (more < 0)
			return cgr_error_cause(reterr, "%s: stream_block %zu", stream->store->db.path, stream->next_block - 1);
		if (more == 0) {
			stream->loaded = false;
			continue;
		}
		while (skip < count && events[skip].ts_ns < stream->from_ns)
			skip++;
		if (skip == count)
			continue;
		*ret_events = events + skip;
		*ret_count = count - skip;
		return 1;
	}
}
