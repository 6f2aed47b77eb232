/* A frame is unpacked in a bounded arena, then its MAC is checked on the bytes received; what only agents
 * say must bear one. What an unproven name says makes nothing: nodes are made after the MAC
 * held. A Refused goes out unsigned where the asker is not proven. */

#include "collector/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sodium.h>

#include "base/borrow.h"
#include "base/log.h"
#include "collector/gate.h"
#include "collector/report.h"
#include "collector/roster.h"
#include "conf/value.h"
#include "wire/arena.h"
#include "wire/control.h"

#define ROSTER_NS (10 * NS_PER_S)
enum { IDENTITY_MAX = 64, WIRE_VERSION = 1, ARENA_CAP = 64 * 1024 * 1024, TARGETS_MAX = 256 };
/* What an agent may have under way in Resends. */
enum { CREDIT_EVENTS = 256, CREDIT_BYTES = 1024 * 1024 };

/* What the control plane knows of a node, by its index. */
typedef struct {
	uint8_t identity[IDENTITY_MAX]; /* the connection of its newest word since its Hello */
	uint8_t identity_size;
	bool address_good;
	mono_t roster_due;
} link_state_t;

struct control {
	view_t *view;
	ingest_t *ingest;
	keyring_t *keyring;
	const core_port_t *port;
	control_hooks_t hooks;
	arena_t *arena;
	roster_t *roster;
	link_state_t *links;
	uint32_t n_links;
};

/* One request under way. */
typedef struct {
	const core_peer_t *peer;
	span_t bytes;
	const Belfry__V1__Control *control;
	bool is_signed;
	bool proven; /* its MAC held, or there are no keys here */
	moment_t now;
} request_t;

int control_new (view_t *view, ingest_t *ingest, keyring_t *keyring, const core_port_t *port,
        const control_hooks_t *hooks, control_t **ret)
{
	control_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->view = view;
	self->ingest = ingest;
	self->keyring = keyring;
	self->port = port;
	self->hooks = *hooks;
	if (arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP, &self->arena) || roster_new (&self->roster)) {
		control_destroy (&self);
		return -ENOMEM;
	}
	*ret = self;
	return 0;
}

void control_destroy (control_t **self_p)
{
	control_t *self = *self_p;
	if (!self)
		return;
	arena_destroy (&self->arena);
	roster_destroy (&self->roster);
	free (self->links);
	free (self);
	*self_p = NULL;
}

void control_set_keyring (control_t *self, keyring_t *keyring)
{
	self->keyring = keyring;
}

static int link_state (control_t *self, const node_t *node, link_state_t **ret)
{
	if (node->index >= self->n_links) {
		uint32_t n = nodes_count (self->view->nodes) * 2;
		link_state_t *grown = realloc (self->links, n * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		memset (grown + self->n_links, 0, (n - self->n_links) * sizeof *grown);
		self->links = grown;
		self->n_links = n;
	}
	*ret = &self->links[node->index];
	return 0;
}

/* Answers. */

/* Signed with node's key where node is not NULL and there are keys. */
static int send_to (control_t *self, span_t peer, const char *node, Belfry__V1__Control *control)
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

static int answer (control_t *self, const request_t *request, Belfry__V1__Control *control)
{
	bool to_agent = request->proven && request->is_signed;
	char name[sizeof "collector." + TOPIC_NODE_MAX];
	snprintf (name, sizeof name, "collector.%s", self->view->name);
	control->id = request->control ? request->control->id : 0;
	control->node = name;
	return send_to (self, request->peer->identity, to_agent ? request->control->node : NULL, control);
}

static void refuse (control_t *self, const request_t *request, const char *reason, const char *text)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Refused refused = BELFRY__V1__REFUSED__INIT;
	refused.reason = borrow (reason);
	refused.text = borrow (text);
	control.body_case = BELFRY__V1__CONTROL__BODY_REFUSED;
	control.refused = &refused;
	self->view->counters.control_refused++;
	answer (self, request, &control);
}

