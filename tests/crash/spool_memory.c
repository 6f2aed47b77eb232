/* spool_memory.c - each allocation in turn is refused, SQLite's and the spool's own, while a spool opens, works,
 * heals and is read. It says so or does without; nothing that it says is committed is lost, nothing leaks.
 *
 *	crash-spool-memory [EVERY]: every so manieth allocation; prints the counts. */

#include <sodium.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "store/spool.h"

enum { EVENTS = 12 };

/* The linker hands us what lib/store asks for (--wrap). */
void *__real_malloc (size_t size);
void *__real_calloc (size_t n, size_t size);
void *__real_realloc (void *old, size_t size);
char *__real_strdup (const char *text);
void *__wrap_malloc (size_t size);
void *__wrap_calloc (size_t n, size_t size);
void *__wrap_realloc (void *old, size_t size);
char *__wrap_strdup (const char *text);

static uint64_t asked, refuse_at; /* 0: none */
static int64_t held;              /* of SQLite */

static bool refused (void)
{
	return refuse_at && ++asked == refuse_at;
}

void *__wrap_malloc (size_t size)
{
	return refused () ? NULL : __real_malloc (size);
}
void *__wrap_calloc (size_t n, size_t size)
{
	return refused () ? NULL : __real_calloc (n, size);
}
void *__wrap_realloc (void *old, size_t size)
{
	return refused () ? NULL : __real_realloc (old, size);
}
char *__wrap_strdup (const char *text)
{
	return refused () ? NULL : __real_strdup (text);
}

static sqlite3_mem_methods theirs;
static void *sqlite_malloc (int size)
{
	void *found = refused () ? NULL : theirs.xMalloc (size);
	held += found != NULL;
	return found;
}
static void sqlite_free (void *memory)
{
	held -= memory != NULL;
	theirs.xFree (memory);
}
static void *sqlite_realloc (void *memory, int size)
{
	return refused () ? NULL : theirs.xRealloc (memory, size);
}

static const char *collectors[] = { "a", "b" };
static wall_t now = { INT64_C (1700000000) * NS_PER_S };
static uint64_t runs, said, wrong;

static int start (spool_t **ret)
{
	const spool_options_t options = { "state", DISK_VFS, collectors, 2, 64 * 1024, 3600 * NS_PER_S };
	spool_report_t report;
	err_t err = { "" };
	return spool_open (&options, now, ret, &report, &err);
}

typedef struct {
	uint64_t next;
	bool strange;
} seen_t;

static int on_item (void *arg, const spool_item_t *item)
{
	seen_t *seen = arg;
	seen->strange |= item->reason || item->first != seen->next;
	seen->next = item->last + 1;
	return 0;
}

/* Opens what a kill left, with its head damaged where damaged; commits, settles, reads. Returns the newest
 * sequence that was committed. */
static uint64_t work (bool damaged, uint64_t newest)
{
	static uint8_t bytes[2000];
	spool_t *spool = NULL;
	size_t size;
	if (damaged)
		memset (disk_bytes ("state/spool.db", &size), 0x5a, 64);
	if (start (&spool)) {
		said++;
		return newest;
	}
	for (unsigned i = 0; i < EVENTS; i++) {
		const spool_item_t item = { .incarnation = 1,
			.boot_nonce = 2,
			.sequence = newest + 1,
			.priority = SPOOL_AUDIT,
			.event = span_of (bytes, 100 + i * 150) };
		int r = spool_commit (spool, &item, 1, now, NULL);
		newest += r == 0;
		said += r != 0;
	}
	spool_acknowledge (spool, 0, 1, 2);
	said += spool_tick (spool, now, NULL) != 0;
	seen_t seen = { 3, false };
	said += spool_read (spool, 0, 0, 0, SIZE_MAX, SIZE_MAX, on_item, &seen, NULL) != 0;
	wrong += seen.strange;
	spool_close (&spool);
	return newest;
}

/* False when fewer were asked for. */
static bool memory_run (const disk_image_t *image, bool damaged, uint64_t at)
{
	disk_restore (image);
	int64_t before = held;
	asked = 0;
	refuse_at = at;
	uint64_t newest = work (damaged, EVENTS);
	bool met = asked >= at;
	refuse_at = 0;
	spool_t *spool = NULL;
	seen_t seen = { 1, false };
	/* Acknowledged by the first alone, so the second would be sent all of it. */
	bool good = start (&spool) == 0 && spool_newest (spool, 1) == newest &&
	            spool_read (spool, 1, 0, 0, SIZE_MAX, SIZE_MAX, on_item, &seen, NULL) == 0 &&
	            !seen.strange && seen.next == newest + 1;
	spool_close (&spool);
	good = good && held == before;
	if (!good && ++wrong <= 5)
		fprintf (stderr,
		        "crash: allocation %lu, damaged %d: committed %lu, found %lu; %ld blocks left\n",
		        (unsigned long) at, damaged, (unsigned long) newest, (unsigned long) seen.next - 1,
		        (long) (held - before));
	runs++;
	return met;
}

int main (int argc, char **argv)
{
	uint64_t every = argc > 1 ? strtoull (argv[1], NULL, 10) : 1;
	sqlite3_config (SQLITE_CONFIG_GETMALLOC, &theirs);
	sqlite3_mem_methods ours = theirs;
	ours.xMalloc = sqlite_malloc;
	ours.xFree = sqlite_free;
	ours.xRealloc = sqlite_realloc;
	sqlite3_config (SQLITE_CONFIG_MALLOC, &ours);
	/* Small blocks are asked for one by one, not cut from a larger one. */
	sqlite3_config (SQLITE_CONFIG_LOOKASIDE, 0, 0);
	if (sodium_init () < 0 || every == 0)
		return 2;
	disk_reset ();
	(void) work (false, 0);
	disk_image_t *image = disk_save ();
	for (int damaged = 0; damaged < 2; damaged++) {
		for (uint64_t at = 1; memory_run (image, damaged, at); at += every)
			;
	}
	printf ("spool: %lu refused allocations, %lu times said: %lu times wrong\n", (unsigned long) runs,
	        (unsigned long) said, (unsigned long) wrong);
	disk_image_free (&image);
	disk_reset ();
	return wrong != 0;
}
