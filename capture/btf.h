/* Reader of the kernel's type information (/sys/kernel/btf/vmlinux), as far as a recorder needs it: enumerators by
 * name, because item numbers of memcg events depend on version and configuration, and member offsets, because probes
 * follow pointers. Format: Documentation/bpf/btf.rst. */
#ifndef CGR_CAPTURE_BTF_H
#define CGR_CAPTURE_BTF_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct cgr_btf;

/* Loads and checks; path NULL = /sys/kernel/btf/vmlinux. CGR_E_UNAVAILABLE when absent, CGR_E_INPUT when malformed. */
int cgr_btf_new(const char *path, struct cgr_btf **ret_btf, struct cgr_error *reterr);
/* The same from memory, which is copied. */
int cgr_btf_parse(const void *data, size_t length, const char *name, struct cgr_btf **ret_btf,
                  struct cgr_error *reterr);
struct cgr_btf *cgr_btf_free(struct cgr_btf *btf);

/* Calls each(context, enumerator, value) for the first enum of that name; returns the number of enumerators,
 * 0 when there is no such enum. */
size_t cgr_btf_enum(const struct cgr_btf *btf, const char *name,
                    void (*each)(void *context, const char *enumerator, int64_t value), void *context);
/* Byte offset of a member path like "css.cgroup" inside `struct TYPE`; anonymous members are searched. Pointers are
 * not followed. Negative when there is none. */
int64_t cgr_btf_offset(const struct cgr_btf *btf, const char *type, const char *member);
/* Size in bytes of struct TYPE, or negative. */
int64_t cgr_btf_size(const struct cgr_btf *btf, const char *type);

#endif
