/* The order of the checks is the contract: grammar, envelope, MAC, and only then anything inside. What
 * is learned of a topic is put into the table at the very end, so that no refused message leaves a
 * trace beside its counter. In the steady state a message costs one lookup, its MAC, its decoding
 * into the arena, and no allocation. */

#include "collector/ingest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/arena.h"
#include "wire/decode.h"
#include "wire/envelope.h"
#include "wire/topic.h"
#include "wire/validate.h"

enum { CATALOGUES_MAX = 16 };

/* A catalogue's topic has as many newest envelopes as its source has catalogues. */
typedef struct {
	uint64_t hash;
	kept_t kept;
} kept_catalogue_t;

typedef struct entry {
	uint64_t hash;
	node_t *node; /* NULL: the collector's own */
	source_t *source;
	const mac_key_t *key; /* of node under epoch; NULL: look it up */
	uint32_t epoch;
	uint8_t size;
	channel_t channel;
	const event_type_t *type;      /* by the token; NULL where the class is a severity */
	Belfry__V1__Severity severity; /* then this one */
	uint64_t on_demand_ns;         /* the newest without a sequence: incarnation's monotonic_ns */
	uint64_t on_demand_incarnation;
	kept_t kept;
	kept_catalogue_t *catalogues; /* CATALOGUES_MAX of them, or NULL */
	topic_t parts;                /* into topic */
	char topic[TOPIC_SIZE_MAX];
} entry_t;

struct ingest {
	char cluster[TOPIC_CLUSTER_MAX + 1];
	keyring_t *keyring;
	nodes_t *nodes;
	snapshot_t *snapshot;
	arena_t *arena;
	uint64_t seed;
	entry_t **table; /* open addressing, a power of two */
	size_t table_size, n;
};

enum { TABLE_FIRST = 1024 };

int ingest_new (const ingest_options_t *options, ingest_t **ret, err_t *err)
{
	span_t cluster = span_str (options->cluster);
	if (!topic_name_valid (cluster, TOPIC_CLUSTER_MAX))
		return error_set (err, -EINVAL,
		        "cluster '%s' is no name: at most %d of [A-Za-z0-9._-], a letter or digit first",
		        options->cluster, TOPIC_CLUSTER_MAX);
	ingest_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	memcpy (self->cluster, cluster.data, cluster.size);
	self->keyring = options->keyring;
	self->nodes = options->nodes;
	self->snapshot = options->snapshot;
	self->seed = options->seed;
	self->table_size = TABLE_FIRST;
	self->table = calloc (self->table_size, sizeof (entry_t *));
	if (!self->table || arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &self->arena)) {
		ingest_destroy (&self);
		return error_set (err, -ENOMEM, "out of memory");
	}
	*ret = self;
	return 0;
}

void ingest_destroy (ingest_t **self_p)
{
	ingest_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; self->table && i < self->table_size; i++) {
		entry_t *entry = self->table[i];
		if (!entry)
			continue;
		if (self->snapshot)
			snapshot_forget (self->snapshot, &entry->kept);
		for (size_t c = 0; entry->catalogues && c < CATALOGUES_MAX; c++)
			snapshot_forget (self->snapshot, &entry->catalogues[c].kept);
		free (entry->catalogues);
		free (entry);
	}
	free (self->table);
	arena_destroy (&self->arena);
	free (self);
	*self_p = NULL;
}

/* Eight bytes a step; topics are bounded, and only proven ones are ever in the table. */
static uint64_t hash_of (uint64_t seed, span_t topic)
{
	const uint64_t multiplier = UINT64_C (0x9e3779b97f4a7c15);
	const uint8_t *at = topic.data;
	size_t left = topic.size;
	uint64_t h = seed ^ left * multiplier, word;
	for (; left >= 8; at += 8, left -= 8) {
		memcpy (&word, at, 8);
		h = (h ^ word) * multiplier;
		h ^= h >> 29;
	}
	word = 0;
	memcpy (&word, at, left);
	h = (h ^ word) * multiplier;
	return h ^ h >> 32;
}

static entry_t *entry_find (const ingest_t *self, uint64_t hash, span_t topic)
{
	for (size_t i = hash & (self->table_size - 1);; i = (i + 1) & (self->table_size - 1)) {
		entry_t *entry = self->table[i];
		if (!entry || (entry->hash == hash && entry->size == topic.size &&
		                      memcmp (entry->topic, topic.data, topic.size) == 0))
			return entry;
	}
}

