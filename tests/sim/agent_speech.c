/* What an agent says: its own life, beats, probes' results under a catalogue, and what applications on
 * its node send through it. */

#include "agent.h"

#include <stdio.h>
#include <stdlib.h>

enum { SERIES = 12, CATALOGUES = 8 };

static const char *const component_names[AGENT_COMPONENTS] = { "data", "cache" };

static moment_t now_of (const agent_t *self)
{
	return host_moment (self->world->sim, self->clocks);
}

static void say (agent_t *self, Belfry__V1__Event *event, const publisher_note_t *note)
{
	err_t err = { "" };
	int r = outbox_send (self->outbox, event, note, now_of (self), &err);
	if (r < 0)
		sim_fail (
		        self->world->sim, "an agent's own events are valid", "%s: %s", self->name, err.text);
	agent_deliver (self);
}

static void say_lifecycle (agent_t *self, Belfry__V1__SystemLifecycleState state, const char *reason)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SystemLifecycle payload = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	payload.state = state;
	payload.system = sim_borrow ("belfry-agent");
	payload.version = sim_borrow (BELFRY_VERSION);
	payload.reason = sim_borrow (reason);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &payload;
	self->durables_made++;
	say (self, &event, NULL);
}

void agent_speak_started (agent_t *self)
{
	say_lifecycle (self, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED, "");
}

void agent_speak_goodbye (agent_t *self, Belfry__V1__SystemLifecycleState state, const char *reason)
{
	say_lifecycle (self, state, reason);
}

void agent_speak_beat (agent_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Heartbeat payload = BELFRY__V1__HEARTBEAT__INIT;
	beat_storage_t storage;
	const publisher_t *publisher = outbox_publisher (self->outbox);
	moment_t now = now_of (self);
	beat_write (&self->beat, now.mono, &storage, &payload);
	payload.newest_volatile = publisher_newest_volatile (publisher) + 1; /* this one */
	payload.newest_durable = publisher_newest_durable (publisher);
	payload.spool_events = hold_count (outbox_hold (self->outbox));
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT;
	event.heartbeat = &payload;
	say (self, &event, NULL);
}

static void say_component (agent_t *self, int i)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ComponentHealth payload = BELFRY__V1__COMPONENT_HEALTH__INIT;
	bool changed = self->components[i] != self->said_components[i];
	payload.component = sim_borrow (component_names[i]);
	payload.status = self->components[i];
	payload.previous_status = self->said_components[i];
	payload.since_ns = (uint64_t) now_of (self).wall.ns;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH;
	event.component_health = &payload;
	self->durables_made += changed;
	say (self, &event, &(publisher_note_t){ .changed = changed });
	self->said_components[i] = self->components[i];
}

void agent_speak_health (agent_t *self)
{
	sim_t *sim = self->world->sim;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__NodeHealth payload = BELFRY__V1__NODE_HEALTH__INIT;
	if (!self->world->calm) {
		if (sim_chance (sim, 1, 40))
			self->status = (Belfry__V1__Status) sim_between (sim, 1, 3);
		if (sim_chance (sim, 1, 30))
			self->components[sim_below (sim, AGENT_COMPONENTS)] =
			        (Belfry__V1__Status) sim_between (sim, 1, 4);
		self->load1 = (double) sim_below (sim, 1000) / 100;
	}
	bool changed = self->status != self->said_status;
	payload.status = self->status;
	payload.previous_status = self->said_status;
	payload.since_ns = (uint64_t) now_of (self).wall.ns;
	payload.has_load1_case = BELFRY__V1__NODE_HEALTH__HAS_LOAD1_LOAD1;
	payload.load1 = self->load1;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_NODE_HEALTH;
	event.node_health = &payload;
	self->durables_made += changed;
	say (self, &event, &(publisher_note_t){ .changed = changed });
	self->said_status = self->status;
	for (int i = 0; i < AGENT_COMPONENTS; i++)
		say_component (self, i);
}

static uint64_t catalogue_hash (const agent_t *self)
{
	uint32_t version = self->catalogue_version % CATALOGUES;
	return sim_hash (sim_hash (7, span_str (self->name)), span_of (&version, sizeof version)) | 1;
}

void agent_speak_catalogue (agent_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Catalogue payload = BELFRY__V1__CATALOGUE__INIT;
	Belfry__V1__Series series[SERIES], *series_p[SERIES];
	char names[SERIES][40];
	for (int i = 0; i < SERIES; i++) {
		snprintf (names[i], sizeof names[i], "sim_figure_%d_v%u_total", i,
		        self->catalogue_version % CATALOGUES);
		belfry__v1__series__init (&series[i]);
		series[i].name = names[i];
		series[i].kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_COUNTER;
		series_p[i] = &series[i];
	}
	payload.hash = catalogue_hash (self);
	payload.n_series = SERIES;
	payload.series = series_p;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CATALOGUE;
	event.catalogue = &payload;
	say (self, &event, NULL);
}

void agent_speak_samples (agent_t *self)
{
	sim_t *sim = self->world->sim;
	if (!self->world->calm && sim_chance (sim, 1, 60)) {
		self->catalogue_version++;
		agent_speak_catalogue (self);
	}
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__MetricBatch payload = BELFRY__V1__METRIC_BATCH__INIT;
	double values[SERIES];
	for (int i = 0; i < SERIES; i++)
		values[i] = (double) sim_now (sim) / 1e9 + i;
	payload.catalogue_hash = catalogue_hash (self);
	payload.n_values = SERIES;
	payload.values = values;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	event.metric_batch = &payload;
	say (self, &event, NULL);
}

static void say_log (agent_t *self, Belfry__V1__Severity level)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry payload = BELFRY__V1__LOG_ENTRY__INIT;
	payload.level = level;
	payload.message = sim_borrow ("something that a person may want to read");
	payload.logger = sim_borrow ("app.store");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &payload;
	self->durables_made += level >= BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	say (self, &event, &(publisher_note_t){ .source = "app" });
}

static void say_access (agent_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__AccessLog payload = BELFRY__V1__ACCESS_LOG__INIT;
	payload.actor = sim_borrow ("alice");
	payload.resource = sim_borrow ("orders");
	payload.action = sim_borrow ("read");
	payload.allowed = true;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ACCESS_LOG;
	event.access_log = &payload;
	self->durables_made++;
	say (self, &event, &(publisher_note_t){ .source = "app" });
}

static void say_trace (agent_t *self)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__DebugTrace payload = BELFRY__V1__DEBUG_TRACE__INIT;
	payload.trace_id = sim_borrow ("4bf92f3577b34da6");
	payload.operation = sim_borrow ("lookup");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_DEBUG_TRACE;
	event.debug_trace = &payload;
	say (self, &event, &(publisher_note_t){ .source = "app" });
}

void agent_speak_apps (agent_t *self)
{
	sim_t *sim = self->world->sim;
	say_trace (self);
	if (sim_chance (sim, 1, 3))
		say_log (self, (Belfry__V1__Severity) sim_between (sim, 1, 3));
	if (sim_chance (sim, 1, 10))
		say_log (self, (Belfry__V1__Severity) sim_between (sim, 4, 5));
	if (sim_chance (sim, 1, 8))
		say_access (self);
	for (uint32_t i = 0; i < 300 && self->flood; i++, self->flood--)
		say_access (self);
}
