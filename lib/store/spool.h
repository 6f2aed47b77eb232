/* spool.h - the agent's durable events until every configured collector has acknowledged them
 * (architecture.md, "Nothing durable is lost"; wire.md, "Durable delivery"). SQLite; every call may
 * block on the disk, so on a worker's thread, one at a time.
 *
 * An event is kept as it will be sent but not sealed: its MAC is put on when it goes, under the key that
 * is active then. Each row has its own checksum; the newest sequence of the newest incarnations, and
 * what was settled of them, also stands in a small file of its own. What is missing against that file,
 * does not check, or was dropped is a gap in its place. A file that SQLite refuses is set aside and what
 * checks in it is taken over. */

#ifndef STORE_SPOOL_H
#define STORE_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/span.h"
#include "belfry/v1/fabric.pb-c.h"

enum {
	SPOOL_COLLECTORS_MAX = 8,
	SPOOL_EVENT_MAX = 256 * 1024,
	SPOOL_INCARNATIONS_MAX =
	        1024 /* that wait; of more the oldest goes whole, and is counted as dropped */
};

/* What goes first when it is full. AUDIT has at least half of the bytes: the others together never take
 * more than the rest, LOG never more than a quarter of all. */
typedef enum { SPOOL_LOG, SPOOL_ORDINARY, SPOOL_AUDIT, SPOOL_PRIORITIES } spool_priority_t;

typedef struct {
	const char *directory; /* exists; this process' own */
	const char *vfs;       /* of SQLite; NULL: the system's */
	const char *const
	        *collectors; /* their names, by which positions are kept: 1 to SPOOL_COLLECTORS_MAX */
	size_t n_collectors;
	uint64_t bytes_max; /* of events with their rows' overhead, at least 64 KiB */
	int64_t age_max_ns;
} spool_options_t;

/* What was found at the start, for the log and for a security event; zeroed where all was sound. */
typedef struct {
	uint64_t recovered;        /* events taken over from a file that was set aside */
	uint64_t missing;          /* sequences that became gaps */
	char text[ERROR_TEXT_MAX]; /* a sentence; empty: nothing to say */
} spool_report_t;

typedef struct spool spool_t;

/* 0, also on a full disk where a spool is there; or negative errno with err set: what no setting aside can heal
 * (a directory that is gone, a disk that takes nothing). */
int spool_open (
        const spool_options_t *options, wall_t now, spool_t **ret, spool_report_t *report, err_t *err);
/* What was found under way, where a file that was sound when it was opened no longer is, and is told once.
 * False: nothing was. */
bool spool_found (spool_t *self, spool_report_t *ret);
/* NULL-safe. */
void spool_close (spool_t **self_p);

/* One event, or a gap where reason is not 0. */
typedef struct {
	uint64_t incarnation, boot_nonce;
	uint64_t sequence; /* a gap's: last */
	spool_priority_t priority;
	uint64_t time_ns;            /* the event's own; when a gap was made */
	span_t topic, event;         /* a serialized Event; empty for a gap */
	uint64_t first, last, count; /* a gap's; count: events that are lost, last - first + 1 at most */
	Belfry__V1__GapReason reason;
} spool_item_t;

/* Commits events, none of them gaps, in one transaction: durable when this returns 0. What must go for
 * them to fit becomes gaps in the same transaction, an event of this call too where it is itself the
 * lowest, or larger than all that its priority may have. Sequences of one incarnation ascend; a hole becomes
 * a gap. Negative errno with err: nothing of it was kept; -EINVAL also for a sequence that is not above the
 * newest of its incarnation, or a boot nonce that is not the one that it began with. */
int spool_commit (spool_t *self, const spool_item_t *items, size_t n, wall_t now, err_t *err);

/* Everything of incarnation up to newest is settled for that collector. Written with the next commit, or
 * by spool_tick: what is forgotten by a crash is sent again, which its receiver drops. */
void spool_acknowledge (spool_t *self, size_t collector, uint64_t incarnation, uint64_t newest);

/* What that collector has not acknowledged, in order, from behind (incarnation, sequence) on: at most max
 * of them and about bytes of events, at least one. visit's spans are borrowed for the call; it ends the
 * reading by returning not 0. Rows that do not check become gaps before they are visited. */
typedef int spool_visit_fn (void *arg, const spool_item_t *item);
int spool_read (spool_t *self, size_t collector, uint64_t incarnation, uint64_t sequence, size_t max,
        size_t bytes, spool_visit_fn *visit, void *arg, err_t *err);

/* What waits of incarnation from, which its receiver knows as another boot's, goes under to with sequences
 * from first on, one transaction; *ret_next: the sequence behind the last. The events' headers are
 * written anew. 0 or negative errno with err. */
int spool_renumber (spool_t *self, uint64_t from, uint64_t to, uint64_t boot_nonce, uint64_t first,
        uint64_t *ret_next, err_t *err);

/* Drops what is too old, removes what is settled, writes the positions. About once a second. */
int spool_tick (spool_t *self, wall_t now, err_t *err);

typedef struct {
	uint64_t events, bytes;
	uint64_t oldest_ns;                 /* UTC, its time_ns; 0: empty */
	uint64_t oldest_incarnation;        /* that still waits for any collector; 0: none */
	uint64_t dropped[SPOOL_PRIORITIES]; /* since the start: for want of room, or too old */
	uint64_t corrupt;                   /* rows that did not check, since the start */
} spool_figures_t;
void spool_figures (const spool_t *self, spool_figures_t *ret);
/* The oldest incarnation that still waits for that collector; 0: none. *ret_sequence, which may be NULL: the
 * first of it that waits. */
uint64_t spool_oldest_incarnation (const spool_t *self, size_t collector, uint64_t *ret_sequence);
/* The newest sequence that was ever committed under incarnation, as far as is known; 0. */
uint64_t spool_newest (const spool_t *self, uint64_t incarnation);

#endif
