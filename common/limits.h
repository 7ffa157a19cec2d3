/* Every hard limit in one place: input comes from anywhere, so every length is
 * checked and every loop bounded by a name on this page. */
#ifndef CGR_COMMON_LIMITS_H
#define CGR_COMMON_LIMITS_H

#define CGR_LIMIT_CPUS 4096u
#define CGR_LIMIT_REPLAY_CPUS 1024u /* simulated: state is kept per cgroup and CPU */
#define CGR_LIMIT_CGROUPS (1u << 20)
#define CGR_LIMIT_TASKS (1u << 26)
#define CGR_LIMIT_CSS_SETS (1u << 22)
#define CGR_LIMIT_PATH 4096u
#define CGR_LIMIT_COMM 16u /* TASK_COMM_LEN */
#define CGR_LIMIT_HIERARCHIES 64u
#define CGR_LIMIT_EVENT_FORMATS 65536u
#define CGR_LIMIT_FORMAT_BYTES (1u << 20)
#define CGR_LIMIT_SUBBUF_BYTES (16u << 20)
#define CGR_LIMIT_CHUNK_BYTES (64u << 20) /* one uncompressed zstd/zlib chunk */
#define CGR_LIMIT_OPTIONS 100000u
#define CGR_LIMIT_OWN_OPTIONS (1u << 22) /* of our own sections, which are only noted: some each second */
#define CGR_LIMIT_CLOCK_PAIRS (1u << 20) /* two days of them; of more time fewer a second are kept */
#define CGR_LIMIT_CLOCK_RESTARTS 4096u /* suspends to RAM in one recording: years of a notebook */
#define CGR_LIMIT_SECTION_BYTES (1ull << 40)
#define CGR_LIMIT_KNOB_TEXT 4096u
#define CGR_LIMIT_SEEDS 1000u
#define CGR_LIMIT_SCENARIOS 1000000u
#define CGR_LIMIT_YAML_DEPTH 32u
#define CGR_LIMIT_YAML_BYTES (16u << 20)
#define CGR_LIMIT_MODEL_PARAMS 64u
#define CGR_LIMIT_MODEL_METRICS 128u
#define CGR_LIMIT_MODEL_KNOBS 64u

#endif
