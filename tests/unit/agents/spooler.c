/* The spool's thread from the loop's side, with a real spool on the tests' disk. The disk is this thread's
 * whenever no job runs. */

#include <criterion/criterion.h>

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "agents/spooler.h"
#include "disk.h"

enum { SEEN_MAX = 8192, TEXT_MAX = 16, FOR_EVER = 1 << 30 };
#define PATIENCE_NS (10 * NS_PER_S)

typedef struct {
	uint64_t incarnation, sequence, first;
	int reason;
	char text[TEXT_MAX];
} item_t;

static loop_t *loop;
static demand_t *demand;
static outbox_t *outbox;
static spooler_t *spooler;
static err_t err;
static const char *collectors[] = { "tcp://127.0.0.1:1", "tcp://127.0.0.1:2" };

static item_t committed[SEEN_MAX], was_read[2][SEEN_MAX];
static size_t n_committed, commits, n_read[2], readings[2];
static int read_result[2];
static uint64_t settled, renumbered_to, renumbered_newest, renumberings;
static char said[ERROR_TEXT_MAX];
/* What the hooks do besides. */
static void (*on_commit_too) (void);
static void (*on_read_too) (size_t collector);

static void emit (void *arg, span_t topic, span_t envelope)
{
	(void) arg;
	(void) topic;
	(void) envelope;
}

static void item_note (item_t *to, const spool_item_t *item)
{
	*to = (item_t){ item->incarnation, item->sequence, item->first, (int) item->reason, "" };
	if (item->reason)
		return;
	Belfry__V1__Event *event = belfry__v1__event__unpack (NULL, item->event.size, item->event.data);
	cr_assert_not_null (event, "bytes that are none of an event");
	cr_assert_eq (event->payload_case, BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY);
	cr_assert_eq (event->header->sequence, item->sequence);
	cr_assert_eq (event->header->incarnation, item->incarnation);
	snprintf (to->text, sizeof to->text, "%.15s", event->log_entry->message);
	belfry__v1__event__free_unpacked (event, NULL);
}

static void on_committed (void *arg, const spool_item_t *items, size_t n, uint64_t now_settled)
{
	(void) arg;
	commits++;
	settled = now_settled;
	if (on_commit_too)
		on_commit_too ();
	for (size_t i = 0; i < n; i++)
		item_note (&committed[n_committed++], &items[i]);
}

static void on_read (void *arg, size_t collector, const spool_item_t *items, size_t n, int result)
{
	(void) arg;
	readings[collector]++;
	read_result[collector] = result;
	if (on_read_too)
		on_read_too (collector);
	n_read[collector] = 0;
	for (size_t i = 0; i < n; i++)
		item_note (&was_read[collector][n_read[collector]++], &items[i]);
}

static void on_renumbered (void *arg, uint64_t incarnation, uint64_t newest)
{
	(void) arg;
	renumberings++;
	renumbered_to = incarnation;
	renumbered_newest = newest;
	outbox_skip (outbox, newest);
}

static void on_said (void *arg, const spool_report_t *report)
{
	(void) arg;
	snprintf (said, sizeof said, "%s", report->text);
}

static void begin (uint64_t incarnation)
{
	const publisher_options_t publisher = { "demo", "n1", incarnation, incarnation * 10, mono_now (),
		NULL };
	const spool_options_t options = { "state", DISK_VFS, collectors, 2, 16 * 1024 * 1024,
		3600 * NS_PER_S };
	const spooler_hooks_t hooks = { NULL, on_committed, on_read, on_renumbered, on_said };
	cr_assert_eq (outbox_new (&publisher, demand, emit, NULL, &outbox, &err), 0, "%s", err.text);
	cr_assert_eq (
	        spooler_new (loop, &options, outbox, &hooks, wall_now (), &spooler, &err), 0, "%s", err.text);
}

