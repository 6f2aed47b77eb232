/* listener.h - answers the probes of other agents and of collectors on 7704 (agents/peer_wire.h).
 *
 * On the main loop, so that an answer proves that this loop runs. At most LISTENER_CONNECTIONS_MAX
 * connections; where they are all taken, one that never proved its key makes room. Silent ones are
 * closed. What is wrong is counted by reason, and the connection closed. */

#ifndef AGENTS_LISTENER_H
#define AGENTS_LISTENER_H

#include "base/error.h"
#include "net/loop.h"
#include "wire/keyring.h"

enum { LISTENER_CONNECTIONS_MAX = 64, LISTENER_BACKLOG = 1024 };
#define LISTENER_IDLE_NS (10 * NS_PER_S)

typedef struct listener listener_t;

typedef struct {
	uint64_t accepted, open, answered;
	uint64_t malformed; /* no hello of this protocol */
	uint64_t key;       /* no key for that epoch, signed where there are no keys, or the reverse */
	uint64_t mac;       /* the MAC of a probe does not fit */
	uint64_t idle;      /* closed after LISTENER_IDLE_NS without a probe */
	uint64_t full;      /* refused or evicted: LISTENER_CONNECTIONS_MAX */
} listener_counters_t;

/* Listens on endpoint and adds itself to loop. node: this one, the target of the probes; copied.
 * keyring: borrowed; NULL: none (insecure). 0; negative errno with err naming the endpoint. */
int listener_new (loop_t *loop, const char *endpoint, const char *node, keyring_t *keyring, listener_t **ret,
        err_t *err);
/* Closes everything. NULL-safe. */
void listener_destroy (listener_t **self_p);

/* Closes what was idle for too long. Any cadence of a second or so. */
void listener_tick (listener_t *self, mono_t now);
/* Another keyring (a reload): connections made under the old one are closed, their probers come again. */
void listener_set_keyring (listener_t *self, keyring_t *keyring);
/* "tcp://127.0.0.1:7704", as bound. */
const char *listener_endpoint (const listener_t *self);
const listener_counters_t *listener_counters (const listener_t *self);

#endif
