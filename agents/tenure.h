/* tenure.h - the incarnation that this agent holds at present, and the next one where a collector asks
 * for it. The disk is touched on a worker; until a number that was asked for is there, there is none
 * to send under. One owner, on its loop's thread. */

#ifndef AGENTS_TENURE_H
#define AGENTS_TENURE_H

#include "agents/identity.h"
#include "net/loop.h"

typedef struct tenure tenure_t;

/* Another incarnation is in force, or the one there is may be used from now on: its number is durable, or the
 * log has said why not. */
typedef void tenure_begun_fn (void *arg, const incarnation_t *incarnation);

/* Opens state_dir and takes its next incarnation, on this thread. 0; as identity_open. */
int tenure_new (
        loop_t *loop, const char *state_dir, tenure_begun_fn *begun, void *arg, tenure_t **ret, err_t *err);
/* NULL-safe. False while a disk hangs: nothing was freed then. */
bool tenure_destroy (tenure_t **self_p);

const incarnation_t *tenure_incarnation (const tenure_t *self);
/* Whether the number may be sent under: no other was asked for. */
bool tenure_stands (const tenure_t *self);

/* A collector accepted the number. */
void tenure_accepted (tenure_t *self);
/* A collector wants at least this one. */
void tenure_superseded (tenure_t *self, uint64_t at_least);
/* Waits for the disk, patience_ns at most, so that what was accepted may be used. For the end. */
void tenure_finish (tenure_t *self, int64_t patience_ns);
/* Starts and ends the worker's jobs. Any cadence of a second or less. */
void tenure_step (tenure_t *self);

#endif
