/* level.h - a status from a figure, with hysteresis, so that a figure at its threshold does not flap.
 *
 * A status gets worse once the figure has stayed at or above the threshold for rise_ns, and better once
 * it has stayed below the threshold that clears it for fall_ns. Pure. */

#ifndef AGENTS_PROBES_LEVEL_H
#define AGENTS_PROBES_LEVEL_H

#include "agents/probes/probe.h"

/* Static data. Thresholds ascend: degraded_clear < degraded <= unhealthy, unhealthy_clear < unhealthy.
 * One that is never reached is INFINITY, as is its clear. */
typedef struct {
	double degraded, degraded_clear, unhealthy, unhealthy_clear;
	int64_t rise_ns, fall_ns;
} level_def_t;

/* Zeroed is a level that has seen nothing: its first figure counts at once. */
typedef struct {
	probe_status_t status;  /* as last stepped */
	probe_status_t leaning; /* the other status that the figures ask for, since when */
	mono_t since;
} level_t;

/* The status with value seen at now; UNKNOWN at once while value is NAN. */
probe_status_t level_step (level_t *self, const level_def_t *def, double value, mono_t now);

/* The worse of two: unhealthy, degraded, healthy; unknown says nothing beside a known one. */
probe_status_t status_worse (probe_status_t a, probe_status_t b);

#endif