/* The same, for what breaks the protocol or is not signed as it must be. */
static void refuse_counted (control_t *self, const request_t *request, refusal_t reason)
{
	self->view->refused[REFUSAL_CONTROL]++;
	refuse (self, request, refusal_key (reason), refusal_help (reason));
}

/* Hello. */

/* An address that nobody can mean: not tcp, a wildcard, or one that another node uses. */
static const char *address_fault (const control_t *self, const node_t *node, const char *address)
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

static void address_take (control_t *self, node_t *node, link_state_t *state, const char *address)
{
	const char *fault = address[0] ? address_fault (self, node, address) : NULL;
	if (fault && strncmp (node->peer_address, address, NODE_ADDRESS_MAX) != 0) {
		char text[ERROR_TEXT_MAX];
		snprintf (text, sizeof text,
		        "node '%s' names the peer address '%.128s': %s; nobody probes it", node->name,
		        address, fault);
		self->port->say (self->port->arg, LOG_LEVEL_WARNING, text);
	}
	state->address_good = address[0] && !fault;
	snprintf (node->peer_address, sizeof node->peer_address, "%s", address);
}

static void welcome (
        control_t *self, const request_t *request, const node_t *node, bool accepted, uint64_t next)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Welcome body = BELFRY__V1__WELCOME__INIT;
	body.cluster = self->view->cluster;
	body.collector = self->view->name;
	body.wire_version = WIRE_VERSION;
	body.accepted = accepted;
	body.incarnation = node->incarnation;
	body.next_incarnation = next;
	body.newest_volatile = node->volatiles.newest;
	const account_t *account = ledger_account (&node->ledger, node->incarnation);
	body.newest_durable = account ? account_through (account) : 0;
	body.credit_events = CREDIT_EVENTS;
	body.credit_bytes = CREDIT_BYTES;
	body.want_catalogues = accepted && (node->want_catalogues || node_wants_catalogues (node));
	control.body_case = BELFRY__V1__CONTROL__BODY_WELCOME;
	control.welcome = &body;
	answer (self, request, &control);
}

static bool hello_fits (control_t *self, const request_t *request, const Belfry__V1__Hello *hello)
{
	span_t name = span_str (hello->node);
	if (strcmp (hello->node, request->control->node) != 0 || !topic_name_valid (name, TOPIC_NODE_MAX) ||
	        hello->incarnation == 0) {
		refuse_counted (self, request, REFUSAL_CONTROL);
		return false;
	}
	if (strcmp (hello->cluster, self->view->cluster) != 0) {
		char text[ERROR_TEXT_MAX];
		snprintf (text, sizeof text, "this is cluster '%s', not '%.64s'", self->view->cluster,
		        hello->cluster);
		refuse (self, request, "cluster", text);
		return false;
	}
	if (topic_node_is_collector (name)) {
		refuse (self, request, "reserved",
		        "a node named 'collector.' is a collector; give the agent another name");
		return false;
	}
	if (hello->wire_version != WIRE_VERSION) {
		char text[ERROR_TEXT_MAX];
		snprintf (text, sizeof text, "this collector speaks wire version %d, the agent %u",
		        WIRE_VERSION, hello->wire_version);
		refuse (self, request, "wire_version", text);
		return false;
	}
	return true;
}

/* Where it hears us: whoever replays a frame of its has the connection only until its next word. */
static void link_note (link_state_t *state, span_t peer)
{
	if (peer.size <= IDENTITY_MAX) {
		memcpy (state->identity, peer.data, peer.size);
		state->identity_size = (uint8_t) peer.size;
	}
}

/* What it says no longer waits; nothing later than its present incarnation can be settled. */
static void settle (node_t *node, uint64_t oldest, uint64_t sequence)
{
	if (oldest <= node->incarnation)
		node->lost_durable += ledger_settle (&node->ledger, oldest, sequence);
}

