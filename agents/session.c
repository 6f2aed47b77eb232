#include "agents/session.h"

#include <stdio.h>
#include <string.h>

#include "wire/topic.h"

enum { HELLOS_LOST = 2 };

void session_init (session_t *self, uint64_t first_id, mono_t now)
{
	*self = (session_t){ .next_id = first_id | 1, .backoff_ns = SESSION_HELLO_FIRST_NS };
	session_greet (self, now);
	self->report_at = self->reported_at = self->heard_at = self->welcomed_at = now;
}

void session_greet (session_t *self, mono_t now)
{
	self->hello_at = now;
	self->backoff_ns = SESSION_HELLO_FIRST_NS;
}

uint64_t session_id (session_t *self)
{
	uint64_t id = self->next_id++;
	return id ? id : self->next_id++;
}

static bool due (mono_t at, mono_t now)
{
	return mono_since (now, at) >= 0;
}

/* The open Hello passed its deadline. */
static unsigned deadline_pass (session_t *self)
{
	self->hello_id = 0;
	if (++self->unanswered < HELLOS_LOST || !self->welcomed)
		return 0;
	self->welcomed = false;
	self->has_roster = false;
	return SESSION_LOST;
}

unsigned session_step (session_t *self, bool changed, mono_t now)
{
	unsigned out = 0;
	if (self->hello_id && due (self->hello_deadline, now))
		out |= deadline_pass (self);
	if (due (self->hello_at, now)) {
		/* One that goes again before its deadline keeps its id: a slow answer still counts. */
		if (!self->hello_id) {
			self->hello_id = session_id (self);
			self->hello_deadline = mono_add (now, SESSION_DEADLINE_MS * NS_PER_MS);
		}
		self->hello_at = mono_add (now, self->backoff_ns);
		self->backoff_ns = self->backoff_ns * 2 < SESSION_HELLO_MAX_NS ? self->backoff_ns * 2
		                                                               : SESSION_HELLO_MAX_NS;
		out |= SESSION_SEND_HELLO;
	}
	self->changed = self->changed || changed;
	bool soon = self->changed && mono_since (now, self->reported_at) >= SESSION_REPORT_MIN_NS;
	if (self->welcomed && (soon || due (self->report_at, now))) {
		self->changed = false;
		self->reported_at = now;
		self->report_at = mono_add (now, SESSION_REPORT_NS);
		out |= SESSION_SEND_REPORT;
	}
	return out;
}

mono_t session_next (const session_t *self)
{
	mono_t next = self->hello_at;
	if (self->hello_id && self->hello_deadline.ns < next.ns)
		next = self->hello_deadline;
	if (self->welcomed && self->report_at.ns < next.ns)
		next = self->report_at;
	return next;
}

static void answered (session_t *self, mono_t now)
{
	self->hello_id = 0;
	self->unanswered = 0;
	if (mono_since (now, self->welcomed_at) > SESSION_SETTLED_NS)
		self->superseded = 0;
	self->backoff_ns = SESSION_HELLO_FIRST_NS;
	self->hello_at = mono_add (now, SESSION_QUIET_NS);
}

static session_meaning_t welcome_take (session_t *self, const Belfry__V1__Control *control,
        const char *cluster, uint64_t incarnation, mono_t now)
{
	const Belfry__V1__Welcome *welcome = control->welcome;
	if (!self->hello_id || control->id != self->hello_id)
		return SESSION_STALE;
	if (strcmp (welcome->cluster, cluster) != 0 ||
	        !topic_name_valid (span_str (welcome->collector), TOPIC_NODE_MAX))
		return SESSION_WRONG;
	if (!welcome->accepted) {
		if (welcome->next_incarnation == 0 || welcome->next_incarnation == UINT64_MAX)
			return SESSION_WRONG;
		/* Said about a number we have left already: the Hello with the new one is on its way. */
		if (welcome->next_incarnation <= incarnation)
			return SESSION_STALE;
		self->hello_id = 0;
		self->unanswered = 0;
		self->welcomed = false;
		/* Two programs under one name would push each other on for ever: not faster and faster. */
		self->hello_at = self->superseded++ < 2 ? now : mono_add (now, self->backoff_ns);
		return SESSION_SUPERSEDED;
	}
	if (welcome->incarnation != incarnation)
		return SESSION_STALE;
	answered (self, now);
	snprintf (self->collector, sizeof self->collector, "%s", welcome->collector);
	if (!self->welcomed)
		self->report_at = self->welcomed_at = now;
	self->welcomed = true;
	/* A collector that began again begins its rosters again. */
	self->has_roster = false;
	return SESSION_WELCOMED;
}

static session_meaning_t roster_take (session_t *self, const Belfry__V1__Roster *roster)
{
	if (!self->welcomed)
		return SESSION_STALE;
	if (self->has_roster && roster->generation < self->roster_generation)
		return SESSION_STALE;
	if (roster->n_targets > SESSION_TARGETS_MAX)
		return SESSION_WRONG;
	for (size_t i = 0; i < roster->n_targets; i++) {
		const Belfry__V1__Roster__Target *t = roster->targets[i];
		if (!topic_name_valid (span_str (t->node), TOPIC_NODE_MAX) ||
		        (t->probe_key.len && t->probe_key.len != 32))
			return SESSION_WRONG;
	}
	self->has_roster = true;
	self->roster_generation = roster->generation;
	return SESSION_ROSTER;
}

session_meaning_t session_take (session_t *self, const Belfry__V1__Control *control, const char *cluster,
        uint64_t incarnation, mono_t now)
{
	self->heard_at = now;
	/* Any word of a collector that knows us is as good as a Welcome for asking again later. */
	if (self->welcomed && !self->hello_id && mono_since (self->hello_at, now) > 0 &&
	        self->backoff_ns == SESSION_HELLO_FIRST_NS)
		self->hello_at = mono_add (now, SESSION_QUIET_NS);
	switch (control->body_case) {
	case BELFRY__V1__CONTROL__BODY_WELCOME:
		return welcome_take (self, control, cluster, incarnation, now);
	case BELFRY__V1__CONTROL__BODY_ROSTER:
		return roster_take (self, control->roster);
	case BELFRY__V1__CONTROL__BODY_ACK:
		return self->welcomed ? SESSION_ACKNOWLEDGED : SESSION_STALE;
	case BELFRY__V1__CONTROL__BODY_COMMAND:
		return self->welcomed ? SESSION_COMMAND : SESSION_STALE;
	case BELFRY__V1__CONTROL__BODY_REFUSED: {
		int64_t wait = (int64_t) control->refused->retry_after_ms * NS_PER_MS;
		if (control->id && control->id == self->hello_id) {
			self->hello_id = 0;
			self->unanswered = 0;
		}
		self->welcomed = false;
		if (wait > self->backoff_ns && wait <= 10 * SESSION_HELLO_MAX_NS)
			self->hello_at = mono_add (now, wait);
		else
			self->hello_at = mono_add (now, self->backoff_ns);
		return SESSION_REFUSED;
	}
	default:
		return SESSION_WRONG;
	}
}
