/* sim.h - virtual time, one source of chance, a trace and a digest: what the simulator stands on.
 *
 * Everything that happens is an event in one queue; the same seed gives the same run, byte for byte.
 * The first invariant that breaks ends the run, with the newest lines of the trace. Hosts have clocks of
 * their own: no two monotonic clocks began at the same moment, and a wall clock may jump. */

#ifndef TESTS_SIM_SIM_H
#define TESTS_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/span.h"

typedef struct sim sim_t;

/* seed decides everything; verbose: the trace goes to stdout as it comes. Ends the program without memory, as
 * everything in the simulator does. */
sim_t *sim_new (uint64_t seed, bool verbose);
/* NULL-safe; nulls. */
void sim_destroy (sim_t **self_p);

/* Nanoseconds since the run began. */
int64_t sim_now (const sim_t *self);

/* Calls step (context, argument) at a moment, which is now at the earliest; in the order of the calls where
 * moments are the same. */
typedef void sim_step_fn (void *context, uint64_t argument);
void sim_at (sim_t *self, int64_t when_ns, sim_step_fn *step, void *context, uint64_t argument);
void sim_after (sim_t *self, int64_t delay_ns, sim_step_fn *step, void *context, uint64_t argument);

/* Runs until that moment, or until an invariant broke. check follows each step; may be NULL. */
typedef void sim_check_fn (void *context);
void sim_run (sim_t *self, int64_t until_ns, sim_check_fn *check, void *context);
uint64_t sim_steps (const sim_t *self);

/* Chance. below: 0..n-1, n above 0; between: low..high, both included; chance: n times out of of. */
uint64_t sim_random (sim_t *self);
uint64_t sim_below (sim_t *self, uint64_t n);
int64_t sim_between (sim_t *self, int64_t low, int64_t high);
bool sim_chance (sim_t *self, uint64_t n, uint64_t of);

/* A line of the trace: what a person needs to follow a run. */
void sim_trace (sim_t *self, const char *format, ...) PRINTF_LIKE (2, 3);
void sim_trace_print (const sim_t *self);

/* An invariant broke. Only the first one counts. name: of the invariant, static. */
void sim_fail (sim_t *self, const char *name, const char *format, ...) PRINTF_LIKE (3, 4);
/* The invariant's name, or NULL; ret_text: what was wrong; ret_at: when. */
const char *sim_failure (const sim_t *self, const char **ret_text, int64_t *ret_at_ns);

/* What was published so far, as one number. */
void sim_digest (sim_t *self, span_t bytes);
uint64_t sim_digest_value (const sim_t *self);
uint64_t sim_hash (uint64_t hash, span_t bytes);

/* One machine's clocks. */
typedef struct {
	int64_t mono_ns, wall_ns; /* what they are ahead of the run's time */
} host_t;

static inline moment_t host_moment (const sim_t *sim, const host_t *host)
{
	return (moment_t){ { sim_now (sim) + host->mono_ns }, { sim_now (sim) + host->wall_ns } };
}

/* A program. Killed: it is not there. Stopped: it is there, its kernel answers, and it does nothing. */
typedef struct {
	const char *name;
	host_t *host;
	bool alive, stopped;
} process_t;

static inline bool process_runs (const process_t *self)
{
	return self->alive && !self->stopped;
}

/* malloc and the like that cannot fail. */
void *sim_alloc (size_t size);
void *sim_grow (void *old, size_t size);

/* protobuf-c's structs want char *, and free nothing that is handed to them here. */
static inline char *sim_borrow (const char *text)
{
	union {
		const char *in;
		char *out;
	} u = { text };
	return u.out;
}

#endif
