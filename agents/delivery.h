/* delivery.h - the durable events' way from the outbox over the spool to each collector: committed, then sent on
 * the stream, and again over control until they are acknowledged (wire.md, "Durable delivery"). A courier a
 * collector decides when, the spooler moves the disk. One owner, on its loop's thread. */

#ifndef AGENTS_DELIVERY_H
#define AGENTS_DELIVERY_H

#include "agents/courier.h"
#include "agents/identity.h"
#include "agents/spooler.h"
#include "agents/talk.h"
#include "conf/agent_config.h"

typedef struct delivery delivery_t;

typedef struct {
	void *arg;
	/* What is committed grew. */
	void (*settled) (void *arg, uint64_t number, mono_t now);
	/* The spool was damaged: a sentence, and how many events are missing. */
	void (*damaged) (void *arg, const spool_report_t *report);
} delivery_hooks_t;

typedef struct {
	uint64_t resends, resent, acknowledgements;
} delivery_counters_t;

/* Opens the spool in the configuration's state directory; where the disk does not take one events wait in
 * memory. config is borrowed for the call, outbox for good. 0; negative errno with err. */
int delivery_new (loop_t *loop, const agent_config_t *config, outbox_t *outbox, const delivery_hooks_t *hooks,
        moment_t now, delivery_t **ret, err_t *err);
/* False while a disk hangs: nothing was freed then. NULL-safe. */
bool delivery_destroy (delivery_t **self_p, int64_t patience_ns);

/* Whose control links they are: one a collector, in the configuration's order. Borrowed for good. */
void delivery_attach (delivery_t *self, talk_t *const *talks);

/* Whether the incarnation may be used now: what is held is numbered from then on. */
void delivery_allow (delivery_t *self, const incarnation_t *incarnation, bool may);
/* Another incarnation took the place of the one before, whose events go under it. */
void delivery_begun (delivery_t *self, uint64_t before, const incarnation_t *incarnation, mono_t now);
/* Something was held. */
void delivery_nudge (delivery_t *self);

/* The collector's words. */
void delivery_welcomed (delivery_t *self, const talk_t *talk, const Belfry__V1__Welcome *welcome, mono_t now);
void delivery_acknowledged (delivery_t *self, const talk_t *talk, const Belfry__V1__Ack *ack, mono_t now);
void delivery_lost (delivery_t *self, const talk_t *talk);
/* For its Hello: the oldest that waits for it. */
spooler_place_t delivery_oldest (const delivery_t *self, const talk_t *talk);

/* Time passes: each second or oftener. */
void delivery_step (delivery_t *self, moment_t now);
/* The end: commits what is held, and while a collector is there waits for its word, patience_ns at most each.
 * Turns the loop. */
void delivery_end (delivery_t *self, int64_t patience_ns);

/* Up to which of the hold's numbers everything is committed or dropped. */
uint64_t delivery_settled (const delivery_t *self);
const spool_figures_t *delivery_figures (const delivery_t *self);
void delivery_counters (const delivery_t *self, delivery_counters_t *ret);

#endif
