/* The page's assets, embedded by assets.S. Not terminated: use the length. */
#ifndef CGR_REPORTS_ASSETS_H
#define CGR_REPORTS_ASSETS_H

#include <stddef.h>

#define CGR_ASSET(name) extern const char cgr_asset_##name[], cgr_asset_##name##_end[];
CGR_ASSET(script)
CGR_ASSET(style)
CGR_ASSET(page)
CGR_ASSET(csp)
#undef CGR_ASSET
#define CGR_ASSET_LENGTH(name) ((size_t)(cgr_asset_##name##_end - cgr_asset_##name))

#endif
