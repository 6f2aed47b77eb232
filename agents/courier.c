#include "agents/courier.h"

void courier_init (courier_t *self)
{
	*self = (courier_t){ .credit_events = COURIER_EVENTS_MAX, .credit_bytes = COURIER_BYTES_MAX };
}

static bool waiting (const courier_t *self)
{
	return self->older || self->acknowledged < self->newest;
}

static int64_t patience (const courier_t *self)
{
	if (self->backoff_ns)
		return self->backoff_ns;
	int64_t four = 4 * self->smoothed_ns;
	return four > COURIER_PATIENCE_NS ? four < COURIER_BACKOFF_MAX_NS ? four : COURIER_BACKOFF_MAX_NS
	                                  : COURIER_PATIENCE_NS;
}

static void credit_take (courier_t *self, uint32_t events, uint32_t bytes)
{
	/* None named is a collector that leaves it to us. */
	self->credit_events = events && events < COURIER_EVENTS_MAX ? events : COURIER_EVENTS_MAX;
	self->credit_bytes = bytes && bytes < COURIER_BYTES_MAX ? bytes : COURIER_BYTES_MAX;
}

void courier_welcomed (courier_t *self, uint64_t incarnation, uint64_t newest, bool older,
        uint32_t credit_events, uint32_t credit_bytes, mono_t now)
{
	bool again = self->welcomed && self->incarnation == incarnation;
	if (self->incarnation != incarnation)
		self->newest = self->acknowledged = self->behind = 0;
	self->incarnation = incarnation;
	/* Less than before: another collector under this name, or one that lost its memory. */
	self->acknowledged = newest;
	if (self->newest < newest)
		self->newest = newest;
	self->older = older;
	credit_take (self, credit_events, credit_bytes);
	if (again)
		return;
	self->welcomed = true;
	self->behind = self->newest;
	self->under_way = false;
	self->timed_sequence = 0;
	self->backoff_ns = 0;
	self->due = now;
}

void courier_lost (courier_t *self)
{
	self->welcomed = self->under_way = false;
	self->timed_sequence = 0;
}

void courier_committed (courier_t *self, uint64_t incarnation, uint64_t sequence, bool sent, mono_t now)
{
	if (self->incarnation != incarnation) {
		self->incarnation = incarnation;
		self->newest = self->acknowledged = self->behind = 0;
		courier_lost (self); /* its welcome was for the one before */
	}
	if (!waiting (self))
		self->due = mono_add (now, patience (self));
	if (sequence > self->newest)
		self->newest = sequence;
	if (!sent)
		self->behind = self->newest;
	if (sent && self->welcomed && !self->timed_sequence && !self->under_way) {
		self->timed_sequence = sequence;
		self->timed_at = now;
	}
}

void courier_acknowledged (courier_t *self, uint64_t incarnation, uint64_t newest, uint32_t credit_events,
        uint32_t credit_bytes, mono_t now)
{
	self->acknowledgements++;
	credit_take (self, credit_events, credit_bytes);
	bool present = incarnation == self->incarnation;
	if (present && self->timed_sequence && newest >= self->timed_sequence) {
		int64_t took = mono_since (now, self->timed_at);
		self->smoothed_ns = self->smoothed_ns ? (7 * self->smoothed_ns + took) / 8 : took;
		self->timed_sequence = 0;
	}
	bool forward = present && newest > self->acknowledged;
	if (forward)
		self->acknowledged = newest < self->newest ? newest : self->newest;
	bool sent = self->under_way && incarnation == self->sent_incarnation,
	     whole = sent && newest >= self->sent_sequence;
	if (sent && newest > self->sent_acknowledged) {
		self->sent_acknowledged = newest;
		forward = true;
	}
	if (!whole && !forward)
		return;
	if (whole)
		self->under_way = false;
	self->backoff_ns = 0;
	/* All of it arrived: what is behind it goes at once, unless it is on its way by the stream. */
	bool more = whole && (self->older || self->acknowledged < self->behind);
	self->due = more ? now : mono_add (now, patience (self));
}

void courier_older (courier_t *self, bool older, mono_t now)
{
	if (older && !self->older && !self->under_way)
		self->due = now;
	self->older = older;
}

/* Later and later. */
static void back_off (courier_t *self)
{
	int64_t next = 2 * patience (self);
	self->backoff_ns = next < COURIER_BACKOFF_MAX_NS ? next : COURIER_BACKOFF_MAX_NS;
}

bool courier_step (courier_t *self, mono_t now, size_t *ret_events, size_t *ret_bytes)
{
	if (!courier_waits (self) || self->reading || mono_since (now, self->due) < 0)
		return false;
	if (self->under_way)
		back_off (self);
	else if (!self->older && self->acknowledged >= self->behind)
		self->behind = self->newest; /* it was sent, and is lost */
	self->under_way = false;
	self->timed_sequence = 0;
	self->reading = true;
	*ret_events = self->credit_events;
	*ret_bytes = self->credit_bytes;
	/* Not what was sent a moment ago: of older incarnations nobody here knows how many wait. */
	uint64_t behind = self->behind > self->acknowledged ? self->behind - self->acknowledged : 0;
	if (!self->older && behind && behind < *ret_events)
		*ret_events = (size_t) behind;
	return true;
}

void courier_read (courier_t *self, courier_outcome_t outcome, size_t n, uint64_t incarnation,
        uint64_t sequence, mono_t now)
{
	self->reading = false;
	self->due = mono_add (now, patience (self));
	switch (outcome) {
	case COURIER_SENT:
		self->under_way = true;
		self->sent_incarnation = incarnation;
		self->sent_sequence = sequence;
		self->sent_acknowledged = 0;
		self->resends++;
		self->resent += n;
		break;
	case COURIER_NOTHING:
		self->older = false;
		self->acknowledged = self->newest;
		self->backoff_ns = 0;
		break;
	case COURIER_FAILED:
		back_off (self);
		break;
	}
}

bool courier_waits (const courier_t *self)
{
	return self->welcomed && waiting (self);
}
