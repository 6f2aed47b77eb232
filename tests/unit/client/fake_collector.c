#include "tests/unit/client/fake_collector.h"

#include "net/loop.h"
#include "wire/control.h"
#include "wire/mark.h"
#include "wire/topic.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGES_MAX = 4096, PUBLISHERS_MAX = 16, BEAT_NS = 5 * 1000 * 1000 };

typedef struct {
	const fake_message_t *message;
	uint64_t offset; /* 0: no mark */
	bool late;
} outgoing_t;

struct fake {
	fake_options_t options;
	net_context_t *context;
	loop_t *loop;
	link_t *outlet, *control;
	pthread_t thread;
	char stream_endpoint[128], control_endpoint[128];
	keyring_t *keyring, *beat_keyring;
	publisher_t *beats, *publishers[PUBLISHERS_MAX];
	size_t n_publishers;
	fake_message_t messages[MESSAGES_MAX];
	size_t n_messages;

	pthread_mutex_t lock; /* of what follows */
	outgoing_t outgoing[MESSAGES_MAX];
	size_t n_outgoing;
	const fake_message_t *at_snapshot[MESSAGES_MAX], *kept[MESSAGES_MAX];
	size_t n_at_snapshot, n_kept;
	Belfry__V1__NodeSequence sequences[16];
	size_t n_sequences;
	uint8_t *status;
	size_t status_size;
	unsigned requests;
	char prefixes[1024];
};

static char *copy_of (const char *text)
{
	char *copy = strdup (text);
	assert (copy);
	return copy;
}

static void send_message (fake_t *self, const outgoing_t *outgoing)
{
	const fake_message_t *message = outgoing->message;
	span_t parts[3] = { span_of (message->topic, message->topic_size),
		span_of (message->bytes, message->size) };
	uint8_t mark[MARK_SIZE_MAX];
	size_t mark_size = 0;
	if (outgoing->offset) {
		const mark_t said = { .journal = { 7 }, .offset = outgoing->offset, .late = outgoing->late };
		mark_size = mark_pack (&said, mark);
		parts[2] = span_of (mark, mark_size);
	}
	int r = link_send (self->outlet, parts, mark_size ? 3 : 2);
	assert (r == 0 || r == -EAGAIN);
}

static void emit_beat (void *arg, span_t topic, span_t envelope)
{
	fake_t *self = arg;
	span_t parts[] = { topic, envelope };
	link_send (self->outlet, parts, 2);
}

/* Subscriptions arrive as messages: an outlet is always drained. */
static void on_outlet (void *arg, link_t *link)
{
	frame_t frames[2] = { 0 };
	size_t n;
	(void) arg;
	while (link_receive (link, frames, 2, &n) == 0) {
		frame_close (&frames[0]);
		frame_close (&frames[1]);
	}
}

static void on_tick (void *arg, int id, moment_t now)
{
	fake_t *self = arg;
	(void) id;
	pthread_mutex_lock (&self->lock);
	for (size_t i = 0; i < self->n_outgoing; i++)
		send_message (self, &self->outgoing[i]);
	self->n_outgoing = 0;
	pthread_mutex_unlock (&self->lock);
	if (self->options.no_beats)
		return;
	Belfry__V1__Heartbeat beat;
	Belfry__V1__Event event;
	belfry__v1__heartbeat__init (&beat);
	belfry__v1__event__init (&event);
	beat.interval_ns = BEAT_NS;
	beat.newest_volatile = publisher_newest_volatile (self->beats);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT;
	event.heartbeat = &beat;
	err_t err = { 0 };
	int r = publisher_send (self->beats, &event, NULL, now, &err);
	if (r) {
		fprintf (stderr, "%s\n", err.text);
		abort ();
	}
}

