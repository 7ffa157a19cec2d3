/* Puts a TIME_SHIFT option into a trace.dat 7, as trace-cmd does into the file of a guest. The option stands in an
 * options section of its own behind the file; the head points there, and it to the options that were first.
 *
 * usage: add-time-shift IN OUT FLAGS CPU:TIME:OFFSET:SCALING:FRACTION...   (samples of a CPU stand together, from 0) */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAMPLES 64
static struct {
	unsigned cpu;
	uint64_t value[4]; /* time, offset, scaling, fraction */
} sample[SAMPLES];
static unsigned samples, cpus;

static uint8_t *file;
static size_t size;

static void put(const void *data, size_t bytes)
{
	file = realloc(file, size + bytes);
	if (file == NULL)
		exit(4);
	memcpy(file + size, data, bytes);
	size += bytes;
}

static void put_number(uint64_t value, unsigned bytes)
{
	put(&value, bytes); /* little endian, as the file */
}

static void read_file(const char *path)
{
	uint8_t buffer[65536];
	FILE *in = fopen(path, "rb");

	for (size_t got; in != NULL && (got = fread(buffer, 1, sizeof(buffer), in)) > 0;)
		put(buffer, got);
	if (in == NULL || size < 64 || memcmp(file, "\x17\x08\x44tracing7\0", 12) != 0) {
		fprintf(stderr, "%s: not a trace.dat of version 7\n", path);
		exit(3);
	}
	(void)fclose(in);
}

static void read_sample(const char *text)
{
	long long value[5];

	if (samples == SAMPLES ||
	    sscanf(text, "%lld:%lld:%lld:%lld:%lld", &value[0], &value[1], &value[2], &value[3], &value[4]) != 5) {
		fprintf(stderr, "CPU:TIME:OFFSET:SCALING:FRACTION expected: %s\n", text);
		exit(2);
	}
	sample[samples].cpu = (unsigned)value[0];
	for (unsigned i = 0; i < 4; i++)
		sample[samples].value[i] = (uint64_t)value[i + 1];
	cpus = sample[samples].cpu + 1;
	samples++;
}

static void put_body(unsigned flags)
{
	put_number(0x1234, 8);
	put_number(flags, 4);
	put_number(cpus, 4);
	for (unsigned c = 0; c < cpus; c++) {
		unsigned count = 0;

		for (unsigned i = 0; i < samples; i++)
			count += sample[i].cpu == c;
		put_number(count, 4);
		for (unsigned column = 0; column < 3; column++)
			for (unsigned i = 0; i < samples; i++)
				if (sample[i].cpu == c)
					put_number(sample[i].value[column], 8);
	}
	for (unsigned i = 0; i < samples; i++)
		put_number(sample[i].value[3], 8);
}

int main(int argc, char **argv)
{
	if (argc < 5)
		return 2;
	read_file(argv[1]);
	for (int i = 4; i < argc; i++)
		read_sample(argv[i]);
	/* magic, version, byte order, long size, page size; then compression, its version, and where the options begin */
	size_t at = 12 + 1 + 1 + 4;
	at += strlen((const char *)file + at) + 1;
	at += strlen((const char *)file + at) + 1;
	uint64_t section = size, before, length;
	memcpy(&before, file + at, 8);
	memcpy(file + at, &section, 8);
	put_number(0, 2); /* an options section, not compressed, without a name */
	put_number(0, 2);
	put_number(UINT32_MAX, 4);
	put_number(0, 8);
	size_t body = size;
	put_number(12, 2);
	put_number(0, 4);
	size_t option = size;
	put_body((unsigned)atoi(argv[3]));
	length = size - option;
	memcpy(file + option - 4, &length, 4);
	put_number(0, 2);
	put_number(8, 4);
	put_number(before, 8);
	length = size - body;
	memcpy(file + body - 8, &length, 8);
	FILE *out = fopen(argv[2], "wb");
	return out != NULL && fwrite(file, 1, size, out) == size && fclose(out) == 0 ? 0 : 4;
}
