#include "capture/clock.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "capture/procfile.h"
#include "capture/snapshot.h"
#include "common/util.h"

#define MONO "mono"
#define COUNTER "x86-tsc"
#define CLOCKSOURCE "/sys/devices/system/clocksource/clocksource0/current_clocksource"
#define PAIR_NS 200000000
/* Pairs reach the file this often, and earlier the younger the recording: a kill leaves what the line through those
 * before it is still good for. */
#define WRITE_NS 2000000000
#define KEEP_NS 1000000000
#define SUSPEND_NS 10000000
#define TRIES 5

#ifdef __x86_64__
#include <x86intrin.h>

/* As the kernel's own clocks read it: not before what stands before it is done (rdtsc_ordered). */
static uint64_t read_counter(void *context)
{
	(void)context;
	_mm_lfence();
	return __rdtsc();
}

static bool may_read_counter(void)
{
	int mode = 0;

	return prctl(PR_GET_TSC, &mode) == 0 && mode == PR_TSC_ENABLE;
}
#else
static uint64_t read_counter(void *context)
{
	(void)context;
	return 0;
}

static bool may_read_counter(void)
{
	return false;
}
#endif

/* With `tsc` as its clock source the kernel has found the counter to run at one rate and alike on all CPUs, and goes on
 * to watch it. Under a paravirtual source (kvm-clock) it may be scaled anew when the machine moves. */
static bool is_kernels_clock(void *context)
{
	char line[256];

	(void)context;
	return cgr_procfile_line(AT_FDCWD, CLOCKSOURCE, line, sizeof(line)) && strcmp(line, "tsc") == 0;
}

static int64_t read_mono_ns(void *context)
{
	(void)context;
	return cgr_mono_ns();
}

static int64_t read_boot_ns(void *context)
{
	struct timespec boot;

	(void)context;
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	return (int64_t)boot.tv_sec * 1000000000 + boot.tv_nsec;
}

static const struct cgr_clock_reader machine = { read_counter, read_mono_ns, read_boot_ns, is_kernels_clock, NULL };

static const struct cgr_clock_reader *reader_of(const struct cgr_clock *clock)
{
	return clock->reader != NULL ? clock->reader : &machine;
}

static bool is_counter_sound(const char *tracefs)
{
	char path[512], line[256];

	(void)snprintf(path, sizeof(path), "%s/trace_clock", tracefs);
	return may_read_counter() && is_kernels_clock(NULL) && cgr_procfile_line(AT_FDCWD, path, line, sizeof(line)) &&
	       strstr(line, COUNTER) != NULL;
}

void cgr_clock_choose(struct cgr_clock *clock, const char *tracefs)
{
	bool counts = is_counter_sound(tracefs);

	*clock = (struct cgr_clock){ .name = counts ? COUNTER : MONO, .counts = counts };
}

/* The tightest of a few: an interrupt may come between the readings. */
static struct cgr_clock_pair read_pair(const struct cgr_clock_reader *read)
{
	struct cgr_clock_pair best = { 0 };
	uint64_t narrowest = UINT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = read->count(read->context);
		int64_t now = read->mono_ns(read->context);
		uint64_t width = read->count(read->context) - before;
		if (width < narrowest) {
			narrowest = width;
			best = (struct cgr_clock_pair){ .count = before + width / 2, .mono_ns = now };
		}
	}
	return best;
}

/* How long the machine was suspended. The least of a few: what comes between the readings makes it longer. */
static int64_t read_slept_ns(const struct cgr_clock_reader *read)
{
	int64_t least = INT64_MAX;

	for (int i = 0; i < TRIES; i++) {
		int64_t mono = read->mono_ns(read->context);
		least = CGR_MIN(least, read->boot_ns(read->context) - mono);
	}
	return least;
}

/* Without memory there is no pair now: the line between the others is a little longer. */
void cgr_clock_look(struct cgr_clock *clock)
{
	if (!clock->counts ||
	    cgr_grow((void **)&clock->pair, &clock->capacity, clock->pairs + 1, sizeof(*clock->pair), NULL) < 0)
		return;
	const struct cgr_clock_pair pair = read_pair(reader_of(clock));
	int64_t slept = read_slept_ns(reader_of(clock));
	bool anew = clock->pairs > 0 && pair.count < clock->pair[clock->pairs - 1].count;
	clock->restarts += anew;
	clock->suspends += clock->pairs > 0 && slept - clock->slept_ns > SUSPEND_NS;
	clock->slept_ns = slept;
	clock->pair[clock->pairs++] = pair;
	if (anew || clock->first.mono_ns == 0)
		clock->first = pair;
}

