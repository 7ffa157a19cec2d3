/* The event store is a file from anywhere: opened, its tables loaded, its stream read. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[64];
	struct cgr_store *store = NULL;
	struct cgr_stream *stream = NULL;
	struct cgr_error err = { 0 };
	const struct cgr_event *events;
	size_t count;

	(void)snprintf(path, sizeof(path), "/dev/shm/cgr-fuzz-%d.db", (int)getpid());
	FILE *file = fopen(path, "wb");
	if (file == NULL)
		return 0;
	size_t written = fwrite(data, 1, size, file);
	(void)fclose(file);
	if (written == size && cgr_store_open(path, &store, &err) == 0 && cgr_stream_open(store, 0, 0, &stream, &err) == 0)
		while (cgr_stream_next(stream, &events, &count, &err) == 1)
			for (size_t i = 0; i < count; i++)
				if (events[i].kind >= CGR_EV_COUNT)
					abort();
	cgr_stream_free(stream);
	cgr_store_free(store);
	(void)unlink(path);
	return 0;
}
