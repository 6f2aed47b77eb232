/* outbox.h - the one way out for every event of the agent's: probes', applications', its own.
 *
 * A durable event is held, numbered when it goes to the spool (outbox_number), and leaves when that has
 * committed it (outbox_emit); what nobody hears then goes over control later. While nobody hears this
 * node volatile events are not made. What is on demand leaves only while somebody listens. What was dropped
 * before it had a number is given one then, so that the spool names what is missing.
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
	uint64_t dropped; /* durable, the hold being full, or without memory */
	uint64_t refused; /* did not validate, was too large, or could not be signed */
} outbox_counters_t;

/* options, emit: as publisher_new takes them. demand: borrowed. Begins shut. As publisher_new. */
int outbox_new (const publisher_options_t *options, const demand_t *demand, publisher_emit_fn *emit,
        void *arg, outbox_t **ret, err_t *err);
/* Frees and nulls. NULL-safe. */
void outbox_destroy (outbox_t **self_p);

/* The gate: open while somebody hears this node and its incarnation may be used. */
void outbox_open (outbox_t *self);
void outbox_shut (outbox_t *self);
bool outbox_is_open (const outbox_t *self);

/* Another incarnation: sequences begin again. What is held goes under it. */
void outbox_set_incarnation (outbox_t *self, uint64_t incarnation, uint64_t boot_nonce, mono_t started);
/* Sequences up to newest are used by now: what waited of earlier incarnations has them. */
void outbox_skip (outbox_t *self, uint64_t newest);
void outbox_set_keyring (outbox_t *self, keyring_t *keyring);

/* Sends, holds or leaves out one event. 0; OUTBOX_E_*; or as publisher_send and hold_put. */
int outbox_send (
        outbox_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now, err_t *err);

/* Numbers at most max of what is held, in order, and hands each over; its spans are borrowed for the call.
 * Only under an incarnation that may be used. put ends it by returning not 0: positive after it took the
 * item; negative where it could not, which counts as dropped, and leaves a hole that the spool names.
 * Returns how many were taken out. */
typedef int outbox_put_fn (void *arg, const spool_item_t *item);
size_t outbox_number (outbox_t *self, size_t max, outbox_put_fn *put, void *arg);
/* A numbered event, committed by now; in order. Sealed and sent where the gate is open. */
void outbox_emit (outbox_t *self, const spool_item_t *item);
/* An item of the spool, sealed under the present key; a gap is made an event. Borrowed until the next call
 * of anything here. 0 or as publisher_envelope. */
int outbox_seal (
        outbox_t *self, const spool_item_t *item, span_t *ret_topic, span_t *ret_envelope, err_t *err);

/* The newest durable sequence that is committed: what a beat may bind a collector to. */
uint64_t outbox_committed (const outbox_t *self);
const outbox_counters_t *outbox_counters (const outbox_t *self);
const hold_t *outbox_hold (const outbox_t *self);
const publisher_t *outbox_publisher (const outbox_t *self);

#endif
