/* Task programs: what each task did, free of the recorded schedule. A program is a list of operations pinned at
 * CPU-time offsets: RUN so many ns, then WAKE, FORK, CHARGE, ..., then BLOCK for a classified cause.
 *
 * Operations stand in chunks, the first of them (64 MiB) in memory, the others in a file without a name, mapped shared:
 * the kernel keeps of it what is in use, so memory does not grow with the length of the recording. Once built a set of
 * programs is immutable and is read by any number of engines in parallel. */
#ifndef CGR_REPLAY_PROGRAM_H
#define CGR_REPLAY_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "common/event.h"
#include "common/histogram.h"

enum cgr_op_kind {
	CGR_OP_NONE, /* nothing: room for a wait that may have to stand here, or what has turned out to be no operation */
	/* b: how much of it recording cost; c: how much was memory that the host had taken back */
	CGR_OP_RUN, /* a ns of CPU time */
	CGR_OP_BLOCK, /* cause; a recorded delay ns, b recorded wake time (or expiry) ns; c waker task or timer site */
	CGR_OP_WAKE, /* c wakee, a number of the wakee's block that this wake pays, b relation of the two */
	CGR_OP_REQUEST, /* c kernel thread, a number of its block that is paid b ns from now: a device will interrupt it */
	CGR_OP_FORK, /* c child */
	CGR_OP_START, /* c child becomes runnable (wake_up_new_task) */
	CGR_OP_EXEC,
	CGR_OP_EXIT, /* do_exit began; what follows is the exit path */
	CGR_OP_END, /* the task is gone */
	CGR_OP_ATTACH, /* c task, a destination cgroup, b domains moved (CGR_MOVE_*), flags CGR_OPF_GROUP */
	CGR_OP_MKDIR, /* c cgroup */
	CGR_OP_RMDIR, /* c cgroup */
	CGR_OP_KNOB, /* c cgroup, a index into the knob samples of the store */
	CGR_OP_PRIO, /* a new kernel prio */
	CGR_OP_CHARGE, /* cause = enum cgr_charge_kind, c cgroup, a pages, b folios; or with CGR_OPF_SWAPIN birth number */
	CGR_OP_UNCHARGE, /* same */
	CGR_OP_CACHE_ADD, /* c file, a first page index, b pages | cgroup << 32 */
	CGR_OP_CACHE_DELETE, /* same; CGR_OPF_RECLAIM */
	CGR_OP_CACHE_READ, /* c file, a first page index, b pages | pages added for it << 32 */
	CGR_OP_CACHE_FAULT,
	CGR_OP_CACHE_MAP,
	CGR_OP_CACHE_DIRTY,
	CGR_OP_CACHE_WRITTEN, /* c cgroup, b dirty pages that the task has written of its own accord */
	CGR_OP_CACHE_ACCESS,
	CGR_OP_ROOM, /* c reader, b pipe: on only when the reader has come to TAKEN number a of that pipe */
	CGR_OP_TAKEN, /* c writer, a number, b pipe */
	CGR_OP_ARM, /* c timer site, a for so long from now; CGR_OPF_TICK: for the next time on its grid, b ns after the
	               last */
	CGR_OP_ACCOUNT, /* a look at its own CPU clock: the scheduler charges the task here (task_sched_runtime) */
	CGR_OP_AT, /* only in the world's program: what follows happens at time a */
	CGR_OP_COLD, /* a limit had kept it off its idle CPU: what follows was done with cold caches */
};

/* Why a task blocked, told from who ended it. */
enum cgr_cause {
	CGR_CAUSE_TASK, /* a task's wake: a token with memory */
	CGR_CAUSE_TIMER, /* relative or absolute, as its timer site says */
	CGR_CAUSE_DEVICE, /* service time from issue */
	CGR_CAUSE_ARRIVAL, /* from outside: absolute time */
	CGR_CAUSE_UNKNOWN, /* recorded delay, counted */
	CGR_CAUSE_FOREVER, /* not woken before the recording ended */
	CGR_CAUSE_COUNT
};
const char *cgr_cause_name(enum cgr_cause cause);

