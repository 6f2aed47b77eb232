#include "hostile.h"

#include <stdlib.h>

#include "agent.h"
#include "collector.h"
#include "wire/envelope.h"
#include "wire/publisher.h"
#include "wire/topic.h"

enum { KEPT_MAX = 256, CONTROL_KEPT_MAX = 32, HELD_MAX = 16 };

typedef struct {
	uint8_t *bytes;
	size_t sizes[2];
} kept_t;

struct hostile {
	world_t *world;
	host_t host;
	path_t path;
	process_t process;
	conn_t *stream, *control;
	kept_t kept[KEPT_MAX]; /* some of all times */
	kept_t controls[CONTROL_KEPT_MAX];
	kept_t held[HELD_MAX]; /* taken off their way; sizes[0] 0: none */
	uint64_t seen, seen_controls, attempts;
	bool ended;
};

/* Keeps every message with the same chance, so that old ones stay. */
static void keep (hostile_t *self, kept_t *kept, size_t max, uint64_t *seen, span_t a, span_t b)
{
	sim_t *sim = self->world->sim;
	if (a.size == 0)
		return;
	uint64_t at = (*seen)++;
	if (at >= max) {
		/* A third of the places for what is new. */
		at = sim_chance (sim, 1, 3) ? sim_below (sim, max / 3) : sim_below (sim, at);
		if (at >= max)
			return;
	}
	kept_t *place = &kept[at];
	place->bytes = sim_grow (place->bytes, a.size + b.size);
	memcpy (place->bytes, a.data, a.size);
	if (b.size)
		memcpy (place->bytes + a.size, b.data, b.size);
	place->sizes[0] = a.size;
	place->sizes[1] = b.size;
}

void hostile_saw_stream (hostile_t *self, span_t topic, span_t envelope)
{
	keep (self, self->kept, KEPT_MAX, &self->seen, topic, envelope);
}

void hostile_saw_control (hostile_t *self, span_t bytes)
{
	keep (self, self->controls, CONTROL_KEPT_MAX, &self->seen_controls, bytes, span_of (NULL, 0));
}

static void send (hostile_t *self, span_t topic, span_t envelope)
{
	const span_t parts[] = { topic, envelope };
	conn_send (self->stream, NET_TO_SERVER, parts, 2);
}

/* One that he took off its way comes over his own connection, later than it should. */
static void on_release (void *context, uint64_t at)
{
	hostile_t *self = context;
	kept_t *held = &self->held[at];
	send (self, span_of (held->bytes, held->sizes[0]),
	        span_of (held->bytes + held->sizes[0], held->sizes[1]));
	held->sizes[0] = 0;
}

bool hostile_holds (hostile_t *self, span_t topic, span_t envelope)
{
	sim_t *sim = self->world->sim;
	if (self->ended || topic.size == 0 || !sim_chance (sim, 1, 300))
		return false;
	for (uint64_t at = 0; at < HELD_MAX; at++) {
		kept_t *held = &self->held[at];
		if (held->sizes[0])
			continue;
		held->bytes = sim_grow (held->bytes, topic.size + envelope.size);
		memcpy (held->bytes, topic.data, topic.size);
		memcpy (held->bytes + topic.size, envelope.data, envelope.size);
		held->sizes[0] = topic.size;
		held->sizes[1] = envelope.size;
		int64_t most = sim_chance (sim, 1, 4) ? 20 * NS_PER_S : 500 * NS_PER_MS;
		sim_after (sim, sim_between (sim, NS_PER_MS, most), on_release, self, at);
		self->attempts++;
		return true;
	}
	return false;
}

/* One kept message, and a copy to spoil; size of both parts in ret. */
static const kept_t *pick (hostile_t *self)
{
	uint64_t n = self->seen < KEPT_MAX ? self->seen : KEPT_MAX;
	return n ? &self->kept[sim_below (self->world->sim, n)] : NULL;
}

