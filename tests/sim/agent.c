#include "agent.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector.h"
#include "wire/control.h"

enum { WIRE_VERSION = 1, STREAM_HWM = 400, CONTROL_HWM = 100 };

#define BEAT_NS (200 * NS_PER_MS)
#define CATALOGUE_NS (60 * NS_PER_S)

static sim_t *sim_of (const agent_t *self)
{
	return self->world->sim;
}

static moment_t now_of (const agent_t *self)
{
	return host_moment (self->world->sim, self->clocks);
}

/* The disk (agents/identity.c). */

static void disk_advance (agent_t *self, uint64_t at_least)
{
	disk_t *disk = &self->disk;
	uint64_t number = disk->stored + 1;
	if (number < at_least)
		number = at_least;
	bool certain = disk->confirmed || at_least > 0;
	disk->stored = number;
	disk->confirmed = certain;
	self->incarnation = number;
	self->boot_nonce = sim_random (sim_of (self)) | 1;
	self->certain = certain && !disk->full;
}

/* The way out. */

static bool subscribed (const agent_t *self, span_t topic)
{
	for (size_t i = 0; i < self->n_subscriptions; i++) {
		size_t size = self->subscription_sizes[i] - 1u;
		if (size <= topic.size && memcmp (self->subscriptions[i] + 1, topic.data, size) == 0)
			return true;
	}
	return false;
}

static void sequence_check (agent_t *self, const sealed_t *sealed)
{
	uint64_t *newest = sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE
	                           ? &self->sealed_volatile
	                           : &self->sealed_durable;
	if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND)
		return;
	bool gap = sealed->payload_case == BELFRY__V1__EVENT__PAYLOAD_GAP;
	uint64_t next = *newest + 1;
	if (gap) {
		if (sealed->first != next || sealed->last - sealed->first + 1 != sealed->count)
			sim_fail (sim_of (self), "a gap stands in its place", "%s: %" PRIu64 "..%" PRIu64,
			        self->name, sealed->first, sealed->last);
		next = sealed->last;
		self->gaps_said += sealed->count;
	} else if (sealed->class == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE) {
		self->durables_sealed++;
	}
	if (sealed->sequence != next)
		sim_fail (sim_of (self), "sequences are dense", "%s: %" PRIu64 " after %" PRIu64, self->name,
		        sealed->sequence, *newest);
	*newest = sealed->sequence;
}

static void on_emit (void *arg, span_t topic, span_t envelope)
{
	agent_t *self = arg;
	const sealed_t *sealed = ledger_note (self->world->ledger, topic, envelope);
	sequence_check (self, sealed);
	if (!self->certain)
		sim_fail (sim_of (self), "nothing is sent under a number that may be another's", "%s",
		        self->name);
	const span_t parts[] = { topic, envelope };
	if (subscribed (self, topic))
		conn_send (self->stream, NET_TO_SERVER, parts, 2);
}

/* What was dropped is named before what comes next, as the spool does it. */
static void gap_emit (agent_t *self, const spool_item_t *before)
{
	spool_item_t gap = *before;
	span_t topic, envelope;
	gap.first = self->sealed_durable + 1;
	gap.sequence = gap.last = before->sequence - 1;
	gap.count = gap.last - gap.first + 1;
	gap.reason = BELFRY__V1__GAP_REASON__GAP_REASON_MEMORY;
	if (outbox_seal (self->outbox, &gap, &topic, &envelope, NULL))
		abort ();
	on_emit (self, topic, envelope);
}

static int on_numbered (void *arg, const spool_item_t *item)
{
	agent_t *self = arg;
	spool_item_t own = *item;
	/* Sealing takes the place of what was composed. */
	uint8_t *bytes = sim_alloc (item->topic.size + item->event.size);
	memcpy (bytes, item->topic.data, item->topic.size);
	memcpy (bytes + item->topic.size, item->event.data, item->event.size);
	own.topic = span_of (bytes, item->topic.size);
	own.event = span_of (bytes + item->topic.size, item->event.size);
	if (own.sequence > self->sealed_durable + 1)
		gap_emit (self, &own);
	outbox_emit (self->outbox, &own);
	free (bytes);
	return 0;
}

void agent_deliver (agent_t *self)
{
	if (outbox_is_open (self->outbox))
		outbox_number (self->outbox, HOLD_EVENTS_MAX, on_numbered, self);
}

