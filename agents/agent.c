/* Whether events leave: somebody's subscriptions cover this node (demand) and a collector has welcomed
 * the incarnation since. A subscription that is new means a collector that is, so it is greeted, and
 * what it must know to understand (catalogues, statuses) is said again. */

#include "agents/agent_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

enum { SUBSCRIPTION_BATCH = 64 };

#define SELF_NS (5 * NS_PER_S)
#define IDLE_NS NS_PER_S
#define PROBES_PATIENCE_NS NS_PER_S
#define DISK_PATIENCE_NS NS_PER_S

/* The gate. */

static void gate (agent_t *self, moment_t now)
{
	bool open = self->confirmed && tenure_stands (self->tenure) && demand_heard (self->demand);
	if (open == outbox_is_open (self->outbox))
		return;
	if (!open) {
		outbox_shut (self->outbox);
		return;
	}
	voice_repeat (self->voice);
	watch_again (self->watch);
	outbox_open (self->outbox);
	/* A beat tells the collector which connection is this node's, so that it knows when that one ends. */
	voice_beat (self->voice, &self->beat, now);
}

/* Whether what is durable may be given numbers. */
static void numbering (agent_t *self)
{
	const incarnation_t *incarnation = tenure_incarnation (self->tenure);
	delivery_allow (self->delivery, incarnation, incarnation->certain && tenure_stands (self->tenure));
}

static void greet_all (agent_t *self, mono_t now)
{
	for (size_t i = 0; i < self->n_talks; i++)
		talk_greet (self->talks[i], now);
}

static void stream_emit (void *arg, span_t topic, span_t envelope)
{
	agent_t *self = arg;
	const span_t parts[] = { topic, envelope };
	for (size_t i = 0; i < self->n_streams; i++)
		(void) !link_send (way_link (self->streams[i]), parts, 2); /* an XPUB drops by itself */
}

/* Debug logs that nobody listens to need not leave their application. */
static void applications_tell (agent_t *self)
{
	bool debug = demand_wanted (self->demand, CHANNEL_LOGGING, "debug");
	if (debug == self->debug_wanted)
		return;
	self->debug_wanted = debug;
	inlet_set_wanted (self->inlet, true,
	        debug ? BELFRY__V1__SEVERITY__SEVERITY_DEBUG : BELFRY__V1__SEVERITY__SEVERITY_INFO);
}

static void on_stream (void *arg, link_t *link)
{
	agent_t *self = arg;
	moment_t now = moment_now ();
	for (int i = 0; i < SUBSCRIPTION_BATCH; i++) {
		frame_t frame = { 0 };
		size_t n = 0;
		int r = link_receive (link, &frame, 1, &n);
		if (r == -EAGAIN)
			break;
		int did = r ? DEMAND_E_MALFORMED : demand_note (self->demand, frame_bytes (&frame));
		frame_close (&frame);
		if (did == DEMAND_E_HEARD) {
			self->confirmed = false;
			greet_all (self, now.mono);
		}
		if (did == DEMAND_E_HEARD || did == DEMAND_E_UNHEARD)
			gate (self, now);
		if (r && r != -EMSGSIZE)
			break;
	}
	applications_tell (self);
}

static void on_begun (void *arg, const incarnation_t *incarnation)
{
	agent_t *self = arg;
	moment_t now = moment_now ();
	if (incarnation->incarnation != self->says.incarnation) {
		log_info ("agent", "now incarnation %" PRIu64, incarnation->incarnation);
		delivery_begun (self->delivery, self->says.incarnation, incarnation, now.mono);
	}
	numbering (self);
	self->says.incarnation = incarnation->incarnation;
	self->says.boot_nonce = incarnation->boot_nonce;
	/* Who welcomed the old number hears of the new one; who asked for it has its Hello scheduled, later
	 * and later where two programs quarrel about a name. */
	for (size_t i = 0; i < self->n_talks; i++) {
		if (talk_welcomed (self->talks[i]))
			talk_greet (self->talks[i], now.mono);
	}
	gate (self, now);
}

/* The collectors' words. */

