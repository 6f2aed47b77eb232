/* snapshot.h - the newest envelope of each topic, as it came (wire.md, "Subscribers"). Pure. One
 * owner, not thread-safe.
 *
 * Bytes are copied into a buffer of the topic's own that is used again; past the bound on all of
 * them together a topic is not kept, and counted. */

#ifndef COLLECTOR_VIEW_SNAPSHOT_H
#define COLLECTOR_VIEW_SNAPSHOT_H

#include <stdint.h>

#include "base/span.h"

typedef struct snapshot snapshot_t;

/* One topic's place; zero-initialise. Its topic is the owner's to know. */
typedef struct {
	uint8_t *bytes;
	uint32_t size, room;
	uint64_t incarnation, monotonic_ns;
} kept_t;

/* bytes_max: 0 is 512 MiB. 0 or -ENOMEM. */
int snapshot_new (size_t bytes_max, snapshot_t **ret);
void snapshot_destroy (snapshot_t **self_p);

/* Keeps envelope in place of what kept held, where it is newer: by (incarnation, monotonic_ns), an
 * equal one counts as newer. */
void snapshot_keep (
        snapshot_t *self, kept_t *kept, span_t envelope, uint64_t incarnation, uint64_t monotonic_ns);
void snapshot_forget (snapshot_t *self, kept_t *kept);

size_t snapshot_bytes (const snapshot_t *self);
/* Envelopes that were not kept for want of room. */
uint64_t snapshot_skipped (const snapshot_t *self);

#endif
