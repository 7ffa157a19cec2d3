#include "model/lib/mem_counter.h"

#include "common/util.h"

void cgr_mem_counter_init(struct cgr_mem_counter *counter, struct cgr_mem_counter *parent, uint32_t cgroup,
                          bool protection)
{
	*counter = (struct cgr_mem_counter){
		.parent = parent,
		.cgroup = cgroup,
		.max = CGR_COUNTER_MAX,
		.high = CGR_COUNTER_MAX,
		.protection = protection,
	};
}

/* propagate_protected_usage: the parent keeps the sum of what its children may claim. */
static void propagate(struct cgr_mem_counter *counter)
{
	if (!counter->protection || !counter->parent)
		return;
	int64_t protected_min = CGR_MIN(counter->usage, counter->min);
	int64_t protected_low = CGR_MIN(counter->usage, counter->low);
	counter->parent->children_min_usage += protected_min - counter->min_usage;
	counter->parent->children_low_usage += protected_low - counter->low_usage;
	counter->min_usage = protected_min;
	counter->low_usage = protected_low;
}

void cgr_mem_counter_uncharge(struct cgr_mem_counter *counter, int64_t pages)
{
	for (; counter; counter = counter->parent) {
		/* the kernel clamps underflow to 0 and warns */
		counter->usage = pages > counter->usage ? 0 : counter->usage - pages;
		propagate(counter);
	}
}

static void cancel(struct cgr_mem_counter *from, const struct cgr_mem_counter *below, int64_t pages)
{
	for (; from != below; from = from->parent) {
		from->usage -= pages;
		propagate(from);
	}
}

struct cgr_mem_counter *cgr_mem_counter_try_charge(struct cgr_mem_counter *counter, int64_t pages)
{
	for (struct cgr_mem_counter *level = counter; level; level = level->parent) {
		int64_t usage = level->usage + pages;
		if (usage > level->max) {
			level->failcnt++;
			cancel(counter, level, pages);
			return level;
		}
		level->usage = usage;
		propagate(level);
		/* a level below one that fails keeps the watermark of its brief spike, as in the kernel */
		if (usage > level->watermark)
			level->watermark = usage;
	}
	return NULL;
}

void cgr_mem_counter_charge(struct cgr_mem_counter *counter, int64_t pages)
{
	for (; counter; counter = counter->parent) {
		counter->usage += pages;
		propagate(counter);
		if (counter->usage > counter->watermark)
			counter->watermark = counter->usage;
	}
}

void cgr_mem_counter_set_protection(struct cgr_mem_counter *counter, int64_t min, int64_t low)
{
	counter->min = min;
	counter->low = low;
	propagate(counter);
}

/* value * numerator / denominator without overflow: raw settings may be CGR_COUNTER_MAX. */
static int64_t scale(int64_t value, int64_t numerator, int64_t denominator)
{
	return denominator > 0 ? (int64_t)((__int128)value * numerator / denominator) : 0;
}

static int64_t effective(int64_t usage, int64_t parent_usage, int64_t setting, int64_t parent_effective,
                         int64_t siblings, bool recursive)
{
	int64_t claim = CGR_MIN(usage, setting);
	if (siblings > parent_effective)
		return scale(claim, parent_effective, siblings);
	int64_t result = claim;
	if (recursive && parent_effective > siblings && parent_usage > siblings && usage > claim)
		result += scale(parent_effective - siblings, usage - claim, parent_usage - siblings);
	return result;
}

void cgr_mem_counter_protect(const struct cgr_mem_counter *root, struct cgr_mem_counter *counter, bool recursive)
{
	const struct cgr_mem_counter *parent = counter->parent;
	if (counter == root || !parent || !counter->usage)
		return;
	if (parent == root) {
		counter->emin = counter->min;
		counter->elow = counter->low;
		return;
	}
	counter->emin =
	    effective(counter->usage, parent->usage, counter->min, parent->emin, parent->children_min_usage, recursive);
	counter->elow =
	    effective(counter->usage, parent->usage, counter->low, parent->elow, parent->children_low_usage, recursive);
}
