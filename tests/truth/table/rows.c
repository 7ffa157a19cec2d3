#include "rows.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const cpu_metrics[] = { "cpu.stat.usage_usec",     "cpu.stat.nr_periods", "cpu.stat.nr_throttled",
	                                       "cpu.stat.throttled_usec", "completion_usec",     NULL };
static const char *const memory_metrics[] = { "memory.peak",
	                                          "memory.events.oom_kill",
	                                          "victim_pages",
	                                          "memory.failcnt",
	                                          "memory.events.max",
	                                          "memory.events.high",
	                                          "memory.stat.workingset_refault_file",
	                                          "memory.stat.workingset_refault_anon",
	                                          "memory.stat.pgscan",
	                                          "memory.stat.pgsteal",
	                                          "memory.pressure.some_usec",
	                                          "completion_usec",
	                                          NULL };

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static struct truth_spread spread_of(double *value, size_t count)
{
	struct truth_spread spread = { NAN, NAN, NAN, count };
	if (!count)
		return spread;
	qsort(value, count, sizeof(*value), by_value);
	spread.min = value[0];
	spread.max = value[count - 1];
	spread.median = count % 2 ? value[count / 2] : (value[count / 2 - 1] + value[count / 2]) / 2;
	return spread;
}

/* What holds for the whole run, not for one cgroup: completion, and how far a killed program had come. */
static bool of_the_run(const char *metric)
{
	return !strchr(metric, '.');
}

/* Rows "setting,repeat,group,metric,value" of one group and metric; what is of the run stands without a group. */
static struct truth_spread measured(FILE *file, const char *group, const char *metric)
{
	char line[1024];
	double value[TRUTH_REPEATS_MAX];
	size_t count = 0;
	const char *wanted = of_the_run(metric) ? "" : group;
	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		char *rest = line, *field[5];
		for (int i = 0; i < 5; i++)
			field[i] = strsep(&rest, ",\n");
		if (!field[4] || strcmp(field[2], wanted) || strcmp(field[3], metric) || count == TRUTH_REPEATS_MAX)
			continue;
		value[count++] = strtod(field[4], NULL);
	}
	return spread_of(value, count);
}

static double number(const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);
	return json_is_number(value) ? json_number_value(value) : NAN;
}

static const json_t *find_group(const json_t *root, const char *path)
{
	size_t i;
	const json_t *group;
	json_array_foreach(json_object_get(root, "cgroups"), i, group)
	{
		const char *name = json_string_value(json_object_get(group, "path"));
		if (name && !strcmp(name, path))
			return json_object_get(group, "metrics");
	}
	return NULL;
}

static bool below(const char *path, const char *top)
{
	size_t length = strlen(top);
	return path && !strncmp(path, top, length) && (!path[length] || path[length] == '/');
}

/* From the first start to the last end of the tasks below the top cgroup of the lab; NaN when one never ends. */
static double completion(const json_t *root, const char *top)
{
	double start = INFINITY, end = -INFINITY;
	size_t i;
	const json_t *task;
	json_array_foreach(json_object_get(root, "tasks"), i, task)
	{
		if (!below(json_string_value(json_object_get(task, "cgroup")), top))
			continue;
		double task_end = number(task, "end_usec"), task_start = number(task, "start_usec");
		if (isnan(task_end))
			return NAN;
		start = fmin(start, task_start);
		end = fmax(end, task_end);
	}
	return end > start ? end - start : NAN;
}

/* Pages the first victim had charged when it was killed; NaN when nobody is killed. */
static double victim_pages(const json_t *root)
{
	size_t i;
	const json_t *decision;
	json_array_foreach(json_object_get(root, "decisions"), i, decision)
	{
		const char *kind = json_string_value(json_object_get(decision, "kind"));
		if (kind && !strcmp(kind, "oom_kill"))
			return number(decision, "value");
	}
	return NAN;
}

