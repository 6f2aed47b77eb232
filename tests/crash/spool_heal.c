/* spool_heal.c - a damaged spool is opened while power is lost, or the disk is full or fails, at every call that
 * changes anything. Afterwards it opens, every event that lay intact is there once, what is missing is a gap, and
 * it goes on.
 *
 *	crash-spool-heal [SEEDS]: prints the counts. */

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "store/spool.h"

enum { EVENTS = 40, SETTLED = 5, DAMAGES = 5 };

static const char *collectors[] = { "a" };
static wall_t now = { INT64_C (1700000000) * NS_PER_S };
static uint64_t runs, refused, lost, wrong;
static size_t reference; /* events that a healing without any fault takes over */

static spool_t *start (spool_report_t *report, err_t *err)
{
	const spool_options_t options = { "state", DISK_VFS, collectors, 1, 1024 * 1024, 3600 * NS_PER_S };
	spool_t *spool = NULL;
	return spool_open (&options, now, &spool, report, err) ? NULL : spool;
}

static int put (spool_t *spool, uint64_t sequence)
{
	static uint8_t bytes[900];
	const spool_item_t item = { .incarnation = 1,
		.boot_nonce = 9,
		.sequence = sequence,
		.priority = (spool_priority_t) (sequence % SPOOL_PRIORITIES),
		.time_ns = (uint64_t) now.ns,
		.event = span_of (bytes, 100 + sequence * 17 % 800) };
	return spool_commit (spool, &item, 1, now, NULL);
}

static disk_image_t *prepare (void)
{
	spool_report_t report;
	disk_reset ();
	spool_t *spool = start (&report, NULL);
	for (uint64_t s = 1; s <= EVENTS; s++) {
		(void) put (spool, s);
		if (s == EVENTS / 2) {
			spool_acknowledge (spool, 0, 1, SETTLED);
			(void) spool_tick (spool, now, NULL);
			spool_close (&spool);
			spool = start (&report, NULL);
		}
	}
	disk_image_t *image = disk_save ();
	spool_close (&spool);
	return image;
}

/* In turn: no header; no file, but its WAL; a row of the file; an early frame of the WAL; no WAL. */
static void damage (unsigned which)
{
	size_t size = 0;
	uint8_t *bytes = disk_bytes (which == 3 ? "state/spool.db-wal" : "state/spool.db", &size);
	if (which == 0)
		memset (bytes, 0x5a, 64);
	else if (which == 1)
		disk_put ("state/spool.db", "", 0);
	else if (which == 2)
		bytes[size - size / 3] ^= 1;
	else if (which == 3)
		bytes[3000] ^= 4;
	else
		disk_put ("state/spool.db-wal", "", 0);
}

typedef struct {
	bool there[EVENTS + 1], gap[EVENTS + 1];
	size_t events, strange;
} seen_t;

static int on_item (void *arg, const spool_item_t *item)
{
	seen_t *seen = arg;
	seen->strange += item->incarnation != 1 || item->boot_nonce != 9 || item->last > EVENTS;
	for (uint64_t s = item->first; s <= item->last && s <= EVENTS; s++) {
		bool *to = item->reason ? seen->gap : seen->there;
		seen->strange += to[s];
		to[s] = true;
	}
	seen->events += !item->reason;
	return 0;
}

static void complain (const char *what, unsigned which, disk_fault_t fault, uint64_t at, const seen_t *seen,
        const char *text)
{
	if (lost + wrong <= 6)
		fprintf (stderr,
		        "crash: %s: damage %u, fault %d at %lu: %zu of %zu events, %zu strange; %s\n", what,
		        which, (int) fault, (unsigned long) at, seen->events, reference, seen->strange, text);
}

/* Opened under the fault, then without. Returns whether the fault was met. */
static bool heal_run (
        const disk_image_t *image, unsigned which, disk_fault_t fault, uint64_t at, uint64_t seed)
{
	spool_report_t report;
	err_t err = { "" };
	seen_t seen = { .events = 0 };
	disk_restore (image);
	damage (which);
	disk_fault (fault, at, fault == DISK_CRASHES ? 0 : 1 + (seed - 1) % 3);
	spool_t *spool = start (&report, &err);
	refused += !spool;
	bool met = at > 0 && disk_calls () >= at;
	if (fault == DISK_CRASHES) {
		spool_close (&spool);
		disk_reboot (seed);
	}
	disk_fault (DISK_WORKS, 0, 0);
	/* One that opened all the same is used as it is. */
	if (!spool)
		spool = start (&report, &err);
	bool good = spool && spool_read (spool, 0, 0, 0, SIZE_MAX, SIZE_MAX, on_item, &seen, &err) == 0;
	for (uint64_t s = SETTLED + 1; good && s <= EVENTS; s++)
		good = seen.there[s] != seen.gap[s];
	if (at == 0)
		reference = seen.events;
	if (good && seen.events < reference && ++lost)
		complain ("lost", which, fault, at, &seen, report.text);
	good = good && !seen.strange && put (spool, EVENTS + 1) == 0;
	if (!good && ++wrong)
		complain ("wrong", which, fault, at, &seen, err.text);
	spool_close (&spool);
	runs++;
	return met;
}

int main (int argc, char **argv)
{
	uint64_t seeds = argc > 1 ? strtoull (argv[1], NULL, 10) : 3;
	if (sodium_init () < 0 || seeds == 0 || seeds > 10000)
		return 2;
	disk_image_t *image = prepare ();
	static const disk_fault_t faults[] = { DISK_CRASHES, DISK_FULL, DISK_FAILS };
	for (unsigned which = 0; which < DAMAGES; which++) {
		heal_run (image, which, DISK_WORKS, 0, 0);
		for (size_t f = 0; f < sizeof faults / sizeof *faults; f++) {
			for (uint64_t seed = 1; seed <= seeds; seed++) {
				for (uint64_t at = 1; heal_run (image, which, faults[f], at, seed); at++)
					;
			}
		}
	}
	printf ("spool: %lu healings with a fault at each call, %lu of them refused at first: %lu times an "
	        "intact "
	        "event lost, %lu times wrong\n",
	        (unsigned long) runs, (unsigned long) refused, (unsigned long) lost, (unsigned long) wrong);
	disk_image_free (&image);
	disk_reset ();
	return lost || wrong;
}
