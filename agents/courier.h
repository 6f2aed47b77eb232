/* courier.h - when what one collector has not acknowledged goes to it again (wire.md, "Durable delivery"):
 * after max(200 ms, 4 times the smoothed time of an acknowledgement), in order, at most a credit at a time,
 * backing off while nothing comes back; at once after a welcome, and as long as what goes is acknowledged.
 * What went on the stream since then has its own time first: one loss does not make all that follows go twice.
 * Pure: no I/O, clock or globals. One owner. */

#ifndef AGENTS_COURIER_H
#define AGENTS_COURIER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"

#define COURIER_PATIENCE_NS (200 * NS_PER_MS)
#define COURIER_BACKOFF_MAX_NS (5 * NS_PER_S)
enum {
	COURIER_EVENTS_MAX = 256,
	COURIER_BYTES_MAX = 256 * 1024, /* one Resend is one control frame, and beats share the connection */
};

typedef struct {
	bool welcomed;
	bool older;     /* something waits of incarnations before the present one */
	bool reading;   /* the spool was asked */
	bool under_way; /* a Resend is not acknowledged whole yet */
	uint64_t incarnation, newest,
	        acknowledged; /* of the present incarnation: committed, and acknowledged */
	uint64_t behind; /* up to here nothing is believed to be on the stream: it goes as soon as it may */
	uint64_t sent_incarnation, sent_sequence; /* where the Resend under way ends */
	uint64_t sent_acknowledged;               /* of that incarnation, since it went */
	uint32_t credit_events, credit_bytes;
	mono_t due;         /* when it goes (again) */
	int64_t backoff_ns; /* 0: the first time */
	int64_t smoothed_ns;
	uint64_t timed_sequence; /* whose acknowledgement is timed; 0: none */
	mono_t timed_at;
	uint64_t resent, resends, acknowledgements;
} courier_t;

void courier_init (courier_t *self);

/* The collector welcomed incarnation, of which it has everything up to newest. older: the spool holds
 * something for it of earlier ones. */
void courier_welcomed (courier_t *self, uint64_t incarnation, uint64_t newest, bool older,
        uint32_t credit_events, uint32_t credit_bytes, mono_t now);
/* Nobody answers any more. */
void courier_lost (courier_t *self);

/* An event of that incarnation is committed; on the stream, where it was sent there. */
void courier_committed (courier_t *self, uint64_t incarnation, uint64_t sequence, bool sent, mono_t now);
/* The collector has everything of incarnation up to newest. */
void courier_acknowledged (courier_t *self, uint64_t incarnation, uint64_t newest, uint32_t credit_events,
        uint32_t credit_bytes, mono_t now);
/* What the spool says of earlier incarnations now. */
void courier_older (courier_t *self, bool older, mono_t now);

/* Whether the spool is to be read now for this collector: then *ret_events, *ret_bytes are at most to go. The
 * answer is courier_read. */
bool courier_step (courier_t *self, mono_t now, size_t *ret_events, size_t *ret_bytes);
/* What became of it. SENT: n events, up to that place; NOTHING: the spool has none for this collector, whatever
 * that said of itself; FAILED: they could not be read or sent, so later. */
typedef enum { COURIER_SENT, COURIER_NOTHING, COURIER_FAILED } courier_outcome_t;
void courier_read (courier_t *self, courier_outcome_t outcome, size_t n, uint64_t incarnation,
        uint64_t sequence, mono_t now);

/* Whether anything waits for it, and it is there. */
bool courier_waits (const courier_t *self);

#endif
