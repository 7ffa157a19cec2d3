#include "replay/sweep.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/units.h"
#include "common/util.h"
#include "replay/scenario_file.h"

#define POINTS_MAX 100000
/* How far workers may run ahead of what was delivered: bounds the results held in memory. */
#define AHEAD_PER_THREAD 8u

void cgr_axis_fini(struct cgr_axis *axis)
{
	for (size_t i = 0; i < axis->count; i++)
		free(axis->value[i]);
	free(axis->value);
	free(axis->cgroup);
	free(axis->knob);
	*axis = (struct cgr_axis){ 0 };
}

static int add_value(struct cgr_axis *axis, size_t *capacity, char *text, struct cgr_error *reterr)
{
	if (!text || cgr_grow((void **)&axis->value, capacity, axis->count + 1, sizeof *axis->value, reterr) < 0) {
		free(text);
		return cgr_error_set(reterr, CGR_E_NOMEM, "--vary");
	}
	axis->value[axis->count++] = text;
	return 0;
}

static int add_list(struct cgr_axis *axis, const char *list, struct cgr_error *reterr)
{
	size_t capacity = 0;

	while (*list) {
		size_t length = strcspn(list, ",");

		if (!length)
			return cgr_error_set(reterr, CGR_E_USAGE, "an empty value in the list");
		CGR_TRY(add_value(axis, &capacity, cgr_printf("%.*s", (int)length, list), reterr));
		list += length + (list[length] == ',');
	}
	return axis->count ? 0 : cgr_error_set(reterr, CGR_E_USAGE, "no values");
}

/* Fixed-point steps: the same on every machine, whatever its libm. Ratio steps by repeated integer roots would drift,
 * so they are taken from the 64-bit double pow and rounded to a page or a microsecond, far above its error. */
static int64_t step_value(int64_t low, int64_t high, int64_t i, int64_t n, bool ratio, bool bytes)
{
	int64_t value = low;

	if (n > 1 && ratio)
		value = (int64_t)llround((double)low * pow((double)high / (double)low, (double)i / (double)(n - 1)));
	else if (n > 1)
		value = low + (int64_t)((__int128)(high - low) * i / (n - 1));
	return bytes ? value / CGR_PAGE_BYTES * CGR_PAGE_BYTES : value;
}

/* "20%" or "500m" of a CPU, as --set takes them: what stands behind the number, cut off it. 0: nothing. */
static int cut_unit(const char *knob, char *number, char *ret_unit, struct cgr_error *reterr)
{
	size_t length = strlen(number);
	char last = length > 0 ? number[length - 1] : '\0';

	*ret_unit = 0;
	if (strcmp(cgr_knob_canonical(knob), "cpu.max") != 0 || (last != '%' && last != 'm'))
		return 0;
	*ret_unit = last;
	number[length - 1] = '\0';
	return number[0] ? 0 : cgr_error_set(reterr, CGR_E_USAGE, "a number is missing before '%c'", last);
}

static int range_ends(const char *knob, bool bytes, char *low_text, char *high_text, int64_t *low, int64_t *high,
                      char *ret_unit, struct cgr_error *reterr)
{
	char high_unit;

	if (bytes) {
		CGR_TRY(cgr_parse_bytes(low_text, low, reterr));
		*ret_unit = 0;
		return cgr_parse_bytes(high_text, high, reterr);
	}
	CGR_TRY(cut_unit(knob, low_text, ret_unit, reterr));
	CGR_TRY(cut_unit(knob, high_text, &high_unit, reterr));
	if (*ret_unit != high_unit)
		return cgr_error_set(reterr, CGR_E_USAGE, "both ends of a range need one unit, as in 20%%..80%%/4");
	CGR_TRY(cgr_parse_int(low_text, 1, INT64_MAX / 2, low, reterr));
	return cgr_parse_int(high_text, 1, INT64_MAX / 2, high, reterr);
}

static int add_range(struct cgr_axis *axis, const char *text, const char *dots, const char *slash,
                     struct cgr_error *reterr)
{
	bool bytes = !strncmp(axis->knob, "memory", 6), ratio = slash[1] == 'x';
	char unit[2] = "";
	char *low_text = cgr_printf("%.*s", (int)(dots - text), text);
	char *high_text = cgr_printf("%.*s", (int)(slash - dots - 2), dots + 2);
	int64_t low = 0, high = 0, n = 0, previous = -1;
	size_t capacity = 0;
	int rc = low_text && high_text ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "--vary");

	if (rc >= 0)
		rc = range_ends(axis->knob, bytes, low_text, high_text, &low, &high, unit, reterr);
	if (rc >= 0)
		rc = cgr_parse_int(slash + 1 + ratio, 2, POINTS_MAX, &n, reterr);
	if (rc >= 0 && (low <= 0 || low >= high || high == CGR_UNLIMITED))
		rc = cgr_error_set(reterr, CGR_E_USAGE, "a range goes from a smaller to a larger number");
	for (int64_t i = 0; i < n && rc >= 0; i++) {
		int64_t value = step_value(low, high, i, n, ratio, bytes);

		if (value != previous)
			rc = add_value(axis, &capacity, cgr_printf("%" PRId64 "%s", value, unit), reterr);
		previous = value;
	}
	free(low_text);
	free(high_text);
	return rc;
}

