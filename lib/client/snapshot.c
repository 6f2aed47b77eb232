#include "client/snapshot.h"

#include "base/span.h"
#include "wire/describe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	const Belfry__V1__Frame *frame;
	unsigned channel; /* its place in the order */
	size_t index;     /* as it came, then within its channel */
} place_t;

struct client_snapshot {
	Belfry__V1__Control **chunks;
	size_t n_chunks, bytes;
	place_t *places;
	size_t n_places;
	const Belfry__V1__NodeSequence **sequences;
	size_t n_sequences;
};

int client_snapshot_new (client_snapshot_t **ret)
{
	client_snapshot_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	*ret = self;
	return 0;
}

void client_snapshot_destroy (client_snapshot_t **self_p)
{
	client_snapshot_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < self->n_chunks; i++)
		belfry__v1__control__free_unpacked (self->chunks[i], NULL);
	free (self->chunks);
	free (self->places);
	free (self->sequences);
	free (self);
	*self_p = NULL;
}

/* Room for more elements behind the n that are there. 0 or -ENOMEM. */
static int reserve (void *array_p, size_t n, size_t more, size_t size)
{
	void **array = array_p;
	if (more == 0)
		return 0;
	void *grown = realloc (*array, (n + more) * size);
	if (!grown)
		return -ENOMEM;
	*array = grown;
	return 0;
}

int client_snapshot_add (client_snapshot_t *self, Belfry__V1__Control *answer)
{
	const Belfry__V1__Snapshot *chunk = answer->snapshot;
	size_t bytes = 0;
	for (size_t i = 0; i < chunk->n_frames; i++)
		bytes += chunk->frames[i]->envelope.len + strlen (chunk->frames[i]->topic);
	if (chunk->chunk != self->n_chunks)
		return -EPROTO;
	if (self->n_chunks >= SNAPSHOT_CHUNKS_MAX || bytes > SNAPSHOT_BYTES_MAX - self->bytes)
		return -EMSGSIZE;
	if (reserve (&self->chunks, self->n_chunks, 1, sizeof *self->chunks) ||
	        reserve (&self->places, self->n_places, chunk->n_frames, sizeof *self->places) ||
	        reserve (&self->sequences, self->n_sequences, chunk->n_sequences, sizeof *self->sequences))
		return -ENOMEM;
	self->chunks[self->n_chunks++] = answer;
	self->bytes += bytes;
	for (size_t i = 0; i < chunk->n_frames; i++, self->n_places++)
		self->places[self->n_places] =
		        (place_t){ .frame = chunk->frames[i], .index = self->n_places };
	for (size_t i = 0; i < chunk->n_sequences; i++)
		self->sequences[self->n_sequences++] = chunk->sequences[i];
	return 0;
}

/* Catalogues are needed by what follows; a topic of no channel goes last and is refused there. */
static unsigned place_of_channel (const char *topic)
{
	static const channel_t order[] = { CHANNEL_SYSTEM, CHANNEL_LIFECYCLE, CHANNEL_ALERTS,
		CHANNEL_SECURITY, CHANNEL_AUDIT, CHANNEL_HEALTH, CHANNEL_METRICS, CHANNEL_LOGGING,
		CHANNEL_DIAGNOSTICS, CHANNEL_FABRIC };
	enum { N = sizeof order / sizeof *order };
	static const char catalogue[] = "fabric/catalogue/";
	if (strncmp (topic, catalogue, sizeof catalogue - 1) == 0)
		return 0;
	channel_t channel;
	if (channel_parse (span_of (topic, strcspn (topic, "/")), &channel) == 0) {
		for (unsigned i = 0; i < N; i++) {
			if (order[i] == channel)
				return i + 1;
		}
	}
	return N + 1;
}

static int compare (size_t a, size_t b)
{
	return a < b ? -1 : a > b;
}

static int by_channel (const void *a_, const void *b_)
{
	const place_t *a = a_, *b = b_;
	int order = compare (a->channel, b->channel);
	return order ? order : compare (a->index, b->index);
}

static int by_turn (const void *a_, const void *b_)
{
	const place_t *a = a_, *b = b_;
	int order = compare (b->channel == 0, a->channel == 0);
	if (!order)
		order = compare (a->index, b->index);
	return order ? order : compare (a->channel, b->channel);
}

int client_snapshot_order (client_snapshot_t *self, bool mixed)
{
	for (size_t i = 0; i < self->n_places; i++)
		self->places[i].channel = place_of_channel (self->places[i].frame->topic);
	if (self->n_places == 0)
		return 0;
	qsort (self->places, self->n_places, sizeof *self->places, by_channel);
	if (!mixed)
		return 0;
	for (size_t i = 0, first = 0; i < self->n_places; i++) {
		if (self->places[i].channel != self->places[first].channel)
			first = i;
		self->places[i].index = i - first;
	}
	qsort (self->places, self->n_places, sizeof *self->places, by_turn);
	return 0;
}

size_t client_snapshot_count (const client_snapshot_t *self)
{
	return self->n_places;
}
const Belfry__V1__Frame *client_snapshot_frame (const client_snapshot_t *self, size_t i)
{
	return self->places[i].frame;
}
size_t client_snapshot_sequences (const client_snapshot_t *self)
{
	return self->n_sequences;
}
const Belfry__V1__NodeSequence *client_snapshot_sequence (const client_snapshot_t *self, size_t i)
{
	return self->sequences[i];
}
