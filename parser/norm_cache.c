/* filemap:*, writeback:* -> page cache adds, deletes, reads, faults, maps, dirtying. Files are (device, inode). */
#include <stdlib.h>

#include "parser/norm.h"

static int remember_inode(struct cgr_norm *norm, uint64_t inode, uint32_t file)
{
	struct cgr_files *files = &norm->files;
	uint32_t id;
	bool is_new;

	CGR_TRY(cgr_intern_id(&files->by_inode, inode, &id, &is_new, norm->err));
	CGR_TRY(cgr_grow((void **)&files->of_inode, &files->inode_capacity, (size_t)id + 1, sizeof(*files->of_inode),
	                 norm->err));
	files->of_inode[id] = file;
	return CGR_OK;
}

static int file_id(struct cgr_norm *norm, uint64_t dev, uint64_t inode, uint32_t *ret_file)
{
	struct cgr_files *files = &norm->files;
	uint64_t key = dev * 0x9e3779b97f4a7c15ull ^ inode;
	bool is_new;

	for (;; key = key * 6364136223846793005ull + 1442695040888963407ull) { /* two files of one key: the next one */
		CGR_TRY(cgr_intern_id(&files->by_key, key, ret_file, &is_new, norm->err));
		if (is_new)
			break;
		if (files->key[*ret_file].dev == dev && files->key[*ret_file].inode == inode)
			return CGR_OK;
	}
	CGR_TRY(cgr_grow((void **)&files->key, &files->capacity, (size_t)*ret_file + 1, sizeof(*files->key), norm->err));
	files->key[*ret_file].dev = dev;
	files->key[*ret_file].inode = inode;
	files->count++;
	CGR_TRY(remember_inode(norm, inode, *ret_file));
	uint32_t id;
	CGR_TRY(cgr_writer_add_file(norm->writer, dev, inode, NULL, &id, norm->err));
	return id == *ret_file ? CGR_OK
	                       : cgr_error_set(norm->err, CGR_E_INTERNAL, "file %u became %u in the store", *ret_file, id);
}

static uint32_t clamp32(uint64_t value)
{
	return value > UINT32_MAX ? UINT32_MAX : (uint32_t)value;
}

static uint32_t folio_pages(const struct cgr_entry *entry)
{
	uint64_t order = CGR_HAS(entry, 3) ? CGR_FIELD(entry, 3) : 0;

	return order < 20 ? 1u << order : 1;
}

/* mm_filemap_get_pages tells the range from the first page to the end of the request; kernels up to 6.17 put the page
 * behind the last one into last_index. Equal indices can only be one page. */
static uint32_t range_pages(const struct cgr_entry *entry)
{
	uint64_t first = CGR_FIELD(entry, 2), last = CGR_FIELD(entry, 3);

	return last > first ? clamp32(last - first + 1) : 1;
}

static uint64_t backing_device(const struct cgr_entry *entry)
{
	char name[32];
	unsigned major, minor;

	(void)cgr_field_text(&entry->format->field[0], entry->payload, entry->record->length, name, sizeof(name));
	return sscanf(name, "%u:%u", &major, &minor) == 2 && major < 4096 && minor < (1u << 20) ? major << 20 | minor : 0;
}

/* writeback names the disk, the page cache the file system's device: the same where the file system has a disk to
 * itself, another minor number of the same major on a partition. */
static int dirtied_file(struct cgr_norm *norm, const struct cgr_entry *entry, uint32_t *ret_file)
{
	const struct cgr_files *files = &norm->files;
	uint64_t dev = backing_device(entry), inode = CGR_FIELD(entry, 1);
	uint32_t id = cgr_intern_find(&files->by_inode, inode);

	if (id != CGR_ID_NONE && files->key[files->of_inode[id]].dev >> 20 == dev >> 20) {
		*ret_file = files->of_inode[id];
		return CGR_OK;
	}
	return file_id(norm, dev, inode, ret_file);
}

static int push_dirty(struct cgr_norm *norm, const struct cgr_entry *entry, uint32_t file, uint64_t index)
{
	struct cgr_task *task = entry->task;

	CGR_TRY(cgr_norm_push(norm, entry, CGR_EV_CACHE_DIRTY, file, index, 1, 0));
	task->dirty_pending = true;
	task->dirty_index = norm->hold.base + norm->hold.count - 1;
	task->dirty_inserts = norm->hold.inserts;
	return CGR_OK;
}

int cgr_norm_cache(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_task *task = entry->task;
	uint64_t dev = CGR_FIELD(entry, 0), index = CGR_FIELD(entry, 2);
	uint32_t file, cgroup;

	norm->cache_seen = true;
	if (entry->format->raw == CGR_RAW_CACHE_DIRTY) {
		CGR_TRY(dirtied_file(norm, entry, &file));
		return push_dirty(norm, entry, file, index);
	}
	CGR_TRY(file_id(norm, dev, CGR_FIELD(entry, 1), &file));
	switch (entry->format->raw) {
	case CGR_RAW_CACHE_ADD:
		/* The charge of this very folio stands just before it in the same context. */
		cgroup = CGR_ID_NONE;
		if (task->charge_inserts != 0 || task->charge_index != 0) {
			struct cgr_event *charge =
			    cgr_hold_find(&norm->hold, task->charge_index, task->charge_inserts, CGR_EV_CHARGE, task->id);
			if (charge != NULL && charge->c == CGR_CHARGE_FILE)
				cgroup = (uint32_t)charge->a;
		}
		return cgr_norm_push(norm, entry, CGR_EV_CACHE_ADD, file, index, folio_pages(entry), cgroup);
	case CGR_RAW_CACHE_DELETE:
		return cgr_norm_push(norm, entry, CGR_EV_CACHE_DELETE, file, index, folio_pages(entry),
		                     task->reclaim_depth > 0);
	case CGR_RAW_CACHE_READ:
		return cgr_norm_push(norm, entry, CGR_EV_CACHE_READ, file, index, range_pages(entry), 0);
	case CGR_RAW_CACHE_FAULT:
		return cgr_norm_push(norm, entry, CGR_EV_CACHE_FAULT, file, index, 1, 0);
	default:
		return cgr_norm_push(norm, entry, CGR_EV_CACHE_MAP, file, index, range_pages(entry), 0);
	}
}