static void on_welcomed (void *arg, talk_t *talk, const Belfry__V1__Welcome *welcome, bool newly)
{
	agent_t *self = arg;
	(void) newly;
	self->confirmed = true;
	tenure_accepted (self->tenure);
	tenure_step (self->tenure);
	delivery_welcomed (self->delivery, talk, welcome, mono_now ());
	if (welcome->want_catalogues) {
		voice_repeat (self->voice);
		watch_again (self->watch);
	}
	gate (self, moment_now ());
}

static void on_superseded (void *arg, talk_t *talk, uint64_t at_least)
{
	agent_t *self = arg;
	log_warning ("agent",
	        "the collector at %s knows incarnation %" PRIu64
	        " of this node as another's, or a newer one: going on as %" PRIu64
	        " or above. Is a second agent using this name?",
	        talk_endpoint (talk), self->says.incarnation, at_least);
	tenure_superseded (self->tenure, at_least);
	numbering (self);
	self->confirmed = false;
	gate (self, moment_now ());
}

static void on_lost (void *arg, talk_t *talk)
{
	agent_t *self = arg;
	if (self->roster_of == talk)
		self->roster_of = NULL;
	delivery_lost (self->delivery, talk);
	for (size_t i = 0; i < self->n_talks; i++) {
		if (talk_welcomed (self->talks[i]))
			return;
	}
	self->confirmed = false;
	self->alone.due = mono_now ();
	gate (self, moment_now ());
}

static void on_acknowledged (void *arg, talk_t *talk, const Belfry__V1__Ack *ack)
{
	agent_t *self = arg;
	delivery_acknowledged (self->delivery, talk, ack, mono_now ());
}

static void on_oldest (void *arg, const talk_t *talk, Belfry__V1__Hello *hello)
{
	agent_t *self = arg;
	spooler_place_t oldest = delivery_oldest (self->delivery, talk);
	hello->oldest_incarnation = oldest.incarnation;
	hello->oldest_sequence = oldest.sequence;
}

static void on_roster (void *arg, talk_t *talk, const Belfry__V1__Roster *roster, uint32_t key_epoch)
{
	agent_t *self = arg;
	if (self->roster_of && self->roster_of != talk)
		return; /* another collector's is in force */
	self->roster_of = talk;
	peer_target_t targets[SESSION_TARGETS_MAX];
	for (size_t i = 0; i < roster->n_targets; i++) {
		const Belfry__V1__Roster__Target *t = roster->targets[i];
		targets[i] = (peer_target_t){ t->node, t->address,
			t->probe_key.len ? t->probe_key.data : NULL, t->probe_key.len ? key_epoch : 0 };
	}
	if (peers_set_targets (self->peers, targets, roster->n_targets, mono_now ()))
		log_error ("agent", "out of memory: not every peer is probed");
}

static void on_command (
        void *arg, talk_t *talk, const Belfry__V1__Command *command, Belfry__V1__CommandResult *result)
{
	static char none[] = "this release's agent takes no commands";
	(void) arg;
	(void) talk;
	(void) command;
	result->done = false;
	result->text = none;
}

/* Applications. */

static int on_application (void *arg, Belfry__V1__Event *event, const publisher_note_t *note, err_t *err)
{
	agent_t *self = arg;
	int r = outbox_send (self->outbox, event, note, moment_now (), err);
	if (r == OUTBOX_E_DROPPED)
		return error_set (
		        err, -ENOBUFS, "the disk takes nothing, and memory for waiting events is full");
	delivery_nudge (self->delivery);
	return r < 0 ? r : 0;
}

static uint64_t on_newest (void *arg)
{
	const agent_t *self = arg;
	return hold_newest_number (outbox_hold (self->outbox));
}

/* The spool's words. */

static void on_durable (void *arg)
{
	agent_t *self = arg;
	if (self->delivery)
		delivery_nudge (self->delivery);
}

static void on_settled (void *arg, uint64_t number, mono_t now)
{
	agent_t *self = arg;
	if (self->inlet)
		inlet_settle (self->inlet, number, now);
}

