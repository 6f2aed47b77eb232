#include "model_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#define BIND_NS (200 * NS_PER_MS)
/* The collector lets a beat bind when the next comes, or when it reports; surely after this. */
#define BOUND_SURELY_NS (3 * NS_PER_S)

model_t *model_new (sim_t *sim, ledger_t *ledger)
{
	model_t *self = sim_alloc (sizeof *self);
	self->sim = sim;
	self->ledger = ledger;
	self->table_size = 4096;
	self->table = sim_alloc (self->table_size * sizeof *self->table);
	return self;
}

void model_destroy (model_t **self_p)
{
	model_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < NODES_MAX; i++) {
		free (self->nodes[i].volatiles.bits);
		for (size_t k = 0; k < self->nodes[i].n_accounts; k++) {
			free (self->nodes[i].accounts[k].seen.bits);
			free (self->nodes[i].accounts[k].filled.bits);
		}
		free (self->nodes[i].accounts);
	}
	free (self->newest);
	free (self->table);
	free (self);
	*self_p = NULL;
}

/* Classes. */

bool model_class_has (const model_class_t *self, uint64_t sequence)
{
	return sequence / 64 < self->room && (self->bits[sequence / 64] >> (sequence % 64) & 1);
}

static void class_put (model_class_t *self, uint64_t sequence)
{
	size_t word = (size_t) (sequence / 64);
	if (word >= self->room) {
		size_t room = (word + 1) * 2;
		self->bits = sim_grow (self->bits, room * sizeof *self->bits);
		memset (self->bits + self->room, 0, (room - self->room) * sizeof *self->bits);
		self->room = room;
	}
	bool left = sequence > 1 && model_class_has (self, sequence - 1),
	     right = model_class_has (self, sequence + 1);
	self->pieces += 1 - (uint64_t) left - (uint64_t) right;
	self->bits[word] |= UINT64_C (1) << (sequence % 64);
	if (self->first == 0)
		self->first = sequence;
	if (sequence > self->newest)
		self->newest = sequence;
	self->received++;
}

static void class_clear (model_class_t *self, uint64_t first)
{
	if (self->bits)
		memset (self->bits, 0, self->room * sizeof *self->bits);
	self->first = first;
	self->newest = first ? first - 1 : 0;
	self->received = self->pieces = 0;
}

/* How many of first..bound never came. */
static uint64_t class_lost (const model_class_t *self, uint64_t bound)
{
	if (self->first == 0)
		return 0;
	if (bound < self->newest)
		bound = self->newest;
	return bound - self->first + 1 - self->received;
}

/* Nodes. */

static void beats_bind (model_node_state_t *node, mono_t now)
{
	for (size_t i = 0; i < node->n_beats && i < BEATS_MAX; i++) {
		const model_beat_t *beat = &node->beats[i];
		if (mono_since (now, beat->at) >= BOUND_SURELY_NS &&
		        beat->newest_volatile > node->bound_volatile)
			node->bound_volatile = beat->newest_volatile;
	}
}

/* What every beat says, those that may bind by now. */
static uint64_t beats_most (const model_node_state_t *node, mono_t now)
{
	uint64_t most = node->bound_volatile;
	for (size_t i = 0; i < node->n_beats && i < BEATS_MAX; i++) {
		const model_beat_t *beat = &node->beats[i];
		if (mono_since (now, beat->at) >= BIND_NS && beat->newest_volatile > most)
			most = beat->newest_volatile;
	}
	return most;
}

model_account_t *model_account (model_node_state_t *node, uint64_t incarnation, uint64_t nonce)
{
	for (size_t i = 0; i < node->n_accounts; i++) {
		if (node->accounts[i].incarnation == incarnation)
			return &node->accounts[i];
	}
	node->accounts = sim_grow (node->accounts, (node->n_accounts + 1) * sizeof *node->accounts);
	model_account_t *account = &node->accounts[node->n_accounts++];
	*account = (model_account_t){ .incarnation = incarnation, .nonce = nonce };
	return account;
}