static void hello_take (control_t *self, const request_t *request, const Belfry__V1__Hello *hello)
{
	node_t *node = NULL;
	link_state_t *state = NULL;
	if (!hello_fits (self, request, hello))
		return;
	if (nodes_get (self->view->nodes, span_str (hello->node), &node) || link_state (self, node, &state)) {
		self->view->refused[REFUSAL_LIMIT]++;
		refuse (self, request, "limit", "this collector has as many nodes as it may; see nodes_max");
		return;
	}
	bool known = node->incarnation != 0, incarnation_new = hello->incarnation > node->incarnation;
	if (hello->incarnation < node->incarnation) {
		uint64_t next = node->incarnation + 1;
		welcome (self, request, node, false,
		        next > node->next_incarnation ? next : node->next_incarnation);
		return;
	}
	if (!incarnation_new && hello->boot_nonce != node->boot_nonce) {
		if (node_clash (node, hello->incarnation, request->now.mono))
			self->hooks.cloned (self->hooks.arg, node, request->now);
		welcome (self, request, node, false, node->next_incarnation);
		return;
	}
	/* What this collector saw begin it counts from 1; one that runs already, from what comes. */
	if (incarnation_new && node_begin (node, hello->incarnation, hello->boot_nonce, known)) {
		self->view->refused[REFUSAL_LIMIT]++;
		refuse (self, request, "failed", "this collector is out of memory");
		return;
	}
	settle (node, hello->oldest_incarnation, hello->oldest_sequence);
	/* After a restart of either side the catalogues are not here. */
	node->want_catalogues = !node->welcomed;
	node->welcomed = true;
	node->ephemeral = hello->ephemeral;
	snprintf (node->version, sizeof node->version, "%s", hello->version);
	if (hello->heartbeat_interval_ns)
		node->beat_interval_ns = hello->heartbeat_interval_ns;
	link_note (state, request->peer->identity);
	state->roster_due = request->now.mono;
	address_take (self, node, state, hello->peer_address);
	welcome (self, request, node, true, 0);
	node->want_catalogues = false;
	self->hooks.welcomed (self->hooks.arg, node, hello, incarnation_new, request->now);
	control_member (self, node, request->now);
}

/* What is said after a Hello. */

static node_t *welcomed_node (control_t *self, const request_t *request)
{
	node_t *node = nodes_find (self->view->nodes, span_str (request->control->node));
	link_state_t *state;
	if (!node || !node->welcomed || link_state (self, node, &state)) {
		refuse (self, request, "hello",
		        "say Hello first: this collector does not know this incarnation");
		return NULL;
	}
	link_note (state, request->peer->identity);
	return node;
}

static void resend_take (control_t *self, const request_t *request, const Belfry__V1__Resend *resend)
{
	if (resend->n_frames > CREDIT_EVENTS) {
		refuse (self, request, "limit", "a Resend takes at most 256 events");
		return;
	}
	node_t *node = welcomed_node (self, request);
	if (!node)
		return;
	settle (node, resend->oldest_incarnation, resend->oldest_sequence);
	self->hooks.resent (self->hooks.arg, node, resend, request->now);
}

void control_acknowledge (
        control_t *self, const node_t *node, uint64_t incarnation, uint64_t newest, bool foreign)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Ack ack = BELFRY__V1__ACK__INIT;
	link_state_t *state;
	char name[sizeof "collector." + TOPIC_NODE_MAX];
	/* One that said no Hello to this run of the collector will. */
	if (link_state (self, node, &state) || !state->identity_size)
		return;
	snprintf (name, sizeof name, "collector.%s", self->view->name);
	ack.incarnation = incarnation;
	ack.newest_durable = newest;
	ack.credit_events = CREDIT_EVENTS;
	ack.credit_bytes = CREDIT_BYTES;
	ack.foreign = foreign;
	control.node = name;
	control.body_case = BELFRY__V1__CONTROL__BODY_ACK;
	control.ack = &ack;
	send_to (self, span_of (state->identity, state->identity_size), node->name, &control);
}

