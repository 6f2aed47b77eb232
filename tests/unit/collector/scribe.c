/* The journal behind its thread: commits, readings and the loop that is woken, on a real disk. */

#include <criterion/criterion.h>
#include <errno.h>
#include <ftw.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "collector/scribe.h"

static char directory[64];
static loop_t *loop;
static scribe_t *scribe;
static struct {
	int commits, error, checkpoints, readings;
	int read_errors[SCRIBE_READINGS_MAX + 8];
	uint64_t ids[SCRIBE_READINGS_MAX + 8];
	uint64_t offsets[16], next;
	size_t n, n_checkpoints;
	bool last, sound;
	uint8_t anchor[CHAIN_HASH_SIZE];
	journal_figures_t figures;
} heard;

static void on_committed (void *arg, int error, const char *text)
{
	(void) arg;
	(void) text;
	heard.commits++;
	heard.error = error;
}

static void on_checkpoint (void *arg, const checkpoint_t *checkpoint)
{
	(void) arg;
	heard.checkpoints += checkpoint_verify (checkpoint);
}

static void on_read (
        void *arg, span_t peer, uint64_t id, bool chain, int error, const char *text, const core_page_t *page)
{
	(void) arg;
	(void) text;
	heard.sound = span_equal (peer, span_str ("peer1"));
	heard.read_errors[heard.readings] = error;
	heard.ids[heard.readings++] = id;
	if (error)
		return;
	heard.n = page->n;
	heard.next = page->next;
	heard.last = page->last;
	heard.figures = page->figures;
	heard.n_checkpoints = page->n_checkpoints;
	memcpy (heard.anchor, page->anchor, sizeof heard.anchor);
	uint8_t hash[CHAIN_HASH_SIZE];
	memcpy (hash, page->anchor, sizeof hash);
	for (size_t i = 0; i < page->n && i < 16; i++) {
		const journal_entry_t *entry = &page->entries[i];
		heard.offsets[i] = entry->mark.offset;
		chain_hash (hash, &entry->mark, entry->topic, entry->envelope, hash);
		heard.sound = heard.sound && (!chain || memcmp (hash, entry->hash, sizeof hash) == 0);
	}
}

static journal_report_t begin (void)
{
	const scribe_hooks_t hooks = { NULL, on_committed, on_checkpoint, on_read };
	const journal_options_t options = { .directory = directory };
	journal_report_t report;
	err_t err = { "" };
	cr_assert_eq (scribe_new (&options, loop, &hooks, &scribe, &report, &err), 0, "%s", err.text);
	return report;
}

static void setup (void)
{
	cr_assert_geq (sodium_init (), 0);
	snprintf (directory, sizeof directory, "/tmp/belfry-scribe-XXXXXX");
	cr_assert_not_null (mkdtemp (directory));
	memset (&heard, 0, sizeof heard);
	cr_assert_eq (loop_new (&loop), 0);
	begin ();
}

static int remove_one (const char *path, const struct stat *info, int kind, struct FTW *at)
{
	(void) info;
	(void) kind;
	(void) at;
	return remove (path);
}

