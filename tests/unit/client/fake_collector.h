/* fake_collector.h - a collector for the tests of whoever talks to one: it binds a stream and a control
 * endpoint on loopback, beats, and answers with what the test gave it. Everything that fails in it
 * aborts the test. */

#ifndef TESTS_FAKE_COLLECTOR_H
#define TESTS_FAKE_COLLECTOR_H

#include "belfry/v1/control.pb-c.h"
#include "wire/publisher.h"

typedef struct fake fake_t;

typedef struct {
	const char *keyring; /* a keyring's text: events are signed; NULL: unsigned */
	bool no_beats;       /* the stream is silent */
	bool no_answers;     /* control takes requests and says nothing */
	bool garbage;        /* control answers with what is no Control */
	const char *refuse;  /* control answers Refused with this reason */
	bool chunks_out_of_order;
} fake_options_t;

/* Starts it on free ports. */
fake_t *fake_start (const fake_options_t *options);
void fake_stop (fake_t **self_p);

const char *fake_stream (const fake_t *self);
const char *fake_control (const fake_t *self);

/* One sealed message, made by a publisher of the test's; the bytes can be changed. */
typedef struct {
	char topic[160];
	size_t topic_size;
	uint8_t *bytes;
	size_t size;
} fake_message_t;

/* A publisher of node under the fake's keyring, whose messages end in fake_newest. */
publisher_t *fake_publisher (fake_t *self, const char *node, uint64_t incarnation, uint64_t boot_nonce);
/* The newest message that any of them sealed. Borrowed until fake_stop. */
fake_message_t *fake_newest (fake_t *self);

/* Seals a LogEntry (volatile), a SystemLifecycle (durable), a Catalogue of two series under a hash and a
 * MetricBatch with two values for it. Each returns the message. */
fake_message_t *fake_log (fake_t *self, publisher_t *publisher, const char *text);
fake_message_t *fake_lifecycle (fake_t *self, publisher_t *publisher, const char *reason);
fake_message_t *fake_catalogue (fake_t *self, publisher_t *publisher, uint64_t hash);
fake_message_t *fake_values (fake_t *self, publisher_t *publisher, uint64_t hash, double a, double b);
fake_message_t *fake_health (fake_t *self, publisher_t *publisher, Belfry__V1__Status status);

/* Sends on the stream now; with a mark behind it; when a snapshot is asked for, before it is answered. */
void fake_send (fake_t *self, const fake_message_t *message);
void fake_send_marked (fake_t *self, const fake_message_t *message, uint64_t offset, bool late);
void fake_send_at_snapshot (fake_t *self, const fake_message_t *message);

/* Puts the message into the snapshot, one a chunk; and where a node's sequences stand. */
void fake_keep (fake_t *self, const fake_message_t *message);
void fake_keep_sequence (
        fake_t *self, const char *node, uint64_t incarnation, uint64_t volatile_, uint64_t durable);

/* What StatusRequest is answered with; packed at once. Without it: Refused "unknown_node". */
void fake_set_status (fake_t *self, const Belfry__V1__StatusReply *status);

/* How many requests came, and the prefixes of the newest snapshot request, joined by spaces. */
unsigned fake_requests (fake_t *self);
const char *fake_prefixes (fake_t *self);

#endif
