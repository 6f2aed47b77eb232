/* spooler.h - the spool's thread, from the loop's side: what is held is numbered and committed at most 5 ms or
 * 64 events later, and only then sent; reads, acknowledgements and renumbering go the same way, one after
 * the other. The loop never waits for the disk. Where the disk takes nothing events stay in memory, and it
 * is tried again each second. One owner, on its loop's thread. */

#ifndef AGENTS_SPOOLER_H
#define AGENTS_SPOOLER_H

#include "agents/outbox.h"
#include "net/loop.h"
#include "store/spool.h"

#define SPOOLER_GATHER_NS (5 * NS_PER_MS)
enum { SPOOLER_GATHER_EVENTS = 64, SPOOLER_BATCH_MAX = 256 };

typedef struct spooler spooler_t;

/* What came of it; items are borrowed for the call, in which spooler_* may be called. */
typedef struct {
	void *arg;
	/* Committed; in order. settled: up to which of the hold's numbers everything now is, or was dropped. */
	void (*committed) (void *arg, const spool_item_t *items, size_t n, uint64_t settled);
	/* What that collector has not acknowledged, as spooler_read asked. result: 0; or why it ended early, a
	 * negative errno. */
	void (*read) (void *arg, size_t collector, const spool_item_t *items, size_t n, int result);
	/* What waited of an earlier incarnation goes under that one, whose newest sequence is newest now. */
	void (*renumbered) (void *arg, uint64_t incarnation, uint64_t newest);
	/* The spool was damaged, or could not be opened before: a sentence. */
	void (*said) (void *arg, const spool_report_t *report);
} spooler_hooks_t;

/* Opens the spool, on this thread; where that fails it is said in the log and tried again. options' strings
 * are copied, outbox borrowed. 0; negative errno with err, of memory and threads alone. */
int spooler_new (loop_t *loop, const spool_options_t *options, outbox_t *outbox, const spooler_hooks_t *hooks,
        wall_t now, spooler_t **ret, err_t *err);
/* Waits patience_ns at most for the job under way. False while a disk hangs: nothing was freed then.
 * NULL-safe. */
bool spooler_destroy (spooler_t **self_p, int64_t patience_ns);

/* Whether the outbox' incarnation may be used: before, nothing is numbered. */
void spooler_set_numbering (spooler_t *self, bool may);
/* Something was held. */
void spooler_nudge (spooler_t *self);
/* That collector has everything of incarnation up to newest. */
void spooler_acknowledge (spooler_t *self, size_t collector, uint64_t incarnation, uint64_t newest);
/* Reads for that collector; one at a time each. */
void spooler_read (spooler_t *self, size_t collector, size_t events, size_t bytes);
/* What waits of from goes under to, the present incarnation, as soon as what is numbered is committed. */
void spooler_renumber (spooler_t *self, uint64_t from, uint64_t to, uint64_t boot_nonce);
/* Time passes: about each second or oftener. */
void spooler_step (spooler_t *self, moment_t now);
/* Waits until everything held is committed, patience_ns at most. For the end. */
void spooler_finish (spooler_t *self, int64_t patience_ns);

/* The greatest number (hold.h) up to which everything held was committed or dropped. */
uint64_t spooler_settled (const spooler_t *self);
/* As the spool said last. */
const spool_figures_t *spooler_figures (const spooler_t *self);
/* The oldest incarnation that waits for that collector, and the first sequence of it that does; 0: none. */
typedef struct {
	uint64_t incarnation, sequence;
} spooler_place_t;
spooler_place_t spooler_oldest (const spooler_t *self, size_t collector);
/* Whether the spool is open; whether a job of its runs. */
bool spooler_works (const spooler_t *self);
bool spooler_busy (const spooler_t *self);

#endif
