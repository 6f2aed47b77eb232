#include "judge.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent.h"
#include "belfry/v1/event.pb-c.h"
#include "collector.h"
#include "wire/describe.h"
#include "wire/envelope.h"

/* After the last disturbance everybody is connected, welcomed and heard again: reconnects back off to 2 s,
 * Hello to 5 s. */
#define SETTLE_NS (15 * NS_PER_S)
/* From a process' death to the verdict, where nothing else happens, and what the way and the ticks take: 300
 * ms where two others can say; a second where nobody can (EVIDENCE_RETURN_NS). */
#define DOWN_NS (600 * NS_PER_MS)
#define DOWN_ALONE_NS (1300 * NS_PER_MS)
/* The same whatever else happens, as long as the collector runs (EVIDENCE_UNWATCHED_NS). */
#define DOWN_AT_LAST_NS (45 * NS_PER_S)
#define GOODBYE_NS (2 * NS_PER_S)
/* An alert follows its cause within a tick. */
#define ALERT_NS NS_PER_S

/* A collector that began again waits so long for who was well (DETECTOR_SETTLE_NS and patience). */
#define UNHEARD_NS (20 * NS_PER_S)

enum { ALERTS_MAX = 1024 };

typedef struct {
	Belfry__V1__NodeState state;
	int64_t since;
	bool counted; /* this death is in the figures */
} node_view_t;

typedef struct {
	char fingerprint[80], name[64], node[TOPIC_NODE_MAX + 1], inhibited_by[80];
	Belfry__V1__AlertState state;
	uint32_t repeats;
	int64_t since;
} alert_view_t;

struct judge {
	world_t *world;
	arena_t *arena;
	node_view_t nodes[WORLD_NODES_MAX];
	alert_view_t alerts[ALERTS_MAX];
	size_t n_alerts;
	int64_t slowest_ns;
	uint64_t deaths;
};

judge_t *judge_new (world_t *world)
{
	judge_t *self = sim_alloc (sizeof *self);
	self->world = world;
	for (size_t i = 0; i < WORLD_NODES_MAX; i++)
		self->nodes[i].state = BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN;
	if (arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &self->arena))
		abort ();
	return self;
}

void judge_destroy (judge_t **self_p)
{
	if (!*self_p)
		return;
	arena_destroy (&(*self_p)->arena);
	free (*self_p);
	*self_p = NULL;
}

static const char *state_text (Belfry__V1__NodeState state, char text[ENUM_TEXT_MAX])
{
	return enum_text (&belfry__v1__node_state__descriptor, (int) state, text);
}

static bool down (Belfry__V1__NodeState state)
{
	return state == BELFRY__V1__NODE_STATE__NODE_STATE_DOWN;
}

static bool well (Belfry__V1__NodeState state)
{
	return state == BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE ||
	       state == BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED;
}

/* Since when nothing has happened to the node, and the collector has watched. */
static int64_t undisturbed_ns (const judge_t *self, const agent_t *agent)
{
	int64_t since = collector_steady_since (self->world->collector);
	if (since == INT64_MAX)
		return -1;
	if (agent->disturbed_until > since)
		since = agent->disturbed_until;
	return sim_now (self->world->sim) - since;
}

/* Whether the collector knows this very incarnation, not one before whose process did end. */
static bool heard_now (const judge_t *self, const agent_t *agent)
{
	model_node_t node;
	const model_t *model = collector_model (self->world->collector);
	return model && model_node (model, agent->index, (mono_t){ 0 }, &node) &&
	       node.incarnation == agent->incarnation && node.nonce == agent->boot_nonce;
}

/* How many could tell a process that is stopped from one that died: other nodes that can be asked. */
static uint32_t witnesses (const judge_t *self, const agent_t *agent)
{
	const world_t *world = self->world;
	uint32_t n = 0;
	for (uint32_t i = 0; i < world->options.nodes; i++) {
		const agent_t *other = world->agents[i];
		n += other != agent && process_runs (&other->process) && !other->path.blocked &&
		     sim_now (world->sim) - other->phase_since > SETTLE_NS;
	}
	return n;
}

/* What is published. */

