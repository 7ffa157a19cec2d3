#include "capture/btf.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "capture/procfile.h"
#include "common/tracedat.h"
#include "common/util.h"

#define BTF_PATH "/sys/kernel/btf/vmlinux"
#define BTF_MAGIC 0xeb9fu
#define BTF_BYTES_MAX (256u << 20)
#define BTF_DEPTH_MAX 16u /* nesting of anonymous members and typedef chains */

enum {
	KIND_INT = 1,
	KIND_PTR,
	KIND_ARRAY,
	KIND_STRUCT,
	KIND_UNION,
	KIND_ENUM,
	KIND_FWD,
	KIND_TYPEDEF,
	KIND_VOLATILE,
	KIND_CONST,
	KIND_RESTRICT,
	KIND_FUNC,
	KIND_FUNC_PROTO,
	KIND_VAR,
	KIND_DATASEC,
	KIND_FLOAT,
	KIND_DECL_TAG,
	KIND_TYPE_TAG,
	KIND_ENUM64,
};

struct cgr_btf {
	uint8_t *data;
	const uint8_t *type; /* the type section inside data */
	const char *string; /* the string section, NUL at its end */
	uint32_t type_bytes, string_bytes;
	uint32_t *offset; /* of type id i + 1 inside the type section */
	size_t count, capacity;
};

struct record {
	const uint8_t *at; /* the 12 bytes of struct btf_type */
	uint32_t kind, vlen, name, size;
	bool kind_flag;
};

static struct record record_at(const struct cgr_btf *btf, uint32_t offset)
{
	const uint8_t *at = btf->type + offset;
	uint32_t info = cgr_td_get_u32(at + 4);

	return (struct record){ .at = at,
		                    .kind = info >> 24 & 31,
		                    .vlen = info & 0xffff,
		                    .name = cgr_td_get_u32(at),
		                    .size = cgr_td_get_u32(at + 8),
		                    .kind_flag = info >> 31 };
}

/* Bytes after the 12 of struct btf_type; UINT32_MAX for a kind we do not know. */
static uint32_t extra_bytes(uint32_t kind, uint32_t vlen)
{
	switch (kind) {
	case KIND_INT:
	case KIND_VAR:
	case KIND_DECL_TAG:
		return 4;
	case KIND_PTR:
	case KIND_FWD:
	case KIND_TYPEDEF:
	case KIND_VOLATILE:
	case KIND_CONST:
	case KIND_RESTRICT:
	case KIND_FUNC:
	case KIND_FLOAT:
	case KIND_TYPE_TAG:
		return 0;
	case KIND_ARRAY:
		return 12;
	case KIND_STRUCT:
	case KIND_UNION:
	case KIND_DATASEC:
	case KIND_ENUM64:
		return 12 * vlen;
	case KIND_ENUM:
	case KIND_FUNC_PROTO:
		return 8 * vlen;
	default:
		return UINT32_MAX;
	}
}

static const char *text_at(const struct cgr_btf *btf, uint32_t offset)
{
	return offset < btf->string_bytes ? btf->string + offset : "";
}

static int index_types(struct cgr_btf *btf, const char *name, struct cgr_error *reterr)
{
	for (uint32_t at = 0; at < btf->type_bytes;) {
		uint32_t left = btf->type_bytes - at;
		if (left < 12)
			return cgr_error_set(reterr, CGR_E_INPUT, "%s: type %zu is cut short", name, btf->count + 1);
		struct record r = record_at(btf, at);
		uint32_t extra = extra_bytes(r.kind, r.vlen);
		if (extra > left - 12)
			return cgr_error_set(reterr, CGR_E_INPUT, "%s: type %zu has unknown kind %u or is cut short", name,
			                     btf->count + 1, r.kind);
		CGR_TRY(cgr_grow((void **)&btf->offset, &btf->capacity, btf->count + 1, sizeof(*btf->offset), reterr));
		btf->offset[btf->count++] = at;
		at += 12 + extra;
	}
	return 0;
}

int cgr_btf_parse(const void *data, size_t length, const char *name, struct cgr_btf **ret_btf, struct cgr_error *reterr)
{
	const uint8_t *head = data;

	*ret_btf = NULL;
	if (length < 24 || cgr_td_get_u16(head) != BTF_MAGIC || head[2] != 1)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s: not BTF version 1 in this machine's byte order", name);
	uint64_t base = cgr_td_get_u32(head + 4), type = base + cgr_td_get_u32(head + 8);
	uint64_t type_bytes = cgr_td_get_u32(head + 12), string = base + cgr_td_get_u32(head + 16);
	uint64_t string_bytes = cgr_td_get_u32(head + 20);
	if (type + type_bytes > length || string + string_bytes > length || string_bytes == 0 ||
	    head[string + string_bytes - 1] != '\0')
		return cgr_error_set(reterr, CGR_E_INPUT, "%s: BTF sections reach outside the %zu bytes", name, length);
	struct cgr_btf *btf = cgr_calloc(1, sizeof(*btf));
	uint8_t *copy = malloc(length);
	if (btf == NULL || copy == NULL) {
		free(btf);
		free(copy);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: no memory for %zu bytes of BTF", name, length);
	}
	memcpy(copy, data, length);
	*btf = (struct cgr_btf){ .data = copy,
		                     .type = copy + type,
		                     .string = (const char *)copy + string,
		                     .type_bytes = (uint32_t)type_bytes,
		                     .string_bytes = (uint32_t)string_bytes };
	int rc = index_types(btf, name, reterr);
	if (rc < 0) {
		cgr_btf_free(btf);
		return rc;
	}
	*ret_btf = btf;
	return 0;
}

