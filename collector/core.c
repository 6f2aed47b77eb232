/* The order within a step: the message is verified (ingest), the view takes it in, the detector and the
 * alerts hear of it, and what they decide is published before the step returns. Time's own work
 * (timeouts, `for`, beats) happens in core_tick alone, so that a step's cost is the message's. */

#include "collector/core.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "collector/alert/alerts.h"
#include "collector/audit.h"
#include "collector/committer.h"
#include "collector/control.h"
#include "collector/detect/detector.h"
#include "collector/herald.h"
#include "collector/ingest.h"
#include "collector/links.h"
#include "collector/memory.h"
#include "collector/arrivals.h"
#include "collector/uptake.h"
#include "collector/usher.h"
#include "collector/verdicts.h"
#include "collector/view/view.h"

#define CLUSTER_NS (10 * NS_PER_S)
#define SAY_NS (10 * NS_PER_S)
#define EXPIRE_NS (5 * NS_PER_S)

struct core {
	core_port_t port;
	view_t view;
	ingest_t *ingest;
	herald_t *herald;
	links_t *links;
	control_t *control;
	detector_t *detector;
	verdicts_t *verdicts;
	alerts_t *alerts;
	usher_t *usher;
	audit_t audit;
	committer_t *committer;
	memory_t *memory;
	const struct rule_set *rules;
	uptake_t uptake;
	arrivals_t *arrivals;
	bool started;
	mono_t cluster_due, expire_due, say_due;
	uint64_t refused_said[REFUSAL_COUNT];
};

static void say (core_t *self, int level, const char *format, ...) PRINTF_LIKE (3, 4);
static void say (core_t *self, int level, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;
	va_start (args, format);
	vsnprintf (text, sizeof text, format, args);
	va_end (args);
	self->port.say (self->port.arg, level, text);
}

/* The detector's and the alerts' hooks. */

/* Who is suspect is most often well again before anybody reads it. */
static void verdict_say (core_t *self, const verdict_t *verdict)
{
	char state[ENUM_TEXT_MAX], kind[ENUM_TEXT_MAX];
	bool down = verdict->to == BELFRY__V1__NODE_STATE__NODE_STATE_DOWN;
	int level = LOG_LEVEL_INFO;
	switch (verdict->to) {
	case BELFRY__V1__NODE_STATE__NODE_STATE_DOWN:
	case BELFRY__V1__NODE_STATE__NODE_STATE_UNRESPONSIVE:
	case BELFRY__V1__NODE_STATE__NODE_STATE_UNREACHABLE:
		level = LOG_LEVEL_WARNING;
		break;
	case BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT:
	case BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE:
		return;
	default:
		break;
	}
	say (self, level, "node '%s' is %s%s%s%s: %s", nodes_at (self->view.nodes, verdict->node)->name,
	        enum_text (&belfry__v1__node_state__descriptor, (int) verdict->to, state), down ? " (" : "",
	        down ? enum_text (&belfry__v1__node_kind__descriptor, (int) verdict->kind, kind) : "",
	        down ? ")" : "", verdict->reason);
}

static void on_verdict (void *arg, const verdict_t *verdict, moment_t now)
{
	core_t *self = arg;
	if (!verdict->resumed)
		verdict_say (self, verdict);
	self->uptake.changed = true;
	verdicts_take (self->verdicts, verdict, now);
	alerts_node (self->alerts, nodes_at (self->view.nodes, verdict->node), now);
}

static void on_alert (void *arg, Belfry__V1__Alert *alert, moment_t now)
{
	core_t *self = arg;
	herald_alert (self->herald, alert, now);
}

/* The committer's hooks. */

static void on_remember (void *arg, batch_t *batch, moment_t now)
{
	core_t *self = arg;
	memory_write (self->memory, batch, now);
}

static void on_published (void *arg, const journal_record_t *record, const batch_entry_t *entry)
{
	core_t *self = arg;
	herald_published (self->herald, record, entry);
}

static void on_journalled (void *arg, const node_t *node, const account_t *account)
{
	core_t *self = arg;
	links_acknowledge (self->links, node, account->incarnation, account_through (account), false);
}

/* The arrivals' hook; on_cloned is control's too. */

static void on_acknowledge (
        void *arg, const node_t *node, uint64_t incarnation, uint64_t newest, bool foreign)
{
	core_t *self = arg;
	links_acknowledge (self->links, node, incarnation, newest, foreign);
}

