/* Durable events: taken in at once, on the stream with their marks when the journal has them, acknowledged
 * then and not before, each exactly once. */

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "collector/batch.h"
#include "collector/committer.h"
#include "core_fixture.h"

static fixture_t *fixture;
static signer_t *signer;

static void setup (void)
{
	fixture = fixture_new (true);
	signer = signer_new ("demo", "n1", 1, 7, true, false);
	belfry__v1__control__free_unpacked (fixture_hello (fixture, signer, "n1", 1, 7, ""), NULL);
}

static void teardown (void)
{
	signer_free (signer);
	fixture_free (fixture);
}

TestSuite (durable, .init = setup, .fini = teardown);

/* One durable event of the signer's, malloc'ed. */
static message_t made (signer_t *by)
{
	message_t copy = { 0 };
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
	entry.level = BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	entry.message = borrow ("a line");
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &entry;
	const publisher_note_t note = { .source = "app" };
	signer_event (by, &event, &note, fixture->now);
	copy = by->last;
	by->last = (message_t){ 0 };
	return copy;
}

static void make (signer_t *by, message_t *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = made (by);
}

static void drop (message_t *messages, size_t n)
{
	for (size_t i = 0; i < n; i++)
		message_free (&messages[i]);
}

/* How often exactly these bytes went out with a mark, or without. */
static size_t published (const message_t *message, bool marked)
{
	size_t n = 0;
	for (size_t i = 0; i < 512 && i < fixture->n_published; i++) {
		const message_t *p = &fixture->published[i];
		n += p->envelope_size == message->envelope_size && (fixture->marks[i].offset > 0) == marked &&
		     memcmp (p->envelope, message->envelope, p->envelope_size) == 0;
	}
	return n;
}

static uint64_t counter (const char *name)
{
	Belfry__V1__Control *status = fixture_status (fixture, "");
	uint64_t value = UINT64_MAX;
	for (size_t i = 0; i < status->status->n_counters; i++) {
		if (strcmp (status->status->counters[i]->name, name) == 0)
			value = status->status->counters[i]->value;
	}
	belfry__v1__control__free_unpacked (status, NULL);
	return value;
}

typedef struct {
	size_t n;
	Belfry__V1__Ack last;
} acks_t;

/* The Acks since an answer's number. */
static acks_t acks_since (size_t first)
{
	acks_t acks = { 0 };
	for (size_t i = first; i < fixture->n_answers; i++) {
		Belfry__V1__Control *answer = belfry__v1__control__unpack (
		        NULL, fixture->answers[i % 512].size, fixture->answers[i % 512].bytes);
		if (answer->body_case == BELFRY__V1__CONTROL__BODY_ACK) {
			cr_assert_eq (control_verify (fixture->answers[i % 512].bytes,
			                      fixture->answers[i % 512].size, CONTROL_TO_AGENT,
			                      signer->keyring, answer->key_epoch, span_str ("n1")),
			        REFUSAL_NONE);
			acks.n++;
			acks.last = *answer->ack;
		}
		belfry__v1__control__free_unpacked (answer, NULL);
	}
	return acks;
}

Test (durable, one_waits_for_its_commit_and_a_volatile_one_does_not)
{
	bool forward = false;
	fixture->hold_commits = true;
	message_t message = made (signer);
	cr_assert_eq (core_take (fixture->core, span_of (message.topic, message.topic_size),
	                      span_of (message.envelope, message.envelope_size), 7, fixture->now, &forward),
	        REFUSAL_NONE);
	cr_assert_not (forward);
	core_flush (fixture->core, fixture->now);
	cr_assert_not_null (fixture->batch);
	cr_assert_eq (published (&message, true) + published (&message, false), 0);
	signer_samples (signer, fixture->now);
	cr_assert_eq (core_take (fixture->core, span_of (signer->last.topic, signer->last.topic_size),
	                      span_of (signer->last.envelope, signer->last.envelope_size), 7, fixture->now,
	                      &forward),
	        REFUSAL_NONE);
	cr_assert (forward);
	fixture_commit (fixture);
	cr_assert_eq (published (&message, true), 1);
	cr_assert_eq (published (&message, false), 0);
	cr_assert_eq (archive_count (fixture->archive), archive_find (fixture->archive, "n1", 1, 1));
	drop (&message, 1);
}