static void table_put (entry_t **table, size_t size, entry_t *entry)
{
	size_t i = entry->hash & (size - 1);
	while (table[i])
		i = (i + 1) & (size - 1);
	table[i] = entry;
}

static int table_grow (ingest_t *self)
{
	entry_t **table = calloc (self->table_size * 2, sizeof (entry_t *));
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < self->table_size; i++) {
		if (self->table[i])
			table_put (table, self->table_size * 2, self->table[i]);
	}
	free (self->table);
	self->table = table;
	self->table_size *= 2;
	return 0;
}

/* Fills entry from a topic that is not in the table; its spans point into entry itself. The channel
 * and class must exist. 0, or REFUSAL_TOPIC. */
static refusal_t entry_parse (entry_t *entry, span_t topic, uint64_t hash)
{
	memset (entry, 0, sizeof *entry);
	if (topic.size == 0 || topic.size > TOPIC_SIZE_MAX)
		return REFUSAL_TOPIC;
	memcpy (entry->topic, topic.data, topic.size);
	entry->hash = hash;
	entry->size = (uint8_t) topic.size;
	if (topic_parse (entry->topic, entry->size, &entry->parts) ||
	        channel_parse (entry->parts.channel, &entry->channel))
		return REFUSAL_TOPIC;
	if (channel_has_severity (entry->channel)) {
		if (severity_parse (entry->parts.class, &entry->severity))
			return REFUSAL_TOPIC;
	} else if (!(entry->type = event_type_by_token (entry->channel, entry->parts.class))) {
		return REFUSAL_TOPIC;
	}
	return REFUSAL_NONE;
}

static void span_move (span_t *span, const char *from, const char *to)
{
	span->data = to + ((const char *) span->data - from);
}

/* Puts a copy of what entry_parse made into the table. 0 or -ENOMEM. */
static int entry_put (ingest_t *self, const entry_t *parsed, entry_t **ret)
{
	if (self->n * 2 >= self->table_size && table_grow (self))
		return -ENOMEM;
	entry_t *entry = malloc (sizeof *entry);
	if (!entry)
		return -ENOMEM;
	*entry = *parsed;
	span_t *parts[] = { &entry->parts.channel, &entry->parts.class, &entry->parts.cluster,
		&entry->parts.node, &entry->parts.source };
	for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
		span_move (parts[i], parsed->topic, entry->topic);
	table_put (self->table, self->table_size, entry);
	self->n++;
	*ret = entry;
	return 0;
}

/* The MAC on the bytes received. A name that is not proven yet leaves no key behind. */
static refusal_t verify (ingest_t *self, entry_t *entry, bool known, span_t topic, const envelope_t *envelope)
{
	if (!self->keyring)
		return envelope->mac ? REFUSAL_UNVERIFIABLE : REFUSAL_NONE;
	if (!envelope->mac)
		return REFUSAL_UNSIGNED;
	const mac_key_t *key = entry->key;
	if (!key || entry->epoch != envelope->key_epoch) {
		key = known ? keyring_node_key (self->keyring, envelope->key_epoch, entry->parts.node)
		            : keyring_peek_key (self->keyring, envelope->key_epoch, entry->parts.node);
		if (!key)
			return REFUSAL_KEY_UNKNOWN;
		if (known) {
			entry->key = key;
			entry->epoch = envelope->key_epoch;
		}
	}
	uint8_t wanted[MAC_SIZE];
	mac_event (key, topic, envelope->event, wanted);
	return mac_equal (wanted, envelope->mac) ? REFUSAL_NONE : REFUSAL_MAC;
}

/* The journal counts to 2^63. */
static bool countable (const Belfry__V1__Header *header)
{
	return header->incarnation <= INT64_MAX && header->sequence <= INT64_MAX;
}

