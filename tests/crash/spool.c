/* spool.c - power is lost at every call that changes the disk while a spool works, and again while it opens.
 * What is there afterwards must be exactly what was there before or after the operation under way: nothing
 * that was committed is lost, nothing comes twice, gaps are where they were.
 *
 *	crash-spool [RUNS]: at least that many losses of power; prints the counts. */

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "store/spool.h"

enum { OPERATIONS = 48, TEXT_MAX = 64 * 1024 };

static const char *collectors[] = { "a", "b" };
static char *states[OPERATIONS + 1]; /* what is read after each operation when nothing fails */
static uint64_t runs, lost, twice, reopened;

static wall_t now = { INT64_C (1700000000) * NS_PER_S };

static spool_t *spool_start (spool_report_t *report)
{
	const spool_options_t options = { "state", DISK_VFS, collectors, 2, 64 * 1024, 3600 * NS_PER_S };
	spool_t *spool = NULL;
	err_t err = { "" };
	int r = spool_open (&options, now, &spool, report, &err);
	if (r && !disk_crashed ()) {
		fprintf (stderr, "crash: it does not open: %s\n", err.text);
		exit (1);
	}
	return spool;
}

static int on_item (void *arg, const spool_item_t *item)
{
	char *text = arg, one[96];
	if (item->reason)
		snprintf (one, sizeof one, "%lu:%lu-%lu/%lu(%d) ", (unsigned long) item->incarnation,
		        (unsigned long) item->first, (unsigned long) item->last, (unsigned long) item->count,
		        (int) item->reason);
	else
		snprintf (one, sizeof one, "%lu:%lu=%zu ", (unsigned long) item->incarnation,
		        (unsigned long) item->sequence, item->event.size);
	if (strlen (text) + strlen (one) < TEXT_MAX)
		strcat (text, one);
	return 0;
}

/* What both collectors would be sent. */
static char *read_all (spool_t *spool)
{
	static char text[TEXT_MAX];
	text[0] = '\0';
	for (size_t c = 0; c < 2; c++) {
		err_t err = { "" };
		if (spool_read (spool, c, 0, 0, SIZE_MAX, SIZE_MAX, on_item, text, &err)) {
			fprintf (stderr, "crash: it cannot be read: %s\n", err.text);
			exit (1);
		}
		strcat (text, "| ");
	}
	return text;
}

/* The nth operation: commits of one to three events of all priorities and sizes, acknowledgements written at
 * once, another incarnation on the way. Negative: it failed. */
static int operate (spool_t *spool, unsigned n, uint64_t *sequence)
{
	static uint8_t bytes[8192];
	uint64_t incarnation = n < OPERATIONS / 2 ? 1 : 2;
	if (n == OPERATIONS / 2)
		*sequence = 0;
	if (n % 6 == 5) {
		spool_acknowledge (spool, 0, incarnation, *sequence - 2);
		spool_acknowledge (spool, 1, incarnation, *sequence > 5 ? *sequence - 5 : 0);
		return spool_tick (spool, now, NULL);
	}
	spool_item_t items[3];
	unsigned count = 1 + n % 3;
	for (unsigned i = 0; i < count; i++) {
		items[i] = (spool_item_t){ .incarnation = incarnation,
			.boot_nonce = incarnation,
			.sequence = *sequence + 1 + i,
			.priority = (spool_priority_t) ((n + i) % SPOOL_PRIORITIES),
			.time_ns = (uint64_t) now.ns,
			.topic = span_str ("audit/admin/demo/n1/agent/"),
			.event = span_of (bytes, 200 + (n * 977 + i * 531) % 5000) };
	}
	int r = spool_commit (spool, items, count, now, NULL);
	if (!r)
		*sequence += count;
	return r;
}

