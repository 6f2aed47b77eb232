#include "collector/links.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sodium.h>

#include "base/log.h"
#include "collector/roster.h"
#include "conf/value.h"
#include "wire/control.h"

#define ROSTER_NS (10 * NS_PER_S)
enum { IDENTITY_MAX = 64, TARGETS_MAX = 256 };

/* Of a node, by its index. */
typedef struct {
	uint8_t identity[IDENTITY_MAX]; /* the connection of its newest word */
	uint8_t identity_size;
	bool address_good;
	mono_t roster_due;
} link_state_t;

struct links {
	view_t *view;
	keyring_t *keyring;
	const core_port_t *port;
	roster_t *roster;
	link_state_t *states;
	uint32_t n;
	char name[sizeof "collector." + TOPIC_NODE_MAX];
};

int links_new (view_t *view, keyring_t *keyring, const core_port_t *port, links_t **ret)
{
	links_t *self = calloc (1, sizeof *self);
	if (!self || roster_new (&self->roster)) {
		free (self);
		return -ENOMEM;
	}
	self->view = view;
	self->keyring = keyring;
	self->port = port;
	snprintf (self->name, sizeof self->name, "collector.%s", view->name);
	*ret = self;
	return 0;
}

void links_destroy (links_t **self_p)
{
	links_t *self = *self_p;
	if (!self)
		return;
	roster_destroy (&self->roster);
	free (self->states);
	free (self);
	*self_p = NULL;
}

void links_set_keyring (links_t *self, keyring_t *keyring)
{
	self->keyring = keyring;
}

static int state_of (links_t *self, const node_t *node, link_state_t **ret)
{
	if (node->index >= self->n) {
		uint32_t n = nodes_count (self->view->nodes) * 2;
		link_state_t *grown = realloc (self->states, n * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		memset (grown + self->n, 0, (n - self->n) * sizeof *grown);
		self->states = grown;
		self->n = n;
	}
	*ret = &self->states[node->index];
	return 0;
}

int links_note (links_t *self, const node_t *node, span_t peer)
{
	link_state_t *state;
	if (state_of (self, node, &state))
		return -ENOMEM;
	/* Whoever replays a word of its has the connection only until its next one. */
	if (peer.size <= IDENTITY_MAX) {
		memcpy (state->identity, peer.data, peer.size);
		state->identity_size = (uint8_t) peer.size;
	}
	return 0;
}

/* An address that nobody can mean: not tcp, a wildcard, or one that another node uses. */
static const char *address_fault (const links_t *self, const node_t *node, const char *address)
{
	endpoint_t endpoint;
	if (value_endpoint (address, 0, &endpoint, NULL) || endpoint.kind != ENDPOINT_TCP)
		return "it is no tcp://HOST:PORT";
	if (strlen (address) > NODE_ADDRESS_MAX)
		return "it is too long";
	if (strcmp (endpoint.host, "0.0.0.0") == 0 || strcmp (endpoint.host, "::") == 0 ||
	        strcmp (endpoint.host, "*") == 0)
		return "a wildcard is nobody's address; set peer_advertise";
	for (uint32_t i = 0; i < nodes_count (self->view->nodes); i++) {
		const node_t *other = nodes_at (self->view->nodes, i);
		if (other != node && cluster_speaks (other) && strcmp (other->peer_address, address) == 0)
			return "another node has it";
	}
	return NULL;
}

void links_address (links_t *self, node_t *node, const char *address, moment_t now)
{
	link_state_t *state;
	if (state_of (self, node, &state))
		return;
	const char *fault = address[0] ? address_fault (self, node, address) : NULL;
	if (fault && strncmp (node->peer_address, address, NODE_ADDRESS_MAX) != 0) {
		char text[ERROR_TEXT_MAX];
		snprintf (text, sizeof text,
		        "node '%s' names the peer address '%.128s': %s; nobody probes it", node->name,
		        address, fault);
		self->port->say (self->port->arg, LOG_LEVEL_WARNING, text);
	}
	state->roster_due = now.mono;
	state->address_good = address[0] && !fault;
	snprintf (node->peer_address, sizeof node->peer_address, "%s", address);
}

void links_member (links_t *self, const node_t *node)
{
	link_state_t *state;
	if (state_of (self, node, &state))
		return;
	bool target = state->address_good && !cluster_left (node);
	bool prober = state->address_good && state->identity_size && cluster_speaks (node);
	roster_set (self->roster, node->index, roster_hash (node->name), target, prober);
}

int links_send (links_t *self, span_t peer, const char *node, Belfry__V1__Control *control)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	int r = control_pack (control, CONTROL_TO_AGENT, node ? self->keyring : NULL, node, &bytes, &size);
	if (r)
		return r;
	self->port->control (self->port->arg, peer, span_of (bytes, size));
	free (bytes);
	return 0;
}