static void end (void)
{
	cr_assert (spooler_destroy (&spooler, PATIENCE_NS));
	outbox_destroy (&outbox);
}

static void setup (void)
{
	cr_assert_geq (sodium_init (), 0);
	disk_reset ();
	cr_assert_eq (loop_new (&loop), 0);
	cr_assert_eq (demand_new ("demo", "n1", &demand), 0);
	begin (1);
}

static void teardown (void)
{
	end ();
	demand_destroy (&demand);
	loop_destroy (&loop);
	disk_reset ();
}
TestSuite (spooler, .init = setup, .fini = teardown);

#define TURN_UNTIL(condition)                                                  \
	do {                                                                   \
		mono_t limit_ = mono_add (mono_now (), PATIENCE_NS);           \
		while (!(condition) && mono_since (limit_, mono_now ()) > 0) { \
			spooler_step (spooler, moment_now ());                 \
			cr_assert_eq (loop_turn (loop, 5 * NS_PER_MS), 0);     \
		}                                                              \
		cr_assert (condition);                                         \
	} while (0)

static int put (const char *format, unsigned number)
{
	char text[TEXT_MAX];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
	/* A test's own numbers in a test's own pattern. */
	snprintf (text, sizeof text, "%s %u", format, number);
	entry.level = BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	entry.message = text;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &entry;
	int r = outbox_send (outbox, &event, &(publisher_note_t){ .source = "app" }, moment_now (), &err);
	spooler_nudge (spooler);
	return r;
}

static void put_all (unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++)
		cr_assert_eq (put ("e", i), 0, "%s", err.text);
}

static void expect (const item_t *items, size_t n, unsigned first, uint64_t incarnation, uint64_t sequence)
{
	char text[TEXT_MAX];
	for (size_t i = 0; i < n; i++) {
		snprintf (text, sizeof text, "e %u", first + (unsigned) i);
		cr_assert_str_eq (items[i].text, text, "at %zu", i);
		cr_assert_eq (items[i].incarnation, incarnation, "at %zu", i);
		cr_assert_eq (items[i].sequence, sequence + i, "at %zu", i);
	}
}

Test (spooler, nothing_is_numbered_before_the_incarnation_may_be_used)
{
	put_all (1, 100);
	for (int i = 0; i < 10; i++) {
		spooler_step (spooler, moment_now ());
		cr_assert_eq (loop_turn (loop, 5 * NS_PER_MS), 0);
	}
	cr_assert_eq (commits, 0);
	cr_assert_eq (spooler_settled (spooler), 0);
	spooler_set_numbering (spooler, true);
	TURN_UNTIL (n_committed == 100);
	expect (committed, 100, 1, 1, 1);
	cr_assert_eq (settled, 100);
	cr_assert_eq (spooler_settled (spooler), 100);
	cr_assert_eq (hold_count (outbox_hold (outbox)), 0);
}

Test (spooler, what_comes_together_is_one_commit)
{
	spooler_set_numbering (spooler, true);
	put_all (1, 20);
	cr_assert_eq (commits, 0, "not on this thread");
	TURN_UNTIL (n_committed == 20);
	cr_assert_eq (commits, 1);
	cr_assert_eq (spooler_figures (spooler)->events, 20);
}

Test (spooler, what_is_committed_is_read_until_it_is_acknowledged_by_each)
{
	spooler_set_numbering (spooler, true);
	put_all (1, 10);
	TURN_UNTIL (n_committed == 10);
	spooler_read (spooler, 0, 256, 100000);
	TURN_UNTIL (readings[0] == 1);
	cr_assert_eq (n_read[0], 10);
	expect (was_read[0], 10, 1, 1, 1);
	spooler_acknowledge (spooler, 0, 1, 4);
	spooler_read (spooler, 0, 3, 100000);
	TURN_UNTIL (readings[0] == 2);
	cr_assert_eq (n_read[0], 3);
	expect (was_read[0], 3, 5, 1, 5);
	spooler_read (spooler, 1, 256, 100000);
	TURN_UNTIL (readings[1] == 1);
	cr_assert_eq (n_read[1], 10, "the other has acknowledged nothing");
	spooler_acknowledge (spooler, 0, 1, 10);
	spooler_acknowledge (spooler, 1, 1, 10);
	TURN_UNTIL (spooler_figures (spooler)->events == 0);
	cr_assert_eq (spooler_oldest (spooler, 0).incarnation, 0);
}

