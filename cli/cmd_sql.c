/* cgreplay sql: read-only SQL over a store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/rows.h"
#include "common/util.h"
#include "store/query.h"

#define SCRIPT_BYTES_MAX (16u << 20)

static void help(const struct cgr_query *query)
{
	printf("Give SQL, or one of\n"
	       "  .help            this\n"
	       "  .tables          the tables\n"
	       "  .schema [NAME]   how tables and views are made\n\n");
	if (cgr_query_borrow_store(query) == NULL) {
		printf("This is a results store. Views: run_metrics, run_tasks, run_decisions, run_fidelity.\n");
		return;
	}
	printf("Views for the usual questions (times in ns since trace start):\n");
	for (size_t i = 0; i < cgr_query_view_count(); i++)
		printf("  %-20s %s\n", cgr_query_view_name(i), cgr_query_view_help(i));
	printf("\nExamples:\n"
	       "  SELECT * FROM sched_summary ORDER BY max_wakeup_latency_ns DESC LIMIT 10\n"
	       "  SELECT cgroup, kind, sum(charged_pages) FROM charges_by_task GROUP BY 1, 2\n");
}

/* NAME of .schema as SQL text: quotes doubled. */
static char *schema_query(const char *name)
{
	struct cgr_strbuf buf = { 0 };

	cgr_strbuf_printf(&buf, "SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL");
	if (*name != '\0') {
		cgr_strbuf_printf(&buf, " AND name = '");
		for (const char *p = name; *p != '\0'; p++)
			cgr_strbuf_printf(&buf, *p == '\'' ? "''" : "%c", *p);
		cgr_strbuf_printf(&buf, "'");
	}
	if (buf.failed)
		cgr_strbuf_fini(&buf);
	return buf.text;
}

