/* The kernel's build configuration, where it can be read: /proc/config.gz or /boot/config-RELEASE. */
#ifndef CGR_CAPTURE_KCONFIG_H
#define CGR_CAPTURE_KCONFIG_H

#include <jansson.h>

/* Options that change what the models must do; an empty object when no configuration is readable. */
json_t *cgr_kconfig_json(void);
/* Value of one option in obj, or NULL. */
const char *cgr_kconfig_borrow(const json_t *obj, const char *name);

#endif
