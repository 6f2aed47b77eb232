/* outbox.h - the one way out for every event of the agent's: probes', applications', its own.
 *
 * While nobody hears this node under an incarnation that may be used, durable events are held and
 * volatile ones are not made. What is on demand leaves only while somebody listens. What was dropped
 * before it could be sealed is said by a gap event as soon as anybody hears.
 * Pure: sealed bytes leave through a function of the owner's. One owner, not thread-safe. */

#ifndef AGENTS_OUTBOX_H
#define AGENTS_OUTBOX_H

#include "agents/demand.h"
#include "agents/hold.h"
#include "wire/publisher.h"

typedef struct outbox outbox_t;

/* Nothing was sent, on purpose: nobody listens to it, or the hold was full. */
enum { OUTBOX_E_UNHEARD = 1, OUTBOX_E_DROPPED };

typedef struct {
	uint64_t sent, held;
	uint64_t unheard; /* volatile while the gate was shut, or on demand without a listener */
	uint64_t dropped; /* durable, the hold being full */
	uint64_t refused; /* did not validate, was too large, or could not be signed */
} outbox_counters_t;

/* options, emit: as publisher_new takes them. demand: borrowed. Begins shut. As publisher_new. */
int outbox_new (const publisher_options_t *options, const demand_t *demand, publisher_emit_fn *emit,
        void *arg, outbox_t **ret, err_t *err);
/* Frees and nulls. NULL-safe. */
void outbox_destroy (outbox_t **self_p);

/* The gate: open while somebody hears this node and its incarnation may be used. Opening releases
 * what was held, each event under its own time. */
void outbox_open (outbox_t *self, moment_t now);
void outbox_shut (outbox_t *self);
bool outbox_is_open (const outbox_t *self);

/* Another incarnation: sequences begin again. What is held goes under it. */
void outbox_set_incarnation (outbox_t *self, uint64_t incarnation, uint64_t boot_nonce, mono_t started);
void outbox_set_keyring (outbox_t *self, keyring_t *keyring);

/* Sends, holds or leaves out one event. 0; OUTBOX_E_*; or as publisher_send and hold_put. */
int outbox_send (
        outbox_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now, err_t *err);

const outbox_counters_t *outbox_counters (const outbox_t *self);
const hold_t *outbox_hold (const outbox_t *self);
const publisher_t *outbox_publisher (const outbox_t *self);

#endif
