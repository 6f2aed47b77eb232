/* alerts_internal.h - the engine's own struct, for the files of this room that it is made of. */

#ifndef COLLECTOR_ALERT_ALERTS_INTERNAL_H
#define COLLECTOR_ALERT_ALERTS_INTERNAL_H

#include "collector/alert/alerts.h"
#include "collector/alert/bind.h"

/* The alerts about one node, or about the cluster. */
typedef struct {
	alert_t **alerts;
	uint32_t n, room;
	bool speaks;
	mono_t speaks_since; /* what it said before says nothing of now */
} place_t;

struct alerts {
	view_t *view;
	bindings_t *bindings;
	bindings_t *none; /* no rules: what there is when memory ends */
	uint64_t generation;
	alerts_publish_fn *publish;
	void *arg;
	place_t *nodes; /* by the nodes' index */
	uint32_t n_nodes;
	place_t cluster;
	uint32_t n; /* alerts in all */
	uint32_t cursor;
	int64_t credit; /* looks that are due, in 1/ALERTS_ROUND_NS */
	mono_t ticked;
	Belfry__V1__Alert **list;
	size_t list_room;
	/* What the memory does not have yet: alerts that are marked so, and those that are no more. */
	bool changed;
	char (*forgotten)[ALERT_FINGERPRINT_SIZE];
	uint32_t n_forgotten, room_forgotten;
};

/* The place of node's alerts; NULL, and counted, without memory. */
place_t *alerts_place (alerts_t *self, const node_t *node);
/* Takes alert in, or counts that there was no room, and frees it. */
bool alerts_put (alerts_t *self, place_t *place, alert_t *alert);

#endif