static const char *trouble_of(const struct cgr_clock *clock, enum cgr_clock_trouble trouble)
{
	if (trouble == CGR_CLOCK_GIVEN_UP && clock->given_up)
		return "the kernel found the time stamp counter, which events are stamped with, unreliable meanwhile (see "
		       "dmesg): times may be wrong";
	if (trouble == CGR_CLOCK_RESTARTED && clock->restarts > 0)
		return "the machine was suspended meanwhile, and the counter that events are stamped with began anew: import "
		       "joins the parts, other programs show wrong times before that";
	/* a restart is one of them, and its text says so */
	if (trouble == CGR_CLOCK_SUSPENDED && clock->suspends > clock->restarts)
		return "the machine was suspended meanwhile: that time is no part of the recording";
	return NULL;
}

const char *cgr_clock_check(struct cgr_clock *clock, enum cgr_clock_trouble trouble)
{
	clock->given_up = clock->given_up || (clock->counts && !reader_of(clock)->is_kernels(reader_of(clock)->context));
	return trouble_of(clock, trouble);
}

static int64_t last_ns(const struct cgr_clock *clock)
{
	return clock->pairs > 0 ? clock->pair[clock->pairs - 1].mono_ns : 0;
}

bool cgr_clock_tick(struct cgr_clock *clock)
{
	int64_t now = reader_of(clock)->mono_ns(reader_of(clock)->context);
	unsigned restarts = clock->restarts;

	if (!clock->counts || now - last_ns(clock) < PAIR_NS)
		return false;
	cgr_clock_look(clock);
	if (clock->restarts > restarts) /* nothing else tells the times behind that */
		return true;
	return now - clock->written_ns >= CGR_MIN((int64_t)WRITE_NS, clock->written_ns - clock->first.mono_ns);
}

void cgr_clock_body(const struct cgr_clock *clock, struct cgr_td_bytes *body)
{
	for (size_t i = 0; i < clock->pairs; i++) {
		cgr_td_append_u64(body, clock->pair[i].count);
		cgr_td_append_u64(body, (uint64_t)clock->pair[i].mono_ns);
	}
}

int cgr_clock_write(const struct cgr_clock *clock, struct cgr_journal *journal, struct cgr_error *reterr)
{
	struct cgr_td_bytes body = { 0 };

	if (!clock->counts)
		return 0;
	cgr_clock_body(clock, &body);
	int rc = body.failed ? cgr_error_set(reterr, CGR_E_NOMEM, "%s: no memory for the clock", journal->path)
	                     : cgr_journal_section(journal, CGR_TD_CLOCK, body.data, body.length, reterr);
	cgr_td_fini(&body);
	return rc;
}

void cgr_clock_written(struct cgr_clock *clock)
{
	size_t gone = 0;

	clock->written_ns = last_ns(clock);
	while (gone + 1 < clock->pairs && clock->pair[gone + 1].mono_ns <= clock->written_ns - KEEP_NS)
		gone++;
	clock->pairs -= gone;
	if (gone > 0)
		memmove(clock->pair, clock->pair + gone, clock->pairs * sizeof(*clock->pair));
}

void cgr_clock_options(const struct cgr_clock *clock, struct cgr_td_bytes *options)
{
	uint8_t body[16] = { 0 };
	uint32_t shift = 32;

	if (!clock->counts || clock->pairs == 0)
		return;
	const struct cgr_clock_pair *first = &clock->first, *last = &clock->pair[clock->pairs - 1];
	if (last->count <= first->count || last->mono_ns <= first->mono_ns)
		return; /* one reading is no line */
	unsigned __int128 ns = (unsigned __int128)(last->mono_ns - first->mono_ns);
	uint64_t counts = last->count - first->count;
	while (shift > 0 && (ns << shift) / counts > UINT32_MAX)
		shift--;
	uint64_t mult = (uint64_t)((ns << shift) / counts);
	int64_t offset = last->mono_ns - (int64_t)(((unsigned __int128)last->count * mult) >> shift);
	cgr_td_put_u32(body, (uint32_t)mult);
	cgr_td_put_u32(body + 4, shift);
	cgr_td_append_option(options, CGR_TD_TSC2NSEC, body, sizeof(body));
	char *text = cgr_printf("%" PRId64, offset);
	if (text != NULL)
		cgr_td_append_option(options, CGR_TD_OFFSET, text, (uint32_t)strlen(text) + 1);
	free(text);
}

void cgr_clock_fini(struct cgr_clock *clock)
{
	free(clock->pair);
	*clock = (struct cgr_clock){ 0 };
}