/* What the topic says must be what the header says, and the type and class what the topic says. */
static refusal_t match (const entry_t *entry, const Belfry__V1__Event *event, const event_type_t *type)
{
	const Belfry__V1__Header *header = event->header;
	if (type->channel != entry->channel || (entry->type && entry->type != type))
		return REFUSAL_MISMATCH;
	if (!entry->type && header->severity != entry->severity)
		return REFUSAL_MISMATCH;
	if (!span_is (entry->parts.cluster, header->cluster) || !span_is (entry->parts.node, header->node) ||
	        !span_is (entry->parts.source, header->source))
		return REFUSAL_MISMATCH;
	if (!event_delivery_class_fits (type, header->severity, header->class_))
		return REFUSAL_MISMATCH;
	return REFUSAL_NONE;
}

/* A durable event's place in its incarnation's account. */
static refusal_t admit_durable (
        account_t *account, const Belfry__V1__Event *event, const offer_t *offer, taken_t *ret)
{
	uint64_t sequence = event->header->sequence;
	ret->account = account;
	ret->first = ret->last = 0;
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_GAP) {
		const Belfry__V1__Gap *gap = event->gap;
		/* Its own sequence is one of its places, or the one behind; another gap fills nothing. */
		if (gap->first && gap->first <= sequence && sequence - 1 <= gap->last &&
		        gap->first <= gap->last) {
			ret->first = gap->first;
			ret->last = gap->last;
		}
	}
	if (!ranges_has (&account->seen, sequence)) {
		ret->fate = FATE_TAKEN;
		if (!offer->room || account_take (account, sequence, ret->first, ret->last, &ret->lost))
			return REFUSAL_BUSY;
		return REFUSAL_NONE;
	}
	if (!offer->resent_by)
		return REFUSAL_REPLAYED;
	ret->fate = ranges_has (&account->journalled, sequence) ? FATE_JOURNALLED
	            : account->queued                           ? FATE_UNDER_WAY
	                                                        : FATE_AGAIN;
	return ret->fate == FATE_AGAIN && !offer->room ? REFUSAL_BUSY : REFUSAL_NONE;
}

/* The same of an incarnation that may be over: only its node's own disk has these. */
static refusal_t admit_resent (
        node_t *node, const Belfry__V1__Event *event, const offer_t *offer, taken_t *ret)
{
	const Belfry__V1__Header *header = event->header;
	account_t *account;
	if (header->class_ != BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE)
		return REFUSAL_CONTROL;
	if (header->incarnation < node->ledger.floor) {
		ret->fate = FATE_SETTLED;
		return REFUSAL_NONE;
	}
	if (ledger_open (&node->ledger, header->incarnation, header->boot_nonce, node->incarnation, &account))
		return REFUSAL_LIMIT;
	if (account->boot_nonce != header->boot_nonce) {
		ret->fate = FATE_FOREIGN;
		return REFUSAL_NONE;
	}
	return admit_durable (account, event, offer, ret);
}

/* Whether this event may come now: its incarnation, nonce and sequence. Changes node only where it
 * may. */
static refusal_t admit (entry_t *entry, node_t *node, const Belfry__V1__Event *event, const offer_t *offer,
        moment_t now, taken_t *ret, node_t **ret_clone)
{
	const Belfry__V1__Header *header = event->header;
	if (offer->resent_by && header->incarnation <= node->incarnation)
		return admit_resent (node, event, offer, ret);
	if (header->incarnation < node->incarnation)
		return REFUSAL_INCARNATION;
	if (header->incarnation == node->incarnation && header->boot_nonce != node->boot_nonce) {
		if (node_clash (node, header->incarnation, now.mono))
			*ret_clone = node;
		return REFUSAL_NONCE;
	}
	if (header->incarnation > node->incarnation) {
		/* Signed by the node's key, and above all that was: genuine. Counting begins with its first.
		 */
		if (node_begin (node, header->incarnation, header->boot_nonce, false))
			return REFUSAL_LIMIT;
		ret->incarnation_new = true;
	}
	if (offer->resent_by)
		return admit_resent (node, event, offer, ret);
	account_t *account = ledger_account (&node->ledger, node->incarnation);
	int r = 0;
	ret->fate = FATE_TAKEN;
	switch (header->class_) {
	case BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE:
		r = node_note_volatile (node, header->sequence);
		break;
	case BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE: {
		if (!account && ledger_open (&node->ledger, node->incarnation, node->boot_nonce,
		                        node->incarnation, &account))
			return REFUSAL_LIMIT;
		refusal_t reason = admit_durable (account, event, offer, ret);
		node->replayed += reason == REFUSAL_REPLAYED;
		return reason;
	}
	default:
		/* No sequence: what was sent before the newest on this topic is a replay. */
		if (!node_newer (&entry->on_demand_incarnation, &entry->on_demand_ns, header->incarnation,
		            header->monotonic_ns))
			r = SEQUENCE_E_SEEN;
	}
	if (r) {
		node->replayed++;
		return REFUSAL_REPLAYED;
	}
	return REFUSAL_NONE;
}

