/* Members that come are gathered until the tick: a thousand agents that start at once are one event, not
 * a thousand that each name the others. */

#include "collector/verdicts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "wire/validate.h"

enum { ACTIVE_NAMES_MAX = 256 };

typedef struct {
	char **names; /* the nodes' own */
	size_t n, room;
} names_t;

struct verdicts {
	view_t *view;
	herald_t *herald;
	links_t *links;
	names_t added, removed;
};

int verdicts_new (view_t *view, herald_t *herald, links_t *links, verdicts_t **ret)
{
	verdicts_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->view = view;
	self->herald = herald;
	self->links = links;
	*ret = self;
	return 0;
}

void verdicts_destroy (verdicts_t **self_p)
{
	if (!*self_p)
		return;
	free ((*self_p)->added.names);
	free ((*self_p)->removed.names);
	free (*self_p);
	*self_p = NULL;
}

static void names_add (names_t *self, char *name, counters_t *counters)
{
	if (self->n == self->room) {
		size_t room = self->room ? self->room * 2 : 64;
		char **grown = realloc (self->names, room * sizeof *grown);
		if (!grown) {
			counters->memory_failed++;
			return;
		}
		self->names = grown;
		self->room = room;
	}
	self->names[self->n++] = name;
}

/* Components of a node that speaks no longer are unknown; one that speaks again says so itself. */
static void components_judge (verdicts_t *self, node_t *node, moment_t now)
{
	if (cluster_speaks (node))
		return;
	char state[ENUM_TEXT_MAX], details[128];
	snprintf (details, sizeof details, "its node is %s",
	        enum_text (&belfry__v1__node_state__descriptor, (int) node->state, state));
	for (uint32_t i = 0; i < node->n_components; i++) {
		component_t *component = &node->components[i];
		if (component->published != BELFRY__V1__STATUS__STATUS_UNKNOWN &&
		        component->status != BELFRY__V1__STATUS__STATUS_UNKNOWN)
			herald_component (self->herald, node, component, BELFRY__V1__STATUS__STATUS_UNKNOWN,
			        details, now);
	}
}

static const char *witness_name (const verdicts_t *self, uint32_t witness)
{
	return witness == EVIDENCE_SELF ? herald_name (self->herald)
	                                : nodes_at (self->view->nodes, witness)->name;
}

static Belfry__V1__Severity severity_of (Belfry__V1__NodeState state)
{
	switch (state) {
	case BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT:
		return BELFRY__V1__SEVERITY__SEVERITY_WARNING;
	case BELFRY__V1__NODE_STATE__NODE_STATE_UNRESPONSIVE:
	case BELFRY__V1__NODE_STATE__NODE_STATE_UNREACHABLE:
	case BELFRY__V1__NODE_STATE__NODE_STATE_DOWN:
		return BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	default:
		return BELFRY__V1__SEVERITY__SEVERITY_INFO;
	}
}

void verdicts_take (verdicts_t *self, const verdict_t *verdict, moment_t now)
{
	node_t *node = nodes_at (self->view->nodes, verdict->node);
	if (verdict->resumed) {
		node->state = verdict->to;
		links_member (self->links, node);
		return;
	}
	Belfry__V1__Evidence evidence[EVIDENCE_SIGHTINGS_MAX], *evidence_p[EVIDENCE_SIGHTINGS_MAX];
	char texts[EVIDENCE_SIGHTINGS_MAX][128];
	const char *texts_p[EVIDENCE_SIGHTINGS_MAX];
	for (size_t i = 0; i < verdict->n_sightings; i++) {
		const sighting_t *seen = &verdict->sightings[i];
		char age[DURATION_TEXT_MAX];
		int64_t age_ns = seen->age_ns > 0 ? seen->age_ns : 0;
		belfry__v1__evidence__init (&evidence[i]);
		evidence[i].witness = borrow (witness_name (self, seen->witness));
		evidence[i].saw = borrow (seen->saw);
		evidence[i].age_ns = (uint64_t) age_ns;
		evidence_p[i] = &evidence[i];
		snprintf (texts[i], sizeof texts[i], "%s: %s %s ago", evidence[i].witness, seen->saw,
		        duration_format (age_ns, age));
		texts_p[i] = texts[i];
	}
	nodes_remember (self->view->nodes, node);
	node_verdict (
	        node, verdict->to, verdict->kind, (uint64_t) now.wall.ns, texts_p, verdict->n_sightings);

	Belfry__V1__NodeLifecycle payload = BELFRY__V1__NODE_LIFECYCLE__INIT;
	payload.from_state = verdict->from;
	payload.to_state = verdict->to;
	payload.kind = verdict->kind;
	payload.n_evidence = verdict->n_sightings;
	payload.evidence = evidence_p;
	payload.detected_ns = (uint64_t) now.wall.ns;
	payload.detection_ns = (uint64_t) (verdict->detection_ns > 0 ? verdict->detection_ns : 0);
	payload.reason = borrow (verdict->reason);
	herald_node (self->herald, node, &payload, severity_of (verdict->to), now);

	components_judge (self, node, now);
	links_member (self->links, node);
	const Belfry__V1__NodeState left = BELFRY__V1__NODE_STATE__NODE_STATE_LEFT;
	bool was_out = verdict->from == BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN || verdict->from == left;
	if (verdict->to == left)
		names_add (&self->removed, node->name, &self->view->counters);
	else if (was_out)
		names_add (&self->added, node->name, &self->view->counters);
}

static void membership_say (verdicts_t *self, Belfry__V1__MembershipEvent what, names_t *names, moment_t now)
{
	char *active[ACTIVE_NAMES_MAX];
	Belfry__V1__MembershipChanged payload = BELFRY__V1__MEMBERSHIP_CHANGED__INIT;
	payload.event = what;
	payload.quorum = self->view->health.quorum;
	payload.active = active;
	for (uint32_t i = 0; i < nodes_count (self->view->nodes); i++) {
		node_t *node = nodes_at (self->view->nodes, i);
		if (!cluster_speaks (node))
			continue;
		if (payload.n_active == ACTIVE_NAMES_MAX) {
			/* More than a person reads: ClusterHealth says how many. */
			payload.n_active = 0;
			break;
		}
		active[payload.n_active++] = node->name;
	}
	for (size_t at = 0; at < names->n; at += VALIDATE_COUNT_MAX) {
		payload.affected = names->names + at;
		payload.n_affected = names->n - at < VALIDATE_COUNT_MAX ? names->n - at : VALIDATE_COUNT_MAX;
		herald_membership (self->herald, &payload, now);
	}
	names->n = 0;
}

void verdicts_tick (verdicts_t *self, moment_t now)
{
	if (self->added.n)
		membership_say (
		        self, BELFRY__V1__MEMBERSHIP_EVENT__MEMBERSHIP_EVENT_ADDED, &self->added, now);
	if (self->removed.n)
		membership_say (
		        self, BELFRY__V1__MEMBERSHIP_EVENT__MEMBERSHIP_EVENT_REMOVED, &self->removed, now);
}
