/* spool_flip.c - one bit flipped at every position of a spool's files, opened and read: each event is there as
 * it was, or a gap names it; nothing that never was is read; nothing crashes; and it goes on.
 *
 *	crash-spool-flip [EVERY]: only every so manieth byte of the WAL, a tenth of that of the rest; prints the
 *	counts. */

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "store/spool.h"

enum { EVENTS = 60, SETTLED = 10 };

static const char *collectors[] = { "a" };
static wall_t now = { INT64_C (1700000000) * NS_PER_S };
static uint64_t flips, harmless, detected, recovered, gapped, wrong;

static size_t size_of (uint64_t sequence)
{
	return 40 + (size_t) (sequence * 677 % 900);
}

static void fill (uint8_t *bytes, uint64_t sequence)
{
	for (size_t i = 0; i < size_of (sequence); i++)
		bytes[i] = (uint8_t) (sequence * 31 + i);
}

static spool_t *start (spool_report_t *report, err_t *err)
{
	const spool_options_t options = { "state", DISK_VFS, collectors, 1, 1024 * 1024, 3600 * NS_PER_S };
	spool_t *spool = NULL;
	return spool_open (&options, now, &spool, report, err) ? NULL : spool;
}

static int put (spool_t *spool, uint64_t sequence)
{
	uint8_t bytes[1024];
	fill (bytes, sequence);
	const spool_item_t item = { .incarnation = 1,
		.boot_nonce = 9,
		.sequence = sequence,
		.priority = (spool_priority_t) (sequence % SPOOL_PRIORITIES),
		.time_ns = (uint64_t) now.ns,
		.topic = span_str ("audit/admin/demo/n1/agent/"),
		.event = span_of (bytes, size_of (sequence)) };
	return spool_commit (spool, &item, 1, now, NULL);
}

/* The files as a kill leaves them: half in the database, half in its WAL. */
static disk_image_t *prepare (void)
{
	spool_report_t report;
	disk_reset ();
	spool_t *spool = start (&report, NULL);
	for (uint64_t s = 1; s <= EVENTS / 2; s++)
		(void) put (spool, s);
	spool_acknowledge (spool, 0, 1, SETTLED);
	(void) spool_tick (spool, now, NULL);
	spool_close (&spool);
	spool = start (&report, NULL);
	for (uint64_t s = EVENTS / 2 + 1; s <= EVENTS; s++)
		(void) put (spool, s);
	disk_image_t *image = disk_save ();
	spool_close (&spool);
	return image;
}

typedef struct {
	bool there[EVENTS + 1], gap[EVENTS + 1];
	unsigned events, strange;
} seen_t;

static int on_item (void *arg, const spool_item_t *item)
{
	seen_t *seen = arg;
	uint8_t bytes[1024];
	if (item->reason) {
		for (uint64_t s = item->first; s <= item->last && s <= EVENTS; s++)
			seen->gap[s] = true;
		seen->strange += item->incarnation != 1 || item->last > EVENTS;
		return 0;
	}
	if (item->incarnation != 1 || item->sequence == 0 || item->sequence > EVENTS ||
	        item->event.size != size_of (item->sequence) || seen->there[item->sequence]) {
		seen->strange++;
		return 0;
	}
	fill (bytes, item->sequence);
	seen->strange += memcmp (bytes, item->event.data, item->event.size) != 0;
	seen->there[item->sequence] = true;
	seen->events++;
	return 0;
}

static void flip_run (const disk_image_t *image, const char *name, size_t at, unsigned bit)
{
	spool_report_t report;
	err_t err = { "" };
	size_t size;
	disk_restore (image);
	disk_bytes (name, &size)[at] ^= (uint8_t) (1u << bit);
	flips++;
	spool_t *spool = start (&report, &err);
	seen_t seen = { .events = 0 };
	bool good = spool && spool_read (spool, 0, 0, 0, SIZE_MAX, SIZE_MAX, on_item, &seen, &err) == 0;
	for (uint64_t s = SETTLED + 1; good && s <= EVENTS; s++) {
		gapped += seen.gap[s] && !seen.there[s];
		good = seen.there[s] != seen.gap[s];
	}
	good = good && !seen.strange && put (spool, spool_newest (spool, 1) + 1) == 0;
	detected += report.text[0] != '\0';
	harmless += report.text[0] == '\0';
	recovered += seen.events;
	if (!good && ++wrong <= 5)
		fprintf (stderr, "crash: %s, byte %zu, bit %u: %u events, %u strange; %s %s\n", name, at, bit,
		        seen.events, seen.strange, report.text, err.text);
	spool_close (&spool);
}

int main (int argc, char **argv)
{
	size_t every = argc > 1 ? strtoull (argv[1], NULL, 10) : 16;
	if (sodium_init () < 0 || every == 0)
		return 2;
	disk_image_t *image = prepare ();
	static const char *const names[] = { "state/spool.db", "state/spool.db-wal", "state/spool.mark" };
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		size_t size = 0;
		disk_restore (image);
		if (!disk_bytes (names[i], &size) || size == 0) {
			fprintf (stderr, "crash: there is no %s\n", names[i]);
			return 1;
		}
		/* The WAL holds every page many times. */
		size_t step = i == 1 ? every : every / 10 + 1;
		for (size_t at = i * 5 % step; at < size; at += step)
			flip_run (image, names[i], at, (unsigned) (at * 7 / step % 8));
	}
	printf ("spool: %lu flipped bits: %lu detected, %lu harmless, %lu of %lu events as they were, %lu "
	        "named by a "
	        "gap, %lu times wrong\n",
	        (unsigned long) flips, (unsigned long) detected, (unsigned long) harmless,
	        (unsigned long) recovered, (unsigned long) (flips * (EVENTS - SETTLED)),
	        (unsigned long) gapped, (unsigned long) wrong);
	disk_image_free (&image);
	disk_reset ();
	return wrong != 0;
}
