/* seeds.c - writes the corpora of event, envelope, topic and app under a directory: one whole event of each
 * type, and the forms around them. Run after a change of the schema:
 * `ninja -C build tests/fuzz/fuzz-seeds && build/tests/fuzz/fuzz-seeds tests/fuzz/corpus`. */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "belfry/v1/app.pb-c.h"
#include "specimen.h"
#include "wire/envelope.h"

enum { SEED_MAX = 4096, EVENT_MAX = 4000 };

static const char *root;

static void write_seed (const char *target, const char *name, const void *bytes, size_t size)
{
	char path[4096];
	snprintf (path, sizeof path, "%s/%s/%s", root, target, name);
	FILE *file = size <= SEED_MAX ? fopen (path, "wb") : NULL;
	if (!file || fwrite (bytes, 1, size, file) != size || fclose (file)) {
		fprintf (stderr, "%s (%zu bytes): cannot be written; is the directory there?\n", path, size);
		exit (1);
	}
}

static void events (arena_t *arena)
{
	static uint8_t bytes[1 << 20];
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		arena_reset (arena);
		Belfry__V1__Event *event = specimen_event (arena, type);
		write_seed ("event", type->name, bytes, belfry__v1__event__pack (event, bytes));
	}
	write_seed ("event", "nul", "\x0a\x03\x0a\x01\x00", 5);
	write_seed ("event", "twice", "\x0a\x02\x28\x01\x0a\x02\x28\x02", 8);
	write_seed ("event", "oneof-twice", "\x82\x01\x00\x8a\x01\x00", 6);
	write_seed ("event", "group", "\x0b\x0c", 2);
	write_seed ("event", "short", "\x0a\x7f", 2);
}

static void envelopes (arena_t *arena)
{
	static uint8_t event[EVENT_MAX], out[EVENT_MAX + 100];
	static const char name[] = "health/component/demo/n1/agent/";
	span_t topic = span_of (name, sizeof name - 1);
	uint8_t raw[MAC_KEY_SIZE];
	memset (raw, 7, sizeof raw);
	mac_key_t *key = aligned_alloc (64, (mac_key_size () + 63) / 64 * 64);
	if (!key)
		exit (1);
	mac_key_init (key, raw);
	arena_reset (arena);
	const event_type_t *type = event_type_by_name (CHANNEL_HEALTH, span_str ("ComponentHealth"));
	size_t size = belfry__v1__event__pack (specimen_event (arena, type), event);
	span_t body = span_of (event, size);
	write_seed ("envelope", "signed", out, envelope_seal (out, topic, body, 3, key));
	write_seed ("envelope", "epoch-large", out, envelope_seal (out, topic, body, UINT32_MAX, key));
	write_seed ("envelope", "unsigned", out, envelope_seal (out, topic, body, 0, NULL));
	size = envelope_seal (out, topic, span_of ("x", 1), 1, key);
	write_seed ("envelope", "small", out, size);
	write_seed ("envelope", "cut", out, size - 1);
	out[1] = 2;
	write_seed ("envelope", "version", out, size);
	write_seed ("envelope", "no-event", "\x08\x01\x10\x01", 4);
	write_seed ("envelope", "descending", "\x1a\x01x\x08\x01", 5);
	write_seed ("envelope", "twice", "\x08\x01\x08\x01\x1a\x01x", 7);
	write_seed ("envelope", "padded", "\x08\x81\x00\x1a\x01x", 6);
	write_seed ("envelope", "unknown", "\x08\x01\x1a\x01x\x2a\x01y", 8);
	write_seed ("envelope", "mac-short", "\x08\x01\x10\x01\x1a\x01x\x22\x01y", 10);
	write_seed ("envelope", "long", "\x08\x01\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01x", 14);
	free (key);
}

static void topics (void)
{
	static const char *const texts[] = {
		"health/node/demo/n1/agent/",
		"alerts/critical/demo/collector.c1/detect/",
		"metrics/samples/a2345678901234567890bcde/"
		"a23456789012345678901234567890bcdefg/a2345678901234567890123456789012/",
		"metrics/samples/a2345678901234567890bcdef/n1/agent/",
		"health/node/demo/n1/agent",
		"health/node/demo/n1/",
		"health/node/demo/n1/agent/x/",
		"health//demo/n1/agent/",
		"health/node/demo/-n1/agent/",
		"health/node/demo/n 1/agent/",
		"fabric/heartbeat/demo/n1/agent/",
		"/////",
	};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		char name[16];
		snprintf (name, sizeof name, "%02zu", i);
		write_seed ("topic", name, texts[i], strlen (texts[i]));
	}
}

