#include "capture/flight.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "capture/jsontext.h"
#include "capture/procfile.h"
#include "capture/snapshot.h"
#include "common/clockmap.h"
#include "common/limits.h"
#include "common/optparse.h"
#include "common/units.h"
#include "common/util.h"

#define THROTTLE_PERCENT 10

void cgr_flight_init(struct cgr_flight *flight, uint64_t limit_bytes)
{
	*flight = (struct cgr_flight){ .limit_bytes = limit_bytes };
	(void)pthread_mutex_init(&flight->lock, NULL);
}

void cgr_flight_fini(struct cgr_flight *flight)
{
	for (size_t i = 0; i < flight->count; i++)
		free(flight->item[(flight->first + i) % flight->capacity].data);
	free(flight->item);
	free(flight->base.data);
	if (flight->limit_bytes > 0)
		(void)pthread_mutex_destroy(&flight->lock);
	*flight = (struct cgr_flight){ 0 };
}

static void evict(struct cgr_flight *flight)
{
	struct cgr_flight_item *oldest = &flight->item[flight->first];

	flight->bytes -= oldest->length;
	if (oldest->id == CGR_TD_SNAPSHOT) {
		free(flight->base.data);
		flight->base = *oldest;
	} else {
		free(oldest->data);
	}
	*oldest = (struct cgr_flight_item){ 0 };
	flight->first = (flight->first + 1) % flight->capacity;
	flight->count--;
	flight->evicted++;
}

static int reserve(struct cgr_flight *flight)
{
	if (flight->count < flight->capacity)
		return 0;
	size_t capacity = CGR_MAX(flight->capacity * 2, (size_t)256);
	struct cgr_flight_item *grown = cgr_calloc(capacity, sizeof(*grown));
	if (grown == NULL)
		return -1;
	for (size_t i = 0; i < flight->count; i++)
		grown[i] = flight->item[(flight->first + i) % flight->capacity];
	free(flight->item);
	flight->item = grown;
	flight->first = 0;
	flight->capacity = capacity;
	return 0;
}

/* Takes data over. */
static int add(struct cgr_flight *flight, struct cgr_flight_item item, struct cgr_error *reterr)
{
	(void)pthread_mutex_lock(&flight->lock);
	int rc = item.data == NULL ? -1 : reserve(flight);
	if (rc == 0) {
		item.added_ns = cgr_mono_ns();
		flight->item[(flight->first + flight->count) % flight->capacity] = item;
		flight->count++;
		flight->bytes += item.length;
		while (flight->bytes > flight->limit_bytes && flight->count > 1)
			evict(flight);
	} else {
		free(item.data);
	}
	(void)pthread_mutex_unlock(&flight->lock);
	return rc == 0 ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the flight recorder");
}

int cgr_flight_chunk(struct cgr_flight *flight, uint32_t cpu, const void *frame, uint32_t compressed_bytes,
                     uint32_t plain_bytes, struct cgr_error *reterr)
{
	struct cgr_flight_item item = { .id = CGR_TD_JOURNAL,
		                            .cpu = cpu,
		                            .length = compressed_bytes,
		                            .plain_bytes = plain_bytes,
		                            .data = malloc(compressed_bytes) };

	if (item.data != NULL)
		memcpy(item.data, frame, compressed_bytes);
	return add(flight, item, reterr);
}

int cgr_flight_section(struct cgr_flight *flight, uint16_t id, const void *body, size_t length,
                       struct cgr_error *reterr)
{
	struct cgr_flight_item item = { .id = id, .length = (uint32_t)length, .data = malloc(length) };

	if (item.data != NULL && length > 0)
		memcpy(item.data, body, length);
	return add(flight, item, reterr);
}

int cgr_flight_json(struct cgr_flight *flight, uint16_t id, json_t *json, struct cgr_error *reterr)
{
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

	json_decref(json);
	struct cgr_flight_item item = { .id = id,
		                            .length = text == NULL ? 0 : (uint32_t)strlen(text),
		                            .data = (uint8_t *)text };
	return add(flight, item, reterr);
}

static const struct cgr_flight_item *item_at(const struct cgr_flight *flight, size_t i)
{
	return &flight->item[(flight->first + i) % flight->capacity];
}

