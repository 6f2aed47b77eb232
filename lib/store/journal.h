/* journal.h - the collector's durable events, with offsets, exactly once, in a hash chain whose head is
 * signed and kept apart (architecture.md, "Nothing durable is lost"; schema/README.md, "The journal's
 * chain"); and the collector's own memory, committed with them. SQLite in WAL mode; every call may block
 * on the disk, so on a worker's thread, one at a time.
 *
 * directory holds journal.db, journal.head (the newest offset and hash, checksummed) and journal.key (the
 * Ed25519 key, made at the first start, 0600). A file that SQLite refuses is set aside and what checks
 * in it is taken over under its own offsets; the chain says what is missing. */

#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/span.h"
#include "belfry/v1/common.pb-c.h"
#include "wire/chain.h"
#include "wire/describe.h"

enum { JOURNAL_CHECKPOINT_RECORDS = 1000, JOURNAL_STATE_KEY_MAX = 127 };
#define JOURNAL_CHECKPOINT_NS (60 * NS_PER_S)

typedef struct journal journal_t;

typedef struct {
	const char *directory;
	const char *vfs;       /* of SQLite; NULL: the system's */
	int64_t retain_ns;     /* by the time of receipt; 0: for ever */
	uint64_t retain_bytes; /* of the file; 0: without bound */
	bool read_only;        /* for whoever looks at the files of a collector that does not run */
} journal_options_t;

/* What was found at the start; zeroed where all was sound. */
typedef struct {
	uint64_t recovered;             /* records taken over from a file that was set aside */
	uint64_t lost_first, lost_last; /* offsets that the head names and the file lacks; 0: none */
	char text[ERROR_TEXT_MAX];
} journal_report_t;

int journal_open (
        const journal_options_t *options, wall_t now, journal_t **ret, journal_report_t *report, err_t *err);
/* Writes a last checkpoint. NULL-safe. */
void journal_close (journal_t **self_p, wall_t now);

/* One durable event. Everything above the line is the caller's, below is filled by journal_commit. */
typedef struct {
	span_t topic, envelope;
	const char *node, *subject_node; /* the signer; whom it is about, or NULL */
	uint64_t incarnation, sequence;
	channel_t channel;
	Belfry__V1__Severity severity;
	uint64_t time_ns; /* the event's own */
	bool late;
	uint64_t received_ns;
	/* ---- */
	uint64_t offset; /* a record with (node, incarnation, sequence) that was there already: its offset */
	uint64_t previous_in_channel;
	bool known; /* it was there already */
} journal_record_t;

/* A piece of the collector's memory; an empty value removes it. */
typedef struct {
	const char *key; /* at most JOURNAL_STATE_KEY_MAX bytes */
	span_t value;
} journal_state_t;

/* What is committed as one. */
typedef struct {
	journal_record_t *records;
	size_t n_records;
	const journal_state_t *states;
	size_t n_states;
} journal_batch_t;

/* Durable when this returns 0. *ret_checkpoint, which may be NULL: one that became due, offset 0: none
 * did. Negative errno with err (-ENOSPC, -EIO, ...): nothing of it was kept, and the same may be tried
 * again. */
int journal_commit (
        journal_t *self, journal_batch_t *batch, wall_t now, checkpoint_t *ret_checkpoint, err_t *err);
/* A checkpoint that time made due, and retention. About once a second. */
int journal_tick (journal_t *self, wall_t now, checkpoint_t *ret_checkpoint, err_t *err);

/* The memory, in no order. */
typedef void journal_restore_fn (void *arg, const char *key, span_t value);
int journal_restore (journal_t *self, journal_restore_fn *visit, void *arg, err_t *err);

typedef struct {
	uint8_t id[MARK_JOURNAL_SIZE];
	uint8_t public_key[CHAIN_PUBLIC_KEY_SIZE];
	uint64_t first, newest;           /* offsets; first 0: none is there; newest: that ever was */
	uint64_t channels[CHANNEL_COUNT]; /* the newest offset of each */
	uint64_t records, bytes;
} journal_figures_t;
void journal_figures (const journal_t *self, journal_figures_t *ret);

/* What to read. Zero, NULL and empty do not filter. */
typedef struct {
	uint64_t from_offset, until_offset;
	uint64_t since_ns, until_ns; /* by the events' own time */
	const char *const *prefixes; /* of topics; any of them */
	size_t n_prefixes;
	const char *node; /* signer or subject */
	Belfry__V1__Severity severity_min;
	size_t limit, bytes; /* 0: 256 and 512 KiB */
} journal_query_t;

typedef struct {
	mark_t mark;
	span_t topic, envelope;
	uint8_t hash[CHAIN_HASH_SIZE]; /* as it is stored */
} journal_entry_t;

/* By offset. *ret_next: where the next reading goes on; *ret_last: nothing that fits is behind it. It ends
 * early rather than look at many rows that do not fit. visit's spans are borrowed for the call. */
typedef int journal_visit_fn (void *arg, const journal_entry_t *entry);
int journal_read (journal_t *self, const journal_query_t *query, journal_visit_fn *visit, void *arg,
        uint64_t *ret_next, bool *ret_last, err_t *err);
/* Checkpoints of offsets first..last, ascending, at most max; returns how many, or negative errno. The one
 * before `first_offset` of the journal is the anchor of what retention left. */
int journal_checkpoints (journal_t *self, uint64_t first, uint64_t last, checkpoint_t *out, size_t max);
/* The stored hash of the record, or anchor, at that offset: 0; -ENOENT. */
int journal_hash (journal_t *self, uint64_t offset, uint8_t out[CHAIN_HASH_SIZE]);
/* The head as the file apart has it: 0; -ENOENT. */
int journal_head (journal_t *self, checkpoint_t *ret);

#endif