Test (durable, the_mark_says_where_it_stands_in_the_journal)
{
	message_t messages[3];
	make (signer, messages, 3);
	for (int i = 0; i < 3; i++)
		cr_assert_eq (fixture_take (fixture, &messages[i]), REFUSAL_NONE);
	journal_figures_t figures;
	archive_figures (fixture->archive, &figures);
	uint64_t before = 0;
	size_t logs = 0;
	for (size_t i = 0; i < fixture->n_published; i++) {
		const mark_t *mark = &fixture->marks[i];
		if (memcmp (fixture->published[i].topic, "logging/", 8) != 0)
			continue;
		logs++;
		cr_assert_eq (mark->previous_in_channel, before);
		cr_assert_eq (mark->received_ns, (uint64_t) fixture->now.wall.ns);
		cr_assert_not (mark->late);
		cr_assert_eq (memcmp (mark->journal, figures.id, sizeof figures.id), 0);
		before = mark->offset;
	}
	cr_assert_eq (logs, 3);
	fixture_pass (fixture, 200 * NS_PER_MS);
	Belfry__V1__Event *beat = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT);
	cr_assert_eq (beat->heartbeat->offsets[CHANNEL_LOGGING]->offset, before);
	belfry__v1__event__free_unpacked (beat, NULL);
	drop (messages, 3);
}

Test (durable, nothing_is_acknowledged_before_its_commit_and_then_all_at_once)
{
	message_t messages[10];
	size_t first = fixture->n_answers;
	make (signer, messages, 10);
	fixture->hold_commits = true;
	for (int i = 0; i < 4; i++)
		cr_assert_eq (fixture_take (fixture, &messages[i]), REFUSAL_NONE);
	cr_assert_eq (fixture->batch->n_records, 1, "the first alone");
	for (int i = 4; i < 10; i++)
		cr_assert_eq (fixture_take (fixture, &messages[i]), REFUSAL_NONE);
	cr_assert_eq (acks_since (first).n, 0);
	fixture_commit (fixture);
	acks_t acks = acks_since (first);
	cr_assert_eq (acks.n, 1);
	cr_assert_eq (acks.last.incarnation, 1);
	cr_assert_eq (acks.last.newest_durable, 1);
	cr_assert_eq (acks.last.credit_events, 256);
	cr_assert_eq (acks.last.credit_bytes, 1024 * 1024);
	core_flush (fixture->core, fixture->now);
	cr_assert_eq (fixture->batch->n_records, 9, "what gathered meanwhile goes as one");
	fixture_commit (fixture);
	acks = acks_since (first);
	cr_assert_eq (acks.n, 2);
	cr_assert_eq (acks.last.newest_durable, 10);
	drop (messages, 10);
}

Test (durable, while_the_disk_takes_nothing_events_go_out_once_without_marks_and_are_kept)
{
	message_t messages[3];
	make (signer, messages, 3);
	size_t first = fixture->n_answers;
	archive_fail (fixture->archive, -ENOSPC);
	cr_assert_eq (fixture_take (fixture, &messages[0]), REFUSAL_NONE);
	cr_assert_eq (published (&messages[0], false), 1);
	cr_assert_eq (fixture_take (fixture, &messages[1]), REFUSAL_NONE);
	cr_assert_eq (published (&messages[1], false), 1, "at once, though its batch has to wait");
	fixture_pass (fixture, 10 * NS_PER_S);
	cr_assert_eq (published (&messages[0], false), 1);
	cr_assert_eq (acks_since (first).n, 0);
	uint64_t failures = counter ("journal_failed");
	cr_assert (failures >= 10 && failures <= 11, "%d commits failed in 10 s", (int) failures);
	cr_assert (fixture_said (fixture, strerror (ENOSPC)));
	size_t said = 0;
	for (size_t i = 0; i < 64; i++)
		said += strstr (fixture->said[i], "the journal takes nothing") != NULL;
	cr_assert_eq (said, 1);
	archive_fail (fixture->archive, 0);
	fixture_pass (fixture, 1100 * NS_PER_MS);
	cr_assert_eq (published (&messages[0], true), 1);
	cr_assert_eq (published (&messages[1], true), 1);
	cr_assert_eq (published (&messages[1], false), 1);
	cr_assert_eq (acks_since (first).last.newest_durable, 2);
	cr_assert (fixture_said (fixture, "the journal works again"));
	cr_assert_eq (fixture_take (fixture, &messages[2]), REFUSAL_NONE);
	cr_assert_eq (published (&messages[2], false), 0);
	drop (messages, 3);
}

