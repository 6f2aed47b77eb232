/* Replies are laid out in the arena and borrow their strings from the view: nothing is copied before
 * it is packed. */

#include "collector/report.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "collector/subscribers.h"

/* n pointers to n zeroed objects of that size. NULL without memory; n may be 0. */
static void *array_of (arena_t *arena, size_t n, size_t size)
{
	void **pointers = arena_alloc (arena, n ? n * sizeof (void *) : 1);
	uint8_t *objects = arena_alloc (arena, n ? n * size : 1);
	if (!pointers || !objects)
		return NULL;
	memset (objects, 0, n ? n * size : 1);
	for (size_t i = 0; i < n; i++)
		pointers[i] = objects + i * size;
	return pointers;
}

static int figures_put (const node_t *node, arena_t *arena, Belfry__V1__NodeView *out)
{
	const struct {
		const char *name, *unit;
		double value;
	} figures[] = {
		{ "load1", "", node->load1 },
		{ "load5", "", node->load5 },
		{ "load15", "", node->load15 },
		{ "cpu_used_ratio", "ratio", node->cpu_used_ratio },
		{ "memory_used_ratio", "ratio", node->memory_used_ratio },
		{ "disk_used_ratio", "ratio", node->disk_used_ratio },
		{ "cpu_pressure_ratio", "ratio", node->cpu_pressure_ratio },
		{ "memory_pressure_ratio", "ratio", node->memory_pressure_ratio },
		{ "io_pressure_ratio", "ratio", node->io_pressure_ratio },
	};
	enum { N = sizeof figures / sizeof figures[0] };
	out->figures = array_of (arena, N, sizeof (Belfry__V1__Sample));
	if (!out->figures)
		return -ENOMEM;
	for (size_t i = 0; i < N; i++) {
		if (isnan (figures[i].value))
			continue;
		Belfry__V1__Sample *sample = out->figures[out->n_figures++];
		belfry__v1__sample__init (sample);
		sample->name = borrow (figures[i].name);
		sample->kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
		sample->unit = borrow (figures[i].unit);
		sample->value = figures[i].value;
	}
	return 0;
}

static int components_put (const node_t *node, arena_t *arena, Belfry__V1__NodeView *out)
{
	bool speaks = cluster_speaks (node);
	out->components = array_of (arena, node->n_components, sizeof (Belfry__V1__ComponentView));
	if (!out->components)
		return -ENOMEM;
	for (uint32_t i = 0; i < node->n_components; i++) {
		const component_t *component = &node->components[i];
		Belfry__V1__ComponentView *view = out->components[out->n_components++];
		belfry__v1__component_view__init (view);
		view->name = component->name;
		view->status = speaks ? component->status : BELFRY__V1__STATUS__STATUS_UNKNOWN;
		view->since_ns = speaks ? component->since_ns : node->state_since_ns;
		view->details = borrow (component->details);
	}
	return 0;
}

static int peers_put (const node_t *node, moment_t now, arena_t *arena, Belfry__V1__NodeView *out)
{
	out->peers = array_of (arena, node->n_peers, sizeof (Belfry__V1__PeerView));
	if (!out->peers)
		return -ENOMEM;
	for (uint32_t i = 0; i < node->n_peers; i++) {
		const observation_t *observation = &node->peers[i];
		Belfry__V1__PeerView *view = out->peers[out->n_peers++];
		belfry__v1__peer_view__init (view);
		view->node = borrow (observation->target);
		view->rtt_ns = observation->rtt_ns;
		view->age_ns = observation->age_ns + (uint64_t) mono_since (now.mono, observation->at);
		view->state = observation->state;
	}
	return 0;
}

static int evidence_put (const node_t *node, arena_t *arena, Belfry__V1__NodeView *out)
{
	out->evidence = arena_alloc (arena, (node->n_evidence + 1) * sizeof (char *));
	if (!out->evidence)
		return -ENOMEM;
	for (uint32_t i = 0; i < node->n_evidence; i++)
		out->evidence[out->n_evidence++] = node->evidence[i];
	if (cluster_speaks (node) && node->complaint[0] != '\0')
		out->evidence[out->n_evidence++] = borrow (node->complaint);
	return 0;
}

static int node_put (
        node_t *node, report_depth_t depth, moment_t now, arena_t *arena, Belfry__V1__NodeView *out)
{
	belfry__v1__node_view__init (out);
	node_bind (node, now.mono);
	out->name = node->name;
	out->state = node->state;
	out->kind = node->kind;
	out->status = cluster_node_status (node);
	out->since_ns = node->state_since_ns;
	if (node->heard)
		out->last_seen_ms = (uint64_t) (mono_since (now.mono, node->last.mono) / NS_PER_MS);
	out->incarnation = node->incarnation;
	out->version = node->version;
	out->ephemeral = node->ephemeral;
	out->received = node->received;
	out->refused = node->refused;
	out->lost_volatile = node_lost_volatile (node);
	out->lost_durable = node->lost_durable;
	out->pending_durable = node_pending_durable (node);
	out->late = node->late;
	out->replayed = node->replayed;
	out->scheduling_delay_ns = node->scheduling_delay_ns;
	if (node->beat.ns)
		out->heartbeat_age_ns = (uint64_t) mono_since (now.mono, node->beat);
	if (depth == REPORT_BRIEF)
		return 0;
	int r = figures_put (node, arena, out);
	if (!r)
		r = components_put (node, arena, out);
	if (!r)
		r = peers_put (node, now, arena, out);
	return r ? r : evidence_put (node, arena, out);
}