static int print_schema(struct cgr_query *query, const char *name, struct cgr_error *reterr)
{
	char *sql = schema_query(name);
	size_t found = 0;
	int rc;

	if (sql == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	rc = cgr_query_start(query, sql, NULL, reterr);
	while (rc >= 0 && (rc = cgr_query_next(query, reterr)) == 1) {
		cgr_rows_print_plain(stdout, cgr_query_borrow_text(query, 1));
		printf(";\n");
		found++;
	}
	free(sql);
	if (rc == 0 && found == 0)
		return cgr_error_set(reterr, CGR_E_USAGE, "no table or view '%s'; .tables and .help list them", name);
	return rc;
}

static void chomp(char *line)
{
	size_t length = strlen(line);

	while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r' || line[length - 1] == ' '))
		line[--length] = '\0';
}

/* The first statement of *text, which is moved behind it. */
static int run_statement(struct cgr_query *query, const char **text, enum cgr_rows_format format,
                         struct cgr_error *reterr)
{
	CGR_TRY(cgr_query_start(query, *text, text, reterr));
	return cgr_query_columns(query) > 0 ? cgr_rows_print(stdout, query, format, reterr) : 0;
}

static int run_dot(struct cgr_query *query, const char *line, enum cgr_rows_format format, struct cgr_error *reterr)
{
	static const char tables[] = "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY 1, 2";
	size_t length = strcspn(line, " ");
	const char *rest = line + length + strspn(line + length, " "), *sql = tables;

	if (length == 5 && memcmp(line, ".help", 5) == 0) {
		help(query);
		return 0;
	}
	if (length == 7 && memcmp(line, ".tables", 7) == 0)
		return run_statement(query, &sql, format, reterr);
	if (length == 7 && memcmp(line, ".schema", 7) == 0)
		return print_schema(query, rest, reterr);
	return cgr_error_set(reterr, CGR_E_USAGE, "unknown command '%s'; there are .help, .tables and .schema", line);
}

/* Statements, and lines that begin with a point where a statement could begin, one after the other. */
static int run_any(struct cgr_query *query, const char *text, enum cgr_rows_format format, struct cgr_error *reterr)
{
	for (;;) {
		text += strspn(text, " \t\r\n");
		if (*text == '\0')
			return 0;
		if (*text != '.') {
			CGR_TRY(run_statement(query, &text, format, reterr));
			continue;
		}
		char *line = strndup(text, strcspn(text, "\n"));

		if (line == NULL)
			return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
		text += strlen(line);
		chomp(line);
		int rc = run_dot(query, line, format, reterr);
		free(line);
		CGR_TRY(rc);
	}
}

/* A prompt on a terminal: errors are told and the next line is read. A statement ends with ';'. */
static int interact(struct cgr_query *query, enum cgr_rows_format format)
{
	struct cgr_strbuf text = { 0 };
	char *line = NULL;
	size_t size = 0;

	fprintf(stderr, "cgreplay sql: .help for tables and views, end statements with ';', ctrl-D to leave\n");
	for (;;) {
		struct cgr_error error = { 0 };
		char message[1000];

		fprintf(stderr, text.length == 0 ? "sql> " : "...> ");
		if (getline(&line, &size, stdin) < 0)
			break;
		chomp(line);
		if (text.length == 0 && (strcmp(line, ".quit") == 0 || strcmp(line, ".exit") == 0))
			break;
		cgr_strbuf_printf(&text, "%s\n", line);
		if (text.failed || (text.text[0] != '.' && (line[0] == '\0' || line[strlen(line) - 1] != ';')))
			continue;
		chomp(text.text);
		if (run_any(query, text.text, format, &error) < 0) {
			cgr_error_format(&error, message, sizeof(message));
			fprintf(stderr, "%s\n", message);
		}
		cgr_strbuf_fini(&text);
		text = (struct cgr_strbuf){ 0 };
	}
	cgr_strbuf_fini(&text);
	free(line);
	fprintf(stderr, "\n");
	return 0;
}

static int run_script(struct cgr_query *query, enum cgr_rows_format format, struct cgr_error *reterr)
{
	struct cgr_strbuf text = { 0 };
	char part[65536];
	size_t got;
	int rc = 0;

	while ((got = fread(part, 1, sizeof(part), stdin)) > 0 && text.length <= SCRIPT_BYTES_MAX)
		cgr_strbuf_append(&text, part, got);
	if (text.failed || text.length > SCRIPT_BYTES_MAX)
		rc = cgr_error_set(reterr, CGR_E_LIMIT, "standard input: more than %u bytes of SQL", SCRIPT_BYTES_MAX);
	else if (text.length > 0)
		rc = run_any(query, text.text, format, reterr);
	cgr_strbuf_fini(&text);
	return rc;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	const char *format = "table";
	const struct cgr_option options[] = {
		{ "format", 'f', CGR_OPT_ENUM, &format, "FORMAT", "how to print rows", "table|csv|json", 0, 0 },
	};
	struct cgr_query *query = NULL;
	enum cgr_rows_format rows;
	int positionals, rest;
	int rc =
	    cgr_options_parse(&cgr_command_sql, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest, reterr);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (positionals < 1 || positionals > 2)
		return cgr_error_set(reterr, CGR_E_USAGE, "give a store, and at most one query; quote the query");
	rows = cgr_rows_format_of(format);
	CGR_TRY(cgr_query_open(argv[1], &query, reterr));
	cgr_interrupt_install();
	if (positionals == 2 && strcmp(argv[2], "-") != 0)
		rc = run_any(query, argv[2], rows, reterr);
	else if (positionals == 1 && isatty(STDIN_FILENO))
		rc = interact(query, rows);
	else
		rc = run_script(query, rows, reterr);
	(void)cgr_query_free(query);
	return rc;
}

const struct cgr_command cgr_command_sql = {
	.name = "sql",
	.summary = "ask a store in SQL (read-only)",
	.usage = "sql STORE [QUERY|-] [--format table|csv|json]",
	.examples = "cgreplay sql web.db .help\n"
	            "cgreplay sql web.db 'SELECT * FROM sched_summary ORDER BY max_wakeup_latency_ns DESC LIMIT 10'",
	.run = run,
};
