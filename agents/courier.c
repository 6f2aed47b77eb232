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
		self->newest = self->acknowledged = 0;
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
		self->acknowledged = 0;
		self->newest = 0;
		self->timed_sequence = 0;
	}
	if (!waiting (self))
		self->due = mono_add (now, patience (self));
	if (sequence > self->newest)
		self->newest = sequence;
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
	bool forward = !present || newest > self->acknowledged;
	if (present && newest > self->acknowledged)
		self->acknowledged = newest < self->newest ? newest : self->newest;
	if (self->under_way) {
		if (incarnation == self->sent_incarnation && newest >= self->sent_sequence) {
			/* All of it arrived: what is behind it goes at once. */
			self->under_way = false;
			self->backoff_ns = 0;
			self->due = now;
		} else if (forward) {
			self->backoff_ns = 0;
			self->due = mono_add (now, patience (self));
		}
	} else if (forward) {
		/* What is newer is on its way still. */
		self->backoff_ns = 0;
		self->due = mono_add (now, patience (self));
	}
}

void courier_older (courier_t *self, bool older, mono_t now)
{
	if (older && !self->older && !self->under_way)
		self->due = now;
	self->older = older;
}

bool courier_step (courier_t *self, mono_t now, size_t *ret_events, size_t *ret_bytes)
{
	if (!self->welcomed || self->reading || !waiting (self) || mono_since (now, self->due) < 0)
		return false;
	if (self->under_way) {
		/* Not acknowledged in time: the same again, later and later. */
		int64_t next = 2 * patience (self);
		self->backoff_ns = next < COURIER_BACKOFF_MAX_NS ? next : COURIER_BACKOFF_MAX_NS;
		self->under_way = false;
	}
	self->timed_sequence = 0;
	self->reading = true;
	*ret_events = self->credit_events;
	*ret_bytes = self->credit_bytes;
	return true;
}

void courier_read (courier_t *self, size_t n, uint64_t incarnation, uint64_t sequence, mono_t now)
{
	self->reading = false;
	self->due = mono_add (now, patience (self));
	self->under_way = n > 0;
	if (n == 0)
		return;
	self->sent_incarnation = incarnation;
	self->sent_sequence = sequence;
	self->resends++;
	self->resent += n;
}
