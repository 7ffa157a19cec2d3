/* Where a recording is written: one file, or numbered segments. */
#ifndef CGR_CAPTURE_ROTATE_H
#define CGR_CAPTURE_ROTATE_H

#include "capture/session.h"

/* The journal of the first or only segment, and its layout. */
int cgr_rotate_open(struct cgr_session *s, struct cgr_error *reterr);
/* After facts and first snapshot: CGR_E_USAGE when segments could hold little else. */
int cgr_rotate_check(struct cgr_session *s, struct cgr_error *reterr);
/* Goes on with the next segment when the present one is full. */
int cgr_rotate_if_due(struct cgr_session *s, struct cgr_error *reterr);
/* With --max-size: nothing more may go into the present segment. */
bool cgr_rotate_is_full(struct cgr_session *s);
/* Waits for the segment that is being put into form; the error there was. */
int cgr_rotate_settle(struct cgr_session *s, struct cgr_error *reterr);
/* The last or only segment, summarised before, becomes its final file. */
int cgr_rotate_finish(struct cgr_session *s, struct cgr_error *reterr);
/* Closes and frees; the journal's file stays when `keep`. NULL is fine. */
void cgr_segment_free(struct cgr_segment *segment, bool keep);

#endif
