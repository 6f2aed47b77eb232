/* snapshot.h - the newest envelope of each topic, as the collector had it when the subscriber joined,
 * put into an order for reading. Pure. */

#ifndef CLIENT_SNAPSHOT_H
#define CLIENT_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>

#include "belfry/v1/control.pb-c.h"

typedef struct client_snapshot client_snapshot_t;

/* Bounds of what a collector can make a subscriber hold. */
enum { SNAPSHOT_CHUNKS_MAX = 4096, SNAPSHOT_BYTES_MAX = 256 * 1024 * 1024 };

/* 0, or -ENOMEM. */
int client_snapshot_new (client_snapshot_t **ret);
void client_snapshot_destroy (client_snapshot_t **self_p);

/* Adds the chunk of an answer that bears one, which it takes on success. 0; -EPROTO when it is not the
 * next chunk; -EMSGSIZE past the bounds; -ENOMEM. */
int client_snapshot_add (client_snapshot_t *self, Belfry__V1__Control *answer);

/* Orders the frames: catalogues first, then channel by channel, what comes seldom first: system,
 * lifecycle, alerts, ... mixed: one of each channel in turn. 0, or -ENOMEM. */
int client_snapshot_order (client_snapshot_t *self, bool mixed);

size_t client_snapshot_count (const client_snapshot_t *self);
/* i below the count, in the order. Borrowed. */
const Belfry__V1__Frame *client_snapshot_frame (const client_snapshot_t *self, size_t i);

size_t client_snapshot_sequences (const client_snapshot_t *self);
const Belfry__V1__NodeSequence *client_snapshot_sequence (const client_snapshot_t *self, size_t i);

#endif
