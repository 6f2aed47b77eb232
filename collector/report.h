/* report.h - the answers that show the view: status and snapshot (schema: StatusReply, Snapshot).
 * Pure. */

#ifndef COLLECTOR_REPORT_H
#define COLLECTOR_REPORT_H

#include "belfry/v1/control.pb-c.h"
#include "collector/ingest.h"
#include "collector/view/view.h"
#include "wire/arena.h"

/* How much of each node is told. */
typedef enum { REPORT_FULL, REPORT_BRIEF } report_depth_t;

enum { REPORT_E_UNKNOWN_NODE = 1 };
/* The most important ones come first; how many there are in all is among the counters. */
enum { REPORT_ALERTS_MAX = 1000, REPORT_SUBSCRIBERS_MAX = 256 };

/* Makes the reply in arena; it borrows strings of view and alerts, so it lives no longer than the next
 * change of either. node: its name, or empty for all. BRIEF leaves out components, peers, figures,
 * evidence and subscribers, for replies that would be too large. 0; REPORT_E_UNKNOWN_NODE; -ENOMEM. */
int report_status (const view_t *view, const char *node, report_depth_t depth, Belfry__V1__Alert **alerts,
        size_t n_alerts, moment_t now, arena_t *arena, Belfry__V1__StatusReply **ret);

enum { REPORT_CHUNK_MAX = 256 * 1024, REPORT_PREFIXES_MAX = 64 };

/* Emits the snapshot in chunks of at most REPORT_CHUNK_MAX bytes or one envelope: sequences first,
 * then each topic's newest envelope under one of the prefixes (none: all); at least one chunk, the
 * last one marked. emit's message is borrowed for the call; not 0 from it ends the snapshot and is
 * returned. 0 or -ENOMEM. */
typedef int report_chunk_fn (void *arg, Belfry__V1__Snapshot *chunk);
int report_snapshot (const view_t *view, const ingest_t *ingest, char *const *prefixes, size_t n_prefixes,
        report_chunk_fn *emit, void *arg);

#endif