#define CGR_OPF_MEET 0x02u /* WAKE: one of several by which a task lets others go on at once */
#define CGR_OPF_TICK 0x02u /* BLOCK, TIMER: consumes an expiry a ns before the next one was due; ARM: after that */
#define CGR_OPF_PACED 0x02u /* RUN: between two looks at its own CPU clock */
#define CGR_OPF_DIRECT 0x01u /* UNCHARGE: kernel memory that does not pass through a stock */
#define CGR_OPF_SWAPIN 0x10u /* CHARGE: of a page that had been in swap: its owner touched it */
#define CGR_OPF_SWAPREAD 0x02u /* with CGR_OPF_SWAPIN: it read the page (a major fault), which was in no swap cache */
#define CGR_OPF_MISS 0x02u /* BLOCK: a wait for pages that were missing in the recording */
#define CGR_OPF_LIMIT 0x04u /* BLOCK: a sleep the recorded memory limit imposed (memory.high, inside reclaim) */
#define CGR_OPF_WINDOW 0x04u /* CACHE_ADD: of several pages that came in by one look-up */
#define CGR_OPF_WRITES 0x02u /* CACHE_ADD: for a write that makes it dirty at once */
#define CGR_OPF_REFAULT 0x01u /* CACHE_ADD: counted as a refault in the recording */
#define CGR_OPF_ACTIVATES 0x01u /* CACHE_READ: a large folio became active by it in the recording */
#define CGR_OPF_STOLEN 0x01u /* BLOCK: time the host took on a CPU that was handing requests to a device */
#define CGR_OPF_RECLAIM 0x08u /* inside memcg reclaim; RUN: CPU time of the recorded limit's reclaim */
#define CGR_OPF_GROUP 0x10u /* ATTACH: the whole thread group */
#define CGR_OPF_READAHEAD 0x20u
#define CGR_OPF_IRQ 0x40u
#define CGR_OPF_EXITING 0x80u
#define CGR_OPF_SOFT                                                                                                   \
	0x10u /* WAKE, BLOCK: by a soft interrupt in the context of the waker; any cause but TASK keeps its token number   \
	       */

struct cgr_op {
	uint8_t kind, cause, flags;
	uint8_t length; /* BLOCK, TIMER or TASK: of the timeout it was asked with, eight steps to a doubling; 0 none */
	uint32_t c;
	uint64_t a, b;
};
_Static_assert(sizeof(struct cgr_op) == 24, "operations are packed into chunks");

/* A wait that one of the task's tokens ended: whether it happens in the what-if or not, that token is past then. */
static inline bool cgr_op_holds_token(const struct cgr_op *op)
{
	return op->kind == CGR_OP_BLOCK && (op->cause == CGR_CAUSE_TASK || (op->flags & CGR_OPF_SOFT));
}

/* How a task asks to be woken by a timer. */
enum cgr_timer_kind {
	CGR_TIMER_UNSEEN, /* woken by a timer whose arming was not recorded */
	CGR_TIMER_RELATIVE, /* armed with HRTIMER_MODE_REL */
	CGR_TIMER_GIVEN_TIME, /* armed for a time, which may yet be a length from now on */
	CGR_TIMER_TICKS, /* one timer of the program's own, which rings again and again */
};
#define CGR_TIMER_LENGTHS 8u
/* The sleeps of one task that were asked for in one way. */
struct cgr_timer_site {
	uint8_t kind; /* enum cgr_timer_kind */
	uint32_t task, next; /* list of the task's sites, CGR_ID_NONE ends */
	uint32_t count;
	int64_t last_delay, last_expiry, last_step;
	int64_t length_ns[CGR_TIMER_LENGTHS]; /* RELATIVE: delays that stand apart, each as it came last */
	uint8_t lengths;
	uint32_t varied; /* delays that were none of those */
	int64_t grid_ns; /* shortest step that came twice running */
	uint64_t relative_error, absolute_error; /* sums of deviations under each hypothesis */
	bool absolute; /* verdict */
	bool counts; /* verdict, TICKS: all the times that have gone by are worked off */
};

/* Wake-ups of one process by another. */
struct cgr_relation {
	bool threads; /* of one process */
	bool sync; /* verdict: wakes up with WF_SYNC */
	uint32_t looks, to_waker, elsewhere;
	int32_t waker, wakee; /* thread groups; waker 0: the idle task */
	uint32_t wakes, waker_task, wakee_task; /* task context; the first two tasks that were seen */
	bool several; /* there were others */
	uint32_t soft; /* wake-ups of the second by a soft interrupt in the context of the first */
	bool peers; /* verdict: those were the first one's messages */
	uint32_t meeting_host, meetings, other_meetings; /* wake-ups of several threads at once: by one task; by others */
	bool meets; /* verdict: threads that wait for the last of them, a barrier */
	/* Wake-ups of one task by another that had waited for it since the last one, at once or after something else, or
	 * had not. */
	uint32_t answered, late, unanswered;
	uint32_t repeated; /* wake-ups of one task by another that was not seen to be woken by it since the last one */
};

