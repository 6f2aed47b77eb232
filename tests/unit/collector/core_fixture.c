#include "core_fixture.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "conf/rule.h"
#include "wire/envelope.h"

void message_free (message_t *self)
{
	free (self->envelope);
	self->envelope = NULL;
}

static void message_set (message_t *self, span_t topic, span_t envelope)
{
	message_free (self);
	memcpy (self->topic, topic.data, topic.size);
	self->topic_size = topic.size;
	self->envelope = malloc (envelope.size);
	memcpy (self->envelope, envelope.data, envelope.size);
	self->envelope_size = envelope.size;
}

keyring_t *fixture_keyring (bool other)
{
	static const char *const texts[] = {
		"1 active secret 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n",
		"1 active secret ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
	};
	keyring_t *keyring = NULL;
	err_t err;
	cr_assert_eq (keyring_parse (texts[other], strlen (texts[other]), "ring", &keyring, &err), 0, "%s",
	        err.text);
	return keyring;
}

static void on_emit (void *arg, span_t topic, span_t envelope)
{
	signer_t *self = arg;
	message_set (&self->last, topic, envelope);
	self->n++;
}

signer_t *signer_new (
        const char *cluster, const char *node, uint64_t incarnation, uint64_t nonce, bool keyed, bool other)
{
	signer_t *self = calloc (1, sizeof *self);
	err_t err;
	self->keyring = keyed ? fixture_keyring (other) : NULL;
	const publisher_options_t options = { cluster, node, incarnation, nonce, { 1 }, self->keyring };
	cr_assert_eq (publisher_new (&options, on_emit, self, &self->publisher, &err), 0, "%s", err.text);
	return self;
}

void signer_free (signer_t *self)
{
	publisher_destroy (&self->publisher);
	keyring_destroy (&self->keyring);
	message_free (&self->last);
	free (self);
}

void signer_event (signer_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now)
{
	err_t err = { "" };
	cr_assert_eq (publisher_send (self->publisher, event, note, now, &err), 0, "%s", err.text);
}

void signer_samples (signer_t *self, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__MetricBatch batch = BELFRY__V1__METRIC_BATCH__INIT;
	Belfry__V1__Sample sample = BELFRY__V1__SAMPLE__INIT, *samples[] = { &sample };
	Belfry__V1__Label label = BELFRY__V1__LABEL__INIT, *labels[] = { &label };
	label.key = borrow ("queue");
	label.value = borrow ("spool");
	sample.name = borrow ("belfry_agent_queue_events");
	sample.kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
	sample.value = 3.5;
	sample.n_labels = 1;
	sample.labels = labels;
	batch.n_samples = 1;
	batch.samples = samples;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	event.metric_batch = &batch;
	signer_event (self, &event, NULL, now);
}

void signer_health (signer_t *self, Belfry__V1__Status status, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__NodeHealth health = BELFRY__V1__NODE_HEALTH__INIT;
	health.status = status;
	health.since_ns = (uint64_t) now.wall.ns;
	health.has_load1_case = BELFRY__V1__NODE_HEALTH__HAS_LOAD1_LOAD1;
	health.load1 = 0.5;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_NODE_HEALTH;
	event.node_health = &health;
	signer_event (self, &event, NULL, now);
}

void signer_component (
        signer_t *self, const char *source, const char *component, Belfry__V1__Status status, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ComponentHealth health = BELFRY__V1__COMPONENT_HEALTH__INIT;
	health.component = borrow (component);
	health.status = status;
	health.since_ns = (uint64_t) now.wall.ns;
	health.details = borrow ("as the test says");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH;
	event.component_health = &health;
	const publisher_note_t note = { .source = source };
	signer_event (self, &event, &note, now);
}

void signer_beat (signer_t *self, uint64_t newest_volatile, uint64_t newest_durable, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Heartbeat beat = BELFRY__V1__HEARTBEAT__INIT;
	beat.newest_volatile = newest_volatile;
	beat.newest_durable = newest_durable;
	beat.interval_ns = 200 * NS_PER_MS;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT;
	event.heartbeat = &beat;
	signer_event (self, &event, NULL, now);
}

void signer_lifecycle (
        signer_t *self, Belfry__V1__SystemLifecycleState state, const char *reason, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SystemLifecycle lifecycle = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	lifecycle.state = state;
	lifecycle.system = borrow ("belfry-agent");
	lifecycle.version = borrow ("0.1.0");
	lifecycle.reason = borrow (reason);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &lifecycle;
	signer_event (self, &event, NULL, now);
}

/* The core and its port. */

