/* core.h - the collector's decisions as one pure pipeline: verify, sequence, view, detection,
 * alerts, journal (architecture.md, "Pure cores, thin shells"). No sockets, files, clock, randomness,
 * logging or globals: bytes and moments come in, bytes and updates go out through the port.
 * The shell (fabric.c) and the simulator drive the same core. One owner, not thread-safe.
 *
 * A volatile event goes on at once. A durable one is taken in at once too, and goes on when the journal has
 * committed it: the core asks for the commit, and is told what came of it. */

#ifndef COLLECTOR_CORE_H
#define COLLECTOR_CORE_H

#include "base/clock.h"
#include "base/error.h"
#include "base/span.h"
#include "store/journal.h"
#include "wire/keyring.h"
#include "wire/refusal.h"
#include "wire/role.h"

typedef struct core core_t;

/* What is to be read from the journal; borrowed for the call. */
typedef struct {
	journal_query_t query;
	bool chain;           /* with checkpoints and the anchor */
	uint32_t deadline_ms; /* so long the asker waits; 0: it does not say */
} core_reading_t;

enum { CORE_PAGE_BYTES = 512 * 1024, CORE_PAGE_CHECKPOINTS = 256 };

/* What was read. Where chain was asked for: checkpoints are those of the entries' offsets, and the newest in
 * the last page; anchor is the hash before the first entry, zeros before the journal's first. */
typedef struct {
	const journal_entry_t *entries;
	size_t n;
	uint64_t next;
	bool last;
	const checkpoint_t *checkpoints;
	size_t n_checkpoints;
	uint8_t anchor[CHAIN_HASH_SIZE];
	journal_figures_t figures;
} core_page_t;

/* What the core asks of its shell; called within a step, spans borrowed for the call. */
typedef struct {
	void *arg;
	/* For the outlet: a sealed event of the collector's own, or a durable one of a node as it came. mark: the
	 * third frame of what is in the journal; empty: there is none. */
	void (*publish) (void *arg, span_t topic, span_t envelope, span_t mark);
	/* A control frame for the peer whose ROUTER identity it is. */
	void (*control) (void *arg, span_t peer, span_t bytes);
	/* What the journal is to commit as one; the shell's until core_committed, which it does not call from
	 * here. One at a time. */
	void (*commit) (void *arg, journal_batch_t *batch);
	/* A reading for that peer's request of that id. 0: core_read_done follows, not from here; -EBUSY: too
	 * many wait; other negative errno. */
	int (*read) (void *arg, span_t peer, uint64_t id, const core_reading_t *asked);
	/* Something a person should read in the log: level of base/log.h. */
	void (*say) (void *arg, int level, const char *text);
} core_port_t;

/* Who sent a control frame: its ROUTER identity, and the holder of its CURVE key; ROLE_NONE without one. */
typedef struct {
	span_t identity;
	role_t role;
	const char *name; /* "" for ROLE_NONE */
} core_peer_t;

struct rule_set; /* conf/rule.h */

typedef struct {
	const char *cluster, *name; /* copied; the collector signs as collector.<name> */
	const char *version;
	uint64_t incarnation, boot_nonce;
	keyring_t *keyring;               /* borrowed; NULL: insecure */
	const struct rule_set *rules;     /* borrowed until core_set_rules */
	uint32_t nodes_max;               /* 0: 20,000 */
	const journal_figures_t *journal; /* as it stands at the start, borrowed for core_new; NULL: empty */
	const char *const *expected; /* names that make up the quorum, borrowed for core_new; n_expected 0: */
	size_t n_expected;           /* whoever was seen */
} core_options_t;

int core_new (const core_options_t *options, const core_port_t *port, moment_t now, core_t **ret, err_t *err);
void core_destroy (core_t **self_p);

/* One message of the stream. REFUSAL_NONE, with *ret_forward: whether the frames are to be forwarded as they
 * came, or go out after the commit; else the reason, counted already. descriptor: the connection that
 * brought it, or -1 where the shell did not look. */
refusal_t core_take (
        core_t *self, span_t topic, span_t envelope, int descriptor, moment_t now, bool *ret_forward);
/* A message that had another number of frames. */
void core_refuse (core_t *self, refusal_t reason);

/* What the shell could not deliver, counted by what it was. */
typedef enum {
	CORE_DROP_OUTLET = 1,  /* the outlet did not take a message */
	CORE_DROP_CONTROL,     /* the control server did not take an answer */
	CORE_DROP_PEER_GONE,   /* the answer's peer was gone */
	CORE_DROP_SUBSCRIPTION /* an on-demand subscription above the bound */
} core_drop_t;
void core_dropped (core_t *self, core_drop_t what);

/* Who subscribes at the outlet, as the shell keeps it (subscribers.h): borrowed until NULL is given. Then
 * that one of them went over a budget, or became slow or no longer so. */
struct subscribers;
struct subscriber;
void core_watch_subscribers (core_t *self, const struct subscribers *subscribers);
void core_subscriber_over (core_t *self, const struct subscriber *subscriber, moment_t now);
void core_subscriber_slow (core_t *self, const struct subscriber *subscriber, moment_t now);

/* A connection of the intake ended. */
void core_disconnected (core_t *self, int descriptor, moment_t now);

/* One control frame from a peer. Answers go out through the port. */
void core_control (core_t *self, const core_peer_t *peer, span_t bytes, moment_t now);
/* How many handshakes of CURVE ended how, since the start. */
void core_handshakes (
        core_t *self, uint64_t admitted, uint64_t denied_key, uint64_t denied_role, uint64_t denied_other);

/* Time passes: at least every 50 ms. */
void core_tick (core_t *self, moment_t now);

/* A batch of messages or requests, or a tick, is over: asks for a commit where one is due. */
void core_flush (core_t *self, moment_t now);
/* The commit that was asked for is durable (0), or nothing of it was kept (negative errno and a sentence: it
 * is asked for again). */
void core_committed (core_t *self, int error, const char *text, moment_t now);
/* The journal made a checkpoint: it is published. */
void core_checkpoint (core_t *self, const checkpoint_t *checkpoint, moment_t now);
/* A reading is done (0 with page), or could not be (negative errno and a sentence). chain: as it was asked. */
void core_read_done (core_t *self, span_t peer, uint64_t id, bool chain, int error, const char *text,
        const core_page_t *page);

/* Something about this collector itself that belongs into a security event. type: a stable word. */
void core_alarm (core_t *self, const char *type, const char *text, moment_t now);

/* SIGHUP. Alerts of rules that are no more resolve; node keys are looked up anew. */
void core_set_rules (core_t *self, const struct rule_set *rules, moment_t now);
void core_set_keyring (core_t *self, keyring_t *keyring);

/* What an earlier run of this collector remembered, piece by piece, in any order; before core_started. */
void core_restore (core_t *self, const char *key, span_t value);

/* The signed farewell: publishes SystemLifecycle stopping / stopped. started is said by
 * core_started, when the shell's sockets are bound. */
void core_started (core_t *self, moment_t now);
void core_stopping (core_t *self, const char *reason, moment_t now);

#endif
