/* Parsing and printing of sizes, times and counts, in the kernel's and in people's syntax. */
#ifndef CGR_COMMON_UNITS_H
#define CGR_COMMON_UNITS_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define CGR_UNLIMITED INT64_MAX /* "max", v1 "-1" and PAGE_COUNTER_MAX */
#define CGR_PAGE_BYTES 4096

/* "512M", "1G", "64k", "1073741824", "512Mi", "max", "-1" -> bytes. */
int cgr_parse_bytes(const char *text, int64_t *ret_bytes, struct cgr_error *reterr);
/* "30s", "100ms", "5us", "10ns", "1m", plain number = seconds -> ns. */
int cgr_parse_duration(const char *text, int64_t *ret_ns, struct cgr_error *reterr);
/* "3%", "0.5%" or "3": percent -> ppm, 0..1000000 %. */
int cgr_parse_percent(const char *text, int64_t *ret_ppm, struct cgr_error *reterr);
int cgr_parse_int(const char *text, int64_t minimum, int64_t maximum, int64_t *ret_value, struct cgr_error *reterr);
/* "0-2,5" -> bit mask words. */
int cgr_parse_cpulist(const char *text, uint64_t *mask, size_t words, struct cgr_error *reterr);
/* And back, as the kernel prints it; "..." ends what does not fit. Writes at most size bytes, returns out. */
char *cgr_format_cpulist(const uint64_t *mask, size_t words, char *out, size_t size);

/* Human forms for tables: 412M, 20.5k, 43.1s. Write at most size bytes, return out. */
char *cgr_format_bytes(int64_t bytes, char *out, size_t size);
char *cgr_format_count(int64_t count, char *out, size_t size);
char *cgr_format_usec(int64_t usec, char *out, size_t size);
#endif