static void node_begin (
        model_node_state_t *node, uint64_t incarnation, uint64_t nonce, bool from_first, mono_t now)
{
	/* Of an incarnation that is over, what its last beats said may have bound or not. */
	node->before_volatile_low += class_lost (&node->volatiles, 0);
	node->before_volatile_high += class_lost (&node->volatiles, beats_most (node, now));
	node->known = true;
	node->incarnation = incarnation;
	node->nonce = nonce;
	model_account (node, incarnation, nonce);
	class_clear (&node->volatiles, from_first);
	node->n_beats = 0;
	node->bound_volatile = 0;
	node->volatile_mark = 0;
	node->welcomed = false;
}

/* Topics. */

static model_newest_t *newest_of (model_t *self, uint64_t topic)
{
	for (size_t i = topic & (self->table_size - 1);; i = (i + 1) & (self->table_size - 1)) {
		uint32_t *place = &self->table[i];
		if (*place && self->newest[*place - 1].topic == topic)
			return &self->newest[*place - 1];
		if (*place)
			continue;
		if (self->n_newest == self->room_newest) {
			self->room_newest = self->room_newest ? self->room_newest * 2 : 256;
			self->newest = sim_grow (self->newest, self->room_newest * sizeof *self->newest);
		}
		if (self->n_newest * 2 > self->table_size)
			abort ();
		model_newest_t *newest = &self->newest[self->n_newest];
		*newest = (model_newest_t){ .topic = topic };
		*place = (uint32_t) ++self->n_newest;
		return newest;
	}
}

/* Offers. */

/* The places that a gap fills: none where it does not stand at them. */
static bool gap_fills (const sealed_t *sealed)
{
	return sealed->payload_case == BELFRY__V1__EVENT__PAYLOAD_GAP && sealed->first > 0 &&
	       sealed->first <= sealed->last && sealed->first <= sealed->sequence &&
	       sealed->sequence <= sealed->last + 1;
}

/* One piece too many: nothing of what is here touches what comes. */
static bool class_full (const model_class_t *class, const sealed_t *sealed)
{
	uint64_t first = sealed->sequence, last = first;
	if (gap_fills (sealed)) {
		first = sealed->first < first ? sealed->first : first;
		last = sealed->last > last ? sealed->last : last;
	}
	if (class->pieces < RANGES_MAX)
		return false;
	for (uint64_t s = first > 1 ? first - 1 : 1; s <= last + 1; s++) {
		if (model_class_has (class, s))
			return false;
	}
	return true;
}

refusal_t model_expect_durable (model_node_state_t *node, const sealed_t *sealed)
{
	const model_account_t *account = model_account (node, sealed->incarnation, sealed->nonce);
	if (model_class_has (&account->seen, sealed->sequence))
		return REFUSAL_REPLAYED;
	return class_full (&account->seen, sealed) ? REFUSAL_BUSY : REFUSAL_NONE;
}

static refusal_t expect (model_t *self, model_node_state_t *node, const sealed_t *sealed)
{
	if (node->known && sealed->incarnation < node->incarnation)
		return REFUSAL_INCARNATION;
	if (node->known && sealed->incarnation == node->incarnation && sealed->nonce != node->nonce)
		return REFUSAL_NONCE;
	if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND) {
		const model_newest_t *newest = newest_of (self, sealed->topic);
		bool newer = !newest->on_demand_known ||
		             sealed->incarnation > newest->on_demand_incarnation ||
		             (sealed->incarnation == newest->on_demand_incarnation &&
		                     sealed->monotonic_ns > newest->on_demand_ns);
		return newer ? REFUSAL_NONE : REFUSAL_REPLAYED;
	}
	if (!node->known || sealed->incarnation > node->incarnation)
		return REFUSAL_NONE;
	if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE)
		return model_expect_durable (node, sealed);
	const model_class_t *class = &node->volatiles;
	if (sealed->sequence <= node->volatile_mark)
		return REFUSAL_REPLAYED;
	return class->first == 0 || sealed->sequence > class->newest ? REFUSAL_NONE : REFUSAL_REPLAYED;
}