Test (durable, a_commit_that_does_not_end_keeps_nobody_from_seeing)
{
	message_t messages[2];
	make (signer, messages, 2);
	fixture->hold_commits = true;
	cr_assert_eq (fixture_take (fixture, &messages[0]), REFUSAL_NONE);
	fixture_pass (fixture, COMMITTER_PATIENCE_NS / 2);
	cr_assert_eq (published (&messages[0], false), 0);
	fixture_pass (fixture, COMMITTER_PATIENCE_NS / 2);
	cr_assert_eq (published (&messages[0], false), 1);
	cr_assert_eq (fixture_take (fixture, &messages[1]), REFUSAL_NONE);
	fixture_pass (fixture, 40 * NS_PER_MS);
	cr_assert_eq (published (&messages[1], false), 1);
	fixture->hold_commits = false;
	fixture_commit (fixture);
	fixture_pass (fixture, 40 * NS_PER_MS);
	for (int i = 0; i < 2; i++)
		cr_assert_eq (published (&messages[i], true), 1);
	drop (messages, 2);
}

Test (durable, what_was_lost_on_the_way_is_repaired_by_a_resend)
{
	message_t messages[6];
	size_t first = fixture->n_answers;
	make (signer, messages, 6);
	cr_assert_eq (fixture_take (fixture, &messages[0]), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &messages[3]), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &messages[5]), REFUSAL_NONE);
	cr_assert_eq (acks_since (first).last.newest_durable, 1);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->lost_durable, 0, "what may still come is not lost");
	cr_assert_eq (status->status->nodes[0]->pending_durable, 3);
	uint64_t received = status->status->nodes[0]->received;
	belfry__v1__control__free_unpacked (status, NULL);
	fixture_resend (fixture, signer, "n1", messages, 6, 1);
	cr_assert_eq (acks_since (first).last.newest_durable, 6);
	for (int i = 0; i < 6; i++) {
		cr_assert_eq (published (&messages[i], true), 1, "%d", i);
		cr_assert_neq (archive_find (fixture->archive, "n1", 1, (uint64_t) i + 1), 0);
	}
	status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->pending_durable, 0);
	cr_assert_eq (status->status->nodes[0]->received, received + 3);
	belfry__v1__control__free_unpacked (status, NULL);
	cr_assert_eq (
	        fixture_take (fixture, &messages[2]), REFUSAL_REPLAYED, "the stream's own comes too late");
	drop (messages, 6);
}

Test (durable, what_is_known_is_acknowledged_again_and_nothing_else)
{
	message_t messages[3];
	make (signer, messages, 3);
	for (int i = 0; i < 3; i++)
		cr_assert_eq (fixture_take (fixture, &messages[i]), REFUSAL_NONE);
	size_t first = fixture->n_answers, count = archive_count (fixture->archive);
	for (int times = 0; times < 3; times++)
		fixture_resend (fixture, signer, "n1", messages, 3, 1);
	cr_assert_eq (acks_since (first).n, 3, "an Ack may have been lost");
	cr_assert_eq (acks_since (first).last.newest_durable, 3);
	cr_assert_eq (archive_count (fixture->archive), count);
	cr_assert_eq (published (&messages[0], true), 1);
	drop (messages, 3);
}

Test (durable, what_is_on_its_way_to_the_journal_waits_for_its_commit)
{
	message_t messages[2];
	make (signer, messages, 2);
	size_t first = fixture->n_answers;
	fixture->hold_commits = true;
	cr_assert_eq (fixture_take (fixture, &messages[0]), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &messages[1]), REFUSAL_NONE);
	fixture_resend (fixture, signer, "n1", messages, 2, 1);
	cr_assert_eq (acks_since (first).n, 0);
	fixture->hold_commits = false;
	fixture_commit (fixture);
	fixture_flush (fixture);
	cr_assert_eq (acks_since (first).last.newest_durable, 2);
	cr_assert_eq (counter ("journal_known"), 0, "nor was it queued twice");
	drop (messages, 2);
}

