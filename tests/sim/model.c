#include "model.h"

#include <inttypes.h>
#include <stdlib.h>

#include "wire/sequence.h"

#define BIND_NS (200 * NS_PER_MS)
/* The collector lets a beat bind when the next comes, or when it reports; surely after this. */
#define BOUND_SURELY_NS (3 * NS_PER_S)

enum { NODES_MAX = 256, BEATS_MAX = 32 };

/* One class of one incarnation. */
typedef struct {
	uint64_t first, newest, received;
	uint64_t *bits; /* which came; by sequence */
	size_t room;    /* in words */
} class_t;

typedef struct {
	uint64_t newest_volatile, newest_durable;
	mono_t at;
} beat_t;

typedef struct {
	bool known;
	uint64_t incarnation, nonce, received, replayed;
	bool from_first;
	class_t volatiles, durables;
	mono_t durables_since;   /* when counting of them began; beats before bind nothing */
	beat_t beats[BEATS_MAX]; /* accepted, of this incarnation, a ring */
	size_t n_beats;
	uint64_t bound_volatile, bound_durable; /* by beats that bind surely */
	uint64_t before_volatile_low, before_volatile_high, before_durable_low, before_durable_high;
	uint64_t gapped, gapped_before_first; /* of this incarnation */
} model_node_state_t;

/* The newest of one topic. */
typedef struct {
	uint64_t topic, hash, incarnation, monotonic_ns;
	bool on_demand_known, seen, own;
	uint64_t on_demand_incarnation, on_demand_ns;
} newest_t;

struct model {
	sim_t *sim;
	ledger_t *ledger;
	model_node_state_t nodes[NODES_MAX];
	uint64_t offers, accepted, refusals[REFUSAL_COUNT];
	newest_t *newest;
	size_t n_newest, room_newest;
	uint32_t *table; /* index + 1 */
	size_t table_size;
	uint64_t own_volatile, own_durable, own_incarnation;
};

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
		free (self->nodes[i].durables.bits);
	}
	free (self->newest);
	free (self->table);
	free (self);
	*self_p = NULL;
}

/* Classes. */

static bool class_has (const class_t *self, uint64_t sequence)
{
	return sequence / 64 < self->room && (self->bits[sequence / 64] >> (sequence % 64) & 1);
}

static void class_put (class_t *self, uint64_t sequence)
{
	size_t word = (size_t) (sequence / 64);
	if (word >= self->room) {
		size_t room = (word + 1) * 2;
		self->bits = sim_grow (self->bits, room * sizeof *self->bits);
		memset (self->bits + self->room, 0, (room - self->room) * sizeof *self->bits);
		self->room = room;
	}
	self->bits[word] |= UINT64_C (1) << (sequence % 64);
	if (self->first == 0)
		self->first = sequence;
	if (sequence > self->newest)
		self->newest = sequence;
	self->received++;
}

static void class_clear (class_t *self, uint64_t first)
{
	if (self->bits)
		memset (self->bits, 0, self->room * sizeof *self->bits);
	self->first = first;
	self->newest = first ? first - 1 : 0;
	self->received = 0;
}

/* How many of first..bound never came. */
static uint64_t class_lost (const class_t *self, uint64_t bound)
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
		const beat_t *beat = &node->beats[i];
		if (mono_since (now, beat->at) < BOUND_SURELY_NS)
			continue;
		if (beat->newest_volatile > node->bound_volatile)
			node->bound_volatile = beat->newest_volatile;
		if (beat->newest_durable > node->bound_durable &&
		        mono_since (beat->at, node->durables_since) >= 0)
			node->bound_durable = beat->newest_durable;
	}
}

/* What every beat says, those that may bind by now. */
static void beats_most (const model_node_state_t *node, mono_t now, uint64_t *v, uint64_t *d)
{
	*v = node->bound_volatile;
	*d = node->bound_durable;
	for (size_t i = 0; i < node->n_beats && i < BEATS_MAX; i++) {
		const beat_t *beat = &node->beats[i];
		if (mono_since (now, beat->at) < BIND_NS)
			continue;
		if (beat->newest_volatile > *v)
			*v = beat->newest_volatile;
		if (beat->newest_durable > *d)
			*d = beat->newest_durable;
	}
}

static void node_begin (
        model_node_state_t *node, uint64_t incarnation, uint64_t nonce, bool from_first, mono_t now)
{
	uint64_t v, d;
	beats_most (node, now, &v, &d);
	/* Of an incarnation that is over, what its last beats said may have bound or not. */
	node->before_volatile_low += class_lost (&node->volatiles, 0);
	node->before_volatile_high += class_lost (&node->volatiles, v);
	node->before_durable_low += class_lost (&node->durables, 0) + node->gapped_before_first;
	node->before_durable_high += class_lost (&node->durables, d) + node->gapped_before_first;
	node->known = true;
	node->from_first = from_first;
	node->incarnation = incarnation;
	node->nonce = nonce;
	class_clear (&node->volatiles, from_first);
	class_clear (&node->durables, from_first);
	node->n_beats = 0;
	node->bound_volatile = node->bound_durable = 0;
	node->gapped = node->gapped_before_first = 0;
	node->durables_since = (mono_t){ 0 };
}

/* Topics. */

