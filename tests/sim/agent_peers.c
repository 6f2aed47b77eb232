/* What an agent's probes see of its peers, by what is true: a probe every beat; a reset from a process
 * that died, the kernel's acknowledgement from one that is stopped, silence from a host that is cut
 * off. Every host reaches every other but through a path that is blocked. */

#include "agent.h"

/* agents/peers.h: without an answer for so long a target is silent. */
#define SILENT_NS (600 * NS_PER_MS)

static peer_t *peer_of (peer_t *peers, size_t n, uint32_t node)
{
	for (size_t i = 0; i < n; i++) {
		if (peers[i].node == node)
			return &peers[i];
	}
	return NULL;
}

void agent_peers_roster (agent_t *self, const Belfry__V1__Roster *roster)
{
	peer_t old[AGENT_TARGETS_MAX];
	size_t n_old = self->n_targets;
	memcpy (old, self->targets, sizeof old);
	self->n_targets = 0;
	for (size_t i = 0; i < roster->n_targets && self->n_targets < AGENT_TARGETS_MAX; i++) {
		uint32_t node = ledger_node (self->world->ledger, roster->targets[i]->node);
		if (node == self->index) {
			sim_fail (self->world->sim, "nobody probes himself", "%s is in its own roster",
			        self->name);
			return;
		}
		if (node >= self->world->options.nodes) {
			sim_fail (self->world->sim, "rosters name members", "'%s' is none",
			        roster->targets[i]->node);
			return;
		}
		const peer_t *before = peer_of (old, n_old, node);
		self->targets[self->n_targets++] =
		        before ? *before
		               : (peer_t){ .node = node, .state = BELFRY__V1__PEER_STATE__PEER_STATE_NEVER };
	}
}

void agent_peers_look (agent_t *self)
{
	int64_t now = sim_now (self->world->sim);
	for (size_t i = 0; i < self->n_targets; i++) {
		peer_t *peer = &self->targets[i];
		const agent_t *target = self->world->agents[peer->node];
		Belfry__V1__PeerState state = peer->state;
		bool reachable = !self->way->blocked && !target->way->blocked;
		peer->probes++;
		if (reachable && process_runs (&target->process)) {
			peer->worked = true;
			peer->answers++;
			peer->answered_at = peer->acknowledged_at = now;
			state = BELFRY__V1__PEER_STATE__PEER_STATE_OK;
		} else if (reachable && !target->process.alive) {
			state = BELFRY__V1__PEER_STATE__PEER_STATE_REFUSED;
		} else {
			if (reachable)
				peer->acknowledged_at = now;
			if (now - peer->answered_at > SILENT_NS)
				state = BELFRY__V1__PEER_STATE__PEER_STATE_SILENT;
		}
		if (!peer->worked)
			state = BELFRY__V1__PEER_STATE__PEER_STATE_NEVER;
		self->peers_changed |= state != peer->state;
		peer->state = state;
	}
}

size_t agent_peers_report (agent_t *self, Belfry__V1__PeerObservation *observations, size_t max)
{
	int64_t now = sim_now (self->world->sim);
	size_t n = self->n_targets < max ? self->n_targets : max;
	for (size_t i = 0; i < n; i++) {
		const peer_t *peer = &self->targets[i];
		Belfry__V1__PeerObservation *out = &observations[i];
		belfry__v1__peer_observation__init (out);
		out->target = self->world->agents[peer->node]->name;
		out->state = peer->state;
		out->rtt_ns = 200 * (uint64_t) NS_PER_US;
		out->age_ns = peer->worked ? (uint64_t) (now - peer->answered_at) : 0;
		out->acknowledged_age_ns = peer->worked ? (uint64_t) (now - peer->acknowledged_at) : 0;
		out->probes = peer->probes;
		out->answers = peer->answers;
	}
	return n;
}
