#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "belfry/v1/event.pb-c.h"
#include "disk.h"
#include "store/spool.h"

enum { SEEN_MAX = 4096 };

static spool_t *spool;
static spool_report_t report;
static const char *collectors[] = { "tcp://127.0.0.1:1", "tcp://127.0.0.1:2" };
static spool_options_t options;
static wall_t now = { INT64_C (1700000000) * NS_PER_S };

static void open_spool (void)
{
	err_t err = { "" };
	cr_assert_eq (spool_open (&options, now, &spool, &report, &err), 0, "%s", err.text);
}

static void reopen (void)
{
	spool_close (&spool);
	open_spool ();
}

static void setup (void)
{
	cr_assert_geq (sodium_init (), 0);
	disk_reset ();
	options = (spool_options_t){ "state", DISK_VFS, collectors, 1, 1024 * 1024, 3600 * NS_PER_S };
	open_spool ();
}

static void teardown (void)
{
	spool_close (&spool);
	disk_reset ();
}

TestSuite (spool, .init = setup, .fini = teardown);

static int put_sized (uint64_t incarnation, uint64_t sequence, spool_priority_t priority, size_t size)
{
	static uint8_t bytes[SPOOL_EVENT_MAX];
	spool_item_t item = { .incarnation = incarnation,
		.boot_nonce = incarnation * 10,
		.sequence = sequence,
		.priority = priority,
		.time_ns = (uint64_t) now.ns,
		.topic = span_str ("audit/admin/demo/n1/agent/") };
	memset (bytes, (int) sequence, size);
	item.event = span_of (bytes, size);
	return spool_commit (spool, &item, 1, now, NULL);
}

static void put (uint64_t incarnation, uint64_t first, uint64_t last, spool_priority_t priority)
{
	for (uint64_t s = first; s <= last; s++)
		cr_assert_eq (put_sized (incarnation, s, priority, 100), 0);
}

/* What is read, as text: "1:1 1:2 1:3-7/2(spool full)". */
static char seen[64 * 1024];
static size_t n_seen;

static int on_item (void *arg, const spool_item_t *item)
{
	char text[96];
	(void) arg;
	if (item->reason)
		snprintf (text, sizeof text, "%lu:%lu-%lu/%lu(%d) ", (unsigned long) item->incarnation,
		        (unsigned long) item->first, (unsigned long) item->last, (unsigned long) item->count,
		        (int) item->reason);
	else
		snprintf (text, sizeof text, "%lu:%lu ", (unsigned long) item->incarnation,
		        (unsigned long) item->sequence);
	if (!item->reason && item->event.size)
		cr_assert_eq (*(const uint8_t *) item->event.data, (uint8_t) item->sequence);
	cr_assert_eq (item->boot_nonce, item->incarnation * 10);
	cr_assert_lt (strlen (seen) + strlen (text), sizeof seen);
	strcat (seen, text);
	n_seen++;
	return 0;
}

static const char *read_all (size_t collector)
{
	err_t err = { "" };
	seen[0] = '\0';
	n_seen = 0;
	cr_assert_eq (spool_read (spool, collector, 0, 0, SEEN_MAX, 1 << 30, on_item, NULL, &err), 0, "%s",
	        err.text);
	return seen;
}

Test (spool, gives_back_in_order_what_was_committed_also_after_a_reopening)
{
	put (1, 1, 3, SPOOL_AUDIT);
	put (2, 1, 2, SPOOL_LOG);
	cr_expect_str_eq (read_all (0), "1:1 1:2 1:3 2:1 2:2 ");
	reopen ();
	cr_expect_str_empty (report.text);
	cr_expect_str_eq (read_all (0), "1:1 1:2 1:3 2:1 2:2 ");
	cr_expect_eq (spool_newest (spool, 1), 3);
	cr_expect_eq (spool_oldest_incarnation (spool, 0, NULL), 1);
}

Test (spool, reads_from_behind_a_place_and_within_bounds)
{
	put (1, 1, 9, SPOOL_ORDINARY);
	seen[0] = '\0';
	cr_assert_eq (spool_read (spool, 0, 1, 4, 2, 1 << 20, on_item, NULL, NULL), 0);
	cr_expect_str_eq (seen, "1:5 1:6 ");
	seen[0] = '\0';
	cr_assert_eq (spool_read (spool, 0, 1, 4, 10, 1, on_item, NULL, NULL), 0);
	cr_expect_str_eq (seen, "1:5 ", "one at least");
}

