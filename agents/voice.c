#include "agents/voice.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/borrow.h"
#include "base/log.h"
#include "wire/describe.h"
#include "wire/topic.h"

#define SAY_NS (60 * NS_PER_S)

enum { CHECKS_MAX = 64 };

/* A status and since when; it begins unspecified, so that the first one is a change. */
typedef struct {
	Belfry__V1__Status status;
	uint64_t since_ns;
} standing_t;

typedef struct {
	char source[TOPIC_SOURCE_MAX + 1];
	standing_t standing;
	figures_t figures;
} store_voice_t;

struct voice {
	outbox_t *outbox;
	standing_t node;
	figures_t host, own;
	double cpu_pressure, memory_pressure, io_pressure;
	mono_t said_at;
	bool said;
	void (*held) (void *arg);
	void *held_arg;
	spool_figures_t spool;
	size_t n_stores;
	store_voice_t stores[];
};

int voice_new (outbox_t *outbox, const char *const *stores, size_t n_stores, wall_t boot, moment_t now,
        voice_t **ret)
{
	voice_t *self = calloc (1, sizeof *self + n_stores * sizeof self->stores[0]);
	if (!self)
		return -ENOMEM;
	self->outbox = outbox;
	self->cpu_pressure = self->memory_pressure = self->io_pressure = NAN;
	self->host = (figures_t){ .source = "agent", .start_ns = (uint64_t) boot.ns };
	self->own = (figures_t){ .source = "agent.self", .start_ns = (uint64_t) now.wall.ns };
	self->n_stores = n_stores;
	for (size_t i = 0; i < n_stores; i++) {
		store_voice_t *store = &self->stores[i];
		snprintf (store->source, sizeof store->source, "store.%s", stores[i]);
		store->figures = (figures_t){ .source = store->source, .start_ns = (uint64_t) now.wall.ns };
	}
	*ret = self;
	return 0;
}

void voice_destroy (voice_t **self_p)
{
	free (*self_p);
	*self_p = NULL;
}

/* What the outbox did on purpose it counts; what it could not do is said, once a minute. */
static void failure_say (voice_t *self, int r, const err_t *err, moment_t now)
{
	if (r >= 0 || (self->said && mono_since (now.mono, self->said_at) < SAY_NS))
		return;
	self->said = true;
	self->said_at = now.mono;
	log_error ("agent", "an event of the agent's own was not sent: %s", err->text);
}

static void send (voice_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now)
{
	err_t err = { "" };
	uint64_t before = hold_newest_number (outbox_hold (self->outbox));
	failure_say (self, outbox_send (self->outbox, event, note, now, &err), &err, now);
	if (self->held && hold_newest_number (outbox_hold (self->outbox)) != before)
		self->held (self->held_arg);
}

static void figures (voice_t *self, figures_t *of, const samples_t *samples, moment_t now)
{
	err_t err = { "" };
	failure_say (self, figures_say (of, samples, self->outbox, now, &err), &err, now);
}

void voice_system (voice_t *self, Belfry__V1__SystemLifecycleState state, uint32_t components,
        const char *reason, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SystemLifecycle payload = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	payload.state = state;
	payload.system = borrow ("belfry-agent");
	payload.version = borrow (BELFRY_VERSION);
	payload.component_count = components;
	payload.reason = borrow (reason);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &payload;
	send (self, &event, NULL, now);
}

void voice_config_changed (voice_t *self, Belfry__V1__Change **changes, size_t n, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ConfigChanged payload = BELFRY__V1__CONFIG_CHANGED__INIT;
	payload.component = borrow ("belfry-agent");
	payload.n_changes = n;
	payload.changes = changes;
	payload.changed_by = borrow ("SIGHUP");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CONFIG_CHANGED;
	event.config_changed = &payload;
	send (self, &event, NULL, now);
}

/* A oneof of one field is protoc-c 1.4's `optional`: a ratio that is not known is left out. */
#define SET(message, field, UPPER, value)                                    \
	do {                                                                 \
		double known_ = (value);                                     \
		if (isfinite (known_)) {                                     \
			(message)->has_##field##_case = BELFRY__V1__##UPPER; \
			(message)->field = known_;                           \
		}                                                            \
	} while (0)

