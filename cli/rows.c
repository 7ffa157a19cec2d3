#include "cli/rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "common/util.h"
#include "reports/text.h"

#define TABLE_SAMPLE 500u /* rows looked at for column widths; later rows may be wider and stay readable */
#define CELL_MAX 60u

enum cgr_rows_format cgr_rows_format_of(const char *name)
{
	if (strcmp(name, "csv") == 0)
		return CGR_ROWS_CSV;
	return strcmp(name, "json") == 0 ? CGR_ROWS_JSON : CGR_ROWS_TABLE;
}

void cgr_rows_print_plain(FILE *out, const char *text)
{
	struct cgr_strbuf buf = { 0 };

	cgr_text_plain(&buf, text == NULL ? "" : text);
	if (buf.text != NULL)
		fputs(buf.text, out);
	cgr_strbuf_fini(&buf);
}

static void number(struct cgr_strbuf *out, double value)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "%.15g", value);
	cgr_strbuf_printf(out, "%s", text);
}

static void blob(struct cgr_strbuf *out, const struct cgr_query *query, size_t column)
{
	cgr_strbuf_printf(out, "(%zu bytes)", cgr_query_bytes(query, column));
}

static void plain_cell(struct cgr_strbuf *out, const struct cgr_query *query, size_t column)
{
	switch (cgr_query_type(query, column)) {
	case CGR_QUERY_NULL:
		break;
	case CGR_QUERY_INTEGER:
		cgr_strbuf_printf(out, "%" PRId64, cgr_query_integer(query, column));
		break;
	case CGR_QUERY_REAL:
		number(out, cgr_query_real(query, column));
		break;
	case CGR_QUERY_BLOB:
		blob(out, query, column);
		break;
	default:
		cgr_text_plain(out, cgr_query_borrow_text(query, column));
		break;
	}
}

static int written(FILE *out, struct cgr_error *reterr)
{
	if (fflush(out) != 0 || ferror(out))
		return cgr_error_errno(reterr, CGR_E_IO, "cannot write the rows");
	return 0;
}

enum unit { UNIT_NONE, UNIT_BYTES, UNIT_NS, UNIT_USEC };

static enum unit unit_of(const char *name, size_t *ret_length)
{
	static const struct {
		const char *end;
		enum unit unit;
	} known[] = { { "_bytes", UNIT_BYTES }, { "_ns", UNIT_NS }, { "_usec", UNIT_USEC } };
	size_t length = strlen(name);

	*ret_length = length;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(known); i++) {
		size_t end = strlen(known[i].end);

		if (length > end && strcmp(name + length - end, known[i].end) == 0) {
			*ret_length = length - end;
			return known[i].unit;
		}
	}
	return UNIT_NONE;
}

static bool is_unlimited(const struct cgr_query *query, size_t column)
{
	size_t length;

	return cgr_query_type(query, column) == CGR_QUERY_INTEGER && cgr_query_integer(query, column) == CGR_UNLIMITED &&
	       unit_of(cgr_query_borrow_column_name(query, column), &length) == UNIT_BYTES;
}

static int print_csv(FILE *out, struct cgr_query *query, bool limits, struct cgr_error *reterr)
{
	size_t columns = cgr_query_columns(query);
	struct cgr_strbuf line = { 0 };
	int rc;

	for (size_t c = 0; c < columns; c++) {
		cgr_strbuf_printf(&line, c == 0 ? "" : ",");
		cgr_text_csv(&line, cgr_query_borrow_column_name(query, c));
	}
	for (;;) {
		cgr_strbuf_printf(&line, "\r\n");
		if (line.failed || fwrite(line.text, 1, line.length, out) != line.length)
			break;
		line.length = 0;
		rc = cgr_query_next(query, reterr);
		if (rc <= 0) {
			cgr_strbuf_fini(&line);
			return rc < 0 ? rc : written(out, reterr);
		}
		for (size_t c = 0; c < columns; c++) {
			cgr_strbuf_printf(&line, c == 0 ? "" : ",");
			if (cgr_query_type(query, c) == CGR_QUERY_TEXT)
				cgr_text_csv(&line, cgr_query_borrow_text(query, c));
			else if (limits && is_unlimited(query, c))
				cgr_strbuf_printf(&line, "max");
			else
				plain_cell(&line, query, c);
		}
	}
	rc = line.failed ? cgr_error_set(reterr, CGR_E_NOMEM, "out of memory") : written(out, reterr);
	cgr_strbuf_fini(&line);
	return rc;
}

static void json_string(struct cgr_strbuf *out, const char *text)
{
	struct cgr_strbuf clean = { 0 };

	cgr_text_utf8(&clean, text);
	cgr_strbuf_append(out, "\"", 1);
	for (const char *p = clean.text == NULL ? "" : clean.text; *p != '\0'; p++) {
		if (*p == '"' || *p == '\\')
			cgr_strbuf_printf(out, "\\%c", *p);
		else if ((unsigned char)*p < 0x20)
			cgr_strbuf_printf(out, "\\u%04x", (unsigned)*p);
		else
			cgr_strbuf_append(out, p, 1);
	}
	cgr_strbuf_append(out, "\"", 1);
	cgr_strbuf_fini(&clean);
}

