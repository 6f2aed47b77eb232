/* session.h - the conversation with one collector over control, from the agent's side (wire.md,
 * "Control"): when to say hello, whether it is welcome, what it is told.
 *
 * Hello goes out at once, then after 200 ms, doubling up to 5 s, until a Welcome answers it; once
 * welcomed again after 5 s in which the collector said nothing. Each Hello has a deadline; two that
 * pass in a row end the welcome. An answer bears its request's id: an old one recorded and sent again
 * does nothing.
 * Pure: no I/O, clock, randomness or globals; MACs are checked before anything gets here. One owner. */

#ifndef AGENTS_SESSION_H
#define AGENTS_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "belfry/v1/control.pb-c.h"

#define SESSION_HELLO_FIRST_NS (200 * NS_PER_MS)
#define SESSION_HELLO_MAX_NS (5 * NS_PER_S)
#define SESSION_QUIET_NS (5 * NS_PER_S)
#define SESSION_REPORT_NS NS_PER_S
/* A welcome that lasted so long is no quarrel with a second program of this name. */
#define SESSION_SETTLED_NS (60 * NS_PER_S)
/* Reports of changes keep this distance. */
#define SESSION_REPORT_MIN_NS (50 * NS_PER_MS)

enum { SESSION_DEADLINE_MS = 2000, SESSION_TARGETS_MAX = 256 };

typedef struct {
	uint64_t next_id, hello_id; /* hello_id 0: none is unanswered */
	mono_t hello_at, hello_deadline, heard_at, welcomed_at, report_at, reported_at;
	int64_t backoff_ns;
	unsigned unanswered, superseded;
	bool welcomed, has_roster;
	bool changed; /* since the last report */
	uint64_t roster_generation;
	char collector[64]; /* its name, from its welcome; empty before */
} session_t;

/* first_id: random, so that ids of one run are not another's. */
void session_init (session_t *self, uint64_t first_id, mono_t now);

/* Says hello at the next step, whatever was said before: another incarnation, a new subscription. */
void session_greet (session_t *self, mono_t now);

/* What is to be sent now; it counts as sent. changed: the peers' states are not those of the last
 * step; it is remembered until a report went out. LOST: the welcome ended just now. */
enum { SESSION_SEND_HELLO = 1, SESSION_SEND_REPORT = 2, SESSION_LOST = 4 };
unsigned session_step (session_t *self, bool changed, mono_t now);
/* When the next step has something to do, without changes. */
mono_t session_next (const session_t *self);
/* An id for a message; hello's is hello_id. */
uint64_t session_id (session_t *self);

/* What a collector's message means. */
typedef enum {
	SESSION_ACKNOWLEDGED, /* the journal has what it says */
	SESSION_WELCOMED,     /* the incarnation is accepted, newly or still; *welcome */
	SESSION_SUPERSEDED,   /* it is not: come back with at least *welcome's next_incarnation; the next
	                     * Hello goes out at once, a third one within a short time later and later */
	SESSION_ROSTER,       /* whom to probe, newly or still */
	SESSION_COMMAND,
	SESSION_REFUSED, /* it says no, and why */
	SESSION_STALE,   /* answers nothing that is open, or is older than what we have: counted, ignored */
	SESSION_WRONG,   /* a body no collector sends to an agent, or one that breaks its bounds */
} session_meaning_t;
/* cluster, incarnation: our own. control is borrowed for the call. */
session_meaning_t session_take (session_t *self, const Belfry__V1__Control *control, const char *cluster,
        uint64_t incarnation, mono_t now);

#endif
