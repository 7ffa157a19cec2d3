#include "parser/guests.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/util.h"

int cgr_guests_read(struct cgr_guests *guests, struct cgr_cursor *body, struct cgr_error *reterr)
{
	const char *name = cgr_cursor_string(body, CGR_LIMIT_PATH);

	(void)cgr_cursor_u64(body); /* trace id of the guest's file */
	uint32_t cpus = cgr_cursor_u32(body);

	CGR_TRY(cgr_cursor_check(body, "the GUEST option", reterr));
	if (cpus > CGR_LIMIT_CPUS || cpus > cgr_cursor_left(body) / 8)
		return cgr_cursor_error(body, reterr, "%u CPUs do not fit into the GUEST option", cpus);
	CGR_TRY(cgr_grow((void **)&guests->guest, &guests->capacity, guests->count + 1, sizeof(*guests->guest), reterr));
	struct cgr_guest *guest = &guests->guest[guests->count];

	*guest = (struct cgr_guest){ .tid = cgr_calloc(cpus + 1u, sizeof(*guest->tid)), .cpus = cpus };
	if (guest->tid == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	guests->count++;
	memcpy(guest->name, name, strnlen(name, sizeof(guest->name) - 1));
	for (uint32_t i = 0; i < cpus; i++) {
		(void)cgr_cursor_u32(body); /* its number in the guest */
		guest->tid[i] = (int32_t)cgr_cursor_u32(body);
	}
	return cgr_cursor_check(body, "the GUEST option", reterr);
}

void cgr_guests_fini(struct cgr_guests *guests)
{
	for (size_t i = 0; i < guests->count; i++)
		free(guests->guest[i].tid);
	free(guests->guest);
	*guests = (struct cgr_guests){ 0 };
}