static void port_publish (void *arg, span_t topic, span_t envelope, span_t mark)
{
	fixture_t *self = arg;
	mark_t *to = &self->marks[self->n_published % 512];
	*to = (mark_t){ .offset = 0 };
	if (mark.size)
		cr_assert (mark_parse (mark, to));
	/* A ring: tests look at the newest. */
	message_set (&self->published[self->n_published++ % 512], topic, envelope);
}

static void port_control (void *arg, span_t peer, span_t bytes)
{
	fixture_t *self = arg;
	size_t i = self->n_answers++ % 512;
	free (self->answers[i].bytes);
	memcpy (self->answers[i].peer, peer.data, peer.size);
	self->answers[i].peer_size = peer.size;
	self->answers[i].bytes = malloc (bytes.size);
	memcpy (self->answers[i].bytes, bytes.data, bytes.size);
	self->answers[i].size = bytes.size;
}

static void port_commit (void *arg, journal_batch_t *batch)
{
	fixture_t *self = arg;
	cr_assert_null (self->batch, "one commit at a time");
	self->batch = batch;
}

static int port_read (void *arg, span_t peer, uint64_t id, const core_reading_t *asked)
{
	fixture_t *self = arg;
	if (self->reading.busy)
		return -EBUSY;
	cr_assert_not (self->reading.asked);
	self->reading.asked = true;
	self->reading.chain = asked->chain;
	self->reading.deadline_ms = asked->deadline_ms;
	memcpy (self->reading.peer, peer.data, peer.size);
	self->reading.peer_size = peer.size;
	self->reading.id = id;
	archive_page (self->archive, asked, &self->reading.page);
	return 0;
}

static void port_say (void *arg, int level, const char *text)
{
	fixture_t *self = arg;
	(void) level;
	snprintf (self->said[self->n_said++ % 64], 512, "%s", text);
}

core_port_t fixture_port (fixture_t *self)
{
	return (core_port_t){ self, port_publish, port_control, port_commit, port_read, port_say };
}

static struct rule_set *rules_parse (const char *text)
{
	struct rule_set *rules = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (rule_set_parse (text, text ? strlen (text) : 0, "rules.yaml", &rules, &errors), 0);
	return rules;
}

void fixture_rules (fixture_t *self, const char *text)
{
	struct rule_set *old = self->rules;
	self->rules = rules_parse (text);
	core_set_rules (self->core, self->rules, self->now);
	rule_set_destroy (&old);
}

static void core_begin (fixture_t *self)
{
	const core_port_t port = fixture_port (self);
	journal_figures_t figures;
	err_t err;
	archive_figures (self->archive, &figures);
	const core_options_t options = { .cluster = "demo",
		.name = "c1",
		.version = "0.1.0",
		.incarnation = ++self->incarnation,
		.boot_nonce = 42,
		.keyring = self->keyring,
		.rules = self->rules,
		.journal = &figures,
		.nodes_max = 20 };
	cr_assert_eq (core_new (&options, &port, self->now, &self->core, &err), 0, "%s", err.text);
}

static void on_restore (void *arg, const char *key, span_t value)
{
	fixture_t *self = arg;
	core_restore (self->core, key, value);
}

fixture_t *fixture_new (bool keyed)
{
	fixture_t *self = calloc (1, sizeof *self);
	self->now = (moment_t){ { 1000 * NS_PER_S }, { INT64_C (1763973600) * NS_PER_S } };
	self->keyring = keyed ? fixture_keyring (false) : NULL;
	self->rules = rules_parse (NULL);
	self->archive = archive_new (7);
	core_begin (self);
	return self;
}

void fixture_restart (fixture_t *self, bool killed, int64_t down_ns)
{
	if (!killed) {
		core_stopping (self->core, "restart", self->now);
		fixture_flush (self);
	}
	core_destroy (&self->core);
	self->batch = NULL;
	/* Another boot has another monotonic clock. (Ahead of the last one: it is the signers' clock too.) */
	self->now.mono.ns += 500000 * NS_PER_S;
	self->now.wall.ns += down_ns;
	core_begin (self);
	archive_restore (self->archive, on_restore, self);
	core_started (self->core, self->now);
	fixture_flush (self);
}

void fixture_free (fixture_t *self)
{
	core_destroy (&self->core);
	archive_destroy (&self->archive);
	rule_set_destroy (&self->rules);
	keyring_destroy (&self->keyring);
	for (size_t i = 0; i < 512; i++) {
		message_free (&self->published[i]);
		free (self->answers[i].bytes);
	}
	free (self);
}

