/* spool_fail.c - at every call that changes the disk it is full, or fails, for some calls, while a spool works.
 * An operation that says so left nothing behind; tried again when the disk works it succeeds; and at the end,
 * after a loss of power too, all is there once.
 *
 *	crash-spool-fail [SEEDS]: prints the counts. */

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "store/spool.h"

enum { OPERATIONS = 20 };

static const char *collectors[] = { "a", "b" };
static wall_t now = { INT64_C (1700000000) * NS_PER_S };
static uint64_t runs, failed, wrong;

static spool_t *start (spool_report_t *report, err_t *err)
{
	const spool_options_t options = { "state", DISK_VFS, collectors, 2, 1024 * 1024, 3600 * NS_PER_S };
	spool_t *spool = NULL;
	return spool_open (&options, now, &spool, report, err) ? NULL : spool;
}

/* Commits of one to four events, or an acknowledgement written. */
static int operate (spool_t *spool, unsigned n, uint64_t *sequence, uint64_t *settled)
{
	static uint8_t bytes[4096];
	spool_item_t items[4];
	unsigned count = 1 + n % 4;
	if (n % 7 == 6) {
		*settled = *sequence - 3;
		spool_acknowledge (spool, 0, 1, *sequence);
		spool_acknowledge (spool, 1, 1, *settled);
		return spool_tick (spool, now, NULL);
	}
	for (unsigned i = 0; i < count; i++)
		items[i] = (spool_item_t){ .incarnation = 1,
			.boot_nonce = 5,
			.sequence = *sequence + 1 + i,
			.priority = (spool_priority_t) (i % SPOOL_PRIORITIES),
			.time_ns = (uint64_t) now.ns,
			.event = span_of (bytes, 100 + (n * 401 + i * 97) % 3900) };
	int r = spool_commit (spool, items, count, now, NULL);
	if (!r)
		*sequence += count;
	return r;
}

typedef struct {
	uint64_t from, next;
	bool strange;
} seen_t;

/* Dense: each right behind the one before. */
static int on_item (void *arg, const spool_item_t *item)
{
	seen_t *seen = arg;
	if (!seen->from)
		seen->from = item->first;
	seen->strange |= item->reason || item->incarnation != 1 || (seen->next && item->first != seen->next);
	seen->next = item->last + 1;
	return 0;
}

/* What collector 1 would be sent is all that it did not acknowledge, up to the newest. */
static bool sound (spool_t *spool, uint64_t settled, uint64_t newest)
{
	seen_t seen = { 0, 0, false };
	if (!spool || spool_read (spool, 1, 0, 0, SIZE_MAX, SIZE_MAX, on_item, &seen, NULL) || seen.strange)
		return false;
	if (spool_newest (spool, 1) != newest)
		return false;
	return newest == settled ? seen.from == 0 : seen.from == settled + 1 && seen.next == newest + 1;
}

static bool fail_run (disk_fault_t fault, uint64_t at, uint64_t calls, uint64_t seed)
{
	spool_report_t report;
	err_t err = { "" };
	uint64_t sequence = 0, settled = 0;
	bool good = true;
	disk_reset ();
	spool_t *spool = start (&report, &err);
	disk_fault (fault, at, calls);
	for (unsigned n = 0; n < OPERATIONS && good; n++) {
		for (unsigned tries = 0; operate (spool, n, &sequence, &settled) && good; tries++) {
			failed++;
			good = sound (spool, settled, sequence) && tries <= calls;
		}
	}
	bool met = disk_calls () >= at;
	good = good && sound (spool, settled, sequence);
	disk_fault (DISK_CRASHES, 1, 0);
	spool_close (&spool);
	disk_reboot (seed);
	spool = start (&report, &err);
	/* An acknowledgement whose writing was under way may be forgotten, an event may not. */
	if (!good || !sound (spool, settled, sequence) || report.text[0]) {
		if (++wrong <= 5)
			fprintf (stderr, "crash: fault %d for %lu calls at %lu: newest %lu of %lu; %s %s\n",
			        (int) fault, (unsigned long) calls, (unsigned long) at,
			        (unsigned long) (spool ? spool_newest (spool, 1) : 0),
			        (unsigned long) sequence, report.text, err.text);
	}
	spool_close (&spool);
	runs++;
	return met;
}

int main (int argc, char **argv)
{
	uint64_t seeds = argc > 1 ? strtoull (argv[1], NULL, 10) : 2;
	if (sodium_init () < 0 || seeds == 0 || seeds > 10000)
		return 2;
	static const disk_fault_t faults[] = { DISK_FULL, DISK_FAILS };
	for (uint64_t seed = 1; seed <= seeds; seed++) {
		for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
			for (uint64_t at = 1; fail_run (faults[f], at, 1 + (at * seed) % 5, seed); at++)
				;
		}
	}
	printf ("spool: %lu runs on a disk that was full or failed at each call, %lu operations refused: %lu "
	        "times "
	        "wrong\n",
	        (unsigned long) runs, (unsigned long) failed, (unsigned long) wrong);
	disk_reset ();
	return wrong != 0;
}