void model_durable_put (model_node_state_t *node, const sealed_t *sealed)
{
	model_account_t *account = model_account (node, sealed->incarnation, sealed->nonce);
	model_class_t *seen = &account->seen;
	uint64_t missing = 0;
	account->events++;
	if (gap_fills (sealed)) {
		for (uint64_t s = sealed->first; s <= sealed->last; s++) {
			if (model_class_has (seen, s))
				continue;
			missing++;
			class_put (seen, s);
			class_put (&account->filled, s);
		}
		node->lost_durable += missing < sealed->count ? missing : sealed->count;
	}
	if (!model_class_has (seen, sealed->sequence))
		class_put (seen, sealed->sequence);
}

void model_accept (model_t *self, model_node_state_t *node, const sealed_t *sealed, mono_t now)
{
	if (!node->known || sealed->incarnation > node->incarnation)
		node_begin (node, sealed->incarnation, sealed->nonce, false, now);
	node->received++;
	model_newest_t *newest = newest_of (self, sealed->topic);
	if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE) {
		class_put (&node->volatiles, sealed->sequence);
	} else if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE) {
		model_durable_put (node, sealed);
	} else {
		newest->on_demand_known = true;
		newest->on_demand_incarnation = sealed->incarnation;
		newest->on_demand_ns = sealed->monotonic_ns;
	}
	if (sealed->payload_case == BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT) {
		beats_bind (node, now);
		node->beats[node->n_beats++ % BEATS_MAX] = (model_beat_t){ sealed->newest_volatile, now };
	}
	if (newest->hash == 0 || sealed->incarnation > newest->incarnation ||
	        (sealed->incarnation == newest->incarnation &&
	                sealed->monotonic_ns >= newest->monotonic_ns)) {
		newest->hash = sealed->hash;
		newest->incarnation = sealed->incarnation;
		newest->monotonic_ns = sealed->monotonic_ns;
	}
}

void model_offered (model_t *self, const sealed_t *sealed, refusal_t reason, mono_t now)
{
	self->offers++;
	if (reason)
		self->refusals[reason]++;
	else
		self->accepted++;
	if (!sealed) {
		if (!reason)
			sim_fail (self->sim, "only what was sealed passes",
			        "the collector forwarded bytes that no agent sealed");
		return;
	}
	model_node_state_t *node = &self->nodes[sealed->node];
	refusal_t expected = expect (self, node, sealed);
	if (expected != reason) {
		sim_fail (self->sim, "admission",
		        "%s, incarnation %" PRIu64 " (%" PRIu64 "), class %d, sequence %" PRIu64
		        " (newest volatile %" PRIu64 "): %s was due, the collector said %s",
		        ledger_node_name (self->ledger, sealed->node), sealed->incarnation, node->incarnation,
		        (int) sealed->class, sealed->sequence, node->volatiles.newest, refusal_key (expected),
		        refusal_key (reason));
		return;
	}
	if (reason == REFUSAL_REPLAYED)
		node->replayed++;
	if (!reason)
		model_accept (self, node, sealed, now);
}

void model_refused (model_t *self, refusal_t reason)
{
	self->offers++;
	self->refusals[reason]++;
}

bool model_welcomed (const model_t *self, uint32_t index)
{
	return self->nodes[index].welcomed;
}

void model_hello (model_t *self, uint32_t index, const Belfry__V1__Hello *hello, bool accepted, uint64_t next)
{
	uint64_t incarnation = hello->incarnation, nonce = hello->boot_nonce;
	model_node_state_t *node = &self->nodes[index];
	bool newer = !node->known || incarnation > node->incarnation;
	bool same = node->known && incarnation == node->incarnation && nonce == node->nonce;
	if (accepted != (newer || same)) {
		sim_fail (self->sim, "welcome", "%s, incarnation %" PRIu64 " (%" PRIu64 "): %s",
		        ledger_node_name (self->ledger, index), incarnation, node->incarnation,
		        accepted ? "welcomed, and may not be" : "not welcomed, and should be");
		return;
	}
	if (!accepted && next <= node->incarnation)
		sim_fail (self->sim, "the next incarnation is named",
		        "%s came with %" PRIu64 ", %" PRIu64 " is in use, the Welcome names %" PRIu64,
		        ledger_node_name (self->ledger, index), incarnation, node->incarnation, next);
	if (accepted && newer)
		node_begin (node, incarnation, nonce, node->known, (mono_t){ INT64_MAX / 2 });
	if (accepted) {
		node->welcomed = true;
		model_settle (node, hello->oldest_incarnation);
	}
}

