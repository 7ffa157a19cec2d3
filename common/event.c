#include "common/event.h"

#include "common/util.h"

const char *cgr_event_kind_name(unsigned kind)
{
	static const char *const name[] = {
#define CGR_EVENT(id, text, a, b, c, d) [CGR_EV_##id] = text,
#include "common/events.def"
#undef CGR_EVENT
	};
	return kind < CGR_EV_COUNT ? name[kind] : "unknown";
}

const char *cgr_mem_item_name(unsigned item)
{
	static const char *const name[] = {
#define CGR_X(id, text) [CGR_ITEM_##id] = text,
		CGR_MEM_ITEMS(CGR_X)
#undef CGR_X
	};
	return item < CGR_ITEM_COUNT ? name[item] : "unknown";
}

const char *cgr_charge_kind_name(unsigned kind)
{
	static const char *const name[CGR_CHARGE_KIND_COUNT] = {
		"anon", "file", "shmem", "kmem", "sock", "swapcache", "unknown",
	};
	return kind < CGR_ARRAY_SIZE(name) ? name[kind] : "unknown";
}