Test (spool, lets_go_of_what_every_collector_has)
{
	spool_close (&spool);
	options.n_collectors = 2;
	open_spool ();
	put (1, 1, 5, SPOOL_ORDINARY);
	spool_acknowledge (spool, 0, 1, 4);
	cr_assert_eq (spool_tick (spool, now, NULL), 0);
	cr_expect_str_eq (read_all (0), "1:5 ");
	cr_expect_str_eq (read_all (1), "1:1 1:2 1:3 1:4 1:5 ");
	spool_acknowledge (spool, 1, 1, 3);
	spool_acknowledge (spool, 1, 1, 2);
	cr_assert_eq (spool_tick (spool, now, NULL), 0);
	spool_figures_t figures;
	spool_figures (spool, &figures);
	cr_expect_eq (figures.events, 2);
	reopen ();
	cr_expect_str_empty (report.text, "%s", report.text);
	cr_expect_str_eq (read_all (0), "1:5 ");
	cr_expect_str_eq (read_all (1), "1:4 1:5 ");
	spool_acknowledge (spool, 0, 1, 500);
	spool_acknowledge (spool, 1, 1, 500);
	cr_assert_eq (spool_tick (spool, now, NULL), 0);
	spool_figures (spool, &figures);
	cr_expect_eq (figures.events + figures.bytes + figures.oldest_ns + figures.oldest_incarnation, 0);
}

Test (spool, tells_a_collector_that_came_later_what_is_gone)
{
	put (1, 1, 4, SPOOL_ORDINARY);
	spool_acknowledge (spool, 0, 1, 3);
	cr_assert_eq (spool_tick (spool, now, NULL), 0);
	spool_close (&spool);
	options.n_collectors = 2;
	open_spool ();
	cr_expect_str_eq (read_all (1), "1:1-3/3(6) 1:4 ");
	cr_expect_str_eq (read_all (0), "1:4 ");
}

Test (spool, drops_the_lowest_priority_first_and_leaves_gaps_in_place)
{
	spool_close (&spool);
	options.bytes_max = 64 * 1024;
	open_spool ();
	/* 16 KiB for logs, 32 KiB for logs and ordinary ones together, all for audit. */
	uint64_t s = 0;
	for (int i = 0; i < 10; i++)
		cr_assert_eq (put_sized (1, ++s, SPOOL_LOG, 3000), 0);
	cr_expect_str_eq (read_all (0), "1:1-5/5(1) 1:6 1:7 1:8 1:9 1:10 ");
	for (int i = 0; i < 10; i++)
		cr_assert_eq (put_sized (1, ++s, SPOOL_ORDINARY, 3000), 0);
	cr_expect_str_eq (read_all (0), "1:1-10/10(1) 1:11 1:12 1:13 1:14 1:15 1:16 1:17 1:18 1:19 1:20 ");
	for (int i = 0; i < 30; i++)
		cr_assert_eq (put_sized (1, ++s, SPOOL_AUDIT, 3000), 0);
	read_all (0);
	cr_expect_eq (strncmp (seen, "1:1-", 4), 0);
	spool_figures_t figures;
	spool_figures (spool, &figures);
	cr_expect_leq (figures.bytes, options.bytes_max);
	cr_expect_eq (figures.dropped[SPOOL_LOG], 10);
	cr_expect_eq (figures.dropped[SPOOL_ORDINARY], 10);
	cr_expect_gt (figures.dropped[SPOOL_AUDIT], 0, "and last the oldest audit events");
	cr_expect_eq (n_seen, 1 + 50 - 20 - figures.dropped[SPOOL_AUDIT]);
	reopen ();
	cr_expect_str_empty (report.text, "%s", report.text);
	char before[sizeof seen];
	strcpy (before, seen);
	cr_expect_str_eq (read_all (0), before);
}

