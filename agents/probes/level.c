#include "agents/probes/level.h"

#include <math.h>
#include <stdbool.h>

/* What the figure alone asks for, given where the status stands: each threshold counts as crossed
 * until the one that clears it is passed. */
static probe_status_t wanted (probe_status_t status, const level_def_t *def, double value)
{
	bool was_unhealthy = status == PROBE_STATUS_UNHEALTHY;
	bool was_degraded = was_unhealthy || status == PROBE_STATUS_DEGRADED;
	if (value >= (was_unhealthy ? def->unhealthy_clear : def->unhealthy))
		return PROBE_STATUS_UNHEALTHY;
	if (value >= (was_degraded ? def->degraded_clear : def->degraded))
		return PROBE_STATUS_DEGRADED;
	return PROBE_STATUS_HEALTHY;
}

probe_status_t level_step (level_t *self, const level_def_t *def, double value, mono_t now)
{
	if (isnan (value)) {
		*self = (level_t){ .status = PROBE_STATUS_UNKNOWN };
		return self->status;
	}
	bool first = self->status == 0 || self->status == PROBE_STATUS_UNKNOWN;
	probe_status_t status = wanted (self->status, def, value);
	if (first || status == self->status) {
		*self = (level_t){ .status = status };
		return status;
	}
	/* Between "worse" and "much worse" the time goes on; between worse and better it begins anew. */
	bool worse = status > self->status;
	bool leaned = self->leaning && (self->leaning > self->status) == worse;
	if (!leaned)
		self->since = now;
	self->leaning = status;
	if (mono_since (now, self->since) >= (worse ? def->rise_ns : def->fall_ns))
		*self = (level_t){ .status = status };
	return self->status;
}

probe_status_t status_worse (probe_status_t a, probe_status_t b)
{
	if (a == PROBE_STATUS_UNKNOWN)
		return b;
	if (b == PROBE_STATUS_UNKNOWN)
		return a;
	return a > b ? a : b;
}
