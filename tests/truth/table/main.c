/* cgr-truth-table: one prediction beside the ground truth, as CSV rows; and the summary of many rows.
 *
 *   cgr-truth-table --table cpu --case W --from A --to B --until end --measured B.csv --json A-B.json GROUP...
 *   cgr-truth-table --outcomes NAME.outcomes.csv --to SETTING --json REPLAY.json [--bound 0.05]
 *   cgr-truth-table --summary rows.csv --table cpu [--gate]
 */
#include "rows.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct option long_options[] = {
	{ "table", required_argument, NULL, 't' },
	{ "case", required_argument, NULL, 'c' },
	{ "from", required_argument, NULL, 'f' },
	{ "to", required_argument, NULL, 'o' },
	{ "until", required_argument, NULL, 'u' },
	{ "measured", required_argument, NULL, 'm' },
	{ "json", required_argument, NULL, 'j' },
	{ "summary", required_argument, NULL, 's' },
	{ "gate", no_argument, NULL, 'g' },
	{ "open", required_argument, NULL, 'p' },
	{ "outcomes", required_argument, NULL, 'O' },
	{ "bound", required_argument, NULL, 'b' },
	{ "latency", required_argument, NULL, 'l' },
	{ "disturbed", no_argument, NULL, 'd' },
	{ NULL, 0, NULL, 0 },
};

int main(int argc, char **argv)
{
	struct truth_request request = { .table = "cpu", .until = "end" };
	const char *summary = NULL, *outcomes = NULL;
	double bound = 0.05;
	bool gate = false;
	for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
		switch (c) {
		case 't':
			request.table = optarg;
			break;
		case 'c':
			request.name = optarg;
			break;
		case 'f':
			request.from = optarg;
			break;
		case 'o':
			request.to = optarg;
			break;
		case 'u':
			request.until = optarg;
			break;
		case 'm':
			request.measured = optarg;
			break;
		case 'j':
			request.json = optarg;
			break;
		case 'p':
			request.open_json = optarg;
			break;
		case 's':
			summary = optarg;
			break;
		case 'g':
			gate = true;
			break;
		case 'd':
			request.disturbed = true;
			break;
		case 'l':
			request.latency_json = optarg;
			break;
		case 'O':
			outcomes = optarg;
			break;
		case 'b':
			bound = strtod(optarg, NULL);
			break;
		default:
			return 2;
		}
	}
	if (outcomes && request.to && request.json)
		return truth_outcomes(outcomes, request.to, request.json, bound);
	if (summary)
		return truth_summary(summary, request.table, gate);
	if (!request.name || !request.from || !request.to || !request.measured || !request.json || optind == argc) {
		fprintf(stderr, "cgr-truth-table: --case, --from, --to, --measured, --json and a cgroup are needed\n");
		return 2;
	}
	request.group = argv + optind;
	request.groups = (size_t)(argc - optind);
	return truth_rows(&request);
}