/* Control's hooks. */

static void on_cloned (void *arg, node_t *node, moment_t now)
{
	core_t *self = arg;
	char text[ERROR_TEXT_MAX];
	snprintf (text, sizeof text,
	        "two programs call themselves '%s': incarnation %" PRIu64
	        " came with another boot nonce more than %d times within 10 minutes; stop one, or give it a "
	        "name of "
	        "its own",
	        node->name, node->incarnation, NODE_CLASHES_ALARM);
	say (self, LOG_LEVEL_ERROR, "%s", text);
	herald_security (self->herald, "clone", node->name, text, now);
}

static void on_welcomed (
        void *arg, node_t *node, const Belfry__V1__Hello *hello, bool incarnation_new, moment_t now)
{
	core_t *self = arg;
	(void) now;
	if (incarnation_new)
		say (self, LOG_LEVEL_INFO, "node '%s' says hello: incarnation %" PRIu64 ", version %s%s%s",
		        node->name, hello->incarnation, hello->version,
		        hello->peer_address[0] ? ", peers reach it at " : "", hello->peer_address);
	uptake_kept (
	        &self->uptake, detector_expect (self->detector, node->index, hello->heartbeat_interval_ns));
	self->uptake.changed = true;
	if (incarnation_new)
		memory_urge (self->memory);
}

static void on_reported (void *arg, node_t *node, const Belfry__V1__PeerReport *report, moment_t now)
{
	core_t *self = arg;
	for (size_t i = 0; i < report->n_observations && i < NODE_PEERS_MAX; i++) {
		const Belfry__V1__PeerObservation *seen = report->observations[i];
		const node_t *target = nodes_find (self->view.nodes, span_str (seen->target));
		if (target)
			uptake_kept (&self->uptake,
			        detector_testify (self->detector, target->index, node->index, seen, now));
	}
}

static void on_resent (void *arg, node_t *node, const Belfry__V1__Resend *resend, moment_t now)
{
	core_t *self = arg;
	arrivals_resent (self->arrivals, node, resend, now);
}

static void on_commanded (void *arg, const core_peer_t *peer, const Belfry__V1__Command *command,
        const Belfry__V1__CommandResult *result, moment_t now)
{
	core_t *self = arg;
	audit_command (self->herald, peer, command, result, now);
}

static void on_trespassed (void *arg, const core_peer_t *peer, const Belfry__V1__Control *control,
        const char *reason, moment_t now)
{
	core_t *self = arg;
	audit_refused (&self->audit, self->herald, peer, control, reason, now);
}

static size_t on_alerts (void *arg, moment_t now, Belfry__V1__Alert ***ret)
{
	core_t *self = arg;
	return alerts_list (self->alerts, now, ret);
}

int core_new (const core_options_t *options, const core_port_t *port, moment_t now, core_t **ret, err_t *err)
{
	core_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	view_t *view = &self->view;
	self->port = *port;
	self->rules = options->rules;
	snprintf (view->cluster, sizeof view->cluster, "%s", options->cluster);
	snprintf (view->name, sizeof view->name, "%s", options->name);
	snprintf (view->version, sizeof view->version, "%s", options->version);
	view->insecure = options->keyring == NULL;
	view->started = now;
	self->cluster_due = self->expire_due = self->say_due = now.mono;
	const control_hooks_t hooks = { self, on_welcomed, on_cloned, on_reported, on_resent, on_commanded,
		on_trespassed, on_alerts };
	int r;
	if ((r = catalogues_new (0, &view->catalogues)) ||
	        (r = nodes_new (options->nodes_max, view->catalogues, &view->nodes)) ||
	        (r = snapshot_new (0, &view->snapshot))) {
		error_set (err, r, "out of memory");
		goto fail;
	}
	if (options->journal) {
		memcpy (view->journal.id, options->journal->id, sizeof view->journal.id);
		memcpy (view->journal.channels, options->journal->channels, sizeof view->journal.channels);
		view->journal.newest = options->journal->newest;
	}
	const ingest_options_t ingest = { options->cluster, options->keyring, view->nodes, view->snapshot,
		options->boot_nonce };
	const arrivals_hooks_t arrivals = { self, on_cloned, on_acknowledge };
	const committer_hooks_t committer = { self, on_remember, on_published, on_journalled };
	if ((r = committer_new (view, &self->port, &committer, &self->committer))) {
		error_set (err, r, "out of memory");
		goto fail;
	}
	if ((r = ingest_new (&ingest, &self->ingest, err)) ||
	        (r = herald_new (
	                 options, &self->port, view, self->ingest, self->committer, now, &self->herald, err)))
		goto fail;
	if ((r = links_new (view, options->keyring, &self->port, &self->links)) ||
	        (r = control_new (view, self->ingest, self->links, options->keyring, &self->port, &hooks,
	                 &self->control)) ||
	        (r = detector_new (on_verdict, self, now, &self->detector)) ||
	        (r = verdicts_new (view, self->herald, self->links, &self->verdicts)) ||
	        (r = usher_new (view, self->herald, &self->port, &self->usher)) ||
	        (r = alerts_new (view, options->rules, on_alert, self, now, &self->alerts)) ||
	        (r = memory_new (view, self->detector, self->alerts, now, &self->memory)) ||
	        (r = arrivals_new (
	                 view, self->ingest, self->committer, &self->uptake, &arrivals, &self->arrivals))) {
		error_set (err, r, "out of memory");
		goto fail;
	}
	for (size_t i = 0; i < options->n_expected; i++) {
		node_t *node;
		if ((r = nodes_get (view->nodes, span_str (options->expected[i]), &node))) {
			r = error_set (err, r < 0 ? r : -EINVAL,
			        "expected_nodes: more than nodes_max, or no memory");
			goto fail;
		}
		node->expected = true;
	}
	self->uptake = (uptake_t){ view, self->detector, true };
	view->health = cluster_judge (view->nodes);
	*ret = self;
	return 0;
fail:
	core_destroy (&self);
	return r;
}

