/* keyring.h - the cluster's epochs and the node keys made from them (wire.md, "Frames on the stream").
 *
 * A keyring file has one key a line: EPOCH next|active|retiring secret|node:NAME HEX64; blank lines
 * and lines that begin with '#' are skipped. With `secret` every node's key can be derived; with
 * `node:NAME` only that one is held (hardened). All keys live in guarded slabs of sodium_malloc,
 * are locked in memory and wiped. One owner, not thread-safe. */

#ifndef WIRE_KEYRING_H
#define WIRE_KEYRING_H

#include <stdint.h>

#include "base/error.h"
#include "base/span.h"
#include "wire/mac.h"

typedef enum { KEY_NEXT = 1, KEY_ACTIVE, KEY_RETIRING } key_state_t;

enum { KEYRING_EPOCHS_MAX = 16, KEYRING_FILE_MAX = 64 * 1024 };

typedef struct keyring keyring_t;

/* Reads a keyring file: a regular file of this user or root, mode without group and other bits.
 * 0; -EACCES for its mode or owner, -EINVAL for its text, -ENOMEM or open(2)'s errno, each with
 * err set and *ret untouched. */
int keyring_load (const char *file, keyring_t **ret, err_t *err);
/* The same from text; name stands for the file in err. */
int keyring_parse (const char *text, size_t size, const char *name, keyring_t **ret, err_t *err);
/* Wipes, frees and nulls. NULL-safe. Every mac_key_t got from it dies with it. */
void keyring_destroy (keyring_t **self_p);

/* The key of node under epoch, derived once and kept; valid until the keyring is destroyed. NULL
 * when the epoch is unknown, this keyring holds no key for that node, or memory is out. */
const mac_key_t *keyring_node_key (keyring_t *self, uint32_t epoch, span_t node);

/* The same for a name that nobody has proven yet: nothing is kept, so a flood of names costs no memory.
 * Valid until the next call on this keyring. */
const mac_key_t *keyring_peek_key (keyring_t *self, uint32_t epoch, span_t node);

/* The epoch to sign under for node: the one active with a key for it, or 0. */
uint32_t keyring_active_epoch (const keyring_t *self, span_t node);

/* Whether the cluster secret of any epoch is here (else only single nodes' keys). */
bool keyring_has_secret (const keyring_t *self);

/* K = BLAKE2b-256 keyed with the target's node key over "belfry/probe/v1\0" ‖ L(prober).
 * 0, or -ENOKEY when there is no key for the target under that epoch. */
int keyring_probe_key (
        keyring_t *self, uint32_t epoch, span_t target, span_t prober, uint8_t out[MAC_KEY_SIZE]);

/* The raw node key, for `belfry keygen node`: BLAKE2b-256 keyed with the epoch's secret over
 * "belfry/node-key/v1\0" ‖ u32(epoch) ‖ L(node). 0, or -ENOKEY. The caller wipes out. */
int keyring_derive (keyring_t *self, uint32_t epoch, span_t node, uint8_t out[MAC_KEY_SIZE]);

/* Visits the entries in the file's order: node is empty for a secret. */
typedef void keyring_visit_fn (void *arg, uint32_t epoch, key_state_t state, span_t node);
void keyring_visit (const keyring_t *self, keyring_visit_fn *visit, void *arg);

#endif
