/* uptake.h - what an event that held does to the view and to the detector. Pure.
 *
 * The state that is shown is the newest that was said: an event that comes late, or again from its node's
 * disk, changes only what nothing newer has changed, and is no sign of life. */

#ifndef COLLECTOR_UPTAKE_H
#define COLLECTOR_UPTAKE_H

#include "collector/detect/detector.h"
#include "collector/ingest.h"
#include "collector/view/view.h"

typedef struct {
	view_t *view;
	detector_t *detector;
	bool changed; /* set where the cluster's health may be another */
} uptake_t;

/* resent: it came from its node's disk. descriptor: the connection that brought it, or -1. */
void uptake_take (uptake_t *self, const taken_t *taken, bool resent, int descriptor, moment_t now);

/* What was left out for want of memory is counted. */
void uptake_kept (uptake_t *self, int r);

#endif
