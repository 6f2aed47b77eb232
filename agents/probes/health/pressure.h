/* pressure.h - /proc/pressure: the time in which work waited for a processor, memory or a disk. */

#ifndef AGENTS_PROBES_HEALTH_PRESSURE_H
#define AGENTS_PROBES_HEALTH_PRESSURE_H

#include "agents/probes/health/collect.h"

enum { PRESSURE_CPU, PRESSURE_IO, PRESSURE_MEMORY, PRESSURE_IRQ, PRESSURES };

typedef struct {
	source_t source;
	uint64_t some_us, full_us;
	bool counted;
	mono_t since;
	double some_ratio;              /* over the interval; NAN where unknown */
	double full_avg60, full_avg300; /* ratios, the kernel's averages; NAN where unknown */
} pressure_resource_t;

typedef struct {
	pressure_resource_t of[PRESSURES];
} pressure_t;

void pressure_open (pressure_t *self, const collect_t *c);
void pressure_close (pressure_t *self);
void pressure_collect (pressure_t *self, collect_t *c);

#endif
