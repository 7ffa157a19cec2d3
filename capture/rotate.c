/* A recording in segments: each is a whole trace.dat, and per CPU the pages of one follow those of the one before.
 * On disk at a time, at most: the finished segments, the full one twice (as it grew, and in its final form), and the
 * one that grows. --max-size bounds them together. */
#include "capture/rotate.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "capture/snapshot.h"
#include "common/units.h"
#include "common/util.h"

/* How long the cut waits for readers and sampler; a machine too busy for that cuts less sharply. */
#define CUT_MS 1000

void cgr_segment_free(struct cgr_segment *segment, bool keep)
{
	if (segment == NULL)
		return;
	cgr_journal_close(&segment->journal, !keep);
	cgr_td_fini(&segment->more);
	json_decref(segment->names);
	free(segment->output);
	free(segment);
}

static int open_segment(struct cgr_session *s, unsigned number, struct cgr_segment **ret, struct cgr_error *reterr)
{
	struct cgr_segment *segment = cgr_calloc(1, sizeof(*segment));

	*ret = segment;
	if (segment == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for a segment");
	segment->journal.fd = -1;
	segment->number = number;
	segment->output = number == 0 ? cgr_strdup(s->options->output) : cgr_segment_name(s->options->output, number);
	if (segment->output == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for a segment");
	return cgr_journal_open(&segment->journal, segment->output, s->instance.page_bytes, s->options->notes, reterr);
}

static uint64_t left_of(uint64_t whole, uint64_t part)
{
	return whole > part ? whole - part : 0;
}

/* Makes room for `more` bytes under --max-size. */
static int make_room(struct cgr_session *s, uint64_t more, struct cgr_error *reterr)
{
	if (s->options->max_bytes <= 0)
		return 0;
	return cgr_segment_set_trim(&s->set, left_of((uint64_t)s->options->max_bytes, more), reterr);
}

int cgr_rotate_open(struct cgr_session *s, struct cgr_error *reterr)
{
	struct timespec now;
	unsigned number = 0;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	s->trace_id = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec + ((uint64_t)getpid() << 48);
	(void)snprintf(s->recording, sizeof(s->recording), "%016llx", (unsigned long long)s->trace_id);
	if (s->options->segment_bytes > 0) {
		CGR_TRY(cgr_segment_set_load(&s->set, s->options->output, reterr));
		CGR_TRY(make_room(s, 3 * (uint64_t)s->options->segment_bytes, reterr));
		number = s->set.next;
	}
	CGR_TRY(open_segment(s, number, &s->segment, reterr));
	return cgr_describe_layout(s, s->segment, reterr);
}

int cgr_rotate_check(struct cgr_session *s, struct cgr_error *reterr)
{
	uint64_t base = cgr_journal_described(&s->segment->journal), least = 2 * base + (256u << 10);
	char text[2][32];

	s->segment->base_bytes = base;
	if (s->options->segment_bytes <= 0 || (uint64_t)s->options->segment_bytes >= least)
		return 0;
	return cgr_error_set(reterr, CGR_E_USAGE,
	                     "segments of %s are too small here: what describes this machine takes %s in each; give "
	                     "--segment at least %llu (and --max-size four times that)",
	                     cgr_format_bytes(s->options->segment_bytes, text[0], sizeof(text[0])),
	                     cgr_format_bytes((int64_t)base, text[1], sizeof(text[1])), (unsigned long long)least);
}

static void *finish_main(void *context)
{
	struct cgr_finisher *f = context;
	struct cgr_segment *segment = f->segment;

	f->code = cgr_journal_finish(&segment->journal, segment->output, f->cpus, f->clock, &segment->more, &f->error);
	cgr_journal_close(&segment->journal, f->code == 0);
	atomic_store(&f->done, true);
	return NULL;
}

/* The segment goes over to the finisher in any case. */
static int start_finisher(struct cgr_session *s, struct cgr_segment *segment, struct cgr_error *reterr)
{
	sigset_t all, before;

	s->finisher = (struct cgr_finisher){
		.segment = segment, .bytes = cgr_journal_bytes(&segment->journal), .cpus = s->ring.count, .clock = s->clock.name
	};
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	errno = pthread_create(&s->finisher.thread, NULL, finish_main, &s->finisher);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	s->finisher.running = errno == 0;
	if (s->finisher.running)
		return 0;
	int rc = cgr_error_errno(reterr, CGR_E_INTERNAL, "cannot start a thread to finish %s", segment->output);
	cgr_segment_free(segment, true);
	return rc;
}

int cgr_rotate_settle(struct cgr_session *s, struct cgr_error *reterr)
{
	struct cgr_finisher *f = &s->finisher;

	if (!f->running)
		return 0;
	(void)pthread_join(f->thread, NULL);
	f->running = false;
	int rc = f->code;
	if (rc < 0 && reterr != NULL)
		*reterr = f->error;
	if (rc == 0)
		rc = cgr_segment_set_add(&s->set, f->segment->number, f->segment->output, reterr);
	cgr_segment_free(f->segment, true);
	f->segment = NULL;
	return rc;
}

/* Old and new get the same snapshot, as end and as start. */
static int write_snapshots(struct cgr_segment *old, struct cgr_segment *next, json_t *snapshot,
                           struct cgr_error *reterr)
{
	json_t *last = json_copy(snapshot);

	(void)json_object_set_new(last, "when", json_string("end"));
	int rc = cgr_journal_json(&old->journal, CGR_TD_SNAPSHOT, last, reterr);
	cgr_summary_names(next, snapshot);
	if (rc == 0)
		rc = cgr_journal_json(&next->journal, CGR_TD_SNAPSHOT, json_incref(snapshot), reterr);
	next->base_bytes = cgr_journal_described(&next->journal);
	return rc;
}

bool cgr_rotate_is_full(struct cgr_session *s)
{
	uint64_t segment = (uint64_t)s->options->segment_bytes;

	return s->options->max_bytes > 0 &&
	       cgr_journal_bytes(&s->segment->journal) > CGR_MAX(segment, 2 * s->segment->base_bytes) + segment / 8;
}

/* From here on everything goes to `next`; returns what was written to before. */
static struct cgr_segment *cut(struct cgr_session *s, struct cgr_segment *next)
{
	/* readers that wait for the next segment cannot put what they have into this one */
	cgr_ring_flush(&s->ring, cgr_rotate_is_full(s) ? 0 : CUT_MS);
	cgr_sampler_retell(&s->sampler, CUT_MS);
	(void)pthread_rwlock_wrlock(&s->segment_lock);
	struct cgr_segment *old = s->segment;
	s->segment = next;
	(void)pthread_rwlock_unlock(&s->segment_lock);
	old->stop_ns = cgr_mono_ns();
	return old;
}

static int rotate(struct cgr_session *s, struct cgr_error *reterr)
{
	struct cgr_segment *next;
	int rc = open_segment(s, s->segment->number + 1, &next, reterr);

	if (rc == 0)
		rc = cgr_describe_layout(s, next, reterr);
	if (rc == 0) {
		next->start_ns = cgr_mono_ns();
		rc = cgr_describe_facts(s, next, reterr);
	}
	cgr_clock_look(&s->clock);
	if (rc == 0)
		rc = cgr_clock_write(&s->clock, &next->journal, reterr);
	if (rc < 0) {
		cgr_segment_free(next, false);
		return rc;
	}
	json_t *snapshot = cgr_snapshot_json(&s->fs, "start");
	struct cgr_segment *old = cut(s, next);
	cgr_clock_look(&s->clock);
	rc = cgr_clock_write(&s->clock, &old->journal, reterr);
	if (rc == 0)
		rc = write_snapshots(old, next, snapshot, reterr);
	if (rc == 0)
		rc = cgr_summarise(s, old, snapshot, reterr);
	json_decref(snapshot);
	if (rc < 0) {
		cgr_segment_free(old, true);
		return rc;
	}
	return start_finisher(s, old, reterr);
}

int cgr_rotate_if_due(struct cgr_session *s, struct cgr_error *reterr)
{
	if (s->segment->number == 0)
		return 0;
	if (atomic_load(&s->finisher.done))
		CGR_TRY(cgr_rotate_settle(s, reterr));
	uint64_t bytes = cgr_journal_bytes(&s->segment->journal), segment = (uint64_t)s->options->segment_bytes;
	uint64_t full = s->finisher.running ? s->finisher.bytes : 0;
	/* a burst may have made this one bigger than foreseen */
	CGR_TRY(make_room(s, 2 * full + bytes + segment / 2, reterr));
	if (bytes < CGR_MAX(segment, 2 * s->segment->base_bytes))
		return 0;
	CGR_TRY(cgr_rotate_settle(s, reterr));
	CGR_TRY(make_room(s, 2 * bytes + segment, reterr));
	return rotate(s, reterr);
}

int cgr_rotate_finish(struct cgr_session *s, struct cgr_error *reterr)
{
	struct cgr_segment *last = s->segment;

	CGR_TRY(cgr_rotate_settle(s, reterr));
	if (last->number > 0)
		CGR_TRY(make_room(s, 2 * cgr_journal_bytes(&last->journal), reterr));
	CGR_TRY(cgr_journal_finish(&last->journal, last->output, s->cpus, s->clock.name, &last->more, reterr));
	return last->number == 0 ? 0 : cgr_segment_set_add(&s->set, last->number, last->output, reterr);
}
