/* identity.h - which incarnation of its node this agent is, across restarts (wire.md, "Classes,
 * sequences, gaps").
 *
 * The state directory belongs to one agent at a time (a lock), and holds the number of the newest
 * incarnation. A number is durable before anything is sent under it. Where no number can be trusted
 * (a first start, a lost or corrupt file, a disk that does not take it) the identity is not certain:
 * the caller sends nothing until a collector has accepted the number or named the next.
 * Touches the disk: never on a thread that beats, but at start. One owner. */

#ifndef AGENTS_IDENTITY_H
#define AGENTS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct identity identity_t;

typedef struct {
	uint64_t incarnation; /* 1 or above */
	uint64_t boot_nonce;  /* random, another one each incarnation */
	bool certain;         /* nobody can have used this number before us */
} incarnation_t;

/* Opens the state directory, creating it (0700) and its parents, locks it and reads what is stored.
 * 0; with err set: -EWOULDBLOCK (another agent runs there), -ENOTDIR, -EACCES (not writable, or
 * others may write to it), or what the file system said. note: what a person should know of a file
 * that was missing or set aside; empty when there is nothing to say. */
int identity_open (const char *state_dir, identity_t **ret, err_t *note, err_t *err);
/* Unlocks, frees and nulls. NULL-safe. */
void identity_destroy (identity_t **self_p);

/* The next incarnation, at least at_least (what a collector named, or 0), with a new nonce, on disk.
 * 0. Or, with err set, the negative errno of a disk that did not take it: *ret is made all the same,
 * and not certain. */
int identity_advance (identity_t *self, uint64_t at_least, incarnation_t *ret, err_t *err);
/* A collector accepted the incarnation: the number is certain from now on, after a restart too.
 * 0 or negative errno with err set. */
int identity_confirm (identity_t *self, const incarnation_t *incarnation, err_t *err);

#endif
