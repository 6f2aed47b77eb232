/* The shell. A tick may come before or after what has waited in the connections meanwhile, as in a poll loop;
 * what the connections bring comes one by one. */

#include "collector_internal.h"

#include <inttypes.h>
#include <stdlib.h>

#include "agent.h"
#include "conf/errors.h"
#include "hostile.h"
#include "judge.h"
#include "wire/control.h"

#define TICK_NS (20 * NS_PER_MS)
/* How long a disk takes, well and ailing. */
#define COMMIT_MIN_NS (100 * NS_PER_US)
#define COMMIT_MAX_NS (5 * NS_PER_MS)
#define COMMIT_SLOW_NS (300 * NS_PER_MS)

/* As collector/fabric.c subscribes: everything but what is on demand. */
static const char *const prefixes[] = { "system/", "health/", "metrics/", "lifecycle/", "alerts/", "audit/",
	"security/", "logging/info/", "logging/warning/", "logging/error/", "logging/critical/", "fabric/" };

static const char viewer[] = "\0view";

/* The core's port. */

static void forward (collector_t *self, span_t topic, span_t envelope, span_t mark)
{
	const span_t parts[] = { topic, envelope, mark };
	sim_digest (self->world->sim, topic);
	sim_digest (self->world->sim, envelope);
	for (size_t i = 0; i < self->n_outlets; i++) {
		const peer_conn_t *peer = self->outlets[i];
		for (size_t s = 0; s < peer->n; s++) {
			if (prefixed (topic, peer->subscriptions[s])) {
				conn_send (peer->conn, NET_TO_CLIENT, parts, mark.size ? 3 : 2);
				break;
			}
		}
	}
}

/* What goes out with a mark is what stands in the journal at that offset, and none is left out. */
static void mark_check (collector_t *self, span_t topic, span_t envelope, span_t bytes)
{
	sim_t *sim = self->world->sim;
	mark_t mark;
	archive_record_t record;
	if (!mark_parse (bytes, &mark) || mark.offset > archive_count (self->archive)) {
		sim_fail (sim, "a mark names what is in the journal", "one is none");
		return;
	}
	archive_at (self->archive, mark.offset, &record);
	if (!span_equal (topic, record.topic) || !span_equal (envelope, record.envelope) ||
	        memcmp (&mark, &record.mark, sizeof mark) != 0)
		sim_fail (sim, "a mark names what is in the journal", "offset %" PRIu64 " is another",
		        mark.offset);
	if (mark.offset != self->out + 1)
		sim_fail (sim, "what is journalled goes out without a hole",
		        "offset %" PRIu64 " after %" PRIu64, mark.offset, self->out);
	self->out = mark.offset;
}

static void port_publish (void *arg, span_t topic, span_t envelope, span_t mark)
{
	collector_t *self = arg;
	static const char own[] = "collector.";
	topic_t parts;
	bool is_own = topic_parse (topic.data, topic.size, &parts) == 0 && prefixed (parts.node, own);
	bool again = mark.size && ledger_find (self->world->ledger, topic, envelope);
	if (mark.size)
		mark_check (self, topic, envelope, mark);
	if (is_own) {
		model_published (self->model, topic, envelope, mark.size > 0);
		if (!again)
			judge_published (self->world->judge, envelope);
	}
	forward (self, topic, envelope, mark);
}

static void on_commit (void *context, uint64_t commit);

static void port_commit (void *arg, journal_batch_t *batch)
{
	collector_t *self = arg;
	sim_t *sim = self->world->sim;
	bool slow = sim_now (sim) < self->slow_until;
	self->batch = batch;
	sim_after (sim, sim_between (sim, COMMIT_MIN_NS, slow ? COMMIT_SLOW_NS : COMMIT_MAX_NS), on_commit,
	        self, ++self->commits);
}

/* The batch goes to the disk; its errno. */
static int commit (collector_t *self, moment_t now, checkpoint_t *ret_checkpoint)
{
	journal_batch_t *batch = self->batch;
	self->batch = NULL;
	return archive_commit (self->archive, batch, now.wall, ret_checkpoint);
}

/* And the core hears of it. */
static void commit_end (collector_t *self)
{
	moment_t now = now_of (self);
	checkpoint_t checkpoint;
	int r = commit (self, now, &checkpoint);
	core_committed (self->core, r, r ? strerror (-r) : "", now);
	if (checkpoint.offset)
		core_checkpoint (self->core, &checkpoint, now);
}

static void on_commit (void *context, uint64_t number)
{
	collector_t *self = context;
	if (number != self->commits || !self->batch)
		return;
	/* A stopped process' disk may go on; it hears of it when it does. */
	if (!process_runs (&self->process)) {
		sim_after (self->world->sim, NS_PER_MS, on_commit, self, number);
		return;
	}
	commit_end (self);
	core_flush (self->core, now_of (self));
}