static void report_take (control_t *self, const request_t *request, const Belfry__V1__PeerReport *report)
{
	node_t *node = welcomed_node (self, request);
	if (!node)
		return;
	for (size_t i = 0; i < report->n_observations && i < NODE_PEERS_MAX; i++)
		node_observe (node, report->observations[i], request->now.mono);
	self->hooks.reported (self->hooks.arg, node, report, request->now);
}

/* Status and snapshot. */

static void status_take (control_t *self, const request_t *request, const Belfry__V1__StatusRequest *asked)
{
	Belfry__V1__Alert **alerts = NULL;
	size_t n_alerts = self->hooks.alerts (self->hooks.arg, request->now, &alerts);
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__StatusReply *reply = NULL;
	control.body_case = BELFRY__V1__CONTROL__BODY_STATUS;
	for (int depth = REPORT_FULL; depth <= REPORT_BRIEF; depth++) {
		int r = report_status (self->view, asked->node, (report_depth_t) depth, alerts, n_alerts,
		        request->now, self->arena, &reply);
		if (r == REPORT_E_UNKNOWN_NODE) {
			char text[ERROR_TEXT_MAX];
			snprintf (text, sizeof text, "this collector knows no node '%.64s'", asked->node);
			refuse (self, request, "unknown_node", text);
			return;
		}
		control.status = reply;
		if (!r && answer (self, request, &control) == 0)
			return;
	}
	refuse (self, request, "too_large", "the status of all nodes is above 1 MiB; ask for single nodes");
}

typedef struct {
	control_t *self;
	const request_t *request;
} chunk_arg_t;

static int on_chunk (void *arg, Belfry__V1__Snapshot *chunk)
{
	chunk_arg_t *at = arg;
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	control.body_case = BELFRY__V1__CONTROL__BODY_SNAPSHOT;
	control.snapshot = chunk;
	return answer (at->self, at->request, &control);
}

static void snapshot_take (
        control_t *self, const request_t *request, const Belfry__V1__SnapshotRequest *asked)
{
	chunk_arg_t arg = { self, request };
	if (asked->n_prefixes > REPORT_PREFIXES_MAX) {
		refuse (self, request, "limit", "a snapshot takes at most 64 prefixes");
		return;
	}
	if (report_snapshot (self->view, self->ingest, asked->prefixes, asked->n_prefixes, on_chunk, &arg))
		refuse (self, request, "failed",
		        "the snapshot could not be made: this collector is out of memory");
}

/* Any frame. */

/* Unproven names get no further than here where a MAC is due. */
static bool prove (control_t *self, request_t *request)
{
	const Belfry__V1__Control *control = request->control;
	bool agents = control->body_case == BELFRY__V1__CONTROL__BODY_HELLO ||
	              control->body_case == BELFRY__V1__CONTROL__BODY_RESEND ||
	              control->body_case == BELFRY__V1__CONTROL__BODY_PEER_REPORT;
	request->proven = !self->keyring;
	if (!request->is_signed && !agents)
		return true;
	if (!topic_name_valid (span_str (control->node), TOPIC_NODE_MAX)) {
		refuse_counted (self, request, REFUSAL_CONTROL);
		return false;
	}
	refusal_t reason = control_verify (request->bytes.data, request->bytes.size, CONTROL_TO_COLLECTOR,
	        self->keyring, control->key_epoch, span_str (control->node));
	request->proven = reason == REFUSAL_NONE;
	if (reason)
		refuse_counted (self, request, reason);
	return request->proven;
}