static void answer (fake_t *self, span_t peer, Belfry__V1__Control *control)
{
	uint8_t *bytes;
	size_t size;
	int r = control_pack (control, CONTROL_TO_AGENT, NULL, NULL, &bytes, &size);
	assert (r == 0);
	span_t parts[] = { peer, span_of (bytes, size) };
	r = link_send (self->control, parts, 2);
	assert (r == 0 || r == -EHOSTUNREACH);
	free (bytes);
}

static void answer_refused (fake_t *self, span_t peer, uint64_t id, const char *reason)
{
	Belfry__V1__Control control;
	Belfry__V1__Refused refused;
	char text[] = "because the test says so";
	belfry__v1__control__init (&control);
	belfry__v1__refused__init (&refused);
	control.id = id;
	control.body_case = BELFRY__V1__CONTROL__BODY_REFUSED;
	control.refused = &refused;
	refused.reason = copy_of (reason);
	refused.text = text;
	answer (self, peer, &control);
	free (refused.reason);
}

static void answer_snapshot (fake_t *self, span_t peer, uint64_t id)
{
	for (size_t i = 0; i < self->n_at_snapshot; i++)
		send_message (self, &(outgoing_t){ .message = self->at_snapshot[i] });
	for (size_t i = 0; i <= self->n_kept; i++) {
		Belfry__V1__Control control;
		Belfry__V1__Snapshot snapshot;
		Belfry__V1__Frame frame, *frames[] = { &frame };
		Belfry__V1__NodeSequence *sequences[16];
		belfry__v1__control__init (&control);
		belfry__v1__snapshot__init (&snapshot);
		belfry__v1__frame__init (&frame);
		control.id = id;
		control.body_case = BELFRY__V1__CONTROL__BODY_SNAPSHOT;
		control.snapshot = &snapshot;
		snapshot.chunk = (uint32_t) i + (self->options.chunks_out_of_order ? 1 : 0);
		snapshot.last = i == self->n_kept;
		if (i < self->n_kept) {
			frame.topic = copy_of (self->kept[i]->topic);
			frame.envelope = (ProtobufCBinaryData){ self->kept[i]->size, self->kept[i]->bytes };
			snapshot.n_frames = 1;
			snapshot.frames = frames;
		} else {
			for (size_t s = 0; s < self->n_sequences; s++)
				sequences[s] = &self->sequences[s];
			snapshot.n_sequences = self->n_sequences;
			snapshot.sequences = sequences;
		}
		answer (self, peer, &control);
		if (i < self->n_kept)
			free (frame.topic);
	}
}

static void answer_status (fake_t *self, span_t peer, uint64_t id)
{
	if (!self->status) {
		answer_refused (self, peer, id, "unknown_node");
		return;
	}
	Belfry__V1__Control control;
	belfry__v1__control__init (&control);
	control.id = id;
	control.body_case = BELFRY__V1__CONTROL__BODY_STATUS;
	control.status = belfry__v1__status_reply__unpack (NULL, self->status_size, self->status);
	answer (self, peer, &control);
	belfry__v1__status_reply__free_unpacked (control.status, NULL);
}

static void note_prefixes (fake_t *self, const Belfry__V1__SnapshotRequest *request)
{
	self->prefixes[0] = '\0';
	for (size_t i = 0; i < request->n_prefixes; i++) {
		strncat (self->prefixes, request->prefixes[i],
		        sizeof self->prefixes - strlen (self->prefixes) - 2);
		strcat (self->prefixes, i + 1 < request->n_prefixes ? " " : "");
	}
}

