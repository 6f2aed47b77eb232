/* A value is laid out in an arena and packed behind it. What is read is held against the same bounds as what
 * comes over the wire: a disk is no better than a network. */

#include "collector/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "belfry/v1/memory.pb-c.h"
#include "wire/arena.h"

static const char node_prefix[] = "node/", alert_prefix[] = "alert/", own_key[] = "collector";

/* What an earlier run wrote, until it is applied: one of the two. */
typedef struct {
	char name[TOPIC_NODE_MAX + 1]; /* the node's */
	Belfry__V1__NodeMemory *node;
	Belfry__V1__AlertMemory *alert;
} piece_t;

struct memory {
	view_t *view;
	detector_t *detector;
	alerts_t *alerts;
	arena_t *arena;
	mono_t marks_at;
	uint32_t cursor; /* of the next node whose mark is looked at */
	bool urged;
	batch_t *batch; /* while it is written to */
	bool failed;    /* to write something into that */
	piece_t *pieces;
	size_t n_pieces, room_pieces;
	int64_t then_ns; /* the earlier run's clock, when it wrote last */
	bool then_known;
};

int memory_new (view_t *view, detector_t *detector, alerts_t *alerts, moment_t now, memory_t **ret)
{
	memory_t *self = calloc (1, sizeof *self);
	if (!self || arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &self->arena)) {
		free (self);
		return -ENOMEM;
	}
	self->view = view;
	self->detector = detector;
	self->alerts = alerts;
	self->marks_at = now.mono;
	*ret = self;
	return 0;
}

static void pieces_free (memory_t *self)
{
	for (size_t i = 0; i < self->n_pieces; i++) {
		if (self->pieces[i].node)
			belfry__v1__node_memory__free_unpacked (self->pieces[i].node, NULL);
		if (self->pieces[i].alert)
			belfry__v1__alert_memory__free_unpacked (self->pieces[i].alert, NULL);
	}
	free (self->pieces);
	self->pieces = NULL;
	self->n_pieces = self->room_pieces = 0;
}

void memory_destroy (memory_t **self_p)
{
	memory_t *self = *self_p;
	if (!self)
		return;
	pieces_free (self);
	arena_destroy (&self->arena);
	free (self);
	*self_p = NULL;
}

/* Writing. */

/* n pointers to n objects of that size, which are not cleared. */
static void *array_of (arena_t *arena, size_t n, size_t size, void *ret_objects)
{
	void **pointers = arena_alloc (arena, (n + 1) * sizeof (void *));
	uint8_t *objects = arena_alloc (arena, (n + 1) * size);
	if (!pointers || !objects)
		return NULL;
	for (size_t i = 0; i < n; i++)
		pointers[i] = objects + i * size;
	*(void **) ret_objects = objects;
	return pointers;
}

static bool accounts_put (memory_t *self, const node_t *node, Belfry__V1__NodeMemory *out)
{
	Belfry__V1__AccountMemory *to;
	out->accounts = array_of (self->arena, node->ledger.n, sizeof *to, &to);
	for (uint32_t i = 0; out->accounts && i < node->ledger.n; i++) {
		const account_t *account = &node->ledger.accounts[i];
		uint8_t *bytes = arena_alloc (self->arena, RANGES_PACKED_MAX);
		if (!bytes)
			return false;
		belfry__v1__account_memory__init (&to[i]);
		to[i].incarnation = account->incarnation;
		to[i].boot_nonce = account->boot_nonce;
		/* What is seen is in the journal when this is, or was before. */
		to[i].seen = (ProtobufCBinaryData){ ranges_pack (&account->seen, bytes), bytes };
		to[i].bound = account->bound;
		out->n_accounts++;
	}
	return out->accounts != NULL;
}

static bool components_put (memory_t *self, const node_t *node, Belfry__V1__NodeMemory *out)
{
	Belfry__V1__ComponentMemory *to;
	out->components = array_of (self->arena, node->n_components, sizeof *to, &to);
	for (uint32_t i = 0; out->components && i < node->n_components; i++) {
		component_t *component = &node->components[i];
		belfry__v1__component_memory__init (&to[i]);
		to[i].name = component->name;
		to[i].source = component->source;
		to[i].details = borrow (component->details);
		to[i].status = component->status;
		to[i].published = component->published;
		to[i].since_ns = component->since_ns;
		to[i].published_ns = component->published_ns;
		to[i].incarnation = component->incarnation;
		to[i].monotonic_ns = component->monotonic_ns;
		out->n_components++;
	}
	return out->components != NULL;
}

static void put (memory_t *self, const char *prefix, const char *name, span_t value)
{
	char key[JOURNAL_STATE_KEY_MAX + 1];
	snprintf (key, sizeof key, "%s%s", prefix, name);
	if (batch_remember (self->batch, key, value)) {
		self->view->counters.memory_failed++;
		self->failed = true;
	}
}