static void on_read (void *context, uint64_t run)
{
	reading_t *reading = context;
	collector_t *self = reading->self;
	if (run == self->runs && process_runs (&self->process))
		core_read_done (self->core, span_of (reading->peer, IDENTITY_SIZE), reading->id,
		        reading->chain, 0, NULL, &reading->page);
	reading_t **at = &self->readings;
	while (*at != reading)
		at = &(*at)->next;
	*at = reading->next;
	archive_page_free (&reading->page);
	free (reading);
}

static int port_read (void *arg, span_t peer, uint64_t id, const core_reading_t *asked)
{
	collector_t *self = arg;
	sim_t *sim = self->world->sim;
	reading_t *reading = sim_alloc (sizeof *reading);
	reading->self = self;
	reading->next = self->readings;
	self->readings = reading;
	memcpy (reading->peer, peer.data, IDENTITY_SIZE);
	reading->id = id;
	reading->chain = asked->chain;
	archive_page (self->archive, asked, &reading->page);
	sim_after (sim, sim_between (sim, COMMIT_MIN_NS, COMMIT_MAX_NS), on_read, reading, self->runs);
	return 0;
}

static void answer_take (collector_t *self, span_t bytes)
{
	Belfry__V1__Control *control = NULL;
	bool is_signed;
	if (control_unpack (bytes.data, bytes.size, NULL, &control, &is_signed)) {
		sim_fail (self->world->sim, "answers are well formed", "one of %zu bytes is not", bytes.size);
		return;
	}
	if (self->hello && control->body_case == BELFRY__V1__CONTROL__BODY_WELCOME) {
		self->hello_answered = true;
		self->hello_accepted = control->welcome->accepted;
		self->hello_next = control->welcome->next_incarnation;
	}
	if (self->snapshot && control->body_case == BELFRY__V1__CONTROL__BODY_SNAPSHOT) {
		for (size_t i = 0; i < control->snapshot->n_frames; i++) {
			const Belfry__V1__Frame *frame = control->snapshot->frames[i];
			model_snapshot_frame (self->model, span_str (frame->topic),
			        span_of (frame->envelope.data, frame->envelope.len));
		}
	}
	belfry__v1__control__free_unpacked (self->answer, NULL);
	self->answer = control;
}

/* What an agent is told to be in the journal is there. */
static void ack_check (collector_t *self, const conn_t *conn, span_t bytes)
{
	const world_t *world = self->world;
	Belfry__V1__Control *control = NULL;
	bool is_signed;
	uint32_t node = 0;
	while (node < world->options.nodes && world->agents[node]->control != conn &&
	        !(world->clones[node] && world->clones[node]->control == conn))
		node++;
	if (node == world->options.nodes ||
	        control_unpack (bytes.data, bytes.size, NULL, &control, &is_signed))
		return;
	if (control->body_case == BELFRY__V1__CONTROL__BODY_ACK)
		model_acknowledged (self->model, self->archive, node, control->ack);
	belfry__v1__control__free_unpacked (control, NULL);
}

static void port_control (void *arg, span_t peer, span_t bytes)
{
	collector_t *self = arg;
	sim_digest (self->world->sim, bytes);
	if (self->hello || self->snapshot || span_equal (peer, span_of (viewer, IDENTITY_SIZE)))
		answer_take (self, bytes);
	if (span_equal (peer, span_of (viewer, IDENTITY_SIZE)))
		return;
	for (size_t i = 0; i < self->n_controls; i++) {
		if (span_equal (peer, span_of (self->controls[i]->identity, IDENTITY_SIZE))) {
			ack_check (self, self->controls[i]->conn, bytes);
			if (!conn_send (self->controls[i]->conn, NET_TO_CLIENT, &bytes, 1))
				core_dropped (self->core, CORE_DROP_CONTROL);
			return;
		}
	}
	core_dropped (self->core, CORE_DROP_PEER_GONE);
}

static void port_say (void *arg, int level, const char *text)
{
	collector_t *self = arg;
	sim_trace (self->world->sim, "collector (%d): %s", level, text);
}

/* The stream. */

static void goodbye_note (collector_t *self, const sealed_t *sealed)
{
	if (sealed->node >= self->world->options.nodes)
		return;
	agent_t *agent = self->world->agents[sealed->node];
	if (agent->goodbye && sealed->incarnation == agent->incarnation &&
	        sealed->nonce == agent->boot_nonce && sealed->sequence == agent->goodbye_sequence &&
	        sealed->payload_case == BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE)
		agent->goodbye_taken = self->runs;
}