static void on_request (fake_t *self, span_t peer, span_t bytes)
{
	Belfry__V1__Control *control;
	bool is_signed;
	refusal_t reason = control_unpack (bytes.data, bytes.size, NULL, &control, &is_signed);
	assert (reason == REFUSAL_NONE && !is_signed);
	self->requests++;
	if (self->options.no_answers) {
		/* Nothing. */
	} else if (self->options.garbage) {
		span_t parts[] = { peer, span_str ("\xff\xff garbage") };
		link_send (self->control, parts, 2);
	} else if (self->options.refuse) {
		answer_refused (self, peer, control->id, self->options.refuse);
	} else if (control->body_case == BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST) {
		note_prefixes (self, control->snapshot_request);
		/* An answer to what nobody asked comes first: it must be passed over. */
		answer_refused (self, peer, control->id + 1000, "nobody_asked");
		answer_snapshot (self, peer, control->id);
	} else if (control->body_case == BELFRY__V1__CONTROL__BODY_STATUS_REQUEST) {
		answer_status (self, peer, control->id);
	}
	belfry__v1__control__free_unpacked (control, NULL);
}

static void on_control (void *arg, link_t *link)
{
	fake_t *self = arg;
	frame_t frames[2] = { 0 };
	size_t n;
	while (link_receive (link, frames, 2, &n) == 0) {
		assert (n == 2);
		pthread_mutex_lock (&self->lock);
		on_request (self, frame_bytes (&frames[0]), frame_bytes (&frames[1]));
		pthread_mutex_unlock (&self->lock);
		frame_close (&frames[0]);
		frame_close (&frames[1]);
	}
}

static void *run (void *arg)
{
	fake_t *self = arg;
	int r = loop_run (self->loop);
	assert (r == 0);
	return NULL;
}

static void keep_message (void *arg, span_t topic, span_t envelope)
{
	fake_t *self = arg;
	assert (self->n_messages < MESSAGES_MAX);
	fake_message_t *message = &self->messages[self->n_messages++];
	memcpy (message->topic, topic.data, topic.size);
	message->topic[topic.size] = '\0';
	message->topic_size = topic.size;
	message->bytes = malloc (envelope.size + 64);
	assert (message->bytes);
	memcpy (message->bytes, envelope.data, envelope.size);
	message->size = envelope.size;
}

static keyring_t *keyring_of (const char *text)
{
	keyring_t *keyring = NULL;
	err_t err;
	if (text && keyring_parse (text, strlen (text), "test", &keyring, &err)) {
		fprintf (stderr, "%s\n", err.text);
		abort ();
	}
	return keyring;
}

fake_t *fake_start (const fake_options_t *options)
{
	fake_t *self = calloc (1, sizeof *self);
	assert (self);
	if (options)
		self->options = *options;
	pthread_mutex_init (&self->lock, NULL);
	self->keyring = keyring_of (self->options.keyring);
	self->beat_keyring = keyring_of (self->options.keyring);
	publisher_options_t beats = { "demo", "collector.c1", 1, 99, mono_now (), self->beat_keyring };
	err_t err = { 0 };
	int r = publisher_new (&beats, emit_beat, self, &self->beats, &err);
	r = r ? r : net_context_new (1, &self->context);
	r = r ? r : loop_new (&self->loop);
	r = r ? r : link_new (self->context, LINK_COLLECTOR_OUTLET, NULL, &self->outlet);
	r = r ? r : link_new (self->context, LINK_CONTROL_SERVER, NULL, &self->control);
	r = r ? r : link_bind (self->outlet, "tcp://127.0.0.1:*", &err);
	r = r ? r : link_bind (self->control, "tcp://127.0.0.1:*", &err);
	r = r ? r : link_endpoint (self->outlet, self->stream_endpoint, sizeof self->stream_endpoint);
	r = r ? r : link_endpoint (self->control, self->control_endpoint, sizeof self->control_endpoint);
	r = r ? r : loop_add_link (self->loop, self->outlet, on_outlet, self);
	r = r ? r : loop_add_link (self->loop, self->control, on_control, self);
	if (!r && loop_add_timer (self->loop, BEAT_NS, BEAT_NS, on_tick, self) <= 0)
		r = -ENOMEM;
	r = r ? r : -pthread_create (&self->thread, NULL, run, self);
	if (r) {
		fprintf (stderr, "fake collector: %s %s\n", strerror (-r), err.text);
		abort ();
	}
	return self;
}