void fixture_pass (fixture_t *self, int64_t ns)
{
	for (int64_t passed = 0; passed < ns; passed += 20 * NS_PER_MS) {
		self->now.mono.ns += 20 * NS_PER_MS;
		self->now.wall.ns += 20 * NS_PER_MS;
		core_tick (self->core, self->now);
		fixture_flush (self);
	}
}

void fixture_live (fixture_t *self, signer_t *signer, int64_t ns)
{
	for (int64_t passed = 0; passed < ns; passed += 200 * NS_PER_MS) {
		signer_beat (signer, publisher_newest_volatile (signer->publisher) + 1,
		        publisher_newest_durable (signer->publisher), self->now);
		cr_assert_eq (fixture_take (self, &signer->last), REFUSAL_NONE);
		fixture_pass (self, ns - passed < 200 * NS_PER_MS ? ns - passed : 200 * NS_PER_MS);
	}
}

void fixture_commit (fixture_t *self)
{
	checkpoint_t checkpoint;
	journal_batch_t *batch = self->batch;
	if (!batch)
		return;
	self->batch = NULL;
	int r = archive_commit (self->archive, batch, self->now.wall, &checkpoint);
	core_committed (self->core, r, r ? strerror (-r) : "", self->now);
	if (checkpoint.offset)
		core_checkpoint (self->core, &checkpoint, self->now);
}

void fixture_flush (fixture_t *self)
{
	core_flush (self->core, self->now);
	if (!self->hold_commits)
		fixture_commit (self);
}

refusal_t fixture_take (fixture_t *self, const message_t *message)
{
	bool forward;
	refusal_t reason = core_take (self->core, span_of (message->topic, message->topic_size),
	        span_of (message->envelope, message->envelope_size), 7, self->now, &forward);
	fixture_flush (self);
	return reason;
}

void fixture_resend (fixture_t *self, const signer_t *signer, const char *node, const message_t *messages,
        size_t n, uint64_t oldest)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Resend resend = BELFRY__V1__RESEND__INIT;
	Belfry__V1__Frame *frames = calloc (n, sizeof *frames), **pointers = calloc (n, sizeof *pointers);
	char (*topics)[129] = calloc (n, sizeof *topics);
	uint8_t *bytes;
	size_t size;
	for (size_t i = 0; i < n; i++) {
		belfry__v1__frame__init (&frames[i]);
		memcpy (topics[i], messages[i].topic, messages[i].topic_size);
		frames[i].topic = topics[i];
		frames[i].envelope = (ProtobufCBinaryData){ messages[i].envelope_size, messages[i].envelope };
		pointers[i] = &frames[i];
	}
	resend.n_frames = n;
	resend.frames = pointers;
	resend.oldest_incarnation = oldest;
	control.node = borrow (node);
	control.body_case = BELFRY__V1__CONTROL__BODY_RESEND;
	control.resend = &resend;
	cr_assert_eq (control_pack (&control, CONTROL_TO_COLLECTOR, signer->keyring, node, &bytes, &size), 0);
	core_control (self->core, &(core_peer_t){ .identity = span_of ("peer1", 5), .name = "" },
	        span_of (bytes, size), self->now);
	free (bytes);
	free (topics);
	free (frames);
	free (pointers);
	fixture_flush (self);
}

Belfry__V1__Control *fixture_read (fixture_t *self, Belfry__V1__JournalRead *asked)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	control.deadline_ms = 2000;
	control.body_case = BELFRY__V1__CONTROL__BODY_JOURNAL_READ;
	control.journal_read = asked;
	return fixture_ask (self, &control, NULL, NULL);
}

Belfry__V1__Control *fixture_answer (const fixture_t *self)
{
	cr_assert_gt (self->n_answers, 0);
	size_t i = (self->n_answers - 1) % 512;
	Belfry__V1__Control *answer =
	        belfry__v1__control__unpack (NULL, self->answers[i].size, self->answers[i].bytes);
	cr_assert_not_null (answer);
	return answer;
}

static Belfry__V1__Event *decode (const message_t *message)
{
	envelope_t envelope;
	if (!message->envelope || envelope_parse (message->envelope, message->envelope_size, &envelope))
		return NULL;
	return belfry__v1__event__unpack (NULL, envelope.event.size, envelope.event.data);
}

Belfry__V1__Event *fixture_published (const fixture_t *self, unsigned payload_case)
{
	for (size_t i = self->n_published; i > 0 && i + 512 > self->n_published; i--) {
		Belfry__V1__Event *event = decode (&self->published[(i - 1) % 512]);
		if (event && event->payload_case == payload_case)
			return event;
		if (event)
			belfry__v1__event__free_unpacked (event, NULL);
	}
	return NULL;
}

