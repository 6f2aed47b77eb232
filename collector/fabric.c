/* Everything runs on the actor's thread: the core has one owner. A handler takes a bounded batch, so
 * that no link starves another; one reading of the clocks serves a batch. The intake's monitor is
 * read before the intake, so that the end of a connection is known before a message that came over
 * a newer one with the same descriptor. */

#include "collector/fabric.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <poll.h>

#include "base/log.h"
#include "collector/door.h"
#include "collector/gate.h"
#include "collector/outlet.h"
#include "collector/scribe.h"
#include "net/actor.h"
#include "net/loop.h"

enum { BATCH = 256, ENDPOINT_MAX = 160 };
enum { FRAMES = 2 }; /* topic and envelope; peer and request */

static const int64_t tick_ns = 20 * NS_PER_MS, look_ns = NS_PER_S, stop_step_ns = 50 * NS_PER_MS,
                     denials_ns = 10 * NS_PER_S;

struct fabric {
	fabric_options_t options;
	actor_t *actor;
	link_t *intake, *outlet, *control;
	link_monitor_t *monitor;
	core_t *core;
	scribe_t *scribe;
	door_t *door; /* NULL: no CURVE */
	mono_t denials_due;
	zap_totals_t denials;        /* as they were last said */
	frame_t held[BATCH][FRAMES]; /* taken: those from first_held to end_held are to be forwarded */
	size_t first_held, end_held;
	outlet_t *subscribers; /* at the outlet */
	bool started;
	char stream_in[ENDPOINT_MAX], stream_out[ENDPOINT_MAX], control_at[ENDPOINT_MAX];
	char reason[128];
};

/* Everything but what is sent only while somebody listens: `logging/` would hold `logging/debug/`. */
static const char *const prefixes[] = { "system/", "health/", "metrics/", "lifecycle/", "alerts/", "audit/",
	"security/", "logging/info/", "logging/warning/", "logging/error/", "logging/critical/", "fabric/" };

/* What was taken goes on a batch at a time: message by message ZeroMQ's I/O thread would be woken for
 * each, and write each by itself. */
static void forward_held (fabric_t *self)
{
	for (; self->first_held < self->end_held; self->first_held++) {
		frame_t *frames = self->held[self->first_held];
		if (link_forward (self->outlet, frames, FRAMES)) {
			core_dropped (self->core, CORE_DROP_OUTLET);
			for (size_t f = 0; f < FRAMES; f++)
				frame_close (&frames[f]);
		}
	}
}

/* The port of the core. */

static void port_publish (void *arg, span_t topic, span_t envelope, span_t mark)
{
	fabric_t *self = arg;
	const span_t parts[] = { topic, envelope, mark };
	forward_held (self); /* what came before goes before */
	if (link_send (self->outlet, parts, mark.size ? 3 : 2))
		core_dropped (self->core, CORE_DROP_OUTLET);
}

static void port_commit (void *arg, journal_batch_t *batch)
{
	fabric_t *self = arg;
	scribe_commit (self->scribe, batch);
}

static int port_read (void *arg, span_t peer, uint64_t id, const core_reading_t *asked)
{
	fabric_t *self = arg;
	return scribe_read (self->scribe, peer, id, asked, mono_now ());
}

/* The end of whatever was taken: what is to be committed goes to the disk, what came of it is answered. */
static void flush (fabric_t *self, moment_t now)
{
	core_flush (self->core, now);
	scribe_poll (self->scribe, now.mono);
}

static void port_control (void *arg, span_t peer, span_t bytes)
{
	fabric_t *self = arg;
	const span_t parts[] = { peer, bytes };
	int r = link_send (self->control, parts, 2);
	if (r)
		core_dropped (self->core, r == -EHOSTUNREACH ? CORE_DROP_PEER_GONE : CORE_DROP_CONTROL);
}

static void port_say (void *arg, int level, const char *text)
{
	(void) arg;
	log_write ((log_level_t) level, "collector", "%s", text);
}

/* The scribe's hooks. */

static void on_committed (void *arg, int error, const char *text)
{
	fabric_t *self = arg;
	moment_t now = moment_now ();
	core_committed (self->core, error, text, now);
	/* What gathered meanwhile goes at once. */
	core_flush (self->core, now);
}

static void on_checkpoint (void *arg, const checkpoint_t *checkpoint)
{
	fabric_t *self = arg;
	core_checkpoint (self->core, checkpoint, moment_now ());
}

static void on_read (
        void *arg, span_t peer, uint64_t id, bool chain, int error, const char *text, const core_page_t *page)
{
	fabric_t *self = arg;
	core_read_done (self->core, peer, id, chain, error, text, page);
}

