#include "agents/outbox.h"

#include <errno.h>
#include <stdlib.h>

#include "wire/validate.h"

struct outbox {
	publisher_t *publisher;
	hold_t *hold;
	const demand_t *demand;
	bool open;
	mono_t last;   /* of the newest event; the incarnation's beginning before the first */
	uint64_t told; /* of the hold's drops, how many a gap event has said */
	outbox_counters_t counters;
};

int outbox_new (const publisher_options_t *options, const demand_t *demand, publisher_emit_fn *emit,
        void *arg, outbox_t **ret, err_t *err)
{
	outbox_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->demand = demand;
	self->last = options->started;
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

static int seal (
        outbox_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t when, err_t *err)
{
	/* Newer is the greater monotonic_ns: no two events have the same, and what was held since before
	 * this incarnation comes first, not before its beginning. */
	if (mono_since (when.mono, self->last) <= 0)
		when.mono = mono_add (self->last, 1);
	self->last = when.mono;
	int r = publisher_send (self->publisher, event, note, when, err);
	if (r)
		self->counters.refused++;
	else
		self->counters.sent++;
	return r;
}

static void release (void *arg, Belfry__V1__Event *event, const publisher_note_t *note, moment_t when)
{
	(void) seal (arg, event, note, when, NULL);
}

/* What was dropped before it had a sequence is given one now, so that what is missing can be named. */
static void gap_say (outbox_t *self, moment_t now)
{
	uint64_t dropped = hold_dropped (self->hold) - self->told;
	if (dropped == 0)
		return;
	static char details[] = "dropped from memory while no collector heard this node";
	Belfry__V1__Gap gap = BELFRY__V1__GAP__INIT;
	gap.first = publisher_newest_durable (self->publisher) + 1;
	gap.last = gap.first + dropped - 1;
	gap.reason = BELFRY__V1__GAP_REASON__GAP_REASON_MEMORY;
	gap.count = dropped;
	gap.details = details;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_GAP;
	event.gap = &gap;
	publisher_skip_durable (self->publisher, dropped);
	if (seal (self, &event, &(publisher_note_t){ .severity = BELFRY__V1__SEVERITY__SEVERITY_WARNING },
	            now, NULL) == 0)
		self->told += dropped;
}

void outbox_open (outbox_t *self, moment_t now)
{
	if (self->open)
		return;
	self->open = true;
	gap_say (self, now);
	hold_release (self->hold, release, self);
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
	self->last = started;
	publisher_set_incarnation (self->publisher, incarnation, boot_nonce, started);
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
	case BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE:
		if (self->open)
			return seal (self, event, note, now, err);
		/* What is wrong is said to its sender now, not when it can no longer be helped. */
		int r = event_validate_payload (event, err);
		if (!r)
			r = hold_put (self->hold, event, note, now);
		if (r < 0) {
			self->counters.refused++;
			return r;
		}
		self->counters.dropped = hold_dropped (self->hold);
		if (r == HOLD_E_DROPPED)
			return OUTBOX_E_DROPPED;
		self->counters.held++;
		return 0;
	case BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND:
		if (self->open &&
		        demand_wanted (self->demand, type->channel, event_topic_class (type, severity)))
			return seal (self, event, note, now, err);
		break;
	default:
		if (self->open)
			return seal (self, event, note, now, err);
	}
	self->counters.unheard++;
	return OUTBOX_E_UNHEARD;
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
