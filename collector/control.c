/* A frame is unpacked in a bounded arena, then its MAC is checked on the bytes received; what only agents
 * say must bear one. What an unproven name says makes nothing: nodes are made after the MAC
 * held. A Refused goes out unsigned where the asker is not proven. */

#include "collector/control.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "base/log.h"
#include "collector/gate.h"
#include "collector/reading.h"
#include "collector/report.h"
#include "wire/arena.h"
#include "wire/control.h"

enum { WIRE_VERSION = 1, ARENA_CAP = 64 * 1024 * 1024 };

struct control {
	view_t *view;
	ingest_t *ingest;
	keyring_t *keyring;
	const core_port_t *port;
	control_hooks_t hooks;
	arena_t *arena;
	links_t *links;
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

int control_new (view_t *view, ingest_t *ingest, links_t *links, keyring_t *keyring, const core_port_t *port,
        const control_hooks_t *hooks, control_t **ret)
{
	control_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->view = view;
	self->ingest = ingest;
	self->links = links;
	self->keyring = keyring;
	self->port = port;
	self->hooks = *hooks;
	if (arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP, &self->arena)) {
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
	free (self);
	*self_p = NULL;
}

void control_set_keyring (control_t *self, keyring_t *keyring)
{
	self->keyring = keyring;
}

/* Answers. */

static int answer (control_t *self, const request_t *request, Belfry__V1__Control *control)
{
	bool to_agent = request->proven && request->is_signed;
	char name[sizeof "collector." + TOPIC_NODE_MAX];
	snprintf (name, sizeof name, "collector.%s", self->view->name);
	control->id = request->control ? request->control->id : 0;
	control->node = name;
	return links_send (
	        self->links, request->peer->identity, to_agent ? request->control->node : NULL, control);
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
	body.newest_volatile = node_newest_volatile (node);
	const account_t *account = ledger_account (&node->ledger, node->incarnation);
	body.newest_durable = account ? account_through (account) : 0;
	body.credit_events = LINKS_CREDIT_EVENTS;
	body.credit_bytes = LINKS_CREDIT_BYTES;
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

/* What it says no longer waits; nothing later than its present incarnation can be settled. */
static void settle (control_t *self, node_t *node, uint64_t oldest, uint64_t sequence)
{
	if (oldest <= node->incarnation)
		node->lost_durable += ledger_settle (&node->ledger, oldest, sequence);
	nodes_remember (self->view->nodes, node);
}

static void hello_take (control_t *self, const request_t *request, const Belfry__V1__Hello *hello)
{
	node_t *node = NULL;
	if (!hello_fits (self, request, hello))
		return;
	if (nodes_get (self->view->nodes, span_str (hello->node), &node)) {
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
	if ((incarnation_new && node_begin (node, hello->incarnation, hello->boot_nonce, known)) ||
	        links_note (self->links, node, request->peer->identity)) {
		self->view->refused[REFUSAL_LIMIT]++;
		refuse (self, request, "failed", "this collector is out of memory");
		return;
	}
	settle (self, node, hello->oldest_incarnation, hello->oldest_sequence);
	/* After a restart of either side the catalogues are not here. */
	node->want_catalogues = !node->welcomed;
	node->welcomed = true;
	node->ephemeral = hello->ephemeral;
	snprintf (node->version, sizeof node->version, "%s", hello->version);
	if (hello->heartbeat_interval_ns)
		node->beat_interval_ns = hello->heartbeat_interval_ns;
	links_address (self->links, node, hello->peer_address, request->now);
	welcome (self, request, node, true, 0);
	node->want_catalogues = false;
	self->hooks.welcomed (self->hooks.arg, node, hello, incarnation_new, request->now);
	links_member (self->links, node);
}

/* What is said after a Hello. */

static node_t *welcomed_node (control_t *self, const request_t *request)
{
	node_t *node = nodes_find (self->view->nodes, span_str (request->control->node));
	if (!node || !node->welcomed || links_note (self->links, node, request->peer->identity)) {
		refuse (self, request, "hello",
		        "say Hello first: this collector does not know this incarnation");
		return NULL;
	}
	return node;
}

static void resend_take (control_t *self, const request_t *request, const Belfry__V1__Resend *resend)
{
	if (resend->n_frames > LINKS_CREDIT_EVENTS) {
		refuse (self, request, "limit", "a Resend takes at most 256 events");
		return;
	}
	node_t *node = welcomed_node (self, request);
	if (!node)
		return;
	settle (self, node, resend->oldest_incarnation, resend->oldest_sequence);
	self->hooks.resent (self->hooks.arg, node, resend, request->now);
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

/* The journal. */

static void read_take (control_t *self, const request_t *request, const Belfry__V1__JournalRead *asked)
{
	char text[ERROR_TEXT_MAX];
	core_reading_t reading;
	const char *reason = reading_of (asked, self->view, &reading, text);
	if (reason) {
		refuse (self, request, reason, text);
		return;
	}
	reading.deadline_ms = request->control->deadline_ms;
	if (self->port->read (self->port->arg, request->peer->identity, request->control->id, &reading))
		refuse (self, request, "busy",
		        "too many readings wait for the journal; ask again in a second");
}

void control_read_done (control_t *self, span_t peer, uint64_t id, bool chain, int error, const char *text,
        const core_page_t *page)
{
	Belfry__V1__Control asked = BELFRY__V1__CONTROL__INIT, control = BELFRY__V1__CONTROL__INIT;
	const core_peer_t whom = { .identity = peer, .name = "" };
	const request_t request = { .peer = &whom, .control = &asked };
	asked.id = id;
	arena_reset (self->arena);
	if (error) {
		refuse (self, &request, "failed", text);
		return;
	}
	control.body_case = BELFRY__V1__CONTROL__BODY_JOURNAL_EVENTS;
	if (reading_answer (page, chain, self->arena, &control.journal_events) ||
	        answer (self, &request, &control))
		refuse (self, &request, "failed",
		        "the answer could not be made: this collector is out of memory");
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
	case BELFRY__V1__CONTROL__BODY_JOURNAL_READ:
		read_take (self, request, control->journal_read);
		return;
	case BELFRY__V1__CONTROL__BODY_COMMAND:
		command_take (self, request, control->command);
		return;
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
