/* Who is connected to the collector's control and outlet, and what they say there. */

#include <inttypes.h>
#include <stdlib.h>

#include "collector_internal.h"
#include "hostile.h"
#include "wire/control.h"

void collector_subscribe (conn_t *conn, char first, const char *prefix)
{
	char bytes[TOPIC_SIZE_MAX + 2];
	size_t size = strlen (prefix);
	bytes[0] = first;
	memcpy (bytes + 1, prefix, size);
	span_t part = span_of (bytes, size + 1);
	conn_send (conn, NET_TO_CLIENT, &part, 1);
}

/* Peers. */

static peer_conn_t *peer_find (peer_conn_t *const *peers, size_t n, const conn_t *conn)
{
	for (size_t i = 0; i < n; i++) {
		if (peers[i]->conn == conn)
			return peers[i];
	}
	return NULL;
}

static void peer_add (collector_t *self, peer_conn_t **peers, size_t *n, conn_t *conn)
{
	peer_conn_t *peer = sim_alloc (sizeof *peer);
	uint64_t number = ++self->identities;
	peer->conn = conn;
	for (size_t i = 1; i < IDENTITY_SIZE; i++)
		peer->identity[i] = (uint8_t) (number >> (8 * (i - 1)));
	peers[(*n)++] = peer;
}

static void peer_remove (peer_conn_t **peers, size_t *n, const conn_t *conn)
{
	for (size_t i = 0; i < *n; i++) {
		if (peers[i]->conn == conn) {
			free (peers[i]);
			peers[i] = peers[--*n];
			return;
		}
	}
}

/* Control. */

/* A Hello or a Resend that nobody forged, or NULL: the collector is to see the same. The caller frees it. */
static Belfry__V1__Control *genuine_of (const collector_t *self, span_t bytes)
{
	Belfry__V1__Control *control = NULL;
	bool is_signed;
	if (control_unpack (bytes.data, bytes.size, NULL, &control, &is_signed))
		return NULL;
	bool looked_at = control->body_case == BELFRY__V1__CONTROL__BODY_HELLO ||
	                 control->body_case == BELFRY__V1__CONTROL__BODY_RESEND;
	if (looked_at && control_verify (bytes.data, bytes.size, CONTROL_TO_COLLECTOR, self->world->keyring,
	                         control->key_epoch, span_str (control->node)) == REFUSAL_NONE)
		return control;
	belfry__v1__control__free_unpacked (control, NULL);
	return NULL;
}

static void on_control (void *context, conn_t *conn, int descriptor, const span_t *parts, size_t n)
{
	collector_t *self = context;
	(void) descriptor;
	(void) n;
	const peer_conn_t *peer = peer_find (self->controls, self->n_controls, conn);
	uint8_t gone[IDENTITY_SIZE] = { 0xff };
	span_t identity = span_of (peer ? peer->identity : gone, IDENTITY_SIZE);
	Belfry__V1__Control *genuine = genuine_of (self, parts[0]);
	bool is_hello = genuine && genuine->body_case == BELFRY__V1__CONTROL__BODY_HELLO;
	if (self->world->hostile)
		hostile_saw_control (self->world->hostile, parts[0]);
	self->hello = is_hello;
	/* Before it is answered: its Acks may follow at once. */
	if (genuine && !is_hello &&
	        model_welcomed (self->model, ledger_node (self->world->ledger, genuine->node)))
		model_resent (self->model, ledger_node (self->world->ledger, genuine->node), genuine->resend,
		        now_of (self).mono);
	self->hello_answered = false;
	core_control (
	        self->core, &(core_peer_t){ .identity = identity, .name = "" }, parts[0], now_of (self));
	self->hello = false;
	core_flush (self->core, now_of (self));
	if (is_hello && !self->hello_answered)
		sim_fail (self->world->sim, "every Hello is answered", "%s got no Welcome", genuine->node);
	else if (is_hello)
		model_hello (self->model, ledger_node (self->world->ledger, genuine->node), genuine->hello,
		        self->hello_accepted, self->hello_next);
	belfry__v1__control__free_unpacked (genuine, NULL);
}

static void on_control_opened (void *context, conn_t *conn)
{
	collector_t *self = context;
	peer_add (self, self->controls, &self->n_controls, conn);
}

static void on_control_closed (void *context, conn_t *conn, int descriptor)
{
	collector_t *self = context;
	(void) descriptor;
	peer_remove (self->controls, &self->n_controls, conn);
}

end_t collector_control_end (collector_t *self)
{
	return (end_t){ self, on_control_opened, on_control_closed, on_control };
}

/* The outlet. */

static void want (collector_t *self, const char *prefix, bool on)
{
	if (!prefixed (span_str (prefix), "diagnostics/") && !prefixed (span_str (prefix), "logging/debug/"))
		return;
	size_t at = 0;
	while (at < self->n_wanted && strcmp (self->wanted[at], prefix) != 0)
		at++;
	if (on == (at < self->n_wanted) || (on && at == PREFIXES_MAX))
		return;
	for (size_t i = 0; i < self->n_streams; i++)
		collector_subscribe (self->streams[i], on, prefix);
	if (on)
		memcpy (self->wanted[self->n_wanted++], prefix, strlen (prefix) + 1);
	else
		memcpy (self->wanted[at], self->wanted[--self->n_wanted], sizeof self->wanted[0]);
}

static void peer_subscribe (collector_t *self, peer_conn_t *peer, const char *prefix, bool on)
{
	size_t at = 0;
	while (at < peer->n && strcmp (peer->subscriptions[at], prefix) != 0)
		at++;
	if (on == (at < peer->n) || (on && at == PREFIXES_MAX))
		return;
	if (on)
		memcpy (peer->subscriptions[peer->n++], prefix, strlen (prefix) + 1);
	else
		memmove (peer->subscriptions[at], peer->subscriptions[--peer->n],
		        sizeof peer->subscriptions[0]);
	want (self, prefix, on);
}

static void on_outlet (void *context, conn_t *conn, int descriptor, const span_t *parts, size_t n)
{
	collector_t *self = context;
	(void) descriptor;
	(void) n;
	peer_conn_t *peer = peer_find (self->outlets, self->n_outlets, conn);
	const char *bytes = parts[0].data;
	char prefix[TOPIC_SIZE_MAX + 1];
	if (!peer || parts[0].size == 0 || parts[0].size > TOPIC_SIZE_MAX)
		return;
	memcpy (prefix, bytes + 1, parts[0].size - 1);
	prefix[parts[0].size - 1] = '\0';
	peer_subscribe (self, peer, prefix, bytes[0] == 1);
}

static void on_outlet_opened (void *context, conn_t *conn)
{
	collector_t *self = context;
	peer_add (self, self->outlets, &self->n_outlets, conn);
}

static void on_outlet_closed (void *context, conn_t *conn, int descriptor)
{
	collector_t *self = context;
	(void) descriptor;
	peer_conn_t *peer = peer_find (self->outlets, self->n_outlets, conn);
	for (size_t i = 0; peer && i < peer->n; i++)
		want (self, peer->subscriptions[i], false);
	peer_remove (self->outlets, &self->n_outlets, conn);
}

end_t collector_outlet_end (collector_t *self)
{
	return (end_t){ self, on_outlet_opened, on_outlet_closed, on_outlet };
}
