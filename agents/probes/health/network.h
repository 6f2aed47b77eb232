/* network.h - /proc/net/dev each cycle, and /sys/class/net a few files a cycle.
 *
 * What /sys says of a device hardly ever changes and costs an open() a file: all of a device that is
 * new, then NETWORK_FILES_A_CYCLE in turn, so a change is seen within devices * 23 / that cycles. Past
 * NETWORK_DEVICES_MAX devices only /proc/net/dev is said. */

#ifndef AGENTS_PROBES_HEALTH_NETWORK_H
#define AGENTS_PROBES_HEALTH_NETWORK_H

#include "agents/probes/health/collect.h"

enum { NETWORK_DEVICES_MAX = 64, NETWORK_FILES_A_CYCLE = 6 };

typedef struct network_device network_device_t;

typedef struct {
	source_t dev;
	network_device_t *devices; /* in the order of /proc/net/dev */
	size_t n, capacity;
	size_t turn_device, turn_file; /* what is read next */
} network_t;

void network_open (network_t *self, const collect_t *c);
void network_close (network_t *self);
void network_collect (network_t *self, collect_t *c);

#endif
