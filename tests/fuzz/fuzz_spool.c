/* fuzz_spool.c - any bytes as the files of a spool. It opens: what it gives then is in order and without a hole,
 * it takes another event, and finds that again. The first byte says what the rest is: the database, its WAL or
 * the mark beside sound ones, or bytes to change in them (file, u24 offset, value). */

#include "expect.h"

#include <sodium.h>
#include <string.h>

#include "disk.h"
#include "store/spool.h"

static const char *collectors[] = { "a", "b" };
static const char *const names[] = { "state/spool.db", "state/spool.db-wal", "state/spool.mark" };
static wall_t now = { INT64_C (1700000000) * NS_PER_S };

static int start (spool_t **ret)
{
	const spool_options_t options = { "state", DISK_VFS, collectors, 2, 256 * 1024, 3600 * NS_PER_S };
	spool_report_t report;
	err_t err = { "" };
	*ret = NULL;
	int r = spool_open (&options, now, ret, &report, &err);
	if (r)
		fprintf (stderr, "%s\n", err.text);
	return r;
}

static int put (spool_t *spool, uint64_t incarnation, uint64_t sequence)
{
	static uint8_t bytes[300];
	const spool_item_t item = { .incarnation = incarnation,
		.boot_nonce = incarnation,
		.sequence = sequence,
		.priority = (spool_priority_t) (sequence % SPOOL_PRIORITIES),
		.time_ns = (uint64_t) now.ns,
		.topic = span_str ("audit/admin/demo/n1/agent/"),
		.event = span_of (bytes, sizeof bytes) };
	return spool_commit (spool, &item, 1, now, NULL);
}

/* Half in the database, half in the WAL, two incarnations, gaps, something settled. */
static disk_image_t *sound (void)
{
	spool_t *spool;
	disk_reset ();
	EXPECT (start (&spool) == 0);
	for (uint64_t s = 1; s <= 20; s++)
		EXPECT (put (spool, 1, s + s / 7) == 0);
	spool_acknowledge (spool, 0, 1, 9);
	spool_acknowledge (spool, 1, 1, 4);
	EXPECT (spool_tick (spool, now, NULL) == 0);
	spool_close (&spool);
	EXPECT (start (&spool) == 0);
	for (uint64_t s = 1; s <= 6; s++)
		EXPECT (put (spool, 2, s) == 0);
	disk_image_t *image = disk_save ();
	spool_close (&spool);
	return image;
}

typedef struct {
	uint64_t incarnation, last;
} seen_t;

static int on_item (void *arg, const spool_item_t *item)
{
	seen_t *seen = arg;
	EXPECT (item->incarnation >= seen->incarnation && item->first >= 1 && item->first <= item->last &&
	        item->sequence == item->last);
	if (item->incarnation == seen->incarnation)
		EXPECT (item->first == seen->last + 1);
	EXPECT (!item->reason || (item->count >= 1 && item->count <= item->last - item->first + 1));
	seen->incarnation = item->incarnation;
	seen->last = item->last;
	return 0;
}

static seen_t read_all (spool_t *spool, size_t collector)
{
	seen_t seen = { 0, 0 };
	err_t err = { "" };
	EXPECT (spool_read (spool, collector, 0, 0, SIZE_MAX, SIZE_MAX, on_item, &seen, &err) == 0);
	return seen;
}

static void change (const uint8_t *data, size_t size)
{
	for (; size >= 5; data += 5, size -= 5) {
		size_t at = (size_t) data[1] << 16 | (size_t) data[2] << 8 | data[3], all = 0;
		uint8_t *bytes = disk_bytes (names[data[0] % 3], &all);
		if (all)
			bytes[at % all] ^= data[4];
	}
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
	static disk_image_t *image;
	if (!image) {
		EXPECT (sodium_init () >= 0);
		image = sound ();
	}
	disk_restore (image);
	if (size && data[0] % 4 < 3)
		disk_put (names[data[0] % 4], data + 1, size - 1);
	else if (size)
		change (data + 1, size - 1);
	spool_t *spool;
	EXPECT (start (&spool) == 0);
	for (size_t c = 0; c < 2; c++)
		read_all (spool, c);
	spool_acknowledge (spool, 0, 2, 3);
	EXPECT (spool_tick (spool, now, NULL) == 0);
	/* An incarnation that no input can name with another nonce: numbers are below 2^63. */
	const uint64_t fresh = INT64_MAX;
	uint64_t next = spool_newest (spool, fresh) + 1;
	int r = next <= INT64_MAX ? put (spool, fresh, next) : -1;
	spool_close (&spool);
	EXPECT (start (&spool) == 0);
	seen_t seen = read_all (spool, 0);
	EXPECT (r != 0 || (seen.incarnation == fresh && seen.last == next));
	spool_close (&spool);
	return 0;
}
