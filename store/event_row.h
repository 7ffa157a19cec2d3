/* One event as a record of its table. Private to store/. */
#ifndef CGR_STORE_EVENT_ROW_H
#define CGR_STORE_EVENT_ROW_H

#include "store/btree.h"
#include "store/schema.h"

void cgr_event_row(const struct cgr_event_table *table, const struct cgr_event *event, uint64_t id,
                   const struct cgr_sched_derived *derived, struct cgr_record *ret_record);

#endif
