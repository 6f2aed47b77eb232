#include "collector/view/ledger.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void ledger_clear (ledger_t *self)
{
	free (self->accounts);
	memset (self, 0, sizeof *self);
}

/* Where incarnation is, or would be put. */
static uint32_t place_of (const ledger_t *self, uint64_t incarnation)
{
	uint32_t at = self->n;
	/* It is the newest most often. */
	while (at > 0 && self->accounts[at - 1].incarnation >= incarnation)
		at--;
	return at;
}

account_t *ledger_account (const ledger_t *self, uint64_t incarnation)
{
	uint32_t at = place_of (self, incarnation);
	return at < self->n && self->accounts[at].incarnation == incarnation ? &self->accounts[at] : NULL;
}

static void account_remove (ledger_t *self, uint32_t at)
{
	self->n--;
	memmove (&self->accounts[at], &self->accounts[at + 1], (self->n - at) * sizeof *self->accounts);
}

int ledger_open (ledger_t *self, uint64_t incarnation, uint64_t boot_nonce, uint64_t current, account_t **ret)
{
	account_t *account = ledger_account (self, incarnation);
	if (account) {
		*ret = account;
		return 0;
	}
	if (self->n == LEDGER_ACCOUNTS_MAX) {
		uint32_t last = self->n - 1;
		account_remove (self, self->accounts[last].incarnation == current ? last - 1 : last);
	} else {
		account_t *grown = realloc (self->accounts, (self->n + 1) * sizeof *grown);
		if (!grown)
			return -ENOMEM;
		self->accounts = grown;
	}
	uint32_t at = place_of (self, incarnation);
	account = &self->accounts[at];
	memmove (account + 1, account, (self->n - at) * sizeof *account);
	memset (account, 0, sizeof *account);
	account->incarnation = incarnation;
	account->boot_nonce = boot_nonce;
	self->n++;
	*ret = account;
	return 0;
}

/* What is settled and did not come is lost, where it is known from its first one on: before that nobody
 * knows what another journal has of it. */
static uint64_t lost_of (const account_t *self, uint64_t last)
{
	return ranges_has (&self->seen, 1) ? ranges_missing (&self->seen, 1, last) : 0;
}

static uint64_t newest_of (const account_t *self)
{
	uint64_t newest = ranges_newest (&self->seen);
	return self->bound > newest ? self->bound : newest;
}

uint64_t ledger_settle (ledger_t *self, uint64_t oldest, uint64_t sequence)
{
	uint64_t lost = 0;
	if (oldest < self->floor)
		return 0;
	self->floor = oldest;
	while (self->n && self->accounts[0].incarnation < oldest) {
		lost += lost_of (&self->accounts[0], newest_of (&self->accounts[0]));
		account_remove (self, 0);
	}
	account_t *account = sequence > 1 ? ledger_account (self, oldest) : NULL;
	if (account && !ranges_cover (&account->journalled, 1, sequence - 1)) {
		lost += lost_of (account, sequence - 1);
		account_commit (account, 1, sequence - 1);
	}
	return lost;
}

int account_take (account_t *self, uint64_t sequence, uint64_t first, uint64_t last, uint64_t *ret_lost)
{
	*ret_lost = 0;
	if (first == 0) {
		int r = ranges_add (&self->seen, sequence);
		return r == RANGES_E_SEEN ? ACCOUNT_E_SEEN : r ? ACCOUNT_E_FULL : 0;
	}
	if (ranges_has (&self->seen, sequence))
		return ACCOUNT_E_SEEN;
	ranges_t filled = self->seen;
	uint64_t lost = ranges_missing (&filled, first, last);
	if (ranges_fill (&filled, first, last) || ranges_fill (&filled, sequence, sequence))
		return ACCOUNT_E_FULL;
	self->seen = filled;
	*ret_lost = lost;
	return 0;
}

void account_commit (account_t *self, uint64_t first, uint64_t last)
{
	/* Seen too where the account was forgotten meanwhile. What finds no room comes again, and the journal
	 * knows it. */
	if (ranges_fill (&self->journalled, first, last) == 0)
		ranges_fill (&self->seen, first, last);
}

uint64_t account_through (const account_t *self)
{
	return ranges_through (&self->journalled);
}

uint64_t account_pending (const account_t *self)
{
	return ranges_missing (&self->journalled, 1, newest_of (self));
}