Test (durable, an_earlier_incarnation_speaks_only_from_its_nodes_disk)
{
	message_t old[2];
	make (signer, old, 2);
	signer_t *now = signer_new ("demo", "n1", 2, 8, true, false);
	size_t first = fixture->n_answers;
	Belfry__V1__Control *welcome = fixture_hello (fixture, now, "n1", 2, 8, "");
	cr_assert (welcome->welcome->accepted);
	cr_assert_eq (welcome->welcome->newest_durable, 0);
	cr_assert_eq (welcome->welcome->credit_events, 256);
	belfry__v1__control__free_unpacked (welcome, NULL);
	cr_assert_eq (fixture_take (fixture, &old[0]), REFUSAL_INCARNATION);
	fixture_resend (fixture, signer, "n1", old, 2, 1);
	cr_assert_eq (acks_since (first).last.incarnation, 1);
	cr_assert_eq (acks_since (first).last.newest_durable, 2);
	cr_assert_eq (published (&old[0], true), 1);
	/* It says that these are settled: nothing of them is taken any more. */
	size_t count = archive_count (fixture->archive);
	message_t third = made (signer);
	fixture_resend (fixture, signer, "n1", &third, 1, 2);
	cr_assert_eq (acks_since (first).last.incarnation, 1);
	cr_assert_eq (acks_since (first).last.newest_durable, 3, "settled is acknowledged");
	cr_assert_eq (archive_count (fixture->archive), count, "and not taken");
	cr_assert_eq (counter ("settled"), 1);
	drop (old, 2);
	drop (&third, 1);
	signer_free (now);
}

Test (durable, a_known_incarnation_of_another_boot_is_foreign)
{
	message_t mine = made (signer);
	cr_assert_eq (fixture_take (fixture, &mine), REFUSAL_NONE);
	signer_t *other = signer_new ("demo", "n1", 1, 99, true, false);
	message_t foreign[2];
	make (other, foreign, 2);
	size_t first = fixture->n_answers;
	fixture_resend (fixture, other, "n1", foreign, 2, 1);
	acks_t acks = acks_since (first);
	cr_assert_eq (acks.n, 1);
	cr_assert (acks.last.foreign);
	cr_assert_eq (acks.last.incarnation, 1);
	cr_assert_eq (published (&foreign[0], true), 0);
	drop (&mine, 1);
	drop (foreign, 2);
	signer_free (other);
}

static message_t gap_made (uint64_t first, uint64_t last, uint64_t count)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Gap gap = BELFRY__V1__GAP__INIT;
	gap.first = first;
	gap.last = last;
	gap.count = count;
	gap.reason = BELFRY__V1__GAP_REASON__GAP_REASON_SPOOL_FULL;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_GAP;
	event.gap = &gap;
	signer_event (signer, &event, NULL, fixture->now);
	message_t copy = signer->last;
	signer->last = (message_t){ 0 };
	return copy;
}

Test (durable, a_gap_is_journalled_and_settles_its_places)
{
	message_t messages[2], gap;
	size_t first = fixture->n_answers;
	make (signer, messages, 1);
	publisher_skip_durable (signer->publisher, 4);
	gap = gap_made (2, 5, 4);
	make (signer, messages + 1, 1);
	cr_assert_eq (fixture_take (fixture, &messages[0]), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &messages[1]), REFUSAL_NONE);
	cr_assert_eq (acks_since (first).last.newest_durable, 1);
	fixture_resend (fixture, signer, "n1", &gap, 1, 1);
	cr_assert_eq (acks_since (first).last.newest_durable, 7);
	cr_assert_neq (archive_find (fixture->archive, "n1", 1, 6), 0);
	fixture_resend (fixture, signer, "n1", &gap, 1, 1);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->lost_durable, 4);
	cr_assert_eq (status->status->nodes[0]->pending_durable, 0);
	belfry__v1__control__free_unpacked (status, NULL);
	drop (messages, 2);
	drop (&gap, 1);
}

Test (durable, a_gap_that_does_not_stand_at_its_places_fills_none)
{
	message_t first = made (signer);
	message_t gap = gap_made (10, 20, 11);
	cr_assert_eq (fixture_take (fixture, &first), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &gap), REFUSAL_NONE);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->lost_durable, 0);
	belfry__v1__control__free_unpacked (status, NULL);
	Belfry__V1__Control *welcome = fixture_hello (fixture, signer, "n1", 1, 7, "");
	cr_assert_eq (welcome->welcome->newest_durable, 2);
	belfry__v1__control__free_unpacked (welcome, NULL);
	drop (&first, 1);
	drop (&gap, 1);
}

