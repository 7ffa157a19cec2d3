/* The writer's pipeline: the caller fills blocks, one thread packs them, one writes them to SQLite. The bounded
 * pool of blocks is the back-pressure that keeps memory constant whatever the trace's size. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "store/writer_internal.h"

static void push(struct cgr_writer *w, struct cgr_write_queue *queue, struct cgr_write_block *block)
{
	(void)pthread_mutex_lock(&w->lock);
	block->next = NULL;
	if (queue->tail == NULL)
		queue->head = block;
	else
		queue->tail->next = block;
	queue->tail = block;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

/* Next block in order; NULL when the queue is closed and empty. */
static struct cgr_write_block *pull(struct cgr_writer *w, struct cgr_write_queue *queue)
{
	struct cgr_write_block *block;

	(void)pthread_mutex_lock(&w->lock);
	while (queue->head == NULL && !queue->closed)
		(void)pthread_cond_wait(&w->changed, &w->lock);
	block = queue->head;
	if (block != NULL) {
		queue->head = block->next;
		if (queue->head == NULL)
			queue->tail = NULL;
	}
	(void)pthread_mutex_unlock(&w->lock);
	return block;
}

static void close_queue(struct cgr_writer *w, struct cgr_write_queue *queue)
{
	(void)pthread_mutex_lock(&w->lock);
	queue->closed = true;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

static void give_back(struct cgr_writer *w, struct cgr_write_block *block)
{
	(void)pthread_mutex_lock(&w->lock);
	block->count = 0;
	block->next = w->free_blocks;
	w->free_blocks = block;
	(void)pthread_cond_broadcast(&w->changed);
	(void)pthread_mutex_unlock(&w->lock);
}

/* The first error wins; blocks that still come are let through unread so that nobody waits for ever. */
static void fail(struct cgr_writer *w, const struct cgr_error *error)
{
	(void)pthread_mutex_lock(&w->lock);
	if (w->error.code == 0)
		w->error = *error;
	(void)pthread_mutex_unlock(&w->lock);
}

static int pack_block(struct cgr_writer *w, struct cgr_write_block *block, struct cgr_error *reterr)
{
	const uint8_t *bytes;
	size_t size;

	CGR_TRY(cgr_packer_pack(w->packer, block->event, block->count, &bytes, &size, reterr));
	CGR_TRY(cgr_grow((void **)&block->packed, &block->packed_capacity, size, 1, reterr));
	memcpy(block->packed, bytes, size);
	block->packed_size = size;
	return 0;
}

static void *pack_main(void *argument)
{
	struct cgr_writer *w = argument;
	struct cgr_write_block *block;
	bool failed = false;

	while ((block = pull(w, &w->to_pack)) != NULL) {
		struct cgr_error error = { 0 };

		if (!failed && pack_block(w, block, &error) < 0) {
			fail(w, &error);
			failed = true;
		}
		push(w, &w->to_rows, block);
	}
	close_queue(w, &w->to_rows);
	return NULL;
}

static void *row_main(void *argument)
{
	struct cgr_writer *w = argument;
	struct cgr_write_block *block;

	while ((block = pull(w, &w->to_rows)) != NULL) {
		struct cgr_error error = { 0 };
		bool failed;

		(void)pthread_mutex_lock(&w->lock);
		failed = w->error.code != 0;
		(void)pthread_mutex_unlock(&w->lock);
		if (!failed && cgr_writer_write_block(w, block, &error) < 0)
			fail(w, &error);
		give_back(w, block);
	}
	return NULL;
}

static struct cgr_write_block *new_block(void)
{
	return cgr_calloc(1, sizeof(struct cgr_write_block));
}

int cgr_writer_start(struct cgr_writer *w, struct cgr_error *reterr)
{
	for (unsigned i = 0; i < CGR_WRITER_BLOCKS; i++) {
		struct cgr_write_block *block = new_block();

		if (block == NULL)
			return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", w->file.path);
		block->next = w->free_blocks;
		w->free_blocks = block;
	}
	w->filling = w->free_blocks;
	w->free_blocks = w->filling->next;
	if (pthread_create(&w->pack_thread, NULL, pack_main, w) != 0)
		return cgr_error_set(reterr, CGR_E_IO, "%s: cannot start a thread", w->file.path);
	if (pthread_create(&w->row_thread, NULL, row_main, w) != 0) {
		close_queue(w, &w->to_pack);
		(void)pthread_join(w->pack_thread, NULL);
		return cgr_error_set(reterr, CGR_E_IO, "%s: cannot start a thread", w->file.path);
	}
	w->threads_started = true;
	return 0;
}

static int thread_error(struct cgr_writer *w, struct cgr_error *reterr)
{
	int code;

	(void)pthread_mutex_lock(&w->lock);
	code = w->error.code;
	if (code != 0 && reterr != NULL)
		*reterr = w->error;
	(void)pthread_mutex_unlock(&w->lock);
	return code;
}

int cgr_writer_submit(struct cgr_writer *w, struct cgr_error *reterr)
{
	struct cgr_write_block *block = w->filling;
	struct cgr_attach_list empty = block->attach;

	struct cgr_fields_list no_fields = block->fields;
	struct cgr_counter_list no_counters = block->counter;

	empty.count = 0;
	block->attach = w->attach;
	w->attach = empty;
	no_fields.used = no_fields.count = 0;
	block->fields = w->fields;
	w->fields = no_fields;
	no_counters.count = 0;
	block->counter = w->counter;
	w->counter = no_counters;
	block->first_id = w->next_id - block->count;
	w->filling = NULL;
	push(w, &w->to_pack, block);
	(void)pthread_mutex_lock(&w->lock);
	while (w->free_blocks == NULL)
		(void)pthread_cond_wait(&w->changed, &w->lock);
	w->filling = w->free_blocks;
	w->free_blocks = w->filling->next;
	(void)pthread_mutex_unlock(&w->lock);
	w->filling->count = 0;
	return thread_error(w, reterr);
}

int cgr_writer_stop(struct cgr_writer *w, struct cgr_error *reterr)
{
	if (!w->threads_started)
		return 0;
	close_queue(w, &w->to_pack);
	(void)pthread_join(w->pack_thread, NULL);
	(void)pthread_join(w->row_thread, NULL);
	w->threads_started = false;
	return thread_error(w, reterr);
}

static void free_block(struct cgr_write_block *block)
{
	if (block == NULL)
		return;
	free(block->attach.item);
	free(block->fields.text);
	free(block->fields.length);
	free(block->counter.item);
	free(block->packed);
	free(block);
}

void cgr_writer_free_blocks(struct cgr_writer *w)
{
	while (w->free_blocks != NULL) {
		struct cgr_write_block *next = w->free_blocks->next;

		free_block(w->free_blocks);
		w->free_blocks = next;
	}
	free_block(w->filling);
	w->filling = NULL;
}

/* Arguments: every number as int64_t, every text as const char *, in the order of the table's columns, numbers
 * first. How many of each: see counts. */
int cgr_writer_add_small(struct cgr_writer *w, enum cgr_small table, struct cgr_error *reterr, ...)
{
	static const struct {
		uint8_t numbers, texts;
	} counts[CGR_SMALL_COUNT] = {
		[CGR_SMALL_META] = { 0, 2 }, [CGR_SMALL_LOG] = { 1, 3 },    [CGR_SMALL_HIERARCHY] = { 2, 1 },
		[CGR_SMALL_DIR] = { 6, 0 },  [CGR_SMALL_COMM] = { 2, 1 },   [CGR_SMALL_NAME] = { 1, 1 },
		[CGR_SMALL_KNOB] = { 6, 2 }, [CGR_SMALL_FILE] = { 3, 1 },   [CGR_SMALL_FILE_PATH] = { 1, 1 },
		[CGR_SMALL_LOST] = { 4, 0 }, [CGR_SMALL_FORMAT] = { 1, 2 }, [CGR_SMALL_SOURCE] = { 1, 2 },
	};
	struct cgr_small_row row = { .table = table };
	va_list arguments;
	int rc = 0;

	va_start(arguments, reterr);
	for (unsigned i = 0; i < counts[table].numbers; i++)
		row.number[i] = va_arg(arguments, int64_t);
	for (unsigned i = 0; i < counts[table].texts; i++) {
		const char *text = va_arg(arguments, const char *);

		row.text[i] = text == NULL ? NULL : cgr_strdup(text);
		if (text != NULL && row.text[i] == NULL)
			rc = cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", w->file.path);
	}
	va_end(arguments);
	if (rc == 0)
		rc = cgr_grow((void **)&w->small, &w->smalls_capacity, w->smalls + 1, sizeof(row), reterr);
	if (rc == 0)
		w->small[w->smalls++] = row;
	for (size_t i = 0; rc < 0 && i < CGR_ARRAY_SIZE(row.text); i++)
		free(row.text[i]);
	return rc;
}
