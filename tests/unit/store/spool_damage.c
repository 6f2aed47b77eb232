/* What a spool does where its files, or what it is asked for, are not as they should be. */

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "store/aside.h"
#include "store/slots.h"
#include "store/spool.h"

static spool_t *spool;
static spool_report_t report;
static const char *collectors[] = { "a", "b" };
static spool_options_t options;
static wall_t now = { INT64_C (1700000000) * NS_PER_S };
static char seen[64 * 1024];

static void open_spool (void)
{
	err_t err = { "" };
	cr_assert_eq (spool_open (&options, now, &spool, &report, &err), 0, "%s", err.text);
}

static void setup (void)
{
	cr_assert_geq (sodium_init (), 0);
	disk_reset ();
	options = (spool_options_t){ "state", DISK_VFS, collectors, 2, 1024 * 1024, 3600 * NS_PER_S };
	open_spool ();
}

static void teardown (void)
{
	spool_close (&spool);
	disk_reset ();
}

TestSuite (spool_damage, .init = setup, .fini = teardown);

static int put (uint64_t incarnation, uint64_t sequence, spool_priority_t priority, size_t size)
{
	static uint8_t bytes[SPOOL_EVENT_MAX];
	const spool_item_t item = { .incarnation = incarnation,
		.boot_nonce = incarnation * 10,
		.sequence = sequence,
		.priority = priority,
		.time_ns = (uint64_t) now.ns,
		.event = span_of (bytes, size) };
	return spool_commit (spool, &item, 1, now, NULL);
}

static void put_all (uint64_t first, uint64_t last, size_t size)
{
	for (uint64_t s = first; s <= last; s++)
		cr_assert_eq (put (1, s, SPOOL_AUDIT, size), 0);
}

/* "1:1 1:2 1:3-7/5(1)": events, gaps with their count and reason. */
static int on_item (void *arg, const spool_item_t *item)
{
	size_t at = strlen (seen);
	(void) arg;
	cr_assert_lt (at + 100, sizeof seen);
	if (item->reason)
		snprintf (seen + at, 100, "%lu:%lu-%lu/%lu(%d) ", (unsigned long) item->incarnation,
		        (unsigned long) item->first, (unsigned long) item->last, (unsigned long) item->count,
		        (int) item->reason);
	else
		snprintf (seen + at, 100, "%lu:%lu ", (unsigned long) item->incarnation,
		        (unsigned long) item->sequence);
	return 0;
}

static const char *read_all (size_t collector)
{
	err_t err = { "" };
	seen[0] = '\0';
	cr_assert_eq (spool_read (spool, collector, 0, 0, SIZE_MAX, SIZE_MAX, on_item, NULL, &err), 0, "%s",
	        err.text);
	return seen;
}

static void acknowledge (uint64_t newest)
{
	spool_acknowledge (spool, 0, 1, newest);
	spool_acknowledge (spool, 1, 1, newest);
	cr_assert_eq (spool_tick (spool, now, NULL), 0);
}

Test (spool_damage, a_sequence_that_was_there_or_another_boots_is_refused)
{
	put_all (1, 4, 100);
	acknowledge (3);
	cr_expect_eq (put (1, 2, SPOOL_AUDIT, 1), -EINVAL, "it was acknowledged");
	cr_expect_eq (put (1, 4, SPOOL_AUDIT, 1), -EINVAL, "it waits");
	const spool_item_t other = { .incarnation = 1, .boot_nonce = 11, .sequence = 5 };
	err_t err = { "" };
	cr_expect_eq (spool_commit (spool, &other, 1, now, &err), -EINVAL);
	cr_expect_neq (strstr (err.text, "does not follow 4 (a)"), NULL, "%s", err.text);
	put_all (5, 5, 1);
	cr_expect_str_eq (read_all (0), "1:4 1:5 ");
}

Test (spool_damage, an_event_that_can_never_fit_drives_nothing_else_out)
{
	spool_close (&spool);
	options.bytes_max = 64 * 1024;
	open_spool ();
	put_all (1, 5, 1000);
	cr_assert_eq (put (1, 6, SPOOL_LOG, 16 * 1024), 0);
	cr_assert_eq (put (1, 7, SPOOL_ORDINARY, 32 * 1024), 0);
	cr_assert_eq (put (1, 8, SPOOL_AUDIT, 64 * 1024), 0);
	cr_expect_str_eq (read_all (0), "1:1 1:2 1:3 1:4 1:5 1:6-8/3(1) ");
	spool_figures_t figures;
	spool_figures (spool, &figures);
	for (int i = 0; i < SPOOL_PRIORITIES; i++)
		cr_expect_eq (figures.dropped[i], 1);
}