static int nodes_put (const view_t *view, const char *name, report_depth_t depth, moment_t now,
        arena_t *arena, Belfry__V1__StatusReply *out)
{
	node_t *only = NULL;
	if (name[0] != '\0' && !(only = nodes_find (view->nodes, span_str (name))))
		return REPORT_E_UNKNOWN_NODE;
	uint32_t n = only ? 1 : nodes_count (view->nodes);
	out->nodes = array_of (arena, n, sizeof (Belfry__V1__NodeView));
	if (!out->nodes)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++) {
		int r = node_put (only ? only : nodes_at (view->nodes, i), depth, now, arena, out->nodes[i]);
		if (r)
			return r;
		out->n_nodes++;
	}
	return 0;
}

static int counters_put (const view_t *view, arena_t *arena, Belfry__V1__StatusReply *out)
{
	const struct {
		const char *name;
		uint64_t value;
	} counters[] = {
#define COUNTER(name, series, kind, unit, help) { #name, view->counters.name },
#include "collector/counters.def"
#undef COUNTER
		{ "snapshot_bytes", snapshot_bytes (view->snapshot) },
		{ "snapshot_skipped", snapshot_skipped (view->snapshot) },
		{ "catalogues_bytes", catalogues_bytes (view->catalogues) },
	};
	enum { N = sizeof counters / sizeof counters[0] };
	out->counters = array_of (arena, N, sizeof (Belfry__V1__Counter));
	out->refusals = array_of (arena, REFUSAL_COUNT, sizeof (Belfry__V1__Refusal));
	if (!out->counters || !out->refusals)
		return -ENOMEM;
	for (size_t i = 0; i < N; i++) {
		Belfry__V1__Counter *counter = out->counters[out->n_counters++];
		belfry__v1__counter__init (counter);
		counter->name = borrow (counters[i].name);
		counter->value = counters[i].value;
	}
	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
		if (view->refused[i] == 0)
			continue;
		Belfry__V1__Refusal *refusal = out->refusals[out->n_refusals++];
		belfry__v1__refusal__init (refusal);
		refusal->reason = borrow (refusal_key ((refusal_t) i));
		refusal->count = view->refused[i];
	}
	return 0;
}

static void subscriber_put (const subscriber_t *subscriber, Belfry__V1__Subscriber *out)
{
	belfry__v1__subscriber__init (out);
	out->address = borrow (subscriber->address);
	out->user = borrow (subscriber->user);
	out->queued_bytes = subscriber->queued_bytes;
	out->since_ns = (uint64_t) subscriber->since.wall.ns;
	out->subscriptions = subscriber->subscriptions;
	out->slow = subscriber->slow;
}

static int subscribers_put (const subscribers_t *subscribers, arena_t *arena, Belfry__V1__StatusReply *out)
{
	size_t n = subscribers ? subscribers_count (subscribers) : 0;
	size_t room = n < REPORT_SUBSCRIBERS_MAX ? n : REPORT_SUBSCRIBERS_MAX;
	out->subscribers = array_of (arena, room, sizeof (Belfry__V1__Subscriber));
	if (!out->subscribers)
		return -ENOMEM;
	for (int slow = 1; slow >= 0; slow--) {
		for (size_t i = 0; i < n && out->n_subscribers < room; i++) {
			const subscriber_t *subscriber = subscribers_at (subscribers, i);
			if (subscriber->slow == slow)
				subscriber_put (subscriber, out->subscribers[out->n_subscribers++]);
		}
	}
	return 0;
}

int report_status (const view_t *view, const char *node, report_depth_t depth, Belfry__V1__Alert **alerts,
        size_t n_alerts, moment_t now, arena_t *arena, Belfry__V1__StatusReply **ret)
{
	Belfry__V1__StatusReply *out = arena_alloc (arena, sizeof *out);
	Belfry__V1__Alert **shown = arena_alloc (arena, (n_alerts + 1) * sizeof (Belfry__V1__Alert *));
	if (!out || !shown)
		return -ENOMEM;
	belfry__v1__status_reply__init (out);
	out->cluster = borrow (view->cluster);
	out->collector = borrow (view->name);
	out->version = borrow (view->version);
	out->insecure = view->insecure;
	out->status = view->health.status;
	out->quorum = view->health.quorum;
	out->now_ns = (uint64_t) now.wall.ns;
	out->started_ns = (uint64_t) view->started.wall.ns;
	int r = nodes_put (view, node, depth, now, arena, out);
	if (!r)
		r = counters_put (view, arena, out);
	if (!r && depth == REPORT_FULL && node[0] == '\0')
		r = subscribers_put (view->subscribers, arena, out);
	if (r)
		return r;
	out->alerts = shown;
	for (size_t i = 0; i < n_alerts && out->n_alerts < REPORT_ALERTS_MAX; i++) {
		if (node[0] == '\0' || strcmp (alerts[i]->node, node) == 0)
			shown[out->n_alerts++] = alerts[i];
	}
	*ret = out;
	return 0;
}