static void took_lifecycle (judge_t *self, const Belfry__V1__Event *event)
{
	sim_t *sim = self->world->sim;
	const Belfry__V1__NodeLifecycle *lifecycle = event->node_lifecycle;
	uint32_t index = ledger_node (self->world->ledger, event->header->subject_node);
	char from[ENUM_TEXT_MAX], to[ENUM_TEXT_MAX];
	if (index >= self->world->options.nodes) {
		sim_fail (sim, "verdicts are about members", "'%s' is none", event->header->subject_node);
		return;
	}
	node_view_t *node = &self->nodes[index];
	const agent_t *agent = self->world->agents[index];
	sim_trace (sim, "verdict: %s, %s -> %s: %s", agent->name, state_text (lifecycle->from_state, from),
	        state_text (lifecycle->to_state, to), lifecycle->reason);
	if (lifecycle->from_state != node->state)
		sim_fail (sim, "each verdict begins where the last one ended",
		        "%s: from %s, which it was not", agent->name, from);
	if (lifecycle->from_state == lifecycle->to_state)
		sim_fail (sim, "a verdict changes something", "%s: %s again", agent->name, to);
	node->state = lifecycle->to_state;
	node->since = sim_now (sim);
	if (!down (node->state))
		node->counted = false;
	/* What happened during a pause of the collector's shows after it. */
	int64_t steady = collector_steady_since (self->world->collector), calm = sim_now (sim);
	if (calm - steady < SETTLE_NS && collector_paused_at (self->world->collector))
		calm = collector_paused_at (self->world->collector);
	if (!well (node->state) && agent->phase == AGENT_RUNS && process_runs (&agent->process) &&
	        calm - agent->phase_since > SETTLE_NS && calm - agent->disturbed_until > SETTLE_NS)
		sim_fail (sim, "nothing is said against who runs undisturbed", "%s: %s, %s", agent->name, to,
		        lifecycle->reason);
	if (down (node->state) && sim_now (sim) > agent->downable_until && agent->process.alive &&
	        heard_now (self, agent) && (process_runs (&agent->process) || witnesses (self, agent)))
		sim_fail (sim, "nobody is down who runs and can be reached", "%s: %s", agent->name,
		        lifecycle->reason);
}

static alert_view_t *alert_of (judge_t *self, const Belfry__V1__Alert *alert)
{
	for (size_t i = 0; i < self->n_alerts; i++) {
		if (strcmp (self->alerts[i].fingerprint, alert->fingerprint) == 0)
			return &self->alerts[i];
	}
	if (self->n_alerts == ALERTS_MAX)
		abort ();
	alert_view_t *view = &self->alerts[self->n_alerts++];
	*view = (alert_view_t){ .state = BELFRY__V1__ALERT_STATE__ALERT_STATE_UNSPECIFIED };
	snprintf (view->fingerprint, sizeof view->fingerprint, "%s", alert->fingerprint);
	snprintf (view->name, sizeof view->name, "%s", alert->name);
	snprintf (view->node, sizeof view->node, "%s", alert->node);
	return view;
}

static bool is_node_down (const alert_view_t *alert)
{
	return strcmp (alert->name, "NodeDown") == 0;
}

static void took_alert (judge_t *self, const Belfry__V1__Event *event)
{
	sim_t *sim = self->world->sim;
	const Belfry__V1__Alert *alert = event->alert;
	alert_view_t *view = alert_of (self, alert);
	char text[ENUM_TEXT_MAX];
	sim_trace (sim, "alert: %s %s %s", alert->name, alert->node,
	        enum_text (&belfry__v1__alert_state__descriptor, (int) alert->state, text));
	if (view->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_UNSPECIFIED &&
	        alert->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED)
		sim_fail (sim, "only what fired resolves", "%s %s", alert->name, alert->node);
	if (view->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED &&
	        alert->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED)
		sim_fail (sim, "an alert resolves once", "%s %s", alert->name, alert->node);
	/* Over a restart of the collector too. */
	if (view->state == alert->state && alert->repeats <= view->repeats &&
	        strcmp (view->inhibited_by, alert->inhibited_by) == 0)
		sim_fail (sim, "nothing is said twice of an alert", "%s %s", alert->name, alert->node);
	view->state = alert->state;
	view->repeats = alert->repeats;
	snprintf (view->inhibited_by, sizeof view->inhibited_by, "%s", alert->inhibited_by);
	view->since = sim_now (sim);
	if (!is_node_down (view) || alert->state != BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING)
		return;
	uint32_t index = ledger_node (self->world->ledger, alert->node);
	if (index >= self->world->options.nodes || !down (self->nodes[index].state))
		sim_fail (sim, "NodeDown fires for nodes that are down", "'%s' is not", alert->node);
}

