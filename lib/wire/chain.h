/* chain.h - the journal's hash chain and its checkpoints (schema/README.md, "The journal's chain"): made
 * by the collector's journal, checked by whoever holds its public key. Pure. */

#ifndef WIRE_CHAIN_H
#define WIRE_CHAIN_H

#include "wire/mark.h"

enum {
	CHAIN_HASH_SIZE = 32,
	CHAIN_PUBLIC_KEY_SIZE = 32,
	CHAIN_SECRET_KEY_SIZE = 64,
	CHAIN_SIGNATURE_SIZE = 64,
};

/* The hash of the record with that mark behind the one whose hash is previous (zeros before the first).
 * out may be previous. */
void chain_hash (const uint8_t previous[CHAIN_HASH_SIZE], const mark_t *mark, span_t topic, span_t envelope,
        uint8_t out[CHAIN_HASH_SIZE]);

typedef struct {
	uint8_t journal[MARK_JOURNAL_SIZE];
	uint64_t offset;
	uint8_t hash[CHAIN_HASH_SIZE];
	uint64_t time_ns; /* UTC, when it was signed */
	uint8_t public_key[CHAIN_PUBLIC_KEY_SIZE];
	uint8_t signature[CHAIN_SIGNATURE_SIZE];
} checkpoint_t;

/* Fills the signature; public_key must be the secret's. */
void checkpoint_sign (checkpoint_t *self, const uint8_t secret_key[CHAIN_SECRET_KEY_SIZE]);
/* Whether the signature is public_key's own. */
bool checkpoint_verify (const checkpoint_t *self);

#endif