static span_t topic_of (const kept_t *kept)
{
	return span_of (kept->bytes, kept->sizes[0]);
}
static span_t envelope_of (const kept_t *kept)
{
	return span_of (kept->bytes + kept->sizes[0], kept->sizes[1]);
}

static void replay (hostile_t *self, const kept_t *kept)
{
	send (self, topic_of (kept), envelope_of (kept));
}

static void flip (hostile_t *self, const kept_t *kept)
{
	size_t size = kept->sizes[0] + kept->sizes[1];
	uint8_t *copy = sim_alloc (size);
	memcpy (copy, kept->bytes, size);
	copy[sim_below (self->world->sim, size)] ^= (uint8_t) (1u << sim_below (self->world->sim, 8));
	send (self, span_of (copy, kept->sizes[0]), span_of (copy + kept->sizes[0], kept->sizes[1]));
	free (copy);
}

static void truncate_or_extend (hostile_t *self, const kept_t *kept)
{
	size_t size = kept->sizes[1];
	uint8_t *copy = sim_alloc (size + 16);
	memcpy (copy, envelope_of (kept).data, size);
	size_t cut = sim_below (self->world->sim, size + 16);
	send (self, topic_of (kept), span_of (copy, cut == size ? size + 1 : cut));
	free (copy);
}

/* Another node's, channel's or message's topic. */
static void move (hostile_t *self, const kept_t *kept)
{
	const kept_t *from = pick (self);
	send (self, topic_of (from), envelope_of (kept));
}

typedef struct {
	hostile_t *self;
	const char *as; /* sends it under this node's topic */
} forgery_t;

static void on_forged (void *arg, span_t topic, span_t envelope)
{
	const forgery_t *forgery = arg;
	topic_t parts;
	char other[TOPIC_SIZE_MAX + 1];
	if (!forgery->as || topic_parse (topic.data, topic.size, &parts)) {
		send (forgery->self, topic, envelope);
		return;
	}
	size_t size = topic_format (
	        other, parts.channel, parts.class, parts.cluster, span_str (forgery->as), parts.source);
	send (forgery->self, span_of (other, size), envelope);
}

/* A death that did not happen, by somebody who may not say so: with a key of another cluster, with none, in a
 * cluster of another name, in a collector's name, or with one node's key in another's name. */
static void forge (hostile_t *self)
{
	world_t *world = self->world;
	sim_t *sim = world->sim;
	const char *victim = world->agents[sim_below (sim, world->options.nodes)]->name;
	forgery_t forgery = { self, NULL };
	publisher_options_t options = { WORLD_CLUSTER, victim, 1 + sim_below (sim, 100), sim_random (sim) | 1,
		{ 0 }, world->foreign };
	publisher_note_t note = { 0 };
	switch (sim_below (sim, 5)) {
	case 0:
		break;
	case 1:
		options.keyring = world->keyring ? NULL : world->foreign;
		break;
	case 2:
		options.keyring = world->keyring;
		options.cluster = "elsewhere";
		break;
	case 3:
		options.keyring = world->keyring;
		options.node = "collector." WORLD_COLLECTOR;
		break;
	default:
		if (!world->keyring || world->options.nodes < 2)
			return;
		options.keyring = world->keyring;
		options.node = world->agents[sim_below (sim, world->options.nodes)]->name;
		if (strcmp (options.node, victim) == 0)
			return;
		forgery.as = victim;
	}
	publisher_t *publisher = NULL;
	if (publisher_new (&options, on_forged, &forgery, &publisher, NULL))
		abort ();
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SystemLifecycle payload = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	payload.state = BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED;
	payload.system = sim_borrow ("belfry-agent");
	payload.reason = sim_borrow ("decommission");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &payload;
	if (publisher_send (publisher, &event, &note, host_moment (sim, &self->host), NULL))
		abort ();
	publisher_destroy (&publisher);
}

static void noise (hostile_t *self)
{
	sim_t *sim = self->world->sim;
	uint8_t bytes[200];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (uint8_t) sim_random (sim);
	const span_t parts[] = { span_of (bytes, sim_below (sim, 150)),
		span_of (bytes, sim_below (sim, sizeof bytes)), span_of (bytes, 10) };
	conn_send (self->stream, NET_TO_SERVER, parts, (size_t) sim_between (sim, 1, 3));
	conn_send (self->control, NET_TO_SERVER, parts, 1);
}

