/* demand.h - who listens: the prefixes that the stream's XPUB says are subscribed (wire.md, "On
 * demand"). What nobody listens to is not sent, and what need not be computed is not.
 * Pure: no I/O, clock, logging or globals. One owner, not thread-safe. */

#ifndef AGENTS_DEMAND_H
#define AGENTS_DEMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"
#include "wire/describe.h"

enum { DEMAND_PREFIXES_MAX = 256 };

typedef struct demand demand_t;

/* What a subscription message did. */
enum { DEMAND_E_HEARD = 1, DEMAND_E_UNHEARD, DEMAND_E_MALFORMED, DEMAND_E_FULL };

/* 0, or -ENOMEM with *ret untouched. cluster, node: copied; valid names. */
int demand_new (const char *cluster, const char *node, demand_t **ret);
/* Frees and nulls. NULL-safe. */
void demand_destroy (demand_t **self_p);

/* Notes one message of an XPUB that tells each peer's subscriptions: 1 and a prefix subscribes, 0 and
 * a prefix unsubscribes. 0: noted; HEARD: noted, and this node's events have one more listener;
 * UNHEARD: noted, and the last one left; MALFORMED: neither, ignored; FULL: beyond
 * DEMAND_PREFIXES_MAX different prefixes, ignored, counted in demand_refused. */
int demand_note (demand_t *self, span_t message);

/* Whether anybody takes this node's heartbeats, so every channel that is not on demand. */
bool demand_heard (const demand_t *self);
/* Whether anybody listens to that channel and class ("trace"; "debug" for logging). On demand the
 * prefix of everything does not count. */
bool demand_wanted (const demand_t *self, channel_t channel, const char *class);

size_t demand_count (const demand_t *self);
uint64_t demand_refused (const demand_t *self);

#endif
