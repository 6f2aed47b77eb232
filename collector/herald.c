/* The collector's metrics are one catalogue, made once from counters.def, refusal.def and the node
 * states; a sample walks the same three in the same order. */

#include "collector/herald.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "base/log.h"
#include "collector/reading.h"
#include "wire/envelope.h"

#define BEAT_NS (200 * NS_PER_MS)
#define METRICS_NS (2 * NS_PER_S)
#define CATALOGUE_NS (60 * NS_PER_S)

enum {
	N_COUNTERS = 0
#define COUNTER(name, series, kind, unit, help) +1
#include "collector/counters.def"
#undef COUNTER
	,
	N_STATES = BELFRY__V1__NODE_STATE__NODE_STATE_MAINTENANCE,
	N_EXTRA = 5, /* lost volatile, lost durable, topics, snapshot's bytes, catalogues' bytes */
	N_SERIES = N_COUNTERS + (REFUSAL_COUNT - 1) + N_STATES + N_EXTRA
};

struct herald {
	publisher_t *publisher;
	const core_port_t *port;
	view_t *view;
	ingest_t *ingest;
	committer_t *committer;
	const Belfry__V1__Event *event; /* the one that is sealed now */
	moment_t now;                   /* of that */
	uint64_t dropped_first,
	        dropped_last; /* durable sequences that the journal had no room for; 0: none */
	mono_t beat_due, metrics_due, catalogue_due, failure_said, last_tick;
	uint64_t order;      /* of own events, for the snapshot */
	uint64_t newest_out; /* durable sequence that went out */
	uint64_t delay_ns;   /* the worst of the ticks since the last beat */
	uint64_t beats, hash;
	char name[sizeof "collector." + TOPIC_NODE_MAX];
	char state_names[N_STATES][ENUM_TEXT_MAX];
	Belfry__V1__Series series[N_SERIES];
	Belfry__V1__Series *series_p[N_SERIES];
	Belfry__V1__Label labels[N_SERIES];
	Belfry__V1__Label *labels_p[N_SERIES];
};

const char *herald_name (const herald_t *self)
{
	return self->name;
}

/* A durable event of the collector's own is journalled like any other. Nobody sends it again, so what finds
 * no room is published all the same, and named by a gap. */
static void journal (herald_t *self, span_t topic, span_t envelope)
{
	const Belfry__V1__Header *header = self->event->header;
	const journal_record_t record = { .topic = topic,
		.envelope = envelope,
		.node = self->name,
		.subject_node = header->subject_node[0] ? header->subject_node : NULL,
		.incarnation = header->incarnation,
		.sequence = header->sequence,
		.channel = event_type_of (self->event)->channel,
		.severity = header->severity,
		.time_ns = header->time_ns,
		.received_ns = (uint64_t) self->now.wall.ns };
	const batch_entry_t entry = {
		.node = BATCH_OWN, .boot_nonce = header->boot_nonce, .order = self->order
	};
	if (committer_room (self->committer, topic.size + envelope.size, true)) {
		committer_add (self->committer, &record, &entry);
		return;
	}
	self->view->counters.journal_dropped++;
	self->dropped_last = header->sequence;
	if (!self->dropped_first)
		self->dropped_first = header->sequence;
	self->port->publish (self->port->arg, topic, envelope, span_of (NULL, 0));
	herald_published (self, &record, &entry);
}

void herald_published (herald_t *self, const journal_record_t *record, const batch_entry_t *entry)
{
	ingest_keep_own (self->ingest, record->topic, record->envelope, entry->order);
	if (record->sequence > self->newest_out)
		self->newest_out = record->sequence;
}

static void on_emit (void *arg, span_t topic, span_t envelope)
{
	herald_t *self = arg;
	self->view->counters.published++;
	self->order++;
	if (self->event->header->class_ == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE) {
		journal (self, topic, envelope);
		return;
	}
	ingest_keep_own (self->ingest, topic, envelope, self->order);
	self->port->publish (self->port->arg, topic, envelope, span_of (NULL, 0));
}