static void on_damaged (void *arg, const spool_report_t *report)
{
	agent_t *self = arg;
	voice_damage (self->voice, report->text, moment_now ());
}

/* Time. */

static void self_say (agent_t *self, moment_t now)
{
	self_figures_from_t from = { self->outbox, self->delivery, self->inlet, self->listener, self->peers,
		watch_probing (self->watch), self->talks, self->n_talks };
	voice_self (self->voice, self_figures_read (self->self_figures, &from), now);
}

static bool due (mono_t *at, int64_t every_ns, mono_t now)
{
	if (mono_since (now, *at) < 0)
		return false;
	*at = mono_since (now, *at) < every_ns ? mono_add (*at, every_ns) : mono_add (now, every_ns);
	return true;
}

static void on_beat (void *arg, int id, moment_t now)
{
	agent_t *self = arg;
	(void) id;
	beat_tick (&self->beat, now.mono);
	beat_note_loop (&self->beat, self->main_loop, loop_turns (self->loop), false);
	probing_t *probing = watch_probing (self->watch);
	beat_note_loop (
	        &self->beat, self->probes_loop, probing_progress (probing), probing_idle (probing, now.mono));
	watch_look (self->watch, self->voice);
	if (!self->started && watch_started (self->watch)) {
		self->started = true;
		voice_system (self->voice, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED,
		        (uint32_t) watch_stores (self->watch), "", now);
	}
	if (due (&self->self_due, SELF_NS, now.mono))
		self_say (self, now);
	voice_spool (self->voice, delivery_figures (self->delivery));
	voice_beat (self->voice, &self->beat, now);
	numbering (self);
	delivery_step (self->delivery, now);
	if (self->listener && due (&self->idle_due, IDLE_NS, now.mono))
		listener_tick (self->listener, now.mono);
	alone_look (&self->alone, self->talks, self->n_talks, self->delivery, self->outbox, now.mono);
}

static void talks_tick (agent_t *self, mono_t now)
{
	/* A number that was given up is not said any more. */
	if (!tenure_stands (self->tenure))
		return;
	bool changed = peers_take_changed (self->peers);
	for (size_t i = 0; i < self->n_talks; i++)
		talk_tick (self->talks[i], self->peers, changed, now);
}

static void on_peers_changed (void *arg)
{
	talks_tick (arg, mono_now ());
}

/* One timer serves beats and probes of peers where their intervals are one. */
static void on_peers (void *arg, int id, moment_t now)
{
	agent_t *self = arg;
	(void) id;
	tenure_step (self->tenure);
	peers_tick (self->peers, now.mono);
	talks_tick (self, now.mono);
}

static void on_both (void *arg, int id, moment_t now)
{
	on_beat (arg, id, now);
	on_peers (arg, id, now);
}
static void on_signal (void *arg, int signo)
{
	agent_t *self = arg;
	if (signo == SIGHUP)
		self->hangup (self->arg, self);
	else if (signo == SIGTERM || signo == SIGINT)
		loop_stop (self->loop);
}

/* The beginning, in the order in which a person would want to hear of what fails. */

static int core_begin (agent_t *self, moment_t now, err_t *err)
{
	const agent_config_t *config = self->config;
	const incarnation_t *incarnation = tenure_incarnation (self->tenure);
	publisher_options_t options = { .cluster = config->cluster,
		.node = config->node,
		.incarnation = incarnation->incarnation,
		.boot_nonce = incarnation->boot_nonce,
		.started = now.mono,
		.keyring = self->keyring };
	uint64_t nonce;
	randombytes_buf (&nonce, sizeof nonce);
	int r;
	if ((r = demand_new (config->cluster, config->node, &self->demand)) ||
	        (r = peers_new (self->loop, config->node, nonce, &self->peers)) ||
	        (r = self_figures_new (&self->self_figures)))
		return error_set (err, r, "out of memory");
	const delivery_hooks_t delivery = { self, on_settled, on_damaged };
	if ((r = outbox_new (&options, self->demand, stream_emit, self, &self->outbox, err)))
		return r;
	const char **names = calloc (config->probes.persistence.stores.n + 1, sizeof *names);
	if (!names)
		return error_set (err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < config->probes.persistence.stores.n; i++)
		names[i] = config->probes.persistence.stores.items[i].name;
	r = voice_new (
	        self->outbox, names, config->probes.persistence.stores.n, wall_boot (), now, &self->voice);
	free (names);
	if (r)
		return error_set (err, r, "out of memory");
	voice_on_durable (self->voice, on_durable, self);
	return delivery_new (self->loop, config, self->outbox, &delivery, now, &self->delivery, err);
}

