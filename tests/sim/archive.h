/* archive.h - a journal in memory with the contract of store/journal.h: offsets, exactly once, the chain,
 * the collector's memory, all of a batch or nothing. It survives its collector, and fails when told to. */

#ifndef TESTS_SIM_ARCHIVE_H
#define TESTS_SIM_ARCHIVE_H

#include "collector/core.h"
#include "store/journal.h"

typedef struct archive archive_t;

/* Out of memory ends the program. seed: of its id and key. */
archive_t *archive_new (uint64_t seed);
void archive_destroy (archive_t **self_p);

/* From now on every commit fails with this errno, which is negative; 0: none does. */
void archive_fail (archive_t *self, int error);

/* As journal_commit and the like. */
int archive_commit (archive_t *self, journal_batch_t *batch, wall_t now, checkpoint_t *ret_checkpoint);
void archive_restore (const archive_t *self, journal_restore_fn *visit, void *arg);
void archive_figures (const archive_t *self, journal_figures_t *ret);
int archive_read (const archive_t *self, const journal_query_t *query, journal_visit_fn *visit, void *arg,
        uint64_t *ret_next, bool *ret_last);
/* What a shell of the collector's reads for core_read_done: entries are malloc'ed, and borrow from the
 * archive until its next commit; page_free frees them. */
void archive_page (const archive_t *self, const core_reading_t *asked, core_page_t *ret);
void archive_page_free (core_page_t *page);
size_t archive_checkpoints (
        const archive_t *self, uint64_t first, uint64_t last, checkpoint_t *out, size_t max);
int archive_hash (const archive_t *self, uint64_t offset, uint8_t out[CHAIN_HASH_SIZE]);

/* What is in it: offsets 1..archive_count. Borrowed until the next commit. */
size_t archive_count (const archive_t *self);
typedef struct {
	const char *node;
	uint64_t incarnation, sequence;
	span_t topic, envelope;
	mark_t mark;
} archive_record_t;
void archive_at (const archive_t *self, uint64_t offset, archive_record_t *ret);
/* The offset of a record; 0: it is not there. */
uint64_t archive_find (const archive_t *self, const char *node, uint64_t incarnation, uint64_t sequence);
/* A piece of memory; empty where there is none. */
span_t archive_state (const archive_t *self, const char *key);

#endif
