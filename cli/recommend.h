/* What `cgreplay recommend` was asked and found, and how it is told. */
#ifndef CGR_CLI_RECOMMEND_H
#define CGR_CLI_RECOMMEND_H

#include "replay/recommend.h"

struct cgr_answer { /* of one recording */
	const char *path;
	char *cgroup; /* as the recording has it, whatever part of it was named; owned */
	struct cgr_recommendation found;
	int cgroup_version;
};
struct cgr_question {
	const char *cgroup, *knob;
	struct cgr_requirement *requirement;
	size_t requirements;
	int64_t margin_ppm;
	const char *text; /* the command that asks it */
};

/* The knob's value as people and kernel files write it. */
void cgr_recommend_format_value(const struct cgr_recommendation *found, int64_t value, char *out, size_t size);
/* format: "table", "csv" or "json", NULL = table; worst is the answer that decides. */
int cgr_recommend_print(const char *format, const struct cgr_question *question, const struct cgr_answer *answers,
                        size_t count, const struct cgr_answer *worst, struct cgr_error *reterr);
/* Settings to paste into a shell or a manifest. */
struct cgr_paste {
	char *cgroupfs[2], *systemd, *kubernetes; /* cgroupfs[1] NULL: one line is enough */
};
int cgr_recommend_paste(const struct cgr_question *question, const struct cgr_answer *answer, struct cgr_paste *paste,
                        struct cgr_error *reterr);
void cgr_recommend_paste_fini(struct cgr_paste *paste);

#endif
