/* scribe.h - the journal's own thread: commits, readings and housekeeping, one at a time, off the fabric's
 * loop. A commit goes first; but readings and housekeeping that wait have a turn after a few of them. Does
 * I/O; one owner, on the loop's thread. */

#ifndef COLLECTOR_SCRIBE_H
#define COLLECTOR_SCRIBE_H

#include "collector/core.h"
#include "net/loop.h"

/* So long a disk is waited for at the end. */
#define SCRIBE_PATIENCE_NS (5 * NS_PER_S)
#define SCRIBE_TICK_NS NS_PER_S

enum { SCRIBE_READINGS_MAX = 64, SCRIBE_PEER_READINGS_MAX = 4, SCRIBE_TURN = 4 };

typedef struct scribe scribe_t;

/* Called from scribe_step and scribe_finish. */
typedef struct {
	void *arg;
	/* As core_committed, core_checkpoint and core_read_done. */
	void (*committed) (void *arg, int error, const char *text, moment_t now);
	void (*checkpoint) (void *arg, const checkpoint_t *checkpoint, moment_t now);
	void (*read) (void *arg, span_t peer, uint64_t id, bool chain, int error, const char *text,
	        const core_page_t *page);
} scribe_hooks_t;

/* Opens the journal, which may take a while where its file has to be healed; *report says what was found. The
 * loop is woken when scribe_step has something to do. 0, or negative errno with err. */
int scribe_new (const journal_options_t *options, const scribe_hooks_t *hooks, loop_t *loop, scribe_t **ret,
        journal_report_t *report, err_t *err);
/* Ends what is under way, within the patience, without its hooks; closes the journal. True when it is freed;
 * else its thread hangs in the disk, and what it uses (the batch under way too) must be left as it is.
 * NULL-safe. */
bool scribe_destroy (scribe_t **self_p);

/* As the journal stood when it was opened; its memory. */
const journal_figures_t *scribe_figures (const scribe_t *self);
int scribe_restore (scribe_t *self, journal_restore_fn *visit, void *arg, err_t *err);

/* For the core's port. batch is borrowed until committed follows. */
void scribe_commit (scribe_t *self, journal_batch_t *batch);
/* 0; -EBUSY: too many wait; -ENOMEM. */
int scribe_read (scribe_t *self, span_t peer, uint64_t id, const core_reading_t *asked);

/* Tells what has ended, and begins what is next. */
void scribe_step (scribe_t *self);
/* The same, after waiting for a commit: false when it did not end within the patience. */
bool scribe_finish (scribe_t *self);

#endif
