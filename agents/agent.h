/* agent.h - belfry-agent as a whole: one loop that beats, speaks with the collectors, probes peers,
 * answers theirs and takes in applications; the probes on a thread of their own beside it.
 *
 * The loop never touches a disk and never waits: what may block runs on a worker or on the probes'
 * thread. */

#ifndef AGENTS_AGENT_H
#define AGENTS_AGENT_H

#include "belfry/v1/common.pb-c.h"
#include "conf/agent_config.h"
#include "wire/curve_key.h"
#include "wire/keyring.h"

typedef struct agent agent_t;

/* A reload asked for by SIGHUP: the program reads its files and calls agent_reload. */
typedef void agent_hangup_fn (void *arg, agent_t *self);

/* Takes the state directory, binds, connects and starts the probes. config and curve (NULL: none) are
 * borrowed for good, keyring until the agent_reload that brings another; NULL: insecure.
 * Signals are blocked before (loop_block_signals). 0; or negative errno with err saying what, where
 * and what would be right. */
int agent_new (const agent_config_t *config, keyring_t *keyring, const curve_key_t *curve,
        agent_hangup_fn *hangup, void *arg, agent_t **ret, err_t *err);
/* Runs until SIGTERM or SIGINT, says goodbye. 0 or negative errno of the loop itself. */
int agent_run (agent_t *self);
/* NULL-safe. False when a probe or a disk still hangs: nothing that it may touch was freed then, and
 * the process should end with _exit. */
bool agent_destroy (agent_t **self_p);

/* Takes over what a reload may change: keyring (NULL: it stays), intervals, audit_uids; what changed is
 * said as ConfigChanged. config is borrowed for the call; the old keyring may be freed afterwards. */
void agent_reload (agent_t *self, const agent_config_t *config, keyring_t *keyring,
        Belfry__V1__Change **changes, size_t n_changes);

#endif