size_t fixture_count (const fixture_t *self, unsigned payload_case)
{
	size_t n = 0;
	for (size_t i = 0; i < 512 && i < self->n_published; i++) {
		Belfry__V1__Event *event = decode (&self->published[i]);
		n += event && event->payload_case == payload_case;
		if (event)
			belfry__v1__event__free_unpacked (event, NULL);
	}
	return n;
}

bool fixture_said (const fixture_t *self, const char *part)
{
	for (size_t i = 0; i < 64; i++) {
		if (strstr (self->said[i], part))
			return true;
	}
	return false;
}

Belfry__V1__Control *fixture_ask (
        fixture_t *self, Belfry__V1__Control *control, keyring_t *keyring, const char *node)
{
	uint8_t *bytes;
	size_t size, before = self->n_answers;
	control->node = borrow (node ? node : "");
	control->id = 77;
	cr_assert_eq (control_pack (control, CONTROL_TO_COLLECTOR, keyring, node, &bytes, &size), 0);
	core_control (self->core, &(core_peer_t){ .identity = span_of ("peer1", 5), .name = "" },
	        span_of (bytes, size), self->now);
	free (bytes);
	fixture_flush (self);
	if (self->reading.asked) {
		self->reading.asked = false;
		core_read_done (self->core, span_of (self->reading.peer, self->reading.peer_size),
		        self->reading.id, self->reading.chain, 0, NULL, &self->reading.page);
		archive_page_free (&self->reading.page);
	}
	cr_assert_gt (self->n_answers, before, "every request is answered at once");
	size_t i = before % 512;
	Belfry__V1__Control *answer =
	        belfry__v1__control__unpack (NULL, self->answers[i].size, self->answers[i].bytes);
	cr_assert_not_null (answer);
	cr_assert_eq (answer->id, 77);
	return answer;
}

Belfry__V1__Control *fixture_status (fixture_t *self, const char *node)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__StatusRequest request = BELFRY__V1__STATUS_REQUEST__INIT;
	request.node = borrow (node);
	request.evidence = true;
	control.body_case = BELFRY__V1__CONTROL__BODY_STATUS_REQUEST;
	control.status_request = &request;
	return fixture_ask (self, &control, NULL, NULL);
}

Belfry__V1__AlertState fixture_alert (fixture_t *self, const char *name, const char *node)
{
	Belfry__V1__Control *answer = fixture_status (self, "");
	Belfry__V1__AlertState state = BELFRY__V1__ALERT_STATE__ALERT_STATE_UNSPECIFIED;
	for (size_t i = 0; i < answer->status->n_alerts; i++) {
		const Belfry__V1__Alert *alert = answer->status->alerts[i];
		if (strcmp (alert->name, name) == 0 && strcmp (alert->node, node) == 0)
			state = alert->state;
	}
	belfry__v1__control__free_unpacked (answer, NULL);
	return state;
}

Belfry__V1__NodeState fixture_state (fixture_t *self, const char *node)
{
	Belfry__V1__Control *answer = fixture_status (self, node);
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_STATUS);
	Belfry__V1__NodeState state = answer->status->nodes[0]->state;
	belfry__v1__control__free_unpacked (answer, NULL);
	return state;
}

uint64_t fixture_refused (fixture_t *self, refusal_t reason)
{
	Belfry__V1__Control *answer = fixture_status (self, "");
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_STATUS);
	uint64_t count = 0;
	for (size_t i = 0; i < answer->status->n_refusals; i++) {
		if (strcmp (answer->status->refusals[i]->reason, refusal_key (reason)) == 0)
			count = answer->status->refusals[i]->count;
	}
	belfry__v1__control__free_unpacked (answer, NULL);
	return count;
}

Belfry__V1__Control *fixture_hello (fixture_t *self, const signer_t *signer, const char *node,
        uint64_t incarnation, uint64_t nonce, const char *peer_address)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Hello hello = BELFRY__V1__HELLO__INIT;
	hello.cluster = borrow ("demo");
	hello.node = borrow (node);
	hello.incarnation = incarnation;
	hello.boot_nonce = nonce;
	hello.version = borrow ("0.1.0");
	hello.wire_version = 1;
	hello.peer_address = borrow (peer_address);
	hello.heartbeat_interval_ns = 200 * NS_PER_MS;
	control.body_case = BELFRY__V1__CONTROL__BODY_HELLO;
	control.hello = &hello;
	return fixture_ask (self, &control, signer->keyring, node);
}
