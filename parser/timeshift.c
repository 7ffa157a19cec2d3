#include "parser/timeshift.h"

#include <stdlib.h>

#include "common/limits.h"
#include "common/util.h"

#define FLAG_INTERPOLATE 1u

void cgr_time_shift_fini(struct cgr_time_shift *shift)
{
	for (size_t i = 0; i < shift->cpus; i++)
		free(shift->cpu[i].sample);
	free(shift->cpu);
	*shift = (struct cgr_time_shift){ 0 };
}

static int by_time(const void *a, const void *b)
{
	const struct cgr_shift_sample *x = a, *y = b;

	return (x->time > y->time) - (x->time < y->time);
}

/* By time; of samples taken at one time any one will do. */
static void put_in_order(struct cgr_shift_cpu *cpu)
{
	size_t kept = 0;

	if (cpu->samples > 1)
		qsort(cpu->sample, cpu->samples, sizeof(*cpu->sample), by_time);
	for (size_t i = 0; i < cpu->samples; i++)
		if (i == 0 || cpu->sample[i].time != cpu->sample[i - 1].time)
			cpu->sample[kept++] = cpu->sample[i];
	cpu->samples = kept;
}

static int read_cpu(struct cgr_shift_cpu *cpu, struct cgr_cursor *body, struct cgr_error *reterr)
{
	uint32_t count = cgr_cursor_u32(body);

	if (body->failed || count > cgr_cursor_left(body) / 24)
		return cgr_cursor_error(body, reterr, "%u corrections of the clock do not fit into the TIME_SHIFT option",
		                        count);
	cpu->sample = cgr_calloc(count + 1u, sizeof(*cpu->sample));
	if (cpu->sample == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	cpu->samples = count;
	for (uint32_t i = 0; i < count; i++)
		cpu->sample[i].time = (int64_t)cgr_cursor_u64(body);
	for (uint32_t i = 0; i < count; i++)
		cpu->sample[i].offset = (int64_t)cgr_cursor_u64(body);
	for (uint32_t i = 0; i < count; i++)
		cpu->sample[i].scaling = cgr_cursor_u64(body);
	return CGR_OK;
}

/* Newer recorders say with how many fraction bits the scaling stands; without, it is a whole number. */
static int read_fractions(struct cgr_time_shift *shift, struct cgr_cursor *body, struct cgr_error *reterr)
{
	for (size_t c = 0; c < shift->cpus; c++) {
		for (size_t i = 0; i < shift->cpu[c].samples; i++) {
			uint64_t fraction = cgr_cursor_u64(body);

			CGR_TRY(cgr_cursor_check(body, "the TIME_SHIFT option", reterr));
			if (fraction > 63)
				return cgr_cursor_error(body, reterr, "a clock scaled with %llu fraction bits: 0 to 63 are possible",
				                        (unsigned long long)fraction);
			shift->cpu[c].sample[i].fraction = (uint32_t)fraction;
		}
	}
	return CGR_OK;
}

int cgr_time_shift_read(struct cgr_time_shift *shift, struct cgr_cursor *body, struct cgr_error *reterr)
{
	cgr_time_shift_fini(shift);
	(void)cgr_cursor_u64(body); /* trace id of the peer, that is the host */
	uint32_t flags = cgr_cursor_u32(body), cpus = cgr_cursor_u32(body);

	CGR_TRY(cgr_cursor_check(body, "the TIME_SHIFT option", reterr));
	if (cpus > CGR_LIMIT_CPUS)
		return cgr_cursor_error(body, reterr, "%u CPUs in TIME_SHIFT: more than %u", cpus, CGR_LIMIT_CPUS);
	shift->interpolate = (flags & FLAG_INTERPOLATE) != 0;
	shift->cpu = cgr_calloc(cpus + 1u, sizeof(*shift->cpu));
	if (shift->cpu == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	shift->cpus = cpus;
	for (uint32_t c = 0; c < cpus; c++)
		CGR_TRY(read_cpu(&shift->cpu[c], body, reterr));
	if (cgr_cursor_left(body) > 0)
		CGR_TRY(read_fractions(shift, body, reterr));
	for (uint32_t c = 0; c < cpus; c++)
		put_in_order(&shift->cpu[c]);
	return CGR_OK;
}

/* The sample at or before the stamp, but never the last one: there is one behind it to interpolate with. */
static const struct cgr_shift_sample *find(const struct cgr_shift_cpu *cpu, int64_t stamp)
{
	size_t low = 0, high = cpu->samples - 1;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (cpu->sample[middle].time <= stamp)
			low = middle;
		else
			high = middle;
	}
	return &cpu->sample[low];
}

/* In 128 bits: the samples come from a file, and a scaling of a TSC has 48 fraction bits. */
static uint64_t correct(const struct cgr_time_shift *shift, const struct cgr_shift_sample *at, uint64_t stamp)
{
	__int128 offset = at->offset;

	if (shift->interpolate) {
		__int128 delta = (__int128)at[1].time - at->time;
		/* both factors have up to 65 bits: what does not fit into the product is no time of this world */
		__int128 past = (__int128)(int64_t)stamp - at->time, rise = (__int128)at[1].offset - at->offset, product;

		if (!__builtin_mul_overflow(past, rise, &product) && !__builtin_add_overflow(product, delta / 2, &product))
			offset += product / delta;
	}
	if (at->scaling > 1 || at->fraction > 0)
		stamp = (uint64_t)(((unsigned __int128)stamp * at->scaling) >> at->fraction);
	return stamp + (uint64_t)offset;
}

uint64_t cgr_time_shift_apply(const struct cgr_time_shift *shift, uint32_t cpu, uint64_t stamp)
{
	const struct cgr_shift_cpu *of;

	if (cpu >= shift->cpus || shift->cpu[cpu].samples == 0)
		return stamp;
	of = &shift->cpu[cpu];
	/* a single one is never scaled, as trace-cmd has it */
	if (of->samples == 1)
		return stamp + (uint64_t)of->sample[0].offset;
	return correct(shift, find(of, (int64_t)stamp), stamp);
}
