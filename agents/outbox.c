#include "agents/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/validate.h"

struct outbox {
	publisher_t *publisher;
	hold_t *hold;
	const demand_t *demand;
	bool open;
	mono_t last, last_durable; /* of the newest event of each kind; the incarnation's beginning before */
	uint64_t told;             /* of the hold's drops, how many have been given a number */
	uint64_t committed;        /* the newest of this incarnation that is */
	uint64_t lost;             /* numbered, and not taken by who should have kept it */
	outbox_counters_t counters;
};

int outbox_new (const publisher_options_t *options, const demand_t *demand, publisher_emit_fn *emit,
        void *arg, outbox_t **ret, err_t *err)
{
	outbox_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->demand = demand;
	self->last = self->last_durable = options->started;
	int r = hold_new (&self->hold);
	if (r)
		error_set (err, r, "out of memory");
	else
		r = publisher_new (options, emit, arg, &self->publisher, err);
	if (r) {
		outbox_destroy (&self);
		return r;
	}
	*ret = self;
	return 0;
}

void outbox_destroy (outbox_t **self_p)
{
	outbox_t *self = *self_p;
	if (!self)
		return;
	publisher_destroy (&self->publisher);
	hold_destroy (&self->hold);
	free (self);
	*self_p = NULL;
}

/* Newer is the greater monotonic_ns: no two events of a kind have the same, and none is before the
 * incarnation's beginning. A durable event keeps its own time although it leaves later. */
static void order (mono_t *last, moment_t *when)
{
	if (mono_since (when->mono, *last) <= 0)
		when->mono = mono_add (*last, 1);
	*last = when->mono;
}

static int send_now (
        outbox_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t when, err_t *err)
{
	order (&self->last, &when);
	int r = publisher_send (self->publisher, event, note, when, err);
	if (r)
		self->counters.refused++;
	else
		self->counters.sent++;
	return r;
}

void outbox_open (outbox_t *self)
{
	self->open = true;
}

void outbox_shut (outbox_t *self)
{
	self->open = false;
}
bool outbox_is_open (const outbox_t *self)
{
	return self->open;
}

void outbox_set_incarnation (outbox_t *self, uint64_t incarnation, uint64_t boot_nonce, mono_t started)
{
	self->last = self->last_durable = started;
	self->committed = 0;
	publisher_set_incarnation (self->publisher, incarnation, boot_nonce, started);
}

void outbox_skip (outbox_t *self, uint64_t newest)
{
	uint64_t used = publisher_newest_durable (self->publisher);
	if (newest > used)
		publisher_skip_durable (self->publisher, newest - used);
	if (newest > self->committed)
		self->committed = newest;
}

void outbox_set_keyring (outbox_t *self, keyring_t *keyring)
{
	publisher_set_keyring (self->publisher, keyring);
}

int outbox_send (
        outbox_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now, err_t *err)
{
	static const publisher_note_t none;
	if (!note)
		note = &none;
	const event_type_t *type = event_type_of (event);
	if (!type) {
		self->counters.refused++;
		return error_set (err, -EINVAL, "an event without a payload");
	}
	Belfry__V1__Severity severity = event_payload_severity (event);
	if (!severity)
		severity = note->severity ? note->severity : BELFRY__V1__SEVERITY__SEVERITY_INFO;
	switch (event_delivery_class (type, severity, note->changed)) {
	case BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE:;
		/* What is wrong is said to its sender now, not when it can no longer be helped. */
		int r = event_validate_payload (event, err);
		if (!r)
			r = hold_put (self->hold, event, note, now);
		if (r < 0) {
			self->counters.refused++;
			return r;
		}
		self->counters.dropped = hold_dropped (self->hold) + self->lost;
		if (r == HOLD_E_DROPPED)
			return OUTBOX_E_DROPPED;
		self->counters.held++;
		return 0;
	case BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND:
		if (self->open &&
		        demand_wanted (self->demand, type->channel, event_topic_class (type, severity)))
			return send_now (self, event, note, now, err);
		break;
	default:
		if (self->open)
			return send_now (self, event, note, now, err);
	}
	self->counters.unheard++;
	return OUTBOX_E_UNHEARD;
}

/* Numbering. */

typedef struct {
	outbox_t *outbox;
	outbox_put_fn *put;
	void *arg;
	bool enough;
} numbering_t;

static int number_one (void *arg, Belfry__V1__Event *event, const publisher_note_t *note,
        spool_priority_t priority, moment_t when)
{
	numbering_t *at = arg;
	outbox_t *self = at->outbox;
	publisher_composed_t composed;
	if (at->enough)
		return 1;
	mono_t last = self->last_durable;
	order (&self->last_durable, &when);
	if (publisher_compose (self->publisher, event, note, when, &composed, NULL)) {
		/* It validated when it was held: too large, then. It is dropped, and has no number. */
		self->counters.refused++;
		self->last_durable = last;
		return 0;
	}
	const spool_item_t item = { .incarnation = publisher_incarnation (self->publisher),
		.boot_nonce = publisher_boot_nonce (self->publisher),
		.sequence = composed.sequence,
		.priority = priority,
		.time_ns = (uint64_t) when.wall.ns,
		.topic = composed.topic,
		.event = composed.event };
	int r = at->put (at->arg, &item);
	at->enough = r != 0;
	if (r < 0)
		self->lost++;
	return 0;
}

size_t outbox_number (outbox_t *self, size_t max, outbox_put_fn *put, void *arg)
{
	numbering_t at = { self, put, arg, false };
	/* What was dropped has places before what comes next: the spool finds and names the hole. */
	uint64_t dropped = hold_dropped (self->hold) - self->told;
	if (hold_count (self->hold) && dropped) {
		publisher_skip_durable (self->publisher, dropped);
		self->told += dropped;
	}
	size_t n = hold_take (self->hold, max, number_one, &at);
	self->counters.dropped = hold_dropped (self->hold) + self->lost;
	return n;
}

void outbox_emit (outbox_t *self, const spool_item_t *item)
{
	if (item->incarnation != publisher_incarnation (self->publisher))
		return;
	self->committed = item->sequence;
	if (!self->open)
		return;
	if (publisher_emit (self->publisher, item->topic, item->event, NULL))
		self->counters.refused++;
	else
		self->counters.sent++;
}

int outbox_seal (
        outbox_t *self, const spool_item_t *item, span_t *ret_topic, span_t *ret_envelope, err_t *err)
{
	publisher_composed_t composed = { item->sequence, item->topic, item->event };
	const publisher_gap_t gap = { item->incarnation, item->boot_nonce, item->first, item->last,
		item->count, item->reason, item->time_ns };
	int r = item->reason ? publisher_compose_gap (self->publisher, &gap, &composed, err) : 0;
	if (!r)
		r = publisher_envelope (self->publisher, composed.topic, composed.event, ret_envelope, err);
	if (!r)
		*ret_topic = composed.topic;
	return r;
}

uint64_t outbox_committed (const outbox_t *self)
{
	return self->committed;
}
const outbox_counters_t *outbox_counters (const outbox_t *self)
{
	return &self->counters;
}
const hold_t *outbox_hold (const outbox_t *self)
{
	return self->hold;
}
const publisher_t *outbox_publisher (const outbox_t *self)
{
	return self->publisher;
}
