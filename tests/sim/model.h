/* model.h - the contract of the collector's intake, written a second time and as plainly as can be: which
 * message may pass, what is lost, what the snapshot holds. One model for one run of the collector.
 *
 * It knows from the ledger which messages are genuine, so it needs no key; and it may remember
 * everything, so it needs no window but the one that the contract names. */

#ifndef TESTS_SIM_MODEL_H
#define TESTS_SIM_MODEL_H

#include "archive.h"
#include "belfry/v1/control.pb-c.h"
#include "ledger.h"
#include "wire/refusal.h"

typedef struct model model_t;

model_t *model_new (sim_t *sim, ledger_t *ledger);
void model_destroy (model_t **self_p);

/* What a run begins with: the memory that stands beside the journal, held against the journal. */
void model_restore (model_t *self, const archive_t *archive);

/* A message was offered to the collector and it said reason. Fails the run where that is wrong. sealed: its
 * entry, NULL for one that nobody sealed. now: the collector's. */
void model_offered (model_t *self, const sealed_t *sealed, refusal_t reason, mono_t now);
/* A genuine Resend of node's was taken in; node had been welcomed. */
void model_resent (model_t *self, uint32_t node, const Belfry__V1__Resend *resend, mono_t now);
/* The collector acknowledged: fails the run where something of it is neither journalled nor named by a gap. */
void model_acknowledged (model_t *self, const archive_t *archive, uint32_t node, const Belfry__V1__Ack *ack);
/* Nothing is under way: everything durable that was accepted is in the journal, once. */
void model_journalled (model_t *self, const archive_t *archive);
/* A message with another number of frames. */
void model_refused (model_t *self, refusal_t reason);

/* A genuine Hello came; accepted and next are what the Welcome said. */
void model_hello (model_t *self, uint32_t node, const Belfry__V1__Hello *hello, bool accepted, uint64_t next);
/* Whether a Hello of its present incarnation was accepted in this run. */
bool model_welcomed (const model_t *self, uint32_t node);

/* What the collector published of its own; marked: it is in the journal. */
void model_published (model_t *self, span_t topic, span_t envelope, bool marked);

/* How a node stands: what was accepted, and how many volatile events may count as lost: between low (what is
 * bound surely) and high (what every beat so far says). */
typedef struct {
	uint64_t incarnation, nonce;
	uint64_t received;       /* of all incarnations, all classes */
	uint64_t newest_durable; /* of this incarnation; 0: none */
	uint64_t lost_volatile_low, lost_volatile_high, lost_durable;
	uint64_t replayed;
} model_node_t;
bool model_node (const model_t *self, uint32_t node, mono_t now, model_node_t *ret);

uint64_t model_accepted (const model_t *self);
uint64_t model_offers (const model_t *self);
uint64_t model_refusals (const model_t *self, refusal_t reason);

/* The snapshot: each of its frames is the newest accepted of its topic, and none is missing. */
void model_snapshot_begin (model_t *self);
void model_snapshot_frame (model_t *self, span_t topic, span_t envelope);
void model_snapshot_end (model_t *self);

#endif
