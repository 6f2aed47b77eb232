/* catalogues.h - what packed values mean: the catalogues that were seen, bounded, the least recently
 * used going first (wire.md, "Catalogues"). Pure, one owner, not thread-safe. */

#ifndef CLIENT_CATALOGUES_H
#define CLIENT_CATALOGUES_H

#include "belfry/v1/fabric.pb-c.h"

typedef struct catalogues catalogues_t;

/* bytes_max: of packed catalogues kept, at least one catalogue is. 0, or -ENOMEM. */
int catalogues_new (size_t bytes_max, catalogues_t **ret);
void catalogues_destroy (catalogues_t **self_p);

/* Keeps a copy of node's catalogue. One hash of one node always means the same: a known one is only
 * marked as used. 0, or -ENOMEM. */
int catalogues_put (catalogues_t *self, const char *node, const Belfry__V1__Catalogue *catalogue);

/* The catalogue, borrowed until the next put; NULL when it is not known. */
const Belfry__V1__Catalogue *catalogues_get (catalogues_t *self, const char *node, uint64_t hash);

size_t catalogues_count (const catalogues_t *self);

#endif
