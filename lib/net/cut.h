/* cut.h - ends the connections of a bound CURVE link whose clients are no longer let in. ZAP is asked once a
 * connection, so who leaves the list (zap.h) has to be cut off.
 *
 * libzmq tells no key with a connection before a message comes over it. So what is known is who is still
 * let in, from the messages; every other connection of the link is ended. An honest one of those comes
 * back at once. One owner, not thread-safe. */

#ifndef NET_CUT_H
#define NET_CUT_H

#include "net/zap.h"

typedef struct cutter cutter_t;

/* link: bound on tcp, borrowed as zap is. 0; -EINVAL for another link, -ENOMEM. */
int cutter_new (zap_t *zap, link_t *link, cutter_t **ret);
void cutter_destroy (cutter_t **self_p);

/* A frame that the link received from a client let in under that admission. */
void cutter_note (cutter_t *self, const frame_t *frame, uint64_t admission);

/* Ends each connection of the link but those of clients that are still let in. Returns how many; negative
 * errno when they cannot be listed. What a peer's kernel has already cannot be called back. */
int cutter_cut (cutter_t *self);

#endif
