/* Kernel ids (inodes, addresses, pids) -> dense u32, in order of first appearance. */
#include <stdlib.h>

#include "common/util.h"

static size_t slot_of(const struct cgr_intern *table, uint64_t key)
{
	uint64_t hash = (key ^ (key >> 32)) * 0x9e3779b97f4a7c15ull;
	size_t mask = table->capacity - 1;
	size_t slot = (size_t)(hash >> 20) & mask;

	while (table->value[slot] != 0 && table->key[slot] != key)
		slot = (slot + 1) & mask;
	return slot;
}

static int rehash(struct cgr_intern *table, struct cgr_error *reterr)
{
	struct cgr_intern bigger = { .capacity = table->capacity == 0 ? 64 : table->capacity * 2, .count = table->count };

	bigger.key = cgr_calloc(bigger.capacity, sizeof(*bigger.key));
	bigger.value = cgr_calloc(bigger.capacity, sizeof(*bigger.value));
	if (bigger.key == NULL || bigger.value == NULL) {
		free(bigger.key);
		free(bigger.value);
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory: id table of %zu", bigger.capacity);
	}
	for (size_t i = 0; i < table->capacity; i++) {
		if (table->value[i] == 0)
			continue;
		size_t slot = slot_of(&bigger, table->key[i]);
		bigger.key[slot] = table->key[i];
		bigger.value[slot] = table->value[i];
	}
	free(table->key);
	free(table->value);
	*table = bigger;
	return 0;
}

/* value holds id + 1, so 0 marks a free slot */
int cgr_intern_id(struct cgr_intern *table, uint64_t key, uint32_t *ret_id, bool *ret_new, struct cgr_error *reterr)
{
	if ((size_t)table->count * 2 >= table->capacity)
		CGR_TRY(rehash(table, reterr));
	size_t slot = slot_of(table, key);
	bool fresh = table->value[slot] == 0;

	if (fresh) {
		table->key[slot] = key;
		table->value[slot] = ++table->count;
	}
	*ret_id = table->value[slot] - 1;
	if (ret_new != NULL)
		*ret_new = fresh;
	return 0;
}

uint32_t cgr_intern_find(const struct cgr_intern *table, uint64_t key)
{
	if (table->capacity == 0)
		return UINT32_MAX;
	size_t slot = slot_of(table, key);

	return table->value[slot] == 0 ? UINT32_MAX : table->value[slot] - 1;
}

void cgr_intern_fini(struct cgr_intern *table)
{
	free(table->key);
	free(table->value);
	*table = (struct cgr_intern){ 0 };
}