/* Which items are written. A recording reads best when a snapshot stands at its start: one in the first quarter of what
 * is kept makes the start, and what lies before it goes; else everything is kept behind the snapshot that went last. */
static size_t first_written(const struct cgr_flight *flight, bool *ret_base)
{
	*ret_base = flight->base.data != NULL;
	for (size_t i = 0; i < flight->count; i++) {
		if (item_at(flight, i)->id != CGR_TD_SNAPSHOT)
			continue;
		int64_t from = item_at(flight, 0)->added_ns, to = item_at(flight, flight->count - 1)->added_ns;
		if (flight->base.data != NULL && (item_at(flight, i)->added_ns - from) * 4 > to - from)
			return 0;
		*ret_base = false;
		return i;
	}
	return 0;
}

/* A ring page begins with the time of its first event (u64, of the ring's clock). 0 when the frame cannot be read. */
static uint64_t begin_of(const struct cgr_flight_item *chunk)
{
	uint8_t head[8];
	ZSTD_DStream *zstd = ZSTD_createDStream();
	ZSTD_inBuffer in = { .src = chunk->data, .size = chunk->length };
	ZSTD_outBuffer out = { .dst = head, .size = sizeof(head) };

	while (zstd != NULL && out.pos < out.size && in.pos < in.size)
		if (ZSTD_isError(ZSTD_decompressStream(zstd, &out, &in)))
			break;
	(void)ZSTD_freeDStream(zstd);
	return out.pos == out.size ? cgr_td_get_u64(head) : 0;
}

/* What brings the ring's clock to CLOCK_MONOTONIC; none, where it is that. Without memory the file says less. */
static void load_clock(const struct cgr_flight *flight, size_t from, const struct cgr_clock *clock,
                       struct cgr_clock_map *map)
{
	struct cgr_td_bytes newest = { 0 };

	cgr_clock_body(clock, &newest);
	(void)cgr_clock_map_add(map, newest.data, newest.length, NULL);
	cgr_td_fini(&newest);
	for (size_t i = from; i < flight->count; i++)
		if (item_at(flight, i)->id == CGR_TD_CLOCK)
			(void)cgr_clock_map_add(map, item_at(flight, i)->data, item_at(flight, i)->length, NULL);
	(void)cgr_clock_map_settle(map, NULL);
}

int64_t cgr_flight_start_ns(struct cgr_flight *flight, const struct cgr_clock *clock)
{
	uint64_t seen[CGR_LIMIT_CPUS / 64 + 1] = { 0 }, start = UINT64_MAX;
	struct cgr_clock_map map = { 0 };
	bool base;

	(void)pthread_mutex_lock(&flight->lock);
	size_t first = first_written(flight, &base);
	load_clock(flight, first, clock, &map);
	for (size_t i = first; i < flight->count; i++) {
		const struct cgr_flight_item *item = item_at(flight, i);
		if (item->id != CGR_TD_JOURNAL || item->cpu >= CGR_LIMIT_CPUS ||
		    (seen[item->cpu / 64] >> (item->cpu % 64) & 1) != 0)
			continue;
		seen[item->cpu / 64] |= UINT64_C(1) << (item->cpu % 64);
		uint64_t begin = begin_of(item);
		struct cgr_clock_cursor cursor = { 0 };
		if (clock->counts)
			begin = begin > 0 && map.points > 0 ? cgr_clock_map_ns(&map, &cursor, begin) : 0;
		if (begin > 0)
			start = CGR_MIN(start, begin);
	}
	(void)pthread_mutex_unlock(&flight->lock);
	cgr_clock_map_fini(&map);
	return start == UINT64_MAX ? 0 : (int64_t)start;
}

json_t *cgr_flight_snapshot(struct cgr_flight *flight)
{
	json_t *snapshot = NULL;
	bool base;

	(void)pthread_mutex_lock(&flight->lock);
	size_t first = first_written(flight, &base);
	const struct cgr_flight_item *item = base ? &flight->base : flight->count > 0 ? item_at(flight, first) : NULL;
	if (item != NULL && item->id == CGR_TD_SNAPSHOT)
		snapshot = json_loadb((const char *)item->data, item->length, 0, NULL);
	(void)pthread_mutex_unlock(&flight->lock);
	return snapshot;
}

