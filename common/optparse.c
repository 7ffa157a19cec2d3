/* Own parser over one table per command rather than getopt_long: help, completion, the man-page check and
 * "did you mean" all read the same table, and options may follow positional arguments. */
#include "common/optparse.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "common/util.h"

struct parse {
	const struct cgr_command *command;
	const struct cgr_option *options;
	size_t count;
	struct cgr_error *err;
};

static const char *const type_words[] = { "", "TEXT", "N", "SIZE", "TIME", "TEXT", "" };

static const char *argument_word(const struct cgr_option *option)
{
	if (option->argument != NULL)
		return option->argument;
	return option->type == CGR_OPT_ENUM ? option->choices : type_words[option->type];
}

/* each line indented by two, however the command wrote it */
static void print_examples(const char *examples)
{
	printf("Examples:\n");
	for (const char *line = examples; *line != '\0';) {
		line += strspn(line, " ");
		size_t length = strcspn(line, "\n");
		if (length > 0)
			printf("  %.*s\n", (int)length, line);
		line += length + (line[length] == '\n');
	}
	printf("\n");
}

static void print_help(const struct parse *p)
{
	printf("cgreplay %s: %s\n\n", p->command->name, p->command->summary);
	if (p->command->examples != NULL)
		print_examples(p->command->examples);
	printf("Usage: cgreplay %s\n\nOptions:\n", p->command->usage);
	for (size_t i = 0; i < p->count; i++) {
		const struct cgr_option *o = &p->options[i];
		char left[80];
		char letter[5] = "    ";
		if (o->letter != 0)
			(void)snprintf(letter, sizeof(letter), "-%c, ", o->letter);
		(void)snprintf(left, sizeof(left), "  %s--%s %s", letter, o->name, argument_word(o));
		bool choices = o->choices != NULL && o->argument != NULL;
		printf("%-36s %s%s%s%s\n", left, o->help, choices ? " (" : "", choices ? o->choices : "", choices ? ")" : "");
	}
	printf("%-36s %s\n", "  -h, --help", "this text");
}

/* NAME<TAB>LETTER<TAB>ARGUMENT<TAB>HELP<TAB>CHOICES: what completion and the documentation test read */
static void print_list(const struct parse *p)
{
	for (size_t i = 0; i < p->count; i++) {
		const struct cgr_option *o = &p->options[i];
		char letter[2] = { o->letter, '\0' };
		printf("%s\t%s\t%s\t%s\t%s\n", o->name, letter, argument_word(o), o->help, o->choices ? o->choices : "");
	}
}

static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[64];
	size_t la = strlen(a), lb = strlen(b);

	if (la >= CGR_ARRAY_SIZE(row) || lb >= CGR_ARRAY_SIZE(row))
		return 64;
	for (size_t j = 0; j <= lb; j++)
		row[j] = (unsigned)j;
	for (size_t i = 1; i <= la; i++) {
		unsigned diagonal = row[0];
		row[0] = (unsigned)i;
		for (size_t j = 1; j <= lb; j++) {
			unsigned above = row[j];
			unsigned best = diagonal + (a[i - 1] != b[j - 1]);
			best = CGR_MIN(best, CGR_MIN(above, row[j - 1]) + 1);
			diagonal = above;
			row[j] = best;
		}
	}
	return row[lb];
}

const char *cgr_did_you_mean(const char *word, const char *const *candidates, size_t count)
{
	const char *best = NULL;
	unsigned best_distance = (unsigned)CGR_MAX(strlen(word) / 3, (size_t)1) + 1;

	for (size_t i = 0; i < count; i++) {
		if (candidates[i] == NULL)
			continue;
		unsigned distance = edit_distance(word, candidates[i]);
		if (distance < best_distance) {
			best = candidates[i];
			best_distance = distance;
		}
	}
	return best;
}

static int unknown_option(const struct parse *p, const char *name)
{
	const char **names = cgr_calloc(p->count, sizeof(*names));
	const char *near = NULL;

	if (names != NULL) {
		for (size_t i = 0; i < p->count; i++)
			names[i] = p->options[i].name;
		near = cgr_did_you_mean(name, names, p->count);
	}
	int rc = cgr_error_set(p->err, CGR_E_USAGE, "%s: unknown option '--%s'%s%s%s; see cgreplay %s --help",
	                       p->command->name, name, near == NULL ? "" : "; did you mean --", near == NULL ? "" : near,
	                       near == NULL ? "" : "?", p->command->name);
	free(names);
	return rc;
}

static bool choice_listed(const char *choices, const char *text)
{
	size_t length = strlen(text);

	for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
		at += *at == '|';
		if (strncmp(at, text, length) == 0 && (at[length] == '|' || at[length] == '\0') && length > 0)
			return true;
	}
	return false;
}

