#include "archive.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "wire/topic.h"

typedef struct {
	uint64_t key; /* of node, incarnation and sequence */
	char node[TOPIC_NODE_MAX + 1], subject[TOPIC_NODE_MAX + 1];
	uint64_t incarnation, sequence, time_ns;
	channel_t channel;
	Belfry__V1__Severity severity;
	mark_t mark;
	uint8_t hash[CHAIN_HASH_SIZE];
	size_t topic_size, envelope_size;
	uint8_t *bytes;
} record_t;

typedef struct {
	char *key;
	uint8_t *bytes;
	size_t size;
} state_t;

struct archive {
	uint8_t id[MARK_JOURNAL_SIZE], public_key[CHAIN_PUBLIC_KEY_SIZE], secret_key[CHAIN_SECRET_KEY_SIZE];
	record_t *records;
	size_t n, room;
	uint32_t *table; /* of records: index + 1; open addressing, a power of two */
	size_t table_size;
	state_t *states;
	size_t n_states, room_states;
	checkpoint_t *checkpoints;
	size_t n_checkpoints;
	int64_t checkpoint_at;
	uint64_t channels[CHANNEL_COUNT];
	int error;
};

static void *grown (void *old, size_t size)
{
	void *p = realloc (old, size ? size : 1);
	if (!p)
		abort ();
	return p;
}

static uint8_t *copied (span_t bytes)
{
	uint8_t *p = grown (NULL, bytes.size);
	if (bytes.size)
		memcpy (p, bytes.data, bytes.size);
	return p;
}

archive_t *archive_new (uint64_t seed)
{
	archive_t *self = calloc (1, sizeof *self);
	uint8_t bytes[crypto_sign_SEEDBYTES] = { 0 };
	if (!self)
		abort ();
	memcpy (bytes, &seed, sizeof seed);
	crypto_sign_seed_keypair (self->public_key, self->secret_key, bytes);
	memcpy (self->id, self->public_key, sizeof self->id);
	self->table_size = 1024;
	self->table = calloc (self->table_size, sizeof *self->table);
	if (!self->table)
		abort ();
	return self;
}

void archive_destroy (archive_t **self_p)
{
	archive_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < self->n; i++)
		free (self->records[i].bytes);
	for (size_t i = 0; i < self->n_states; i++) {
		free (self->states[i].key);
		free (self->states[i].bytes);
	}
	free (self->records);
	free (self->table);
	free (self->states);
	free (self->checkpoints);
	free (self);
	*self_p = NULL;
}

void archive_fail (archive_t *self, int error)
{
	self->error = error;
}

/* Records. */

static uint64_t key_of (const char *node, uint64_t incarnation, uint64_t sequence)
{
	uint64_t h = UINT64_C (14695981039346656037);
	for (; *node; node++)
		h = (h ^ (uint8_t) *node) * UINT64_C (1099511628211);
	h = (h ^ incarnation) * UINT64_C (0x9e3779b97f4a7c15);
	h = (h ^ h >> 29 ^ sequence) * UINT64_C (0x9e3779b97f4a7c15);
	return h ^ h >> 32;
}

static uint32_t *place_of (
        const archive_t *self, uint64_t key, const char *node, uint64_t incarnation, uint64_t sequence)
{
	for (size_t i = key & (self->table_size - 1);; i = (i + 1) & (self->table_size - 1)) {
		uint32_t *place = &self->table[i];
		const record_t *r = *place ? &self->records[*place - 1] : NULL;
		if (!r || (r->key == key && r->sequence == sequence && r->incarnation == incarnation &&
		                  strcmp (r->node, node) == 0))
			return place;
	}
}

static void table_grow (archive_t *self)
{
	free (self->table);
	self->table_size *= 2;
	self->table = calloc (self->table_size, sizeof *self->table);
	if (!self->table)
		abort ();
	for (size_t i = 0; i < self->n; i++) {
		const record_t *r = &self->records[i];
		*place_of (self, r->key, r->node, r->incarnation, r->sequence) = (uint32_t) i + 1;
	}
}