Test (durable, too_many_holes_are_refused_until_they_close)
{
	enum { N = 2 * RANGES_MAX + 2 };
	message_t messages[N];
	make (signer, messages, N);
	for (int i = 1; i < N - 1; i += 2)
		cr_assert_eq (fixture_take (fixture, &messages[i]), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &messages[N - 1]), REFUSAL_BUSY);
	size_t first = fixture->n_answers;
	fixture_resend (fixture, signer, "n1", messages, N, 1);
	cr_assert_eq (acks_since (first).last.newest_durable, N);
	drop (messages, N);
}

Test (durable, a_resend_bears_only_its_nodes_own_durable_events)
{
	signer_t *other = signer_new ("demo", "n2", 1, 5, true, false);
	message_t foreign = made (other);
	fixture_resend (fixture, signer, "n1", &foreign, 1, 1);
	cr_assert_eq (fixture_refused (fixture, REFUSAL_CONTROL), 1);
	signer_samples (signer, fixture->now);
	fixture_resend (fixture, signer, "n1", &signer->last, 1, 1);
	cr_assert_eq (fixture_refused (fixture, REFUSAL_CONTROL), 2);
	message_t spoiled = made (signer);
	spoiled.envelope[spoiled.envelope_size - 1] ^= 1;
	fixture_resend (fixture, signer, "n1", &spoiled, 1, 1);
	cr_assert_eq (fixture_refused (fixture, REFUSAL_MAC), 1);
	cr_assert_eq (archive_find (fixture->archive, "n1", 1, 1), 0);
	drop (&foreign, 1);
	drop (&spoiled, 1);
	signer_free (other);
}

Test (durable, what_can_never_be_taken_does_not_stand_before_the_rest)
{
	message_t messages[3];
	make (signer, messages, 1);
	signer_t *elsewhere = signer_new ("another", "n1", 1, 7, true, false);
	message_t skipped = made (elsewhere);
	messages[1] = made (elsewhere);
	publisher_skip_durable (signer->publisher, 1);
	make (signer, messages + 2, 1);
	size_t first = fixture->n_answers;
	fixture_resend (fixture, signer, "n1", messages, 3, 1);
	cr_assert_eq (fixture_refused (fixture, REFUSAL_CLUSTER), 1);
	cr_assert_eq (acks_since (first).last.newest_durable, 3);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->lost_durable, 1, "and it is said to be lost");
	belfry__v1__control__free_unpacked (status, NULL);
	drop (messages, 3);
	drop (&skipped, 1);
	signer_free (elsewhere);
}

Test (durable, a_resend_needs_a_hello_and_a_mac)
{
	signer_t *other = signer_new ("demo", "n2", 1, 5, true, false);
	message_t message = made (other);
	fixture_resend (fixture, other, "n2", &message, 1, 1);
	Belfry__V1__Control *answer = fixture_answer (fixture);
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_REFUSED);
	cr_assert_str_eq (answer->refused->reason, "hello");
	belfry__v1__control__free_unpacked (answer, NULL);
	signer_t *liar = signer_new ("demo", "n1", 1, 7, true, true);
	fixture_resend (fixture, liar, "n1", &message, 1, 1);
	answer = fixture_answer (fixture);
	cr_assert_str_eq (answer->refused->reason, "mac");
	belfry__v1__control__free_unpacked (answer, NULL);
	message_t many[257];
	for (int i = 0; i < 257; i++)
		many[i] = message;
	fixture_resend (fixture, signer, "n1", many, 257, 1);
	answer = fixture_answer (fixture);
	cr_assert_str_eq (answer->refused->reason, "limit");
	belfry__v1__control__free_unpacked (answer, NULL);
	drop (&message, 1);
	signer_free (other);
	signer_free (liar);
}

Test (durable, what_comes_late_is_marked_so_and_is_no_sign_of_life)
{
	fixture_live (fixture, signer, NS_PER_S);
	message_t message = made (signer);
	fixture_pass (fixture, 6 * NS_PER_S);
	Belfry__V1__NodeState state = fixture_state (fixture, "n1");
	cr_assert_neq (state, BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE);
	fixture_resend (fixture, signer, "n1", &message, 1, 1);
	cr_assert_eq (fixture_state (fixture, "n1"), state);
	uint64_t offset = archive_find (fixture->archive, "n1", 1, 1);
	archive_record_t record;
	archive_at (fixture->archive, offset, &record);
	cr_assert (record.mark.late);
	drop (&message, 1);
}