static void gate (agent_t *self)
{
	bool open = self->certain && demand_heard (self->demand);
	if (open && !outbox_is_open (self->outbox)) {
		outbox_open (self->outbox);
		agent_deliver (self);
		agent_speak_catalogue (self);
	} else if (!open) {
		outbox_shut (self->outbox);
	}
}

/* Durable events: each is sealed, held or dropped, and a gap says how many were dropped. */
static void outbox_check (const agent_t *self)
{
	const hold_t *hold = outbox_hold (self->outbox);
	uint64_t dropped = hold_dropped (hold);
	if (hold_count (hold) > HOLD_EVENTS_MAX || hold_bytes (hold) > HOLD_BYTES_MAX)
		sim_fail (sim_of (self), "what is held is bounded", "%s holds %zu", self->name,
		        hold_count (hold));
	if (self->durables_made != self->durables_sealed + hold_count (hold) + dropped)
		sim_fail (sim_of (self), "durable events are sealed, held or dropped",
		        "%s: made %" PRIu64 ", sealed %" PRIu64 ", held %zu, dropped %" PRIu64, self->name,
		        self->durables_made, self->durables_sealed, hold_count (hold), dropped);
	if (outbox_is_open (self->outbox) && (hold_count (hold) || self->gaps_said != dropped))
		sim_fail (sim_of (self), "a gap says what was dropped",
		        "%s: dropped %" PRIu64 ", said %" PRIu64 ", still held %zu", self->name, dropped,
		        self->gaps_said, hold_count (hold));
}

/* Control (agents/talk.c). */

static void control_send (agent_t *self, Belfry__V1__Control *control)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	control->node = self->name;
	if (control_pack (control, CONTROL_TO_COLLECTOR, self->world->keyring, self->name, &bytes, &size))
		abort ();
	span_t part = span_of (bytes, size);
	conn_send (self->control, NET_TO_SERVER, &part, 1);
	free (bytes);
}

static void hello_send (agent_t *self)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Hello hello = BELFRY__V1__HELLO__INIT;
	char address[40];
	snprintf (address, sizeof address, "tcp://10.0.0.%u:7704", self->index + 1);
	hello.cluster = sim_borrow (WORLD_CLUSTER);
	hello.node = self->name;
	hello.incarnation = self->incarnation;
	hello.boot_nonce = self->boot_nonce;
	hello.version = sim_borrow (BELFRY_VERSION);
	hello.wire_version = WIRE_VERSION;
	hello.peer_address = address;
	hello.heartbeat_interval_ns = (uint64_t) BEAT_NS;
	control.id = self->session.hello_id;
	control.deadline_ms = SESSION_DEADLINE_MS;
	control.body_case = BELFRY__V1__CONTROL__BODY_HELLO;
	control.hello = &hello;
	control_send (self, &control);
}

static void report_send (agent_t *self)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__PeerReport report = BELFRY__V1__PEER_REPORT__INIT;
	Belfry__V1__PeerObservation observations[AGENT_TARGETS_MAX], *pointers[AGENT_TARGETS_MAX];
	report.n_observations = agent_peers_report (self, observations, AGENT_TARGETS_MAX);
	for (size_t i = 0; i < report.n_observations; i++)
		pointers[i] = &observations[i];
	report.observations = pointers;
	control.id = session_id (&self->session);
	control.body_case = BELFRY__V1__CONTROL__BODY_PEER_REPORT;
	control.peer_report = &report;
	control_send (self, &control);
}

static void wake_schedule (agent_t *self);

/* The disk has taken the next number. */
static void on_advanced (void *context, uint64_t life)
{
	agent_t *self = context;
	if (self->life != life || !self->process.alive)
		return;
	disk_advance (self, self->at_least);
	self->at_least = 0;
	self->sealed_volatile = self->sealed_durable = 0;
	outbox_set_incarnation (self->outbox, self->incarnation, self->boot_nonce, now_of (self).mono);
	sim_trace (
	        sim_of (self), "%s goes on as incarnation %" PRIu64, self->process.name, self->incarnation);
	session_greet (&self->session, now_of (self).mono);
	gate (self);
	if (!self->process.stopped)
		wake_schedule (self);
}