static void json_cell(struct cgr_strbuf *out, const struct cgr_query *query, size_t column)
{
	double real;

	switch (cgr_query_type(query, column)) {
	case CGR_QUERY_NULL:
		cgr_strbuf_printf(out, "null");
		break;
	case CGR_QUERY_REAL:
		real = cgr_query_real(query, column);
		if (isfinite(real))
			number(out, real);
		else
			cgr_strbuf_printf(out, "null");
		break;
	case CGR_QUERY_INTEGER:
		cgr_strbuf_printf(out, "%" PRId64, cgr_query_integer(query, column));
		break;
	case CGR_QUERY_BLOB:
		cgr_strbuf_append(out, "\"", 1);
		blob(out, query, column);
		cgr_strbuf_append(out, "\"", 1);
		break;
	default:
		json_string(out, cgr_query_borrow_text(query, column));
		break;
	}
}

/* One array of objects, a row per line. */
static int print_json(FILE *out, struct cgr_query *query, bool limits, struct cgr_error *reterr)
{
	size_t columns = cgr_query_columns(query), rows = 0;
	struct cgr_strbuf line = { 0 };
	int rc;

	while ((rc = cgr_query_next(query, reterr)) == 1) {
		line.length = 0;
		cgr_strbuf_printf(&line, rows++ == 0 ? "[\n{" : ",\n{");
		for (size_t c = 0; c < columns; c++) {
			cgr_strbuf_printf(&line, c == 0 ? "" : ", ");
			json_string(&line, cgr_query_borrow_column_name(query, c));
			cgr_strbuf_printf(&line, ": ");
			if (limits && is_unlimited(query, c))
				json_string(&line, "max");
			else
				json_cell(&line, query, c);
		}
		cgr_strbuf_printf(&line, "}");
		if (line.failed || fwrite(line.text, 1, line.length, out) != line.length)
			break;
	}
	if (rc == 0)
		fputs(rows == 0 ? "[]\n" : "\n]\n", out);
	if (line.failed)
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	cgr_strbuf_fini(&line);
	return rc < 0 ? rc : written(out, reterr);
}

struct table { /* the rows the widths are taken from */
	size_t columns, rows;
	const char *title; /* not NULL: for people, see cgr_rows_print_titled */
	char **cell;
	size_t *width;
	bool *numeric;
};

/* Columns a terminal needs for UTF-8 text, taking every character as one wide. */
static size_t width_of(const char *text)
{
	size_t width = 0;

	for (; *text != '\0'; text++)
		width += ((unsigned char)*text & 0xc0) != 0x80;
	return width;
}

static void print_cell(FILE *out, const char *text, size_t width, bool right, bool last)
{
	size_t have = width_of(text);
	int pad = have < width ? (int)(width - have) : 0;

	if (right)
		fprintf(out, "%*s%s", pad, "", text);
	else if (last)
		fputs(text, out);
	else
		fprintf(out, "%s%*s", text, pad, "");
	fputs(last ? "\n" : "  ", out);
}

static void table_line(FILE *out, const struct table *t, char *const *cell)
{
	for (size_t c = 0; c < t->columns; c++)
		print_cell(out, cell[c] == NULL ? "" : cell[c], t->width[c], t->numeric[c], c + 1 == t->columns);
}

static void free_cells(char **cell, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(cell[i]);
}

static void people_cell(struct cgr_strbuf *out, const struct cgr_query *query, size_t column)
{
	int64_t value = cgr_query_integer(query, column);
	char text[40];
	size_t length;

	if (cgr_query_type(query, column) != CGR_QUERY_INTEGER) {
		plain_cell(out, query, column);
		return;
	}
	switch (unit_of(cgr_query_borrow_column_name(query, column), &length)) {
	case UNIT_BYTES:
		cgr_strbuf_printf(out, "%s", cgr_format_bytes(value, text, sizeof(text)));
		break;
	case UNIT_NS:
		cgr_strbuf_printf(out, "%s", cgr_format_usec(value / 1000, text, sizeof(text)));
		break;
	case UNIT_USEC:
		cgr_strbuf_printf(out, "%s", cgr_format_usec(value, text, sizeof(text)));
		break;
	default:
		cgr_strbuf_printf(out, "%" PRId64, value);
		break;
	}
}

static void get_row(const struct table *t, struct cgr_query *query, char **cell)
{
	for (size_t c = 0; c < t->columns; c++) {
		struct cgr_strbuf buf = { 0 };

		if (t->title != NULL)
			people_cell(&buf, query, c);
		else
			plain_cell(&buf, query, c);
		cell[c] = buf.text;
	}
}

static char *column_title(const struct table *t, const struct cgr_query *query, size_t column)
{
	const char *name = cgr_query_borrow_column_name(query, column);
	size_t length = strlen(name);

	if (t->title != NULL)
		(void)unit_of(name, &length);
	return cgr_printf("%.*s", (int)length, name);
}

