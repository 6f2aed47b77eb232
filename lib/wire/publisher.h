/* publisher.h - one signer's events: header, sequence, topic, seal (wire.md). The agent's stream and
 * the collector's own events both go through it. Pure: bytes leave through a function of the owner's.
 * One owner, not thread-safe. */

#ifndef WIRE_PUBLISHER_H
#define WIRE_PUBLISHER_H

#include "base/clock.h"
#include "base/error.h"
#include "belfry/v1/event.pb-c.h"
#include "wire/keyring.h"

typedef struct publisher publisher_t;

typedef struct {
	const char *cluster, *node; /* copied */
	uint64_t incarnation, boot_nonce;
	mono_t started;     /* the incarnation's beginning: monotonic_ns counts from it */
	keyring_t *keyring; /* borrowed; NULL: unsigned (insecure) */
} publisher_options_t;

/* Where a sealed message goes; both spans are borrowed for the call. */
typedef void publisher_emit_fn (void *arg, span_t topic, span_t envelope);

/* What stands beside the payload. */
typedef struct {
	const char *source;       /* NULL: "agent" or "collector", by the node's name */
	const char *subject_node; /* NULL: the signer itself */
	const char *correlation_id;
	Belfry__V1__Severity severity; /* 0: INFO */
	bool changed;                  /* a health event whose status changed: durable */
	size_t n_labels;
	Belfry__V1__Label **labels;
} publisher_note_t;

/* 0; -EINVAL (a name outside the grammar), -ENOKEY (no active key for node), -ENOMEM. */
int publisher_new (const publisher_options_t *options, publisher_emit_fn *emit, void *arg, publisher_t **ret,
        err_t *err);
/* Frees and nulls. NULL-safe. */
void publisher_destroy (publisher_t **self_p);

/* Seals and emits one event: event->payload_case and its payload are set, the header is made here.
 * 0; -EINVAL when the event does not validate, -EMSGSIZE above ENVELOPE_SIZE_MAX, -ENOKEY, -ENOMEM;
 * no sequence is used then. note may be NULL. */
int publisher_send (
        publisher_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now, err_t *err);

/* The same in two steps, for what is kept between them. Composed: with its header and, where its class has
 * one, the next sequence, which is used up then; not sealed. Borrowed until the next call. */
typedef struct {
	uint64_t sequence; /* 0: on demand */
	span_t topic, event;
} publisher_composed_t;
int publisher_compose (publisher_t *self, Belfry__V1__Event *event, const publisher_note_t *note,
        moment_t now, publisher_composed_t *ret, err_t *err);
/* A gap event, of any incarnation of this node, under its own sequence, which is last. */
typedef struct {
	uint64_t incarnation, boot_nonce, first, last, count;
	Belfry__V1__GapReason reason;
	uint64_t time_ns; /* UTC, when it arose */
} publisher_gap_t;
int publisher_compose_gap (
        publisher_t *self, const publisher_gap_t *gap, publisher_composed_t *ret, err_t *err);
/* Seals what was composed, now or long ago, under the key that is active now; *ret is borrowed until the
 * next call. 0; -ENOKEY, -EMSGSIZE, -ENOMEM. publisher_emit: and emits it. */
int publisher_envelope (publisher_t *self, span_t topic, span_t event, span_t *ret, err_t *err);
int publisher_emit (publisher_t *self, span_t topic, span_t event, err_t *err);

/* The newest sequence sent or composed; 0 before the first. */
uint64_t publisher_newest_volatile (const publisher_t *self);
uint64_t publisher_newest_durable (const publisher_t *self);

/* Leaves out the next n durable sequences: a gap event says that they will never come. */
void publisher_skip_durable (publisher_t *self, uint64_t n);

/* Another keyring (SIGHUP), or another incarnation (refused by a collector): sequences begin again. */
void publisher_set_keyring (publisher_t *self, keyring_t *keyring);
void publisher_set_incarnation (publisher_t *self, uint64_t incarnation, uint64_t boot_nonce, mono_t started);
uint64_t publisher_incarnation (const publisher_t *self);
uint64_t publisher_boot_nonce (const publisher_t *self);

#endif
