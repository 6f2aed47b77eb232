/* ledger.h - what a node's durable events have come to: an account for each of its incarnations that may
 * still wait on the node's own disk (schema/README.md, "Durable events"). Pure. One owner, not
 * thread-safe.
 *
 * What was taken in and is not journalled is on its way to the journal; until it is there, nobody is told
 * that it is. Accounts are bounded: one that had to be forgotten begins anew, and the journal, which knows
 * every record by (node, incarnation, sequence), keeps it exactly once all the same. */

#ifndef COLLECTOR_VIEW_LEDGER_H
#define COLLECTOR_VIEW_LEDGER_H

#include "wire/ranges.h"

enum { LEDGER_ACCOUNTS_MAX = 16 };

/* Of one incarnation. */
typedef struct {
	uint64_t incarnation, boot_nonce;
	ranges_t seen;       /* taken in */
	ranges_t journalled; /* of them, committed; or settled, since a gap says that they never come */
	uint32_t queued;     /* records on their way */
	uint64_t bound;      /* the newest that its node says it sent */
	bool touched;        /* its node is to hear how it stands */
} account_t;

/* Zeroed: nothing is known. */
typedef struct {
	uint64_t floor;      /* earlier incarnations are settled, as their node says; only rises */
	account_t *accounts; /* ascending by incarnation */
	uint32_t n;
} ledger_t;

void ledger_clear (ledger_t *self);

/* NULL: none. Borrowed until the next ledger_open or ledger_settle. */
account_t *ledger_account (const ledger_t *self, uint64_t incarnation);
/* Finds or makes one, with that nonce. Past LEDGER_ACCOUNTS_MAX the newest but current and that one is
 * forgotten: it is asked for last. 0 or -ENOMEM. */
int ledger_open (
        ledger_t *self, uint64_t incarnation, uint64_t boot_nonce, uint64_t current, account_t **ret);
/* Nothing earlier than oldest waits any more; of oldest itself nothing before sequence (0: not said).
 * Returns how many of what is settled so never came. */
uint64_t ledger_settle (ledger_t *self, uint64_t oldest, uint64_t sequence);

/* Outcomes of account_take. SEEN: it is here already; FULL: too many holes before it, and it may come again. */
enum { ACCOUNT_E_SEEN = 1, ACCOUNT_E_FULL };
/* Takes a sequence in, with the places that it fills where it is a gap (first 0: none). *ret_lost: how many
 * of those were missing. Unless 0 is returned nothing changed. */
int account_take (account_t *self, uint64_t sequence, uint64_t first, uint64_t last, uint64_t *ret_lost);
/* first..last are in the journal, or need not be. */
void account_commit (account_t *self, uint64_t first, uint64_t last);
/* Everything up to it is settled: what an Ack says. */
uint64_t account_through (const account_t *self);
/* How many its node sent, as far as is known, that are not journalled. */
uint64_t account_pending (const account_t *self);

#endif