static void pressure_fill (const voice_t *self, Belfry__V1__Pressure *out)
{
	SET (out, cpu_some_ratio, PRESSURE__HAS_CPU_SOME_RATIO_CPU_SOME_RATIO, self->cpu_pressure);
	SET (out, memory_some_ratio, PRESSURE__HAS_MEMORY_SOME_RATIO_MEMORY_SOME_RATIO,
	        self->memory_pressure);
	SET (out, io_some_ratio, PRESSURE__HAS_IO_SOME_RATIO_IO_SOME_RATIO, self->io_pressure);
}

void voice_beat (voice_t *self, const beat_t *beat, moment_t now)
{
	if (!outbox_is_open (self->outbox))
		return;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Heartbeat payload = BELFRY__V1__HEARTBEAT__INIT;
	Belfry__V1__Pressure pressure = BELFRY__V1__PRESSURE__INIT;
	beat_storage_t storage;
	const hold_t *hold = outbox_hold (self->outbox);
	const publisher_t *publisher = outbox_publisher (self->outbox);
	beat_write (beat, now.mono, &storage, &payload);
	payload.newest_volatile = publisher_newest_volatile (publisher) + 1; /* this one */
	payload.newest_durable = outbox_committed (self->outbox);
	payload.spool_events = self->spool.events + hold_count (hold);
	payload.spool_bytes = self->spool.bytes + hold_bytes (hold);
	if (self->spool.oldest_ns && now.wall.ns > (int64_t) self->spool.oldest_ns)
		payload.spool_oldest_age_ns = (uint64_t) now.wall.ns - self->spool.oldest_ns;
	else if (hold_count (hold))
		payload.spool_oldest_age_ns = (uint64_t) mono_since (now.mono, hold_oldest (hold));
	pressure_fill (self, &pressure);
	payload.pressure = &pressure;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT;
	event.heartbeat = &payload;
	send (self, &event, NULL, now);
}

void voice_spool (voice_t *self, const spool_figures_t *figures)
{
	self->spool = *figures;
}

/* Takes the new status in. True when it is another; *previous is the one before. */
static bool standing_take (
        standing_t *self, Belfry__V1__Status status, moment_t now, Belfry__V1__Status *previous)
{
	*previous = self->status;
	if (self->status == status)
		return false;
	self->status = status;
	self->since_ns = (uint64_t) now.wall.ns;
	return true;
}

/* Health is seldom bad, and then it should be seen. */
static Belfry__V1__Severity severity_of (Belfry__V1__Status status)
{
	switch (status) {
	case BELFRY__V1__STATUS__STATUS_UNHEALTHY:
		return BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	case BELFRY__V1__STATUS__STATUS_DEGRADED:
	case BELFRY__V1__STATUS__STATUS_UNKNOWN:
		return BELFRY__V1__SEVERITY__SEVERITY_WARNING;
	default:
		return BELFRY__V1__SEVERITY__SEVERITY_INFO;
	}
}

static void node_health_say (voice_t *self, const host_t *host, moment_t now)
{
	Belfry__V1__Status status = (Belfry__V1__Status) host_status (host), previous;
	bool changed = standing_take (&self->node, status, now, &previous);
	if (!changed && !outbox_is_open (self->outbox))
		return;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__NodeHealth payload = BELFRY__V1__NODE_HEALTH__INIT;
	Belfry__V1__Pressure pressure = BELFRY__V1__PRESSURE__INIT;
	Belfry__V1__Check checks[CHECKS_MAX], *checks_p[CHECKS_MAX];
	const probe_summary_t *summary = host_summary (host);
	const probe_check_t *found = host_checks (host, &payload.n_checks);
	if (payload.n_checks > CHECKS_MAX)
		payload.n_checks = CHECKS_MAX;
	for (size_t i = 0; i < payload.n_checks; i++) {
		belfry__v1__check__init (&checks[i]);
		checks[i].name = borrow (found[i].component);
		checks[i].status = (Belfry__V1__Status) found[i].status;
		checks[i].message = borrow (found[i].message);
		checks[i].duration_ns = found[i].duration_ns > 0 ? (uint64_t) found[i].duration_ns : 0;
		checks_p[i] = &checks[i];
	}
	payload.checks = checks_p;
	payload.status = status;
	payload.previous_status = previous;
	payload.since_ns = self->node.since_ns;
	SET (&payload, load1, NODE_HEALTH__HAS_LOAD1_LOAD1, summary->load1);
	SET (&payload, load5, NODE_HEALTH__HAS_LOAD5_LOAD5, summary->load5);
	SET (&payload, load15, NODE_HEALTH__HAS_LOAD15_LOAD15, summary->load15);
	SET (&payload, cpu_used_ratio, NODE_HEALTH__HAS_CPU_USED_RATIO_CPU_USED_RATIO,
	        summary->cpu_used_ratio);
	SET (&payload, memory_used_ratio, NODE_HEALTH__HAS_MEMORY_USED_RATIO_MEMORY_USED_RATIO,
	        summary->memory_used_ratio);
	SET (&payload, disk_used_ratio, NODE_HEALTH__HAS_DISK_USED_RATIO_DISK_USED_RATIO,
	        summary->disk_used_ratio);
	self->cpu_pressure = summary->cpu_pressure_ratio;
	self->memory_pressure = summary->memory_pressure_ratio;
	self->io_pressure = summary->io_pressure_ratio;
	pressure_fill (self, &pressure);
	payload.pressure = &pressure;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_NODE_HEALTH;
	event.node_health = &payload;
	send (self, &event, &(publisher_note_t){ .severity = severity_of (status), .changed = changed }, now);
}

