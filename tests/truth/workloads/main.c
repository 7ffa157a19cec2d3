/* The multi-call front: cgr-load WORKLOAD [key=value]... */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#define LOAD_WORKLOAD(name) extern const struct load_workload load_##name;
#include "workloads.def"
#undef LOAD_WORKLOAD

static const struct load_workload *const workloads[] = {
#define LOAD_WORKLOAD(name) &load_##name,
#include "workloads.def"
#undef LOAD_WORKLOAD
};

static void usage(FILE *to)
{
	fprintf(to, "usage: cgr-load WORKLOAD [key=value]...\n       cgr-load peak output=FILE -- COMMAND...\n");
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++) {
		fprintf(to, "  %-10s %s\n", workloads[i]->name, workloads[i]->help);
		for (const struct load_option *o = workloads[i]->option; o->name; o++)
			fprintf(to, "    %s=%s  %s\n", o->name, o->fallback, o->help);
	}
}

static int option_index(const struct load_option *option, const char *name, size_t length)
{
	for (int i = 0; option[i].name; i++)
		if (strlen(option[i].name) == length && !strncmp(option[i].name, name, length))
			return i;
	return -1;
}

int64_t load_int(const struct load_args *args, const char *name)
{
	const char *text = load_text(args, name);
	char *end;
	int64_t value = strtoll(text, &end, 10);
	if (end == text || *end) {
		fprintf(stderr, "cgr-load: %s=%s is not a whole number\n", name, text);
		exit(2);
	}
	return value;
}

const char *load_text(const struct load_args *args, const char *name)
{
	int i = option_index(args->option, name, strlen(name));
	if (i < 0)
		abort(); /* a workload asks for an option that its table has not */
	return args->value[i] ? args->value[i] : args->option[i].fallback;
}

static const struct load_workload *find(const char *name)
{
	for (size_t i = 0; i < sizeof(workloads) / sizeof(workloads[0]); i++)
		if (!strcmp(workloads[i]->name, name))
			return workloads[i];
	return NULL;
}

static void parse(const struct load_workload *workload, struct load_args *args, int argc, char **argv)
{
	args->option = workload->option;
	for (int i = 0; i < argc; i++) {
		const char *equals = strchr(argv[i], '=');
		int at = equals ? option_index(workload->option, argv[i], (size_t)(equals - argv[i])) : -1;
		if (at < 0) {
			fprintf(stderr, "cgr-load %s: no option '%s'\n", workload->name, argv[i]);
			exit(2);
		}
		args->value[at] = equals + 1;
	}
}

static int64_t cpu_usec(int who)
{
	struct rusage usage;
	if (getrusage(who, &usage))
		return 0;
	return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL + usage.ru_utime.tv_usec +
	       usage.ru_stime.tv_usec;
}

int main(int argc, char **argv)
{
	struct load_args args = { 0 };
	if (argc > 4 && !strcmp(argv[1], "peak") && !strncmp(argv[2], "output=", 7) && !strcmp(argv[3], "--"))
		return load_peak_main(argv[2] + 7, argv + 4);
	if (argc < 2 || !find(argv[1])) {
		usage(argc < 2 || strcmp(argv[1], "--help") ? stderr : stdout);
		return argc > 1 && !strcmp(argv[1], "--help") ? 0 : 2;
	}
	const struct load_workload *workload = find(argv[1]);
	parse(workload, &args, argc - 2, argv + 2);
	int64_t start_ns = load_now_ns();
	int64_t work = workload->run(&args);
	if (work < 0)
		return 4;
	printf("completion_usec=%lld\nwork=%lld\ncpu_usec=%lld\n", (long long)((load_now_ns() - start_ns) / 1000),
	       (long long)work, (long long)(cpu_usec(RUSAGE_SELF) + cpu_usec(RUSAGE_CHILDREN)));
	return fflush(stdout) ? 4 : 0;
}