static void record_put (archive_t *self, journal_record_t *record)
{
	uint64_t key = key_of (record->node, record->incarnation, record->sequence);
	uint32_t *place = place_of (self, key, record->node, record->incarnation, record->sequence);
	record->known = *place != 0;
	if (record->known) {
		record->offset = *place;
		record->previous_in_channel = self->records[*place - 1].mark.previous_in_channel;
		return;
	}
	if (self->n == self->room) {
		self->room = self->room ? self->room * 2 : 1024;
		self->records = grown (self->records, self->room * sizeof *self->records);
	}
	record_t *to = &self->records[self->n++];
	*place = (uint32_t) self->n;
	*to = (record_t){ .key = key,
		.incarnation = record->incarnation,
		.sequence = record->sequence,
		.time_ns = record->time_ns,
		.channel = record->channel,
		.severity = record->severity,
		.topic_size = record->topic.size,
		.envelope_size = record->envelope.size };
	strncpy (to->node, record->node, TOPIC_NODE_MAX);
	strncpy (to->subject, record->subject_node ? record->subject_node : "", TOPIC_NODE_MAX);
	to->bytes = grown (NULL, record->topic.size + record->envelope.size);
	memcpy (to->bytes, record->topic.data, record->topic.size);
	memcpy (to->bytes + record->topic.size, record->envelope.data, record->envelope.size);
	to->mark = (mark_t){ .offset = self->n,
		.previous_in_channel = self->channels[record->channel],
		.late = record->late,
		.received_ns = record->received_ns };
	memcpy (to->mark.journal, self->id, sizeof self->id);
	static const uint8_t zeros[CHAIN_HASH_SIZE];
	chain_hash (self->n > 1 ? to[-1].hash : zeros, &to->mark, record->topic, record->envelope, to->hash);
	record->offset = self->n;
	record->previous_in_channel = to->mark.previous_in_channel;
	self->channels[record->channel] = self->n;
	if (self->n * 2 >= self->table_size)
		table_grow (self);
}

static state_t *state_find (const archive_t *self, const char *key)
{
	for (size_t i = 0; i < self->n_states; i++) {
		if (strcmp (self->states[i].key, key) == 0)
			return &self->states[i];
	}
	return NULL;
}

static void state_put (archive_t *self, const journal_state_t *state)
{
	state_t *to = state_find (self, state->key);
	if (to && state->value.size == 0) {
		free (to->key);
		free (to->bytes);
		*to = self->states[--self->n_states];
	} else if (to) {
		free (to->bytes);
		to->bytes = copied (state->value);
		to->size = state->value.size;
	} else if (state->value.size) {
		if (self->n_states == self->room_states) {
			self->room_states = self->room_states ? self->room_states * 2 : 64;
			self->states = grown (self->states, self->room_states * sizeof *self->states);
		}
		size_t size = strlen (state->key) + 1;
		self->states[self->n_states++] = (state_t){ (char *) copied (span_of (state->key, size)),
			copied (state->value), state->value.size };
	}
}

int archive_commit (archive_t *self, journal_batch_t *batch, wall_t now, checkpoint_t *ret_checkpoint)
{
	ret_checkpoint->offset = 0;
	if (self->error)
		return self->error;
	for (size_t i = 0; i < batch->n_records; i++)
		record_put (self, &batch->records[i]);
	for (size_t i = 0; i < batch->n_states; i++)
		state_put (self, &batch->states[i]);
	uint64_t before = self->n_checkpoints ? self->checkpoints[self->n_checkpoints - 1].offset : 0;
	if (self->n == before || (self->n - before < JOURNAL_CHECKPOINT_RECORDS &&
	                                 now.ns - self->checkpoint_at < JOURNAL_CHECKPOINT_NS))
		return 0;
	checkpoint_t checkpoint = { .offset = self->n, .time_ns = (uint64_t) now.ns };
	memcpy (checkpoint.journal, self->id, sizeof self->id);
	memcpy (checkpoint.hash, self->records[self->n - 1].hash, CHAIN_HASH_SIZE);
	memcpy (checkpoint.public_key, self->public_key, sizeof self->public_key);
	checkpoint_sign (&checkpoint, self->secret_key);
	self->checkpoint_at = now.ns;
	self->checkpoints = grown (self->checkpoints, (self->n_checkpoints + 1) * sizeof *self->checkpoints);
	self->checkpoints[self->n_checkpoints++] = checkpoint;
	*ret_checkpoint = checkpoint;
	return 0;
}

void archive_restore (const archive_t *self, journal_restore_fn *visit, void *arg)
{
	for (size_t i = 0; i < self->n_states; i++)
		visit (arg, self->states[i].key, span_of (self->states[i].bytes, self->states[i].size));
}

void archive_figures (const archive_t *self, journal_figures_t *ret)
{
	*ret = (journal_figures_t){ .first = self->n > 0, .newest = self->n, .records = self->n };
	memcpy (ret->id, self->id, sizeof self->id);
	memcpy (ret->public_key, self->public_key, sizeof self->public_key);
	memcpy (ret->channels, self->channels, sizeof self->channels);
}

