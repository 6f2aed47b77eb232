#include "wire/verifier.h"

#include <inttypes.h>
#include <sodium.h>
#include <string.h>

void verifier_init (verifier_t *self, const uint8_t *public_key)
{
	memset (self, 0, sizeof *self);
	if (public_key) {
		self->has_key = true;
		memcpy (self->public_key, public_key, sizeof self->public_key);
	}
}

void verifier_anchor (verifier_t *self, uint64_t offset, const uint8_t hash[CHAIN_HASH_SIZE])
{
	self->next = offset + 1;
	self->adrift = false;
	memcpy (self->hash, hash, sizeof self->hash);
}

#define FOUND(self, what, offset, ...)                             \
	do {                                                       \
		if ((self)->findings++ == 0) {                     \
			(self)->finding = (what);                  \
			(self)->at = (offset);                     \
			error_set (&(self)->text, 0, __VA_ARGS__); \
		}                                                  \
	} while (0)

static bool journal_is (verifier_t *self, const uint8_t journal[MARK_JOURNAL_SIZE], uint64_t offset)
{
	if (!self->has_journal) {
		self->has_journal = true;
		memcpy (self->journal, journal, sizeof self->journal);
	}
	if (memcmp (self->journal, journal, sizeof self->journal) == 0)
		return true;
	FOUND (self, VERIFIER_JOURNAL, offset, "offset %" PRIu64 " bears another journal's id", offset);
	return false;
}

void verifier_record (verifier_t *self, const mark_t *mark, span_t topic, span_t envelope,
        const uint8_t stored[CHAIN_HASH_SIZE])
{
	uint8_t hash[CHAIN_HASH_SIZE];
	bool behind = self->next == mark->offset && !self->adrift;
	if (self->next && mark->offset > self->next)
		FOUND (self, VERIFIER_MISSING, self->next, "offsets %" PRIu64 " to %" PRIu64 " are missing",
		        self->next, mark->offset - 1);
	else if (mark->offset < self->next)
		FOUND (self, VERIFIER_CHANGED, mark->offset,
		        "offset %" PRIu64 " comes where %" PRIu64 " is due", mark->offset, self->next);
	if (topic.size == 0) {
		FOUND (self, VERIFIER_CHANGED, mark->offset,
		        "the record at offset %" PRIu64 " does not check", mark->offset);
	} else if (journal_is (self, mark->journal, mark->offset) && behind) {
		chain_hash (self->hash, mark, topic, envelope, hash);
		if (sodium_memcmp (hash, stored, sizeof hash) != 0)
			FOUND (self, VERIFIER_CHANGED, mark->offset,
			        "the record at offset %" PRIu64 " was changed: its hash is not the chain's",
			        mark->offset);
	}
	if (!self->first)
		self->first = mark->offset;
	self->records++;
	self->next = mark->offset + 1;
	self->adrift = topic.size == 0;
	memcpy (self->hash, stored, sizeof self->hash);
}

void verifier_checkpoint (verifier_t *self, const checkpoint_t *checkpoint)
{
	uint64_t offset = checkpoint->offset;
	self->checkpoints++;
	if (!self->has_key) {
		self->has_key = true;
		memcpy (self->public_key, checkpoint->public_key, sizeof self->public_key);
	}
	if (!journal_is (self, checkpoint->journal, offset))
		return;
	if (memcmp (self->public_key, checkpoint->public_key, sizeof self->public_key) != 0) {
		FOUND (self, VERIFIER_CHECKPOINT, offset,
		        "the checkpoint at offset %" PRIu64 " is of another key", offset);
		return;
	}
	if (!checkpoint_verify (checkpoint)) {
		FOUND (self, VERIFIER_CHECKPOINT, offset,
		        "the checkpoint at offset %" PRIu64 " bears a signature that does not hold", offset);
		return;
	}
	if (offset >= self->next) {
		uint64_t first = self->next ? self->next : 1;
		FOUND (self, VERIFIER_TRUNCATED, first,
		        "the records from offset %" PRIu64 " to %" PRIu64
		        ", the newest, are missing: a checkpoint names "
		        "them",
		        first, offset);
		return;
	}
	if (offset + 1 == self->next && !self->adrift &&
	        memcmp (checkpoint->hash, self->hash, sizeof self->hash) != 0)
		FOUND (self, VERIFIER_CHECKPOINT, offset,
		        "the chain up to offset %" PRIu64 " is not the one that was signed", offset);
}

void verifier_end (verifier_t *self, uint64_t newest)
{
	if (newest && newest + 1 > self->next)
		FOUND (self, VERIFIER_TRUNCATED, self->next ? self->next : 1,
		        "the records from offset %" PRIu64 " to %" PRIu64 ", the newest, are missing",
		        self->next ? self->next : 1, newest);
}