void voice_host (voice_t *self, const host_t *host, moment_t now)
{
	node_health_say (self, host, now);
	figures (self, &self->host, host_samples (host), now);
}

static void component_say (voice_t *self, store_voice_t *store, const probe_check_t *check, moment_t now)
{
	Belfry__V1__Status status = (Belfry__V1__Status) check->status, previous;
	bool changed = standing_take (&store->standing, status, now, &previous);
	if (!changed && !outbox_is_open (self->outbox))
		return;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ComponentHealth payload = BELFRY__V1__COMPONENT_HEALTH__INIT;
	payload.component = borrow (check->component);
	payload.status = status;
	payload.previous_status = previous;
	payload.since_ns = store->standing.since_ns;
	payload.details = borrow (check->message);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH;
	event.component_health = &payload;
	send (self, &event,
	        &(publisher_note_t){
	                .source = store->source, .severity = severity_of (status), .changed = changed },
	        now);
}

static void cycle_say (
        voice_t *self, store_voice_t *store, const char *name, const store_cycle_t *cycle, moment_t now)
{
	if (!cycle->fresh || !outbox_is_open (self->outbox))
		return;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__PersistenceCycle payload = BELFRY__V1__PERSISTENCE_CYCLE__INIT;
	payload.store = borrow (name);
	payload.kind = BELFRY__V1__PERSISTENCE_KIND__PERSISTENCE_KIND_PERIODIC;
	payload.duration_ns = cycle->duration_ns > 0 ? (uint64_t) cycle->duration_ns : 0;
	payload.success = cycle->success;
	payload.error = borrow (cycle->error);
	payload.persisted_bytes = cycle->bytes;
	payload.persisted_items = cycle->success ? 1 : 0;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_PERSISTENCE_CYCLE;
	event.persistence_cycle = &payload;
	Belfry__V1__Severity severity =
	        cycle->success ? BELFRY__V1__SEVERITY__SEVERITY_INFO : BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	send (self, &event, &(publisher_note_t){ .source = store->source, .severity = severity }, now);
}

void voice_store (voice_t *self, size_t i, const store_t *store, moment_t now)
{
	const probe_check_t *check = store_check (store);
	component_say (self, &self->stores[i], check, now);
	cycle_say (self, &self->stores[i], check->component, store_cycle (store), now);
	figures (self, &self->stores[i].figures, store_samples (store), now);
}

void voice_self (voice_t *self, const samples_t *samples, moment_t now)
{
	figures (self, &self->own, samples, now);
}

void voice_damage (voice_t *self, const char *what, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SecurityAlert payload = BELFRY__V1__SECURITY_ALERT__INIT;
	payload.type = borrow ("spool");
	payload.severity = BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	payload.description = borrow (what);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SECURITY_ALERT;
	event.security_alert = &payload;
	send (self, &event, NULL, now);
}

void voice_on_durable (voice_t *self, void (*held) (void *arg), void *arg)
{
	self->held = held;
	self->held_arg = arg;
}

void voice_repeat (voice_t *self)
{
	self->host.said = self->own.said = 0;
	for (size_t i = 0; i < self->n_stores; i++)
		self->stores[i].figures.said = 0;
}