/* A proven message of a topic that was not known: makes node, source and entry, within the bounds. */
static refusal_t learn (ingest_t *self, const entry_t *parsed, uint32_t epoch, entry_t **ret)
{
	node_t *node = NULL;
	source_t *source = NULL;
	if (nodes_get (self->nodes, parsed->parts.node, &node))
		return REFUSAL_LIMIT;
	if (node->n_topics >= NODE_TOPICS_MAX || node_source (node, parsed->parts.source, &source) ||
	        entry_put (self, parsed, ret))
		return REFUSAL_LIMIT;
	node->n_topics++;
	(*ret)->node = node;
	(*ret)->source = source;
	(*ret)->epoch = epoch;
	(*ret)->key = self->keyring ? keyring_node_key (self->keyring, epoch, parsed->parts.node) : NULL;
	return REFUSAL_NONE;
}

/* In the place of the same hash, or of the catalogue that was said longest ago. */
static void keep_catalogue (ingest_t *self, entry_t *entry, span_t bytes, const Belfry__V1__Event *event)
{
	const Belfry__V1__Header *header = event->header;
	if (!entry->catalogues && !(entry->catalogues = calloc (CATALOGUES_MAX, sizeof *entry->catalogues)))
		return;
	kept_catalogue_t *place = &entry->catalogues[0];
	for (size_t i = 0; i < CATALOGUES_MAX; i++) {
		kept_catalogue_t *c = &entry->catalogues[i];
		if (c->kept.size && c->hash == event->catalogue->hash) {
			place = c;
			break;
		}
		if (c->kept.incarnation < place->kept.incarnation ||
		        (c->kept.incarnation == place->kept.incarnation &&
		                c->kept.monotonic_ns < place->kept.monotonic_ns))
			place = c;
	}
	place->hash = event->catalogue->hash;
	snapshot_keep (self->snapshot, &place->kept, bytes, header->incarnation, header->monotonic_ns);
}

static void keep (ingest_t *self, entry_t *entry, span_t bytes, const Belfry__V1__Event *event)
{
	if (!self->snapshot)
		return;
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_CATALOGUE)
		keep_catalogue (self, entry, bytes, event);
	else
		snapshot_keep (self->snapshot, &entry->kept, bytes, event->header->incarnation,
		        event->header->monotonic_ns);
}

/* Other collectors have no business here, nor has anybody in the collectors' name. */
static refusal_t belongs (const ingest_t *self, const entry_t *entry)
{
	if (!span_is (entry->parts.cluster, self->cluster))
		return REFUSAL_CLUSTER;
	if (topic_node_is_collector (entry->parts.node) || span_is (entry->parts.source, "collector"))
		return REFUSAL_RESERVED;
	return REFUSAL_NONE;
}

/* A proven event of a Resend that can never be taken: counts as lost, and is settled. */
static void condemn (node_t *node, const Belfry__V1__Event *event)
{
	const Belfry__V1__Header *header = event->header;
	account_t *account = NULL;
	if (!node || !header || header->class_ != BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE ||
	        header->sequence == 0 || header->incarnation < node->ledger.floor ||
	        header->incarnation > node->incarnation ||
	        ledger_open (&node->ledger, header->incarnation, header->boot_nonce, node->incarnation,
	                &account) ||
	        account->boot_nonce != header->boot_nonce || ranges_has (&account->seen, header->sequence))
		return;
	account_commit (account, header->sequence, header->sequence);
	account->touched = true;
	node->lost_durable++;
}