/* A writer that may not run ahead of its reader by more than the pipe between them holds (compile_pipe.c). */
struct cgr_pipe {
	uint32_t writer, reader;
	bool sync; /* the reader's wake-up, as of its relation */
};

enum cgr_start { CGR_START_NEVER, CGR_START_RUNNABLE, CGR_START_BLOCKED, CGR_START_FORKED, CGR_START_LATE };

struct cgr_program {
	uint32_t first_chunk; /* CGR_ID_NONE: no operations */
	uint8_t start; /* enum cgr_start */
	bool exits; /* ends with OP_END in the recording */
	bool runs_at_end; /* runnable when the recording ended */
	uint32_t start_cpu;
	int64_t start_ns; /* recorded: first runnable */
	int64_t end_ns; /* recorded END, INT64_MAX if none */
	uint64_t run_ns; /* CPU time in RUN operations */
	uint64_t recorded_run_ns; /* CPU time in the recording */
	uint64_t ops;
	uint32_t blocks[CGR_CAUSE_COUNT];
	uint64_t unknown_ns; /* time in blocks of unknown cause */
	int16_t prio; /* first known, -1 unknown */
	uint32_t last_cpuset; /* the cgroup whose cpuset it was in at the end of the recording, CGR_ID_NONE unknown */
	uint32_t switches_in;
	uint32_t accounts; /* looks at its own CPU clock */
	uint32_t yields; /* such after which it left the CPU at once though it could have gone on */
	uint64_t paced_ns; /* CPU time between such looks */
	bool paced; /* a clock tells it how much to do, so a slower machine does not make it use more CPU time */
	/* A program that stops on the clock: its life, from its start; 0 for one that does a fixed amount of work. It is
	 * told by its exit at a round time (see compile_clock.c). loop: where it goes on when its work runs out before. */
	uint64_t stop_ns;
	uint32_t loop_chunk, loop_position;
};

/* Means over the misses recorded, waits of no length among them. Where there were none, low..high say what may be. */
struct cgr_miss_price {
	bool seen;
	uint64_t wait_low_ns, wait_ns, wait_high_ns; /* of the task for the device, per page */
	uint64_t cpu_low_ns, cpu_ns, cpu_high_ns; /* beyond a hit: insert, submission, completion; per page */
};

/* Where the periods of a cgroup's limit begin, told by the recording: phase_ns + n * period_ns. */
struct cgr_period_phase {
	uint32_t cgroup;
	uint64_t period_ns, phase_ns;
};

#define CGR_COLD_AFTER_NS 1000000u /* an idle CPU has lost its caches */
#define CGR_COLD_PART 4u /* of work with cold caches is added, waiting for memory: */
#define CGR_COLD_TIME_PART (CGR_COLD_PART + 1) /* that part of the time it takes */
#define CGR_DEVICE_PERCENT 30u /* by so much the same device differs between two runs of one program */

/* What the recording tells about the machine. */
struct cgr_calibration {
	uint64_t tick_phase_ns; /* tick times are phase + n * 1e9 / hz */
	bool tick_phase_known;
	bool newidle_known;
	uint32_t newidle_ratio; /* of 1024 times a CPU ran out of work it pulled a waiting task */
	bool idle_scan_known;
	bool idle_scan; /* a task woken on its own, busy CPU went to one that was idle */
	uint64_t idle_wake_ns; /* median: wake-up to run on an idle CPU */
	uint64_t idle_charged_ns; /* median: so much of that is charged as CPU time of the task woken */
	struct cgr_miss_price single, window; /* a page read by itself; a page of many read at once */
	uint64_t window_pages; /* how many those were in the mean, 0 not seen */
	uint64_t reclaim_folio_ns; /* CPU time of memcg reclaim per folio of one page freed, 0 not seen */
	uint64_t swapped_out, swapped_in; /* pages that went to swap and came back */
	uint64_t swap_read_ns; /* CPU time to bring one back, 0 not seen */
	uint64_t stream_page_ns; /* what the device takes for a page while it has something to do, 0 not seen */
	uint32_t slow_percent; /* how long this machine's kernel takes for what the models have prices of their own for */
};

