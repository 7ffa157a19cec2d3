/* Rows of one block: scheduler derivation, event tables, time index, the packed bytes. Runs on the row thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "store/event_row.h"
#include "store/writer_internal.h"

#define TREES (cgr_event_table_count + 3)
#define BLOCK_TREE cgr_event_table_count
#define COUNTER_TREE (cgr_event_table_count + 1)
#define FIELDS_TREE (cgr_event_table_count + 2)

static const char *tree_name(unsigned tree)
{
	if (tree < cgr_event_table_count)
		return cgr_event_tables[tree].name;
	return tree == BLOCK_TREE ? "stream_block" : tree == COUNTER_TREE ? "counter" : "event_fields";
}

int cgr_writer_open_trees(struct cgr_writer *w, struct cgr_error *reterr)
{
	w->tree = cgr_calloc(TREES, sizeof(*w->tree));
	if (w->tree == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", w->db.path);
	for (unsigned t = 0; t < TREES; t++) {
		char sql[96];
		int64_t root = 0;

		(void)snprintf(sql, sizeof(sql), "SELECT rootpage FROM sqlite_schema WHERE name='%s'", tree_name(t));
		CGR_TRY(cgr_db_integer(&w->db, sql, &root, reterr));
		if (root <= 1)
			return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: table %s has no root page", w->db.path, tree_name(t));
		CGR_TRY(cgr_btree_init(&w->tree[t], (uint32_t)root, reterr));
	}
	return 0;
}

void cgr_writer_close_trees(struct cgr_writer *w)
{
	for (unsigned t = 0; w->tree != NULL && t < TREES; t++)
		cgr_btree_fini(&w->tree[t]);
	free(w->tree);
	w->tree = NULL;
	cgr_dbpages_fini(&w->pages);
}

static void digest_counter(struct cgr_digest *digest, int64_t id, const struct cgr_counter_row *row)
{
	cgr_digest_integer(digest, id);
	cgr_digest_integer(digest, row->cgroup);
	cgr_digest_integer(digest, row->name);
	cgr_digest_integer(digest, row->t_ns);
	cgr_digest_integer(digest, row->value);
	cgr_digest_bytes(digest, SQLITE_TEXT, row->source, strlen(row->source));
	cgr_digest_end_row(digest);
}

static int write_counters(struct cgr_writer *w, struct cgr_counter_list *list, struct cgr_error *reterr)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct cgr_counter_row *row = &list->item[i];
		struct cgr_record record;

		cgr_record_begin(&record);
		cgr_record_null(&record);
		cgr_record_integer(&record, row->cgroup);
		cgr_record_integer(&record, row->name);
		cgr_record_integer(&record, row->t_ns);
		cgr_record_integer(&record, row->value);
		cgr_record_text(&record, row->source);
		CGR_TRY(cgr_btree_append(&w->tree[COUNTER_TREE], &w->pages, ++w->counter_id, &record, reterr));
		digest_counter(&w->counter_digest, w->counter_id, row);
	}
	list->count = 0;
	return 0;
}

static int write_fields(struct cgr_writer *w, struct cgr_fields_list *list, struct cgr_error *reterr)
{
	const char *text = list->text;

	for (size_t i = 0; i < list->count; i++) {
		struct cgr_record record;

		cgr_record_begin(&record);
		cgr_record_null(&record);
		cgr_record_long_text(&record, text, list->length[i]);
		CGR_TRY(cgr_btree_append(&w->tree[FIELDS_TREE], &w->pages, ++w->fields_id, &record, reterr));
		cgr_digest_integer(&w->fields_digest, w->fields_id);
		cgr_digest_bytes(&w->fields_digest, SQLITE_TEXT, text, list->length[i]);
		cgr_digest_end_row(&w->fields_digest);
		text += list->length[i];
	}
	list->used = list->count = 0;
	return 0;
}

int cgr_writer_finish_trees(struct cgr_writer *w, struct cgr_error *reterr)
{
	CGR_TRY(write_counters(w, &w->counter, reterr));
	CGR_TRY(write_fields(w, &w->fields, reterr));
	for (unsigned t = 0; t < TREES; t++)
		CGR_TRY(cgr_btree_finish(&w->tree[t], &w->pages, reterr));
	return cgr_dbpages_finish(&w->pages, reterr);
}

/* Memberships that came with the block join those still in the future, by time; equal times keep their order. */
static int take_attaches(struct cgr_writer *w, struct cgr_write_block *block, struct cgr_error *reterr)
{
	struct cgr_attach_list *pending = &w->pending;

	for (size_t i = 0; i < block->attach.count; i++) {
		size_t at = pending->count;

		CGR_TRY(
		    cgr_grow((void **)&pending->item, &pending->capacity, pending->count + 1, sizeof(*pending->item), reterr));
		while (at > 0 && pending->item[at - 1].from_ns > block->attach.item[i].from_ns) {
			pending->item[at] = pending->item[at - 1];
			at--;
		}
		pending->item[at] = block->attach.item[i];
		pending->count++;
	}
	block->attach.count = 0;
	return 0;
}

