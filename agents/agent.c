/* Whether events leave: somebody's subscriptions cover this node (demand) and a collector has welcomed
 * the incarnation since. A subscription that is new means a collector that is, so it is greeted, and
 * what it must know to understand (catalogues, statuses) is said again. */

#include "agents/agent.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "agents/figures_self.h"
#include "agents/identity.h"
#include "agents/inlet.h"
#include "agents/listener.h"
#include "agents/reach.h"
#include "agents/talk.h"
#include "agents/voice.h"
#include "agents/worker.h"
#include "agents/probing.h"
#include "base/log.h"

enum { SUBSCRIPTION_BATCH = 64 };

/* Without a welcome for so long the log says so, and again each minute. */
#define ALONE_NS (3 * NS_PER_S)
#define ALONE_AGAIN_NS (60 * NS_PER_S)
#define SELF_NS (5 * NS_PER_S)
#define IDLE_NS NS_PER_S
#define PROBES_PATIENCE_NS NS_PER_S

/* What the worker's thread does with the disk. */
typedef enum { DISK_NOTHING, DISK_ADVANCE, DISK_CONFIRM } disk_job_t;

struct agent {
	const agent_config_t *config;
	keyring_t *keyring;
	agent_hangup_fn *hangup;
	void *arg;
	loop_t *loop;
	net_context_t *context;
	link_t *stream;
	demand_t *demand;
	outbox_t *outbox;
	voice_t *voice;
	listener_t *listener;
	peers_t *peers;
	inlet_t *inlet;
	uid_t *audit_uids;
	probing_t *probing;
	self_figures_t *self_figures;

	talk_t **talks;
	size_t n_talks;
	const talk_t *roster_of; /* whose roster is in force */
	talk_identity_t says;
	char peer_address[160];

	identity_t *identity;
	incarnation_t incarnation;
	worker_t *worker;
	disk_job_t wanted, running;
	uint64_t at_least;
	incarnation_t advanced; /* the worker's */
	int disk_result;
	err_t disk_err;

	host_t *host;
	int host_id;
	store_t **stores;
	int *store_ids;
	size_t n_stores;

	beat_t beat;
	int main_loop, probes_loop;
	int timers[2];
	int64_t peers_ns;
	mono_t self_due, idle_due, alone_due;
	bool confirmed; /* welcomed since the newest subscription */
	bool started;   /* was said */
};

/* The gate. */

static void gate (agent_t *self, moment_t now)
{
	bool open = self->confirmed && self->wanted != DISK_ADVANCE && self->running != DISK_ADVANCE &&
	            demand_heard (self->demand);
	if (open == outbox_is_open (self->outbox))
		return;
	if (!open) {
		outbox_shut (self->outbox);
		return;
	}
	voice_repeat (self->voice);
	probing_again (self->probing);
	outbox_open (self->outbox, now);
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
	(void) !link_send (self->stream, parts, 2); /* an XPUB drops by itself: sequences show it */
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
			return;
		int did = r ? DEMAND_E_MALFORMED : demand_note (self->demand, frame_bytes (&frame));
		frame_close (&frame);
		if (did == DEMAND_E_HEARD) {
			self->confirmed = false;
			greet_all (self, now.mono);
		}
		if (did == DEMAND_E_HEARD || did == DEMAND_E_UNHEARD)
			gate (self, now);
		if (r && r != -EMSGSIZE)
			return;
	}
}

/* The disk, on the worker's thread. */

static void disk_work (void *arg)
{
	agent_t *self = arg;
	if (self->running == DISK_ADVANCE)
		self->disk_result =
		        identity_advance (self->identity, self->at_least, &self->advanced, &self->disk_err);
	else
		self->disk_result = identity_confirm (self->identity, &self->advanced, &self->disk_err);
}

static void incarnation_take (agent_t *self, moment_t now)
{
	self->incarnation = self->advanced;
	self->says.incarnation = self->incarnation.incarnation;
	self->says.boot_nonce = self->incarnation.boot_nonce;
	outbox_set_incarnation (
	        self->outbox, self->incarnation.incarnation, self->incarnation.boot_nonce, now.mono);
}

static void disk_done (void *arg)
{
	agent_t *self = arg;
	moment_t now = moment_now ();
	disk_job_t did = self->running;
	self->running = DISK_NOTHING;
	if (self->disk_result)
		log_error ("agent", "%s", self->disk_err.text);
	if (did == DISK_ADVANCE) {
		incarnation_take (self, now);
		log_info ("agent", "now incarnation %" PRIu64, self->incarnation.incarnation);
		greet_all (self, now.mono);
	} else if (!self->disk_result) {
		self->incarnation.certain = true;
	}
	gate (self, now);
}

