/* view.h - the cluster as the collector has it now: what reports are made from. Plain data that the
 * core fills and the reports read. */

#ifndef COLLECTOR_VIEW_VIEW_H
#define COLLECTOR_VIEW_VIEW_H

#include "collector/view/cluster.h"
#include "collector/view/node.h"
#include "collector/view/snapshot.h"
#include "wire/describe.h"
#include "wire/mark.h"
#include "wire/refusal.h"

typedef struct {
#define COUNTER(name, series, kind, unit, help) uint64_t name;
#include "collector/counters.def"
#undef COUNTER
} counters_t;

/* How the journal stands: what has been committed. */
typedef struct {
	uint8_t id[MARK_JOURNAL_SIZE];
	uint64_t newest;                  /* offset; 0: empty */
	uint64_t channels[CHANNEL_COUNT]; /* the newest of each */
} journal_view_t;

typedef struct {
	char cluster[TOPIC_CLUSTER_MAX + 1];
	char name[TOPIC_NODE_MAX + 1]; /* the collector's; it signs as collector.<name> */
	char version[NODE_VERSION_MAX + 1];
	bool insecure;
	moment_t started;
	catalogues_t *catalogues;
	nodes_t *nodes;
	snapshot_t *snapshot;
	cluster_health_t health;
	journal_view_t journal;
	counters_t counters;
	uint64_t refused[REFUSAL_COUNT];
	const struct subscribers *subscribers; /* borrowed; NULL: the shell tells of none */
} view_t;

#endif
