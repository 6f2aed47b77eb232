/* way.h - one connection to a collector: a link that is kept at its endpoint (net/keeper.h), with CURVE where
 * there are keys. Where the collector refuses it the log says so, and what would be right, once a minute.
 * On the main loop. */

#ifndef AGENTS_WAY_H
#define AGENTS_WAY_H

#include "net/link.h"
#include "net/loop.h"

typedef struct way way_t;

/* Borrowed for as long as a way made with them lives. */
typedef struct {
	const link_curve_t *curve; /* NULL: none */
	const char *public_key;    /* our own in Z85; NULL without CURVE */
} way_keys_t;

/* Connects and adds itself to loop; ready is called while link has something. endpoint is copied. 0, or negative
 * errno with err. */
int way_new (net_context_t *context, loop_t *loop, link_kind_t kind, const char *endpoint,
        const way_keys_t *keys, loop_link_fn *ready, void *arg, way_t **ret, err_t *err);
/* NULL-safe. */
void way_destroy (way_t **self_p);

link_t *way_link (way_t *self);

#endif