void judge_published (judge_t *self, span_t envelope)
{
	envelope_t parts;
	if (envelope_parse (envelope.data, envelope.size, &parts)) {
		sim_fail (self->world->sim, "the collector's envelopes are well formed", "one is not");
		return;
	}
	arena_reset (self->arena);
	const Belfry__V1__Event *event =
	        belfry__v1__event__unpack (arena_allocator (self->arena), parts.event.size, parts.event.data);
	if (event && event->payload_case == BELFRY__V1__EVENT__PAYLOAD_NODE_LIFECYCLE)
		took_lifecycle (self, event);
	else if (event && event->payload_case == BELFRY__V1__EVENT__PAYLOAD_ALERT)
		took_alert (self, event);
}

/* What time makes due. */

static const alert_view_t *node_down_alert (const judge_t *self, const char *node)
{
	for (size_t i = 0; i < self->n_alerts; i++) {
		if (is_node_down (&self->alerts[i]) && strcmp (self->alerts[i].node, node) == 0)
			return &self->alerts[i];
	}
	return NULL;
}

static bool fires (const alert_view_t *alert)
{
	return alert && alert->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING;
}

static bool all_quiet_since (const judge_t *self, int64_t since, const agent_t *but)
{
	for (uint32_t i = 0; i < self->world->options.nodes; i++) {
		const agent_t *agent = self->world->agents[i];
		if (agent != but && agent->disturbed_until > since)
			return false;
	}
	return true;
}

static void look_dead (judge_t *self, const agent_t *agent, node_view_t *node)
{
	sim_t *sim = self->world->sim;
	char text[ENUM_TEXT_MAX];
	int64_t dead_ns = sim_now (sim) - agent->phase_since;
	int64_t steady = collector_steady_since (self->world->collector);
	if (steady == INT64_MAX || node->state == BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN ||
	        !heard_now (self, agent))
		return;
	/* Nothing happened for a while before it died, and nothing but its death since. */
	bool alone = agent->quiet_before_death && steady <= agent->phase_since - SETTLE_NS &&
	             agent->disturbed_until <= agent->phase_since &&
	             all_quiet_since (self, agent->phase_since - SETTLE_NS, agent);
	int64_t watched = sim_now (sim) - steady;
	if (down (node->state)) {
		if (alone && !node->counted) {
			node->counted = true;
			self->deaths++;
			if (node->since - agent->phase_since > self->slowest_ns)
				self->slowest_ns = node->since - agent->phase_since;
		}
		if (sim_now (sim) - node->since > ALERT_NS && !fires (node_down_alert (self, agent->name)))
			sim_fail (sim, "NodeDown fires for a node that is down", "%s", agent->name);
		return;
	}
	if (alone && dead_ns > (witnesses (self, agent) >= 2 ? DOWN_NS : DOWN_ALONE_NS))
		sim_fail (sim, "who died is down within the bound", "%s: %s, %.1f s after its death",
		        agent->name, state_text (node->state, text), (double) dead_ns / 1e9);
	if (dead_ns > DOWN_AT_LAST_NS && watched > DOWN_AT_LAST_NS)
		sim_fail (sim, "who died is down at last", "%s: %s, %.1f s after its death", agent->name,
		        state_text (node->state, text), (double) dead_ns / 1e9);
}