static void head(FILE *out, const struct table *t, const struct cgr_query *query)
{
	if (t->title != NULL)
		fprintf(out, "\n%s\n", t->title);
	for (size_t c = 0; c < t->columns; c++) {
		char *name = column_title(t, query, c);

		print_cell(out, name == NULL ? "" : name, t->width[c], t->numeric[c], c + 1 == t->columns);
		free(name);
	}
}

static void measure(struct table *t, struct cgr_query *query, char **cell)
{
	for (size_t c = 0; c < t->columns; c++) {
		enum cgr_query_type type = cgr_query_type(query, c);

		t->width[c] = CGR_MAX(t->width[c], CGR_MIN(width_of(cell[c] == NULL ? "" : cell[c]), (size_t)CELL_MAX));
		t->numeric[c] &= type == CGR_QUERY_INTEGER || type == CGR_QUERY_REAL || type == CGR_QUERY_NULL;
	}
}

static int fill(struct table *t, struct cgr_query *query, struct cgr_error *reterr)
{
	int rc;

	while ((rc = cgr_query_next(query, reterr)) == 1) {
		char **cell = t->cell + t->rows * t->columns;

		get_row(t, query, cell);
		measure(t, query, cell);
		if (++t->rows == TABLE_SAMPLE)
			return 1;
	}
	return rc;
}

static int print_table(FILE *out, struct cgr_query *query, const char *title, struct cgr_error *reterr)
{
	struct table t = { .columns = cgr_query_columns(query), .title = title };
	char **cell = cgr_calloc(t.columns + 1, sizeof(*cell));
	int rc = 0;

	t.cell = cgr_calloc((size_t)TABLE_SAMPLE * t.columns + 1, sizeof(*t.cell));
	t.width = cgr_calloc(t.columns + 1, sizeof(*t.width));
	t.numeric = cgr_calloc(t.columns + 1, sizeof(*t.numeric));
	if (cell == NULL || t.cell == NULL || t.width == NULL || t.numeric == NULL)
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	for (size_t c = 0; rc == 0 && c < t.columns; c++) {
		char *name = column_title(&t, query, c);

		t.width[c] = width_of(name == NULL ? "" : name);
		t.numeric[c] = true;
		free(name);
	}
	if (rc == 0) {
		rc = fill(&t, query, reterr);
		if (t.rows > 0 || title == NULL)
			head(out, &t, query);
		for (size_t r = 0; r < t.rows; r++)
			table_line(out, &t, t.cell + r * t.columns);
	}
	while (rc == 1 && (rc = cgr_query_next(query, reterr)) == 1) {
		get_row(&t, query, cell);
		table_line(out, &t, cell);
		free_cells(cell, t.columns);
	}
	free_cells(t.cell, t.rows * t.columns);
	free(t.cell);
	free(cell);
	free(t.width);
	free(t.numeric);
	return rc < 0 ? rc : written(out, reterr);
}

int cgr_rows_print_limits(FILE *out, struct cgr_query *query, enum cgr_rows_format format, struct cgr_error *reterr)
{
	return format == CGR_ROWS_JSON ? print_json(out, query, true, reterr) : print_csv(out, query, true, reterr);
}

int cgr_rows_print(FILE *out, struct cgr_query *query, enum cgr_rows_format format, struct cgr_error *reterr)
{
	switch (format) {
	case CGR_ROWS_CSV:
		return print_csv(out, query, false, reterr);
	case CGR_ROWS_JSON:
		return print_json(out, query, false, reterr);
	default:
		return print_table(out, query, NULL, reterr);
	}
}

int cgr_rows_print_titled(FILE *out, struct cgr_query *query, const char *title, struct cgr_error *reterr)
{
	return print_table(out, query, title, reterr);
}

static bool is_whole_number(const char *text)
{
	size_t digits = strspn(text + (*text == '-'), "0123456789");

	return digits > 0 && digits < 19 && text[digits + (*text == '-')] == '\0' &&
	       (digits == 1 || text[*text == '-'] != '0');
}

int cgr_rows_print_object(FILE *out, struct cgr_query *query, struct cgr_error *reterr)
{
	size_t rows = 0;
	int rc;

	fputs("{", out);
	while ((rc = cgr_query_next(query, reterr)) == 1) {
		const char *value;
		struct cgr_strbuf line = { 0 };

		cgr_strbuf_printf(&line, rows++ == 0 ? "\n" : ",\n");
		json_string(&line, cgr_query_borrow_text(query, 0));
		cgr_strbuf_printf(&line, ": ");
		value = cgr_query_borrow_text(query, 1);
		if (value == NULL)
			cgr_strbuf_printf(&line, "null");
		else if (is_whole_number(value))
			cgr_strbuf_printf(&line, "%s", value);
		else
			json_string(&line, value);
		if (!line.failed)
			(void)fwrite(line.text, 1, line.length, out);
		cgr_strbuf_fini(&line);
	}
	fputs("}", out);
	return rc < 0 ? rc : written(out, reterr);
}
