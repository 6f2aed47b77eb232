/* batch.h - durable events and pieces of memory on their way to the journal: what one commit takes
 * (store/journal.h). Everything in it is copied. Pure, bounded. One owner, not thread-safe; while a commit
 * is under way its thread alone touches the content. */

#ifndef COLLECTOR_BATCH_H
#define COLLECTOR_BATCH_H

#include "store/journal.h"

enum {
	BATCH_RECORDS_MAX = 65536,
	BATCH_BYTES_MAX = 64 * 1024 * 1024,
	/* Beyond that, for the collector's own events, which nobody sends again. */
	BATCH_OWN_RECORDS = 4096,
	BATCH_OWN_BYTES = 8 * 1024 * 1024,
};
#define BATCH_OWN UINT32_MAX

typedef struct batch batch_t;

/* What stands beside a record. */
typedef struct {
	uint32_t node; /* its signer's index, or BATCH_OWN */
	uint64_t boot_nonce;
	uint64_t first, last; /* a gap's places; first 0: none */
	uint64_t order;       /* of the collector's own events: in which they were sealed */
	bool published;       /* without a mark, since the journal did not take it */
} batch_entry_t;

/* 0 or -ENOMEM. */
int batch_new (batch_t **ret);
void batch_destroy (batch_t **self_p);

/* Whether one more record with so many bytes fits; then batch_add takes it. */
bool batch_reserve (batch_t *self, size_t bytes, bool own);
/* Of what record points to, topic, envelope and subject_node are copied; node is borrowed for good. */
void batch_add (batch_t *self, const journal_record_t *record, const batch_entry_t *entry);
/* A piece of memory. 0 or -ENOMEM. */
int batch_remember (batch_t *self, const char *key, span_t value);

/* For the journal. Borrowed until the next call of a function above. */
journal_batch_t *batch_content (batch_t *self);
size_t batch_count (const batch_t *self); /* records */
const journal_record_t *batch_record (const batch_t *self, size_t i);
batch_entry_t *batch_entry (batch_t *self, size_t i);
/* Empties it; keeps the memory of a small one. */
void batch_clear (batch_t *self);

#endif