static void superseded (agent_t *self, uint64_t at_least)
{
	sim_trace (sim_of (self), "%s, incarnation %" PRIu64 ", is to come back with %" PRIu64,
	        self->process.name, self->incarnation, at_least);
	self->certain = false;
	gate (self);
	bool waiting = self->at_least != 0;
	self->at_least = at_least;
	if (!waiting)
		sim_after (sim_of (self), sim_between (sim_of (self), 0, 30 * NS_PER_MS), on_advanced, self,
		        self->life);
}

static void welcomed (agent_t *self, const Belfry__V1__Welcome *welcome)
{
	if (!self->certain && !self->at_least) {
		self->certain = true;
		if (!self->disk.full)
			self->disk.confirmed = true;
		sim_trace (sim_of (self), "%s is confirmed as incarnation %" PRIu64, self->process.name,
		        self->incarnation);
	}
	gate (self);
	if (welcome->want_catalogues)
		agent_speak_catalogue (self);
}

static void on_control (void *context, conn_t *conn, int descriptor, const span_t *parts, size_t n)
{
	agent_t *self = context;
	(void) conn;
	(void) descriptor;
	(void) n;
	Belfry__V1__Control *control = NULL;
	bool is_signed = false;
	mono_t now = now_of (self).mono;
	arena_reset (self->arena);
	if (control_unpack (
	            parts[0].data, parts[0].size, arena_allocator (self->arena), &control, &is_signed) ||
	        control_verify (parts[0].data, parts[0].size, CONTROL_TO_AGENT, self->world->keyring,
	                control->key_epoch, span_str (self->name))) {
		self->control_refused++;
		return;
	}
	switch (session_take (&self->session, control, WORLD_CLUSTER, self->incarnation, now)) {
	case SESSION_WELCOMED:
		welcomed (self, control->welcome);
		break;
	case SESSION_SUPERSEDED:
		superseded (self, control->welcome->next_incarnation);
		break;
	case SESSION_ROSTER:
		agent_peers_roster (self, control->roster);
		break;
	case SESSION_WRONG:
		sim_fail (sim_of (self), "the collector keeps the protocol", "%s got a body %d that is wrong",
		        self->name, (int) control->body_case);
		break;
	default:
		break;
	}
	outbox_check (self);
	wake_schedule (self);
}

/* The stream: what an XPUB sees of its subscribers. */

static void on_subscription (void *context, conn_t *conn, int descriptor, const span_t *parts, size_t n)
{
	agent_t *self = context;
	(void) conn;
	(void) descriptor;
	(void) n;
	const uint8_t *bytes = parts[0].data;
	size_t size = parts[0].size;
	if (size == 0 || size > sizeof self->subscriptions[0] || bytes[0] > 1)
		return; /* corrupted under way */
	size_t at = 0;
	while (at < self->n_subscriptions &&
	        (self->subscription_sizes[at] != size ||
	                memcmp (self->subscriptions[at] + 1, bytes + 1, size - 1)))
		at++;
	if (bytes[0] == 1 && at == self->n_subscriptions && at < AGENT_SUBSCRIPTIONS_MAX) {
		memcpy (self->subscriptions[at], bytes, size);
		self->subscription_sizes[at] = (uint8_t) size;
		self->n_subscriptions++;
		demand_note (self->demand, parts[0]);
	} else if (bytes[0] == 0 && at < self->n_subscriptions) {
		demand_note (self->demand, parts[0]);
		size_t last = --self->n_subscriptions;
		memcpy (self->subscriptions[at], self->subscriptions[last], sizeof self->subscriptions[0]);
		self->subscription_sizes[at] = self->subscription_sizes[last];
	}
	gate (self);
	outbox_check (self);
	wake_schedule (self);
}

static void on_stream_closed (void *context, conn_t *conn, int descriptor)
{
	agent_t *self = context;
	(void) conn;
	(void) descriptor;
	while (self->n_subscriptions) {
		size_t last = --self->n_subscriptions;
		self->subscriptions[last][0] = 0;
		demand_note (
		        self->demand, span_of (self->subscriptions[last], self->subscription_sizes[last]));
	}
	gate (self);
}

static void on_opened (void *context, conn_t *conn)
{
	(void) context;
	(void) conn;
}

static void on_control_closed (void *context, conn_t *conn, int descriptor)
{
	(void) context;
	(void) conn;
	(void) descriptor;
}

/* The loop. */