void core_destroy (core_t **self_p)
{
	core_t *self = *self_p;
	if (!self)
		return;
	arrivals_destroy (&self->arrivals);
	memory_destroy (&self->memory);
	alerts_destroy (&self->alerts);
	usher_destroy (&self->usher);
	verdicts_destroy (&self->verdicts);
	detector_destroy (&self->detector);
	control_destroy (&self->control);
	links_destroy (&self->links);
	herald_destroy (&self->herald);
	committer_destroy (&self->committer);
	ingest_destroy (&self->ingest);
	snapshot_destroy (&self->view.snapshot);
	nodes_destroy (&self->view.nodes);
	catalogues_destroy (&self->view.catalogues);
	free (self);
	*self_p = NULL;
}

/* The stream. */

refusal_t core_take (
        core_t *self, span_t topic, span_t envelope, int descriptor, moment_t now, bool *ret_forward)
{
	return arrivals_take (self->arrivals, topic, envelope, descriptor, now, ret_forward);
}

void core_refuse (core_t *self, refusal_t reason)
{
	self->view.refused[reason]++;
}

void core_dropped (core_t *self, core_drop_t what)
{
	counters_t *counters = &self->view.counters;
	switch (what) {
	case CORE_DROP_OUTLET:
		counters->outlet_dropped++;
		break;
	case CORE_DROP_CONTROL:
		counters->control_dropped++;
		break;
	case CORE_DROP_PEER_GONE:
		counters->peer_gone++;
		break;
	case CORE_DROP_SUBSCRIPTION:
		counters->subscription_dropped++;
		break;
	}
}

void core_watch_subscribers (core_t *self, const subscribers_t *subscribers)
{
	self->view.subscribers = subscribers;
}

void core_subscriber_over (core_t *self, const subscriber_t *subscriber, moment_t now)
{
	usher_over (self->usher, subscriber, now);
}

void core_subscriber_slow (core_t *self, const subscriber_t *subscriber, moment_t now)
{
	usher_slow (self->usher, subscriber, now);
}

void core_disconnected (core_t *self, int descriptor, moment_t now)
{
	detector_disconnected (self->detector, descriptor, now);
}

void core_control (core_t *self, const core_peer_t *peer, span_t bytes, moment_t now)
{
	control_take (self->control, peer, bytes, now);
}

void core_handshakes (
        core_t *self, uint64_t admitted, uint64_t denied_key, uint64_t denied_role, uint64_t denied_other)
{
	counters_t *counters = &self->view.counters;
	counters->handshakes_admitted = admitted;
	counters->handshakes_denied_key = denied_key;
	counters->handshakes_denied_role = denied_role;
	counters->handshakes_denied_other = denied_other;
}

/* Time. */

