#include "subscriber.h"

#include <stdlib.h>

#include "client/catalogues.h"
#include "client/intake.h"
#include "client/snapshot.h"
#include "client/track.h"
#include "collector.h"
#include "wire/control.h"

/* What came between the first beat and the snapshot waits. */
typedef struct early {
	struct early *next;
	size_t sizes[2];
	uint8_t data[];
} early_t;

typedef enum { SUBSCRIBED, ASKED, JOINED } stage_t;

struct subscriber {
	world_t *world;
	process_t process;
	conn_t *stream, *control;
	intake_t *intake;
	track_t *track;
	client_catalogues_t *catalogues;
	client_snapshot_t *snapshot;
	stage_t stage;
	bool tracing;
	uint64_t lives, asked; /* asked: the newest request's id */
	early_t *early, **early_last;
	uint64_t received, unknown_catalogues, replayed;
};

static mono_t now_of (const subscriber_t *self)
{
	return host_moment (self->world->sim, self->process.host).mono;
}

static void books_close (subscriber_t *self)
{
	intake_destroy (&self->intake);
	track_destroy (&self->track);
	client_catalogues_destroy (&self->catalogues);
	client_snapshot_destroy (&self->snapshot);
	while (self->early) {
		early_t *next = self->early->next;
		free (self->early);
		self->early = next;
	}
	self->early_last = &self->early;
}

static void books_open (subscriber_t *self)
{
	self->early_last = &self->early;
	self->stage = SUBSCRIBED;
	if (intake_new (self->world->keyring, &self->intake) || track_new (&self->track) ||
	        client_catalogues_new (1024 * 1024, &self->catalogues) ||
	        client_snapshot_new (&self->snapshot))
		abort ();
}

/* Events. */

static void batch_check (subscriber_t *self, const Belfry__V1__Event *event)
{
	const Belfry__V1__MetricBatch *batch = event->metric_batch;
	const Belfry__V1__Catalogue *catalogue =
	        client_catalogues_get (self->catalogues, event->header->node, batch->catalogue_hash);
	if (!catalogue)
		self->unknown_catalogues++;
	else if (catalogue->n_series != batch->n_values)
		sim_fail (self->world->sim, "values fit their catalogue", "%s: %zu values, %zu series",
		        event->header->node, batch->n_values, catalogue->n_series);
}

static void refused (subscriber_t *self, const char *node, refusal_t reason, bool durable)
{
	const world_t *world = self->world;
	/* A collector that began again has marks of a second before its end. And a durable event may come so late
	 * that it has left the client's window, or its incarnation is over. */
	if (collector_runs (world->collector) > 1 || durable) {
		self->replayed++;
		return;
	}
	sim_fail (world->sim, "a subscriber believes what the collector republishes", "%s: %s", node,
	        refusal_key (reason));
}

static void take (subscriber_t *self, span_t topic, span_t envelope)
{
	sim_t *sim = self->world->sim;
	const Belfry__V1__Event *event = NULL;
	if (!ledger_find (self->world->ledger, topic, envelope)) {
		sim_fail (sim, "bytes are forwarded as they came", "%.*s", (int) topic.size,
		        (const char *) topic.data);
		return;
	}
	refusal_t reason = intake_open (self->intake, topic, envelope, &event);
	if (reason) {
		sim_fail (sim, "a subscriber can verify what it gets", "%.*s: %s", (int) topic.size,
		        (const char *) topic.data, refusal_key (reason));
		return;
	}
	self->received++;
	track_verdict_t verdict = track_event (self->track, topic, event->header, &reason);
	if (verdict == TRACK_REFUSED) {
		refused (self, event->header->node, reason,
		        event->header->class_ == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE);
		return;
	}
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_CATALOGUE)
		client_catalogues_put (self->catalogues, event->header->node, event->catalogue);
	if (verdict != TRACK_NEW)
		return;
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT)
		track_beat (self->track, event->header, event->heartbeat, now_of (self));
	else if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH)
		batch_check (self, event);
}

/* Joining (lib/client/join.c). */

static void early_put (subscriber_t *self, const span_t *parts)
{
	early_t *early = sim_alloc (sizeof *early + parts[0].size + parts[1].size);
	early->sizes[0] = parts[0].size;
	early->sizes[1] = parts[1].size;
	memcpy (early->data, parts[0].data, parts[0].size);
	memcpy (early->data + parts[0].size, parts[1].data, parts[1].size);
	*self->early_last = early;
	self->early_last = &early->next;
}

static void on_ask (void *context, uint64_t life)
{
	subscriber_t *self = context;
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__SnapshotRequest request = BELFRY__V1__SNAPSHOT_REQUEST__INIT;
	uint8_t *bytes = NULL;
	size_t size = 0;
	if (life != self->lives || self->stage == JOINED)
		return;
	client_snapshot_destroy (&self->snapshot);
	if (client_snapshot_new (&self->snapshot))
		abort ();
	control.id = ++self->asked;
	control.body_case = BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST;
	control.snapshot_request = &request;
	if (control_pack (&control, CONTROL_TO_COLLECTOR, NULL, NULL, &bytes, &size))
		abort ();
	span_t part = span_of (bytes, size);
	conn_send (self->control, NET_TO_SERVER, &part, 1);
	free (bytes);
	sim_after (self->world->sim, 2 * NS_PER_S, on_ask, self, self->lives);
}

static void on_stream (void *context, conn_t *conn, int descriptor, const span_t *parts, size_t n)
{
	subscriber_t *self = context;
	(void) conn;
	(void) descriptor;
	if (n != 2 && n != 3)
		return;
	if (self->stage == SUBSCRIBED) {
		static const char beat[] = "fabric/heartbeat/";
		if (parts[0].size < sizeof beat - 1 || memcmp (parts[0].data, beat, sizeof beat - 1) != 0)
			return;
		self->stage = ASKED;
		on_ask (self, self->lives);
	}
	if (self->stage == JOINED)
		take (self, parts[0], parts[1]);
	else
		early_put (self, parts);
}