Test (durable, an_old_status_from_the_disk_does_not_undo_a_newer_one)
{
	fixture_live (fixture, signer, NS_PER_S);
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ComponentHealth health = BELFRY__V1__COMPONENT_HEALTH__INIT;
	health.component = borrow ("data");
	health.status = BELFRY__V1__STATUS__STATUS_UNHEALTHY;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH;
	event.component_health = &health;
	const publisher_note_t changed = { .source = "store.data", .changed = true };
	signer_event (signer, &event, &changed, fixture->now);
	message_t lost = signer->last;
	signer->last = (message_t){ 0 };
	fixture_live (fixture, signer, 30 * NS_PER_S);
	signer_component (signer, "store.data", "data", BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	fixture_resend (fixture, signer, "n1", &lost, 1, 1);
	fixture_live (fixture, signer, 3 * NS_PER_S);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->components[0]->status, BELFRY__V1__STATUS__STATUS_HEALTHY);
	for (size_t i = 0; i < status->status->n_alerts; i++)
		cr_assert_str_neq (
		        status->status->alerts[i]->node, "n1", "%s", status->status->alerts[i]->name);
	belfry__v1__control__free_unpacked (status, NULL);
	cr_assert_eq (published (&lost, true), 1);
	drop (&lost, 1);
}

Test (durable, a_goodbye_from_the_disk_counts_where_nobody_followed)
{
	fixture_live (fixture, signer, NS_PER_S);
	signer_lifecycle (signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED,
	        "restart", fixture->now);
	message_t bye = signer->last;
	signer->last = (message_t){ 0 };
	signer_t *next = signer_new ("demo", "n1", 2, 9, true, false);
	belfry__v1__control__free_unpacked (fixture_hello (fixture, next, "n1", 2, 9, ""), NULL);
	fixture_resend (fixture, signer, "n1", &bye, 1, 1);
	cr_assert_neq (fixture_state (fixture, "n1"), BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED);
	fixture_live (fixture, next, NS_PER_S);
	signer_lifecycle (next, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED,
	        "shutdown", fixture->now);
	fixture_resend (fixture, next, "n1", &next->last, 1, 1);
	cr_assert_eq (fixture_state (fixture, "n1"), BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED);
	drop (&bye, 1);
	signer_free (next);
}

Test (durable, a_full_journal_queue_accepts_no_more_and_names_what_it_dropped_of_its_own)
{
	fixture->hold_commits = true;
	message_t waiting = made (signer);
	cr_assert_eq (fixture_take (fixture, &waiting), REFUSAL_NONE, "this one is under way");
	size_t taken = 0;
	refusal_t reason;
	for (;; taken++) {
		message_t message = made (signer);
		reason = fixture_take (fixture, &message);
		drop (&message, 1);
		if (reason)
			break;
	}
	cr_assert_eq (reason, REFUSAL_BUSY);
	cr_assert_leq (taken, BATCH_RECORDS_MAX);
	cr_assert_gt (taken, BATCH_RECORDS_MAX - 100, "but for the collector's own");
	for (int i = 0; i < BATCH_OWN_RECORDS + 200; i++)
		core_started (fixture->core, fixture->now);
	uint64_t dropped = counter ("journal_dropped");
	cr_assert_gt (dropped, 0);
	fixture->hold_commits = false;
	fixture_commit (fixture);
	fixture_flush (fixture);
	core_started (fixture->core, fixture->now);
	fixture_flush (fixture);
	/* Its sequences in the journal: dense but for what a gap names. */
	uint64_t sequence = 0, gaps = 0;
	for (uint64_t offset = 1; offset <= archive_count (fixture->archive); offset++) {
		archive_record_t record;
		archive_at (fixture->archive, offset, &record);
		if (strcmp (record.node, "collector.c1") != 0)
			continue;
		gaps += record.sequence - sequence - 1;
		sequence = record.sequence;
	}
	cr_assert_eq (gaps, dropped);
	size_t said = 0;
	for (size_t i = 0; i < 512; i++)
		said += memcmp (fixture->published[i].topic, "fabric/gap/", 11) == 0;
	cr_assert_eq (said, 1);
	drop (&waiting, 1);
}
