/* cluster.h - how the cluster is, from how its nodes are (messages.md, ClusterHealth). Pure.
 *
 * The quorum counts ok, down and unknown apart (architecture.md, "Failure detection"): an agent's
 * death is not the node's, so it makes a node unknown and costs nothing by itself. With a majority
 * of the nodes that did not leave as the measure, the quorum is lost when even the unknown ones
 * would not make it one; at risk when only they would, or when a host is down and one more loss
 * would lose it. Where the configuration names the expected nodes, only those make up the quorum. */

#ifndef COLLECTOR_VIEW_CLUSTER_H
#define COLLECTOR_VIEW_CLUSTER_H

#include "collector/view/node.h"

/* What a node counts as. */
typedef enum {
	CLUSTER_HEALTHY,
	CLUSTER_DEGRADED,
	CLUSTER_UNHEALTHY,
	CLUSTER_DOWN,
	CLUSTER_UNKNOWN,
	CLUSTER_KINDS
} cluster_kind_t;

typedef struct {
	Belfry__V1__Status status;
	Belfry__V1__Quorum quorum;
	uint32_t total; /* nodes that did not leave */
	uint32_t ok;    /* of them, those that are up, whatever their health */
	uint32_t counts[CLUSTER_KINDS];
} cluster_health_t;

/* Whether the node is gone for good, and counts no more. */
bool cluster_left (const node_t *node);
cluster_kind_t cluster_kind (const node_t *node);
/* Whether what it said last of itself and its components still holds. */
bool cluster_speaks (const node_t *node);
/* The node's status as shown: unknown where it does not speak. */
Belfry__V1__Status cluster_node_status (const node_t *node);

cluster_health_t cluster_judge (const nodes_t *nodes);
bool cluster_equal (const cluster_health_t *a, const cluster_health_t *b);

#endif