struct cgr_programs {
	struct cgr_program *program; /* by task id; 0 is the world: what happens at absolute times */
	uint32_t tasks;
	struct cgr_timer_site *site;
	uint32_t sites;
	size_t site_capacity;
	struct cgr_relation *relation;
	uint32_t relations;
	size_t relation_capacity;
	struct cgr_pipe *pipe;
	uint32_t pipes;
	size_t pipe_capacity;
	struct cgr_period_phase *phase;
	size_t phases, phase_capacity;
	struct cgr_histogram *latency; /* recorded wake-up latency in usec, by task */
	uint64_t *group_run_ns; /* recorded CPU time by the cgroup the task was in then */
	uint32_t groups;
	struct cgr_calibration calibration;
	int64_t duration_ns;
	uint64_t events, switches;
	uint64_t recorded_run_ns, program_run_ns, inferred_run_ns;
	uint64_t lost_wakes; /* wakes of tasks that were not blocked */
	uint64_t found_answers; /* waits that did not take place because their end had come first (compile_answer.c) */
	/* storage */
	int fd;
	char *map;
	size_t map_bytes;
	uint32_t chunks, chunk_capacity;
};

#define CGR_CHUNK_OPS 42u
struct cgr_chunk {
	uint32_t next, count;
	uint64_t spare;
	struct cgr_op op[CGR_CHUNK_OPS];
};
_Static_assert(sizeof(struct cgr_chunk) == 1024, "four chunks to a page");

/* Where a reader stands in a program. */
struct cgr_cursor {
	uint32_t chunk, position;
};

static inline struct cgr_chunk *cgr_chunk_at(const struct cgr_programs *programs, uint32_t chunk)
{
	return (struct cgr_chunk *)(void *)(programs->map + (size_t)chunk * sizeof(struct cgr_chunk));
}
static inline struct cgr_cursor cgr_cursor_start(const struct cgr_programs *programs, uint32_t task)
{
	return (struct cgr_cursor){ programs->program[task].first_chunk, 0 };
}
/* The operation at the cursor, borrowed; NULL at the end. */
static inline const struct cgr_op *cgr_cursor_peek(const struct cgr_programs *programs, struct cgr_cursor *cursor)
{
	while (cursor->chunk != CGR_ID_NONE) {
		const struct cgr_chunk *chunk = cgr_chunk_at(programs, cursor->chunk);

		if (cursor->position < chunk->count)
			return &chunk->op[cursor->position];
		if (chunk->count < CGR_CHUNK_OPS)
			return NULL;
		*cursor = (struct cgr_cursor){ chunk->next, 0 };
	}
	return NULL;
}

/* An empty set for n tasks (id 0 = the world). The caller frees with cgr_programs_free (NULL-safe, returns NULL). */
int cgr_programs_new(uint32_t tasks, struct cgr_programs **ret_programs, struct cgr_error *reterr);
struct cgr_programs *cgr_programs_free(struct cgr_programs *programs);
/* Appends to a task's program; tail is the writer's note of the task's last chunk (start with CGR_ID_NONE). */
int cgr_programs_append_chunk(struct cgr_programs *programs, uint32_t task, uint32_t *tail, const struct cgr_op *op,
                              struct cgr_error *reterr);
static inline int cgr_programs_append(struct cgr_programs *programs, uint32_t task, uint32_t *tail,
                                      const struct cgr_op *op, struct cgr_error *reterr)
{
	struct cgr_chunk *chunk = *tail == CGR_ID_NONE ? NULL : cgr_chunk_at(programs, *tail);

	if (!chunk || chunk->count == CGR_CHUNK_OPS)
		return cgr_programs_append_chunk(programs, task, tail, op, reterr);
	chunk->op[chunk->count++] = *op;
	programs->program[task].ops++;
	return 0;
}

/* What of a process is in the caches of a CPU. */
struct cgr_cpu_caches {
	uint64_t idle_ns; /* when it last went idle */
	uint64_t filled_ns; /* when a thread of that process began to fill them */
	int32_t tgid;
};

/* A thread comes to a CPU that it has been kept off since then, and begins to fill its caches: they are cold if the CPU
 * has been idle and no other thread of its process has come there meanwhile. Next to a neighbour that never let the CPU
 * idle the recording does not tell a throttle from a wait for the CPU: what that costs stays in the recorded times. */
static inline bool cgr_caches_cold(struct cgr_cpu_caches *c, int32_t tgid, uint64_t since_ns, uint64_t now_ns,
                                   bool from_idle)
{
	if ((!from_idle && c->idle_ns < since_ns) || (c->tgid == tgid && c->filled_ns >= since_ns))
		return false;
	c->tgid = tgid;
	c->filled_ns = now_ns;
	return true;
}

#endif
