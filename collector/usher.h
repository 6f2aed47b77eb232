/* usher.h - says, counts and publishes what subscribers do: who was shut out, who does not keep up.
 * Bounded, since who can subscribe can do it again and again. Pure. One owner, not thread-safe. */

#ifndef COLLECTOR_USHER_H
#define COLLECTOR_USHER_H

#include "collector/herald.h"
#include "collector/subscribers.h"

typedef struct usher usher_t;

/* All are borrowed. 0 or -ENOMEM. */
int usher_new (view_t *view, herald_t *herald, const core_port_t *port, usher_t **ret);
void usher_destroy (usher_t **self_p);

/* It went over a budget. An AccessViolation and a line in the log, each for one in 10 s. */
void usher_over (usher_t *self, const subscriber_t *subscriber, moment_t now);
/* It became slow, or is slow no longer. At most 20 lines in 10 s. */
void usher_slow (usher_t *self, const subscriber_t *subscriber, moment_t now);
/* Brings the figures up to date. */
void usher_tick (usher_t *self);

#endif