void model_published (model_t *self, span_t topic, span_t envelope, bool marked)
{
	/* One that the disk did not take went out before, without its mark. */
	if (marked && ledger_find (self->ledger, topic, envelope))
		return;
	const sealed_t *sealed = ledger_note (self->ledger, topic, envelope);
	uint64_t *newest = sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE
	                           ? &self->own_volatile
	                           : &self->own_durable;
	if (sealed->sequence != *newest + 1)
		sim_fail (self->sim, "the collector's own sequences are dense",
		        "class %d goes from %" PRIu64 " to %" PRIu64, (int) sealed->class, *newest,
		        sealed->sequence);
	*newest = sealed->sequence;
	if (self->own_incarnation && self->own_incarnation != sealed->incarnation)
		sim_fail (self->sim, "the collector's own incarnation stays", "it is another");
	self->own_incarnation = sealed->incarnation;
	/* The collector keeps one envelope of each of its own topics; a durable one comes out after volatile ones
	 * that were sealed later. */
	model_newest_t *of_topic = newest_of (self, sim_hash (1, topic));
	of_topic->own = true;
	if (of_topic->hash && sealed->monotonic_ns < of_topic->monotonic_ns)
		return;
	of_topic->hash = sealed->hash;
	of_topic->monotonic_ns = sealed->monotonic_ns;
}

bool model_node (const model_t *self, uint32_t index, mono_t now, model_node_t *ret)
{
	const model_node_state_t *node = &self->nodes[index];
	if (!node->known)
		return false;
	model_node_state_t bound = *node;
	const model_account_t *account = NULL;
	for (size_t i = 0; i < node->n_accounts; i++) {
		if (node->accounts[i].incarnation == node->incarnation)
			account = &node->accounts[i];
	}
	beats_bind (&bound, now);
	*ret = (model_node_t){
		.incarnation = node->incarnation,
		.nonce = node->nonce,
		.received = node->received,
		.replayed = node->replayed,
		.newest_durable = account ? account->seen.newest : 0,
		.lost_volatile_low =
		        node->before_volatile_low + class_lost (&node->volatiles, bound.bound_volatile),
		.lost_volatile_high =
		        node->before_volatile_high + class_lost (&node->volatiles, beats_most (node, now)),
		.lost_durable = node->lost_durable,
	};
	return true;
}

uint64_t model_accepted (const model_t *self)
{
	return self->accepted;
}
uint64_t model_offers (const model_t *self)
{
	return self->offers;
}
uint64_t model_refusals (const model_t *self, refusal_t reason)
{
	return self->refusals[reason];
}

void model_snapshot_begin (model_t *self)
{
	for (size_t i = 0; i < self->n_newest; i++)
		self->newest[i].seen = false;
}

void model_snapshot_frame (model_t *self, span_t topic, span_t envelope)
{
	const sealed_t *sealed = ledger_find (self->ledger, topic, envelope);
	if (!sealed) {
		sim_fail (self->sim, "the snapshot holds envelopes as they came", "%.*s: nobody sealed that",
		        (int) topic.size, (const char *) topic.data);
		return;
	}
	model_newest_t *newest = newest_of (self, sealed->topic);
	if (!newest->hash)
		newest = newest_of (self, sim_hash (1, topic));
	if (newest->hash != sealed->hash || newest->seen)
		sim_fail (self->sim, "the snapshot holds the newest of each topic", "%.*s: %s",
		        (int) topic.size, (const char *) topic.data,
		        newest->seen ? "there twice" : "another one is newer");
	newest->seen = true;
}

void model_snapshot_end (model_t *self)
{
	for (size_t i = 0; i < self->n_newest; i++) {
		if (self->newest[i].hash && !self->newest[i].seen)
			sim_fail (self->sim, "the snapshot holds every topic", "one of %zu is missing",
			        self->n_newest);
	}
}