static int sockets_begin (agent_t *self, err_t *err)
{
	const agent_config_t *config = self->config;
	int r;
	if (config->peer && (r = listener_new (self->loop, config->peer, config->node, self->keyring,
	                             &self->listener, err)))
		return r;
	uid_t *uids = agent_audit_uids (config);
	if (!uids)
		return error_set (err, -ENOMEM, "out of memory");
	const inlet_options_t options = { config->socket, uids, config->audit_uids.n, on_newest };
	r = inlet_new (&options, self->loop, on_application, self, &self->inlet, err);
	free (uids);
	if (r)
		return r;
	inlet_set_wanted (self->inlet, true, BELFRY__V1__SEVERITY__SEVERITY_INFO);
	if ((r = net_context_new (1, &self->context)))
		return error_set (err, r, "ZeroMQ does not start: %s", strerror (-r));
	self->streams = calloc (config->collectors.n, sizeof (way_t *));
	if (!self->streams)
		return error_set (err, -ENOMEM, "out of memory");
	for (; self->n_streams < config->collectors.n; self->n_streams++) {
		if ((r = way_new (self->context, self->loop, LINK_AGENT_STREAM,
		             config->collectors.items[self->n_streams].stream, &self->keys, on_stream, self,
		             &self->streams[self->n_streams], err)))
			return r;
	}
	return 0;
}

static int talks_begin (agent_t *self, moment_t now, err_t *err)
{
	const agent_config_t *config = self->config;
	const talk_hooks_t hooks = { self, on_welcomed, on_superseded, on_roster, on_command, on_lost,
		on_acknowledged, on_oldest };
	reach_peer_address (config, self->listener ? listener_endpoint (self->listener) : NULL,
	        self->peer_address, sizeof self->peer_address);
	const incarnation_t *incarnation = tenure_incarnation (self->tenure);
	self->says = (talk_identity_t){ config->cluster, config->node, self->peer_address,
		config->heartbeat_ns, self->keyring, incarnation->incarnation, incarnation->boot_nonce };
	self->talks = calloc (config->collectors.n, sizeof (talk_t *));
	if (!self->talks)
		return error_set (err, -ENOMEM, "out of memory");
	for (; self->n_talks < config->collectors.n; self->n_talks++) {
		int r = talk_new (self->context, self->loop, config->collectors.items[self->n_talks].control,
		        &self->keys, &self->says, &hooks, now.mono, &self->talks[self->n_talks], err);
		if (r)
			return r;
	}
	delivery_attach (self->delivery, self->talks);
	return 0;
}

/* The beats' timer, and the peers' where theirs is another interval. */
int agent_timers_set (agent_t *self)
{
	int64_t beats = self->config->heartbeat_ns, peers = self->peers_ns;
	for (size_t i = 0; i < 2; i++) {
		if (self->timers[i] > 0)
			loop_remove_timer (self->loop, self->timers[i]);
		self->timers[i] = 0;
	}
	bool one = beats == peers;
	self->timers[0] = loop_add_timer (self->loop, beats, beats, one ? on_both : on_beat, self);
	if (!one)
		self->timers[1] = loop_add_timer (self->loop, peers, peers, on_peers, self);
	return self->timers[0] < 0 ? self->timers[0] : self->timers[1] < 0 ? self->timers[1] : 0;
}