/* Those of an earlier run are heard again within seconds: until then nothing is said of the whole. */
static bool cluster_waits (const core_t *self, moment_t now)
{
	if (mono_since (now.mono, self->view.started.mono) >= DETECTOR_SETTLE_NS)
		return false;
	for (uint32_t i = 0; i < nodes_count (self->view.nodes); i++) {
		const node_t *node = nodes_at (self->view.nodes, i);
		if (node->incarnation && node->state == BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN)
			return true;
	}
	return false;
}

static void cluster_tick (core_t *self, moment_t now)
{
	bool due = now.mono.ns >= self->cluster_due.ns;
	if ((!self->uptake.changed && !due) || cluster_waits (self, now))
		return;
	cluster_health_t before = self->view.health;
	self->view.health = cluster_judge (self->view.nodes);
	self->uptake.changed = false;
	if (!due && cluster_equal (&before, &self->view.health))
		return;
	self->cluster_due = mono_add (now.mono, CLUSTER_NS);
	herald_cluster (self->herald, &before, now);
}

/* Refusals are said by reason, at most one line each 10 s: a flood must not fill a disk. */
static void refusals_say (core_t *self)
{
	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++) {
		uint64_t more = self->view.refused[i] - self->refused_said[i];
		if (more == 0)
			continue;
		self->refused_said[i] = self->view.refused[i];
		const char *topic = arrivals_refused_topic (self->arrivals, (refusal_t) i);
		say (self, LOG_LEVEL_WARNING, "refused %" PRIu64 " messages: %s (%s)%s%s%s", more,
		        refusal_key ((refusal_t) i), refusal_help ((refusal_t) i),
		        *topic ? "; the newest under topic '" : "", topic, *topic ? "'" : "");
	}
}

void core_tick (core_t *self, moment_t now)
{
	detector_tick (self->detector, now);
	self->view.counters.paused_seconds = (uint64_t) (detector_paused_ns (self->detector) / NS_PER_S);
	cluster_tick (self, now);
	verdicts_tick (self->verdicts, now);
	alerts_tick (self->alerts, now);
	links_tick (self->links, now);
	usher_tick (self->usher);
	herald_tick (self->herald, now);
	if (now.mono.ns >= self->expire_due.ns) {
		self->expire_due = mono_add (now.mono, EXPIRE_NS);
		for (uint32_t i = 0; i < nodes_count (self->view.nodes); i++) {
			node_t *node = nodes_at (self->view.nodes, i);
			uint64_t lost = node->values_lost;
			node_expire (node, self->view.catalogues, now.mono);
			self->view.counters.values_lost += node->values_lost - lost;
		}
	}
	if (now.mono.ns >= self->say_due.ns) {
		self->say_due = mono_add (now.mono, SAY_NS);
		refusals_say (self);
	}
}

void core_flush (core_t *self, moment_t now)
{
	committer_flush (self->committer, self->started && memory_due (self->memory, now), now);
}

void core_committed (core_t *self, int error, const char *text, moment_t now)
{
	committer_done (self->committer, error, text, now);
}

void core_checkpoint (core_t *self, const checkpoint_t *checkpoint, moment_t now)
{
	herald_checkpoint (self->herald, checkpoint, now);
}

void core_read_done (core_t *self, span_t peer, uint64_t id, bool chain, int error, const char *text,
        const core_page_t *page)
{
	control_read_done (self->control, peer, id, chain, error, text, page);
}

void core_alarm (core_t *self, const char *type, const char *text, moment_t now)
{
	herald_security (self->herald, type, NULL, text, now);
}

void core_set_rules (core_t *self, const struct rule_set *rules, moment_t now)
{
	self->rules = rules;
	uptake_kept (&self->uptake, alerts_set_rules (self->alerts, rules, now));
}

void core_set_keyring (core_t *self, keyring_t *keyring)
{
	ingest_set_keyring (self->ingest, keyring);
	herald_set_keyring (self->herald, keyring);
	links_set_keyring (self->links, keyring);
	control_set_keyring (self->control, keyring);
}

void core_restore (core_t *self, const char *key, span_t value)
{
	memory_put (self->memory, key, value);
}

void core_started (core_t *self, moment_t now)
{
	memory_apply (self->memory, self->rules, now);
	self->started = true;
	herald_system (
	        self->herald, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED, "", now);
}

void core_stopping (core_t *self, const char *reason, moment_t now)
{
	herald_system (self->herald, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPING,
	        reason, now);
	herald_system (self->herald, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED,
	        reason, now);
}
