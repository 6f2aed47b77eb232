/* What a node's durable events have come to. */

#include <criterion/criterion.h>

#include "collector/view/ledger.h"

static ledger_t ledger;

static void teardown (void)
{
	ledger_clear (&ledger);
}

TestSuite (ledger, .fini = teardown);

static account_t *opened (uint64_t incarnation, uint64_t current)
{
	account_t *account = NULL;
	cr_assert_eq (ledger_open (&ledger, incarnation, 100 + incarnation, current, &account), 0);
	cr_assert_eq (account->incarnation, incarnation);
	return account;
}

static int take (account_t *account, uint64_t sequence)
{
	uint64_t lost;
	return account_take (account, sequence, 0, 0, &lost);
}

Test (ledger, each_incarnation_has_one_account)
{
	cr_assert_null (ledger_account (&ledger, 1));
	opened (5, 5);
	opened (3, 5);
	opened (4, 5);
	cr_assert_eq (ledger.n, 3);
	cr_assert_eq (ledger_account (&ledger, 3)->boot_nonce, 103);
	cr_assert_eq (opened (3, 5), ledger_account (&ledger, 3));
	cr_assert_eq (ledger.n, 3);
	for (uint32_t i = 1; i < ledger.n; i++)
		cr_assert_lt (ledger.accounts[i - 1].incarnation, ledger.accounts[i].incarnation);
}

Test (ledger, accounts_are_bounded_and_the_current_and_the_oldest_stay)
{
	for (uint64_t i = 1; i <= LEDGER_ACCOUNTS_MAX; i++)
		opened (10 + i, 10 + i);
	uint64_t current = 10 + LEDGER_ACCOUNTS_MAX;
	opened (5, current);
	cr_assert_eq (ledger.n, LEDGER_ACCOUNTS_MAX);
	cr_assert_not_null (ledger_account (&ledger, 5));
	cr_assert_not_null (ledger_account (&ledger, current));
	cr_assert_null (ledger_account (&ledger, current - 1), "the last to be asked for");
	opened (100, 100);
	cr_assert_not_null (ledger_account (&ledger, 100));
	cr_assert_not_null (ledger_account (&ledger, 5));
	cr_assert_eq (ledger.n, LEDGER_ACCOUNTS_MAX);
}

Test (ledger, only_what_is_journalled_without_a_hole_is_through)
{
	account_t *account = opened (1, 1);
	for (uint64_t s = 1; s <= 5; s++)
		cr_assert_eq (take (account, s), 0);
	cr_assert_eq (account_through (account), 0);
	cr_assert_eq (account_pending (account), 5);
	account_commit (account, 2, 3);
	cr_assert_eq (account_through (account), 0);
	account_commit (account, 1, 1);
	cr_assert_eq (account_through (account), 3);
	cr_assert_eq (account_pending (account), 2);
	account->bound = 9;
	cr_assert_eq (account_pending (account), 6, "what it says it sent is to come");
	cr_assert_eq (take (account, 4), ACCOUNT_E_SEEN);
}

Test (ledger, a_gap_fills_its_places_once)
{
	account_t *account = opened (1, 1);
	uint64_t lost;
	cr_assert_eq (take (account, 1), 0);
	cr_assert_eq (take (account, 4), 0);
	cr_assert_eq (account_take (account, 8, 2, 7, &lost), 0);
	cr_assert_eq (lost, 5, "4 came");
	cr_assert_eq (account_take (account, 8, 2, 7, &lost), ACCOUNT_E_SEEN);
	cr_assert (ranges_cover (&account->seen, 1, 8));
	account_commit (account, 1, 1);
	account_commit (account, 8, 8);
	account_commit (account, 2, 7);
	cr_assert_eq (account_through (account), 8);
}

Test (ledger, too_many_holes_change_nothing)
{
	account_t *account = opened (1, 1);
	uint64_t lost;
	for (uint64_t i = 0; i < RANGES_MAX; i++)
		cr_assert_eq (take (account, 2 + 2 * i), 0);
	ranges_t before = account->seen;
	cr_assert_eq (take (account, 1000), ACCOUNT_E_FULL);
	cr_assert_eq (account_take (account, 1000, 900, 999, &lost), ACCOUNT_E_FULL);
	cr_assert_eq (memcmp (&before, &account->seen, sizeof before), 0);
	cr_assert_eq (take (account, 3), 0, "a hole that closes makes room");
	cr_assert_eq (take (account, 1000), 0);
}

Test (ledger, the_floor_only_rises)
{
	opened (3, 5);
	opened (4, 5);
	opened (5, 5);
	cr_assert_eq (ledger_settle (&ledger, 4, 0), 0);
	cr_assert_null (ledger_account (&ledger, 3));
	cr_assert_not_null (ledger_account (&ledger, 4));
	cr_assert_eq (ledger_settle (&ledger, 2, 0), 0);
	cr_assert_eq (ledger.floor, 4);
}

Test (ledger, what_is_settled_without_having_come_is_lost_where_it_is_known_from_its_first_on)
{
	account_t *whole = opened (1, 3);
	take (whole, 1);
	take (whole, 4);
	whole->bound = 6;
	account_t *joined = opened (2, 3);
	take (joined, 5000);
	cr_assert_eq (ledger_settle (&ledger, 3, 0), 4, "2, 3, 5 and 6; nobody knows of the other's first");
}

Test (ledger, what_another_journal_has_is_settled_here)
{
	account_t *account = opened (7, 7);
	take (account, 5001);
	cr_assert_eq (ledger_settle (&ledger, 7, 5001), 0);
	account = ledger_account (&ledger, 7);
	cr_assert_eq (account_through (account), 5000);
	account_commit (account, 5001, 5001);
	cr_assert_eq (account_through (account), 5001);
	cr_assert_eq (ledger_settle (&ledger, 7, 10), 0, "an older word changes nothing");
	cr_assert_eq (account_through (account), 5001);
}