/* Handlers. */

static void take_ends (fabric_t *self, moment_t now)
{
	link_event_t event;
	while (link_monitor_next (self->monitor, &event) == 0) {
		if (event.change == LINK_DISCONNECTED)
			core_disconnected (self->core, event.descriptor, now);
	}
}

static void on_monitor (void *arg, int fd, short revents)
{
	fabric_t *self = arg;
	moment_t now = moment_now ();
	(void) fd;
	(void) revents;
	take_ends (self, now);
	flush (self, now);
}

/* Which connection brought a message costs a search and a number's text inside libzmq: who only sends
 * figures and logs, which are many, says it with its heartbeats often enough. */
static int connection_of (const frame_t *topic)
{
	static const char *const many[] = { "metrics/", "logging/" };
	span_t bytes = frame_bytes (topic);
	for (size_t i = 0; i < sizeof many / sizeof *many; i++) {
		size_t size = strlen (many[i]);
		if (bytes.size >= size && memcmp (bytes.data, many[i], size) == 0)
			return -1;
	}
	return frame_descriptor (topic);
}

/* Whether the connection's client may say this. Who holds it is noted as often as connection_of looks. */
static bool gate_passes (fabric_t *self, const frame_t *topic)
{
	user_t user;
	return door_admits (
	               self->door, DOOR_STREAM, topic, self->door && connection_of (topic) >= 0, &user) &&
	       gate_event (&user, frame_bytes (topic)) == REFUSAL_NONE;
}

static void on_intake (void *arg, link_t *link)
{
	fabric_t *self = arg;
	moment_t now = moment_now ();
	take_ends (self, now);
	for (int i = 0; i < BATCH; i++) {
		frame_t *frames = self->held[self->end_held];
		size_t n = 0;
		bool forward;
		int r = link_receive (link, frames, FRAMES, &n);
		if (r == -EAGAIN)
			break;
		if (r || n != FRAMES) {
			core_refuse (self->core, REFUSAL_FRAMES);
		} else if (!gate_passes (self, &frames[0])) {
			core_refuse (self->core, REFUSAL_USER);
		} else if (core_take (self->core, frame_bytes (&frames[0]), frame_bytes (&frames[1]),
		                   connection_of (&frames[0]), now, &forward) == REFUSAL_NONE &&
		           forward) {
			self->end_held++;
			continue;
		}
		for (size_t f = 0; f < FRAMES; f++)
			frame_close (&frames[f]);
		if (r && r != -EMSGSIZE)
			break;
	}
	forward_held (self);
	self->first_held = self->end_held = 0;
	flush (self, now);
}

static void on_outlet (void *arg, link_t *link)
{
	fabric_t *self = arg;
	(void) link;
	outlet_take (self->subscribers, moment_now ());
}

static void control_batch (fabric_t *self, link_t *link, moment_t now)
{
	for (int i = 0; i < BATCH; i++) {
		frame_t frames[FRAMES] = { 0 };
		size_t n = 0;
		int r = link_receive (link, frames, FRAMES, &n);
		if (r == -EAGAIN)
			return;
		user_t user;
		if (r || n != FRAMES) {
			core_refuse (self->core, REFUSAL_CONTROL);
		} else if (!door_admits (self->door, DOOR_CONTROL, &frames[1], true, &user)) {
			core_refuse (self->core, REFUSAL_USER);
		} else {
			const core_peer_t peer = { frame_bytes (&frames[0]), user.role, user.name };
			core_control (self->core, &peer, frame_bytes (&frames[1]), now);
		}
		for (size_t f = 0; f < FRAMES; f++)
			frame_close (&frames[f]);
		if (r && r != -EMSGSIZE)
			return;
	}
}

static void on_control (void *arg, link_t *link)
{
	fabric_t *self = arg;
	moment_t now = moment_now ();
	control_batch (self, link, now);
	flush (self, now);
}

/* Refused handshakes are counted each, and said in one line in 10 s. */
static void denials_say (fabric_t *self, moment_t now)
{
	zap_totals_t totals;
	if (!self->door)
		return;
	door_totals (self->door, &totals);
	core_handshakes (self->core, totals.counts[ZAP_ADMITTED], totals.counts[ZAP_DENIED_KEY],
	        totals.counts[ZAP_DENIED_GROUP], totals.counts[ZAP_DENIED_FORM]);
	if (now.mono.ns < self->denials_due.ns)
		return;
	uint64_t more[ZAP_OUTCOMES];
	for (size_t i = 0; i < ZAP_OUTCOMES; i++)
		more[i] = totals.counts[i] - self->denials.counts[i];
	if (!more[ZAP_DENIED_KEY] && !more[ZAP_DENIED_GROUP] && !more[ZAP_DENIED_FORM])
		return;
	log_warning ("collector",
	        "refused connections: %" PRIu64 " with an unknown key, %" PRIu64
	        " with a role that does not fit, %" PRIu64 " otherwise; the newest from %s",
	        more[ZAP_DENIED_KEY], more[ZAP_DENIED_GROUP], more[ZAP_DENIED_FORM], totals.address);
	self->denials = totals;
	self->denials_due = mono_add (now.mono, denials_ns);
}

