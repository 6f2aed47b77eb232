/* What comes again, what is acknowledged, and what the next run of the collector begins with. */

#include <inttypes.h>
#include <stdlib.h>

#include "belfry/v1/memory.pb-c.h"
#include "model_internal.h"

/* Sent again. */

void model_settle (model_node_state_t *node, uint64_t oldest)
{
	if (oldest > node->floor && oldest <= node->incarnation)
		node->floor = oldest;
}

static void resent_one (model_t *self, model_node_state_t *node, const sealed_t *sealed, mono_t now)
{
	refusal_t reason = REFUSAL_NONE;
	if (sealed->class != BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE) {
		reason = REFUSAL_CONTROL;
	} else if (sealed->incarnation <= node->incarnation) {
		if (sealed->incarnation < node->floor ||
		        model_account (node, sealed->incarnation, sealed->nonce)->nonce != sealed->nonce)
			return;
		reason = model_expect_durable (node, sealed);
		if (reason == REFUSAL_REPLAYED)
			return;
	}
	self->offers++;
	if (reason) {
		self->refusals[reason]++;
		return;
	}
	self->accepted++;
	model_accept (self, node, sealed, now);
}

void model_resent (model_t *self, uint32_t index, const Belfry__V1__Resend *resend, mono_t now)
{
	model_node_state_t *node = &self->nodes[index];
	model_settle (node, resend->oldest_incarnation);
	for (size_t i = 0; i < resend->n_frames; i++) {
		const Belfry__V1__Frame *frame = resend->frames[i];
		const sealed_t *sealed = ledger_find (self->ledger, span_str (frame->topic),
		        span_of (frame->envelope.data, frame->envelope.len));
		if (!sealed || sealed->node != index)
			sim_fail (self->sim, "a node sends again what it sealed", "%s sends another's",
			        ledger_node_name (self->ledger, index));
		else
			resent_one (self, node, sealed, now);
	}
}

void model_acknowledged (model_t *self, const archive_t *archive, uint32_t index, const Belfry__V1__Ack *ack)
{
	model_node_state_t *node = &self->nodes[index];
	const char *name = ledger_node_name (self->ledger, index);
	if (ack->foreign || ack->incarnation < node->floor)
		return;
	model_account_t *account = model_account (node, ack->incarnation, 0);
	for (uint64_t s = account->answered + 1; s <= ack->newest_durable; s++) {
		if (archive_find (archive, name, ack->incarnation, s) ||
		        model_class_has (&account->filled, s))
			continue;
		sim_fail (self->sim, "nothing is acknowledged before its commit",
		        "%s, incarnation %" PRIu64 ", sequence %" PRIu64, name, ack->incarnation, s);
		return;
	}
	if (account->answered < ack->newest_durable)
		account->answered = ack->newest_durable;
}

void model_journalled (model_t *self, const archive_t *archive)
{
	uint64_t accepted = 0, kept = 0;
	for (size_t i = 0; i < NODES_MAX; i++) {
		for (size_t k = 0; k < self->nodes[i].n_accounts; k++)
			accepted += self->nodes[i].accounts[k].events;
	}
	for (uint64_t offset = 1; offset <= archive_count (archive); offset++) {
		archive_record_t record;
		archive_at (archive, offset, &record);
		if (strncmp (record.node, "collector.", 10) == 0)
			continue;
		kept++;
		if (archive_find (archive, record.node, record.incarnation, record.sequence) != offset)
			sim_fail (self->sim, "the journal holds each event once",
			        "offset %" PRIu64 " is there twice", offset);
	}
	if (accepted != kept)
		sim_fail (self->sim, "everything durable that was accepted is in the journal",
		        "%" PRIu64 " accepted, %" PRIu64 " in the journal", accepted, kept);
}

/* The next run. */

static void account_check (
        model_t *self, const char *name, const model_account_t *account, const Belfry__V1__NodeMemory *memory)
{
	ranges_t ranges = { 0 };
	for (size_t i = 0; i < memory->n_accounts; i++) {
		const Belfry__V1__AccountMemory *from = memory->accounts[i];
		if (from->incarnation == account->incarnation)
			ranges_parse (span_of (from->seen.data, from->seen.len), &ranges);
	}
	for (uint64_t s = 1; s <= account->seen.newest || s <= ranges_newest (&ranges); s++) {
		if (ranges_has (&ranges, s) == model_class_has (&account->seen, s))
			continue;
		sim_fail (self->sim, "memory and journal are of one moment",
		        "%s, incarnation %" PRIu64 ", sequence %" PRIu64 " is in one of them only", name,
		        account->incarnation, s);
		return;
	}
}

static void on_piece (void *arg, const char *key, span_t value)
{
	model_t *self = arg;
	static const char prefix[] = "node/";
	if (strncmp (key, prefix, sizeof prefix - 1) != 0)
		return;
	Belfry__V1__NodeMemory *memory = belfry__v1__node_memory__unpack (NULL, value.size, value.data);
	if (!memory)
		abort ();
	const char *name = key + sizeof prefix - 1;
	model_node_state_t *node = &self->nodes[ledger_node (self->ledger, name)];
	node->known = memory->incarnation != 0;
	node->incarnation = memory->incarnation;
	node->nonce = memory->boot_nonce;
	node->floor = memory->floor;
	node->volatile_mark = memory->newest_volatile;
	node->before_volatile_low = node->before_volatile_high = memory->lost_volatile;
	node->lost_durable = memory->lost_durable;
	for (size_t i = 0; i < node->n_accounts; i++)
		account_check (self, name, &node->accounts[i], memory);
	belfry__v1__node_memory__free_unpacked (memory, NULL);
}

void model_restore (model_t *self, const archive_t *archive)
{
	for (uint64_t offset = 1; offset <= archive_count (archive); offset++) {
		archive_record_t record;
		archive_at (archive, offset, &record);
		const sealed_t *sealed = ledger_find (self->ledger, record.topic, record.envelope);
		if (!sealed)
			sim_fail (self->sim, "the journal holds what was sealed",
			        "offset %" PRIu64 " was not", offset);
		else if (strncmp (record.node, "collector.", 10) != 0)
			model_durable_put (&self->nodes[sealed->node], sealed);
	}
	archive_restore (archive, on_piece, self);
}
