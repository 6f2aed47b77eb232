#include "client/track.h"

#include "client/names.h"
#include "wire/sequence.h"

#include <errno.h>
#include <stdlib.h>

enum { BEAT_BINDS_AFTER_NS = 200 * NS_PER_MS };

typedef struct {
	uint64_t incarnation, boot_nonce; /* nonce 0: not seen yet */
	sequence_t volatile_, durable;
	uint64_t lost_before; /* in older incarnations */
	uint64_t said_volatile, said_durable;
	mono_t said_at;
	bool said; /* by a beat that does not bind yet */
} node_t;

/* The newest event of a topic in the snapshot. */
typedef struct {
	uint64_t incarnation, monotonic_ns, sequence;
	Belfry__V1__DeliveryClass class;
} newest_t;

struct track {
	names_t *nodes, *topics;
};

int track_new (track_t **ret)
{
	track_t *self = calloc (1, sizeof *self);
	if (!self || names_new (TRACK_NODES_MAX, &self->nodes) ||
	        names_new (TRACK_TOPICS_MAX, &self->topics)) {
		track_destroy (&self);
		return -ENOMEM;
	}
	*ret = self;
	return 0;
}

void track_destroy (track_t **self_p)
{
	if (!*self_p)
		return;
	names_destroy (&(*self_p)->nodes, free);
	names_destroy (&(*self_p)->topics, free);
	free (*self_p);
	*self_p = NULL;
}

/* Whether b comes behind a: by incarnation, then time in it, then sequence where they share one. */
static bool header_is_newer (const newest_t *a, const Belfry__V1__Header *b)
{
	if (b->incarnation != a->incarnation)
		return b->incarnation > a->incarnation;
	if (b->monotonic_ns != a->monotonic_ns)
		return b->monotonic_ns > a->monotonic_ns;
	return b->class_ != a->class || b->sequence > a->sequence;
}

int track_snapshot_event (track_t *self, span_t topic, const Belfry__V1__Header *header)
{
	newest_t *newest = names_get (self->topics, topic);
	if (!newest) {
		newest = calloc (1, sizeof *newest);
		if (!newest)
			return -ENOMEM;
		int r = names_put (self->topics, topic, newest);
		if (r) {
			free (newest);
			return r;
		}
	} else if (!header_is_newer (newest, header)) {
		return 0;
	}
	*newest = (newest_t){ header->incarnation, header->monotonic_ns, header->sequence, header->class_ };
	return 0;
}

static void node_begin (node_t *node, uint64_t incarnation, uint64_t boot_nonce)
{
	node->lost_before += sequence_lost (&node->volatile_) + sequence_lost (&node->durable);
	node->incarnation = incarnation;
	node->boot_nonce = boot_nonce;
	node->said = false;
	sequence_init (&node->volatile_, SEQUENCE_INCREASING);
	sequence_init (&node->durable, SEQUENCE_WINDOWED);
}

/* Finds or makes the node; NULL at the limit or without memory. */
static node_t *node_of (track_t *self, const char *name)
{
	node_t *node = names_get (self->nodes, span_str (name));
	if (node)
		return node;
	node = calloc (1, sizeof *node);
	if (!node || names_put (self->nodes, span_str (name), node)) {
		free (node);
		return NULL;
	}
	node_begin (node, 0, 0);
	return node;
}

int track_snapshot_sequence (track_t *self, const Belfry__V1__NodeSequence *sequence)
{
	node_t *node = node_of (self, sequence->node);
	if (!node)
		return -ENOMEM;
	if (sequence->incarnation <= node->incarnation)
		return 0;
	node_begin (node, sequence->incarnation, 0);
	sequence_begin (&node->volatile_, sequence->newest_volatile + 1);
	sequence_begin (&node->durable, sequence->newest_durable + 1);
	return 0;
}

track_verdict_t track_event (
        track_t *self, span_t topic, const Belfry__V1__Header *header, refusal_t *ret_reason)
{
	const newest_t *newest = names_get (self->topics, topic);
	bool covered = newest && !header_is_newer (newest, header);
	node_t *node = node_of (self, header->node);
	if (!node) {
		*ret_reason = REFUSAL_LIMIT;
		return TRACK_REFUSED;
	}
	if (header->incarnation < node->incarnation) {
		*ret_reason = REFUSAL_INCARNATION;
		return covered ? TRACK_NOT_NEWER : TRACK_REFUSED;
	}
	if (header->incarnation > node->incarnation)
		node_begin (node, header->incarnation, header->boot_nonce);
	if (node->boot_nonce == 0)
		node->boot_nonce = header->boot_nonce;
	if (header->boot_nonce != node->boot_nonce) {
		*ret_reason = REFUSAL_NONCE;
		return TRACK_REFUSED;
	}
	if (header->sequence == 0)
		return covered ? TRACK_NOT_NEWER : TRACK_NEW;
	sequence_t *sequence = header->class_ == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE
	                               ? &node->durable
	                               : &node->volatile_;
	if (sequence->first && header->sequence < sequence->first)
		return TRACK_NOT_NEWER;
	if (sequence_note (sequence, header->sequence)) {
		*ret_reason = REFUSAL_REPLAYED;
		return TRACK_REFUSED;
	}
	return covered ? TRACK_NOT_NEWER : TRACK_NEW;
}

void track_beat (
        track_t *self, const Belfry__V1__Header *header, const Belfry__V1__Heartbeat *beat, mono_t now)
{
	node_t *node = names_get (self->nodes, span_str (header->node));
	if (!node || node->incarnation != header->incarnation)
		return;
	if (node->said && mono_since (now, node->said_at) >= BEAT_BINDS_AFTER_NS) {
		sequence_bind (&node->volatile_, node->said_volatile);
		sequence_bind (&node->durable, node->said_durable);
		node->said = false;
	}
	if (!node->said) {
		node->said = true;
		node->said_at = now;
		node->said_volatile = beat->newest_volatile;
		node->said_durable = beat->newest_durable;
	}
}

static void add_lost (void *arg, void *value)
{
	const node_t *node = value;
	*(uint64_t *) arg +=
	        node->lost_before + sequence_lost (&node->volatile_) + sequence_lost (&node->durable);
}

uint64_t track_lost (const track_t *self)
{
	uint64_t lost = 0;
	names_visit (self->nodes, add_lost, &lost);
	return lost;
}
