/* ingest.h - the verification of one message of the stream or of a Resend (wire.md): topic, envelope, MAC
 * on the bytes received; only then decoding, validation, header against topic, incarnation, sequence.
 * Pure. One owner, not thread-safe.
 *
 * A table from the topic's bytes to what is known of it (node, source, key) makes the steady state
 * one lookup. Nothing is made for a message that does not hold in every respect. */

#ifndef COLLECTOR_INGEST_H
#define COLLECTOR_INGEST_H

#include "base/clock.h"
#include "base/error.h"
#include "belfry/v1/event.pb-c.h"
#include "collector/view/node.h"
#include "collector/view/snapshot.h"
#include "wire/describe.h"
#include "wire/keyring.h"
#include "wire/refusal.h"

typedef struct ingest ingest_t;

typedef struct {
	const char *cluster;  /* copied */
	keyring_t *keyring;   /* borrowed; NULL: insecure */
	nodes_t *nodes;       /* borrowed */
	snapshot_t *snapshot; /* borrowed; NULL: nothing is kept */
	uint64_t seed;        /* of the table's hash */
} ingest_options_t;

/* 0; -EINVAL (cluster outside the grammar), -ENOMEM. */
int ingest_new (const ingest_options_t *options, ingest_t **ret, err_t *err);
void ingest_destroy (ingest_t **self_p);

/* A message as it came. */
typedef struct {
	span_t topic, envelope;
	const char *resent_by; /* in a Resend of that node; NULL: on the stream */
	bool room;             /* whether the journal can take one more */
} offer_t;

/* What becomes of a message that held. On the stream all are TAKEN. */
typedef enum {
	FATE_TAKEN,      /* it is new */
	FATE_AGAIN,      /* it was taken in before, and is neither in the journal nor on its way there */
	FATE_UNDER_WAY,  /* it is on its way to the journal */
	FATE_JOURNALLED, /* it is there, or a gap stands for it */
	FATE_SETTLED,    /* of an incarnation that its node has settled */
	FATE_FOREIGN,    /* its incarnation is another boot's here */
} fate_t;

/* A message that held; everything is borrowed until the next ingest_take. */
typedef struct {
	fate_t fate;
	node_t *node;
	account_t *account; /* of a durable event that is TAKEN or AGAIN */
	source_t *source;   /* of one that is TAKEN */
	const event_type_t *type;
	const Belfry__V1__Event *event;
	span_t topic, envelope;
	uint64_t first, last,
	        lost;         /* the places that a gap fills (first 0: none), and how many were missing */
	bool incarnation_new; /* the first of this incarnation */
} taken_t;

/* REFUSAL_NONE with *ret; else the reason: nothing changed then but the refusal counters of the node
 * named, if it exists, and that a proven event of a Resend that can never be taken is settled: else it
 * would stand before all that follow it. clone: *ret_clone is the node whose clashes passed the alarm
 * just now, else NULL. */
refusal_t ingest_take (ingest_t *self, const offer_t *offer, moment_t now, taken_t *ret, node_t **ret_clone);

/* Another keyring, or NULL: keys are looked up anew. */
void ingest_set_keyring (ingest_t *self, keyring_t *keyring);

/* The collector's own events have a place in the snapshot too. */
void ingest_keep_own (ingest_t *self, span_t topic, span_t envelope, uint64_t order);

/* Every topic's newest envelope, in no order, of those that were kept. Ends with what visit returned
 * when it was not 0. */
typedef int ingest_visit_fn (void *arg, span_t topic, span_t envelope);
int ingest_visit (const ingest_t *self, ingest_visit_fn *visit, void *arg);
size_t ingest_topics (const ingest_t *self);

#endif