Test (spooler, what_was_committed_survives_the_loss_of_power)
{
	spooler_set_numbering (spooler, true);
	put_all (1, 50);
	TURN_UNTIL (n_committed == 50);
	disk_fault (DISK_CRASHES, 1, 1);
	put_all (51, 60);
	spooler_finish (spooler, NS_PER_S);
	end ();
	disk_reboot (7);
	n_committed = 0;
	begin (2);
	spooler_set_numbering (spooler, true);
	cr_assert_eq (spooler_oldest (spooler, 0).incarnation, 1);
	put_all (61, 62);
	TURN_UNTIL (n_committed == 2);
	expect (committed, 2, 61, 2, 1);
	spooler_read (spooler, 0, 256, 1000000);
	TURN_UNTIL (readings[0] == 1);
	cr_assert_eq (n_read[0], 52);
	expect (was_read[0], 50, 1, 1, 1);
	expect (was_read[0] + 50, 2, 61, 2, 1);
}

/* A hook may ask for anything, while what it was given is still its to read. */
static void read_both (void)
{
	spooler_read (spooler, 0, 256, 1000000);
	spooler_read (spooler, 1, 256, 1000000);
}

static void read_other (size_t collector)
{
	if (readings[collector] % 8)
		spooler_read (spooler, 1 - collector, 256, 1000000);
}

Test (spooler, a_hook_that_asks_for_more_disturbs_neither_what_it_has_nor_what_comes_next)
{
	on_commit_too = read_both;
	on_read_too = read_other;
	spooler_set_numbering (spooler, true);
	mono_t began = mono_now ();
	for (unsigned round = 0; round < 40; round++) {
		put_all (round * 10 + 1, round * 10 + 10);
		TURN_UNTIL (n_committed == (round + 1) * 10);
	}
	expect (committed, 400, 1, 1, 1);
	cr_assert_eq (commits, 40, "each of them once");
	on_commit_too = NULL;
	on_read_too = NULL;
	size_t before = readings[0];
	spooler_read (spooler, 0, 256, 1000000);
	TURN_UNTIL (readings[0] > before);
	expect (was_read[0], 256, 1, 1, 1);
	cr_assert_eq (read_result[0], 0);
	cr_assert_lt (mono_since (mono_now (), began), 40 * NS_PER_S, "no commit waited for a second try");
}

Test (spooler, a_full_disk_keeps_events_in_memory_and_in_order)
{
	spooler_set_numbering (spooler, true);
	put_all (1, 5);
	TURN_UNTIL (n_committed == 5);
	disk_fault (DISK_FULL, 1, FOR_EVER);
	put_all (6, 300);
	for (int i = 0; i < 20; i++) {
		spooler_step (spooler, moment_now ());
		cr_assert_eq (loop_turn (loop, 5 * NS_PER_MS), 0);
	}
	cr_assert_eq (n_committed, 5);
	cr_assert_eq (spooler_settled (spooler), 5, "nothing of it is called committed");
	/* The worker rests for a second between its tries. */
	TURN_UNTIL (!spooler_busy (spooler));
	disk_fault (DISK_WORKS, 0, 0);
	TURN_UNTIL (n_committed == 300);
	expect (committed, 300, 1, 1, 1);
	cr_assert_eq (spooler_settled (spooler), 300);
}

