#include "common/units.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

struct suffix {
	const char *text;
	int64_t factor;
};

/* digits[.digits] -> value * factor, exact for integers, overflow checked */
static int scale(const char *text, const char **ret_end, int64_t *ret_whole, int64_t *ret_millionths)
{
	char *end;

	errno = 0;
	if (!isdigit((unsigned char)*text))
		return CGR_E_USAGE;
	long long whole = strtoll(text, &end, 10);
	if (errno != 0)
		return CGR_E_USAGE;
	int64_t millionths = 0, weight = 100000;

	if (*end == '.') {
		end++;
		if (!isdigit((unsigned char)*end))
			return CGR_E_USAGE;
		for (; isdigit((unsigned char)*end); end++, weight /= 10)
			millionths += (*end - '0') * weight;
	}
	*ret_end = end;
	*ret_whole = whole;
	*ret_millionths = millionths;
	return 0;
}

static int with_suffix(const char *text, const struct suffix *table, size_t count, int64_t *ret_value)
{
	const char *end;
	int64_t whole, millionths;

	if (scale(text, &end, &whole, &millionths) < 0)
		return CGR_E_USAGE;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(end, table[i].text) != 0)
			continue;
		int64_t value, part;
		if (__builtin_mul_overflow(whole, table[i].factor, &value))
			return CGR_E_USAGE;
		part = (int64_t)((__int128)millionths * table[i].factor / 1000000);
		if (__builtin_add_overflow(value, part, &value))
			return CGR_E_USAGE;
		*ret_value = value;
		return 0;
	}
	return CGR_E_USAGE;
}

int cgr_parse_bytes(const char *text, int64_t *ret_bytes, struct cgr_error *reterr)
{
	static const struct suffix table[] = {
		{ "", 1 },          { "B", 1 },         { "b", 1 },          { "k", 1 << 10 },     { "K", 1 << 10 },
		{ "Ki", 1 << 10 },  { "KiB", 1 << 10 }, { "m", 1 << 20 },    { "M", 1 << 20 },     { "Mi", 1 << 20 },
		{ "MiB", 1 << 20 }, { "g", 1 << 30 },   { "G", 1 << 30 },    { "Gi", 1 << 30 },    { "GiB", 1 << 30 },
		{ "t", 1ll << 40 }, { "T", 1ll << 40 }, { "Ti", 1ll << 40 }, { "TiB", 1ll << 40 },
	};

	if (strcmp(text, "max") == 0 || strcmp(text, "-1") == 0) {
		*ret_bytes = CGR_UNLIMITED;
		return 0;
	}
	if (with_suffix(text, table, CGR_ARRAY_SIZE(table), ret_bytes) < 0)
		return cgr_error_set(reterr, CGR_E_USAGE, "'%s' is not a size: write bytes, 64K, 512M, 2G, 512Mi or max", text);
	return 0;
}

int cgr_parse_duration(const char *text, int64_t *ret_ns, struct cgr_error *reterr)
{
	static const struct suffix table[] = {
		{ "", 1000000000 }, { "s", 1000000000 }, { "sec", 1000000000 }, { "ms", 1000000 },      { "us", 1000 },
		{ "usec", 1000 },   { "ns", 1 },         { "m", 60000000000 },  { "min", 60000000000 }, { "h", 3600000000000 },
	};

	if (with_suffix(text, table, CGR_ARRAY_SIZE(table), ret_ns) < 0)
		return cgr_error_set(reterr, CGR_E_USAGE, "'%s' is not a time: write 30s, 1.5s, 100ms, 20us, 5m or 1h", text);
	return 0;
}

int cgr_parse_int(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_value, struct cgr_error *reterr)
{
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0)
		return cgr_error_set(reterr, CGR_E_USAGE, "'%s' is not a whole number", text);
	if (value < minimum || value > maximum)
		return cgr_error_set(reterr, CGR_E_USAGE, "%lld is outside %lld..%lld", value, (long long)minimum,
		                     (long long)maximum);
	*ret_value = value;
	return 0;
}

