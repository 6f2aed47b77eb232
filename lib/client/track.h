/* track.h - which events of each node a subscriber has, and which never came (wire.md, "Subscribers").
 *
 * A snapshot says where each node's sequences stand: what the stream brings from before that is not
 * newer. Behind it durable sequences are deduplicated exactly, volatile ones must increase. Pure:
 * no I/O, clock, logging or globals. One owner, not thread-safe. */

#ifndef CLIENT_TRACK_H
#define CLIENT_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/span.h"
#include "belfry/v1/control.pb-c.h"
#include "belfry/v1/event.pb-c.h"
#include "wire/refusal.h"

enum { TRACK_NODES_MAX = 65536, TRACK_TOPICS_MAX = 1 << 20 };

typedef struct track track_t;

/* 0, or -ENOMEM. */
int track_new (track_t **ret);
void track_destroy (track_t **self_p);

/* One event of the snapshot: newest of its topic so far. 0 or -ENOMEM, -ENOSPC. */
int track_snapshot_event (track_t *self, span_t topic, const Belfry__V1__Header *header);
/* Where a node's sequences stood when the snapshot was made. */
int track_snapshot_sequence (track_t *self, const Belfry__V1__NodeSequence *sequence);

typedef enum { TRACK_NEW, TRACK_NOT_NEWER, TRACK_REFUSED } track_verdict_t;

/* One event of the stream. *ret_reason is set with TRACK_REFUSED: INCARNATION (older than the node's
 * newest), NONCE (the incarnation under another nonce), REPLAYED, LIMIT. */
track_verdict_t track_event (
        track_t *self, span_t topic, const Belfry__V1__Header *header, refusal_t *ret_reason);

/* A heartbeat says what its node has sent; that binds 200 ms later, since beats may overtake events. */
void track_beat (
        track_t *self, const Belfry__V1__Header *header, const Belfry__V1__Heartbeat *beat, mono_t now);

/* Sequences that never came, of all nodes: true only for who receives every topic. */
uint64_t track_lost (const track_t *self);

#endif