static void look_stopped (judge_t *self, const agent_t *agent, const node_view_t *node)
{
	sim_t *sim = self->world->sim;
	char text[ENUM_TEXT_MAX];
	Belfry__V1__NodeState wanted = agent->phase == AGENT_LEFT
	                                       ? BELFRY__V1__NODE_STATE__NODE_STATE_LEFT
	                                       : BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED;
	if (agent->goodbye_taken != collector_runs (self->world->collector) ||
	        collector_steady_since (self->world->collector) == INT64_MAX || !heard_now (self, agent))
		return;
	if (node->state != wanted)
		sim_fail (sim, "who said goodbye is stopped", "%s: %s", agent->name,
		        state_text (node->state, text));
	const alert_view_t *alert = node_down_alert (self, agent->name);
	if (fires (alert) && sim_now (sim) - node->since > ALERT_NS)
		sim_fail (sim, "no alert says that who said goodbye is down", "%s", agent->name);
}

static void look_running (judge_t *self, const agent_t *agent, const node_view_t *node)
{
	sim_t *sim = self->world->sim;
	char text[ENUM_TEXT_MAX];
	if (undisturbed_ns (self, agent) < SETTLE_NS)
		return;
	if (!well (node->state))
		sim_fail (sim, "who runs undisturbed is alive", "%s: %s", agent->name,
		        state_text (node->state, text));
	if (fires (node_down_alert (self, agent->name)))
		sim_fail (sim, "no alert says that who runs is down", "%s", agent->name);
}

void judge_look (judge_t *self)
{
	/* What is decided is in the view at once; others hear of it after the commit. */
	if (collector_commits (self->world->collector))
		return;
	for (uint32_t i = 0; i < self->world->options.nodes; i++) {
		const agent_t *agent = self->world->agents[i];
		node_view_t *node = &self->nodes[i];
		switch (agent->phase) {
		case AGENT_KILLED:
			if (!self->world->clones[i] || !self->world->clones[i]->process.alive)
				look_dead (self, agent, node);
			break;
		case AGENT_STOPPED:
		case AGENT_LEFT:
			look_stopped (self, agent, node);
			break;
		case AGENT_RUNS:
			look_running (self, agent, node);
			break;
		default:
			break;
		}
	}
}

/* The status. */

static void alerts_check (judge_t *self, const Belfry__V1__StatusReply *status)
{
	sim_t *sim = self->world->sim;
	size_t firing = 0, shown = 0;
	for (size_t i = 0; i < self->n_alerts; i++)
		firing += fires (&self->alerts[i]);
	for (size_t i = 0; i < status->n_alerts; i++) {
		const Belfry__V1__Alert *alert = status->alerts[i];
		if (alert->state != BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING)
			continue;
		shown++;
		if (!fires (alert_of (self, alert)))
			sim_fail (sim, "the status shows alerts that were published", "%s %s was not",
			        alert->name, alert->node);
	}
	if (shown != firing)
		sim_fail (sim, "the status shows every alert", "%zu of %zu", shown, firing);
}

void judge_status (judge_t *self, const Belfry__V1__StatusReply *status)
{
	char shown[ENUM_TEXT_MAX], said[ENUM_TEXT_MAX];
	if (collector_commits (self->world->collector))
		return;
	for (size_t i = 0; i < status->n_nodes; i++) {
		uint32_t index = ledger_node (self->world->ledger, status->nodes[i]->name);
		/* Well before the collector began again is unknown until it is heard. */
		bool unheard =
		        status->nodes[i]->state == BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN &&
		        index < self->world->options.nodes && well (self->nodes[index].state) &&
		        sim_now (self->world->sim) - collector_began_at (self->world->collector) < UNHEARD_NS;
		if (index < self->world->options.nodes &&
		        status->nodes[i]->state != self->nodes[index].state && !unheard)
			sim_fail (self->world->sim, "the status shows the verdicts that were published",
			        "%s: %s, and %s was said", status->nodes[i]->name,
			        state_text (status->nodes[i]->state, shown),
			        state_text (self->nodes[index].state, said));
	}
	alerts_check (self, status);
}

static const Belfry__V1__NodeView *view_of (const Belfry__V1__StatusReply *status, const char *name)
{
	for (size_t i = 0; i < status->n_nodes; i++) {
		if (strcmp (status->nodes[i]->name, name) == 0)
			return status->nodes[i];
	}
	return NULL;
}