/* Mean over the tasks of a cgroup of their 99th percentile of the time from wake-up to running. */
static double latency(const json_t *root, const char *group, const char *member)
{
	double sum = 0;
	size_t i, count = 0;
	const json_t *task;
	json_array_foreach(json_object_get(root, "tasks"), i, task)
	{
		double p99 = number(json_object_get(task, member), "p99");
		if (!below(json_string_value(json_object_get(task, "cgroup")), group) || isnan(p99))
			continue;
		sum += p99;
		count++;
	}
	return count ? sum / (double)count : NAN;
}

static void predict(const json_t *root, struct truth_row *row)
{
	char top[TRUTH_TEXT_MAX];
	snprintf(top, sizeof(top), "/%.*s", (int)strcspn(row->group + 1, "/"), row->group + 1);
	bool run_completes = !strcmp(row->metric, "completion_usec");
	const json_t *metrics = find_group(root, run_completes ? top : row->group);
	const json_t *metric = json_object_get(metrics, row->metric);
	row->predicted = row->low = row->high = NAN;
	if (metric) {
		row->predicted = number(metric, "predicted");
		row->low = number(metric, "low");
		row->high = number(metric, "high");
		snprintf(row->class, sizeof(row->class), "%s", json_string_value(json_object_get(metric, "class")));
	} else if (run_completes) {
		row->predicted = completion(root, top);
	} else if (!strcmp(row->metric, TRUTH_LATENCY)) {
		row->predicted = latency(root, row->group, "wakeup_latency_usec");
	} else if (!strcmp(row->metric, "victim_pages")) {
		row->predicted = victim_pages(root);
	}
}

static void put(double value)
{
	if (isnan(value))
		fputs(",", stdout);
	else
		printf(",%.0f", value);
}

static void print_row(const struct truth_row *row)
{
	printf("%s,%s,%s,%s,%s,%s", row->table, row->name, row->from, row->to, row->group, row->metric);
	put(row->min);
	put(row->median);
	put(row->max);
	put(row->low);
	put(row->predicted);
	put(row->high);
	put(row->open);
	printf(",%s,%s\n", row->class, row->disturbed ? "disturbed" : "");
}

static double open_loop(const json_t *open, const struct truth_row *row)
{
	struct truth_row copy = *row;
	if (!open)
		return NAN;
	predict(open, &copy);
	return copy.predicted;
}

static struct truth_row new_row(const struct truth_request *request, const char *group, const char *metric)
{
	struct truth_row row = { 0 };
	snprintf(row.table, sizeof(row.table), "%s", request->table);
	snprintf(row.name, sizeof(row.name), "%s", request->name);
	snprintf(row.from, sizeof(row.from), "%s", request->from);
	snprintf(row.to, sizeof(row.to), "%s", request->to);
	snprintf(row.group, sizeof(row.group), "%s", group);
	snprintf(row.metric, sizeof(row.metric), "%s", metric);
	row.disturbed = request->disturbed;
	return row;
}

/* The latency that was seen stands in a recording under the asked setting, where there is one. */
static void latency_row(const struct truth_request *request, const json_t *root, const char *group)
{
	json_error_t error;
	json_t *seen = request->latency_json ? json_load_file(request->latency_json, 0, &error) : NULL;
	struct truth_row row = new_row(request, group, TRUTH_LATENCY);
	if (seen)
		row.min = row.median = row.max = latency(seen, group, "recorded_wakeup_latency_usec");
	predict(root, &row);
	row.open = NAN;
	if (seen && !isnan(row.median))
		print_row(&row);
	json_decref(seen);
}

