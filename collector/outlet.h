/* outlet.h - the shell's side of who subscribes at the outlet: reads the XPUB's subscriptions, looks at
 * the connections that brought them, and carries out what subscribers.h decides. A subscriber over its
 * budget is shut out; one that does not keep up is named. */

#ifndef COLLECTOR_OUTLET_H
#define COLLECTOR_OUTLET_H

#include "collector/core.h"
#include "collector/door.h"
#include "net/link.h"

typedef struct outlet outlet_t;

/* Borrows all of them: door says who may subscribe, NULL: anybody; link is the XPUB; on-demand prefixes go on to the agents through intake. 0 or
 * negative errno. */
int outlet_new (door_t *door, link_t *link, link_t *intake, core_t *core, outlet_t **ret);
void outlet_destroy (outlet_t **self_p);

/* Takes a bounded batch of subscriptions. All are read, always: what nobody reads piles up in ZeroMQ. */
void outlet_take (outlet_t *self, moment_t now);
/* Looks at every connection's queue; once a second. */
void outlet_look (outlet_t *self, moment_t now);

#endif