/* What the holder of its CURVE key may not ask for is refused and told. */
static bool may (control_t *self, const request_t *request)
{
	const core_peer_t *peer = request->peer;
	const char *reason = gate_request (peer->role, peer->name, request->control);
	if (!reason)
		return true;
	self->view->refused[REFUSAL_USER]++;
	refuse (self, request, "role", reason);
	self->hooks.trespassed (self->hooks.arg, peer, request->control, reason, request->now);
	return false;
}

/* No command is known to this release: each is answered so, and audited like any other. */
static void command_take (control_t *self, const request_t *request, const Belfry__V1__Command *command)
{
	Belfry__V1__CommandResult result = BELFRY__V1__COMMAND_RESULT__INIT;
	result.text = borrow ("not supported by this release");
	refuse (self, request, "not_supported", result.text);
	self->hooks.commanded (self->hooks.arg, request->peer, command, &result, request->now);
}

static void dispatch (control_t *self, const request_t *request)
{
	const Belfry__V1__Control *control = request->control;
	switch (control->body_case) {
	case BELFRY__V1__CONTROL__BODY_HELLO:
		hello_take (self, request, control->hello);
		return;
	case BELFRY__V1__CONTROL__BODY_PEER_REPORT:
		report_take (self, request, control->peer_report);
		return;
	case BELFRY__V1__CONTROL__BODY_STATUS_REQUEST:
		status_take (self, request, control->status_request);
		return;
	case BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST:
		snapshot_take (self, request, control->snapshot_request);
		return;
	case BELFRY__V1__CONTROL__BODY_RESEND:
		resend_take (self, request, control->resend);
		return;
	case BELFRY__V1__CONTROL__BODY_COMMAND:
		command_take (self, request, control->command);
		return;
	case BELFRY__V1__CONTROL__BODY_JOURNAL_READ:
	case BELFRY__V1__CONTROL__BODY_COMMAND_RESULT:
	case BELFRY__V1__CONTROL__BODY_ENROL:
		refuse (self, request, "not_supported", "not supported by this release");
		return;
	case BELFRY__V1__CONTROL__BODY_REFUSED:
		/* Answering it could go on for ever. */
		self->view->counters.control_refused++;
		return;
	default:
		refuse_counted (self, request, REFUSAL_CONTROL);
	}
}

void control_take (control_t *self, const core_peer_t *peer, span_t bytes, moment_t now)
{
	request_t request = { .peer = peer, .bytes = bytes, .now = now };
	Belfry__V1__Control *control = NULL;
	arena_reset (self->arena);
	refusal_t reason = control_unpack (
	        bytes.data, bytes.size, arena_allocator (self->arena), &control, &request.is_signed);
	if (reason) {
		refuse_counted (self, &request, reason);
		return;
	}
	self->view->counters.control_received++;
	request.control = control;
	if (prove (self, &request) && may (self, &request))
		dispatch (self, &request);
}

/* Rosters. */

void control_member (control_t *self, node_t *node, moment_t now)
{
	link_state_t *state;
	(void) now;
	if (link_state (self, node, &state))
		return;
	bool target = state->address_good && !cluster_left (node);
	bool prober = state->address_good && state->identity_size && cluster_speaks (node);
	roster_set (self->roster, node->index, roster_hash (node->name), target, prober);
}

static void roster_send (control_t *self, const node_t *node, const link_state_t *state)
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
	char name[sizeof "collector." + TOPIC_NODE_MAX];
	snprintf (name, sizeof name, "collector.%s", self->view->name);
	roster.generation = roster_generation (self->roster);
	roster.targets = targets_p;
	control.node = name;
	control.body_case = BELFRY__V1__CONTROL__BODY_ROSTER;
	control.roster = &roster;
	send_to (self, span_of (state->identity, state->identity_size), node->name, &control);
	sodium_memzero (keys, sizeof keys);
}

void control_tick (control_t *self, moment_t now)
{
	uint32_t n = nodes_count (self->view->nodes);
	for (uint32_t i = 0; i < n && i < self->n_links; i++) {
		link_state_t *state = &self->links[i];
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