int cgr_axis_parse(const char *text, struct cgr_axis *axis, struct cgr_error *reterr)
{
	const char *equals = strchr(text, '='), *colon = NULL, *dots, *slash;
	int rc;

	*axis = (struct cgr_axis){ 0 };
	for (const char *p = text; equals && p < equals; p++)
		if (*p == ':')
			colon = p;
	if (!equals || !colon || colon == text || !equals[1])
		return cgr_error_set(
		    reterr, CGR_E_USAGE,
		    "--vary '%s': expected CGROUP:KNOB=A..B/N, e.g. '/web:memory.max=64M..1G/32', or a list A,B,C", text);
	axis->cgroup = cgr_printf("%.*s", (int)(colon - text), text);
	axis->knob = cgr_printf("%.*s", (int)(equals - colon - 1), colon + 1);
	if (!axis->cgroup || !axis->knob)
		return cgr_error_set(reterr, CGR_E_NOMEM, "--vary");
	dots = strstr(equals + 1, "..");
	slash = dots ? strchr(dots, '/') : NULL;
	rc = dots && slash ? add_range(axis, equals + 1, dots, slash, reterr)
	     : dots        ? cgr_error_set(reterr, CGR_E_USAGE, "a range needs the number of values: A..B/N")
	                   : add_list(axis, equals + 1, reterr);
	return rc < 0 ? cgr_error_cause(reterr, "--vary '%s'", text) : 0;
}

/* ---- the grid ---- */
static int make_point(const struct cgr_scenario *base, const struct cgr_axis *axis, size_t axes, size_t index,
                      struct cgr_scenario *s, struct cgr_error *reterr)
{
	struct cgr_strbuf name = { 0 };
	size_t divisor = 1;

	CGR_TRY(cgr_scenario_copy(s, base, reterr));
	for (size_t a = 1; a < axes; a++)
		divisor *= axis[a].count;
	for (size_t a = 0; a < axes; a++) {
		const char *value = axis[a].value[index / divisor % axis[a].count];

		CGR_TRY(cgr_scenario_add(s, axis[a].cgroup, axis[a].knob, value, 0, "--vary", reterr));
		cgr_strbuf_printf(&name, "%s%s:%s=%s", a ? " " : "", axis[a].cgroup, axis[a].knob, value);
		if (a + 1 < axes)
			divisor /= axis[a + 1].count;
	}
	s->point = (int64_t)index;
	free(s->name);
	s->name = name.failed ? NULL : name.text;
	return s->name ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "sweep");
}

int cgr_sweep_scenarios(const struct cgr_scenario *base, const struct cgr_axis *axis, size_t axes,
                        struct cgr_scenario **ret_scenarios, size_t *ret_count, struct cgr_error *reterr)
{
	size_t total = 1;
	struct cgr_scenario *list;
	int rc = 0;

	for (size_t a = 0; a < axes; a++)
		if (__builtin_mul_overflow(total, axis[a].count, &total) || total > CGR_LIMIT_SCENARIOS)
			return cgr_error_set(reterr, CGR_E_LIMIT, "a sweep of more than %u points", CGR_LIMIT_SCENARIOS);
	list = cgr_calloc(total, sizeof *list);
	if (!list)
		return cgr_error_set(reterr, CGR_E_NOMEM, "sweep of %zu points", total);
	for (size_t i = 0; i < total && rc >= 0; i++)
		rc = make_point(base, axis, axes, i, &list[i], reterr);
	if (rc < 0) {
		cgr_scenarios_free(list, total);
		return rc;
	}
	*ret_scenarios = list;
	*ret_count = total;
	return 0;
}

/* ---- running it ---- */
enum point_state { POINT_WAITING, POINT_DONE, POINT_SKIPPED };
struct sweep {
	const struct cgr_store *store;
	const struct cgr_programs *programs;
	const struct cgr_scenario *scenario;
	size_t count, next, delivered, ahead;
	const struct cgr_sweep_options *options;
	struct cgr_result **result;
	uint8_t *state;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct cgr_error error;
	int failed;
};

/* The next point nobody has taken, or SIZE_MAX: none left, or too far ahead of what was delivered. With the lock held.
 */