Test (spool_damage, what_of_a_gap_is_acknowledged_is_not_said_again)
{
	cr_assert_eq (put (1, 6, SPOOL_AUDIT, 1), 0);
	cr_expect_str_eq (read_all (0), "1:1-5/5(5) 1:6 ");
	acknowledge (3);
	cr_expect_str_eq (read_all (0), "1:4-5/2(5) 1:6 ");
	spool_close (&spool);
	open_spool ();
	cr_expect_str_empty (report.text, "%s", report.text);
	cr_expect_str_eq (read_all (0), "1:4-5/2(5) 1:6 ");
}

Test (spool_damage, a_bit_flipped_in_what_is_acknowledged_acknowledges_nothing)
{
	put_all (1, 40, 10);
	spool_acknowledge (spool, 0, 1, 30);
	spool_acknowledge (spool, 1, 1, 20);
	cr_assert_eq (spool_tick (spool, now, NULL), 0);
	spool_close (&spool);
	disk_image_t *image = disk_save ();
	size_t size, found = 0, noticed = 0;
	static const uint8_t record[] = { 0xb5, 'B', 'F', 'R', 'Y', 'r', 'e', 'c', 1, 6 };
	uint8_t *bytes = disk_bytes ("state/spool.db", &size);
	for (size_t at = 0; at + sizeof record < size; at++) {
		if (memcmp (bytes + at, record, sizeof record) != 0)
			continue;
		const size_t length = bytes[at + 13];
		found += length;
		for (size_t bit = 0; bit < length * 8; bit++) {
			disk_restore (image);
			disk_bytes ("state/spool.db", &size)[at + bit / 8] ^= (uint8_t) (1 << bit % 8);
			open_spool ();
			noticed += report.text[0] != '\0';
			cr_expect_eq (report.missing, 0, "%s", report.text);
			read_all (1);
			cr_expect_eq (strncmp (seen, "1:21 ", 5), 0, "bit %zu: %.40s", bit, seen);
			cr_expect_eq (spool_newest (spool, 1), 40);
			spool_close (&spool);
		}
		disk_restore (image);
		bytes = disk_bytes ("state/spool.db", &size);
	}
	disk_image_free (&image);
	cr_expect_gt (found, 0);
	cr_expect_geq (noticed, 80 * 8, "the one that is in use");
	open_spool ();
}

Test (spool_damage, a_position_of_a_collector_that_is_no_longer_there_holds_nothing_back)
{
	put_all (1, 4, 10);
	spool_acknowledge (spool, 0, 1, 3);
	cr_assert_eq (spool_tick (spool, now, NULL), 0);
	cr_expect_str_eq (read_all (1), "1:1 1:2 1:3 1:4 ");
	spool_close (&spool);
	options.n_collectors = 1;
	open_spool ();
	spool_figures_t figures;
	spool_figures (spool, &figures);
	cr_expect_eq (figures.events, 1);
	cr_expect_str_eq (read_all (0), "1:4 ");
}

Test (spool_damage, a_row_that_no_longer_checks_heals_the_file_under_way_and_is_told_once)
{
	static uint8_t zeros[2500];
	const uint64_t n = 900; /* more than is kept of the file in memory */
	spool_close (&spool);
	options.bytes_max = 16 * 1024 * 1024;
	open_spool ();
	put_all (1, n, 3000);
	spool_close (&spool);
	open_spool ();
	size_t size;
	uint8_t *bytes = disk_bytes ("state/spool.db", &size);
	/* Somewhere inside an event's zeros. */
	uint8_t *in_row = memmem (bytes + size / 4, size / 2, zeros, sizeof zeros);
	cr_assert (in_row);
	in_row[sizeof zeros - 1] ^= 1;
	read_all (0);
	spool_report_t found;
	cr_assert (spool_found (spool, &found));
	cr_expect_eq (found.missing, 1, "%s", found.text);
	cr_expect_eq (found.recovered, n - 1);
	cr_expect_not (spool_found (spool, &found));
	cr_expect_neq (strstr (seen, "/1(3) "), NULL, "a gap in its place");
	char all[sizeof seen];
	strcpy (all, seen);
	cr_expect_str_eq (read_all (0), all, "nothing came twice or not at all in the reading that met it");
	put_all (n + 1, n + 1, 10);
}

Test (spool_damage, without_memory_of_what_was_settled_or_dropped_nothing_old_is_told_as_missing)
{
	spool_close (&spool);
	options.bytes_max = 64 * 1024;
	open_spool ();
	for (uint64_t s = 1; s <= 60; s++)
		cr_assert_eq (put (1, s, s % 2 ? SPOOL_LOG : SPOOL_AUDIT, 1500), 0);
	acknowledge (8);
	spool_close (&spool);
	size_t size;
	memset (disk_bytes ("state/spool.db", &size), 0x5a, 100);
	open_spool ();
	cr_expect_eq (report.missing, 0, "%s", report.text);
	cr_expect_eq (strstr (read_all (0), "(3)"), NULL, "no gap says corrupt: %s", seen);
	cr_expect_neq (strstr (seen, "1:60 "), NULL);
	cr_expect_eq (strstr (seen, "1:8 "), NULL, "what was settled does not wait again");
}