static void disk_step (agent_t *self)
{
	worker_poll (self->worker);
	if (self->wanted == DISK_NOTHING || self->running != DISK_NOTHING)
		return;
	self->running = self->wanted;
	if (self->running == DISK_CONFIRM)
		self->advanced = self->incarnation;
	if (worker_run (self->worker, disk_work, disk_done, self))
		self->running = DISK_NOTHING; /* no thread now: again at the next tick */
	else
		self->wanted = DISK_NOTHING;
}

/* The collectors' words. */

static void on_welcomed (void *arg, talk_t *talk, const Belfry__V1__Welcome *welcome, bool newly)
{
	agent_t *self = arg;
	(void) talk;
	(void) newly;
	self->confirmed = true;
	if (!self->incarnation.certain && self->wanted == DISK_NOTHING)
		self->wanted = DISK_CONFIRM;
	if (welcome->want_catalogues) {
		voice_repeat (self->voice);
		probing_again (self->probing);
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
	        talk_endpoint (talk), self->incarnation.incarnation, at_least);
	self->at_least = at_least;
	self->wanted = DISK_ADVANCE;
	self->confirmed = false;
	gate (self, moment_now ());
}

static void on_lost (void *arg, talk_t *talk)
{
	agent_t *self = arg;
	if (self->roster_of == talk)
		self->roster_of = NULL;
	for (size_t i = 0; i < self->n_talks; i++) {
		if (talk_welcomed (self->talks[i]))
			return;
	}
	self->confirmed = false;
	self->alone_due = mono_now ();
	gate (self, moment_now ());
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
		        err, -ENOBUFS, "no collector hears this node, and memory for waiting events is full");
	return r < 0 ? r : 0;
}

/* Probes. */

static void look_host (void *arg, void *probe)
{
	agent_t *self = arg;
	voice_host (self->voice, probe, moment_now ());
}

typedef struct {
	agent_t *agent;
	size_t store;
} look_t;

static void look_store (void *arg, void *probe)
{
	const look_t *look = arg;
	voice_store (look->agent->voice, look->store, probe, moment_now ());
}

static void probes_look (agent_t *self)
{
	probing_look (self->probing, self->host_id, look_host, self);
	for (size_t i = 0; i < self->n_stores; i++)
		probing_look (self->probing, self->store_ids[i], look_store, &(look_t){ self, i });
	if (!self->started && probing_all_ran (self->probing)) {
		self->started = true;
		voice_system (self->voice, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED,
		        (uint32_t) self->n_stores, "", moment_now ());
	}
}

/* Time. */

static void alone_say (agent_t *self, mono_t now)
{
	for (size_t i = 0; i < self->n_talks; i++) {
		if (talk_welcomed (self->talks[i])) {
			self->alone_due = mono_add (now, ALONE_NS);
			return;
		}
	}
	if (mono_since (now, self->alone_due) < 0)
		return;
	self->alone_due = mono_add (now, ALONE_AGAIN_NS);
	log_warning ("agent",
	        "no collector answers (%s%s); trying on, %zu events wait, %" PRIu64 " were dropped",
	        talk_endpoint (self->talks[0]), self->n_talks > 1 ? " and others" : "",
	        hold_count (outbox_hold (self->outbox)), hold_dropped (outbox_hold (self->outbox)));
}

static void self_say (agent_t *self, moment_t now)
{
	self_figures_from_t from = { self->outbox, self->inlet, self->listener, self->peers, self->probing,
		self->talks, self->n_talks };
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
	beat_note_loop (&self->beat, self->probes_loop, probing_progress (self->probing),
	        probing_idle (self->probing, now.mono));
	probes_look (self);
	if (due (&self->self_due, SELF_NS, now.mono))
		self_say (self, now);
	voice_beat (self->voice, &self->beat, now);
	if (self->listener && due (&self->idle_due, IDLE_NS, now.mono))
		listener_tick (self->listener, now.mono);
	alone_say (self, now.mono);
}

