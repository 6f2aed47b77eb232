#include "agents/talk.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/borrow.h"
#include "base/log.h"
#include "wire/arena.h"
#include "wire/control.h"

enum { BATCH = 16, WIRE_VERSION = 1, ARENA_FIRST = 4096, ARENA_CAP = 256 * 1024 };
/* What an unproven or repeated refusal may write into the log. */
#define SAY_NS (60 * NS_PER_S)

struct talk {
	way_t *way;
	const talk_identity_t *identity;
	talk_hooks_t hooks;
	session_t session;
	arena_t *arena;
	char *endpoint;
	mono_t said_at;
	bool said;
	talk_counters_t counters;
};

static int send_control (talk_t *self, Belfry__V1__Control *control)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	control->node = borrow (self->identity->node);
	int r = control_pack (
	        control, CONTROL_TO_COLLECTOR, self->identity->keyring, self->identity->node, &bytes, &size);
	if (!r) {
		span_t part = span_of (bytes, size);
		r = link_send (way_link (self->way), &part, 1);
		free (bytes);
	}
	if (r)
		self->counters.unsent++;
	else
		self->counters.sent++;
	return r;
}

int talk_resend (talk_t *self, Belfry__V1__Resend *resend)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	control.id = session_id (&self->session);
	control.body_case = BELFRY__V1__CONTROL__BODY_RESEND;
	control.resend = resend;
	return send_control (self, &control);
}

static void hello_send (talk_t *self)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Hello hello = BELFRY__V1__HELLO__INIT;
	const talk_identity_t *identity = self->identity;
	hello.cluster = borrow (identity->cluster);
	hello.node = borrow (identity->node);
	hello.incarnation = identity->incarnation;
	hello.boot_nonce = identity->boot_nonce;
	hello.version = borrow (BELFRY_VERSION);
	hello.wire_version = WIRE_VERSION;
	hello.peer_address = borrow (identity->peer_address);
	hello.heartbeat_interval_ns = (uint64_t) identity->heartbeat_ns;
	self->hooks.oldest (self->hooks.arg, self, &hello);
	control.id = self->session.hello_id;
	control.deadline_ms = SESSION_DEADLINE_MS;
	control.body_case = BELFRY__V1__CONTROL__BODY_HELLO;
	control.hello = &hello;
	(void) send_control (self, &control);
}

static uint64_t or_zero (int64_t ns)
{
	return ns > 0 ? (uint64_t) ns : 0;
}

static void report_send (talk_t *self, const peers_t *peers, mono_t now)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__PeerReport report = BELFRY__V1__PEER_REPORT__INIT;
	Belfry__V1__PeerObservation observations[PEERS_MAX], *pointers[PEERS_MAX];
	size_t n = peers ? peers_count (peers) : 0;
	for (size_t i = 0; i < n; i++) {
		peer_observation_t seen;
		peers_observe (peers, i, now, &seen);
		belfry__v1__peer_observation__init (&observations[i]);
		pointers[i] = &observations[i];
		observations[i].target = borrow (seen.node);
		observations[i].rtt_ns = or_zero (seen.rtt_ns);
		observations[i].age_ns = or_zero (seen.age_ns);
		observations[i].state = seen.state;
		observations[i].probes = seen.probes;
		observations[i].answers = seen.answers;
		observations[i].acknowledged_age_ns = or_zero (seen.acknowledged_age_ns);
		observations[i].unacknowledged = seen.unacknowledged;
	}
	report.n_observations = n;
	report.observations = pointers;
	control.id = session_id (&self->session);
	control.body_case = BELFRY__V1__CONTROL__BODY_PEER_REPORT;
	control.peer_report = &report;
	(void) send_control (self, &control);
}

void talk_tick (talk_t *self, const peers_t *peers, bool changed, mono_t now)
{
	unsigned out = session_step (&self->session, changed, now);
	if (out & SESSION_LOST) {
		log_warning ("control", "collector '%s' (%s) does not answer any more",
		        self->session.collector, self->endpoint);
		self->hooks.lost (self->hooks.arg, self);
	}
	if (out & SESSION_SEND_HELLO)
		hello_send (self);
	if (out & SESSION_SEND_REPORT)
		report_send (self, peers, now);
}

void talk_greet (talk_t *self, mono_t now)
{
	session_greet (&self->session, now);
}

/* At most once a minute, so that nobody can fill the log from outside. */
static bool may_say (talk_t *self, mono_t now)
{
	if (self->said && mono_since (now, self->said_at) < SAY_NS)
		return false;
	self->said = true;
	self->said_at = now;
	return true;
}

static void refused_say (talk_t *self, const Belfry__V1__Refused *refused, bool proven, mono_t now)
{
	if (may_say (self, now))
		log_warning ("control", "the collector at %s refuses%s: %.64s: %.300s", self->endpoint,
		        proven ? "" : " (unsigned)", refused->reason, refused->text);
}

