#include "parser/unpack.h"

#include <zlib.h>
#include <zstd.h>

static int unpack_zstd(struct cgr_unpacker *unpacker, const uint8_t *packed, size_t packed_bytes, uint8_t *to,
                       size_t plain_bytes, const char **ret_why)
{
	if (unpacker->zstd == NULL)
		unpacker->zstd = ZSTD_createDCtx();
	if (unpacker->zstd == NULL)
		return CGR_E_NOMEM;
	size_t got = ZSTD_decompressDCtx(unpacker->zstd, to, plain_bytes, packed, packed_bytes);
	if (ZSTD_isError(got)) {
		*ret_why = ZSTD_getErrorName(got);
		return CGR_E_INPUT;
	}
	*ret_why = got < plain_bytes ? "it is shorter than its head says" : NULL;
	return got == plain_bytes ? CGR_OK : CGR_E_INPUT;
}

static int unpack_zlib(const uint8_t *packed, size_t packed_bytes, uint8_t *to, size_t plain_bytes,
                       const char **ret_why)
{
	uLongf got = plain_bytes;
	int rc = uncompress(to, &got, packed, (uLong)packed_bytes);

	if (rc == Z_MEM_ERROR)
		return CGR_E_NOMEM;
	*ret_why = rc != Z_OK ? zError(rc) : "it is shorter than its head says";
	return rc == Z_OK && got == plain_bytes ? CGR_OK : CGR_E_INPUT;
}

int cgr_unpack(struct cgr_unpacker *unpacker, enum cgr_compression compression, const struct cgr_input *input,
               uint64_t offset, const uint8_t *packed, size_t packed_bytes, uint8_t *to, size_t plain_bytes,
               struct cgr_error *reterr)
{
	const char *why = "the file names no compression";
	int rc = CGR_E_INPUT;

	if (compression == CGR_ZSTD)
		rc = unpack_zstd(unpacker, packed, packed_bytes, to, plain_bytes, &why);
	else if (compression == CGR_ZLIB)
		rc = unpack_zlib(packed, packed_bytes, to, plain_bytes, &why);
	if (rc == CGR_E_NOMEM)
		return cgr_error_set(reterr, rc, "out of memory for decompression");
	if (rc < 0)
		return cgr_error_set(reterr, rc, "%s:%llu: compressed data of %zu bytes cannot be unpacked: %s", input->path,
		                     (unsigned long long)offset, packed_bytes, why);
	return CGR_OK;
}

void cgr_unpacker_fini(struct cgr_unpacker *unpacker)
{
	ZSTD_freeDCtx(unpacker->zstd);
	unpacker->zstd = NULL;
}