static void on_stream (void *context, conn_t *conn, int descriptor, const span_t *parts, size_t n)
{
	collector_t *self = context;
	mono_t now = now_of (self).mono;
	if (n != 2) {
		core_refuse (self->core, REFUSAL_FRAMES);
		model_refused (self->model, REFUSAL_FRAMES);
		return;
	}
	hostile_t *hostile = self->world->hostile;
	if (hostile && conn != hostile_stream (hostile) && hostile_holds (hostile, parts[0], parts[1]))
		return;
	bool many =
	        prefixed (parts[0], "metrics/") || prefixed (parts[0], "logging/"); /* as the fabric does */
	bool onward = false;
	refusal_t reason =
	        core_take (self->core, parts[0], parts[1], many ? -1 : descriptor, now_of (self), &onward);
	const sealed_t *sealed = ledger_find (self->world->ledger, parts[0], parts[1]);
	/* He learns nothing from what he made himself: that one may be signed with a stolen key. */
	if (sealed && hostile)
		hostile_saw_stream (hostile, parts[0], parts[1]);
	model_offered (self->model, sealed, reason, now);
	if (reason) {
		sim_digest (self->world->sim, span_of (&reason, sizeof reason));
		return;
	}
	if (sealed)
		goodbye_note (self, sealed);
	if (onward)
		forward (self, parts[0], parts[1], span_of (NULL, 0));
	core_flush (self->core, now_of (self));
}

static void on_stream_opened (void *context, conn_t *conn)
{
	collector_t *self = context;
	self->streams[self->n_streams++] = conn;
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
		collector_subscribe (conn, 1, prefixes[i]);
	for (size_t i = 0; i < self->n_wanted; i++)
		collector_subscribe (conn, 1, self->wanted[i]);
}

static void on_stream_closed (void *context, conn_t *conn, int descriptor)
{
	collector_t *self = context;
	for (size_t i = 0; i < self->n_streams; i++) {
		if (self->streams[i] == conn) {
			self->streams[i] = self->streams[--self->n_streams];
			break;
		}
	}
	core_disconnected (self->core, descriptor, now_of (self));
	core_flush (self->core, now_of (self));
}

end_t collector_stream_end (collector_t *self)
{
	return (end_t){ self, on_stream_opened, on_stream_closed, on_stream };
}

/* Life. */

static void on_tick (void *context, uint64_t tick)
{
	collector_t *self = context;
	sim_t *sim = self->world->sim;
	if (tick != self->ticks || !process_runs (&self->process))
		return;
	core_tick (self->core, now_of (self));
	core_flush (self->core, now_of (self));
	sim_after (sim, TICK_NS + sim_between (sim, 0, NS_PER_MS), on_tick, self, self->ticks);
}

static void on_restore (void *arg, const char *key, span_t value)
{
	collector_t *self = arg;
	core_restore (self->core, key, value);
}

collector_t *collector_new (world_t *world)
{
	collector_t *self = sim_alloc (sizeof *self);
	self->world = world;
	self->host.mono_ns = sim_between (world->sim, NS_PER_S, 1000000 * NS_PER_S);
	self->host.wall_ns = INT64_C (1795000000) * NS_PER_S;
	self->process = (process_t){ .name = "the collector", .host = &self->host };
	self->path = (path_t){ .name = "loopback", .latency_ns = 50 * NS_PER_US };
	self->steady_since = INT64_MAX;
	self->archive = archive_new (sim_random (world->sim));
	conf_errors_t errors = { 0 };
	if (rule_set_parse (NULL, 0, "shipped", &self->rules, &errors))
		abort ();
	return self;
}

void collector_start (collector_t *self)
{
	sim_t *sim = self->world->sim;
	journal_figures_t figures;
	archive_figures (self->archive, &figures);
	self->out = figures.newest;
	const core_options_t options = { .cluster = WORLD_CLUSTER,
		.name = WORLD_COLLECTOR,
		.version = BELFRY_VERSION,
		.incarnation = ++self->incarnation,
		.boot_nonce = sim_random (sim) | 1,
		.keyring = self->world->keyring,
		.rules = self->rules,
		.journal = &figures,
		.nodes_max = WORLD_NODES_MAX };
	const core_port_t port = { self, port_publish, port_control, port_commit, port_read, port_say };
	err_t err = { "" };
	sim_trace (sim, "the collector starts as incarnation %" PRIu64, self->incarnation);
	self->process.alive = true;
	self->process.stopped = false;
	self->runs++;
	self->steady_since = self->began_at = sim_now (sim);
	self->model = model_new (sim, self->world->ledger);
	model_restore (self->model, self->archive);
	if (core_new (&options, &port, now_of (self), &self->core, &err)) {
		sim_fail (sim, "the collector starts", "%s", err.text);
		return;
	}
	archive_restore (self->archive, on_restore, self);
	core_started (self->core, now_of (self));
	core_flush (self->core, now_of (self));
	sim_after (sim, 0, on_tick, self, ++self->ticks);
}

