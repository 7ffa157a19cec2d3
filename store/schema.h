/* The schema of the event store as data: from these tables come the DDL, the row writer, the check that rows and
 * stream agree, the columns of `export`, and the test of docs/schema.md. Private to store/ and cli's info/sql. */
#ifndef CGR_STORE_SCHEMA_H
#define CGR_STORE_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/event.h"

#define CGR_STORE_APPLICATION_ID 0x63677265 /* "cgre" */
#define CGR_RESULTS_APPLICATION_ID 0x63677272 /* "cgrr" */
#define CGR_TIME_INDEX_STEP 256u /* events per row of time_index */

/* Where a column of an event table takes its value from. */
enum cgr_value {
	CGR_V_ID, /* number of the event in the stream, from 1 */
	CGR_V_TS,
	CGR_V_CPU,
	CGR_V_KIND,
	CGR_V_FLAGS,
	CGR_V_TASK,
	CGR_V_A,
	CGR_V_B,
	CGR_V_C,
	CGR_V_D,
	CGR_V_A_NZ, /* a, NULL when 0 */
	CGR_V_A_LOW,
	CGR_V_A_HIGH, /* 32 bits each */
	CGR_V_B_LOW,
	CGR_V_B_HIGH,
	CGR_V_C_LOW8,
	CGR_V_C_BIT8,
	CGR_V_D_LOW,
	CGR_V_D_HIGH, /* 16 bits each */
	CGR_V_A_ID,
	CGR_V_B_ID,
	CGR_V_C_ID,
	CGR_V_D_ID, /* dense ids: NULL for CGR_ID_NONE */
	CGR_V_SIGNED_B, /* negative for CGR_EV_UNCHARGE */
	CGR_V_RUN, /* derived, see sched.h: ns the previous task had been on the CPU */
	CGR_V_WAIT, /* derived: ns the next task had been runnable */
	CGR_V_WAKE, /* derived: id of the sched_wakeup row that made it runnable */
};

struct cgr_event_column {
	const char *name;
	uint8_t value; /* enum cgr_value */
	uint64_t kinds; /* NULL for other kinds; 0 = all kinds of the table */
	const char *reference; /* "task(id)" or NULL */
};

struct cgr_event_table {
	const char *name;
	uint64_t kinds; /* which events it holds */
	bool keep_when_lean; /* low volume: written by --lean as well */
	const struct cgr_event_column *column;
	unsigned columns;
};

extern const struct cgr_event_table cgr_event_tables[];
extern const unsigned cgr_event_table_count;
/* Index of the table that holds a kind. Every kind has one. */
unsigned cgr_event_table_of(unsigned kind);

/* CREATE TABLE text of an event table; name overrides its name. Caller frees. NULL: out of memory. */
char *cgr_event_table_ddl(const struct cgr_event_table *table, const char *name);

struct cgr_schema_object {
	const char *type, *name, *sql;
};
extern const struct cgr_schema_object cgr_schema_tables[]; /* small tables and indices, ends with a NULL name */
/* Names of what has a row in table_digest: the definitions and all tables but itself and the event tables; NULL at the
 * end. */
const char *cgr_schema_digested(unsigned index);
/* Views: name, one line of help, and SQL (caller frees; NULL: out of memory), for index 0 .. count - 1. */
size_t cgr_schema_view_count(void);
const char *cgr_schema_view_name(size_t index);
const char *cgr_schema_view_help(size_t index);
char *cgr_schema_view_sql(size_t index);

/* Values of the derived columns at one event. */
struct cgr_sched_derived {
	int64_t run_ns; /* -1 unknown */
	int64_t wait_ns; /* -1 unknown or none */
	uint64_t wake; /* 0 none */
};
/* Value of a column; false = NULL. */
bool cgr_event_value(const struct cgr_event_column *column, const struct cgr_event *event, uint64_t id,
                     const struct cgr_sched_derived *derived, int64_t *ret_value);

#endif