Test (spool_damage, the_numbers_that_events_had_before_do_not_come_back)
{
	put_all (1, 20, 100);
	uint64_t next;
	cr_assert_eq (spool_renumber (spool, 1, 2, 20, 1, &next, NULL), 0);
	spool_close (&spool);
	size_t size;
	memset (disk_bytes ("state/spool.db", &size), 0x5a, 100);
	open_spool ();
	cr_expect_neq (report.text[0], '\0');
	cr_expect_eq (strstr (read_all (0), "1:"), strstr (seen, "1:"));
	cr_expect_eq (strncmp (seen, "2:1", 3), 0, "%s", seen);
	cr_expect_eq (spool_oldest_incarnation (spool, 0, NULL), 2);
}

Test (spool_damage, an_event_that_cannot_be_read_is_a_gap_under_its_new_number)
{
	static const uint8_t none[] = { 0xff, 0xff, 0xff };
	const spool_item_t item = { .incarnation = 1,
		.boot_nonce = 10,
		.sequence = 1,
		.time_ns = 1,
		.event = span_of (none, sizeof none) };
	cr_assert_eq (spool_commit (spool, &item, 1, now, NULL), 0);
	uint64_t next;
	cr_assert_eq (spool_renumber (spool, 1, 2, 20, 1, &next, NULL), 0);
	cr_expect_str_eq (read_all (0), "2:1-1/1(3) ");
}

Test (spool_damage, on_a_full_disk_it_opens_and_what_waits_can_be_read)
{
	put_all (1, 3, 100);
	disk_image_t *killed = disk_save ();
	spool_close (&spool);
	disk_restore (killed);
	disk_image_free (&killed);
	disk_fault (DISK_FULL, 1, 0);
	open_spool ();
	cr_expect_str_eq (read_all (0), "1:1 1:2 1:3 ");
	cr_expect_eq (put (1, 4, SPOOL_AUDIT, 1), -ENOSPC);
	disk_fault (DISK_WORKS, 0, 0);
	put_all (4, 4, 1);
}

Test (spool_damage, of_too_many_incarnations_the_oldest_goes_and_is_counted)
{
	for (uint64_t i = 1; i <= SPOOL_INCARNATIONS_MAX + 3; i++)
		cr_assert_eq (put (i, 1, SPOOL_AUDIT, 1), 0);
	spool_figures_t figures;
	spool_figures (spool, &figures);
	cr_expect_eq (figures.events, SPOOL_INCARNATIONS_MAX);
	cr_expect_eq (figures.dropped[SPOOL_AUDIT], 3);
	cr_expect_eq (figures.oldest_incarnation, 4);
	spool_close (&spool);
	open_spool ();
	cr_expect_str_empty (report.text, "%s", report.text);
}

Test (spool_damage, a_mark_of_no_sense_is_none)
{
	put_all (1, 3, 10);
	spool_close (&spool);
	for (size_t size = 0; size <= 80; size++) {
		static const uint8_t bytes[80] = { 1, 2, 3 };
		slots_t *slots;
		cr_assert_eq (slots_open (DISK_VFS, "state/spool.mark", false, &slots, NULL), 0);
		cr_assert_eq (slots_write (slots, span_of (bytes, size), true), 0);
		slots_close (&slots);
		open_spool ();
		cr_expect_str_eq (read_all (0), "1:1 1:2 1:3 ");
		spool_close (&spool);
	}
	open_spool ();
}

static unsigned set_aside (const char *directory)
{
	DIR *all = opendir (directory);
	unsigned n = 0;
	for (struct dirent *entry; (entry = readdir (all));)
		n += strstr (entry->d_name, ".corrupt-") && !strstr (entry->d_name, "-wal");
	closedir (all);
	return n;
}

Test (spool_damage, of_what_was_set_aside_the_newest_are_kept)
{
	char directory[] = "/tmp/belfry-spool-XXXXXX", path[64], command[96];
	cr_assert (mkdtemp (directory));
	snprintf (path, sizeof path, "%s/spool.db", directory);
	spool_close (&spool);
	options.directory = directory;
	options.vfs = NULL;
	open_spool ();
	put_all (1, 5, 100);
	for (unsigned i = 1; i <= ASIDE_KEPT + 3; i++) {
		spool_close (&spool);
		int fd = open (path, O_WRONLY);
		cr_assert_eq (pwrite (fd, "no database", 11, 0), 11);
		close (fd);
		now.ns += NS_PER_S;
		open_spool ();
		cr_expect_eq (report.recovered, 5, "%s", report.text);
		cr_expect_eq (set_aside (directory), i < ASIDE_KEPT ? i : ASIDE_KEPT);
	}
	spool_close (&spool);
	snprintf (command, sizeof command, "rm -r %s", directory);
	cr_assert_eq (system (command), 0);
	setup ();
}
