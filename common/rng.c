/* xoshiro256** (Blackman, Vigna), seeded through splitmix64: small, fast, the same on every machine. */
#include "common/util.h"

void cgr_rng_init(struct cgr_rng *rng, uint64_t seed)
{
	for (unsigned i = 0; i < 4; i++) {
		uint64_t z = (seed += 0x9e3779b97f4a7c15ull);
		z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
		z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
		rng->s[i] = z ^ (z >> 31);
	}
}

static uint64_t rotate(uint64_t x, unsigned k)
{
	return (x << k) | (x >> (64 - k));
}

uint64_t cgr_rng_next(struct cgr_rng *rng)
{
	uint64_t *s = rng->s;
	uint64_t result = rotate(s[1] * 5, 7) * 9;
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t cgr_rng_below(struct cgr_rng *rng, uint64_t bound)
{
	/* multiply-shift; the bias of at most bound/2^64 is far below what any model can tell */
	return (uint64_t)(((unsigned __int128)cgr_rng_next(rng) * bound) >> 64);
}
