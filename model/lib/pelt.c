#include "model/lib/pelt.h"

#define HALF_LIFE 32u
#define IMBALANCE_PCT 117u

/* round(2^32 * 2^(-n/32)), n = 0..31 (n = 0 held just below 2^32). */
static const uint32_t inverse_power[HALF_LIFE] = {
	0xffffffff, 0xfa83b2da, 0xf5257d14, 0xefe4b99a, 0xeac0c6e6, 0xe5b906e6, 0xe0ccdeeb, 0xdbfbb796,
	0xd744fcc9, 0xd2a81d91, 0xce248c14, 0xc9b9bd85, 0xc5672a10, 0xc12c4cc9, 0xbd08a39e, 0xb8fbaf46,
	0xb504f333, 0xb123f581, 0xad583ee9, 0xa9a15ab4, 0xa5fed6a9, 0xa2704302, 0x9ef5325f, 0x9b8d39b9,
	0x9837f050, 0x94f4efa8, 0x91c3d373, 0x8ea4398a, 0x8b95c1e3, 0x88980e80, 0x85aac367, 0x82cd8698,
};

uint64_t cgr_pelt_decay(uint64_t value, uint64_t periods)
{
	if (periods > (uint64_t)HALF_LIFE * 63)
		return 0;
	value >>= periods / HALF_LIFE;
	return (uint64_t)(((unsigned __int128)value * inverse_power[periods % HALF_LIFE]) >> 32);
}

/* The new part of the series: the rest of the first segment, the whole ones between, the start of the last. */
static uint64_t segments(uint64_t periods, uint32_t first_us, uint32_t last_us)
{
	uint64_t whole = CGR_PELT_SUM_MAX - cgr_pelt_decay(CGR_PELT_SUM_MAX, periods) - 1024;
	return cgr_pelt_decay(first_us, periods) + whole + last_us;
}

bool cgr_pelt_cross(struct cgr_pelt *pelt, uint64_t delta_us, uint64_t load, uint32_t runnable, bool running)
{
	uint64_t contrib = delta_us, whole_us = delta_us + pelt->contrib_us, periods = whole_us / 1024;
	uint32_t rest = (uint32_t)(whole_us % 1024);
	pelt->load_sum = cgr_pelt_decay(pelt->load_sum, periods);
	pelt->runnable_sum = cgr_pelt_decay(pelt->runnable_sum, periods);
	pelt->util_sum = cgr_pelt_decay(pelt->util_sum, periods);
	if (load)
		contrib = segments(periods, 1024 - pelt->contrib_us, rest);
	pelt->contrib_us = rest;
	if (!load)
		return true;
	pelt->load_sum += load * contrib;
	pelt->runnable_sum += runnable * contrib << 10;
	if (running)
		pelt->util_sum += contrib << 10;
	return true;
}

uint32_t cgr_pelt_divider(const struct cgr_pelt *pelt)
{
	return CGR_PELT_SUM_MAX - 1024 + pelt->contrib_us;
}

void cgr_pelt_average(struct cgr_pelt *pelt, uint64_t weight)
{
	uint32_t divider = cgr_pelt_divider(pelt);
	pelt->load_avg = weight * pelt->load_sum / divider;
	pelt->runnable_avg = pelt->runnable_sum / divider;
	pelt->util_avg = pelt->util_sum / divider;
}

uint32_t cgr_idle_scan_depth(uint64_t util_sum, uint32_t n_cpus)
{
	uint64_t x = util_sum / n_cpus;
	uint64_t part = x * x * IMBALANCE_PCT * IMBALANCE_PCT / (10000u * 1024u);
	return part > 1024 ? 0 : (uint32_t)((1024 - part) * n_cpus / 1024);
}
