/* Requirements as people write them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/metricname.h"
#include "common/units.h"
#include "common/util.h"
#include "replay/recommend.h"

void cgr_requirement_fini(struct cgr_requirement *requirement)
{
	free(requirement->text);
	free(requirement->metric);
	*requirement = (struct cgr_requirement){ 0 };
}

static char *metric_name(const char *text, size_t length)
{
	const char *meant;

	while (length && isspace((unsigned char)text[length - 1]))
		length--;
	meant = cgr_metric_meant(text, length);
	return meant ? cgr_strdup(meant) : cgr_printf("%.*s", (int)length, text);
}

/* "1%" of a share is 10000 ppm; times are usec, everything else takes size suffixes. */
static int parse_value(const char *text, const char *metric, int64_t *ret_value, struct cgr_error *reterr)
{
	size_t length = strlen(text);
	int64_t ns;

	if (length && text[length - 1] == '%') {
		char number[32];

		/* "1.5%": as a duration of so many seconds, in ns, is 1.5e9; a ten thousandth of a second of it is one ppm */
		if (length >= sizeof number)
			return cgr_error_set(reterr, CGR_E_USAGE, "'%s' is too long", text);
		memcpy(number, text, length - 1);
		number[length - 1] = 0;
		if (cgr_parse_duration(number, &ns, NULL) < 0)
			return cgr_error_set(reterr, CGR_E_USAGE, "'%s' is not a percentage", text);
		*ret_value = ns / 100000;
		return 0;
	}
	if (strstr(metric, "_usec")) {
		if (cgr_parse_duration(text, &ns, reterr) < 0)
			return CGR_E_USAGE;
		*ret_value = ns / 1000;
		return 0;
	}
	return cgr_parse_bytes(text, ret_value, reterr);
}

int cgr_requirement_parse(const char *text, struct cgr_requirement *r, struct cgr_error *reterr)
{
	static const char *const ops[] = { "<=", ">=", "==", "<", ">" };
	size_t at = strcspn(text, "<>=");
	const char *value = NULL;
	int rc = 0;

	*r = (struct cgr_requirement){ 0 };
	for (size_t i = 0; i < CGR_ARRAY_SIZE(ops) && !value; i++)
		if (at && !strncmp(text + at, ops[i], strlen(ops[i]))) {
			strcpy(r->op, ops[i]);
			value = text + at + strlen(ops[i]);
		}
	while (value && isspace((unsigned char)*value))
		value++;
	if (!value || !*value)
		return cgr_error_set(
		    reterr, CGR_E_USAGE,
		    "--require '%s': expected METRIC OP VALUE, e.g. 'memory.events.oom_kill==0' or 'completion<+3%%'", text);
	r->text = cgr_strdup(text);
	r->metric = metric_name(text, at);
	r->relative = *value == '+';
	if (!r->text || !r->metric)
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "--require");
	if (rc >= 0 && r->relative && value[strlen(value) - 1] != '%')
		rc = cgr_error_set(reterr, CGR_E_USAGE, "a difference is given in percent, e.g. '+3%%'");
	if (rc >= 0)
		rc = parse_value(value + r->relative, r->metric, &r->value, reterr);
	if (rc < 0) {
		cgr_requirement_fini(r);
		return cgr_error_cause(reterr, "--require '%s'", text);
	}
	return 0;
}