static void control_spoil (hostile_t *self)
{
	sim_t *sim = self->world->sim;
	uint64_t n = self->seen_controls < CONTROL_KEPT_MAX ? self->seen_controls : CONTROL_KEPT_MAX;
	if (!n)
		return;
	const kept_t *kept = &self->controls[sim_below (sim, n)];
	uint8_t *copy = sim_alloc (kept->sizes[0]);
	memcpy (copy, kept->bytes, kept->sizes[0]);
	copy[sim_below (sim, kept->sizes[0])] ^= (uint8_t) (1u << sim_below (sim, 8));
	span_t part = span_of (copy, kept->sizes[0]);
	conn_send (self->control, NET_TO_SERVER, &part, 1);
	free (copy);
}

static void on_act (void *context, uint64_t argument)
{
	hostile_t *self = context;
	sim_t *sim = self->world->sim;
	(void) argument;
	if (self->ended)
		return;
	sim_after (sim, sim_between (sim, 5 * NS_PER_MS, 400 * NS_PER_MS), on_act, self, 0);
	const kept_t *kept = pick (self);
	/* Without keys nothing tells what was spoiled from what was said. */
	bool keyed = self->world->keyring != NULL;
	self->attempts++;
	switch (sim_below (sim, 8)) {
	case 0:
	case 1:
		if (kept)
			replay (self, kept);
		break;
	case 2:
		if (kept && keyed)
			flip (self, kept);
		break;
	case 3:
		if (kept && keyed)
			truncate_or_extend (self, kept);
		break;
	case 4:
		if (kept && keyed)
			move (self, kept);
		break;
	case 5:
		if (keyed)
			forge (self);
		break;
	case 6:
		noise (self);
		break;
	default:
		if (keyed)
			control_spoil (self);
	}
}

static void on_opened (void *context, conn_t *conn)
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

static void on_took (void *context, conn_t *conn, int descriptor, const span_t *parts, size_t n)
{
	(void) context;
	(void) conn;
	(void) descriptor;
	(void) parts;
	(void) n;
}

hostile_t *hostile_new (world_t *world)
{
	hostile_t *self = sim_alloc (sizeof *self);
	self->world = world;
	self->path = (path_t){ .name = "hostile", .latency_ns = 200 * NS_PER_US, .jitter_ns = NS_PER_MS };
	self->process = (process_t){ .name = "somebody hostile", .host = &self->host };
	const end_t end = { self, on_opened, on_closed, on_took };
	process_t *server = collector_process (world->collector);
	const conn_options_t stream = { "hostile stream", &self->process, server, &self->path, end,
		collector_stream_end (world->collector), { 1000, 1000 } };
	const conn_options_t control = { "hostile control", &self->process, server, &self->path, end,
		collector_control_end (world->collector), { 1000, 1000 } };
	self->stream = conn_new (world->net, &stream);
	self->control = conn_new (world->net, &control);
	return self;
}

void hostile_start (hostile_t *self)
{
	self->process.alive = true;
	conn_start (self->stream);
	conn_start (self->control);
	sim_after (self->world->sim, NS_PER_S, on_act, self, 0);
}

void hostile_end (hostile_t *self)
{
	self->ended = true;
}

void hostile_destroy (hostile_t **self_p)
{
	hostile_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < KEPT_MAX; i++)
		free (self->kept[i].bytes);
	for (size_t i = 0; i < HELD_MAX; i++)
		free (self->held[i].bytes);
	for (size_t i = 0; i < CONTROL_KEPT_MAX; i++)
		free (self->controls[i].bytes);
	free (self);
	*self_p = NULL;
}

conn_t *hostile_stream (const hostile_t *self)
{
	return self->stream;
}

uint64_t hostile_attempts (const hostile_t *self)
{
	return self->attempts;
}
