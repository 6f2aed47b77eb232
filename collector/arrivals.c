#include "collector/arrivals.h"

#include <errno.h>
#include <stdlib.h>

struct arrivals {
	view_t *view;
	ingest_t *ingest;
	committer_t *committer;
	uptake_t *uptake;
	arrivals_hooks_t hooks;
	char refused_topic[REFUSAL_COUNT][TOPIC_SIZE_MAX + 1]; /* printable */
};

int arrivals_new (view_t *view, ingest_t *ingest, committer_t *committer, uptake_t *uptake,
        const arrivals_hooks_t *hooks, arrivals_t **ret)
{
	arrivals_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->view = view;
	self->ingest = ingest;
	self->committer = committer;
	self->uptake = uptake;
	self->hooks = *hooks;
	*ret = self;
	return 0;
}

void arrivals_destroy (arrivals_t **self_p)
{
	free (*self_p);
	*self_p = NULL;
}

/* There is room for it. */
static void journal (arrivals_t *self, const taken_t *taken, bool late, moment_t now)
{
	const Belfry__V1__Header *header = taken->event->header;
	const journal_record_t record = { .topic = taken->topic,
		.envelope = taken->envelope,
		.node = taken->node->name,
		.subject_node = header->subject_node[0] ? header->subject_node : NULL,
		.incarnation = header->incarnation,
		.sequence = header->sequence,
		.channel = taken->type->channel,
		.severity = header->severity,
		.time_ns = header->time_ns,
		.late = late,
		.received_ns = (uint64_t) now.wall.ns };
	const batch_entry_t entry = { .node = taken->node->index,
		.boot_nonce = header->boot_nonce,
		.first = taken->first,
		.last = taken->last };
	committer_add (self->committer, &record, &entry);
	taken->account->queued++;
	nodes_remember (self->view->nodes, taken->node);
}

static bool is_durable (const taken_t *taken)
{
	return taken->event->header->class_ == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE;
}

/* It holds for the first time, or is to be journalled again. */
static void take (arrivals_t *self, const taken_t *taken, bool resent, int descriptor, moment_t now)
{
	node_t *node = taken->node;
	bool durable = is_durable (taken);
	bool late = durable && now.wall.ns - (int64_t) taken->event->header->time_ns > ARRIVALS_LATE_NS;
	if (durable)
		journal (self, taken, late, now);
	if (taken->fate != FATE_TAKEN)
		return;
	self->view->counters.received++;
	self->view->counters.received_bytes += taken->envelope.size;
	node->received++;
	if (!resent) {
		node->heard = true;
		node->last = now;
	}
	if (late) {
		node->late++;
		self->view->counters.late++;
	}
	uptake_take (self->uptake, taken, resent, descriptor, now);
}

static void refused (arrivals_t *self, refusal_t reason, span_t topic)
{
	char *to = self->refused_topic[reason];
	size_t size = topic.size < TOPIC_SIZE_MAX ? topic.size : TOPIC_SIZE_MAX;
	self->view->refused[reason]++;
	memcpy (to, topic.data, size);
	to[size] = '\0';
	for (; *to; to++) {
		if (*to < ' ' || *to > '~')
			*to = '?';
	}
}

static refusal_t offer (
        arrivals_t *self, span_t topic, span_t envelope, const char *resent_by, moment_t now, taken_t *ret)
{
	node_t *clone;
	const offer_t offer = { topic, envelope, resent_by,
		committer_room (self->committer, topic.size + envelope.size, false) };
	refusal_t reason = ingest_take (self->ingest, &offer, now, ret, &clone);
	if (reason)
		refused (self, reason, topic);
	if (clone)
		self->hooks.cloned (self->hooks.arg, clone, now);
	return reason;
}

refusal_t arrivals_take (
        arrivals_t *self, span_t topic, span_t envelope, int descriptor, moment_t now, bool *ret_forward)
{
	taken_t taken;
	refusal_t reason = offer (self, topic, envelope, NULL, now, &taken);
	*ret_forward = !reason && !is_durable (&taken);
	if (!reason)
		take (self, &taken, false, descriptor, now);
	return reason;
}

/* What is settled without an account of ours: one word for each incarnation, since they come in order. */
typedef struct {
	uint64_t incarnation, newest; /* incarnation 0: nothing */
	bool foreign;
} settled_t;

static void settled_say (arrivals_t *self, const node_t *node, const settled_t *settled)
{
	if (settled->incarnation)
		self->hooks.acknowledge (
		        self->hooks.arg, node, settled->incarnation, settled->newest, settled->foreign);
}

static void settled_note (arrivals_t *self, const node_t *node, settled_t *settled, const taken_t *taken)
{
	const Belfry__V1__Header *header = taken->event->header;
	bool foreign = taken->fate == FATE_FOREIGN;
	if (settled->incarnation != header->incarnation || settled->foreign != foreign) {
		settled_say (self, node, settled);
		*settled = (settled_t){ header->incarnation, 0, foreign };
	}
	if (!foreign && header->sequence > settled->newest)
		settled->newest = header->sequence;
}

void arrivals_resent (arrivals_t *self, node_t *node, const Belfry__V1__Resend *resend, moment_t now)
{
	settled_t settled = { 0 };
	for (size_t i = 0; i < resend->n_frames; i++) {
		const Belfry__V1__Frame *frame = resend->frames[i];
		taken_t taken;
		if (offer (self, span_str (frame->topic), span_of (frame->envelope.data, frame->envelope.len),
		            node->name, now, &taken))
			continue;
		self->view->counters.resent++;
		switch (taken.fate) {
		case FATE_TAKEN:
		case FATE_AGAIN:
			take (self, &taken, true, -1, now);
			break;
		case FATE_UNDER_WAY:
			break;
		case FATE_JOURNALLED:
			taken.account->touched = true;
			break;
		case FATE_SETTLED:
			self->view->counters.settled++;
			settled_note (self, node, &settled, &taken);
			break;
		case FATE_FOREIGN:
			settled_note (self, node, &settled, &taken);
			break;
		}
	}
	settled_say (self, node, &settled);
	for (uint32_t i = 0; i < node->ledger.n; i++) {
		account_t *account = &node->ledger.accounts[i];
		if (account->touched)
			self->hooks.acknowledge (self->hooks.arg, node, account->incarnation,
			        account_through (account), false);
		account->touched = false;
	}
}

const char *arrivals_refused_topic (const arrivals_t *self, refusal_t reason)
{
	return self->refused_topic[reason];
}