static void run_probe (agent_t *self, int probe)
{
	if (probe == self->probe_health)
		agent_speak_health (self);
	else if (probe == self->probe_samples)
		agent_speak_samples (self);
	else if (probe == self->probe_catalogue)
		agent_speak_catalogue (self);
	else
		agent_speak_apps (self);
}

static void on_wake (void *context, uint64_t wake)
{
	agent_t *self = context;
	if (wake != self->wake || !process_runs (&self->process) || self->goodbye)
		return;
	mono_t now = now_of (self).mono;
	unsigned out = session_step (&self->session, self->peers_changed, now);
	if (out & SESSION_LOST)
		sim_trace (sim_of (self), "%s has no collector any more", self->process.name);
	if (out & SESSION_SEND_HELLO)
		hello_send (self);
	if (out & SESSION_SEND_REPORT) {
		self->peers_changed = false;
		report_send (self);
	}
	if (now.ns >= self->beat.due.ns) {
		beat_tick (&self->beat, now);
		agent_peers_look (self);
		agent_speak_beat (self);
	}
	for (int probe; (probe = schedule_take (self->schedule, now)) != SCHEDULE_NONE;) {
		run_probe (self, probe);
		schedule_finish (self->schedule, probe, now);
	}
	outbox_check (self);
	wake_schedule (self);
}

static void wake_schedule (agent_t *self)
{
	sim_t *sim = sim_of (self);
	mono_t next = session_next (&self->session);
	mono_t probe = schedule_next (self->schedule);
	if (self->beat.due.ns < next.ns)
		next = self->beat.due;
	if (probe.ns < next.ns)
		next = probe;
	if (self->peers_changed && self->session.welcomed) {
		mono_t report = mono_add (self->session.reported_at, SESSION_REPORT_MIN_NS);
		if (report.ns < next.ns)
			next = report;
	}
	int64_t when = next.ns - self->clocks->mono_ns;
	if (when < sim_now (sim))
		when = sim_now (sim);
	when += sim_between (sim, 0, 300 * NS_PER_US);
	if (sim_now (sim) < self->stall_until)
		when += sim_between (sim, 0, self->stall_ns);
	sim_at (sim, when, on_wake, self, ++self->wake);
}

/* Life. */

agent_t *agent_new (world_t *world, uint32_t index, bool clone)
{
	agent_t *self = sim_alloc (sizeof *self);
	sim_t *sim = world->sim;
	self->world = world;
	self->index = index;
	self->clone = clone;
	snprintf (self->name, sizeof self->name, "n%u", index);
	snprintf (self->stream_name, sizeof self->stream_name, "n%u%s stream", index, clone ? "'" : "");
	snprintf (self->control_name, sizeof self->control_name, "n%u%s control", index, clone ? "'" : "");
	self->host.mono_ns = sim_between (sim, NS_PER_S, 1000000 * NS_PER_S);
	self->host.wall_ns = INT64_C (1795000000) * NS_PER_S + sim_between (sim, -NS_PER_S, NS_PER_S);
	self->path = (path_t){ .name = self->name,
		.latency_ns = sim_between (sim, 50 * NS_PER_US, 2 * NS_PER_MS),
		.jitter_ns = sim_between (sim, 0, NS_PER_MS) };
	agent_t *original = clone ? world->agents[index] : self;
	self->clocks = &original->host;
	self->way = &original->path;
	self->process = (process_t){ .name = clone ? "a clone" : self->name, .host = self->clocks };
	self->status = BELFRY__V1__STATUS__STATUS_HEALTHY;
	for (int i = 0; i < AGENT_COMPONENTS; i++)
		self->components[i] = BELFRY__V1__STATUS__STATUS_HEALTHY;
	if (arena_new (4096, 1024 * 1024, &self->arena))
		abort ();
	process_t *server = collector_process (world->collector);
	const conn_options_t stream = { self->stream_name, &self->process, server, self->way,
		{ self, on_opened, on_stream_closed, on_subscription },
		collector_stream_end (world->collector), { STREAM_HWM, 1000 }, { false, true } };
	const conn_options_t control = { self->control_name, &self->process, server, self->way,
		{ self, on_opened, on_control_closed, on_control }, collector_control_end (world->collector),
		{ CONTROL_HWM, CONTROL_HWM } };
	self->stream = conn_new (world->net, &stream);
	self->control = conn_new (world->net, &control);
	return self;
}