void fake_stop (fake_t **self_p)
{
	fake_t *self = *self_p;
	loop_stop (self->loop);
	pthread_join (self->thread, NULL);
	loop_destroy (&self->loop);
	link_destroy (&self->outlet);
	link_destroy (&self->control);
	net_context_destroy (&self->context);
	publisher_destroy (&self->beats);
	for (size_t i = 0; i < self->n_publishers; i++)
		publisher_destroy (&self->publishers[i]);
	for (size_t i = 0; i < self->n_messages; i++)
		free (self->messages[i].bytes);
	for (size_t i = 0; i < self->n_sequences; i++)
		free (self->sequences[i].node);
	keyring_destroy (&self->keyring);
	keyring_destroy (&self->beat_keyring);
	pthread_mutex_destroy (&self->lock);
	free (self->status);
	free (self);
	*self_p = NULL;
}

const char *fake_stream (const fake_t *self)
{
	return self->stream_endpoint;
}

const char *fake_control (const fake_t *self)
{
	return self->control_endpoint;
}

publisher_t *fake_publisher (fake_t *self, const char *node, uint64_t incarnation, uint64_t boot_nonce)
{
	publisher_options_t options = { "demo", node, incarnation, boot_nonce, { 0 }, self->keyring };
	publisher_t *publisher;
	err_t err = { 0 };
	if (publisher_new (&options, keep_message, self, &publisher, &err)) {
		fprintf (stderr, "%s\n", err.text);
		abort ();
	}
	assert (self->n_publishers < PUBLISHERS_MAX);
	self->publishers[self->n_publishers++] = publisher;
	return publisher;
}

fake_message_t *fake_newest (fake_t *self)
{
	return &self->messages[self->n_messages - 1];
}

/* Time goes on by a millisecond a message, so that newer is newer. */
static fake_message_t *seal (fake_t *self, publisher_t *publisher, Belfry__V1__Event *event)
{
	int64_t ns = ((int64_t) self->n_messages + 1) * NS_PER_MS;
	moment_t now = { { ns }, { INT64_C (1800000000) * NS_PER_S + ns } };
	err_t err = { 0 };
	if (publisher_send (publisher, event, NULL, now, &err)) {
		fprintf (stderr, "%s\n", err.text);
		abort ();
	}
	return fake_newest (self);
}

fake_message_t *fake_log (fake_t *self, publisher_t *publisher, const char *text)
{
	Belfry__V1__Event event;
	Belfry__V1__LogEntry entry;
	belfry__v1__event__init (&event);
	belfry__v1__log_entry__init (&entry);
	entry.level = BELFRY__V1__SEVERITY__SEVERITY_INFO;
	entry.message = copy_of (text);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &entry;
	fake_message_t *message = seal (self, publisher, &event);
	free (entry.message);
	return message;
}

fake_message_t *fake_lifecycle (fake_t *self, publisher_t *publisher, const char *reason)
{
	Belfry__V1__Event event;
	Belfry__V1__SystemLifecycle life;
	char system[] = "belfry-agent";
	belfry__v1__event__init (&event);
	belfry__v1__system_lifecycle__init (&life);
	life.state = BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED;
	life.system = system;
	life.reason = copy_of (reason);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &life;
	fake_message_t *message = seal (self, publisher, &event);
	free (life.reason);
	return message;
}

fake_message_t *fake_health (fake_t *self, publisher_t *publisher, Belfry__V1__Status status)
{
	Belfry__V1__Event event;
	Belfry__V1__NodeHealth health;
	belfry__v1__event__init (&event);
	belfry__v1__node_health__init (&health);
	health.status = status;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_NODE_HEALTH;
	event.node_health = &health;
	return seal (self, publisher, &event);
}