static void node_put (memory_t *self, node_t *node)
{
	Belfry__V1__NodeMemory out = BELFRY__V1__NODE_MEMORY__INIT;
	arena_reset (self->arena);
	out.incarnation = node->incarnation;
	out.boot_nonce = node->boot_nonce;
	out.next_incarnation = node->next_incarnation;
	out.newest_volatile = node_newest_volatile (node);
	out.floor = node->ledger.floor;
	out.lost_volatile = node_lost_volatile (node);
	out.lost_durable = node->lost_durable;
	out.ephemeral = node->ephemeral;
	out.version = node->version;
	out.beat_interval_ns = node->beat_interval_ns;
	out.state = detector_known (self->detector, node->index);
	out.kind = node->kind;
	out.state_since_ns = node->state_since_ns;
	out.evidence = node->evidence;
	out.n_evidence = node->n_evidence;
	out.last_ns = node->heard ? (uint64_t) node->last.wall.ns : 0;
	out.status = node->status;
	out.status_since_ns = node->status_since_ns;
	out.health_incarnation = node->health_incarnation;
	out.health_monotonic_ns = node->health_monotonic_ns;
	bool good = accounts_put (self, node, &out) && components_put (self, node, &out);
	size_t size = good ? belfry__v1__node_memory__get_packed_size (&out) : 0;
	uint8_t *bytes = good ? arena_alloc (self->arena, size + 1) : NULL;
	if (!bytes) {
		self->view->counters.memory_failed++;
		self->failed = true;
		return;
	}
	belfry__v1__node_memory__pack (&out, bytes);
	put (self, node_prefix, node->name, span_of (bytes, size));
	node->volatile_remembered = out.newest_volatile;
}

static void alert_put (void *arg, const char *fingerprint, span_t value)
{
	put (arg, alert_prefix, fingerprint, value);
}

static bool mark_stale (const node_t *node)
{
	return node->incarnation && node_newest_volatile (node) != node->volatile_remembered;
}

/* Every node in turn, so that none is left out where there are many. */
static void marks_put (memory_t *self)
{
	uint32_t n = nodes_count (self->view->nodes), written = 0;
	for (uint32_t i = 0; i < n && written < MEMORY_MARKS_MAX; i++, self->cursor++) {
		if (self->cursor >= n)
			self->cursor = 0;
		node_t *node = nodes_at (self->view->nodes, self->cursor);
		if (!mark_stale (node))
			continue;
		node_put (self, node);
		written++;
	}
}

void memory_write (memory_t *self, batch_t *batch, moment_t now)
{
	Belfry__V1__CollectorMemory own = BELFRY__V1__COLLECTOR_MEMORY__INIT;
	uint8_t bytes[32];
	uint32_t n;
	self->batch = batch;
	self->failed = self->urged = false;
	/* It is never at its zero, so never empty. */
	own.now_ns = now.mono.ns;
	own.format = 1;
	put (self, own_key, "", span_of (bytes, belfry__v1__collector_memory__pack (&own, bytes)));
	node_t *const *changed = nodes_changed (self->view->nodes, &n);
	for (uint32_t i = 0; i < n; i++)
		node_put (self, changed[i]);
	if (!self->failed)
		nodes_remembered (self->view->nodes);
	alerts_remember (self->alerts, now, alert_put, self);
	if (mono_since (now.mono, self->marks_at) >= MEMORY_MARKS_NS) {
		self->marks_at = now.mono;
		marks_put (self);
	}
}

void memory_urge (memory_t *self)
{
	self->urged = true;
}

bool memory_due (memory_t *self, moment_t now)
{
	uint32_t n;
	if (self->urged)
		return true;
	if (mono_since (now.mono, self->marks_at) < MEMORY_MARKS_NS)
		return false;
	nodes_changed (self->view->nodes, &n);
	if (n || alerts_changed (self->alerts))
		return true;
	for (uint32_t i = 0; i < nodes_count (self->view->nodes); i++) {
		if (mark_stale (nodes_at (self->view->nodes, i)))
			return true;
	}
	self->marks_at = now.mono;
	return false;
}

/* Reading. */

static bool key_is (const char *key, const char *prefix, const char **ret_name)
{
	size_t size = strlen (prefix);
	*ret_name = key + size;
	return strncmp (key, prefix, size) == 0;
}

static piece_t *piece_new (memory_t *self)
{
	if (self->n_pieces == self->room_pieces) {
		size_t room = self->room_pieces ? self->room_pieces * 2 : 64;
		piece_t *grown = realloc (self->pieces, room * sizeof *grown);
		if (!grown)
			return NULL;
		self->pieces = grown;
		self->room_pieces = room;
	}
	piece_t *piece = &self->pieces[self->n_pieces++];
	*piece = (piece_t){ .node = NULL };
	return piece;
}

static bool take (memory_t *self, const char *key, span_t value)
{
	const char *name;
	if (strcmp (key, own_key) == 0) {
		Belfry__V1__CollectorMemory *own =
		        belfry__v1__collector_memory__unpack (NULL, value.size, value.data);
		self->then_known = own && own->format == 1;
		self->then_ns = own ? own->now_ns : 0;
		if (own)
			belfry__v1__collector_memory__free_unpacked (own, NULL);
		return self->then_known;
	}
	piece_t *piece = piece_new (self);
	if (!piece)
		return false;
	if (key_is (key, node_prefix, &name) && topic_name_valid (span_str (name), TOPIC_NODE_MAX) &&
	        !topic_node_is_collector (span_str (name))) {
		snprintf (piece->name, sizeof piece->name, "%s", name);
		piece->node = belfry__v1__node_memory__unpack (NULL, value.size, value.data);
	} else if (key_is (key, alert_prefix, &name)) {
		piece->alert = belfry__v1__alert_memory__unpack (NULL, value.size, value.data);
	}
	return piece->node || (piece->alert && piece->alert->alert);
}

