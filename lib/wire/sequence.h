/* sequence.h - which sequences of one publisher's class have arrived, and which are missing
 * (wire.md, "Classes, sequences, gaps"). Pure: no I/O, clock, logging or globals.
 *
 * Durable sequences are deduplicated exactly inside a window behind the newest; volatile ones
 * must increase. Both count what never came. */

#ifndef WIRE_SEQUENCE_H
#define WIRE_SEQUENCE_H

#include <stdint.h>

enum { SEQUENCE_WINDOW = 1024 };

typedef enum { SEQUENCE_INCREASING, SEQUENCE_WINDOWED } sequence_rule_t;

/* Outcomes that the caller handles. */
enum { SEQUENCE_E_SEEN = 1, SEQUENCE_E_TOO_OLD };

typedef struct {
	sequence_rule_t rule;
	uint64_t first;    /* the first that counts; 0: none has arrived yet */
	uint64_t newest;   /* the greatest that arrived */
	uint64_t received; /* distinct ones, first..newest */
	uint64_t bound;    /* the greatest that the publisher says it sent: newest or above */
	uint64_t bits[SEQUENCE_WINDOW / 64]; /* WINDOWED: bit s mod 1024 is whether s arrived */
} sequence_t;

void sequence_init (sequence_t *self, sequence_rule_t rule);

/* Says where counting begins, when the first sequence is known before it arrives (a new
 * incarnation begins with 1). Without it, it begins at the first that arrives. */
void sequence_begin (sequence_t *self, uint64_t first);

/* Notes that seq (1 or above) arrived. Unless 0 is returned nothing changed:
 * SEQUENCE_E_SEEN - had it already, or (INCREASING) it is not above the newest;
 * SEQUENCE_E_TOO_OLD - (WINDOWED) left the window, or lies before the first. */
int sequence_note (sequence_t *self, uint64_t seq);

/* WINDOWED: the publisher says that first..last will never come: of what is missing at or below the newest
 * those places count as filled, also where they have left the window. */
void sequence_fill (sequence_t *self, uint64_t first, uint64_t last);

/* The publisher says that it has sent up to newest: what is missing below is lost. */
void sequence_bind (sequence_t *self, uint64_t newest);

/* How many of first..max (newest, bound) never arrived. */
uint64_t sequence_lost (const sequence_t *self);

#endif
