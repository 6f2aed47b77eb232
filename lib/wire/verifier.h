/* verifier.h - reads a journal's records in order and says which is the first that does not fit its chain
 * (chain.h): a changed one, missing ones, newest ones that are gone. For whoever holds the collector's
 * public key. Pure. */

#ifndef WIRE_VERIFIER_H
#define WIRE_VERIFIER_H

#include "base/error.h"
#include "wire/chain.h"

typedef enum {
	VERIFIER_SOUND,
	VERIFIER_CHANGED,    /* a record's hash is not that of its content behind its predecessor */
	VERIFIER_MISSING,    /* offsets that are not there */
	VERIFIER_CHECKPOINT, /* a checkpoint that was not signed by the key, or not over this chain */
	VERIFIER_TRUNCATED,  /* a head or checkpoint names offsets behind the newest record */
	VERIFIER_JOURNAL,    /* another journal's */
} verifier_finding_t;

typedef struct {
	bool has_journal, has_key;
	uint8_t journal[MARK_JOURNAL_SIZE], public_key[CHAIN_PUBLIC_KEY_SIZE];
	uint64_t next; /* the offset that must come; 0: the first that comes, under no anchor */
	uint8_t hash[CHAIN_HASH_SIZE]; /* of the record before it */
	bool adrift;                   /* which could not be read: its hash is not known */
	uint64_t first, records, checkpoints;
	/* The first finding, and how many there were. */
	verifier_finding_t finding;
	uint64_t at; /* its offset */
	uint64_t findings;
	err_t text; /* a sentence */
} verifier_t;

/* public_key: the one that must have signed; NULL: the first checkpoint's, which shows less. */
void verifier_init (verifier_t *self, const uint8_t *public_key);
/* The record before the first that comes, and its hash; offset 0 and zeros for the journal's beginning. */
void verifier_anchor (verifier_t *self, uint64_t offset, const uint8_t hash[CHAIN_HASH_SIZE]);
/* The next record, with the hash that is stored for it. topic and envelope empty: it could not be read. */
void verifier_record (verifier_t *self, const mark_t *mark, span_t topic, span_t envelope,
        const uint8_t stored[CHAIN_HASH_SIZE]);
/* A checkpoint: one that lies ahead is held against the record when it was given before it; so give those
 * of offsets up to the newest record right behind their record. */
void verifier_checkpoint (verifier_t *self, const checkpoint_t *checkpoint);
/* No more records. newest: the greatest offset that anybody named. */
void verifier_end (verifier_t *self, uint64_t newest);

#endif
