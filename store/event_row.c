#include "store/event_row.h"

void cgr_event_row(const struct cgr_event_table *table, const struct cgr_event *event, uint64_t id,
                   const struct cgr_sched_derived *derived, struct cgr_record *ret_record)
{
	cgr_record_begin(ret_record);
	cgr_record_null(ret_record); /* the id is the row's key */
	for (unsigned c = 1; c < table->columns; c++) {
		int64_t value;

		if (cgr_event_value(&table->column[c], event, id, derived, &value))
			cgr_record_integer(ret_record, value);
		else
			cgr_record_null(ret_record);
	}
}
