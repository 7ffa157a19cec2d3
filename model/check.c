/* What a model table must look like before the engine trusts it: an out-of-tree model built against another header
 * is refused in words instead of crashing later. */
#include <string.h>

#include "common/limits.h"
#include "model/reclaim.h"
#include "model/registry.h"

size_t cgr_model_ops_size(enum cgr_domain domain)
{
	switch (domain) {
	case CGR_DOMAIN_CPU:
		return sizeof(struct cgr_cpu_ops);
	case CGR_DOMAIN_MEMORY:
		return sizeof(struct cgr_memory_ops);
	case CGR_DOMAIN_RECLAIM:
		return sizeof(struct cgr_reclaim_ops);
	}
	return 0;
}

static int refuse(struct cgr_error *reterr, const char *origin, const char *name, const char *what)
{
	return cgr_error_set(reterr, CGR_E_SCENARIO, "%s: model '%s' is unusable: %s", origin, name ? name : "?", what);
}

static int check_cpu(const struct cgr_model_head *head, const char *origin, struct cgr_error *reterr)
{
	const struct cgr_cpu_ops *ops = (const struct cgr_cpu_ops *)head;

	if (!ops->select_cpu || !ops->enqueue || !ops->dequeue || !ops->pick || !ops->put_prev || !ops->update ||
	    !ops->tick || !ops->wakeup_preempt)
		return refuse(
		    reterr, origin, head->name,
		    "a CPU model needs select_cpu, enqueue, dequeue, wakeup_preempt, pick, put_prev, update and tick");
	return 0;
}

static int check_memory(const struct cgr_model_head *head, const char *origin, struct cgr_error *reterr)
{
	const struct cgr_memory_ops *ops = (const struct cgr_memory_ops *)head;

	if (!ops->charge || !ops->uncharge || !ops->access || !ops->preload)
		return refuse(reterr, origin, head->name, "a memory model needs charge, uncharge, access and preload");
	return 0;
}

static int check_tables(const struct cgr_model_head *head, const char *origin, struct cgr_error *reterr)
{
	if (head->n_params > CGR_LIMIT_MODEL_PARAMS || head->n_metrics > CGR_LIMIT_MODEL_METRICS ||
	    head->n_knobs > CGR_LIMIT_MODEL_KNOBS)
		return refuse(reterr, origin, head->name, "too many parameters, knobs or metrics (common/limits.h)");
	if ((head->n_params && !head->params) || (head->n_metrics && !head->metrics) || (head->n_knobs && !head->knobs))
		return refuse(reterr, origin, head->name, "a table is missing though its count is not 0");
	for (unsigned i = 0; i < head->n_params; i++)
		if (!head->params[i].name || head->params[i].minimum > head->params[i].maximum ||
		    head->params[i].fallback < head->params[i].minimum || head->params[i].fallback > head->params[i].maximum)
			return refuse(reterr, origin, head->name, "a parameter has no name or its default is out of range");
	for (unsigned i = 0; i < head->n_knobs; i++)
		if (!head->knobs[i].name)
			return refuse(reterr, origin, head->name, "a knob has no name");
	for (unsigned i = 0; i < head->n_metrics; i++)
		if (!head->metrics[i].name || !head->metrics[i].unit)
			return refuse(reterr, origin, head->name, "a metric has no name or no unit");
	return 0;
}

int cgr_model_check(const struct cgr_model_head *head, const char *origin, struct cgr_error *reterr)
{
	size_t need;

	if (head->abi_version != CGR_MODEL_ABI)
		return cgr_error_set(
		    reterr, CGR_E_SCENARIO,
		    "%s: the model was built for ABI %u, this cgreplay has ABI %u: rebuild it against the installed model.h",
		    origin, head->abi_version, CGR_MODEL_ABI);
	need = cgr_model_ops_size(head->domain);
	if (!need)
		return cgr_error_set(reterr, CGR_E_SCENARIO, "%s: the model names domain %d, which does not exist", origin,
		                     (int)head->domain);
	if (head->struct_size < need)
		return cgr_error_set(
		    reterr, CGR_E_SCENARIO,
		    "%s: the model's table is %zu bytes, this cgreplay needs %zu: rebuild it against the installed model.h",
		    origin, head->struct_size, need);
	if (!head->name || !*head->name || strlen(head->name) > 31 || !head->summary || !head->doc)
		return refuse(reterr, origin, head->name, "name (at most 31 letters), summary and doc are required");
	CGR_TRY(check_tables(head, origin, reterr));
	if (head->domain == CGR_DOMAIN_CPU)
		return check_cpu(head, origin, reterr);
	if (head->domain == CGR_DOMAIN_MEMORY)
		return check_memory(head, origin, reterr);
	return 0;
}
