/* GUEST options of a host's trace.dat: which virtual machines were recorded beside it, and which of the host's threads
 * are their CPUs. The events of a guest stand in a file of its own. */
#ifndef CGR_PARSER_GUESTS_H
#define CGR_PARSER_GUESTS_H

#include "parser/input.h"

struct cgr_guest {
	char name[64]; /* cut to fit */
	int32_t *tid; /* of its CPUs */
	size_t cpus;
};

struct cgr_guests {
	struct cgr_guest *guest;
	size_t count, capacity;
};

/* Reads the body of one option; bytes behind the CPUs are of later versions. */
int cgr_guests_read(struct cgr_guests *guests, struct cgr_cursor *body, struct cgr_error *reterr);
void cgr_guests_fini(struct cgr_guests *guests); /* legal on a zeroed one */

#endif