static refusal_t take (ingest_t *self, entry_t *known, entry_t *parsed, const offer_t *offer, moment_t now,
        taken_t *ret, node_t **ret_clone)
{
	envelope_t envelope;
	entry_t *entry = known ? known : parsed;
	if (offer->resent_by && !span_is (entry->parts.node, offer->resent_by))
		return REFUSAL_CONTROL;
	refusal_t reason = envelope_parse (offer->envelope.data, offer->envelope.size, &envelope);
	if (reason)
		return reason;
	reason = verify (self, entry, known != NULL, offer->topic, &envelope);
	if (reason)
		return reason;
	reason = known ? REFUSAL_NONE : belongs (self, entry);
	if (reason && !offer->resent_by)
		return reason;
	arena_reset (self->arena);
	Belfry__V1__Event *event;
	if (decode_event (envelope.event, self->arena, &event))
		return reason ? reason : REFUSAL_MALFORMED;
	const event_type_t *type = event_type_of (event);
	if (!reason && (event_validate (event, NULL) || !countable (event->header)))
		reason = REFUSAL_INVALID;
	if (!reason)
		reason = match (entry, event, type);
	node_t *node = known ? known->node : nodes_find (self->nodes, entry->parts.node);
	if (reason) {
		if (offer->resent_by)
			condemn (node, event);
		return reason;
	}
	ret->node = node;
	ret->type = type;
	ret->event = event;
	ret->topic = offer->topic;
	ret->envelope = offer->envelope;
	if (node) {
		reason = admit (entry, node, event, offer, now, ret, ret_clone);
		if (reason || ret->fate != FATE_TAKEN)
			return reason;
	}
	if (!known) {
		reason = learn (self, parsed, envelope.key_epoch, &entry);
		if (reason)
			return reason;
		if (!node)
			reason = admit (entry, entry->node, event, offer, now, ret, ret_clone);
		if (reason)
			return reason;
	}
	ret->node = entry->node;
	ret->source = entry->source;
	keep (self, entry, offer->envelope, event);
	return REFUSAL_NONE;
}

refusal_t ingest_take (ingest_t *self, const offer_t *offer, moment_t now, taken_t *ret, node_t **ret_clone)
{
	entry_t parsed;
	uint64_t hash = hash_of (self->seed, offer->topic);
	entry_t *entry = entry_find (self, hash, offer->topic);
	*ret_clone = NULL;
	ret->account = NULL;
	ret->source = NULL;
	ret->incarnation_new = false;
	ret->first = ret->last = ret->lost = 0;
	refusal_t reason;
	if (entry && !entry->node)
		return REFUSAL_RESERVED;
	if (!entry && (reason = entry_parse (&parsed, offer->topic, hash)))
		return reason;
	reason = take (self, entry, &parsed, offer, now, ret, ret_clone);
	if (reason) {
		node_t *node = entry ? entry->node : nodes_find (self->nodes, parsed.parts.node);
		if (node)
			node->refused++;
	}
	return reason;
}

void ingest_set_keyring (ingest_t *self, keyring_t *keyring)
{
	self->keyring = keyring;
	for (size_t i = 0; i < self->table_size; i++) {
		if (self->table[i])
			self->table[i]->key = NULL;
	}
}

void ingest_keep_own (ingest_t *self, span_t topic, span_t envelope, uint64_t order)
{
	uint64_t hash = hash_of (self->seed, topic);
	entry_t *entry = entry_find (self, hash, topic);
	if (!self->snapshot)
		return;
	if (!entry) {
		entry_t parsed;
		if (entry_parse (&parsed, topic, hash) || entry_put (self, &parsed, &entry))
			return;
	}
	snapshot_keep (self->snapshot, &entry->kept, envelope, 0, order);
}

static int entry_visit (const entry_t *entry, const kept_t *kept, ingest_visit_fn *visit, void *arg)
{
	return kept->size
	               ? visit (arg, span_of (entry->topic, entry->size), span_of (kept->bytes, kept->size))
	               : 0;
}

int ingest_visit (const ingest_t *self, ingest_visit_fn *visit, void *arg)
{
	for (size_t i = 0; i < self->table_size; i++) {
		const entry_t *entry = self->table[i];
		if (!entry)
			continue;
		int r = entry_visit (entry, &entry->kept, visit, arg);
		for (size_t c = 0; entry->catalogues && c < CATALOGUES_MAX && !r; c++)
			r = entry_visit (entry, &entry->catalogues[c].kept, visit, arg);
		if (r)
			return r;
	}
	return 0;
}

size_t ingest_topics (const ingest_t *self)
{
	return self->n;
}
