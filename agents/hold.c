/* What a note says fits the event's header, which the publisher writes anew: so an event is held as
 * one packed message, and nothing of it is shared with its sender. */

#include "agents/hold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/borrow.h"
#include "wire/describe.h"

typedef struct {
	uint8_t *bytes;
	size_t size;
	moment_t when;
	uint64_t number;
	uint8_t priority;
	bool changed;
} held_t;

struct hold {
	size_t n, bytes;
	uint64_t dropped, numbers;
	held_t items[HOLD_EVENTS_MAX]; /* oldest first */
};

int hold_new (hold_t **ret)
{
	hold_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	*ret = self;
	return 0;
}

void hold_destroy (hold_t **self_p)
{
	hold_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < self->n; i++)
		free (self->items[i].bytes);
	free (self);
	*self_p = NULL;
}

static uint8_t priority_of (const event_type_t *type)
{
	switch (type->channel) {
	case CHANNEL_LOGGING:
		return SPOOL_LOG;
	case CHANNEL_AUDIT:
	case CHANNEL_SECURITY:
		return SPOOL_AUDIT;
	default:
		return SPOOL_ORDINARY;
	}
}

static void drop (hold_t *self, size_t i)
{
	free (self->items[i].bytes);
	self->bytes -= self->items[i].size;
	self->n--;
	memmove (&self->items[i], &self->items[i + 1], (self->n - i) * sizeof self->items[0]);
	self->dropped++;
}

/* Makes room for size bytes by dropping what is of priority or below. False when that is not enough. */
static bool room_make (hold_t *self, size_t size, uint8_t priority)
{
	while (self->n == HOLD_EVENTS_MAX || self->bytes + size > HOLD_BYTES_MAX) {
		size_t victim = self->n;
		for (size_t i = 0; i < self->n; i++) {
			if (victim == self->n || self->items[i].priority < self->items[victim].priority)
				victim = i;
		}
		if (victim == self->n || self->items[victim].priority > priority)
			return false;
		drop (self, victim);
	}
	return true;
}

int hold_put (hold_t *self, const Belfry__V1__Event *event, const publisher_note_t *note, moment_t now)
{
	static const publisher_note_t none;
	if (!note)
		note = &none;
	const event_type_t *type = event_type_of (event);
	if (!type)
		return -EINVAL;
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	header.source = borrow (note->source);
	header.subject_node = borrow (note->subject_node);
	header.correlation_id = borrow (note->correlation_id);
	header.severity = note->severity;
	header.n_labels = note->n_labels;
	header.labels = note->labels;
	Belfry__V1__Event whole = *event;
	whole.header = &header;
	held_t held = { .when = now,
		.number = ++self->numbers,
		.priority = priority_of (type),
		.changed = note->changed };
	held.size = belfry__v1__event__get_packed_size (&whole);
	if (held.size > HOLD_BYTES_MAX)
		return -EMSGSIZE;
	uint64_t before = self->dropped;
	if (!room_make (self, held.size, held.priority)) {
		self->dropped++;
		return HOLD_E_DROPPED;
	}
	held.bytes = malloc (held.size);
	if (!held.bytes) {
		self->dropped++;
		return -ENOMEM;
	}
	belfry__v1__event__pack (&whole, held.bytes);
	self->items[self->n++] = held;
	self->bytes += held.size;
	return self->dropped == before ? 0 : HOLD_E_DROPPED;
}

static const char *or_null (const char *text)
{
	return text && *text ? text : NULL;
}

size_t hold_take (hold_t *self, size_t max, hold_take_fn *take, void *arg)
{
	size_t n = 0, broken = 0;
	for (; n < self->n && n < max; n++) {
		const held_t *held = &self->items[n];
		Belfry__V1__Event *event = belfry__v1__event__unpack (NULL, held->size, held->bytes);
		if (!event) {
			broken++;
			continue;
		}
		Belfry__V1__Header *header = event->header;
		publisher_note_t note = { or_null (header->source), or_null (header->subject_node),
			or_null (header->correlation_id), header->severity, held->changed, header->n_labels,
			header->labels };
		event->header = NULL;
		int r = take (arg, event, &note, (spool_priority_t) held->priority, held->when);
		event->header = header;
		belfry__v1__event__free_unpacked (event, NULL);
		if (r)
			break;
	}
	for (size_t i = 0; i < n; i++) {
		self->bytes -= self->items[i].size;
		free (self->items[i].bytes);
	}
	self->n -= n;
	memmove (&self->items[0], &self->items[n], self->n * sizeof self->items[0]);
	self->dropped += broken;
	return n - broken;
}

uint64_t hold_newest_number (const hold_t *self)
{
	return self->numbers;
}
uint64_t hold_oldest_number (const hold_t *self)
{
	return self->n ? self->items[0].number : 0;
}
size_t hold_count (const hold_t *self)
{
	return self->n;
}
size_t hold_bytes (const hold_t *self)
{
	return self->bytes;
}
mono_t hold_oldest (const hold_t *self)
{
	return self->n ? self->items[0].when.mono : (mono_t){ 0 };
}
uint64_t hold_dropped (const hold_t *self)
{
	return self->dropped;
}