/* One chunk under way. Its messages are reused from chunk to chunk. */
enum { FRAMES_MAX = 1024, SEQUENCES_MAX = 2048, FRAME_OVERHEAD = 24, SEQUENCE_SIZE = TOPIC_NODE_MAX + 40 };

typedef struct {
	Belfry__V1__Snapshot message;
	Belfry__V1__Frame frames[FRAMES_MAX], *frames_p[FRAMES_MAX];
	char topics[FRAMES_MAX][TOPIC_SIZE_MAX + 1];
	Belfry__V1__NodeSequence sequences[SEQUENCES_MAX], *sequences_p[SEQUENCES_MAX];
	char *const *prefixes;
	size_t n_prefixes, size;
	uint32_t chunk;
	report_chunk_fn *emit;
	void *arg;
} builder_t;

static int builder_flush (builder_t *self, bool last)
{
	self->message.chunk = self->chunk++;
	self->message.last = last;
	int r = self->emit (self->arg, &self->message);
	self->message.n_frames = self->message.n_sequences = 0;
	self->size = 0;
	return r;
}

static bool builder_wants (const builder_t *self, span_t topic)
{
	for (size_t i = 0; i < self->n_prefixes; i++) {
		size_t size = strlen (self->prefixes[i]);
		if (topic.size >= size && memcmp (topic.data, self->prefixes[i], size) == 0)
			return true;
	}
	return self->n_prefixes == 0;
}

static int on_topic (void *arg, span_t topic, span_t envelope)
{
	builder_t *self = arg;
	if (!builder_wants (self, topic))
		return 0;
	size_t size = topic.size + envelope.size + FRAME_OVERHEAD;
	if (self->message.n_frames == FRAMES_MAX || (self->size && self->size + size > REPORT_CHUNK_MAX)) {
		int r = builder_flush (self, false);
		if (r)
			return r;
	}
	size_t i = self->message.n_frames++;
	union {
		const void *in;
		uint8_t *out;
	} bytes = { envelope.data };
	memcpy (self->topics[i], topic.data, topic.size);
	self->topics[i][topic.size] = '\0';
	belfry__v1__frame__init (&self->frames[i]);
	self->frames[i].topic = self->topics[i];
	self->frames[i].envelope = (ProtobufCBinaryData){ envelope.size, bytes.out };
	self->size += size;
	return 0;
}

static int sequences_put (builder_t *self, const nodes_t *nodes)
{
	for (uint32_t n = 0; n < nodes_count (nodes); n++) {
		node_t *node = nodes_at (nodes, n);
		if (self->message.n_sequences == SEQUENCES_MAX ||
		        self->size + SEQUENCE_SIZE > REPORT_CHUNK_MAX) {
			int r = builder_flush (self, false);
			if (r)
				return r;
		}
		Belfry__V1__NodeSequence *sequence = &self->sequences[self->message.n_sequences++];
		belfry__v1__node_sequence__init (sequence);
		sequence->node = node->name;
		sequence->incarnation = node->incarnation;
		sequence->newest_volatile = node_newest_volatile (node);
		/* What is seen and not journalled is still to come out. */
		const account_t *account = ledger_account (&node->ledger, node->incarnation);
		sequence->newest_durable = account ? ranges_newest (&account->journalled) : 0;
		self->size += SEQUENCE_SIZE;
	}
	return 0;
}

int report_snapshot (const view_t *view, const ingest_t *ingest, char *const *prefixes, size_t n_prefixes,
        report_chunk_fn *emit, void *arg)
{
	builder_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	belfry__v1__snapshot__init (&self->message);
	union {
		const uint8_t *in;
		uint8_t *out;
	} id = { view->journal.id };
	self->message.journal = (ProtobufCBinaryData){ sizeof view->journal.id, id.out };
	self->message.journal_offset = view->journal.newest;
	for (size_t i = 0; i < FRAMES_MAX; i++)
		self->frames_p[i] = &self->frames[i];
	for (size_t i = 0; i < SEQUENCES_MAX; i++)
		self->sequences_p[i] = &self->sequences[i];
	self->message.frames = self->frames_p;
	self->message.sequences = self->sequences_p;
	self->prefixes = prefixes;
	self->n_prefixes = n_prefixes;
	self->emit = emit;
	self->arg = arg;
	int r = sequences_put (self, view->nodes);
	if (!r)
		r = ingest_visit (ingest, on_topic, self);
	if (!r)
		r = builder_flush (self, true);
	free (self);
	return r;
}
