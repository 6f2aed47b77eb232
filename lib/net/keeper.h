/* keeper.h - keeps a connecting link connected to its one endpoint, and knows why it is not.
 *
 * ZeroMQ tries for ever where nobody listens, but never again after a refused key or another mechanism,
 * and as fast as it can where the handshake is cut short (a wrong server key). The keeper connects anew:
 * after 100 ms, doubling to 10 s, a quarter more or less by chance. A key that is allowed later gets in
 * by itself.
 *
 * On the thread of the loop. */

#ifndef NET_KEEPER_H
#define NET_KEEPER_H

#include "net/loop.h"

typedef struct keeper keeper_t;

typedef enum {
	KEEPER_TRYING = 1, /* nobody answers yet, or not any more */
	KEEPER_CONNECTED,
	KEEPER_DENIED,  /* the server knows our key, and says no */
	KEEPER_CUT,     /* the server ends each handshake: it is another than server_key says, or no ZeroMQ */
	KEEPER_MISMATCH /* one side has CURVE, the other has not */
} keeper_state_t;

/* The state is another than before, or trouble came again. */
typedef void keeper_fn (void *arg, keeper_state_t state);

/* Connects link, which has no monitor and no other endpoint, to endpoint (copied). changed may be NULL; it
 * is not called from here. 0, or negative errno with err set. */
int keeper_new (loop_t *loop, link_t *link, const char *endpoint, keeper_fn *changed, void *arg,
        keeper_t **ret, err_t *err);
/* Before the link and the loop. NULL-safe. */
void keeper_destroy (keeper_t **self_p);

keeper_state_t keeper_state (const keeper_t *self);
/* Takes what the monitor has, for who waits without turning the loop. */
void keeper_look (keeper_t *self);

/* Whether who waits for the link waits in vain: DENIED, MISMATCH, or CUT with CURVE (without, it may be
 * anything that listens there). *ret then says what stands in the way and what to do. public_key: our own in
 * Z85; NULL without CURVE. */
bool keeper_in_vain (const keeper_t *self, const char *public_key, err_t *ret);

#endif