void collector_kill (collector_t *self)
{
	if (!self->process.alive)
		return;
	sim_trace (self->world->sim, "the collector is killed");
	self->process.alive = self->process.stopped = false;
	self->steady_since = INT64_MAX;
	self->ticks++;
	/* What the disk had in hand it took, or not: nobody heard. */
	checkpoint_t checkpoint;
	uint64_t before = archive_count (self->archive);
	if (self->batch && sim_chance (self->world->sim, 1, 2))
		commit (self, now_of (self), &checkpoint);
	/* What it took was said, to whoever reads it. */
	for (uint64_t offset = before + 1; offset <= archive_count (self->archive); offset++) {
		archive_record_t record;
		archive_at (self->archive, offset, &record);
		if (prefixed (span_str (record.node), "collector.")) {
			model_published (self->model, record.topic, record.envelope, true);
			judge_published (self->world->judge, record.envelope);
		}
	}
	self->batch = NULL;
	self->commits++;
	net_killed (self->world->net, &self->process);
	while (self->n_controls)
		free (self->controls[--self->n_controls]);
	while (self->n_outlets)
		free (self->outlets[--self->n_outlets]);
	self->n_streams = self->n_wanted = 0;
	core_destroy (&self->core);
	model_destroy (&self->model);
}

void collector_stop (collector_t *self)
{
	if (!process_runs (&self->process))
		return;
	core_stopping (self->core, "restart", now_of (self));
	/* What is said at the end is committed, then published. */
	for (int i = 0; i < 3; i++) {
		core_flush (self->core, now_of (self));
		if (!self->batch)
			break;
		commit_end (self);
	}
	collector_kill (self);
}

void collector_pause (collector_t *self)
{
	if (!process_runs (&self->process))
		return;
	sim_trace (self->world->sim, "the collector is stopped, as by SIGSTOP");
	self->process.stopped = true;
	self->paused_at = sim_now (self->world->sim);
	self->steady_since = INT64_MAX;
}

void collector_resume (collector_t *self)
{
	sim_t *sim = self->world->sim;
	if (!self->process.alive || !self->process.stopped)
		return;
	sim_trace (sim, "the collector goes on");
	self->process.stopped = false;
	self->steady_since = sim_now (sim);
	net_resumed (self->world->net, &self->process);
	sim_after (sim, sim_between (sim, 0, NS_PER_MS), on_tick, self, ++self->ticks);
}

void collector_slow (collector_t *self, int64_t until_ns)
{
	if (self->slow_until < until_ns)
		self->slow_until = until_ns;
}

void collector_destroy (collector_t **self_p)
{
	collector_t *self = *self_p;
	if (!self)
		return;
	while (self->n_controls)
		free (self->controls[--self->n_controls]);
	while (self->n_outlets)
		free (self->outlets[--self->n_outlets]);
	core_destroy (&self->core);
	model_destroy (&self->model);
	while (self->readings) {
		reading_t *next = self->readings->next;
		archive_page_free (&self->readings->page);
		free (self->readings);
		self->readings = next;
	}
	archive_destroy (&self->archive);
	rule_set_destroy (&self->rules);
	belfry__v1__control__free_unpacked (self->answer, NULL);
	free (self);
	*self_p = NULL;
}

process_t *collector_process (collector_t *self)
{
	return &self->process;
}
host_t *collector_host (collector_t *self)
{
	return &self->host;
}
path_t *collector_path (collector_t *self)
{
	return &self->path;
}
int64_t collector_steady_since (const collector_t *self)
{
	return self->steady_since;
}
int64_t collector_paused_at (const collector_t *self)
{
	return self->paused_at;
}
model_t *collector_model (const collector_t *self)
{
	return self->model;
}
uint64_t collector_runs (const collector_t *self)
{
	return self->runs;
}
void collector_end_check (collector_t *self)
{
	if (self->model && !self->batch)
		model_journalled (self->model, self->archive);
}
int64_t collector_began_at (const collector_t *self)
{
	return self->began_at;
}
bool collector_commits (const collector_t *self)
{
	return self->batch != NULL;
}

Belfry__V1__Control *collector_ask (collector_t *self, Belfry__V1__Control *control)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	if (!self->core || !process_runs (&self->process))
		return NULL;
	control->id = 1;
	if (control_pack (control, CONTROL_TO_COLLECTOR, NULL, NULL, &bytes, &size))
		abort ();
	belfry__v1__control__free_unpacked (self->answer, NULL);
	self->answer = NULL;
	self->snapshot = control->body_case == BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST;
	core_control (self->core, &(core_peer_t){ .identity = span_of (viewer, IDENTITY_SIZE), .name = "" },
	        span_of (bytes, size), now_of (self));
	self->snapshot = false;
	free (bytes);
	Belfry__V1__Control *answer = self->answer;
	self->answer = NULL;
	return answer;
}