/* One timer serves beats and probes of peers where their intervals are one. */
static void on_peers (void *arg, int id, moment_t now)
{
	agent_t *self = arg;
	(void) id;
	disk_step (self);
	peers_tick (self->peers, now.mono);
	bool changed = peers_take_changed (self->peers);
	for (size_t i = 0; i < self->n_talks; i++)
		talk_tick (self->talks[i], self->peers, changed, now.mono);
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

static int identity_begin (agent_t *self, err_t *err)
{
	err_t note = { "" };
	int r = identity_open (self->config->state_dir, &self->identity, &note, err);
	if (r)
		return r;
	if (note.text[0])
		log_info ("agent", "%s", note.text);
	err_t full = { "" };
	if (identity_advance (self->identity, 0, &self->incarnation, &full))
		log_error ("agent", "%s", full.text);
	return 0;
}

static int core_begin (agent_t *self, moment_t now, err_t *err)
{
	const agent_config_t *config = self->config;
	publisher_options_t options = { .cluster = config->cluster,
		.node = config->node,
		.incarnation = self->incarnation.incarnation,
		.boot_nonce = self->incarnation.boot_nonce,
		.started = now.mono,
		.keyring = self->keyring };
	uint64_t nonce;
	randombytes_buf (&nonce, sizeof nonce);
	int r;
	if ((r = demand_new (config->cluster, config->node, &self->demand)) ||
	        (r = peers_new (self->loop, config->node, nonce, &self->peers)) ||
	        (r = worker_new (self->loop, &self->worker)) || (r = self_figures_new (&self->self_figures)))
		return error_set (err, r, "out of memory");
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
	return r ? error_set (err, r, "out of memory") : 0;
}

static int audit_uids_set (agent_t *self, const conf_numbers_t *given)
{
	uid_t *uids = calloc (given->n + 1, sizeof *uids);
	if (!uids)
		return -ENOMEM;
	for (size_t i = 0; i < given->n; i++)
		uids[i] = (uid_t) given->items[i];
	if (self->inlet)
		inlet_set_audit_uids (self->inlet, uids, given->n);
	free (self->audit_uids);
	self->audit_uids = uids;
	return 0;
}

static int sockets_begin (agent_t *self, err_t *err)
{
	const agent_config_t *config = self->config;
	int r;
	if (config->peer && (r = listener_new (self->loop, config->peer, config->node, self->keyring,
	                             &self->listener, err)))
		return r;
	if (audit_uids_set (self, &config->audit_uids))
		return error_set (err, -ENOMEM, "out of memory");
	const inlet_options_t options = { config->socket, self->audit_uids, config->audit_uids.n };
	if ((r = inlet_new (&options, self->loop, on_application, self, &self->inlet, err)))
		return r;
	if ((r = net_context_new (1, &self->context)) ||
	        (r = link_new (self->context, LINK_AGENT_STREAM, NULL, &self->stream)) ||
	        (r = loop_add_link (self->loop, self->stream, on_stream, self)))
		return error_set (err, r, "ZeroMQ does not start: %s", strerror (-r));
	for (size_t i = 0; i < config->collectors.n; i++) {
		if ((r = link_connect (self->stream, config->collectors.items[i].stream, err)))
			return r;
	}
	return 0;
}

static int talks_begin (agent_t *self, moment_t now, err_t *err)
{
	const agent_config_t *config = self->config;
	const talk_hooks_t hooks = { self, on_welcomed, on_superseded, on_roster, on_command, on_lost };
	reach_peer_address (config, self->listener ? listener_endpoint (self->listener) : NULL,
	        self->peer_address, sizeof self->peer_address);
	self->says =
	        (talk_identity_t){ config->cluster, config->node, self->peer_address, config->heartbeat_ns,
		        self->keyring, self->incarnation.incarnation, self->incarnation.boot_nonce };
	self->talks = calloc (config->collectors.n, sizeof (talk_t *));
	if (!self->talks)
		return error_set (err, -ENOMEM, "out of memory");
	for (; self->n_talks < config->collectors.n; self->n_talks++) {
		int r = talk_new (self->context, self->loop, config->collectors.items[self->n_talks].control,
		        &self->says, &hooks, now.mono, &self->talks[self->n_talks], err);
		if (r)
			return r;
	}
	return 0;
}

static int probes_begin (agent_t *self, err_t *err)
{
	const struct agent_probes *probes = &self->config->probes;
	int r = probing_new (self->config->node, &self->probing);
	if (r)
		return error_set (err, r, "out of memory");
	if ((r = host_new (&(host_options_t){ 0 }, &self->host, err)))
		return r;
	self->host_id =
	        probing_add (self->probing, "health", probes->health.interval_ns, host_run, self->host);
	if (self->host_id < 0)
		return error_set (err, self->host_id, "probes.health: %s", strerror (-self->host_id));
	self->stores = calloc (probes->persistence.stores.n + 1, sizeof (store_t *));
	self->store_ids = calloc (probes->persistence.stores.n + 1, sizeof (int));
	if (!self->stores || !self->store_ids)
		return error_set (err, -ENOMEM, "out of memory");
	for (size_t i = 0; i < probes->persistence.stores.n; i++) {
		const agent_store_t *given = &probes->persistence.stores.items[i];
		const store_options_t options = { .name = given->name,
			.path = given->path,
			.probe_path = given->probe_path,
			.interval_ns = probes->persistence.interval_ns };
		if ((r = store_new (&options, &self->stores[i], err)))
			return r;
		self->n_stores++;
		int id = probing_add (self->probing, given->name, probes->persistence.interval_ns, store_run,
		        self->stores[i]);
		if (id < 0)
			return error_set (
			        err, id, "probes.persistence.stores '%s': %s", given->name, strerror (-id));
		self->store_ids[i] = id;
	}
	if ((r = probing_start (self->probing)))
		return error_set (err, r, "the probes' thread does not start: %s", strerror (-r));
	return 0;
}

/* The beats' timer, and the peers' where theirs is another interval. */
static int timers_set (agent_t *self)
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
	beat_init (&self->beat, self->config->heartbeat_ns, now.mono);
	self->main_loop = beat_add_loop (&self->beat, "main");
	self->probes_loop = beat_add_loop (&self->beat, "probes");
	self->self_due = self->idle_due = now.mono;
	self->alone_due = mono_add (now.mono, ALONE_NS);
	int r = loop_on_signals (self->loop, on_signal, self);
	if (!r)
		r = timers_set (self);
	return r ? error_set (err, r, "the loop does not take its timers: %s", strerror (-r)) : 0;
}