static int list_add(struct cgr_string_list *list, const char *text, struct cgr_error *err)
{
	CGR_TRY(cgr_grow((void **)&list->item, &list->capacity, list->count + 1, sizeof(*list->item), err));
	list->item[list->count++] = text;
	return 0;
}

static int store(const struct parse *p, const struct cgr_option *o, const char *text)
{
	int rc = 0;

	switch (o->type) {
	case CGR_OPT_FLAG:
		*(bool *)o->value = true;
		break;
	case CGR_OPT_STRING:
		*(const char **)o->value = text;
		break;
	case CGR_OPT_INT:
		if (o->minimum == 0 && o->maximum == 0)
			rc = cgr_parse_int(text, INT64_MIN, INT64_MAX, o->value, p->err);
		else
			rc = cgr_parse_int(text, o->minimum, o->maximum, o->value, p->err);
		break;
	case CGR_OPT_BYTES:
		rc = cgr_parse_bytes(text, o->value, p->err);
		break;
	case CGR_OPT_DURATION:
		rc = cgr_parse_duration(text, o->value, p->err);
		break;
	case CGR_OPT_LIST:
		rc = list_add(o->value, text, p->err);
		break;
	case CGR_OPT_ENUM:
		if (!choice_listed(o->choices, text))
			rc = cgr_error_set(p->err, CGR_E_USAGE, "'%s' is none of %s", text, o->choices);
		*(const char **)o->value = text;
		break;
	}
	if (rc < 0)
		return cgr_error_cause(p->err, "%s: --%s", p->command->name, o->name);
	return 0;
}

/* "--name", "--name=value", "--no-name"; *index moves past a separate value */
static int parse_long(const struct parse *p, int argc, char **argv, int *index)
{
	const char *name = argv[*index] + 2;
	const char *equals = strchr(name, '=');
	size_t length = equals == NULL ? strlen(name) : (size_t)(equals - name);

	for (size_t i = 0; i < p->count; i++) {
		const struct cgr_option *o = &p->options[i];
		if (o->type == CGR_OPT_FLAG && equals == NULL && strncmp(name, "no-", 3) == 0 &&
		    strcmp(name + 3, o->name) == 0) {
			*(bool *)o->value = false;
			return 0;
		}
		if (strncmp(o->name, name, length) != 0 || o->name[length] != '\0')
			continue;
		if (o->type == CGR_OPT_FLAG) {
			if (equals != NULL)
				return cgr_error_set(p->err, CGR_E_USAGE, "%s: --%s takes no value", p->command->name, o->name);
			return store(p, o, NULL);
		}
		if (equals == NULL && *index + 1 >= argc)
			return cgr_error_set(p->err, CGR_E_USAGE, "%s: --%s needs %s", p->command->name, o->name, argument_word(o));
		return store(p, o, equals == NULL ? argv[++*index] : equals + 1);
	}
	char word[64];

	(void)snprintf(word, sizeof(word), "%.*s", (int)length, name);
	return unknown_option(p, word);
}

static int parse_short(const struct parse *p, int argc, char **argv, int *index)
{
	for (const char *at = argv[*index] + 1; *at != '\0'; at++) {
		const struct cgr_option *found = NULL;
		for (size_t i = 0; i < p->count; i++)
			if (p->options[i].letter == *at)
				found = &p->options[i];
		if (found == NULL)
			return cgr_error_set(p->err, CGR_E_USAGE, "%s: unknown option '-%c'; see cgreplay %s --help",
			                     p->command->name, *at, p->command->name);
		if (found->type == CGR_OPT_FLAG) {
			CGR_TRY(store(p, found, NULL));
			continue;
		}
		if (at[1] != '\0')
			return store(p, found, at + 1);
		if (*index + 1 >= argc)
			return cgr_error_set(p->err, CGR_E_USAGE, "%s: -%c needs %s", p->command->name, *at, argument_word(found));
		return store(p, found, argv[++*index]);
	}
	return 0;
}

int cgr_options_parse(const struct cgr_command *command, const struct cgr_option *options, size_t count, int argc,
                      char **argv, int *ret_positionals, int *ret_rest, struct cgr_error *reterr)
{
	struct parse p = { command, options, count, reterr };
	int positionals = 0;

	*ret_rest = argc;
	if (getenv("CGREPLAY_LIST_OPTIONS") != NULL) {
		print_list(&p);
		return 1;
	}
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0) {
			*ret_rest = i + 1;
			break;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			print_help(&p);
			return 1;
		}
		if (argv[i][0] == '-' && argv[i][1] == '-')
			CGR_TRY(parse_long(&p, argc, argv, &i));
		else if (argv[i][0] == '-' && argv[i][1] != '\0')
			CGR_TRY(parse_short(&p, argc, argv, &i));
		else
			argv[++positionals] = argv[i];
	}
	*ret_positionals = positionals;
	return 0;
}

void cgr_string_list_fini(struct cgr_string_list *list)
{
	free(list->item);
	*list = (struct cgr_string_list){ 0 };
}