void memory_put (memory_t *self, const char *key, span_t value)
{
	if (!take (self, key, value))
		self->view->counters.memory_unread++;
}

static void account_apply (node_t *node, const Belfry__V1__AccountMemory *from)
{
	ranges_t ranges;
	account_t *account;
	if (from->incarnation == 0 || from->incarnation > node->incarnation ||
	        !ranges_parse (span_of (from->seen.data, from->seen.len), &ranges) ||
	        ledger_open (&node->ledger, from->incarnation, from->boot_nonce, node->incarnation, &account))
		return;
	account->seen = account->journalled = ranges;
	account->bound = from->bound;
}

static void component_apply (node_t *node, const Belfry__V1__ComponentMemory *from)
{
	component_t *component;
	if (!from->name[0] || node_component_restore (node, from->name, from->source, &component))
		return;
	/* Without memory it has no details. */
	if (from->details[0] && strlen (from->details) <= NODE_DETAILS_MAX)
		component->details = strdup (from->details);
	component->status = from->status;
	component->published = from->published;
	component->since_ns = from->since_ns;
	component->published_ns = from->published_ns;
	component->incarnation = from->incarnation;
	component->monotonic_ns = from->monotonic_ns;
}

/* Well in the last run is not yet known to be so in this one. */
static Belfry__V1__NodeState state_shown (Belfry__V1__NodeState state)
{
	bool well = state == BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE ||
	            state == BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED;
	return well ? BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN : state;
}

static bool node_apply (memory_t *self, const piece_t *piece, moment_t now)
{
	const Belfry__V1__NodeMemory *from = piece->node;
	node_t *node;
	if (from->state < BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN ||
	        from->state > BELFRY__V1__NODE_STATE__NODE_STATE_MAINTENANCE ||
	        nodes_get (self->view->nodes, span_str (piece->name), &node) || node->incarnation)
		return false;
	if (from->incarnation && node_begin (node, from->incarnation, from->boot_nonce, false))
		return false;
	for (size_t i = 0; i < from->n_accounts; i++)
		account_apply (node, from->accounts[i]);
	for (size_t i = 0; i < from->n_components; i++)
		component_apply (node, from->components[i]);
	node->ledger.floor = from->floor;
	node->next_incarnation = from->next_incarnation;
	node->volatile_mark = from->newest_volatile;
	node->lost_volatile_before = from->lost_volatile;
	node->lost_durable = from->lost_durable;
	node->ephemeral = from->ephemeral;
	node->beat_interval_ns = from->beat_interval_ns;
	snprintf (node->version, sizeof node->version, "%s", from->version);
	node->status = from->status;
	node->status_since_ns = from->status_since_ns;
	node->health_incarnation = from->health_incarnation;
	node->health_monotonic_ns = from->health_monotonic_ns;
	node->heard = from->last_ns != 0;
	int64_t age = now.wall.ns - (int64_t) from->last_ns;
	node->last = (moment_t){ mono_add (now.mono, age > 0 ? -age : 0), { (int64_t) from->last_ns } };
	node_verdict (node, state_shown (from->state), from->kind, from->state_since_ns,
	        (const char *const *) from->evidence, from->n_evidence);
	if (detector_restore (
	            self->detector, node->index, from->state, from->incarnation, from->beat_interval_ns, now))
		self->view->counters.memory_failed++;
	/* In this run's first commit, so that all of the memory is of one run. */
	nodes_remember (self->view->nodes, node);
	return true;
}

static const node_t *node_of (const memory_t *self, const Belfry__V1__AlertMemory *alert)
{
	return nodes_find (self->view->nodes, span_str (alert->alert->node));
}

void memory_apply (memory_t *self, const rule_set_t *rules, moment_t now)
{
	int64_t shift = self->then_known ? now.mono.ns - self->then_ns : 0;
	for (size_t i = 0; i < self->n_pieces; i++) {
		if (self->pieces[i].node && !node_apply (self, &self->pieces[i], now))
			self->view->counters.memory_unread++;
	}
	for (size_t i = 0; i < self->n_pieces; i++) {
		const Belfry__V1__AlertMemory *alert = self->pieces[i].alert;
		if (alert && alert->alert &&
		        alerts_restore (self->alerts, alert, rules, node_of (self, alert), shift, now))
			self->view->counters.memory_unread++;
	}
	for (size_t i = 0; i < self->n_pieces; i++) {
		const Belfry__V1__AlertMemory *alert = self->pieces[i].alert;
		if (alert && alert->alert)
			alerts_restore_inhibited (self->alerts, alert, node_of (self, alert));
	}
	pieces_free (self);
}