static void one_group(const struct truth_request *request, FILE *file, const json_t *root, const json_t *open,
                      char *group)
{
	const char *const *metric = truth_of_memory(request->table) ? memory_metrics : cpu_metrics;
	size_t length = strlen(group);
	if (length > 1 && group[length - 1] == '/')
		group[length - 1] = '\0';
	for (; *metric; metric++) {
		bool is_completion = !strcmp(*metric, "completion_usec");
		if (of_the_run(*metric) && group != request->group[0])
			continue;
		/* A program that stops on the clock completes when its clock says so, whatever the limit. */
		if (is_completion && strcmp(request->until, "done"))
			continue;
		struct truth_spread spread = measured(file, group, *metric);
		if (!spread.count)
			continue;
		struct truth_row row = new_row(request, group, *metric);
		row.min = spread.min;
		row.median = spread.median;
		row.max = spread.max;
		predict(root, &row);
		row.open = open_loop(open, &row);
		/* Zero against zero proves nothing and would only flatter the shares; the OOM verdict is the exception. */
		if (row.max == 0 && row.predicted == 0 && strcmp(*metric, "memory.events.oom_kill"))
			continue;
		print_row(&row);
	}
	if (!truth_of_memory(request->table))
		latency_row(request, root, group);
}

int truth_rows(const struct truth_request *request)
{
	json_error_t error;
	json_t *root = json_load_file(request->json, 0, &error), *open = NULL;
	FILE *file = fopen(request->measured, "r");
	if (!root)
		fprintf(stderr, "cgr-truth-table: %s:%d: %s\n", request->json, error.line, error.text);
	if (!file)
		perror(request->measured);
	if (request->open_json)
		open = json_load_file(request->open_json, 0, &error);
	for (size_t i = 0; root && file && i < request->groups; i++)
		one_group(request, file, root, open, request->group[i]);
	int status = root && file ? 0 : 3;
	json_decref(root);
	json_decref(open);
	if (file)
		fclose(file);
	return status;
}

/* setting,set,until,cgroup,metric,runs,min,median,max */
enum { OUT_SETTING, OUT_SET, OUT_UNTIL, OUT_GROUP, OUT_METRIC, OUT_RUNS, OUT_MIN, OUT_MEDIAN, OUT_MAX, OUT_FIELDS };

static bool one_outcome(char *const field[OUT_FIELDS], const json_t *root, double bound)
{
	struct truth_row row = { 0 };
	snprintf(row.group, sizeof(row.group), "%s", *field[OUT_GROUP] ? field[OUT_GROUP] : "/cgrlab");
	snprintf(row.metric, sizeof(row.metric), "%s", field[OUT_METRIC]);
	row.min = strtod(field[OUT_MIN], NULL);
	row.median = strtod(field[OUT_MEDIAN], NULL);
	row.max = strtod(field[OUT_MAX], NULL);
	predict(root, &row);
	if (!strcmp(row.metric, "completion_usec"))
		bound *= 4; /* what a miss costs belongs to the disk of that day */
	bool good =
	    (row.predicted >= row.min * (1 - bound) - 1 && row.predicted <= row.max * (1 + bound) + 1) || truth_holds(&row);
	printf("%s %-14s %-12s %-36s measured %.0f..%.0f..%.0f predicted %.0f (%.0f..%.0f)\n", good ? "ok    " : "NOT OK",
	       field[OUT_SETTING], row.group, row.metric, row.min, row.median, row.max, row.predicted, row.low, row.high);
	return good;
}

int truth_outcomes(const char *path, const char *setting, const char *json, double bound)
{
	json_error_t error;
	json_t *root = json_load_file(json, 0, &error);
	FILE *file = fopen(path, "r");
	char line[1024];
	size_t rows = 0, bad = 0;
	if (!root)
		fprintf(stderr, "cgr-truth-table: %s:%d: %s\n", json, error.line, error.text);
	if (!file)
		perror(path);
	while (root && file && fgets(line, sizeof(line), file)) {
		char *rest = line, *field[OUT_FIELDS] = { 0 };
		for (int i = 0; i < OUT_FIELDS; i++)
			field[i] = strsep(&rest, ",\n");
		if (!field[OUT_MAX])
			continue;
		if (strcmp(field[OUT_SETTING], setting))
			continue;
		rows++;
		bad += !one_outcome(field, root, bound);
	}
	json_decref(root);
	if (file)
		fclose(file);
	if (!rows)
		fprintf(stderr, "cgr-truth-table: %s: no rows for setting %s\n", path, setting);
	return bad || !rows ? 1 : 0;
}