static void components_check (
        judge_t *self, const agent_t *agent, const Belfry__V1__NodeView *view, bool speaks)
{
	sim_t *sim = self->world->sim;
	if (view->n_components != AGENT_COMPONENTS)
		sim_fail (sim, "the view has every component", "%s: %zu", agent->name, view->n_components);
	for (size_t i = 0; i < view->n_components; i++) {
		Belfry__V1__Status wanted =
		        agent->components[strcmp (view->components[i]->name, "data") != 0];
		if (!speaks)
			wanted = BELFRY__V1__STATUS__STATUS_UNKNOWN;
		if (view->components[i]->status != wanted)
			sim_fail (sim, "the view is the truth at last", "%s's %s: %d, not %d", agent->name,
			        view->components[i]->name, (int) view->components[i]->status, (int) wanted);
	}
}

static void running_check (judge_t *self, const agent_t *agent, const Belfry__V1__NodeView *view)
{
	sim_t *sim = self->world->sim;
	if (view->state != BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE)
		sim_fail (sim, "the view is the truth at last", "%s runs, and is not alive", agent->name);
	if (view->incarnation != agent->incarnation)
		sim_fail (sim, "the view is the truth at last",
		        "%s runs as incarnation %" PRIu64 ", not as %" PRIu64, agent->name,
		        agent->incarnation, view->incarnation);
	if (view->status != agent->status)
		sim_fail (sim, "the view is the truth at last", "%s: status %d, not %d", agent->name,
		        (int) view->status, (int) agent->status);
	for (size_t i = 0; i < view->n_figures; i++) {
		const Belfry__V1__Sample *figure = view->figures[i];
		if (strcmp (figure->name, "load1") == 0 &&
		        (figure->value < agent->load1 || figure->value > agent->load1))
			sim_fail (sim, "the view is the truth at last", "%s: load1 %g, not %g", agent->name,
			        figure->value, agent->load1);
	}
	/* What was lost while it spoke to this collector from its first word, and nothing else. */
	model_node_t node;
	const model_t *model = collector_model (self->world->collector);
	moment_t now = host_moment (sim, collector_host (self->world->collector));
	if (!model_node (model, agent->index, now.mono, &node))
		return;
	if (node.incarnation != agent->incarnation || node.nonce != agent->boot_nonce)
		sim_fail (sim, "who runs is who was welcomed", "%s", agent->name);
	if (agent->sealed_durable != node.newest_durable && agent->quiet_durable)
		sim_fail (sim, "the newest that was sent has come", "%s: durable %" PRIu64 " of %" PRIu64,
		        agent->name, node.newest_durable, agent->sealed_durable);
}

/* The incarnation that died never reached this collector, and the one before had said goodbye. */
static bool unheard_after_goodbye (const agent_t *agent, const Belfry__V1__NodeView *view)
{
	bool gone = view->state == BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED ||
	            view->state == BELFRY__V1__NODE_STATE__NODE_STATE_LEFT;
	return gone && view->incarnation < agent->incarnation;
}

void judge_end (judge_t *self, const Belfry__V1__StatusReply *status)
{
	sim_t *sim = self->world->sim;
	for (uint32_t i = 0; i < self->world->options.nodes; i++) {
		const agent_t *agent = self->world->agents[i];
		const Belfry__V1__NodeView *view = view_of (status, agent->name);
		bool runs = agent->phase == AGENT_RUNS;
		if (!view) {
			if (runs)
				sim_fail (sim, "the view is the truth at last", "%s runs and is not there",
				        agent->name);
			continue;
		}
		if (runs) {
			running_check (self, agent, view);
			components_check (self, agent, view, true);
		} else if (agent->phase == AGENT_KILLED && !down (view->state) &&
		           !unheard_after_goodbye (agent, view)) {
			sim_fail (sim, "the view is the truth at last", "%s died, and is not down",
			        agent->name);
		} else if (view->n_components == AGENT_COMPONENTS) {
			components_check (self, agent, view, false);
		}
	}
}

int64_t judge_slowest_ns (const judge_t *self)
{
	return self->slowest_ns;
}
uint64_t judge_deaths (const judge_t *self)
{
	return self->deaths;
}
