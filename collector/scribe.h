/* scribe.h - the collector's journal behind one thread: what the core asks to commit and to read is done
 * there, one job at a time, and answered on the loop's thread. Commits go before readings, and readings
 * before the journal's own upkeep; after a few commits those have a turn. One owner, the loop's thread.
 *
 * A disk that hangs holds up the answers, and nothing else. */

#ifndef COLLECTOR_SCRIBE_H
#define COLLECTOR_SCRIBE_H

#include "collector/core.h"
#include "net/loop.h"

typedef struct scribe scribe_t;

enum { SCRIBE_READINGS_MAX = 64, SCRIBE_CHECKPOINTS_MAX = CORE_PAGE_CHECKPOINTS };

/* Called on the loop, from scribe_poll and scribe_finish; spans and texts are borrowed for the call. */
typedef struct {
	void *arg;
	/* As core_committed, core_checkpoint and core_read_done. */
	void (*committed) (void *arg, int error, const char *text);
	void (*checkpoint) (void *arg, const checkpoint_t *checkpoint);
	void (*read_done) (void *arg, span_t peer, uint64_t id, bool chain, int error, const char *text,
	        const core_page_t *page);
} scribe_hooks_t;

/* Opens the journal, which blocks as long as the disk takes. 0 with what was found; or negative errno with
 * err. hooks are copied; loop is woken when a job has ended. */
int scribe_new (const journal_options_t *options, loop_t *loop, const scribe_hooks_t *hooks, scribe_t **ret,
        journal_report_t *report, err_t *err);
/* Waits patience_ns for the job under way, then closes the journal with a last checkpoint: true. False: it
 * hangs, and is left to itself with the journal and its batch until the process ends. NULL-safe. */
bool scribe_destroy (scribe_t **self_p, int64_t patience_ns);

/* As it stands; not while a job is under way. */
void scribe_figures (const scribe_t *self, journal_figures_t *ret);
/* The memory, as journal_restore; before the first job. */
int scribe_restore (scribe_t *self, journal_restore_fn *visit, void *arg, err_t *err);

/* The core's asking. The batch is borrowed until committed. One at a time. */
void scribe_commit (scribe_t *self, journal_batch_t *batch);
/* What is asked is copied. 0; -EBUSY: SCRIBE_READINGS_MAX wait already; -EMSGSIZE: a peer's name that is
 * none; -ENOMEM. */
int scribe_read (scribe_t *self, span_t peer, uint64_t id, const core_reading_t *asked, mono_t now);

/* Begins what waits; what has ended answers by itself. Often. */
void scribe_poll (scribe_t *self, mono_t now);
/* Waits patience_ns for what is under way and answers it. False: it still runs. */
bool scribe_finish (scribe_t *self, int64_t patience_ns);
/* Whether a commit waits or is under way. */
bool scribe_commits (const scribe_t *self);

#endif