static void on_tick (void *arg, int id, moment_t now)
{
	fabric_t *self = arg;
	(void) id;
	denials_say (self, now);
	core_tick (self->core, now);
	flush (self, now);
}

static void on_look (void *arg, int id, moment_t now)
{
	fabric_t *self = arg;
	(void) id;
	outlet_look (self->subscribers, now);
}

/* The actor's body. */

static int bind_one (fabric_t *self, door_which_t which, link_kind_t kind, const char *endpoint, char *out,
        link_t **ret, err_t *err)
{
	int r = door_link (self->door, self->options.context, which, kind, ret);
	if (r)
		return error_set (err, r, "'%s': cannot make a socket: %s", endpoint, strerror (-r));
	/* Before the bind: what connects first is seen too. */
	if (kind == LINK_COLLECTOR_INTAKE && (r = link_monitor_new (*ret, &self->monitor)))
		return error_set (err, r, "'%s': cannot watch its connections: %s", endpoint, strerror (-r));
	if ((r = link_bind (*ret, endpoint, err)))
		return r;
	if ((r = link_endpoint (*ret, out, ENDPOINT_MAX)))
		return error_set (err, r, "'%s': %s", endpoint, strerror (-r));
	return self->door ? door_prove (self->door, which, *ret, err) : 0;
}

static void on_memory (void *arg, const char *key, span_t value)
{
	fabric_t *self = arg;
	core_restore (self->core, key, value);
}

/* The journal first: what it knows the core begins with. */
static int journal_start (fabric_t *self, loop_t *loop, journal_report_t *report, err_t *err)
{
	const scribe_hooks_t hooks = { self, on_committed, on_checkpoint, on_read };
	const core_port_t port = { self, port_publish, port_control, port_commit, port_read, port_say };
	core_options_t core = self->options.core;
	journal_figures_t figures;
	int r = scribe_new (&self->options.journal, loop, &hooks, &self->scribe, report, err);
	if (r)
		return r;
	if (report->text[0])
		log_warning ("collector", "%s", report->text);
	scribe_figures (self->scribe, &figures);
	core.journal = &figures;
	r = core_new (&core, &port, moment_now (), &self->core, err);
	return r ? r : scribe_restore (self->scribe, on_memory, self, err);
}

static int fabric_start (void *arg, loop_t *loop, err_t *err)
{
	fabric_t *self = arg;
	const fabric_options_t *options = &self->options;
	journal_report_t report;
	int r = journal_start (self, loop, &report, err);
	if (r)
		return r;
	/* The handler first: without it CURVE would let anybody in. */
	if (options->curve &&
	        (r = door_new (options->context, options->curve, options->clients, &self->door, err)))
		return r;
	/* The intake takes nothing before it has subscribed, which is last. */
	if ((r = bind_one (self, DOOR_STREAM, LINK_COLLECTOR_INTAKE, options->stream_in, self->stream_in,
	             &self->intake, err)) ||
	        (r = bind_one (self, DOOR_OUTLET, LINK_COLLECTOR_OUTLET, options->stream_out,
	                 self->stream_out, &self->outlet, err)) ||
	        (r = bind_one (self, DOOR_CONTROL, LINK_CONTROL_SERVER, options->control, self->control_at,
	                 &self->control, err)))
		return r;
	for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes && !r; i++)
		r = link_subscribe (self->intake, span_str (prefixes[i]));
	if (r || (r = outlet_new (self->door, self->outlet, self->intake, self->core, &self->subscribers)) ||
	        (r = loop_add_link (loop, self->outlet, on_outlet, self)) ||
	        (r = loop_add_link (loop, self->control, on_control, self)) ||
	        (r = loop_add_link (loop, self->intake, on_intake, self)) ||
	        (r = loop_add_fd (loop, link_monitor_descriptor (self->monitor), POLLIN, on_monitor, self)))
		return error_set (err, r, "the loop does not take its links: %s", strerror (-r));
	if ((r = loop_add_timer (loop, tick_ns, tick_ns, on_tick, self)) < 0 ||
	        (r = loop_add_timer (loop, look_ns, look_ns, on_look, self)) < 0)
		return error_set (err, r, "the loop does not take its timer: %s", strerror (-r));
	moment_t now = moment_now ();
	core_started (self->core, now);
	if (report.lost_first)
		core_alarm (self->core, "journal", report.text, now);
	self->started = true;
	flush (self, now);
	return 0;
}