static uint64_t reference_run (void)
{
	spool_report_t report;
	uint64_t sequence = 0;
	disk_reset ();
	spool_t *spool = spool_start (&report);
	disk_fault (DISK_WORKS, 0, 0);
	states[0] = strdup (read_all (spool));
	for (unsigned n = 0; n < OPERATIONS; n++) {
		if (operate (spool, n, &sequence))
			exit (1);
		states[n + 1] = strdup (read_all (spool));
	}
	spool_close (&spool);
	return disk_calls ();
}

static void wrong (uint64_t *count, const char *what, uint64_t at, uint64_t seed, const char *before,
        const char *after, const char *found, const char *said)
{
	if (++*count <= 3)
		fprintf (stderr,
		        "crash: %s: at call %lu, seed %lu\n before %s\n after  %s\n found  %s\n %s\n", what,
		        (unsigned long) at, (unsigned long) seed, before, after, found, said);
}

/* Power lost at the at-th call of the work, and, where again is not 0, at the again-th of the opening. */
static void crash_run (uint64_t at, uint64_t again, uint64_t seed)
{
	spool_report_t report;
	uint64_t sequence = 0;
	unsigned n = 0;
	disk_reset ();
	spool_t *spool = spool_start (&report);
	disk_fault (DISK_CRASHES, at, 0);
	while (n < OPERATIONS && operate (spool, n, &sequence) == 0 && !disk_crashed ())
		n++;
	spool_close (&spool);
	disk_reboot (seed);
	runs++;
	if (again) {
		disk_fault (DISK_CRASHES, again, 0);
		spool = spool_start (&report);
		spool_close (&spool);
		disk_reboot (seed * 31 + again);
		reopened++;
	}
	spool = spool_start (&report);
	const char *before = states[n], *after = states[n < OPERATIONS ? n + 1 : n],
	           *found = read_all (spool);
	if (strcmp (found, before) != 0 && strcmp (found, after) != 0)
		wrong (&lost, "not what was committed", at, seed, before, after, found, report.text);
	/* And it goes on: what comes next is there after a clean restart, once. */
	uint64_t newest = spool_newest (spool, 3);
	spool_item_t item = { .incarnation = 3,
		.boot_nonce = 3,
		.sequence = newest + 1,
		.priority = SPOOL_AUDIT,
		.time_ns = (uint64_t) now.ns,
		.event = span_of ("x", 1) };
	if (newest || spool_commit (spool, &item, 1, now, NULL))
		wrong (&lost, "it does not go on", at, seed, before, after, found, report.text);
	spool_close (&spool);
	spool = spool_start (&report);
	found = read_all (spool);
	const char *first = strstr (found, "3:1=1 "), *second = first ? strstr (first + 1, "3:1=1 ") : NULL;
	if (report.text[0] || !second || strstr (second + 1, "3:1=1 "))
		wrong (&twice, "not once after a clean restart", at, seed, before, after, found, report.text);
	spool_close (&spool);
}

int main (int argc, char **argv)
{
	uint64_t wanted = argc > 1 ? strtoull (argv[1], NULL, 10) : 1000;
	if (sodium_init () < 0 || wanted == 0 || wanted > 10000000)
		return 2;
	uint64_t calls = reference_run ();
	/* A few calls more than the work needs: nothing fails then, and the closing is met. */
	for (uint64_t seed = 1; runs < wanted; seed++) {
		for (uint64_t at = 1; at <= calls + 2; at++)
			crash_run (at, seed % 3 == 0 ? 1 + (at + seed) % 24 : 0, seed);
	}
	printf ("spool: %lu losses of power at each of %lu calls, %lu of them again while opening: %lu times "
	        "not what "
	        "was committed, %lu times not once\n",
	        (unsigned long) runs, (unsigned long) calls, (unsigned long) reopened, (unsigned long) lost,
	        (unsigned long) twice);
	for (unsigned n = 0; n <= OPERATIONS; n++)
		free (states[n]);
	disk_reset ();
	return lost || twice;
}