void links_acknowledge (
        links_t *self, const node_t *node, uint64_t incarnation, uint64_t newest, bool foreign)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Ack ack = BELFRY__V1__ACK__INIT;
	link_state_t *state;
	/* One that said no Hello to this run of the collector will. */
	if (state_of (self, node, &state) || !state->identity_size)
		return;
	ack.incarnation = incarnation;
	ack.newest_durable = newest;
	ack.credit_events = LINKS_CREDIT_EVENTS;
	ack.credit_bytes = LINKS_CREDIT_BYTES;
	ack.foreign = foreign;
	control.node = self->name;
	control.body_case = BELFRY__V1__CONTROL__BODY_ACK;
	control.ack = &ack;
	links_send (self, span_of (state->identity, state->identity_size), node->name, &control);
}

/* Rosters. */

static void roster_send (links_t *self, const node_t *node, const link_state_t *state)
{
	uint32_t indices[TARGETS_MAX];
	Belfry__V1__Roster__Target targets[TARGETS_MAX], *targets_p[TARGETS_MAX];
	uint8_t keys[TARGETS_MAX][MAC_KEY_SIZE];
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Roster roster = BELFRY__V1__ROSTER__INIT;
	size_t n = roster_targets (self->roster, node->index, indices, TARGETS_MAX);
	for (size_t i = 0; i < n && i < TARGETS_MAX; i++) {
		node_t *target = nodes_at (self->view->nodes, indices[i]);
		Belfry__V1__Roster__Target *out = &targets[roster.n_targets];
		belfry__v1__roster__target__init (out);
		out->node = target->name;
		out->address = target->peer_address;
		if (self->keyring) {
			span_t name = span_of (target->name, target->name_size);
			if (keyring_probe_key (self->keyring, keyring_active_epoch (self->keyring, name),
			            name, span_of (node->name, node->name_size), keys[i]))
				continue;
			out->probe_key = (ProtobufCBinaryData){ MAC_KEY_SIZE, keys[i] };
		}
		targets_p[roster.n_targets++] = out;
	}
	roster.generation = roster_generation (self->roster);
	roster.targets = targets_p;
	control.node = self->name;
	control.body_case = BELFRY__V1__CONTROL__BODY_ROSTER;
	control.roster = &roster;
	links_send (self, span_of (state->identity, state->identity_size), node->name, &control);
	sodium_memzero (keys, sizeof keys);
}

void links_tick (links_t *self, moment_t now)
{
	uint32_t n = nodes_count (self->view->nodes);
	for (uint32_t i = 0; i < n && i < self->n; i++) {
		link_state_t *state = &self->states[i];
		if (!state->identity_size)
			continue;
		if (!roster_changed (self->roster, i) && now.mono.ns < state->roster_due.ns)
			continue;
		node_t *node = nodes_at (self->view->nodes, i);
		state->roster_due = mono_add (now.mono, ROSTER_NS);
		if (cluster_speaks (node))
			roster_send (self, node, state);
	}
}