int cgr_flight_dump(struct cgr_flight *flight, struct cgr_journal *journal, struct cgr_error *reterr)
{
	bool base;
	int rc = 0;

	(void)pthread_mutex_lock(&flight->lock);
	size_t first = first_written(flight, &base);
	bool snapshot = base;
	if (base)
		rc = cgr_journal_section(journal, CGR_TD_SNAPSHOT, flight->base.data, flight->base.length, reterr);
	for (size_t i = first; i < flight->count && rc == 0; i++) {
		const struct cgr_flight_item *item = item_at(flight, i);
		if (item->id == CGR_TD_JOURNAL)
			rc = cgr_journal_chunk(journal, item->cpu, item->data, item->length, item->plain_bytes, reterr);
		else if (item->id != CGR_TD_SNAPSHOT || !snapshot)
			rc = cgr_journal_section(journal, item->id, item->data, item->length, reterr);
		snapshot = snapshot || item->id == CGR_TD_SNAPSHOT;
	}
	(void)pthread_mutex_unlock(&flight->lock);
	return rc;
}

/* Bytes and counts as sizes, times also as such. */
static int parse_value(const char *counter, const char *text, int64_t *ret, struct cgr_error *reterr)
{
	size_t length = strlen(counter);
	bool is_time = length > 5 && strcmp(counter + length - 5, "_usec") == 0;

	if (!is_time || text[strspn(text, "0123456789")] == '\0')
		return cgr_parse_bytes(text, ret, reterr);
	CGR_TRY(cgr_parse_duration(text, ret, reterr));
	*ret /= 1000;
	return 0;
}

static int parse_counter(struct cgr_trigger *trigger, const char *text, struct cgr_error *reterr)
{
	size_t word = strcspn(text, "<>");

	if (text[word] == '\0' || word == 0 || word >= sizeof(trigger->counter))
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "--until '%s': expected oom, throttle, throttle=PERCENT, signal, or COUNTER>VALUE as in "
		                     "'memory.current>500M'",
		                     text);
	memcpy(trigger->counter, text, word);
	trigger->counter[word] = '\0';
	trigger->compare = text[word] == '<' ? '<' : text[word + 1] == '=' ? 'g' : '>';
	trigger->kind = CGR_TRIGGER_COUNTER;
	if (parse_value(trigger->counter, text + word + (trigger->compare == 'g' ? 2 : 1), &trigger->value, reterr) < 0)
		return cgr_error_cause(reterr, "--until '%s'", text);
	return 0;
}

int cgr_trigger_check(const struct cgr_trigger *trigger, json_t *counters, bool *ret_unknown, struct cgr_error *reterr)
{
	const char **names = cgr_calloc(json_object_size(counters) + 1, sizeof(*names)), *name, *near = NULL;
	size_t count = 0;
	json_t *value;

	*ret_unknown = trigger->kind == CGR_TRIGGER_COUNTER && json_object_get(counters, trigger->counter) == NULL;
	if (names != NULL && *ret_unknown) {
		json_object_foreach(counters, name, value) names[count++] = name;
		near = cgr_did_you_mean(trigger->counter, names, count);
	}
	free(names);
	return near == NULL
	           ? 0
	           : cgr_error_set(reterr, CGR_E_USAGE, "--until: no counter '%s' is sampled here; did you mean '%s'?",
	                           trigger->counter, near);
}