int agent_new (const agent_config_t *config, keyring_t *keyring, agent_hangup_fn *hangup, void *arg,
        agent_t **ret, err_t *err)
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
	else if ((r = identity_begin (self, err)) == 0 && (r = core_begin (self, now, err)) == 0 &&
	         (r = sockets_begin (self, err)) == 0 && (r = talks_begin (self, now, err)) == 0 &&
	         (r = probes_begin (self, err)) == 0)
		r = timers_begin (self, now, err);
	if (r) {
		agent_destroy (&self);
		return r;
	}
	voice_system (self->voice, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTING,
	        (uint32_t) self->n_stores, "", now);
	log_info ("agent",
	        "agent '%s' of cluster '%s', incarnation %" PRIu64
	        ": %zu collector(s), peers %s, applications %s",
	        config->node, config->cluster, self->incarnation.incarnation, config->collectors.n,
	        self->peer_address[0] ? self->peer_address : "none", config->socket);
	*ret = self;
	return 0;
}

int agent_run (agent_t *self)
{
	int r = loop_run (self->loop);
	moment_t now = moment_now ();
	voice_system (self->voice, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPING,
	        (uint32_t) self->n_stores, "shutdown", now);
	voice_system (self->voice, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED,
	        (uint32_t) self->n_stores, "shutdown", now);
	return r;
}

void agent_reload (agent_t *self, const agent_config_t *config, keyring_t *keyring,
        Belfry__V1__Change **changes, size_t n_changes)
{
	moment_t now = moment_now ();
	if (keyring) {
		self->keyring = self->says.keyring = keyring;
		outbox_set_keyring (self->outbox, keyring);
		if (self->listener)
			listener_set_keyring (self->listener, keyring);
	}
	probing_set_interval (self->probing, self->host_id, config->probes.health.interval_ns);
	for (size_t i = 0; i < self->n_stores; i++)
		probing_set_interval (
		        self->probing, self->store_ids[i], config->probes.persistence.interval_ns);
	int r = audit_uids_set (self, &config->audit_uids);
	if (!r && self->peers_ns != config->probes.nodes.interval_ns) {
		self->peers_ns = config->probes.nodes.interval_ns;
		r = timers_set (self);
	}
	if (r)
		log_error ("agent", "reload: %s", strerror (-r));
	if (n_changes)
		voice_config_changed (self->voice, changes, n_changes, now);
}

bool agent_destroy (agent_t **self_p)
{
	agent_t *self = *self_p;
	if (!self)
		return true;
	*self_p = NULL;
	/* The sockets first: what is said is on its way while the probes are waited for. */
	for (size_t i = 0; i < self->n_talks; i++)
		talk_destroy (&self->talks[i]);
	free (self->talks);
	if (self->stream) {
		loop_remove_link (self->loop, self->stream);
		link_destroy (&self->stream);
	}
	net_context_destroy (&self->context);
	inlet_destroy (&self->inlet);
	listener_destroy (&self->listener);
	peers_destroy (&self->peers);
	if (!worker_destroy (&self->worker) || !probing_destroy (&self->probing, PROBES_PATIENCE_NS))
		return false;
	for (size_t i = 0; i < self->n_stores; i++)
		store_destroy (&self->stores[i]);
	free (self->stores);
	free (self->store_ids);
	host_destroy (&self->host);
	voice_destroy (&self->voice);
	outbox_destroy (&self->outbox);
	demand_destroy (&self->demand);
	self_figures_destroy (&self->self_figures);
	identity_destroy (&self->identity);
	free (self->audit_uids);
	loop_destroy (&self->loop);
	free (self);
	return true;
}
