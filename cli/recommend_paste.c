/* A recommendation as settings to paste. Paths of cgroups are hostile: quoted for the shell. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/recommend.h"
#include "common/util.h"
#include "reports/text.h"

/* "echo 'TEXT' > FILE", FILE below the mount of the controller */
static char *echo_line(const char *text, const char *mount, const char *cgroup, const char *file)
{
	struct cgr_strbuf line = { 0 };
	char *path = cgr_printf("%s%s/%s", mount, strcmp(cgroup, "/") ? cgroup : "", file);

	cgr_strbuf_printf(&line, "echo ");
	cgr_text_shell(&line, text ? text : "");
	cgr_strbuf_printf(&line, " > ");
	cgr_text_shell(&line, path ? path : "");
	if (!path || !text || line.failed)
		cgr_strbuf_fini(&line);
	free(path);
	return line.text;
}

static char *systemd_line(const char *cgroup, const char *setting)
{
	const char *unit = strrchr(cgroup, '/');
	struct cgr_strbuf line = { 0 };

	cgr_strbuf_printf(&line, "systemctl set-property ");
	cgr_text_shell(&line, unit && unit[1] ? unit + 1 : cgroup);
	cgr_strbuf_printf(&line, " %s", setting ? setting : "");
	if (!setting || line.failed)
		cgr_strbuf_fini(&line);
	return line.text;
}

static void of_cpu(const struct cgr_answer *a, struct cgr_paste *p)
{
	int64_t value = a->found.recommended, period = a->found.period_usec;
	char *quota = cgr_printf("%" PRId64, value), *grid = cgr_printf("%" PRId64, period);
	char *both = cgr_printf("%" PRId64 " %" PRId64, value, period);
	char *percent = cgr_printf("CPUQuota=%" PRId64 "%%", (value * 100 + period - 1) / period);

	if (a->cgroup_version == 1) {
		p->cgroupfs[0] = echo_line(grid, "/sys/fs/cgroup/cpu", a->cgroup, "cpu.cfs_period_us");
		p->cgroupfs[1] = p->cgroupfs[0] ? echo_line(quota, "/sys/fs/cgroup/cpu", a->cgroup, "cpu.cfs_quota_us") : NULL;
	} else {
		p->cgroupfs[0] = echo_line(both, "/sys/fs/cgroup", a->cgroup, "cpu.max");
	}
	p->systemd = systemd_line(a->cgroup, percent);
	p->kubernetes = cgr_printf("resources: {limits: {cpu: \"%" PRId64 "m\"}}", (value * 1000 + period - 1) / period);
	free(quota);
	free(grid);
	free(both);
	free(percent);
}

static void of_memory(const struct cgr_question *q, const struct cgr_answer *a, struct cgr_paste *p)
{
	const char *knob = cgr_knob_canonical(q->knob);
	bool v1 = a->cgroup_version == 1, high = strcmp(knob, "memory.high") == 0;
	char *bytes = cgr_printf("%" PRId64, a->found.recommended);
	char *setting = cgr_printf("%s=%" PRId64, high ? "MemoryHigh" : "MemoryMax", a->found.recommended);

	p->cgroupfs[0] = echo_line(bytes, v1 ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup", a->cgroup,
	                           v1 && !high ? "memory.limit_in_bytes" : knob);
	p->systemd = systemd_line(a->cgroup, setting);
	p->kubernetes = cgr_printf("resources: {limits: {memory: \"%" PRId64 "Ki\"}}", a->found.recommended / 1024);
	free(bytes);
	free(setting);
}

int cgr_recommend_paste(const struct cgr_question *q, const struct cgr_answer *a, struct cgr_paste *p,
                        struct cgr_error *reterr)
{
	*p = (struct cgr_paste){ 0 };
	if (a->found.period_usec)
		of_cpu(a, p);
	else
		of_memory(q, a, p);
	if (p->cgroupfs[0] && p->systemd && p->kubernetes)
		return 0;
	cgr_recommend_paste_fini(p);
	return cgr_error_set(reterr, CGR_E_NOMEM, "recommend: out of memory");
}

void cgr_recommend_paste_fini(struct cgr_paste *p)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(p->cgroupfs); i++)
		free(p->cgroupfs[i]);
	free(p->systemd);
	free(p->kubernetes);
	*p = (struct cgr_paste){ 0 };
}
