/* The rows of a truth table: what was measured, what was predicted, and whether they agree. */
#ifndef TRUTH_ROWS_H
#define TRUTH_ROWS_H

#include <stdbool.h>
#include <stddef.h>

#define TRUTH_REPEATS_MAX 64
#define TRUTH_TEXT_MAX 96

struct truth_request {
	const char *table, *name, *from, *to, *until, *measured, *json;
	const char *latency_json; /* a replay of a recording under the asked setting: its recorded latencies; or NULL */
	const char *open_json; /* the open-loop prediction of the same question, or NULL */
	bool disturbed; /* other work ran beside the recording or the measured runs */
	char **group; /* cgroup paths whose metrics are judged */
	size_t groups;
};

#define TRUTH_TICK_USEC 4000 /* HZ 250: what a wake-up latency is known to at best */
#define TRUTH_LATENCY "wakeup_p99_usec"

/* The kernel's own spread over the repeats of one setting. */
struct truth_spread {
	double min, median, max;
	size_t count;
};

/* One row of the CSV file. Unknown numbers are NaN. */
struct truth_row {
	char table[TRUTH_TEXT_MAX], name[TRUTH_TEXT_MAX], from[TRUTH_TEXT_MAX], to[TRUTH_TEXT_MAX];
	char group[TRUTH_TEXT_MAX], metric[TRUTH_TEXT_MAX], class[TRUTH_TEXT_MAX];
	bool disturbed;
	double min, median, max, low, predicted, high, open;
};

/* Times on a disturbed machine are those of another machine; what memory counts does not care. */
bool truth_counts(const struct truth_row *row);
/* Prints rows for one prediction to stdout. Returns an exit status. */
int truth_rows(const struct truth_request *request);
/* A sample's outcomes file (see samples/make.sh) beside the prediction for one of its settings: prints one line per
 * metric; returns 1 when a prediction lies outside the measured spread widened by `bound` and by one unit. */
int truth_outcomes(const char *path, const char *setting, const char *json, double bound);
/* Reads a CSV of rows, prints the table and its summary. With gate: exit 1 when a bound of CI is broken. */
int truth_summary(const char *path, const char *table, bool gate);

double truth_error(const struct truth_row *row); /* (predicted - median) / median, or what the kernel can tell apart
                                                  where that is more; absolute where both are 0 */
bool truth_of_memory(const char *table); /* a table of memory metrics, in the guest and held out too */
double truth_widening(const char *table); /* by how much the kernel's own spread is widened */
bool truth_inside(const struct truth_row *row); /* prediction inside the widened spread, or not to be told apart */
bool truth_holds(const struct truth_row *row); /* measured median inside low..high */

#endif
