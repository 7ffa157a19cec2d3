/* The normalised event: what the parser produces, the store keeps, replay reads. */
#ifndef CGR_COMMON_EVENT_H
#define CGR_COMMON_EVENT_H

#include <stdint.h>

enum cgr_event_kind {
#define CGR_EVENT(name, text, a, b, c, d) CGR_EV_##name,
#include "common/events.def"
#undef CGR_EVENT
	CGR_EV_COUNT
};

/* flags: context of the emitter, and how we know the event */
#define CGR_EVF_HARDIRQ 0x01u
#define CGR_EVF_SOFTIRQ 0x02u
#define CGR_EVF_NMI 0x04u
#define CGR_EVF_INFERRED 0x08u /* not in the recording: mended by import from other evidence */
#define CGR_EVF_NEED_RESCHED 0x10u

struct cgr_event {
	uint64_t ts_ns; /* since trace start */
	uint64_t a;
	uint64_t b;
	uint32_t c;
	uint32_t d;
	uint32_t task; /* dense id of the context task, 0 = idle */
	uint16_t cpu;
	uint8_t kind; /* enum cgr_event_kind */
	uint8_t flags;
};
_Static_assert(sizeof(struct cgr_event) == 40, "event layout is part of the stream contract");

enum cgr_charge_kind {
	CGR_CHARGE_ANON,
	CGR_CHARGE_FILE,
	CGR_CHARGE_SHMEM,
	CGR_CHARGE_KMEM,
	CGR_CHARGE_SOCK,
	CGR_CHARGE_SWAPCACHE,
	CGR_CHARGE_UNKNOWN,
	CGR_CHARGE_KIND_COUNT
};

/* Kernel-independent names of the stat items we keep; mapped from BTF enums by name. */
/* clang-format off */
#define CGR_MEM_ITEMS(X) \
	X(ANON_MAPPED, "anon_mapped") X(FILE_PAGES, "file_pages") X(SHMEM, "shmem") \
	X(FILE_MAPPED, "file_mapped") X(FILE_DIRTY, "file_dirty") X(WRITEBACK, "writeback") \
	X(SWAPCACHE, "swapcache") X(SWAP, "swap") X(KMEM, "kmem") X(SOCK, "sock") X(PAGETABLE, "pagetable") \
	X(KERNEL_STACK_KB, "kernel_stack_kb") X(REFAULT_ANON, "workingset_refault_anon") \
	X(REFAULT_FILE, "workingset_refault_file") X(ACTIVATE_ANON, "workingset_activate_anon") \
	X(ACTIVATE_FILE, "workingset_activate_file") X(RESTORE_ANON, "workingset_restore_anon") \
	X(RESTORE_FILE, "workingset_restore_file") X(PGPGIN, "pgpgin") X(PGPGOUT, "pgpgout") \
	X(PGFAULT, "pgfault") X(PGMAJFAULT, "pgmajfault") X(PGSCAN_KSWAPD, "pgscan_kswapd") \
	X(PGSCAN_DIRECT, "pgscan_direct") X(PGSTEAL_KSWAPD, "pgsteal_kswapd") \
	X(PGSTEAL_DIRECT, "pgsteal_direct") X(PGACTIVATE, "pgactivate") X(PGDEACTIVATE, "pgdeactivate") \
	X(PGREFILL, "pgrefill") X(PSWPIN, "pswpin") X(PSWPOUT, "pswpout") X(INACTIVE_ANON, "inactive_anon") \
	X(ACTIVE_ANON, "active_anon") X(INACTIVE_FILE, "inactive_file") X(ACTIVE_FILE, "active_file") \
	X(UNEVICTABLE, "unevictable") X(ZSWPIN, "zswpin") X(ZSWPOUT, "zswpout")
/* clang-format on */
enum cgr_mem_item {
#define CGR_X(name, text) CGR_ITEM_##name,
	CGR_MEM_ITEMS(CGR_X)
#undef CGR_X
	    CGR_ITEM_COUNT
};

enum cgr_timer_function {
	CGR_TIMER_OTHER,
	CGR_TIMER_HRTIMER_WAKEUP,
	CGR_TIMER_TICK,
	CGR_TIMER_CFS_PERIOD,
	CGR_TIMER_CFS_SLACK,
	CGR_TIMER_POSIX,
	CGR_TIMER_TIMERFD,
	CGR_TIMER_ITIMER
};

#define CGR_ID_NONE 0xffffffffu
const char *cgr_event_kind_name(unsigned kind);
const char *cgr_mem_item_name(unsigned item);
const char *cgr_charge_kind_name(unsigned kind);
#endif
