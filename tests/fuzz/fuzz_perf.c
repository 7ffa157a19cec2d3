#include "tests/fuzz/fuzz_import.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Not both in one: a perf.data begins with its own magic. */
	return size > 8 && (memcmp(data, "PERFILE2", 8) == 0 || memcmp(data, "2ELIFREP", 8) == 0) ? import_input(data, size)
	                                                                                          : -1;
}
