/* talk.h - the control link to one collector: moves bytes between a DEALER and a session, checks and
 * makes MACs. On the main loop; never blocks. */

#ifndef AGENTS_TALK_H
#define AGENTS_TALK_H

#include "agents/peers.h"
#include "agents/session.h"
#include "agents/way.h"
#include "net/link.h"
#include "net/loop.h"
#include "wire/keyring.h"

typedef struct talk talk_t;

/* What every Hello says. Strings are borrowed; incarnation and nonce change under way. */
typedef struct {
	const char *cluster, *node, *peer_address; /* peer_address "": it listens for none */
	int64_t heartbeat_ns;
	keyring_t *keyring; /* NULL: insecure */
	uint64_t incarnation, boot_nonce;
} talk_identity_t;

/* What the collector's words lead to. Messages are borrowed for the call. */
typedef struct {
	void *arg;
	void (*welcomed) (void *arg, talk_t *talk, const Belfry__V1__Welcome *welcome, bool newly);
	void (*superseded) (void *arg, talk_t *talk, uint64_t at_least);
	void (*roster) (void *arg, talk_t *talk, const Belfry__V1__Roster *roster, uint32_t key_epoch);
	/* Fills result, whose strings the callee keeps valid until its next call. */
	void (*command) (void *arg, talk_t *talk, const Belfry__V1__Command *command,
	        Belfry__V1__CommandResult *result);
	void (*lost) (void *arg, talk_t *talk);
	void (*acknowledged) (void *arg, talk_t *talk, const Belfry__V1__Ack *ack);
	/* The oldest that waits for this collector: its Hello says so. */
	void (*oldest) (void *arg, const talk_t *talk, Belfry__V1__Hello *hello);
} talk_hooks_t;

typedef struct {
	uint64_t sent, unsent; /* unsent: no connection, or its queue was full */
	uint64_t received;
	uint64_t refused; /* not one frame, malformed, unsigned, a MAC that does not fit, out of place */
	uint64_t stale;   /* answers to nothing that is open */
} talk_counters_t;

/* Connects to endpoint and adds itself to loop. keys and identity are borrowed for good, hooks copied, endpoint
 * copied. 0, or negative errno with err set. */
int talk_new (net_context_t *context, loop_t *loop, const char *endpoint, const way_keys_t *keys,
        const talk_identity_t *identity, const talk_hooks_t *hooks, mono_t now, talk_t **ret, err_t *err);
/* NULL-safe. */
void talk_destroy (talk_t **self_p);

/* Says what is due. peers: what a report is made of; changed: it is not what the last one said. */
void talk_tick (talk_t *self, const peers_t *peers, bool changed, mono_t now);
/* Sends what was not acknowledged. 0; -EAGAIN without a connection, -EMSGSIZE. */
int talk_resend (talk_t *self, Belfry__V1__Resend *resend);
/* Says hello at the next tick. */
void talk_greet (talk_t *self, mono_t now);

bool talk_welcomed (const talk_t *self);
const char *talk_endpoint (const talk_t *self);
const talk_counters_t *talk_counters (const talk_t *self);

#endif