static newest_t *newest_of (model_t *self, uint64_t topic)
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
		newest_t *newest = &self->newest[self->n_newest];
		*newest = (newest_t){ .topic = topic };
		*place = (uint32_t) ++self->n_newest;
		return newest;
	}
}

/* Offers. */

static refusal_t sequence_expect (const class_t *class, const sealed_t *sealed)
{
	if (class->first == 0 || sealed->sequence > class->newest)
		return REFUSAL_NONE;
	if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE)
		return REFUSAL_REPLAYED;
	if (sealed->sequence < class->first || class->newest - sealed->sequence >= SEQUENCE_WINDOW)
		return REFUSAL_REPLAYED;
	return class_has (class, sealed->sequence) ? REFUSAL_REPLAYED : REFUSAL_NONE;
}

static refusal_t expect (model_t *self, const model_node_state_t *node, const sealed_t *sealed)
{
	if (node->known && sealed->incarnation < node->incarnation)
		return REFUSAL_INCARNATION;
	if (node->known && sealed->incarnation == node->incarnation && sealed->nonce != node->nonce)
		return REFUSAL_NONCE;
	if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND) {
		const newest_t *newest = newest_of (self, sealed->topic);
		bool newer = !newest->on_demand_known ||
		             sealed->incarnation > newest->on_demand_incarnation ||
		             (sealed->incarnation == newest->on_demand_incarnation &&
		                     sealed->monotonic_ns > newest->on_demand_ns);
		return newer ? REFUSAL_NONE : REFUSAL_REPLAYED;
	}
	if (!node->known || sealed->incarnation > node->incarnation)
		return REFUSAL_NONE;
	return sequence_expect (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE
	                                ? &node->volatiles
	                                : &node->durables,
	        sealed);
}

static void gap_take (model_node_state_t *node, const sealed_t *sealed)
{
	/* What it names is among what is missing, unless counting began behind it. */
	if (sealed->last < node->durables.first)
		node->gapped_before_first += sealed->count;
	else
		node->gapped += sealed->count;
}

static void accept (model_t *self, model_node_state_t *node, const sealed_t *sealed, mono_t now)
{
	if (!node->known || sealed->incarnation > node->incarnation)
		node_begin (node, sealed->incarnation, sealed->nonce, false, now);
	node->received++;
	newest_t *newest = newest_of (self, sealed->topic);
	if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE) {
		class_put (&node->volatiles, sealed->sequence);
	} else if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE) {
		if (node->durables.first == 0)
			node->durables_since = now;
		class_put (&node->durables, sealed->sequence);
	} else {
		newest->on_demand_known = true;
		newest->on_demand_incarnation = sealed->incarnation;
		newest->on_demand_ns = sealed->monotonic_ns;
	}
	if (sealed->payload_case == BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT) {
		beats_bind (node, now);
		node->beats[node->n_beats++ % BEATS_MAX] =
		        (beat_t){ sealed->newest_volatile, sealed->newest_durable, now };
	} else if (sealed->payload_case == BELFRY__V1__EVENT__PAYLOAD_GAP) {
		gap_take (node, sealed);
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
		        " (newest %" PRIu64 ", %" PRIu64 "): %s was due, the collector said %s",
		        ledger_node_name (self->ledger, sealed->node), sealed->incarnation, node->incarnation,
		        (int) sealed->class, sealed->sequence, node->volatiles.newest, node->durables.newest,
		        refusal_key (expected), refusal_key (reason));
		return;
	}
	if (reason == REFUSAL_REPLAYED)
		node->replayed++;
	if (!reason)
		accept (self, node, sealed, now);
}

void model_refused (model_t *self, refusal_t reason)
{
	self->offers++;
	self->refusals[reason]++;
}

void model_hello (
        model_t *self, uint32_t index, uint64_t incarnation, uint64_t nonce, bool accepted, uint64_t next)
{
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
}

void model_published (model_t *self, span_t topic, span_t envelope)
{
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
	/* The collector keeps one envelope of each of its own topics. */
	newest_t *of_topic = newest_of (self, sim_hash (1, topic));
	of_topic->hash = sealed->hash;
	of_topic->own = true;
}

bool model_node (const model_t *self, uint32_t index, mono_t now, model_node_t *ret)
{
	const model_node_state_t *node = &self->nodes[index];
	if (!node->known)
		return false;
	model_node_state_t bound = *node;
	uint64_t v, d;
	beats_bind (&bound, now);
	beats_most (node, now, &v, &d);
	*ret = (model_node_t){
		.incarnation = node->incarnation,
		.nonce = node->nonce,
		.received = node->received,
		.replayed = node->replayed,
		.from_first = node->from_first,
		.newest_volatile = node->volatiles.newest,
		.newest_durable = node->durables.newest,
		.distinct_volatile = node->volatiles.received,
		.distinct_durable = node->durables.received,
		.gapped = node->gapped,
		.lost_volatile_low =
		        node->before_volatile_low + class_lost (&node->volatiles, bound.bound_volatile),
		.lost_volatile_high = node->before_volatile_high + class_lost (&node->volatiles, v),
		.lost_durable_low = node->before_durable_low + node->gapped_before_first +
		                    class_lost (&node->durables, bound.bound_durable),
		.lost_durable_high = node->before_durable_high + node->gapped_before_first +
		                     class_lost (&node->durables, d),
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
	newest_t *newest = newest_of (self, sealed->topic);
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
