#include "ledger.h"

#include <stdlib.h>

#include "wire/arena.h"
#include "wire/envelope.h"

enum { NODES_MAX = 256 };

struct ledger {
	sim_t *sim;
	arena_t *arena;
	char names[NODES_MAX][40];
	uint32_t n_names;
	sealed_t *entries;
	size_t n, room;
	uint32_t *table; /* index + 1, open addressing; table_size is a power of two */
	size_t table_size;
};

ledger_t *ledger_new (sim_t *sim)
{
	ledger_t *self = sim_alloc (sizeof *self);
	self->sim = sim;
	if (arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &self->arena))
		abort ();
	self->table_size = 4096;
	self->table = sim_alloc (self->table_size * sizeof *self->table);
	return self;
}

void ledger_destroy (ledger_t **self_p)
{
	ledger_t *self = *self_p;
	if (!self)
		return;
	arena_destroy (&self->arena);
	free (self->entries);
	free (self->table);
	free (self);
	*self_p = NULL;
}

uint32_t ledger_node (ledger_t *self, const char *name)
{
	for (uint32_t i = 0; i < self->n_names; i++) {
		if (strcmp (self->names[i], name) == 0)
			return i;
	}
	if (self->n_names == NODES_MAX || strlen (name) >= sizeof self->names[0])
		abort ();
	memcpy (self->names[self->n_names], name, strlen (name) + 1);
	return self->n_names++;
}

const char *ledger_node_name (const ledger_t *self, uint32_t node)
{
	return self->names[node];
}
uint32_t ledger_nodes (const ledger_t *self)
{
	return self->n_names;
}

static uint64_t hash_of (span_t topic, span_t envelope)
{
	return sim_hash (sim_hash (UINT64_C (0x51ed270b0a1f39c1), topic), envelope);
}

static uint32_t *place_of (const ledger_t *self, uint64_t hash)
{
	for (size_t i = hash & (self->table_size - 1);; i = (i + 1) & (self->table_size - 1)) {
		uint32_t *place = &self->table[i];
		if (*place == 0 || self->entries[*place - 1].hash == hash)
			return place;
	}
}

static void table_grow (ledger_t *self)
{
	free (self->table);
	self->table_size *= 2;
	self->table = sim_alloc (self->table_size * sizeof *self->table);
	for (size_t i = 0; i < self->n; i++)
		*place_of (self, self->entries[i].hash) = (uint32_t) i + 1;
}

const sealed_t *ledger_note (ledger_t *self, span_t topic, span_t envelope)
{
	envelope_t parts;
	arena_reset (self->arena);
	const Belfry__V1__Event *event = NULL;
	if (envelope_parse (envelope.data, envelope.size, &parts) == REFUSAL_NONE)
		event = belfry__v1__event__unpack (
		        arena_allocator (self->arena), parts.event.size, parts.event.data);
	if (!event || !event->header)
		abort ();
	const Belfry__V1__Header *header = event->header;
	if (self->n == self->room) {
		self->room = self->room ? self->room * 2 : 4096;
		self->entries = sim_grow (self->entries, self->room * sizeof *self->entries);
	}
	if (self->n * 2 >= self->table_size)
		table_grow (self);
	sealed_t *entry = &self->entries[self->n];
	*entry = (sealed_t){
		.hash = hash_of (topic, envelope),
		.topic = sim_hash (1, topic),
		.node = ledger_node (self, header->node),
		.class = header->class_,
		.incarnation = header->incarnation,
		.nonce = header->boot_nonce,
		.sequence = header->sequence,
		.monotonic_ns = header->monotonic_ns,
		.payload_case = event->payload_case,
	};
	switch (event->payload_case) {
	case BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT:
		entry->newest_volatile = event->heartbeat->newest_volatile;
		entry->newest_durable = event->heartbeat->newest_durable;
		break;
	case BELFRY__V1__EVENT__PAYLOAD_GAP:
		entry->first = event->gap->first;
		entry->last = event->gap->last;
		entry->count = event->gap->count;
		break;
	case BELFRY__V1__EVENT__PAYLOAD_CATALOGUE:
		entry->catalogue_hash = event->catalogue->hash;
		entry->topic ^= event->catalogue->hash;
		break;
	case BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH:
		entry->catalogue_hash = event->metric_batch->catalogue_hash;
		break;
	default:
		break;
	}
	uint32_t *place = place_of (self, entry->hash);
	/* Each header is another: twice the same bytes would be a sequence used twice. */
	if (*place)
		sim_fail (self->sim, "sealed once", "%s sealed the same bytes twice", header->node);
	*place = (uint32_t) ++self->n;
	return entry;
}

const sealed_t *ledger_find (const ledger_t *self, span_t topic, span_t envelope)
{
	uint32_t place = *place_of (self, hash_of (topic, envelope));
	return place ? &self->entries[place - 1] : NULL;
}

size_t ledger_count (const ledger_t *self)
{
	return self->n;
}