enum { COMMAND_RELOAD = 1, COMMAND_GOODBYE };

typedef struct {
	int what;
	keyring_t *keyring;
	struct rule_set *rules;
	clients_t *clients;
} command_t;

static void fabric_command (void *arg, span_t bytes)
{
	fabric_t *self = arg;
	command_t command;
	if (bytes.size != sizeof command)
		return;
	memcpy (&command, bytes.data, sizeof command);
	if (command.keyring) {
		keyring_t *old = self->options.core.keyring;
		core_set_keyring (self->core, command.keyring);
		self->options.core.keyring = command.keyring;
		if (old)
			self->options.keyring_free (&old);
	}
	if (command.clients) {
		int r = self->door ? door_set_clients (self->door, command.clients) : -EINVAL;
		if (r)
			log_error ("collector", "reload: the clients stay as they were: %s", strerror (-r));
		clients_destroy (&command.clients);
	}
	if (command.rules) {
		union {
			const struct rule_set *in;
			struct rule_set *out;
		} old = { self->options.core.rules };
		core_set_rules (self->core, command.rules, moment_now ());
		self->options.core.rules = command.rules;
		if (old.out && self->options.rules_free)
			self->options.rules_free (&old.out);
	}
}

/* It goes out when the journal has it, or without a mark when the disk does not answer. */
static void farewell (fabric_t *self)
{
	moment_t now = moment_now ();
	mono_t until = mono_add (now.mono, FABRIC_PATIENCE_NS);
	core_stopping (self->core, self->reason, now);
	flush (self, now);
	while (scribe_commits (self->scribe) && now.mono.ns < until.ns) {
		scribe_finish (self->scribe, stop_step_ns);
		now = moment_now ();
		flush (self, now);
	}
}

static void fabric_stop (void *arg, loop_t *loop)
{
	fabric_t *self = arg;
	if (self->started)
		farewell (self);
	if (self->monitor)
		loop_remove_fd (loop, link_monitor_descriptor (self->monitor));
	outlet_destroy (&self->subscribers);
	link_monitor_destroy (&self->monitor);
	link_t **links[] = { &self->intake, &self->control, &self->outlet };
	for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
		if (*links[i])
			loop_remove_link (loop, *links[i]);
		link_destroy (links[i]);
	}
	door_destroy (&self->door);
	/* The batch under way is the core's: with a disk that hangs both stay as they are. */
	if (scribe_destroy (&self->scribe, stop_step_ns))
		core_destroy (&self->core);
}

static void fabric_free (fabric_t *self)
{
	union {
		const struct rule_set *in;
		struct rule_set *out;
	} rules = { self->options.core.rules };
	if (self->options.core.keyring)
		self->options.keyring_free (&self->options.core.keyring);
	if (rules.out && self->options.rules_free)
		self->options.rules_free (&rules.out);
	free (self);
}

int fabric_new (const fabric_options_t *options, fabric_t **ret, err_t *err)
{
	static const actor_body_t body = { "fabric", fabric_start, fabric_command, fabric_stop };
	fabric_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->options = *options;
	snprintf (self->reason, sizeof self->reason, "shutdown");
	int r = actor_new (&body, self, &self->actor, err);
	if (r) {
		fabric_free (self);
		return r;
	}
	*ret = self;
	return 0;
}

void fabric_destroy (fabric_t **self_p, const char *reason)
{
	fabric_t *self = *self_p;
	if (!self)
		return;
	/* Written before the actor is told to end, read after: the pipe orders them. */
	if (reason)
		snprintf (self->reason, sizeof self->reason, "%s", reason);
	actor_destroy (&self->actor);
	fabric_free (self);
	*self_p = NULL;
}

int fabric_reload (fabric_t *self, keyring_t *keyring, struct rule_set *rules, clients_t *clients)
{
	const command_t command = { COMMAND_RELOAD, keyring, rules, clients };
	return actor_tell (self->actor, span_of (&command, sizeof command));
}

const char *fabric_stream_in (const fabric_t *self)
{
	return self->stream_in;
}
const char *fabric_stream_out (const fabric_t *self)
{
	return self->stream_out;
}
const char *fabric_control (const fabric_t *self)
{
	return self->control_at;
}
int fabric_descriptor (fabric_t *self)
{
	return actor_descriptor (self->actor);
}
