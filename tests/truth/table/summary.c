#include "rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS 15
#define METRICS_MAX 32

/* What CI insists on: bounds far outside the noise of a shared machine, so that only a broken model breaks them.
 * The goals themselves are in docs/ACCURACY.md; the summary prints where the table stands. */
struct gate {
	const char *table, *metric;
	double median_error_max; /* of all cells of the metric */
	double inside_min; /* share of cells inside the widened spread */
};
static const struct gate gates[] = {
	{ "cpu", "cpu.stat.usage_usec", 0.10, 0.5 },      { "cpu", "cpu.stat.nr_throttled", 0.20, 0.3 },
	{ "cpu", "cpu.stat.throttled_usec", 0.40, 0.2 },  { "cpu", "completion_usec", 0.25, 0.2 },
	{ "memory", "memory.events.oom_kill", 0.0, 0.9 }, { "memory", "memory.peak", 0.02, 0.5 },
	{ "memory", "memory.failcnt", 0.15, 0.4 },        { "memory", "memory.stat.workingset_refault_file", 0.15, 0.4 },
};

bool truth_of_memory(const char *table)
{
	return strstr(table, "memory") != NULL;
}

double truth_widening(const char *table)
{
	return truth_of_memory(table) ? 0.03 : 0.05;
}

/* How finely the kernel lets the metric be read. memory.stat may lag by a batch of updates per CPU (mm/memcontrol.c:
 * memcg_vmstats_needs_flush, MEMCG_CHARGE_BATCH 64; two CPUs in the lab and in the guest): 20 refaults and none are
 * then the same reading, and no error of 100 %. */
static double resolution(const struct truth_row *row)
{
	return strncmp(row->metric, "memory.stat.", 12) ? 0 : 2 * 64;
}

double truth_error(const struct truth_row *row)
{
	double against = fmax(row->median, resolution(row));
	if (isnan(row->predicted))
		return INFINITY;
	return against != 0 ? (row->predicted - row->median) / against : row->predicted;
}

bool truth_inside(const struct truth_row *row)
{
	double w = truth_widening(row->table);
	if (!strcmp(row->metric, TRUTH_LATENCY))
		return fabs(row->predicted - row->median) <= fmax(0.10 * row->median, TRUTH_TICK_USEC);
	double least = fmin(row->min * (1 - w), row->median - resolution(row));
	double most = fmax(row->max * (1 + w), row->median + resolution(row));
	return row->predicted >= least && row->predicted <= most;
}

bool truth_holds(const struct truth_row *row)
{
	return row->median >= row->low && row->median <= row->high;
}

bool truth_counts(const struct truth_row *row)
{
	return !row->disturbed || !strncmp(row->metric, "memory.", 7) || !strcmp(row->metric, "victim_pages");
}

static double field_number(const char *text)
{
	return *text ? strtod(text, NULL) : NAN;
}

static bool parse_row(char *line, struct truth_row *row)
{
	char *field[FIELDS], *rest = line;
	for (int i = 0; i < FIELDS; i++)
		if (!(field[i] = strsep(&rest, ",\n")))
			return false;
	char *text[] = { row->table, row->name, row->from, row->to, row->group, row->metric };
	for (size_t i = 0; i < sizeof(text) / sizeof(text[0]); i++)
		snprintf(text[i], TRUTH_TEXT_MAX, "%s", field[i]);
	row->min = field_number(field[6]);
	row->median = field_number(field[7]);
	row->max = field_number(field[8]);
	row->low = field_number(field[9]);
	row->predicted = field_number(field[10]);
	row->high = field_number(field[11]);
	row->open = field_number(field[12]);
	snprintf(row->class, TRUTH_TEXT_MAX, "%s", field[13]);
	row->disturbed = *field[14] != '\0';
	return true;
}

static struct truth_row *read_rows(const char *path, size_t *ret_count)
{
	FILE *file = fopen(path, "r");
	struct truth_row *row = NULL;
	size_t count = 0, capacity = 0;
	char line[2048];
	if (!file) {
		perror(path);
		return NULL;
	}
	while (fgets(line, sizeof(line), file)) {
		if (count == capacity) {
			capacity = capacity ? capacity * 2 : 256;
			struct truth_row *grown = realloc(row, capacity * sizeof(*row));
			if (!grown)
				abort();
			row = grown;
		}
		memset(&row[count], 0, sizeof(row[count]));
		if (parse_row(line, &row[count]))
			count++;
	}
	fclose(file);
	*ret_count = count;
	return row;
}

