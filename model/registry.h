/* Which models there are: the in-tree ones from the lists CMake makes out of model/cpu, model/memory and
 * model/reclaim, and those loaded from --model FILE.so. Loading happens before any thread starts; after that the
 * registry is read only. */
#ifndef CGR_MODEL_REGISTRY_H
#define CGR_MODEL_REGISTRY_H

#include "common/error.h"
#include "model/model.h"

const char *cgr_domain_name(enum cgr_domain domain); /* "cpu", "memory", "reclaim" */
/* All models of a domain in listing order (in-tree sorted by name, then loaded ones); index 0.., NULL past the end. */
const struct cgr_model_head *cgr_model_borrow(enum cgr_domain domain, size_t index);
/* By name; a loaded plug-in hides an in-tree model of the same name. NULL and CGR_E_SCENARIO with suggestions. */
const struct cgr_model_head *cgr_model_find(enum cgr_domain domain, const char *name, struct cgr_error *reterr);
/* Loads an out-of-tree model; refused (CGR_E_SCENARIO) when the symbol, the ABI version, a size or a table is wrong. */
int cgr_model_load(const char *path, const struct cgr_model_head **ret_head, struct cgr_error *reterr);
/* Checks every table of a model; `origin` names it in the message. 0 or CGR_E_SCENARIO. */
int cgr_model_check(const struct cgr_model_head *head, const char *origin, struct cgr_error *reterr);
/* Smallest struct_size a model of the domain may declare. */
size_t cgr_model_ops_size(enum cgr_domain domain);

#endif
