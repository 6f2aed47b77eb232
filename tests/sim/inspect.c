#include "inspect.h"

#include <inttypes.h>

#include "collector.h"

static void node_check (world_t *self, const Belfry__V1__NodeView *view)
{
	sim_t *sim = self->sim;
	model_node_t node;
	moment_t now = host_moment (sim, collector_host (self->collector));
	if (!model_node (collector_model (self->collector), ledger_node (self->ledger, view->name), now.mono,
	            &node)) {
		sim_fail (sim, "the view has only what spoke", "%s did not", view->name);
		return;
	}
	if (view->incarnation != node.incarnation || view->received != node.received ||
	        view->replayed != node.replayed)
		sim_fail (sim, "the view counts what came",
		        "%s: incarnation %" PRIu64 ", received %" PRIu64 ", replayed %" PRIu64
		        " in the view; %" PRIu64 ", %" PRIu64 ", %" PRIu64 " in truth",
		        view->name, view->incarnation, view->received, view->replayed, node.incarnation,
		        node.received, node.replayed);
	if (view->lost_volatile < node.lost_volatile_low || view->lost_volatile > node.lost_volatile_high)
		sim_fail (sim, "lost volatile events are counted",
		        "%s: %" PRIu64 " in the view, %" PRIu64 " to %" PRIu64 " in truth", view->name,
		        view->lost_volatile, node.lost_volatile_low, node.lost_volatile_high);
	if (view->lost_durable != node.lost_durable)
		sim_fail (sim, "durable events are lost where a gap says so",
		        "%s: %" PRIu64 " in the view, %" PRIu64 " in truth", view->name, view->lost_durable,
		        node.lost_durable);
}

static uint64_t counter_of (const Belfry__V1__StatusReply *status, const char *name)
{
	for (size_t i = 0; i < status->n_counters; i++) {
		if (strcmp (status->counters[i]->name, name) == 0)
			return status->counters[i]->value;
	}
	return UINT64_MAX;
}

static void counters_check (world_t *self, const Belfry__V1__StatusReply *status)
{
	sim_t *sim = self->sim;
	uint64_t received = counter_of (status, "received"), sum = received;
	if (received != model_accepted (collector_model (self->collector)))
		sim_fail (sim, "received is what was accepted", "%" PRIu64 " of %" PRIu64, received,
		        model_accepted (collector_model (self->collector)));
	for (int reason = REFUSAL_NONE + 1; reason < REFUSAL_COUNT; reason++) {
		uint64_t count = 0;
		for (size_t i = 0; i < status->n_refusals; i++) {
			if (strcmp (status->refusals[i]->reason, refusal_key ((refusal_t) reason)) == 0)
				count = status->refusals[i]->count;
		}
		/* Counts what control refuses too. */
		if (reason == REFUSAL_CONTROL)
			continue;
		sum += count;
		if (count != model_refusals (collector_model (self->collector), (refusal_t) reason))
			sim_fail (sim, "refusals are counted by reason",
			        "%s: %" PRIu64 " in the status, %" PRIu64 " in truth",
			        refusal_key ((refusal_t) reason), count,
			        model_refusals (collector_model (self->collector), (refusal_t) reason));
	}
	if (sum != model_offers (collector_model (self->collector)))
		sim_fail (sim, "received and refused make up what was offered", "%" PRIu64 " of %" PRIu64,
		        sum, model_offers (collector_model (self->collector)));
}

Belfry__V1__Control *inspect_status (world_t *self)
{
	sim_t *sim = self->sim;
	if (!process_runs (collector_process (self->collector)))
		return NULL;
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__StatusRequest request = BELFRY__V1__STATUS_REQUEST__INIT;
	control.body_case = BELFRY__V1__CONTROL__BODY_STATUS_REQUEST;
	control.status_request = &request;
	Belfry__V1__Control *answer = collector_ask (self->collector, &control);
	if (!answer || answer->body_case != BELFRY__V1__CONTROL__BODY_STATUS) {
		sim_fail (sim, "status is answered", "it was not");
		belfry__v1__control__free_unpacked (answer, NULL);
		return NULL;
	}
	const Belfry__V1__StatusReply *status = answer->status;
	if (status->n_nodes > self->options.nodes)
		sim_fail (sim, "nobody makes nodes but those that prove themselves", "%zu of %u",
		        status->n_nodes, self->options.nodes);
	for (size_t i = 0; i < status->n_nodes; i++)
		node_check (self, status->nodes[i]);
	counters_check (self, status);
	return answer;
}

void inspect_snapshot (world_t *self)
{
	if (!process_runs (collector_process (self->collector)))
		return;
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__SnapshotRequest request = BELFRY__V1__SNAPSHOT_REQUEST__INIT;
	control.body_case = BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST;
	control.snapshot_request = &request;
	model_snapshot_begin (collector_model (self->collector));
	Belfry__V1__Control *answer = collector_ask (self->collector, &control);
	model_snapshot_end (collector_model (self->collector));
	if (!answer || answer->body_case != BELFRY__V1__CONTROL__BODY_SNAPSHOT || !answer->snapshot->last)
		sim_fail (self->sim, "the snapshot ends with its last chunk", "it did not");
	belfry__v1__control__free_unpacked (answer, NULL);
}
