/* catalogues.h - what packed values mean: the catalogues that were seen, bounded, the least recently
 * used going first (wire.md, "Catalogues"). Pure, one owner, not thread-safe. */

#ifndef CLIENT_CATALOGUES_H
#define CLIENT_CATALOGUES_H

#include "belfry/v1/fabric.pb-c.h"

typedef struct catalogues client_catalogues_t;

/* bytes_max: of packed catalogues kept, at least one catalogue is. 0, or -ENOMEM. */
int client_catalogues_new (size_t bytes_max, client_catalogues_t **ret);
void client_catalogues_destroy (client_catalogues_t **self_p);

/* Keeps a copy of node's catalogue. One hash of one node always means the same: a known one is only
 * marked as used. 0, or -ENOMEM. */
int client_catalogues_put (
        client_catalogues_t *self, const char *node, const Belfry__V1__Catalogue *catalogue);

/* The catalogue, borrowed until the next put; NULL when it is not known. */
const Belfry__V1__Catalogue *client_catalogues_get (
        client_catalogues_t *self, const char *node, uint64_t hash);

size_t client_catalogues_count (const client_catalogues_t *self);

#endif
