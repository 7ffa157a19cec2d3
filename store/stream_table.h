/* The packed stream as SQL tables, with the columns and values of the event tables. Private to store/. */
#ifndef CGR_STORE_STREAM_TABLE_H
#define CGR_STORE_STREAM_TABLE_H

#include "store/db.h"
#include "store/store.h"

/* Makes a temporary table for every event table that a lean store leaves empty; it hides the empty one from
 * queries. store must outlive db. */
int cgr_stream_tables_make(const struct cgr_db *db, const struct cgr_store *store, struct cgr_error *reterr);

#endif
