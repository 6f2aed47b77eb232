/* cpu.h - /proc/stat, loadavg and softnet_stat: what the processors do, and how much of it there is. */

#ifndef AGENTS_PROBES_HEALTH_CPU_H
#define AGENTS_PROBES_HEALTH_CPU_H

#include "agents/probes/health/collect.h"

typedef struct {
	source_t stat, loadavg, softnet;
	double ticks_per_second;
	uint64_t busy, total; /* ticks of all processors, as of the ratio */
	bool counted;
	double used_ratio; /* of the interval; NAN before there is one */
	double load[3];    /* NAN where unknown */
} cpu_t;

void cpu_open (cpu_t *self, const collect_t *c);
void cpu_close (cpu_t *self);
void cpu_collect (cpu_t *self, collect_t *c);

#endif