static void command_answer (talk_t *self, const Belfry__V1__Control *asked)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__CommandResult result = BELFRY__V1__COMMAND_RESULT__INIT;
	self->hooks.command (self->hooks.arg, self, asked->command, &result);
	control.id = asked->id;
	control.body_case = BELFRY__V1__CONTROL__BODY_COMMAND_RESULT;
	control.command_result = &result;
	(void) send_control (self, &control);
}

static void welcome_say (const talk_t *self, bool newly)
{
	if (newly)
		log_info ("control", "collector '%s' (%s) welcomes incarnation %llu", self->session.collector,
		        self->endpoint, (unsigned long long) self->identity->incarnation);
}

static void control_take (talk_t *self, span_t bytes, mono_t now)
{
	const talk_identity_t *identity = self->identity;
	Belfry__V1__Control *control = NULL;
	bool is_signed = false;
	arena_reset (self->arena);
	if (control_unpack (bytes.data, bytes.size, arena_allocator (self->arena), &control, &is_signed)) {
		self->counters.refused++;
		return;
	}
	refusal_t reason = control_verify (bytes.data, bytes.size, CONTROL_TO_AGENT, identity->keyring,
	        control->key_epoch, span_str (identity->node));
	if (reason) {
		self->counters.refused++;
		/* A collector that cannot tell who asked cannot sign either. It is shown, and changes
		 * nothing. */
		if (reason == REFUSAL_UNSIGNED && control->body_case == BELFRY__V1__CONTROL__BODY_REFUSED)
			refused_say (self, control->refused, false, now);
		else if (may_say (self, now))
			log_warning ("control", "a message from %s is not the collector's: %s",
			        self->endpoint, refusal_help (reason));
		return;
	}
	bool before = self->session.welcomed;
	switch (session_take (&self->session, control, identity->cluster, identity->incarnation, now)) {
	case SESSION_WELCOMED:
		self->said = false;
		welcome_say (self, !before);
		self->hooks.welcomed (self->hooks.arg, self, control->welcome, !before);
		break;
	case SESSION_SUPERSEDED:
		self->hooks.superseded (self->hooks.arg, self, control->welcome->next_incarnation);
		break;
	case SESSION_ROSTER:
		self->hooks.roster (self->hooks.arg, self, control->roster, control->key_epoch);
		break;
	case SESSION_COMMAND:
		command_answer (self, control);
		break;
	case SESSION_REFUSED:
		refused_say (self, control->refused, true, now);
		break;
	case SESSION_STALE:
		self->counters.stale++;
		break;
	case SESSION_WRONG:
		self->counters.refused++;
		break;
	case SESSION_ACKNOWLEDGED:
		self->hooks.acknowledged (self->hooks.arg, self, control->ack);
		break;
	}
}

static void link_ready (void *arg, link_t *link)
{
	talk_t *self = arg;
	for (int i = 0; i < BATCH; i++) {
		frame_t frame = { 0 };
		size_t n = 0;
		int r = link_receive (link, &frame, 1, &n);
		if (r == -EMSGSIZE) {
			self->counters.received++;
			self->counters.refused++;
			continue;
		}
		if (r)
			return;
		self->counters.received++;
		control_take (self, frame_bytes (&frame), mono_now ());
		frame_close (&frame);
	}
}

int talk_new (net_context_t *context, loop_t *loop, const char *endpoint, const way_keys_t *keys,
        const talk_identity_t *identity, const talk_hooks_t *hooks, mono_t now, talk_t **ret, err_t *err)
{
	talk_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->identity = identity;
	self->hooks = *hooks;
	uint64_t first_id;
	randombytes_buf (&first_id, sizeof first_id);
	session_init (&self->session, first_id, now);
	self->endpoint = strdup (endpoint);
	int r = self->endpoint ? arena_new (ARENA_FIRST, ARENA_CAP, &self->arena) : -ENOMEM;
	if (r)
		error_set (err, r, "control %s: %s", endpoint, strerror (-r));
	else
		r = way_new (context, loop, LINK_CONTROL_CLIENT, endpoint, keys, link_ready, self, &self->way,
		        err);
	if (r) {
		talk_destroy (&self);
		return r;
	}
	*ret = self;
	return 0;
}

void talk_destroy (talk_t **self_p)
{
	talk_t *self = *self_p;
	if (!self)
		return;
	way_destroy (&self->way);
	arena_destroy (&self->arena);
	free (self->endpoint);
	free (self);
	*self_p = NULL;
}

bool talk_welcomed (const talk_t *self)
{
	return self->session.welcomed;
}
const char *talk_endpoint (const talk_t *self)
{
	return self->endpoint;
}
const talk_counters_t *talk_counters (const talk_t *self)
{
	return &self->counters;
}
