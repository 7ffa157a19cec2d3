/* Symbols of /proc/kallsyms, the clock tick. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "capture/facts.h"
#include "capture/kconfig.h"
#include "common/util.h"

static const char *const symbol_name[CGR_SYMBOL_COUNT] = {
#define CGR_X(name) #name,
	CGR_TIMER_SYMBOLS(CGR_X)
#undef CGR_X
};

const char *cgr_timer_symbol_name(unsigned symbol)
{
	return symbol < CGR_SYMBOL_COUNT ? symbol_name[symbol] : "unknown";
}

void cgr_timer_symbols_load(struct cgr_timer_symbols *symbols)
{
	FILE *file = fopen("/proc/kallsyms", "re");
	struct cgr_strbuf kept = { 0 };
	char line[512];

	*symbols = (struct cgr_timer_symbols){ 0 };
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		/* modules follow the kernel's own symbols; none of ours is in a module */
		if (strchr(line, '[') != NULL)
			break;
		char *name = strchr(line, ' ');
		if (name == NULL || name[1] == '\0' || name[2] != ' ')
			continue;
		name += 3;
		size_t length = strcspn(name, "\n");
		for (unsigned i = 0; i < CGR_SYMBOL_COUNT; i++) {
			if (strlen(symbol_name[i]) != length || memcmp(name, symbol_name[i], length) != 0)
				continue;
			uint64_t address = strtoull(line, NULL, 16);
			if (address == 0)
				break; /* hidden by kptr_restrict */
			symbols->address[i] = address;
			cgr_strbuf_printf(&kept, "%s", line);
		}
	}
	if (file != NULL)
		(void)fclose(file);
	symbols->kallsyms = kept.failed || kept.text == NULL ? NULL : kept.text;
}

void cgr_timer_symbols_fini(struct cgr_timer_symbols *symbols)
{
	free(symbols->kallsyms);
	*symbols = (struct cgr_timer_symbols){ 0 };
}

/* Without a readable configuration: the coarse clock advances once per tick, so its resolution is 1/HZ. */
static int measured_hz(void)
{
	struct timespec resolution;

	if (clock_getres(CLOCK_MONOTONIC_COARSE, &resolution) != 0 || resolution.tv_nsec <= 0)
		return 0;
	return (int)((1000000000 + resolution.tv_nsec / 2) / resolution.tv_nsec);
}

int cgr_kernel_hz(void)
{
	json_t *config = cgr_kconfig_json();
	const char *text = cgr_kconfig_borrow(config, "CONFIG_HZ");
	int hz = text != NULL ? atoi(text) : 0;

	json_decref(config);
	return hz > 0 ? hz : measured_hz();
}
