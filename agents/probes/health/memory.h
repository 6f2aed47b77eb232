/* memory.h - /proc/meminfo and vmstat. */

#ifndef AGENTS_PROBES_HEALTH_MEMORY_H
#define AGENTS_PROBES_HEALTH_MEMORY_H

#include "agents/probes/health/collect.h"

typedef struct {
	source_t meminfo, vmstat;
	names_t meminfo_names, vmstat_names;
	double used_ratio; /* 1 - available / total; NAN where unknown */
	uint64_t total_bytes, available_bytes;
} memory_t;

void memory_open (memory_t *self, const collect_t *c);
void memory_close (memory_t *self);
void memory_collect (memory_t *self, collect_t *c);

#endif
