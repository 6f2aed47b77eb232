#include "collector/uptake.h"

#include <stdio.h>
#include <string.h>

void uptake_kept (uptake_t *self, int r)
{
	/* A node stays as it was. */
	if (r < 0)
		self->view->counters.memory_failed++;
}

static void take_catalogue (uptake_t *self, const taken_t *taken, moment_t now)
{
	node_t *node = taken->node;
	catalogue_t *catalogue;
	if (catalogues_hold (self->view->catalogues, taken->event->catalogue, &catalogue)) {
		self->view->counters.catalogues_refused++;
		return;
	}
	uint64_t lost = 0;
	values_catalogue (&taken->source->values, catalogue, now.mono, self->view->catalogues,
	        &node->values_bytes, &lost);
	node->values_lost += lost;
	self->view->counters.values_lost += lost;
}

static void take_batch (uptake_t *self, const taken_t *taken, moment_t now)
{
	node_t *node = taken->node;
	uint64_t lost = 0;
	values_batch (&taken->source->values, taken->event->metric_batch, now.mono, self->view->catalogues,
	        &node->values_bytes, &lost);
	node->values_lost += lost;
	self->view->counters.values_lost += lost;
}

static void take_component (uptake_t *self, const taken_t *taken)
{
	const Belfry__V1__Header *header = taken->event->header;
	component_t *component = NULL;
	bool changed = false;
	if (node_component (taken->node, taken->event->component_health, span_str (taken->source->name),
	            header->incarnation, header->monotonic_ns, &component, &changed))
		self->view->counters.components_refused++;
	if (changed)
		nodes_remember (self->view->nodes, taken->node);
}

static void take_gap (uptake_t *self, const taken_t *taken)
{
	const Belfry__V1__Gap *gap = taken->event->gap;
	self->view->counters.gaps++;
	/* What came although its node lost it is not lost. */
	taken->node->lost_durable += gap->count < taken->lost ? gap->count : taken->lost;
}

static void take_goodbye (uptake_t *self, const taken_t *taken, moment_t now)
{
	const Belfry__V1__SystemLifecycle *lifecycle = taken->event->system_lifecycle;
	if (lifecycle->state != BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPING &&
	        lifecycle->state != BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED)
		return;
	/* Of an incarnation that another has followed, it is over. */
	if (taken->event->header->incarnation < taken->node->incarnation)
		return;
	bool for_good = strcmp (lifecycle->reason, "decommission") == 0;
	uptake_kept (self, detector_goodbye (self->detector, taken->node->index,
	                           taken->event->header->incarnation, for_good, now));
}

/* What only the agent itself may say: an application's events never change a node's state. */
static void take_agents (uptake_t *self, const taken_t *taken, bool resent, int descriptor, moment_t now)
{
	node_t *node = taken->node;
	const Belfry__V1__Event *event = taken->event;
	const Belfry__V1__DeliveryClass class = event->header->class_;
	sign_t sign = { event->header->incarnation, event->header->monotonic_ns, descriptor, false, 0, 0 };
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT) {
		sign.beat = true;
		sign.interval_ns = event->heartbeat->interval_ns;
		sign.delay_ns = event->heartbeat->scheduling_delay_ns;
	}
	/* What bears no sequence could be a replay of what an earlier run of this collector took. */
	if (!resent && class != BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND)
		uptake_kept (self, detector_heard (self->detector, node->index, &sign, now));
	switch (event->payload_case) {
	case BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT:
		node_beat (node, event->heartbeat, now.mono);
		break;
	case BELFRY__V1__EVENT__PAYLOAD_NODE_HEALTH:
		if (node_health (node, event->node_health, event->header->incarnation,
		            event->header->monotonic_ns)) {
			self->changed = true;
			nodes_remember (self->view->nodes, node);
		}
		break;
	case BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE:
		if (event->header->incarnation == node->incarnation)
			snprintf (
			        node->version, sizeof node->version, "%s", event->system_lifecycle->version);
		take_goodbye (self, taken, now);
		break;
	default:
		break;
	}
}

void uptake_take (uptake_t *self, const taken_t *taken, bool resent, int descriptor, moment_t now)
{
	if (strcmp (taken->source->name, "agent") == 0)
		take_agents (self, taken, resent, descriptor, now);
	switch (taken->event->payload_case) {
	case BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH:
		take_batch (self, taken, now);
		break;
	case BELFRY__V1__EVENT__PAYLOAD_CATALOGUE:
		take_catalogue (self, taken, now);
		break;
	case BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH:
		take_component (self, taken);
		break;
	case BELFRY__V1__EVENT__PAYLOAD_GAP:
		take_gap (self, taken);
		break;
	default:
		break;
	}
}
