/* subscriber.h - one subscriber of everything, with lib/client's pure parts: it joins by the contract
 * (subscribe, the first beat, the snapshot), verifies what the collector republishes, and keeps its own
 * books. */

#ifndef TESTS_SIM_SUBSCRIBER_H
#define TESTS_SIM_SUBSCRIBER_H

#include "world.h"

subscriber_t *subscriber_new (world_t *world);
void subscriber_destroy (subscriber_t **self_p);

void subscriber_start (subscriber_t *self);
/* Begins anew, with empty books. */
void subscriber_restart (subscriber_t *self);
/* Listens to traces, or does so no more. */
void subscriber_trace (subscriber_t *self, bool on);
conn_t *subscriber_stream (const subscriber_t *self);

bool subscriber_joined (const subscriber_t *self);
uint64_t subscriber_received (const subscriber_t *self);
/* Sequences that its books miss. */
uint64_t subscriber_lost (const subscriber_t *self);
/* What a collector that began again let through, and the subscriber refused: old messages that somebody
 * replays then, since this release keeps no high-water marks over a restart. */
uint64_t subscriber_replayed (const subscriber_t *self);

#endif
