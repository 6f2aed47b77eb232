/* The journal's thread: what is asked of it is done, told, and bounded. */

#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector/batch.h"
#include "collector/scribe.h"

static char directory[64];
static loop_t *loop;
static scribe_t *scribe;
static batch_t *batch;

static struct {
	size_t commits, reads, entries, checkpoints;
	int error;
	bool last;
	uint64_t id, newest;
	uint8_t anchor[CHAIN_HASH_SIZE];
	char order[32];
} told;

static void note (char what)
{
	size_t n = strlen (told.order);
	if (n + 1 < sizeof told.order)
		told.order[n] = what;
}

static void on_committed (void *arg, int error, const char *text, moment_t now)
{
	(void) arg;
	(void) text;
	(void) now;
	told.commits++;
	told.error = error;
	note ('c');
}

static void on_checkpoint (void *arg, const checkpoint_t *checkpoint, moment_t now)
{
	(void) arg;
	(void) now;
	cr_assert (checkpoint_verify (checkpoint));
	told.checkpoints++;
}

static void on_read (
        void *arg, span_t peer, uint64_t id, bool chain, int error, const char *text, const core_page_t *page)
{
	(void) arg;
	cr_assert (span_is (peer, "peer"));
	cr_assert_eq (error, 0, "%s", text);
	told.reads++;
	told.id = id;
	told.entries = page->n;
	told.last = page->last;
	told.newest = page->figures.newest;
	for (size_t i = 0; i < page->n; i++) {
		char expected[32];
		int size =
		        snprintf (expected, sizeof expected, "event %d", (int) page->entries[i].mark.offset);
		cr_assert (span_equal (page->entries[i].envelope, span_of (expected, (size_t) size)));
		cr_assert (span_is (page->entries[i].topic, "logging/error/demo/n1/app/"));
	}
	if (chain)
		memcpy (told.anchor, page->anchor, sizeof told.anchor);
	note ('r');
}

static void begin (void)
{
	const journal_options_t options = { .directory = directory };
	const scribe_hooks_t hooks = { NULL, on_committed, on_checkpoint, on_read };
	journal_report_t report;
	err_t err = { "" };
	cr_assert_eq (scribe_new (&options, &hooks, loop, &scribe, &report, &err), 0, "%s", err.text);
	cr_assert_eq (report.lost_first, 0);
}

static void on_wake (void *arg)
{
	(void) arg;
	scribe_step (scribe);
}

static void setup (void)
{
	cr_assert_geq (sodium_init (), 0);
	snprintf (directory, sizeof directory, "/tmp/belfry-scribe-XXXXXX");
	cr_assert_not_null (mkdtemp (directory));
	cr_assert_eq (loop_new (&loop), 0);
	loop_on_wake (loop, on_wake, NULL);
	cr_assert_eq (batch_new (&batch), 0);
	begin ();
}

static void teardown (void)
{
	static const char *const files[] = { "journal.db", "journal.db-wal", "journal.db-shm", "journal.head",
		"journal.key" };
	scribe_destroy (&scribe);
	batch_destroy (&batch);
	loop_destroy (&loop);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
		char path[128];
		snprintf (path, sizeof path, "%s/%s", directory, files[i]);
		unlink (path);
	}
	rmdir (directory);
}

TestSuite (scribe, .init = setup, .fini = teardown);

/* Turns of the loop until a count is reached; each is woken by the scribe's thread. */
static void wait_for (const size_t *count, size_t n)
{
	for (int turns = 0; *count < n && turns < 1000; turns++)
		cr_assert_eq (loop_turn (loop, 10 * NS_PER_S), 0);
	cr_assert_geq (*count, n);
}

static void commit (uint64_t first, uint64_t last)
{
	batch_clear (batch);
	for (uint64_t s = first; s <= last; s++) {
		char text[32];
		int size = snprintf (text, sizeof text, "event %d", (int) s);
		const journal_record_t record = { .topic = span_str ("logging/error/demo/n1/app/"),
			.envelope = span_of (text, (size_t) size),
			.node = "n1",
			.incarnation = 1,
			.sequence = s,
			.channel = CHANNEL_LOGGING,
			.severity = BELFRY__V1__SEVERITY__SEVERITY_ERROR,
			.time_ns = 1,
			.received_ns = 2 };
		const batch_entry_t entry = { .node = 0 };
		cr_assert (batch_reserve (batch, 100, false));
		batch_add (batch, &record, &entry);
	}
	scribe_commit (scribe, batch_content (batch));
}

