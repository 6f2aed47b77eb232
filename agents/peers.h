/* peers.h - probes other agents on 7704 over standing connections (agents/peer_wire.h), and says what
 * was seen: round trips, ages, and what the kernel answered. Never a verdict.
 *
 * On the main loop; nothing blocks. A probe goes out at each tick on each connection that stands, so
 * the process wakes once for beat and probes. A connection that ended is made again at once: what a
 * fresh connect meets (refused, silence) is evidence. */

#ifndef AGENTS_PEERS_H
#define AGENTS_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "belfry/v1/control.pb-c.h"
#include "net/loop.h"
#include "wire/mac.h"
#include "wire/topic.h"

enum { PEERS_MAX = 64 };

/* Without an answer for this long, while probes go out, a target is silent. */
#define PEERS_SILENT_NS (600 * NS_PER_MS)
/* A connection on which the kernel has acknowledged nothing for so long is given up. */
#define PEERS_DEAD_NS (3 * NS_PER_S)
#define PEERS_CONNECT_NS NS_PER_S

typedef struct peers peers_t;

/* One entry of a Roster, borrowed for the call. */
typedef struct {
	const char *node, *address; /* tcp://ADDRESS:PORT, numeric */
	const uint8_t *key;         /* MAC_KEY_SIZE bytes; NULL: a fabric without keys */
	uint32_t key_epoch;         /* under which the target finds the same key; 0 without */
} peer_target_t;

typedef struct {
	const char *node; /* borrowed until the next peers_set_targets */
	Belfry__V1__PeerState state;
	int64_t rtt_ns, age_ns;      /* of the last answer; age -1: never one */
	int64_t acknowledged_age_ns; /* since the target's kernel last acknowledged anything; -1: never */
	uint32_t unacknowledged;     /* segments that wait for the kernel's acknowledgement (TCP_INFO) */
	uint64_t probes, answers;
} peer_observation_t;

typedef struct {
	uint64_t probes, answers, connects, refused, resets, timeouts;
	uint64_t mac;         /* answers whose MAC does not fit: the connection was closed */
	uint64_t unaddressed; /* targets left out: no numeric address, or this node itself */
} peers_counters_t;

/* node: this one, the prober; copied. first_nonce: random. 0, or -ENOMEM with *ret untouched. */
int peers_new (loop_t *loop, const char *node, uint64_t first_nonce, peers_t **ret);
/* NULL-safe. */
void peers_destroy (peers_t **self_p);

/* The targets from now on: those that stay keep their connections and figures. More than PEERS_MAX
 * are left out and counted. 0, or -ENOMEM (some may be missing then). */
int peers_set_targets (peers_t *self, const peer_target_t *targets, size_t n, mono_t now);

/* Sends a probe to each target whose connection stands, connects where it is time, notes silence. */
void peers_tick (peers_t *self, mono_t now);
/* Calls changed (arg) on the loop, after the handler that noticed it, when a target's state changed
 * between ticks: what the kernel says of a death should not wait for the next one. */
typedef void peers_changed_fn (void *arg);
void peers_on_change (peers_t *self, peers_changed_fn *changed, void *arg);
/* Whether a target's state has changed since the last call. */
bool peers_take_changed (peers_t *self);

size_t peers_count (const peers_t *self);
/* What is known of target i, below peers_count. */
void peers_observe (const peers_t *self, size_t i, mono_t now, peer_observation_t *ret);
const peers_counters_t *peers_counters (const peers_t *self);

#endif