static void joined (subscriber_t *self)
{
	if (client_snapshot_order (self->snapshot, false))
		abort ();
	for (size_t i = 0; i < client_snapshot_count (self->snapshot); i++) {
		const Belfry__V1__Frame *frame = client_snapshot_frame (self->snapshot, i);
		span_t topic = span_str (frame->topic);
		span_t envelope = span_of (frame->envelope.data, frame->envelope.len);
		const Belfry__V1__Event *event = NULL;
		refusal_t reason = intake_open (self->intake, topic, envelope, &event);
		if (reason) {
			sim_fail (self->world->sim, "a subscriber can verify the snapshot", "%s: %s",
			        frame->topic, refusal_key (reason));
			return;
		}
		if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_CATALOGUE)
			client_catalogues_put (self->catalogues, event->header->node, event->catalogue);
		if (track_snapshot_event (self->track, topic, event->header))
			abort ();
	}
	for (size_t i = 0; i < client_snapshot_sequences (self->snapshot); i++) {
		if (track_snapshot_sequence (self->track, client_snapshot_sequence (self->snapshot, i)))
			abort ();
	}
	self->stage = JOINED;
	sim_trace (self->world->sim, "the subscriber has joined: %zu topics",
	        client_snapshot_count (self->snapshot));
	while (self->early) {
		early_t *early = self->early;
		self->early = early->next;
		take (self, span_of (early->data, early->sizes[0]),
		        span_of (early->data + early->sizes[0], early->sizes[1]));
		free (early);
	}
	self->early_last = &self->early;
}

static void on_control (void *context, conn_t *conn, int descriptor, const span_t *parts, size_t n)
{
	subscriber_t *self = context;
	(void) conn;
	(void) descriptor;
	(void) n;
	Belfry__V1__Control *control = NULL;
	bool is_signed;
	if (control_unpack (parts[0].data, parts[0].size, NULL, &control, &is_signed))
		return;
	if (self->stage != ASKED || control->id != self->asked ||
	        control->body_case != BELFRY__V1__CONTROL__BODY_SNAPSHOT) {
		belfry__v1__control__free_unpacked (control, NULL);
		return;
	}
	bool last = control->snapshot->last;
	if (client_snapshot_add (self->snapshot, control)) {
		sim_fail (self->world->sim, "the snapshot's chunks come in order", "one does not");
		belfry__v1__control__free_unpacked (control, NULL);
	} else if (last) {
		joined (self);
	}
}

/* Life. */

static void subscribe (subscriber_t *self, char first, const char *prefix)
{
	char bytes[64];
	size_t size = strlen (prefix);
	bytes[0] = first;
	memcpy (bytes + 1, prefix, size);
	span_t part = span_of (bytes, size + 1);
	conn_send (self->stream, NET_TO_SERVER, &part, 1);
}

static void on_stream_opened (void *context, conn_t *conn)
{
	subscriber_t *self = context;
	(void) conn;
	subscribe (self, 1, "");
	if (self->tracing)
		subscribe (self, 1, "diagnostics/trace/");
}

static void on_control_opened (void *context, conn_t *conn)
{
	(void) context;
	(void) conn;
}

static void on_closed (void *context, conn_t *conn, int descriptor)
{
	(void) context;
	(void) conn;
	(void) descriptor;
}

subscriber_t *subscriber_new (world_t *world)
{
	subscriber_t *self = sim_alloc (sizeof *self);
	self->world = world;
	self->process = (process_t){ .name = "the subscriber", .host = collector_host (world->collector) };
	books_open (self);
	const conn_options_t stream = { "subscriber stream", &self->process,
		collector_process (world->collector), collector_path (world->collector),
		{ self, on_stream_opened, on_closed, on_stream }, collector_outlet_end (world->collector),
		{ 1000, 5000 } };
	const conn_options_t control = { "subscriber control", &self->process,
		collector_process (world->collector), collector_path (world->collector),
		{ self, on_control_opened, on_closed, on_control }, collector_control_end (world->collector),
		{ 1000, 1000 } };
	self->stream = conn_new (world->net, &stream);
	self->control = conn_new (world->net, &control);
	return self;
}

void subscriber_start (subscriber_t *self)
{
	self->process.alive = true;
	self->lives++;
	conn_start (self->stream);
	conn_start (self->control);
}

void subscriber_restart (subscriber_t *self)
{
	if (!self->process.alive)
		return;
	sim_trace (self->world->sim, "the subscriber begins anew");
	self->process.alive = false;
	net_killed (self->world->net, &self->process);
	books_close (self);
	books_open (self);
	subscriber_start (self);
}

void subscriber_trace (subscriber_t *self, bool on)
{
	if (on == self->tracing)
		return;
	self->tracing = on;
	subscribe (self, on, "diagnostics/trace/");
}

void subscriber_destroy (subscriber_t **self_p)
{
	if (!*self_p)
		return;
	books_close (*self_p);
	free (*self_p);
	*self_p = NULL;
}

conn_t *subscriber_stream (const subscriber_t *self)
{
	return self->stream;
}
bool subscriber_joined (const subscriber_t *self)
{
	return self->stage == JOINED;
}
uint64_t subscriber_received (const subscriber_t *self)
{
	return self->received;
}
uint64_t subscriber_lost (const subscriber_t *self)
{
	return track_lost (self->track);
}
uint64_t subscriber_replayed (const subscriber_t *self)
{
	return self->replayed;
}