void agent_start (agent_t *self)
{
	sim_t *sim = sim_of (self);
	moment_t now = now_of (self);
	self->process.alive = true;
	self->process.stopped = false;
	self->phase = AGENT_RUNS;
	self->phase_since = sim_now (sim);
	self->life++;
	self->goodbye = false;
	self->at_least = 0;
	self->n_subscriptions = self->n_targets = 0;
	self->sealed_volatile = self->sealed_durable = 0;
	self->durables_made = self->durables_sealed = self->gaps_said = 0;
	self->flood = 0;
	self->said_status = BELFRY__V1__STATUS__STATUS_UNSPECIFIED;
	memset (self->said_components, 0, sizeof self->said_components);
	disk_advance (self, 0);
	sim_trace (sim, "%s starts as incarnation %" PRIu64 "%s", self->process.name, self->incarnation,
	        self->certain ? "" : ", not certain");
	session_init (&self->session, sim_random (sim), now.mono);
	beat_init (&self->beat, BEAT_NS, now.mono);
	beat_add_loop (&self->beat, "main");
	const publisher_options_t options = { WORLD_CLUSTER, self->name, self->incarnation, self->boot_nonce,
		now.mono, self->world->keyring };
	err_t err = { "" };
	if (demand_new (WORLD_CLUSTER, self->name, &self->demand) ||
	        outbox_new (&options, self->demand, on_emit, self, &self->outbox, &err) ||
	        schedule_new (self->name, &self->schedule))
		abort ();
	self->probe_health = schedule_add (self->schedule, "health", NS_PER_S, now.mono);
	self->probe_samples = schedule_add (self->schedule, "samples", NS_PER_S, now.mono);
	self->probe_apps = schedule_add (self->schedule, "apps", NS_PER_S, now.mono);
	self->probe_catalogue = schedule_add (self->schedule, "catalogue", CATALOGUE_NS, now.mono);
	agent_speak_started (self);
	conn_start (self->stream);
	conn_start (self->control);
	wake_schedule (self);
}

static void life_end (agent_t *self)
{
	self->process.alive = self->process.stopped = false;
	self->phase_since = sim_now (sim_of (self));
	self->wake++;
	net_killed (self->world->net, &self->process);
	outbox_destroy (&self->outbox);
	demand_destroy (&self->demand);
	schedule_destroy (&self->schedule);
}

void agent_kill (agent_t *self)
{
	if (!self->process.alive)
		return;
	sim_trace (sim_of (self), "%s is killed", self->process.name);
	self->phase = AGENT_KILLED;
	life_end (self);
}

static void on_stopped (void *context, uint64_t life)
{
	agent_t *self = context;
	if (self->life != life || !self->process.alive)
		return;
	sim_trace (sim_of (self), "%s ends", self->process.name);
	life_end (self);
}

void agent_stop (agent_t *self, const char *reason)
{
	if (!process_runs (&self->process) || self->goodbye)
		return;
	sim_trace (sim_of (self), "%s says goodbye: %s", self->process.name, reason);
	self->goodbye_sequence = outbox_is_open (self->outbox) ? self->sealed_durable + 1 : 0;
	self->goodbye_taken = 0;
	agent_speak_goodbye (
	        self, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPING, reason);
	agent_speak_goodbye (
	        self, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED, reason);
	self->goodbye = true;
	self->phase = strcmp (reason, "decommission") == 0 ? AGENT_LEFT : AGENT_STOPPED;
	self->phase_since = sim_now (sim_of (self));
	/* Lingers until what it said is out. */
	sim_after (sim_of (self), 200 * NS_PER_MS, on_stopped, self, self->life);
}

void agent_pause (agent_t *self)
{
	if (!process_runs (&self->process))
		return;
	sim_trace (sim_of (self), "%s is stopped, as by SIGSTOP", self->process.name);
	self->process.stopped = true;
}

void agent_resume (agent_t *self)
{
	if (!self->process.alive || !self->process.stopped)
		return;
	sim_trace (sim_of (self), "%s goes on", self->process.name);
	self->process.stopped = false;
	net_resumed (self->world->net, &self->process);
	wake_schedule (self);
}

void agent_destroy (agent_t **self_p)
{
	agent_t *self = *self_p;
	if (!self)
		return;
	outbox_destroy (&self->outbox);
	demand_destroy (&self->demand);
	schedule_destroy (&self->schedule);
	arena_destroy (&self->arena);
	free (self);
	*self_p = NULL;
}