static void teardown (void)
{
	scribe_destroy (&scribe, 10 * NS_PER_S);
	loop_destroy (&loop);
	nftw (directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

TestSuite (scribe, .init = setup, .fini = teardown);

/* Turns until *counter is n: the loop hears of each job's end. */
static void turn_until (const int *counter, int n)
{
	scribe_poll (scribe, mono_now ());
	for (int i = 0; i < 1000 && *counter < n; i++)
		cr_assert_eq (loop_turn (loop, NS_PER_S), 0);
	cr_assert_eq (*counter, n);
}

static journal_record_t record (uint64_t sequence)
{
	return (journal_record_t){ .topic = span_str ("lifecycle/system/demo/n1/agent"),
		.envelope = span_str ("bytes"),
		.node = "n1",
		.incarnation = 1,
		.sequence = sequence,
		.channel = CHANNEL_LIFECYCLE,
		.severity = BELFRY__V1__SEVERITY__SEVERITY_INFO,
		.time_ns = 5,
		.received_ns = 6 };
}

static void commit (uint64_t first, size_t n)
{
	journal_record_t records[16];
	journal_batch_t batch = { .records = records, .n_records = n };
	for (size_t i = 0; i < n; i++)
		records[i] = record (first + i);
	int before = heard.commits;
	scribe_commit (scribe, &batch);
	cr_assert (scribe_commits (scribe));
	turn_until (&heard.commits, before + 1);
	cr_assert_eq (heard.error, 0);
	cr_assert_not (scribe_commits (scribe));
	for (size_t i = 0; i < n; i++)
		cr_assert_eq (records[i].offset, first + i);
}

static int ask (uint64_t id, core_reading_t asked)
{
	return scribe_read (scribe, span_str ("peer1"), id, &asked, mono_now ());
}

Test (scribe, a_commit_is_answered_by_a_wake_of_the_loop)
{
	commit (1, 3);
	journal_figures_t figures;
	scribe_finish (scribe, 10 * NS_PER_S);
	scribe_figures (scribe, &figures);
	cr_assert_eq (figures.newest, 3);
	cr_assert_eq (figures.channels[CHANNEL_LIFECYCLE], 3);
}

Test (scribe, what_was_committed_is_there_after_a_restart)
{
	commit (1, 3);
	cr_assert (scribe_destroy (&scribe, 10 * NS_PER_S));
	journal_report_t report = begin ();
	journal_figures_t figures;
	scribe_figures (scribe, &figures);
	cr_assert_eq (figures.newest, 3);
	cr_assert_eq (report.lost_first, 0);
	cr_assert_str_empty (report.text);
}

Test (scribe, a_page_is_read_with_its_chain)
{
	commit (1, 8);
	char prefix[] = "lifecycle/", node[] = "n1";
	const char *prefixes[] = { prefix };
	cr_assert_eq (ask (9, (core_reading_t){ .query = { .from_offset = 3,
	                                                .prefixes = prefixes,
	                                                .n_prefixes = 1,
	                                                .node = node,
	                                                .limit = 4 },
	                              .chain = true }),
	        0);
	memset (prefix, 'x', sizeof prefix - 1);
	memset (node, 'x', sizeof node - 1);
	turn_until (&heard.readings, 1);
	cr_assert_eq (heard.read_errors[0], 0);
	cr_assert_eq (heard.ids[0], 9);
	cr_assert_eq (heard.n, 4);
	cr_assert_eq (heard.offsets[0], 3);
	cr_assert_eq (heard.next, 7);
	cr_assert_not (heard.last);
	cr_assert (heard.sound, "the chain goes from the anchor over every entry");
	cr_assert_eq (heard.figures.newest, 8);
}

Test (scribe, the_last_page_has_the_newest_checkpoint_and_the_first_has_zeros_as_its_anchor)
{
	static const uint8_t zeros[CHAIN_HASH_SIZE];
	commit (1, 2);
	cr_assert_eq (ask (1, (core_reading_t){ .chain = true }), 0);
	turn_until (&heard.readings, 1);
	cr_assert_eq (heard.n, 2);
	cr_assert (heard.last);
	cr_assert (heard.sound);
	cr_assert_arr_eq (heard.anchor, zeros, sizeof zeros);
	cr_assert_geq (heard.n_checkpoints, 1);
}

Test (scribe, an_empty_journal_is_read_too)
{
	cr_assert_eq (ask (1, (core_reading_t){ .chain = true }), 0);
	turn_until (&heard.readings, 1);
	cr_assert_eq (heard.read_errors[0], 0);
	cr_assert_eq (heard.n, 0);
	cr_assert (heard.last);
}

Test (scribe, readings_are_bounded_and_answered_in_order)
{
	commit (1, 1);
	for (uint64_t i = 0; i < SCRIBE_READINGS_MAX; i++)
		cr_assert_eq (ask (i, (core_reading_t){ .chain = false }), 0);
	cr_assert_eq (ask (99, (core_reading_t){ .chain = false }), -EBUSY);
	turn_until (&heard.readings, SCRIBE_READINGS_MAX);
	for (uint64_t i = 0; i < SCRIBE_READINGS_MAX; i++)
		cr_assert_eq (heard.ids[i], i);
	cr_assert_eq (ask (99, (core_reading_t){ .chain = false }), 0, "there is room again");
	uint8_t far_too_long[128] = { 0 };
	const core_reading_t asked = { .chain = false };
	cr_assert_eq (
	        scribe_read (scribe, span_of (far_too_long, sizeof far_too_long), 1, &asked, mono_now ()),
	        -EMSGSIZE);
}

Test (scribe, a_reading_whose_asker_gave_up_is_not_done)
{
	const core_reading_t asked = { .deadline_ms = 10 };
	mono_t before = mono_add (mono_now (), -NS_PER_S);
	cr_assert_eq (scribe_read (scribe, span_str ("peer1"), 4, &asked, before), 0);
	turn_until (&heard.readings, 1);
	cr_assert_eq (heard.read_errors[0], -ETIMEDOUT);
}

Test (scribe, a_commit_goes_before_the_readings_that_came_first)
{
	journal_record_t one = record (1);
	journal_batch_t batch = { .records = &one, .n_records = 1 };
	cr_assert_eq (ask (1, (core_reading_t){ .chain = false }), 0);
	scribe_commit (scribe, &batch);
	turn_until (&heard.readings, 1);
	cr_assert_eq (heard.commits, 1);
	cr_assert_eq (heard.n, 1, "the reading sees what was committed before it");
}

Test (scribe, a_directory_that_is_not_there_is_said)
{
	const scribe_hooks_t hooks = { NULL, on_committed, on_checkpoint, on_read };
	const journal_options_t options = { .directory = "/nowhere/at/all" };
	journal_report_t report;
	scribe_t *none = NULL;
	err_t err = { "" };
	cr_assert_lt (scribe_new (&options, loop, &hooks, &none, &report, &err), 0);
	cr_assert_null (none);
	cr_assert_not_null (strstr (err.text, "/nowhere/at/all"), "%s", err.text);
}

/* A job that ends at once must not lose its outcome to who started it. */
Test (scribe, a_commit_that_fails_at_once_says_so_each_time)
{
	for (int i = 1; i <= 2000; i++) {
		journal_record_t wrong = record ((uint64_t) i);
		wrong.node = "";
		journal_batch_t batch = { &wrong, 1, NULL, 0 };
		heard.error = 0;
		scribe_commit (scribe, &batch);
		turn_until (&heard.commits, i);
		cr_assert_neq (heard.error, 0, "commit %d", i);
	}
}