Test (spooler, a_disk_that_takes_no_spool_at_the_start_is_tried_again)
{
	end ();
	disk_reset ();
	disk_fault (DISK_FULL, 1, FOR_EVER);
	begin (3);
	cr_assert_not (spooler_works (spooler));
	spooler_set_numbering (spooler, true);
	put_all (1, 3);
	cr_assert_eq (spooler_settled (spooler), 0);
	disk_fault (DISK_WORKS, 0, 0);
	TURN_UNTIL (n_committed == 3);
	cr_assert (spooler_works (spooler));
	expect (committed, 3, 1, 3, 1);
}

Test (spooler, what_waits_of_another_boot_goes_under_the_present_number)
{
	spooler_set_numbering (spooler, true);
	put_all (1, 5);
	TURN_UNTIL (n_committed == 5);
	outbox_set_incarnation (outbox, 9, 90, mono_now ());
	spooler_renumber (spooler, 1, 9, 90);
	put_all (6, 8);
	TURN_UNTIL (renumberings == 1 && n_committed == 8);
	cr_assert_eq (renumbered_to, 9);
	cr_assert_eq (renumbered_newest, 5);
	expect (committed + 5, 3, 6, 9, 6);
	spooler_read (spooler, 0, 256, 1000000);
	TURN_UNTIL (readings[0] == 1);
	cr_assert_eq (n_read[0], 8);
	expect (was_read[0], 8, 1, 9, 1);
}

Test (spooler, two_that_are_foreign_at_once_are_both_renumbered)
{
	spooler_set_numbering (spooler, true);
	put_all (1, 2);
	TURN_UNTIL (n_committed == 2);
	outbox_set_incarnation (outbox, 2, 20, mono_now ());
	put_all (3, 4);
	TURN_UNTIL (n_committed == 4);
	outbox_set_incarnation (outbox, 9, 90, mono_now ());
	spooler_renumber (spooler, 1, 9, 90);
	spooler_renumber (spooler, 2, 9, 90);
	spooler_renumber (spooler, 1, 9, 90);
	TURN_UNTIL (renumberings == 2);
	spooler_read (spooler, 0, 256, 1000000);
	TURN_UNTIL (readings[0] == 1);
	cr_assert_eq (n_read[0], 4);
	expect (was_read[0], 4, 1, 9, 1);
}

Test (spooler, the_end_commits_what_is_held)
{
	spooler_set_numbering (spooler, true);
	put_all (1, 700);
	spooler_finish (spooler, PATIENCE_NS);
	cr_assert_eq (n_committed, 700);
	expect (committed, 700, 1, 1, 1);
}

Test (spooler, the_end_does_not_wait_for_a_disk_that_takes_nothing)
{
	spooler_set_numbering (spooler, true);
	disk_fault (DISK_FULL, 1, FOR_EVER);
	put_all (1, 3);
	spooler_finish (spooler, PATIENCE_NS);
	cr_assert_eq (n_committed, 0);
	cr_assert_eq (spooler_settled (spooler), 0);
}

Test (spooler, a_hole_that_the_hold_left_is_named)
{
	put_all (1, HOLD_EVENTS_MAX);
	cr_assert_eq (put ("e", HOLD_EVENTS_MAX + 1), OUTBOX_E_DROPPED);
	spooler_set_numbering (spooler, true);
	TURN_UNTIL (n_committed == HOLD_EVENTS_MAX);
	cr_assert_eq (committed[0].sequence, 2, "the place before it is the dropped one's");
	spooler_read (spooler, 0, 2, 1000000);
	TURN_UNTIL (readings[0] == 1);
	cr_assert_eq (n_read[0], 2);
	cr_assert_eq (was_read[0][0].reason, BELFRY__V1__GAP_REASON__GAP_REASON_MEMORY);
	cr_assert_eq (was_read[0][0].first, 1);
	cr_assert_eq (was_read[0][0].sequence, 1);
	cr_assert_eq (was_read[0][1].sequence, 2);
}
