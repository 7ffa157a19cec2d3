/* Lists of folios through their 32-bit links: head = youngest, tail = oldest; counted in pages. */
#ifndef CGR_MODEL_LIB_MEM_LIST_H
#define CGR_MODEL_LIB_MEM_LIST_H

#include "model/reclaim.h"

struct cgr_page_list {
	uint32_t head, tail;
	uint32_t count;
};

static inline void cgr_page_list_push_head(struct cgr_page *page, struct cgr_page_list *list, uint32_t n)
{
	page[n].prev = 0;
	page[n].next = list->head;
	if (list->head)
		page[list->head].prev = n;
	else
		list->tail = n;
	list->head = n;
	list->count += cgr_page_count(&page[n]);
}
static inline void cgr_page_list_push_tail(struct cgr_page *page, struct cgr_page_list *list, uint32_t n)
{
	page[n].next = 0;
	page[n].prev = list->tail;
	if (list->tail)
		page[list->tail].next = n;
	else
		list->head = n;
	list->tail = n;
	list->count += cgr_page_count(&page[n]);
}
static inline void cgr_page_list_remove(struct cgr_page *page, struct cgr_page_list *list, uint32_t n)
{
	uint32_t prev = page[n].prev, next = page[n].next;
	if (prev)
		page[prev].next = next;
	else
		list->head = next;
	if (next)
		page[next].prev = prev;
	else
		list->tail = prev;
	page[n].prev = page[n].next = 0;
	list->count -= cgr_page_count(&page[n]);
}

#endif
