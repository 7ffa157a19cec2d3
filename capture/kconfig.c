#include "capture/kconfig.h"

#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <zlib.h>

#include "capture/facts.h"
#include "capture/jsontext.h"
#include "common/util.h"

static bool matters(const char *name)
{
	static const char *const prefix[] = {
		"CONFIG_HZ",
		"CONFIG_PREEMPT",
		"CONFIG_MEMCG",
		"CONFIG_CFS_BANDWIDTH",
		"CONFIG_FAIR_GROUP_SCHED",
		"CONFIG_LRU_GEN",
		"CONFIG_PSI",
		"CONFIG_SWAP",
		"CONFIG_ZSWAP",
		"CONFIG_ZRAM",
		"CONFIG_TRANSP",
		"CONFIG_NUMA",
		"CONFIG_SCHED",
		"CONFIG_NO_HZ",
		"CONFIG_KPROBE",
		"CONFIG_FPROBE",
		"CONFIG_FUNCTION_TRACER",
		"CONFIG_CPUSETS",
		"CONFIG_CGROUP",
		"CONFIG_VIRT_CPU_ACCOUNTING",
		"CONFIG_IRQ_TIME",
		"CONFIG_TICK_CPU",
		"CONFIG_PARAVIRT",
		"CONFIG_SECURITY_LOCKDOWN",
		"CONFIG_DAMON",
		"CONFIG_HIGH_RES",
	};

	for (size_t i = 0; i < CGR_ARRAY_SIZE(prefix); i++)
		if (strncmp(name, prefix[i], strlen(prefix[i])) == 0)
			return true;
	return false;
}

static json_t *read_config(const char *path)
{
	gzFile file = gzopen(path, "rb"); /* reads plain files, too */
	json_t *obj = NULL;
	char line[512];

	while (file != NULL && gzgets(file, line, sizeof(line)) != NULL) {
		char *equals = strchr(line, '=');
		if (line[0] == '#' || equals == NULL)
			continue;
		*equals = '\0';
		obj = obj == NULL ? json_object() : obj;
		char *value = equals + 1 + (equals[1] == '"');
		value[strcspn(value, "\"\n")] = '\0';
		if (matters(line))
			cgr_json_set_text(obj, line, value);
	}
	if (file != NULL)
		(void)gzclose(file);
	return obj;
}

json_t *cgr_kconfig_json(void)
{
	struct utsname name;
	char path[256];
	json_t *obj = read_config("/proc/config.gz");

	if (obj == NULL && uname(&name) == 0) {
		(void)snprintf(path, sizeof(path), "/boot/config-%s", name.release);
		obj = read_config(path);
	}
	if (obj == NULL && uname(&name) == 0) {
		(void)snprintf(path, sizeof(path), "/lib/modules/%s/config", name.release);
		obj = read_config(path);
	}
	return obj == NULL ? json_object() : obj;
}

const char *cgr_kconfig_borrow(const json_t *obj, const char *name)
{
	return json_string_value(json_object_get(obj, name));
}