static void series_set (herald_t *self, size_t *at, const char *name, Belfry__V1__MetricKind kind,
        const char *unit, const char *key, const char *value)
{
	size_t i = (*at)++;
	belfry__v1__series__init (&self->series[i]);
	self->series_p[i] = &self->series[i];
	self->series[i].name = borrow (name);
	self->series[i].kind = kind;
	self->series[i].unit = borrow (unit);
	if (!key)
		return;
	belfry__v1__label__init (&self->labels[i]);
	self->labels[i].key = borrow (key);
	self->labels[i].value = borrow (value);
	self->labels_p[i] = &self->labels[i];
	self->series[i].n_labels = 1;
	self->series[i].labels = &self->labels_p[i];
}

static uint64_t hash_text (uint64_t h, const char *text)
{
	for (;; text++) {
		h = (h ^ (unsigned char) *text) * UINT64_C (1099511628211);
		if (!*text)
			return h;
	}
}

static void catalogue_make (herald_t *self)
{
	const Belfry__V1__MetricKind counter = BELFRY__V1__METRIC_KIND__METRIC_KIND_COUNTER,
	                             gauge = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
	size_t at = 0;
#define COUNTER(name, series, kind, unit, help) \
	series_set (self, &at, series, BELFRY__V1__METRIC_KIND__METRIC_KIND_##kind, unit, NULL, NULL);
#include "collector/counters.def"
#undef COUNTER
	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
		series_set (self, &at, "belfry_collector_refused_total", counter, "", "reason",
		        refusal_key ((refusal_t) i));
	for (int i = 0; i < N_STATES; i++) {
		enum_text (&belfry__v1__node_state__descriptor, i + 1, self->state_names[i]);
		series_set (self, &at, "belfry_collector_nodes", gauge, "", "state", self->state_names[i]);
	}
	series_set (self, &at, "belfry_collector_lost_total", counter, "", "class", "volatile");
	series_set (self, &at, "belfry_collector_lost_total", counter, "", "class", "durable");
	series_set (self, &at, "belfry_collector_topics", gauge, "", NULL, NULL);
	series_set (self, &at, "belfry_collector_snapshot_bytes", gauge, "bytes", NULL, NULL);
	series_set (self, &at, "belfry_collector_catalogues_bytes", gauge, "bytes", NULL, NULL);
	self->hash = UINT64_C (14695981039346656037);
	for (size_t i = 0; i < N_SERIES; i++) {
		self->hash = hash_text (self->hash, self->series[i].name);
		if (self->series[i].n_labels)
			self->hash = hash_text (self->hash, self->labels[i].value);
	}
	self->hash |= 1; /* zero says that there is none */
}

int herald_new (const core_options_t *options, const core_port_t *port, view_t *view, ingest_t *ingest,
        committer_t *committer, moment_t now, herald_t **ret, err_t *err)
{
	herald_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	int size = snprintf (self->name, sizeof self->name, "collector.%s", options->name);
	if (size > TOPIC_NODE_MAX) {
		free (self);
		return error_set (err, -EINVAL,
		        "name '%s': at most %zu bytes, since it signs as collector.<name>", options->name,
		        TOPIC_NODE_MAX - (sizeof "collector." - 1));
	}
	self->port = port;
	self->view = view;
	self->ingest = ingest;
	self->committer = committer;
	self->beat_due = self->metrics_due = self->catalogue_due = self->last_tick = now.mono;
	self->failure_said = mono_add (now.mono, -60 * NS_PER_S);
	catalogue_make (self);
	const publisher_options_t publisher = { options->cluster, self->name, options->incarnation,
		options->boot_nonce, now.mono, options->keyring };
	int r = publisher_new (&publisher, on_emit, self, &self->publisher, err);
	if (r) {
		free (self);
		return r;
	}
	*ret = self;
	return 0;
}

void herald_destroy (herald_t **self_p)
{
	if (!*self_p)
		return;
	publisher_destroy (&(*self_p)->publisher);
	free (*self_p);
	*self_p = NULL;
}

void herald_set_keyring (herald_t *self, keyring_t *keyring)
{
	publisher_set_keyring (self->publisher, keyring);
}

static void send (herald_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now)
{
	err_t err = { "" };
	self->event = event;
	self->now = now;
	if (publisher_send (self->publisher, event, note, now, &err) == 0)
		return;
	self->view->counters.publish_failed++;
	if (mono_since (now.mono, self->failure_said) < 60 * NS_PER_S)
		return;
	self->failure_said = now.mono;
	char text[ERROR_TEXT_MAX + 64];
	snprintf (text, sizeof text, "an event of the collector's own cannot be sent: %s", err.text);
	self->port->say (self->port->arg, LOG_LEVEL_ERROR, text);
}

/* A gap in the place of what the journal had no room for, when it has. */
static void gap_say (herald_t *self, moment_t now)
{
	if (!self->dropped_first || !committer_room (self->committer, ENVELOPE_SIZE_MAX, false))
		return;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Gap gap = BELFRY__V1__GAP__INIT;
	gap.first = self->dropped_first;
	gap.last = self->dropped_last;
	gap.count = gap.last - gap.first + 1;
	gap.reason = BELFRY__V1__GAP_REASON__GAP_REASON_DISK;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_GAP;
	event.gap = &gap;
	self->dropped_first = self->dropped_last = 0;
	send (self, &event, NULL, now);
}

void herald_send (herald_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now)
{
	gap_say (self, now);
	send (self, event, note, now);
}

void herald_system (herald_t *self, Belfry__V1__SystemLifecycleState state, const char *reason, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SystemLifecycle payload = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	payload.state = state;
	payload.system = borrow ("belfry-collector");
	payload.version = self->view->version;
	payload.reason = borrow (reason ? reason : "");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &payload;
	herald_send (self, &event, NULL, now);
}

static Belfry__V1__Severity severity_of (Belfry__V1__Status status)
{
	switch (status) {
	case BELFRY__V1__STATUS__STATUS_HEALTHY:
		return BELFRY__V1__SEVERITY__SEVERITY_INFO;
	case BELFRY__V1__STATUS__STATUS_UNHEALTHY:
		return BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	default:
		return BELFRY__V1__SEVERITY__SEVERITY_WARNING;
	}
}

void herald_cluster (herald_t *self, const cluster_health_t *before, moment_t now)
{
	const cluster_health_t *health = &self->view->health;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ClusterHealth payload = BELFRY__V1__CLUSTER_HEALTH__INIT;
	payload.status = health->status;
	payload.quorum = health->quorum;
	payload.total = health->total;
	payload.healthy = health->counts[CLUSTER_HEALTHY];
	payload.degraded = health->counts[CLUSTER_DEGRADED];
	payload.unhealthy = health->counts[CLUSTER_UNHEALTHY];
	payload.down = health->counts[CLUSTER_DOWN];
	payload.unknown = health->counts[CLUSTER_UNKNOWN];
	/* Names of everybody fit a cluster that a person reads; above that, of those that are not well,
	 * as far as the schema's lists go. */
	enum { NAMES_MAX = 4096, HEALTHY_NAMES_MAX = 256 };
	const nodes_t *nodes = self->view->nodes;
	uint32_t n = nodes_count (nodes);
	char **names = calloc ((size_t) CLUSTER_KINDS * NAMES_MAX, sizeof (char *));
	if (names) {
		size_t counts[CLUSTER_KINDS] = { 0 };
		for (uint32_t i = 0; i < n; i++) {
			node_t *node = nodes_at (nodes, i);
			cluster_kind_t kind = cluster_kind (node);
			size_t most = kind == CLUSTER_HEALTHY ? HEALTHY_NAMES_MAX : NAMES_MAX;
			if (!cluster_left (node) && counts[kind] < most)
				names[(size_t) kind * NAMES_MAX + counts[kind]++] = node->name;
		}
		if (health->counts[CLUSTER_HEALTHY] > HEALTHY_NAMES_MAX)
			counts[CLUSTER_HEALTHY] = 0;
		payload.n_healthy_nodes = counts[CLUSTER_HEALTHY];
		payload.healthy_nodes = names + CLUSTER_HEALTHY * NAMES_MAX;
		payload.n_degraded_nodes = counts[CLUSTER_DEGRADED];
		payload.degraded_nodes = names + CLUSTER_DEGRADED * NAMES_MAX;
		payload.n_unhealthy_nodes = counts[CLUSTER_UNHEALTHY];
		payload.unhealthy_nodes = names + CLUSTER_UNHEALTHY * NAMES_MAX;
		payload.n_down_nodes = counts[CLUSTER_DOWN];
		payload.down_nodes = names + CLUSTER_DOWN * NAMES_MAX;
		payload.n_unknown_nodes = counts[CLUSTER_UNKNOWN];
		payload.unknown_nodes = names + CLUSTER_UNKNOWN * NAMES_MAX;
	}
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CLUSTER_HEALTH;
	event.cluster_health = &payload;
	publisher_note_t note = { .severity = severity_of (health->status),
		.changed = before && (before->status != health->status || before->quorum != health->quorum) };
	herald_send (self, &event, &note, now);
	free (names);
}

void herald_component (herald_t *self, const node_t *node, component_t *component, Belfry__V1__Status status,
        const char *details, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ComponentHealth payload = BELFRY__V1__COMPONENT_HEALTH__INIT;
	payload.component = component->name;
	payload.status = status;
	payload.previous_status = component->published ? component->published : component->status;
	payload.since_ns = (uint64_t) now.wall.ns;
	payload.details = borrow (details);
	component->published = status;
	component->published_ns = (uint64_t) now.wall.ns;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH;
	event.component_health = &payload;
	const publisher_note_t note = {
		.subject_node = node->name, .severity = severity_of (status), .changed = true
	};
	herald_send (self, &event, &note, now);
}

/* Verdicts and alerts come from the detector's room; what else the collector says, from itself. */
static const char verdict_source[] = "detect";

void herald_node (herald_t *self, const node_t *node, Belfry__V1__NodeLifecycle *payload,
        Belfry__V1__Severity severity, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_NODE_LIFECYCLE;
	event.node_lifecycle = payload;
	const publisher_note_t note = {
		.source = verdict_source, .subject_node = node->name, .severity = severity
	};
	herald_send (self, &event, &note, now);
}

void herald_membership (herald_t *self, Belfry__V1__MembershipChanged *payload, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_MEMBERSHIP_CHANGED;
	event.membership_changed = payload;
	const publisher_note_t note = { .source = verdict_source };
	herald_send (self, &event, &note, now);
}

void herald_alert (herald_t *self, Belfry__V1__Alert *payload, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ALERT;
	event.alert = payload;
	const publisher_note_t note = {
		.source = verdict_source, .subject_node = payload->node, .severity = payload->severity
	};
	herald_send (self, &event, &note, now);
}

void herald_security (
        herald_t *self, const char *type, const char *node, const char *description, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SecurityAlert payload = BELFRY__V1__SECURITY_ALERT__INIT;
	payload.type = borrow (type);
	payload.severity = BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	payload.description = borrow (description);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SECURITY_ALERT;
	event.security_alert = &payload;
	const publisher_note_t note = { .subject_node = node, .severity = payload.severity };
	herald_send (self, &event, &note, now);
}

void herald_checkpoint (herald_t *self, const checkpoint_t *checkpoint, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Checkpoint payload;
	reading_checkpoint (checkpoint, &payload);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CHECKPOINT;
	event.checkpoint = &payload;
	herald_send (self, &event, NULL, now);
}

void herald_violation (herald_t *self, const char *user, const char *type, const char *resource,
        const char *address, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__AccessViolation payload = BELFRY__V1__ACCESS_VIOLATION__INIT;
	payload.user = borrow (user);
	payload.type = borrow (type);
	payload.resource = borrow (resource);
	payload.action = borrow ("shut out");
	payload.source_address = borrow (address);
	payload.severity = BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ACCESS_VIOLATION;
	event.access_violation = &payload;
	const publisher_note_t note = { .severity = payload.severity };
	herald_send (self, &event, &note, now);
}

static void beat (herald_t *self, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Heartbeat payload = BELFRY__V1__HEARTBEAT__INIT;
	Belfry__V1__LoopProgress loop = BELFRY__V1__LOOP_PROGRESS__INIT, *loops[] = { &loop };
	Belfry__V1__ChannelOffset offsets[CHANNEL_FABRIC], *offsets_p[CHANNEL_FABRIC];
	for (int i = 0; i < CHANNEL_FABRIC; i++) {
		belfry__v1__channel_offset__init (&offsets[i]);
		offsets[i].channel = borrow (channel_name ((channel_t) i));
		offsets[i].offset = self->view->journal.channels[i];
		offsets_p[i] = &offsets[i];
	}
	loop.name = borrow ("core");
	loop.counter = ++self->beats;
	payload.newest_volatile = publisher_newest_volatile (self->publisher) + 1; /* this one */
	/* What is on its way to the journal is not out yet. */
	payload.newest_durable = self->newest_out;
	payload.interval_ns = BEAT_NS;
	payload.scheduling_delay_ns = self->delay_ns;
	payload.n_loops = 1;
	payload.loops = loops;
	payload.n_offsets = CHANNEL_FABRIC;
	payload.offsets = offsets_p;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT;
	event.heartbeat = &payload;
	herald_send (self, &event, NULL, now);
}

static void say_catalogue (herald_t *self, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Catalogue payload = BELFRY__V1__CATALOGUE__INIT;
	payload.hash = self->hash;
	payload.n_series = N_SERIES;
	payload.series = self->series_p;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CATALOGUE;
	event.catalogue = &payload;
	herald_send (self, &event, NULL, now);
}

static void say_metrics (herald_t *self, moment_t now)
{
	view_t *view = self->view;
	double values[N_SERIES];
	size_t at = 0, states = 0;
	uint64_t lost_volatile = 0, lost_durable = 0;
#define COUNTER(name, series, kind, unit, help) values[at++] = (double) view->counters.name;
#include "collector/counters.def"
#undef COUNTER
	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
		values[at++] = (double) view->refused[i];
	states = at;
	for (int i = 0; i < N_STATES; i++)
		values[at++] = 0;
	for (uint32_t i = 0; i < nodes_count (view->nodes); i++) {
		node_t *node = nodes_at (view->nodes, i);
		node_bind (node, now.mono);
		lost_volatile += node_lost_volatile (node);
		lost_durable += node->lost_durable;
		if (node->state >= 1 && (int) node->state <= N_STATES)
			values[states + node->state - 1]++;
	}
	values[at++] = (double) lost_volatile;
	values[at++] = (double) lost_durable;
	values[at++] = (double) ingest_topics (self->ingest);
	values[at++] = (double) snapshot_bytes (view->snapshot);
	values[at++] = (double) catalogues_bytes (view->catalogues);

	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__MetricBatch payload = BELFRY__V1__METRIC_BATCH__INIT;
	payload.catalogue_hash = self->hash;
	payload.n_values = N_SERIES;
	payload.values = values;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	event.metric_batch = &payload;
	herald_send (self, &event, NULL, now);
}

void herald_tick (herald_t *self, moment_t now)
{
	/* Ticks are due every 20 ms or so: what goes beyond 50 is this process not being run. */
	int64_t since = mono_since (now.mono, self->last_tick) - 50 * NS_PER_MS;
	if (since > 0 && (uint64_t) since > self->delay_ns)
		self->delay_ns = (uint64_t) since;
	self->last_tick = now.mono;
	if (now.mono.ns >= self->catalogue_due.ns) {
		self->catalogue_due = mono_add (now.mono, CATALOGUE_NS);
		say_catalogue (self, now);
	}
	if (now.mono.ns >= self->metrics_due.ns) {
		self->metrics_due = mono_add (now.mono, METRICS_NS);
		say_metrics (self, now);
		self->delay_ns = 0;
	}
	if (now.mono.ns >= self->beat_due.ns) {
		self->beat_due = mono_add (now.mono, BEAT_NS);
		beat (self, now);
	}
}
