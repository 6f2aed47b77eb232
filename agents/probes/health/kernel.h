/* kernel.h - file descriptors, entropy, clock and name of the machine, and what the agent itself costs. */

#ifndef AGENTS_PROBES_HEALTH_KERNEL_H
#define AGENTS_PROBES_HEALTH_KERNEL_H

#include "agents/probes/health/collect.h"

typedef struct {
	source_t file_nr, entropy, pool_size, statm;
	int fds; /* /proc/self/fd, or -1 */
	double page_bytes;
	double descriptors_ratio; /* of the system's; NAN where unknown */
	uint64_t descriptors, descriptors_max;
} kernel_t;

void kernel_open (kernel_t *self, const collect_t *c);
void kernel_close (kernel_t *self);
void kernel_collect (kernel_t *self, collect_t *c);

#endif