/* A THROTTLE opens a span of its cgroup and CPU, the next UNTHROTTLE closes it. */
static int note_throttle(struct cgr_writer *w, const struct cgr_event *e, struct cgr_error *reterr)
{
	if (e->kind == CGR_EV_THROTTLE) {
		CGR_TRY(cgr_grow((void **)&w->told, &w->tolds_capacity, w->tolds + 1, sizeof(*w->told), reterr));
		w->told[w->tolds++] = (struct cgr_told_span){ (uint32_t)e->a, e->d, (int64_t)e->ts_ns, INT64_MAX,
			                                          (e->flags & CGR_EVF_INFERRED) != 0 };
		return 0;
	}
	for (size_t i = w->tolds; i-- > 0 && w->tolds - i < 100000;) {
		if (w->told[i].cgroup == (uint32_t)e->a && w->told[i].cpu == e->d) {
			if (w->told[i].to_ns == INT64_MAX)
				w->told[i].to_ns = (int64_t)e->ts_ns;
			break;
		}
	}
	return 0;
}

static int derive(struct cgr_writer *w, const struct cgr_write_block *block, struct cgr_error *reterr)
{
	size_t applied = 0;

	for (size_t i = 0; i < block->count; i++) {
		const struct cgr_event *e = &block->event[i];
		size_t counter = (size_t)e->kind * CGR_LIMIT_CPUS + e->cpu;

		for (; applied < w->pending.count && w->pending.item[applied].from_ns <= (int64_t)e->ts_ns; applied++)
			CGR_TRY(
			    cgr_sched_attach(w->sched, w->pending.item[applied].task, w->pending.item[applied].css_set, reterr));
		CGR_TRY(cgr_sched_event(w->sched, e, block->first_id + i, &w->derived[i], reterr));
		if (e->kind == CGR_EV_THROTTLE || e->kind == CGR_EV_UNTHROTTLE)
			CGR_TRY(note_throttle(w, e, reterr));
		w->event_count[counter]++;
		w->inferred_count[counter] += (e->flags & CGR_EVF_INFERRED) != 0;
		w->kinds_seen |= 1ull << e->kind;
		w->cpus_seen = CGR_MAX(w->cpus_seen, e->cpu + 1u);
	}
	w->pending.count -= applied;
	if (w->pending.count > 0)
		memmove(w->pending.item, w->pending.item + applied, w->pending.count * sizeof(*w->pending.item));
	return 0;
}

static int write_rows(struct cgr_writer *w, const struct cgr_write_block *block, struct cgr_error *reterr)
{
	unsigned table_of[CGR_EV_COUNT];

	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++)
		table_of[kind] = cgr_event_table_of(kind);
	for (size_t i = 0; i < block->count; i++) {
		const struct cgr_event *e = &block->event[i];
		const struct cgr_event_table *table = &cgr_event_tables[table_of[e->kind]];
		struct cgr_record record;

		if ((w->flags & CGR_WRITER_LEAN) != 0 && !table->keep_when_lean)
			continue;
		cgr_event_row(table, e, block->first_id + i, &w->derived[i], &record);
		CGR_TRY(
		    cgr_btree_append(&w->tree[table_of[e->kind]], &w->pages, (int64_t)(block->first_id + i), &record, reterr));
	}
	return 0;
}

static int write_packed(struct cgr_writer *w, const struct cgr_write_block *block, struct cgr_error *reterr)
{
	struct cgr_record record;
	uint64_t kinds = 0;

	for (size_t i = 0; i < block->count; i++) {
		const struct cgr_event *e = &block->event[i];

		kinds |= 1ull << e->kind;
		if ((block->first_id + i - 1) % CGR_TIME_INDEX_STEP != 0)
			continue;
		CGR_TRY(cgr_grow((void **)&w->time, &w->times_capacity, w->times + 1, sizeof(*w->time), reterr));
		w->time[w->times++] = (struct cgr_time_row){ (int64_t)e->ts_ns, block->first_id + i };
	}
	cgr_record_begin(&record);
	cgr_record_null(&record);
	cgr_record_integer(&record, (int64_t)block->first_id);
	cgr_record_integer(&record, (int64_t)block->count);
	cgr_record_integer(&record, (int64_t)block->event[0].ts_ns);
	cgr_record_integer(&record, (int64_t)block->event[block->count - 1].ts_ns);
	cgr_record_integer(&record, (int64_t)kinds);
	cgr_record_integer(&record, (int64_t)block->packed_size);
	cgr_record_integer(&record, (int64_t)cgr_pack_checksum(block->packed, block->packed_size));
	cgr_record_blob(&record, block->packed, block->packed_size);
	return cgr_btree_append(&w->tree[BLOCK_TREE], &w->pages, w->blocks++, &record, reterr);
}

int cgr_writer_write_block(struct cgr_writer *w, struct cgr_write_block *block, struct cgr_error *reterr)
{
	CGR_TRY(write_counters(w, &block->counter, reterr));
	CGR_TRY(write_fields(w, &block->fields, reterr));
	CGR_TRY(take_attaches(w, block, reterr));
	CGR_TRY(derive(w, block, reterr));
	CGR_TRY(write_rows(w, block, reterr));
	return write_packed(w, block, reterr);
}