int cgr_parse_cpulist(const char *text, uint64_t *mask, size_t words, struct cgr_error *reterr)
{
	const char *at = text;

	memset(mask, 0, words * sizeof(*mask));
	while (*at != '\0' && *at != '\n') {
		char *end;
		unsigned long first = strtoul(at, &end, 10), last = first;
		bool good = end != at && isdigit((unsigned char)*at);

		if (good && *end == '-') {
			at = end + 1;
			last = strtoul(at, &end, 10);
			good = end != at && isdigit((unsigned char)*at);
		}
		if (!good || last < first || last >= words * 64 || (*end != ',' && *end != '\0' && *end != '\n'))
			return cgr_error_set(reterr, CGR_E_USAGE, "'%s' is not a CPU list: write 0-3,5 with CPUs below %zu", text,
			                     words * 64);
		for (; first <= last; first++)
			mask[first / 64] |= 1ull << (first % 64);
		at = *end == ',' ? end + 1 : end;
	}
	return 0;
}

static bool has_cpu(const uint64_t *mask, size_t words, size_t cpu)
{
	return cpu < words * 64 && (mask[cpu / 64] >> (cpu % 64) & 1);
}

char *cgr_format_cpulist(const uint64_t *mask, size_t words, char *out, size_t size)
{
	size_t length = 0;

	out[0] = '\0';
	for (size_t cpu = 0, last; cpu < words * 64; cpu = last + 1) {
		char range[48];
		int n;

		last = cpu;
		if (!has_cpu(mask, words, cpu))
			continue;
		while (has_cpu(mask, words, last + 1))
			last++;
		n = last > cpu ? snprintf(range, sizeof range, "%s%zu-%zu", length ? "," : "", cpu, last)
		               : snprintf(range, sizeof range, "%s%zu", length ? "," : "", cpu);
		if (length + (size_t)n + 4 > size) {
			snprintf(out + length, size - length, "...");
			break;
		}
		memcpy(out + length, range, (size_t)n + 1);
		length += (size_t)n;
	}
	return out;
}

static char *scaled(int64_t value, int64_t step, const char *const *suffix, unsigned last, char *out, size_t size)
{
	uint64_t magnitude = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
	uint64_t unit = 1;
	unsigned i = 0;

	while (i < last && magnitude / unit >= (uint64_t)step) {
		unit *= (uint64_t)step;
		i++;
	}
	uint64_t whole = magnitude / unit;
	uint64_t tenth = (magnitude % unit) * 10 / unit;

	if (whole >= 100 || tenth == 0)
		(void)snprintf(out, size, "%s%llu%s", value < 0 ? "-" : "", (unsigned long long)whole, suffix[i]);
	else
		(void)snprintf(out, size, "%s%llu.%llu%s", value < 0 ? "-" : "", (unsigned long long)whole,
		               (unsigned long long)tenth, suffix[i]);
	return out;
}

char *cgr_format_bytes(int64_t bytes, char *out, size_t size)
{
	static const char *const suffix[] = { "B", "K", "M", "G", "T", "P" };

	if (bytes == CGR_UNLIMITED) {
		(void)cgr_strcpy(out, size, "max");
		return out;
	}
	return scaled(bytes, 1024, suffix, 5, out, size);
}

char *cgr_format_count(int64_t count, char *out, size_t size)
{
	static const char *const suffix[] = { "", "k", "M", "G", "T", "P" };

	if (count > -10000 && count < 10000) {
		(void)snprintf(out, size, "%lld", (long long)count);
		return out;
	}
	return scaled(count, 1000, suffix, 5, out, size);
}

char *cgr_format_usec(int64_t usec, char *out, size_t size)
{
	uint64_t magnitude = usec < 0 ? 0 - (uint64_t)usec : (uint64_t)usec;
	const char *sign = usec < 0 ? "-" : "";

	if (magnitude < 1000)
		(void)snprintf(out, size, "%s%lluus", sign, (unsigned long long)magnitude);
	else if (magnitude < 1000000)
		(void)snprintf(out, size, "%s%llu.%llums", sign, (unsigned long long)(magnitude / 1000),
		               (unsigned long long)(magnitude % 1000 / 100));
	else
		(void)snprintf(out, size, "%s%llu.%02llus", sign, (unsigned long long)(magnitude / 1000000),
		               (unsigned long long)(magnitude % 1000000 / 10000));
	return out;
}

int cgr_parse_percent(const char *text, int64_t *ret_ppm, struct cgr_error *reterr)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || (strcmp(end, "%") != 0 && *end) || !(value >= 0 && value <= 1e6))
		return cgr_error_set(reterr, CGR_E_USAGE, "'%s' is not a percentage such as 5%%", text);
	*ret_ppm = (int64_t)(value * 1e4 + 0.5);
	return 0;
}