Test (scribe, a_commit_is_told_when_it_is_durable)
{
	commit (1, 3);
	wait_for (&told.commits, 1);
	cr_assert_eq (told.error, 0);
	cr_assert_eq (batch_record (batch, 2)->offset, 3);
	commit (3, 4);
	wait_for (&told.commits, 2);
	cr_assert (batch_record (batch, 0)->known);
	cr_assert_eq (batch_record (batch, 1)->offset, 4);
	cr_assert (scribe_destroy (&scribe));
	begin ();
	cr_assert_eq (scribe_figures (scribe)->newest, 4);
	cr_assert_eq (scribe_figures (scribe)->channels[CHANNEL_LOGGING], 4);
}

Test (scribe, what_is_committed_is_read)
{
	char prefix[] = "logging/", node[] = "n1";
	const char *prefixes[] = { prefix };
	core_reading_t asked = {
		.query = { .prefixes = prefixes, .n_prefixes = 1, .node = node, .limit = 100 }
	};
	commit (1, 250);
	wait_for (&told.commits, 1);
	cr_assert_eq (scribe_read (scribe, span_str ("peer"), 5, &asked), 0);
	/* What was asked with is its own: the asker's memory is gone by now. */
	prefix[0] = node[0] = '?';
	wait_for (&told.reads, 1);
	cr_assert_eq (told.id, 5);
	cr_assert_eq (told.entries, 100);
	cr_assert_not (told.last);
	cr_assert_eq (told.newest, 250);
	asked = (core_reading_t){ .query = { .from_offset = 201 }, .chain = true };
	cr_assert_eq (scribe_read (scribe, span_str ("peer"), 6, &asked), 0);
	wait_for (&told.reads, 2);
	cr_assert_eq (told.entries, 50);
	cr_assert (told.last);
	static const uint8_t zeros[CHAIN_HASH_SIZE];
	cr_assert_neq (memcmp (told.anchor, zeros, sizeof zeros), 0);
}

Test (scribe, a_peer_has_few_readings_under_way_and_all_have_not_many)
{
	const core_reading_t asked = { .query = { .limit = 1 } };
	int taken = 0;
	commit (1, 1000);
	for (int i = 0; i < SCRIBE_PEER_READINGS_MAX; i++, taken++)
		cr_assert_eq (scribe_read (scribe, span_str ("peer"), 1, &asked), 0);
	cr_assert_eq (scribe_read (scribe, span_str ("peer"), 1, &asked), -EBUSY);
	wait_for (&told.reads, (size_t) taken);
	cr_assert_eq (scribe_read (scribe, span_str ("peer"), 1, &asked), 0, "and then again");
	wait_for (&told.reads, (size_t) taken + 1);
	char peer[16];
	size_t n = 0;
	for (; n < SCRIBE_READINGS_MAX + 1; n++) {
		int size = snprintf (peer, sizeof peer, "peer%zu", n);
		if (scribe_read (scribe, span_of (peer, (size_t) size), 1, &asked))
			break;
	}
	cr_assert_eq (n, SCRIBE_READINGS_MAX);
}

Test (scribe, whoever_waits_longer_than_he_said_is_not_answered)
{
	const core_reading_t late = { .query = { .limit = 1 }, .deadline_ms = 1 },
	                     other = { .query = { .limit = 1 } };
	commit (1, 20000);
	cr_assert_eq (scribe_read (scribe, span_str ("peer"), 1, &late), 0);
	cr_assert_eq (scribe_read (scribe, span_str ("peer"), 2, &other), 0);
	wait_for (&told.reads, 1);
	cr_assert_eq (told.id, 2, "20,000 records take longer than a millisecond");
	cr_assert_eq (told.reads, 1);
}

Test (scribe, the_end_waits_for_the_commit_under_way)
{
	commit (1, 500);
	cr_assert (scribe_finish (scribe));
	cr_assert_eq (told.commits, 1);
	commit (501, 600);
	cr_assert (scribe_destroy (&scribe));
	begin ();
	cr_assert_eq (scribe_figures (scribe)->newest, 600);
}

Test (scribe, a_disk_that_takes_nothing_is_told)
{
	batch_t *bad;
	cr_assert_eq (batch_new (&bad), 0);
	const journal_record_t record = {
		.topic = span_str (""), .envelope = span_str ("x"), .node = "n1", .sequence = 1
	};
	const batch_entry_t entry = { .node = 0 };
	cr_assert (batch_reserve (bad, 10, false));
	batch_add (bad, &record, &entry);
	scribe_commit (scribe, batch_content (bad));
	wait_for (&told.commits, 1);
	cr_assert_lt (told.error, 0);
	batch_destroy (&bad);
}