int cgr_trigger_parse(struct cgr_trigger *trigger, const char *text, struct cgr_error *reterr)
{
	*trigger = (struct cgr_trigger){ .value = THROTTLE_PERCENT, .oom_kills = -1 };
	trigger->before = json_object();
	if (strcmp(text, "signal") == 0) {
		trigger->kind = CGR_TRIGGER_SIGNAL;
	} else if (strcmp(text, "oom") == 0) {
		trigger->kind = CGR_TRIGGER_OOM;
		(void)cgr_strcpy(trigger->counter, sizeof(trigger->counter), "memory.events.oom_kill");
	} else if (strncmp(text, "throttle", 8) == 0 && (text[8] == '\0' || text[8] == '=')) {
		trigger->kind = CGR_TRIGGER_THROTTLE;
		(void)cgr_strcpy(trigger->counter, sizeof(trigger->counter), "cpu.stat.throttled_usec");
		if (text[8] == '=' && cgr_parse_int(text + 9, 0, 100000, &trigger->value, reterr) < 0)
			return cgr_error_cause(reterr, "--until '%s': percent of time", text);
	} else {
		return parse_counter(trigger, text, reterr);
	}
	return 0;
}

void cgr_trigger_fini(struct cgr_trigger *trigger)
{
	json_decref(trigger->before);
	trigger->before = NULL;
}

static bool is_pulled(const struct cgr_trigger *t, int64_t now_ns, int64_t value, int64_t last, int64_t last_ns)
{
	switch (t->kind) {
	case CGR_TRIGGER_OOM:
		return value > last;
	case CGR_TRIGGER_THROTTLE:
		return now_ns > last_ns && (value - last) * 1000 * 100 > t->value * (now_ns - last_ns);
	case CGR_TRIGGER_COUNTER:
		return t->compare == '<' ? value < t->value : t->compare == 'g' ? value >= t->value : value > t->value;
	default:
		return false;
	}
}

static int64_t machine_oom_kills(void)
{
	struct cgr_procfile file = { 0 };
	int64_t kills = -1;

	if (cgr_procfile_read(&file, AT_FDCWD, "/proc/vmstat", 1u << 20) == 0 && file.text != NULL) {
		const char *at = strstr(file.text, "\noom_kill ");
		if (at != NULL)
			kills = strtoll(at + 10, NULL, 10);
	}
	cgr_procfile_fini(&file);
	return kills;
}

void cgr_trigger_poll(struct cgr_trigger *t, int64_t mono_ns)
{
	if (t->kind != CGR_TRIGGER_OOM || atomic_load(&t->hit))
		return;
	if (t->oom_seen_ns == 0) {
		int64_t kills = machine_oom_kills();
		if (t->oom_kills >= 0 && kills > t->oom_kills)
			t->oom_seen_ns = mono_ns;
		t->oom_kills = kills;
	} else if (atomic_load(&t->last_round_ns) > t->oom_seen_ns) {
		(void)snprintf(t->what, sizeof(t->what),
		               "an OOM kill in a cgroup that is gone since (oom_kill of /proc/vmstat is %" PRId64 ")",
		               t->oom_kills);
		atomic_store(&t->hit, true);
	}
}

void cgr_trigger_watch(void *context, int64_t mono_ns, const char *path, const json_t *counters)
{
	struct cgr_trigger *t = context;
	const json_t *counter = json_object_get(counters, t->counter);

	if (counter == NULL || atomic_load(&t->hit))
		return;
	if (mono_ns != t->round_ns) {
		t->first_ns = t->first_ns == 0 ? mono_ns : t->first_ns;
		atomic_store(&t->last_round_ns, t->round_ns);
		t->round_ns = mono_ns;
	}
	int64_t value = json_integer_value(counter);
	json_t *key = cgr_json_text(path, strlen(path));
	const char *name = json_string_value(key);
	const json_t *before = json_object_get(t->before, name);
	/* what a cgroup did before the recording is not meant; one that is new since the last round began with zero */
	bool is_old = before == NULL && mono_ns == t->first_ns;
	int64_t last = before != NULL ? json_integer_value(json_array_get(before, 0)) : is_old ? value : 0;
	int64_t last_ns = before != NULL ? json_integer_value(json_array_get(before, 1))
	                  : is_old       ? mono_ns
	                                 : t->last_round_ns;
	if (is_pulled(t, mono_ns, value, last, last_ns)) {
		(void)snprintf(t->what, sizeof(t->what), "%.150s: %s is %" PRId64, name, t->counter, value);
		atomic_store(&t->hit, true);
	}
	(void)json_object_set_new(t->before, name, json_pack("[I,I]", (json_int_t)value, (json_int_t)mono_ns));
	json_decref(key);
}