static int by_magnitude(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

struct score {
	size_t cells, inside, bounded, holds, narrow;
	double median_error, worst_error, open_error;
	const struct truth_row *worst;
};

static double median_of(double *value, size_t count)
{
	if (!count)
		return NAN;
	qsort(value, count, sizeof(*value), by_magnitude);
	return value[count / 2];
}

/* same: cells asked for the recorded setting itself (true) or for another one (false). */
static struct score score_of(const struct truth_row *row, size_t count, const char *metric, bool same)
{
	struct score score = { 0 };
	double *error = calloc(count + 1, sizeof(*error)), *open = calloc(count + 1, sizeof(*open));
	size_t opens = 0;
	if (!error || !open)
		abort();
	for (size_t i = 0; i < count; i++) {
		if (strcmp(row[i].metric, metric) || !strcmp(row[i].from, row[i].to) != same || !truth_counts(&row[i]))
			continue;
		double e = fabs(truth_error(&row[i]));
		if (!score.worst || e > score.worst_error) {
			score.worst = &row[i];
			score.worst_error = e;
		}
		error[score.cells++] = e;
		score.inside += truth_inside(&row[i]);
		if (!isnan(row[i].low)) {
			score.bounded++;
			score.holds += truth_holds(&row[i]);
			score.narrow += row[i].high - row[i].low <= 3 * (row[i].max - row[i].min) || row[i].high == row[i].low;
		}
		if (!isnan(row[i].open))
			open[opens++] = fabs(row[i].median != 0 ? row[i].open / row[i].median - 1 : row[i].open);
	}
	score.median_error = median_of(error, score.cells);
	score.open_error = median_of(open, opens);
	free(error);
	free(open);
	return score;
}

static void print_percent(double share)
{
	if (isnan(share))
		printf("       -");
	else if (share > 99.99)
		printf("     inf");
	else
		printf(" %6.1f%%", share * 100);
}

static void print_score(const char *metric, const char *kind, const struct score *s)
{
	printf("%-36s %-5s %5zu", metric, kind, s->cells);
	print_percent((double)s->inside / (double)s->cells);
	print_percent(s->median_error);
	print_percent(s->worst_error);
	print_percent(s->bounded ? (double)s->holds / (double)s->bounded : NAN);
	print_percent(s->bounded ? (double)s->narrow / (double)s->bounded : NAN);
	print_percent(s->open_error);
	printf("  %s %s->%s\n", s->worst->name, s->worst->from, s->worst->to);
}

static bool gate_broken(const char *table, const char *metric, const struct score *s)
{
	for (size_t i = 0; i < sizeof(gates) / sizeof(gates[0]); i++) {
		const struct gate *g = &gates[i];
		if (strcmp(g->table, table) || strcmp(g->metric, metric))
			continue;
		double inside = (double)s->inside / (double)s->cells;
		if (s->median_error > g->median_error_max || inside < g->inside_min) {
			printf("GATE %s: median error %.1f%% (bound %.1f%%), inside %.0f%% (bound %.0f%%)\n", metric,
			       s->median_error * 100, g->median_error_max * 100, inside * 100, g->inside_min * 100);
			return true;
		}
	}
	return false;
}

static void print_rows(const struct truth_row *row, size_t count)
{
	printf("%-34s %-14s %-26s %30s %36s %8s\n", "case", "cgroup", "metric", "measured min..median..max",
	       "predicted low..value..high", "error");
	for (size_t i = 0; i < count; i++) {
		const struct truth_row *r = &row[i];
		char what[3 * TRUTH_TEXT_MAX + 8], seen[96], told[96];
		const char *metric = strncmp(r->metric, "memory.stat.", 12) ? r->metric : r->metric + 12;
		snprintf(what, sizeof(what), "%s %s->%s", r->name, r->from, r->to);
		snprintf(seen, sizeof(seen), "%.0f..%.0f..%.0f", r->min, r->median, r->max);
		if (isnan(r->low))
			snprintf(told, sizeof(told), "%.0f", r->predicted);
		else
			snprintf(told, sizeof(told), "%.0f..%.0f..%.0f", r->low, r->predicted, r->high);
		printf("%-34s %-14s %-26s %30s %36s %+7.1f%% %s%s\n", what, r->group, metric, seen, told, truth_error(r) * 100,
		       !truth_counts(r)  ? "disturbed"
		       : truth_inside(r) ? "in "
		                         : "OUT",
		       isnan(r->low) || truth_holds(r) ? "" : " interval misses");
	}
}

int truth_summary(const char *path, const char *table, bool gate)
{
	size_t count = 0, metrics = 0;
	const char *metric[METRICS_MAX];
	bool broken = false;
	struct truth_row *row = read_rows(path, &count);
	if (!row) {
		fprintf(stderr, "cgr-truth-table: %s holds no rows\n", path);
		return 1;
	}
	print_rows(row, count);
	for (size_t i = 0; i < count; i++) {
		size_t k = 0;
		while (k < metrics && strcmp(metric[k], row[i].metric))
			k++;
		if (k == metrics && metrics < METRICS_MAX)
			metric[metrics++] = row[i].metric;
	}
	printf("\n%-36s %-5s %5s %7s %7s %7s %7s %7s %7s  %s\n", "metric", "asked", "cells", "inside", "median", "worst",
	       "holds", "narrow", "open", "worst cell");
	for (size_t k = 0; k < metrics; k++)
		for (int same = 1; same >= 0; same--) {
			struct score score = score_of(row, count, metric[k], same);
			if (!score.cells)
				continue;
			print_score(metric[k], same ? "same" : "other", &score);
			if (gate && !same)
				broken |= gate_broken(table, metric[k], &score);
		}
	free(row);
	return gate && broken ? 1 : 0;
}