static bool fits (const record_t *record, const journal_query_t *query)
{
	bool prefixed = query->n_prefixes == 0;
	for (size_t i = 0; i < query->n_prefixes; i++) {
		size_t size = strlen (query->prefixes[i]);
		prefixed = prefixed || (size <= record->topic_size &&
		                               memcmp (query->prefixes[i], record->bytes, size) == 0);
	}
	return prefixed && (!query->until_offset || record->mark.offset <= query->until_offset) &&
	       record->time_ns >= query->since_ns &&
	       (!query->until_ns || record->time_ns <= query->until_ns) &&
	       (!query->node || strcmp (query->node, record->node) == 0 ||
	               strcmp (query->node, record->subject) == 0) &&
	       record->severity >= query->severity_min;
}

int archive_read (const archive_t *self, const journal_query_t *query, journal_visit_fn *visit, void *arg,
        uint64_t *ret_next, bool *ret_last)
{
	size_t limit = query->limit ? query->limit : 256, bytes = query->bytes ? query->bytes : 512 * 1024;
	size_t n = 0, size = 0, i = query->from_offset ? query->from_offset - 1 : 0;
	for (; i < self->n; i++) {
		const record_t *r = &self->records[i];
		if (!fits (r, query))
			continue;
		size += r->topic_size + r->envelope_size;
		if (n == limit || (n && size > bytes))
			break;
		journal_entry_t entry = { .mark = r->mark,
			.topic = span_of (r->bytes, r->topic_size),
			.envelope = span_of (r->bytes + r->topic_size, r->envelope_size) };
		memcpy (entry.hash, r->hash, sizeof entry.hash);
		n++;
		int stop = visit (arg, &entry);
		if (stop)
			return stop;
	}
	*ret_next = i + 1;
	*ret_last = i >= self->n;
	return 0;
}

static int page_put (void *arg, const journal_entry_t *entry)
{
	core_page_t *page = arg;
	journal_entry_t *entries =
	        grown ((void *) (uintptr_t) page->entries, (page->n + 1) * sizeof *entries);
	entries[page->n++] = *entry;
	page->entries = entries;
	return 0;
}

void archive_page (const archive_t *self, const core_reading_t *asked, core_page_t *ret)
{
	enum { MAX = CORE_PAGE_CHECKPOINTS };
	*ret = (core_page_t){ .n = 0 };
	archive_figures (self, &ret->figures);
	archive_read (self, &asked->query, page_put, ret, &ret->next, &ret->last);
	if (!asked->chain)
		return;
	checkpoint_t *checkpoints = grown (NULL, (MAX + 1) * sizeof *checkpoints);
	if (ret->n) {
		archive_hash (self, ret->entries[0].mark.offset - 1, ret->anchor);
		ret->n_checkpoints = archive_checkpoints (self, ret->entries[0].mark.offset,
		        ret->entries[ret->n - 1].mark.offset, checkpoints, MAX);
	}
	const checkpoint_t *newest = self->n_checkpoints ? &self->checkpoints[self->n_checkpoints - 1] : NULL;
	bool has =
	        newest && ret->n_checkpoints && checkpoints[ret->n_checkpoints - 1].offset == newest->offset;
	if (ret->last && newest && !has)
		checkpoints[ret->n_checkpoints++] = *newest;
	ret->checkpoints = checkpoints;
}

void archive_page_free (core_page_t *page)
{
	free ((void *) (uintptr_t) page->entries);
	free ((void *) (uintptr_t) page->checkpoints);
	*page = (core_page_t){ .n = 0 };
}

size_t archive_checkpoints (
        const archive_t *self, uint64_t first, uint64_t last, checkpoint_t *out, size_t max)
{
	size_t n = 0;
	for (size_t i = 0; i < self->n_checkpoints && n < max; i++) {
		if (self->checkpoints[i].offset >= first && self->checkpoints[i].offset <= last)
			out[n++] = self->checkpoints[i];
	}
	return n;
}

int archive_hash (const archive_t *self, uint64_t offset, uint8_t out[CHAIN_HASH_SIZE])
{
	if (offset == 0 || offset > self->n)
		return -ENOENT;
	memcpy (out, self->records[offset - 1].hash, CHAIN_HASH_SIZE);
	return 0;
}

size_t archive_count (const archive_t *self)
{
	return self->n;
}

void archive_at (const archive_t *self, uint64_t offset, archive_record_t *ret)
{
	const record_t *r = &self->records[offset - 1];
	*ret = (archive_record_t){ r->node, r->incarnation, r->sequence, span_of (r->bytes, r->topic_size),
		span_of (r->bytes + r->topic_size, r->envelope_size), r->mark };
}

uint64_t archive_find (const archive_t *self, const char *node, uint64_t incarnation, uint64_t sequence)
{
	return *place_of (self, key_of (node, incarnation, sequence), node, incarnation, sequence);
}

span_t archive_state (const archive_t *self, const char *key)
{
	const state_t *state = state_find (self, key);
	return state ? span_of (state->bytes, state->size) : span_of (NULL, 0);
}