static size_t take(struct sweep *w)
{
	while (w->next < w->count && w->state[w->next] != POINT_WAITING)
		w->next++;
	return w->next < w->count && w->next < w->delivered + w->ahead ? w->next++ : SIZE_MAX;
}

/* Replays one point; called and left with the lock held. */
static void replay_point(struct sweep *w, size_t i)
{
	struct cgr_run_options run = { .threads = 1, .series = true, .command = w->options->command };
	struct cgr_error error = { 0 };
	int rc;

	run.fidelity = run.curves = w->scenario[i].point <= 0; /* once per sweep: they do not depend on the point */
	pthread_mutex_unlock(&w->lock);
	rc = cgr_replay(w->store, w->programs, &w->scenario[i], &run, &w->result[i], &error);
	pthread_mutex_lock(&w->lock);
	w->state[i] = POINT_DONE;
	if (rc < 0 && !w->failed) {
		w->failed = rc;
		w->error = error;
	}
	pthread_cond_broadcast(&w->changed);
}

static void *worker(void *data)
{
	struct sweep *w = data;

	pthread_mutex_lock(&w->lock);
	while (!w->failed) {
		size_t i = take(w);

		if (i != SIZE_MAX)
			replay_point(w, i);
		else if (w->next >= w->count)
			break;
		else
			pthread_cond_wait(&w->changed, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Hands the next result over; called and left with the lock held. */
static void deliver_one(struct sweep *w)
{
	size_t i = w->delivered;
	int rc = 0;

	pthread_mutex_unlock(&w->lock);
	if (w->result[i])
		rc = w->options->deliver(w->options->data, w->result[i], &w->error);
	w->result[i] = cgr_result_free(w->result[i]);
	cgr_progress_update(w->options->progress, "sweeping", i + 1, w->count, "runs");
	pthread_mutex_lock(&w->lock);
	w->delivered++;
	if (rc < 0 && !w->failed)
		w->failed = rc;
	pthread_cond_broadcast(&w->changed);
}

/* The calling thread: delivers in order, so that the outcome does not depend on the number of threads, and replays
 * while there is nothing to deliver, so that N threads are N and not one more. */
static void deliver_all(struct sweep *w)
{
	pthread_mutex_lock(&w->lock);
	while (w->delivered < w->count && !w->failed) {
		size_t i;

		if (w->state[w->delivered] != POINT_WAITING)
			deliver_one(w);
		else if ((i = take(w)) != SIZE_MAX)
			replay_point(w, i);
		else
			pthread_cond_wait(&w->changed, &w->lock);
	}
	pthread_mutex_unlock(&w->lock);
}

static int mark_there(struct sweep *w, struct cgr_error *reterr)
{
	for (size_t i = 0; i < w->count && w->options->have; i++) {
		char *json = NULL;

		CGR_TRY(cgr_scenario_key(w->store, &w->scenario[i], &json, reterr));
		if (w->options->have(w->options->data, w->scenario[i].name, json))
			w->state[i] = POINT_SKIPPED;
		free(json);
	}
	return 0;
}

int cgr_sweep_run(const struct cgr_store *store, const struct cgr_programs *programs,
                  const struct cgr_scenario *scenarios, size_t count, const struct cgr_sweep_options *options,
                  struct cgr_error *reterr)
{
	struct sweep w = {
		.store = store, .programs = programs, .scenario = scenarios, .count = count, .options = options
	};
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	uint32_t threads = options->threads ? options->threads : online > 0 ? (uint32_t)online : 1, started = 0;
	pthread_t thread[64];
	int rc;

	threads = CGR_MIN(threads, 64u);
	w.ahead = (size_t)threads * AHEAD_PER_THREAD;
	w.result = cgr_calloc(count, sizeof *w.result);
	w.state = cgr_calloc(count, sizeof *w.state);
	rc = w.result && w.state ? mark_there(&w, reterr) : cgr_error_set(reterr, CGR_E_NOMEM, "sweep");
	pthread_mutex_init(&w.lock, NULL);
	pthread_cond_init(&w.changed, NULL);
	while (rc >= 0 && started + 1 < threads && pthread_create(&thread[started], NULL, worker, &w) == 0)
		started++;
	if (rc >= 0)
		deliver_all(&w);
	while (started)
		pthread_join(thread[--started], NULL);
	cgr_progress_finish(options->progress);
	pthread_cond_destroy(&w.changed);
	pthread_mutex_destroy(&w.lock);
	for (size_t i = 0; w.result && i < count; i++)
		cgr_result_free(w.result[i]);
	free(w.result);
	free(w.state);
	if (rc >= 0 && w.failed) {
		rc = w.failed;
		if (reterr)
			*reterr = w.error;
	}
	return rc;
}