static int timers_begin (agent_t *self, moment_t now, err_t *err)
{
	self->peers_ns = self->config->probes.nodes.interval_ns;
	peers_on_change (self->peers, on_peers_changed, self);
	beat_init (&self->beat, self->config->heartbeat_ns, now.mono);
	self->main_loop = beat_add_loop (&self->beat, "main");
	self->probes_loop = beat_add_loop (&self->beat, "probes");
	self->self_due = self->idle_due = now.mono;
	self->alone.due = mono_add (now.mono, ALONE_NS);
	int r = loop_on_signals (self->loop, on_signal, self);
	if (!r)
		r = agent_timers_set (self);
	return r ? error_set (err, r, "the loop does not take its timers: %s", strerror (-r)) : 0;
}

static int keys_begin (agent_t *self, const curve_key_t *curve, err_t *err)
{
	const char *server_key = self->config->security.server_key;
	if (!curve)
		return 0;
	if (!server_key || !z85_decode (server_key, strlen (server_key), self->server_key))
		return error_set (err, -EINVAL, "security.server_key: '%s' is no public CURVE key",
		        server_key ? server_key : "");
	self->curve = (link_curve_t){ curve->secret, curve->public, self->server_key, NULL };
	self->keys = (way_keys_t){ &self->curve, curve->public_text };
	return 0;
}

int agent_new (const agent_config_t *config, keyring_t *keyring, const curve_key_t *curve,
        agent_hangup_fn *hangup, void *arg, agent_t **ret, err_t *err)
{
	agent_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->config = config;
	self->keyring = keyring;
	self->hangup = hangup;
	self->arg = arg;
	int r = loop_new (&self->loop);
	moment_t now = moment_now ();
	if (r)
		error_set (err, r, "the loop does not start: %s", strerror (-r));
	else if ((r = keys_begin (self, curve, err)) == 0 &&
	         (r = tenure_new (self->loop, config->state_dir, on_begun, self, &self->tenure, err)) == 0 &&
	         (r = core_begin (self, now, err)) == 0 && (r = sockets_begin (self, err)) == 0 &&
	         (r = talks_begin (self, now, err)) == 0 && (r = watch_new (config, &self->watch, err)) == 0)
		r = timers_begin (self, now, err);
	if (r) {
		agent_destroy (&self);
		return r;
	}
	numbering (self);
	voice_system (self->voice, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTING,
	        (uint32_t) watch_stores (self->watch), "", now);
	log_info ("agent",
	        "agent '%s' of cluster '%s', incarnation %" PRIu64
	        ": %zu collector(s), peers %s, applications %s",
	        config->node, config->cluster, self->says.incarnation, config->collectors.n,
	        self->peer_address[0] ? self->peer_address : "none", config->socket);
	*ret = self;
	return 0;
}

int agent_run (agent_t *self)
{
	int r = loop_run (self->loop);
	tenure_finish (self->tenure, DISK_PATIENCE_NS);
	moment_t now = moment_now ();
	voice_system (self->voice, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPING,
	        (uint32_t) watch_stores (self->watch), "shutdown", now);
	voice_system (self->voice, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED,
	        (uint32_t) watch_stores (self->watch), "shutdown", now);
	delivery_end (self->delivery, DISK_PATIENCE_NS);
	return r;
}

bool agent_destroy (agent_t **self_p)
{
	agent_t *self = *self_p;
	if (!self)
		return true;
	*self_p = NULL;
	/* The sockets first: what is said is on its way while the probes are waited for. */
	if (self->delivery)
		delivery_attach (self->delivery, NULL);
	for (size_t i = 0; i < self->n_talks; i++)
		talk_destroy (&self->talks[i]);
	free (self->talks);
	for (size_t i = 0; i < self->n_streams; i++)
		way_destroy (&self->streams[i]);
	free (self->streams);
	net_context_destroy (&self->context);
	inlet_destroy (&self->inlet);
	listener_destroy (&self->listener);
	peers_destroy (&self->peers);
	if (!tenure_destroy (&self->tenure) || !delivery_destroy (&self->delivery, DISK_PATIENCE_NS) ||
	        !watch_destroy (&self->watch))
		return false;
	voice_destroy (&self->voice);
	outbox_destroy (&self->outbox);
	demand_destroy (&self->demand);
	self_figures_destroy (&self->self_figures);
	loop_destroy (&self->loop);
	free (self);
	return true;
}
