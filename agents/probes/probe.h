/* probe.h - the plug point of the schedule: what a probe is to the agent.
 *
 * A probe runs on the probes' thread, never on the one that beats. It is cheap (reads kept-open
 * descriptors) or does its risky work in a child that can be abandoned; it never blocks on a
 * disk, mount or socket that it watches. */

#ifndef AGENTS_PROBES_PROBE_H
#define AGENTS_PROBES_PROBE_H

#include "agents/samples.h"
#include "base/clock.h"

/* One check of a component or of the node, as NodeHealth and ComponentHealth carry it. */
typedef enum {
	PROBE_STATUS_HEALTHY = 1,
	PROBE_STATUS_DEGRADED = 2,
	PROBE_STATUS_UNHEALTHY = 3,
	PROBE_STATUS_UNKNOWN = 4
} probe_status_t; /* belfry.v1.Status' numbers */

enum { PROBE_NAME_MAX = 64, PROBE_TEXT_MAX = 256 };

typedef struct {
	char component[PROBE_NAME_MAX]; /* "disk:/var/lib/x", "data" */
	probe_status_t status;
	char message[PROBE_TEXT_MAX];
	int64_t duration_ns;
} probe_check_t;

/* Summary figures of the host for NodeHealth; NAN where unknown. Ratios are 0..1. */
typedef struct {
	double load1, load5, load15;
	double cpu_used_ratio, memory_used_ratio, disk_used_ratio;           /* disk: the fullest */
	double cpu_pressure_ratio, memory_pressure_ratio, io_pressure_ratio; /* PSI some, over the interval */
} probe_summary_t;

#endif