int cgr_btf_new(const char *path, struct cgr_btf **ret_btf, struct cgr_error *reterr)
{
	struct cgr_procfile file = { 0 };

	*ret_btf = NULL;
	path = path == NULL ? BTF_PATH : path;
	int rc = cgr_procfile_read(&file, AT_FDCWD, path, BTF_BYTES_MAX);
	if (rc < 0)
		rc = cgr_error_set(reterr, CGR_E_UNAVAILABLE, "%s: %s", path, strerror(-rc));
	else
		rc = cgr_btf_parse(file.text, file.length, path, ret_btf, reterr);
	cgr_procfile_fini(&file);
	return rc;
}

struct cgr_btf *cgr_btf_free(struct cgr_btf *btf)
{
	if (btf != NULL) {
		free(btf->data);
		free(btf->offset);
		free(btf);
	}
	return NULL;
}

size_t cgr_btf_enum(const struct cgr_btf *btf, const char *name,
                    void (*each)(void *context, const char *enumerator, int64_t value), void *context)
{
	for (size_t i = 0; i < btf->count; i++) {
		struct record r = record_at(btf, btf->offset[i]);
		if ((r.kind != KIND_ENUM && r.kind != KIND_ENUM64) || r.vlen == 0 || strcmp(text_at(btf, r.name), name) != 0)
			continue;
		for (uint32_t j = 0; j < r.vlen; j++) {
			const uint8_t *at = r.at + 12 + j * (r.kind == KIND_ENUM ? 8 : 12);
			int64_t value = r.kind == KIND_ENUM
			                    ? (r.kind_flag ? (int32_t)cgr_td_get_u32(at + 4) : (int64_t)cgr_td_get_u32(at + 4))
			                    : (int64_t)cgr_td_get_u64(at + 4);
			each(context, text_at(btf, cgr_td_get_u32(at)), value);
		}
		return r.vlen;
	}
	return 0;
}

/* Type behind typedefs and qualifiers; false for void and broken ids. */
static bool resolve(const struct cgr_btf *btf, uint32_t id, struct record *ret)
{
	for (unsigned depth = 0; depth < BTF_DEPTH_MAX; depth++) {
		if (id == 0 || id > btf->count)
			return false;
		*ret = record_at(btf, btf->offset[id - 1]);
		if (ret->kind != KIND_TYPEDEF && ret->kind != KIND_CONST && ret->kind != KIND_VOLATILE &&
		    ret->kind != KIND_TYPE_TAG && ret->kind != KIND_RESTRICT)
			return true;
		id = ret->size; /* union with `type` in struct btf_type */
	}
	return false;
}

static int64_t find_member(const struct cgr_btf *btf, const struct record *outer, const char *path, unsigned depth)
{
	size_t word = strcspn(path, ".");

	if (depth > BTF_DEPTH_MAX || (outer->kind != KIND_STRUCT && outer->kind != KIND_UNION))
		return -1;
	for (uint32_t i = 0; i < outer->vlen; i++) {
		const uint8_t *at = outer->at + 12 + 12 * i;
		const char *name = text_at(btf, cgr_td_get_u32(at));
		uint32_t bits = cgr_td_get_u32(at + 8) & (outer->kind_flag ? 0xffffff : UINT32_MAX);
		struct record inner;
		int64_t found = -1;

		if (strlen(name) == word && strncmp(name, path, word) == 0) {
			if (path[word] == '\0')
				return bits / 8;
			if (resolve(btf, cgr_td_get_u32(at + 4), &inner))
				found = find_member(btf, &inner, path + word + 1, depth + 1);
		} else if (name[0] == '\0' && resolve(btf, cgr_td_get_u32(at + 4), &inner)) {
			found = find_member(btf, &inner, path, depth + 1);
		}
		if (found >= 0)
			return bits / 8 + found;
	}
	return -1;
}

static bool find_struct(const struct cgr_btf *btf, const char *type, struct record *ret)
{
	for (size_t i = 0; i < btf->count; i++) {
		*ret = record_at(btf, btf->offset[i]);
		if (ret->kind == KIND_STRUCT && ret->vlen > 0 && strcmp(text_at(btf, ret->name), type) == 0)
			return true;
	}
	return false;
}

int64_t cgr_btf_offset(const struct cgr_btf *btf, const char *type, const char *member)
{
	struct record r;

	return find_struct(btf, type, &r) ? find_member(btf, &r, member, 0) : -1;
}

int64_t cgr_btf_size(const struct cgr_btf *btf, const char *type)
{
	struct record r;

	return find_struct(btf, type, &r) ? (int64_t)r.size : -1;
}