fake_message_t *fake_catalogue (fake_t *self, publisher_t *publisher, uint64_t hash)
{
	Belfry__V1__Event event;
	Belfry__V1__Catalogue catalogue;
	Belfry__V1__Series load, cpu, *series[] = { &load, &cpu };
	Belfry__V1__Label label, *labels[] = { &label };
	char load_name[] = "node_load1", cpu_name[] = "node_cpu_seconds_total", key[] = "mode",
	     value[] = "idle\"\\";
	belfry__v1__event__init (&event);
	belfry__v1__catalogue__init (&catalogue);
	belfry__v1__series__init (&load);
	belfry__v1__series__init (&cpu);
	belfry__v1__label__init (&label);
	load.name = load_name;
	load.kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
	label.key = key;
	label.value = value;
	cpu.name = cpu_name;
	cpu.kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_COUNTER;
	cpu.n_labels = 1;
	cpu.labels = labels;
	catalogue.hash = hash;
	catalogue.n_series = 2;
	catalogue.series = series;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CATALOGUE;
	event.catalogue = &catalogue;
	return seal (self, publisher, &event);
}

fake_message_t *fake_values (fake_t *self, publisher_t *publisher, uint64_t hash, double a, double b)
{
	Belfry__V1__Event event;
	Belfry__V1__MetricBatch batch;
	double values[] = { a, b };
	belfry__v1__event__init (&event);
	belfry__v1__metric_batch__init (&batch);
	batch.catalogue_hash = hash;
	batch.n_values = 2;
	batch.values = values;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	event.metric_batch = &batch;
	return seal (self, publisher, &event);
}

static void queue (fake_t *self, outgoing_t outgoing)
{
	pthread_mutex_lock (&self->lock);
	assert (self->n_outgoing < MESSAGES_MAX);
	self->outgoing[self->n_outgoing++] = outgoing;
	pthread_mutex_unlock (&self->lock);
}

void fake_send (fake_t *self, const fake_message_t *message)
{
	queue (self, (outgoing_t){ .message = message });
}

void fake_send_marked (fake_t *self, const fake_message_t *message, uint64_t offset, bool late)
{
	queue (self, (outgoing_t){ message, offset, late });
}

void fake_send_at_snapshot (fake_t *self, const fake_message_t *message)
{
	pthread_mutex_lock (&self->lock);
	self->at_snapshot[self->n_at_snapshot++] = message;
	pthread_mutex_unlock (&self->lock);
}

void fake_keep (fake_t *self, const fake_message_t *message)
{
	pthread_mutex_lock (&self->lock);
	self->kept[self->n_kept++] = message;
	pthread_mutex_unlock (&self->lock);
}

void fake_keep_sequence (
        fake_t *self, const char *node, uint64_t incarnation, uint64_t volatile_, uint64_t durable)
{
	pthread_mutex_lock (&self->lock);
	Belfry__V1__NodeSequence *sequence = &self->sequences[self->n_sequences++];
	belfry__v1__node_sequence__init (sequence);
	sequence->node = copy_of (node);
	sequence->incarnation = incarnation;
	sequence->newest_volatile = volatile_;
	sequence->newest_durable = durable;
	pthread_mutex_unlock (&self->lock);
}

void fake_set_status (fake_t *self, const Belfry__V1__StatusReply *status)
{
	pthread_mutex_lock (&self->lock);
	free (self->status);
	self->status_size = belfry__v1__status_reply__get_packed_size (status);
	self->status = malloc (self->status_size + 1);
	assert (self->status);
	belfry__v1__status_reply__pack (status, self->status);
	pthread_mutex_unlock (&self->lock);
}

unsigned fake_requests (fake_t *self)
{
	pthread_mutex_lock (&self->lock);
	unsigned n = self->requests;
	pthread_mutex_unlock (&self->lock);
	return n;
}

const char *fake_prefixes (fake_t *self)
{
	return self->prefixes;
}