/* A conversation: packets behind their lengths. */
typedef struct {
	uint8_t bytes[SEED_MAX];
	size_t size;
} talk_t;

static void talk_begin (talk_t *self, uint8_t trusted)
{
	self->bytes[0] = trusted;
	self->size = 1;
}

static void talk_raw (talk_t *self, const void *bytes, size_t size)
{
	self->bytes[self->size++] = (uint8_t) (size >> 8);
	self->bytes[self->size++] = (uint8_t) size;
	memcpy (self->bytes + self->size, bytes, size);
	self->size += size;
}

static void talk_message (talk_t *self, Belfry__V1__AppMessage *message)
{
	static uint8_t bytes[1 << 20];
	message->version = 1;
	size_t size = belfry__v1__app_message__pack (message, bytes);
	if (self->size + 2 + size > SEED_MAX)
		exit (1);
	talk_raw (self, bytes, size);
}

static void talk_hello (talk_t *self, const char *source)
{
	char text[64];
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppHello hello = BELFRY__V1__APP_HELLO__INIT;
	snprintf (text, sizeof text, "%s", source);
	hello.source = hello.program = hello.version = text;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	talk_message (self, &message);
}

static void talk_event (talk_t *self, arena_t *arena, const char *name, uint64_t number, bool head)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppEvent body = BELFRY__V1__APP_EVENT__INIT;
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	arena_reset (arena);
	body.event = specimen_event (arena, event_type_by_name (CHANNEL_COUNT, span_str (name)));
	header.severity = body.event->header->severity;
	header.correlation_id = body.event->header->correlation_id;
	header.n_labels = body.event->header->n_labels;
	header.labels = body.event->header->labels;
	if (!head)
		body.event->header = &header;
	if (body.event->payload_case == BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH) {
		body.event->metric_batch->catalogue_hash = 0;
		body.event->metric_batch->n_values = 0;
	}
	message.number = number;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_EVENT;
	message.event = &body;
	talk_message (self, &message);
}

static void talk_flush (talk_t *self, uint64_t number)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppFlush flush = BELFRY__V1__APP_FLUSH__INIT;
	message.number = number;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_FLUSH;
	message.flush = &flush;
	talk_message (self, &message);
}

static void talk_end (const talk_t *self, const char *name)
{
	write_seed ("app", name, self->bytes, self->size);
}

static void apps (arena_t *arena)
{
	static const char *const types[] = { "LogEntry", "ComponentHealth", "MetricBatch", "AdminAction",
		"SystemLifecycle", "SecurityAlert", "DebugTrace", "CheckCompleted" };
	static talk_t talk;
	for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
		talk_begin (&talk, 1);
		talk_hello (&talk, "billing");
		talk_event (&talk, arena, types[i], 1, false);
		talk_flush (&talk, 2);
		talk_end (&talk, types[i]);
	}
	talk_begin (&talk, 0);
	talk_hello (&talk, "billing");
	for (uint64_t i = 1; i < 4; i++)
		talk_event (&talk, arena, "ComponentHealth", 2 * i, false);
	talk_event (&talk, arena, "AdminAction", 9, false);
	talk_event (&talk, arena, "Heartbeat", 10, false);
	talk_event (&talk, arena, "LogEntry", 11, true);
	talk_flush (&talk, 12);
	talk_end (&talk, "mixed");
	talk_begin (&talk, 0);
	talk_hello (&talk, "agent");
	talk_end (&talk, "reserved");
	talk_begin (&talk, 0);
	talk_flush (&talk, 1);
	talk_end (&talk, "no-hello");
	talk_begin (&talk, 0);
	talk_hello (&talk, "billing");
	talk_hello (&talk, "billing");
	talk_end (&talk, "hello-twice");
	talk_begin (&talk, 0);
	talk_raw (&talk, "\x08\x02\x1a\x03\x0a\x01\x61", 7);
	talk_end (&talk, "version");
	talk_begin (&talk, 0);
	talk_raw (&talk, "", 0);
	talk_raw (&talk, "\x08\x01\x1a\x05\x0a\x03\x61\x00\x62", 9);
	talk_end (&talk, "nul");
}

int main (int argc, char **argv)
{
	arena_t *arena = NULL;
	if (argc != 2) {
		fprintf (stderr, "usage: fuzz-seeds CORPUS\n");
		return 2;
	}
	root = argv[1];
	if (sodium_init () < 0 || arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &arena))
		return 1;
	events (arena);
	envelopes (arena);
	topics ();
	apps (arena);
	arena_destroy (&arena);
	return 0;
}
