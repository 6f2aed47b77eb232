/* disks.h - /proc/diskstats. */

#ifndef AGENTS_PROBES_HEALTH_DISKS_H
#define AGENTS_PROBES_HEALTH_DISKS_H

#include "agents/probes/health/collect.h"

typedef struct {
	source_t diskstats;
} disks_t;

void disks_open (disks_t *self, const collect_t *c);
void disks_close (disks_t *self);
void disks_collect (disks_t *self, collect_t *c);

/* Whether a device's figures are those of another one: a partition, a loop or RAM disk, as
 * node_exporter's default ^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+$ says. */
bool disks_excluded (const char *device);

#endif
