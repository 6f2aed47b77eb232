/* roster.h - who probes whom: three probers for each node by rendezvous hashing (architecture.md,
 * "Failure detection"). Pure. One owner, not thread-safe.
 *
 * A change costs what it touches: a prober that comes is compared with each target's three; one that
 * goes makes only its own targets choose again. */

#ifndef COLLECTOR_ROSTER_H
#define COLLECTOR_ROSTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct roster roster_t;

enum { ROSTER_PROBERS = 3 };

/* 0 or -ENOMEM. */
int roster_new (roster_t **ret);
void roster_destroy (roster_t **self_p);

/* Node index (a node_t's) with its name's hash: whether it can be probed, and whether it can probe.
 * Index grows by one at most beyond what was said before. 0 or -ENOMEM with nothing changed. */
int roster_set (roster_t *self, uint32_t index, uint64_t hash, bool target, bool prober);

/* Grows with every change of any list. */
uint64_t roster_generation (const roster_t *self);

/* Whom prober probes: indices into out, ascending. Returns how many there are; at most max are written. */
size_t roster_targets (const roster_t *self, uint32_t prober, uint32_t *out, size_t max);
/* Who probes target. Returns how many, at most ROSTER_PROBERS. */
size_t roster_probers (const roster_t *self, uint32_t target, uint32_t out[ROSTER_PROBERS]);

/* Whether prober's list changed since this was last asked. */
bool roster_changed (roster_t *self, uint32_t prober);

/* The hash of a name, for roster_set. */
uint64_t roster_hash (const char *name);

#endif
