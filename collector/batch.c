/* Bytes lie in chunks that do not move, so that records point into them. A chunk holds the largest record
 * four times. */

#include "collector/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/envelope.h"
#include "wire/topic.h"

enum { CHUNK_SIZE = 1024 * 1024, CHUNKS_KEPT = 4, RECORDS_KEPT = 4096 };

typedef struct chunk {
	struct chunk *next;
	size_t used;
	uint8_t bytes[CHUNK_SIZE];
} chunk_t;

struct batch {
	journal_record_t *records;
	batch_entry_t *entries;
	journal_state_t *states;
	size_t n, room, n_states, room_states;
	size_t bytes;
	chunk_t *first, *current; /* those behind current are empty */
	journal_batch_t content;
};

int batch_new (batch_t **ret)
{
	batch_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->first = self->current = calloc (1, sizeof *self->first);
	if (!self->first) {
		free (self);
		return -ENOMEM;
	}
	*ret = self;
	return 0;
}

static void chunks_free (chunk_t *chunk)
{
	while (chunk) {
		chunk_t *next = chunk->next;
		free (chunk);
		chunk = next;
	}
}

void batch_destroy (batch_t **self_p)
{
	batch_t *self = *self_p;
	if (!self)
		return;
	chunks_free (self->first);
	free (self->records);
	free (self->entries);
	free (self->states);
	free (self);
	*self_p = NULL;
}

/* The current chunk has so many bytes left afterwards. */
static bool chunk_reserve (batch_t *self, size_t bytes)
{
	if (CHUNK_SIZE - self->current->used >= bytes)
		return true;
	if (bytes > CHUNK_SIZE)
		return false;
	if (!self->current->next) {
		chunk_t *chunk = malloc (sizeof *chunk);
		if (!chunk)
			return false;
		chunk->next = NULL;
		chunk->used = 0;
		self->current->next = chunk;
	}
	self->current = self->current->next;
	return true;
}

static void *chunk_put (batch_t *self, const void *bytes, size_t size)
{
	uint8_t *at = self->current->bytes + self->current->used;
	if (size)
		memcpy (at, bytes, size);
	self->current->used += size;
	return at;
}

static bool records_grow (batch_t *self)
{
	size_t room = self->room ? self->room * 2 : 256;
	journal_record_t *records = realloc (self->records, room * sizeof *records);
	if (records)
		self->records = records;
	batch_entry_t *entries = realloc (self->entries, room * sizeof *entries);
	if (entries)
		self->entries = entries;
	if (!records || !entries)
		return false;
	self->room = room;
	return true;
}

/* A subject's name and its end beside topic and envelope. */
enum { BESIDE = TOPIC_NODE_MAX + 1 };

bool batch_reserve (batch_t *self, size_t bytes, bool own)
{
	size_t records = BATCH_RECORDS_MAX + (own ? BATCH_OWN_RECORDS : 0);
	size_t most = BATCH_BYTES_MAX + (own ? BATCH_OWN_BYTES : 0);
	if (self->n >= records || bytes > most || self->bytes > most - bytes)
		return false;
	return (self->n < self->room || records_grow (self)) && chunk_reserve (self, bytes + BESIDE);
}

void batch_add (batch_t *self, const journal_record_t *record, const batch_entry_t *entry)
{
	journal_record_t *to = &self->records[self->n];
	*to = *record;
	to->topic.data = chunk_put (self, record->topic.data, record->topic.size);
	to->envelope.data = chunk_put (self, record->envelope.data, record->envelope.size);
	if (record->subject_node) {
		/* The schema allows longer names in a header than a node can have. */
		char subject[BESIDE];
		size_t size = strnlen (record->subject_node, TOPIC_NODE_MAX);
		memcpy (subject, record->subject_node, size);
		subject[size] = '\0';
		to->subject_node = chunk_put (self, subject, size + 1);
	}
	self->entries[self->n++] = *entry;
	self->bytes += record->topic.size + record->envelope.size;
}

int batch_remember (batch_t *self, const char *key, span_t value)
{
	size_t size = strlen (key) + 1;
	if (self->n_states == self->room_states) {
		size_t room = self->room_states ? self->room_states * 2 : 64;
		journal_state_t *states = realloc (self->states, room * sizeof *states);
		if (!states)
			return -ENOMEM;
		self->states = states;
		self->room_states = room;
	}
	if (!chunk_reserve (self, size + value.size))
		return -ENOMEM;
	journal_state_t *state = &self->states[self->n_states++];
	state->key = chunk_put (self, key, size);
	state->value = span_of (chunk_put (self, value.data, value.size), value.size);
	return 0;
}

journal_batch_t *batch_content (batch_t *self)
{
	self->content = (journal_batch_t){ self->records, self->n, self->states, self->n_states };
	return &self->content;
}

size_t batch_count (const batch_t *self)
{
	return self->n;
}

const journal_record_t *batch_record (const batch_t *self, size_t i)
{
	return &self->records[i];
}

batch_entry_t *batch_entry (batch_t *self, size_t i)
{
	return &self->entries[i];
}

void batch_clear (batch_t *self)
{
	chunk_t *chunk = self->first;
	for (int i = 1; i < CHUNKS_KEPT && chunk->next; i++)
		chunk = chunk->next;
	chunks_free (chunk->next);
	chunk->next = NULL;
	for (chunk = self->first; chunk; chunk = chunk->next)
		chunk->used = 0;
	self->current = self->first;
	if (self->room > RECORDS_KEPT) {
		free (self->records);
		free (self->entries);
		self->records = NULL;
		self->entries = NULL;
		self->room = 0;
	}
	if (self->room_states > RECORDS_KEPT) {
		free (self->states);
		self->states = NULL;
		self->room_states = 0;
	}
	self->n = self->n_states = self->bytes = 0;
}
