#include "collector/view/cluster.h"

bool cluster_left (const node_t *node)
{
	return node->state == BELFRY__V1__NODE_STATE__NODE_STATE_LEFT;
}

bool cluster_speaks (const node_t *node)
{
	switch (node->state) {
	case BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE:
	case BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT:
	case BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED:
	case BELFRY__V1__NODE_STATE__NODE_STATE_MAINTENANCE:
		return true;
	default:
		return false;
	}
}

Belfry__V1__Status cluster_node_status (const node_t *node)
{
	return cluster_speaks (node) ? node->status : BELFRY__V1__STATUS__STATUS_UNKNOWN;
}

cluster_kind_t cluster_kind (const node_t *node)
{
	if (node->state == BELFRY__V1__NODE_STATE__NODE_STATE_DOWN &&
	        node->kind == BELFRY__V1__NODE_KIND__NODE_KIND_HOST)
		return CLUSTER_DOWN;
	switch (cluster_node_status (node)) {
	case BELFRY__V1__STATUS__STATUS_HEALTHY:
		return CLUSTER_HEALTHY;
	case BELFRY__V1__STATUS__STATUS_DEGRADED:
		return CLUSTER_DEGRADED;
	case BELFRY__V1__STATUS__STATUS_UNHEALTHY:
		return CLUSTER_UNHEALTHY;
	default:
		return CLUSTER_UNKNOWN;
	}
}

static Belfry__V1__Quorum quorum_judge (uint32_t total, uint32_t ok, uint32_t down)
{
	uint32_t majority = total / 2 + 1, possible = total - down;
	if (total == 0)
		return BELFRY__V1__QUORUM__QUORUM_LOST;
	if (possible < majority)
		return BELFRY__V1__QUORUM__QUORUM_LOST;
	if (ok < majority || (down > 0 && possible - 1 < majority))
		return BELFRY__V1__QUORUM__QUORUM_AT_RISK;
	return BELFRY__V1__QUORUM__QUORUM_AVAILABLE;
}

cluster_health_t cluster_judge (const nodes_t *nodes)
{
	cluster_health_t self = { 0 };
	uint32_t expected = 0, ok = 0, down = 0;
	for (uint32_t i = 0; i < nodes_count (nodes); i++) {
		const node_t *node = nodes_at (nodes, i);
		if (cluster_left (node))
			continue;
		cluster_kind_t kind = cluster_kind (node);
		self.total++;
		self.ok += cluster_speaks (node);
		self.counts[kind]++;
		expected += node->expected;
		ok += node->expected && cluster_speaks (node);
		down += node->expected && kind == CLUSTER_DOWN;
	}
	self.quorum = expected ? quorum_judge (expected, ok, down)
	                       : quorum_judge (self.total, self.ok, self.counts[CLUSTER_DOWN]);
	uint32_t bad = self.counts[CLUSTER_UNHEALTHY] + self.counts[CLUSTER_DOWN];
	if (self.total == self.counts[CLUSTER_UNKNOWN])
		self.status = BELFRY__V1__STATUS__STATUS_UNKNOWN;
	else if (self.quorum == BELFRY__V1__QUORUM__QUORUM_LOST || bad > self.total / 2)
		self.status = BELFRY__V1__STATUS__STATUS_UNHEALTHY;
	else if (self.total == self.counts[CLUSTER_HEALTHY])
		self.status = BELFRY__V1__STATUS__STATUS_HEALTHY;
	else
		self.status = BELFRY__V1__STATUS__STATUS_DEGRADED;
	return self;
}

bool cluster_equal (const cluster_health_t *a, const cluster_health_t *b)
{
	if (a->status != b->status || a->quorum != b->quorum || a->total != b->total || a->ok != b->ok)
		return false;
	for (int i = 0; i < CLUSTER_KINDS; i++) {
		if (a->counts[i] != b->counts[i])
			return false;
	}
	return true;
}