Test (spool, drops_what_is_too_old)
{
	put (1, 1, 3, SPOOL_AUDIT);
	now.ns += options.age_max_ns + 1;
	put (1, 4, 4, SPOOL_AUDIT);
	cr_assert_eq (spool_tick (spool, now, NULL), 0);
	cr_expect_str_eq (read_all (0), "1:1-3/3(2) 1:4 ");
	now.ns -= options.age_max_ns + 1;
}

Test (spool, names_what_was_never_handed_over)
{
	put (1, 1, 2, SPOOL_AUDIT);
	put (1, 6, 6, SPOOL_AUDIT);
	cr_expect_str_eq (read_all (0), "1:1 1:2 1:3-5/3(5) 1:6 ");
}

Test (spool, gives_what_waits_another_number)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	header.incarnation = 3;
	header.boot_nonce = 30;
	event.header = &header;
	uint8_t bytes[256];
	for (uint64_t s = 1; s <= 3; s++) {
		header.sequence = s;
		spool_item_t item = { .incarnation = 3,
			.boot_nonce = 30,
			.sequence = s,
			.priority = SPOOL_AUDIT,
			.time_ns = 1 };
		item.event = span_of (bytes, belfry__v1__event__pack (&event, bytes));
		cr_assert_eq (spool_commit (spool, &item, 1, now, NULL), 0);
	}
	uint64_t next = 0;
	err_t err = { "" };
	cr_assert_eq (spool_renumber (spool, 3, 7, 70, 1, &next, &err), 0, "%s", err.text);
	cr_expect_eq (next, 4);
	cr_expect_eq (spool_oldest_incarnation (spool, 0, NULL), 7);
	cr_expect_eq (spool_newest (spool, 3), 3, "nothing of it waits, and its numbers are not given again");
	cr_assert_eq (spool_renumber (spool, 7, 7, 70, 4, &next, &err), -EINVAL);
	put (7, 4, 4, SPOOL_AUDIT);
	reopen ();
	cr_expect_str_empty (report.text, "%s", report.text);
	cr_expect_eq (spool_newest (spool, 7), 4);
}

Test (spool, keeps_nothing_of_a_commit_that_the_disk_did_not_take_and_goes_on)
{
	put (1, 1, 2, SPOOL_AUDIT);
	disk_fault (DISK_FULL, 1, 0);
	err_t err = { "" };
	spool_item_t item = { .incarnation = 1,
		.boot_nonce = 10,
		.sequence = 3,
		.priority = SPOOL_AUDIT,
		.time_ns = 1,
		.event = span_of ("\x03", 1) };
	cr_assert_eq (spool_commit (spool, &item, 1, now, &err), -ENOSPC, "%s", err.text);
	cr_expect_neq (strstr (err.text, "spool.db"), NULL);
	cr_expect_str_eq (read_all (0), "1:1 1:2 ");
	disk_fault (DISK_WORKS, 0, 0);
	cr_assert_eq (spool_commit (spool, &item, 1, now, &err), 0);
	cr_expect_str_eq (read_all (0), "1:1 1:2 1:3 ");
	reopen ();
	cr_expect_str_eq (read_all (0), "1:1 1:2 1:3 ");
}

Test (spool, sets_a_file_aside_that_is_no_database_and_takes_over_what_checks)
{
	put (1, 1, 20, SPOOL_AUDIT);
	spool_close (&spool);
	size_t size;
	uint8_t *bytes = disk_bytes ("state/spool.db", &size);
	memset (bytes, 0x5a, 100);
	open_spool ();
	cr_expect_eq (report.recovered, 20, "%s", report.text);
	cr_expect_eq (report.missing, 0);
	cr_expect_neq (strstr (report.text, "state/spool.db.corrupt-"), NULL);
	read_all (0);
	cr_expect_eq (n_seen, 20);
	put (1, 21, 21, SPOOL_AUDIT);
}

Test (spool, finds_everything_missing_when_the_file_is_gone)
{
	put (1, 1, 20, SPOOL_AUDIT);
	spool_acknowledge (spool, 0, 1, 5);
	cr_assert_eq (spool_tick (spool, now, NULL), 0);
	spool_close (&spool);
	disk_put ("state/spool.db", "", 0);
	open_spool ();
	cr_expect_str_eq (read_all (0), "1:6-20/15(3) ");
	cr_expect_eq (report.missing, 15);
}
