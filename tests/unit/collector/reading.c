/* What is asked of the journal over control. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "collector/reading.h"
#include "core_fixture.h"

static fixture_t *fixture;
static signer_t *signer;

static void setup (void)
{
	fixture = fixture_new (true);
	signer = signer_new ("demo", "n1", 1, 7, true, false);
	/* 1,200 records, of two channels. */
	for (int i = 0; i < 600; i++) {
		Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
		Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
		entry.level = i % 3 ? BELFRY__V1__SEVERITY__SEVERITY_ERROR
		                    : BELFRY__V1__SEVERITY__SEVERITY_CRITICAL;
		entry.message = borrow ("a line");
		event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
		event.log_entry = &entry;
		const publisher_note_t note = { .source = "app" };
		signer_event (signer, &event, &note, fixture->now);
		cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
		signer_lifecycle (signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED,
		        "", fixture->now);
		cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	}
}

static void teardown (void)
{
	signer_free (signer);
	fixture_free (fixture);
}

TestSuite (reading, .init = setup, .fini = teardown);

static Belfry__V1__Control *read (Belfry__V1__JournalRead *asked)
{
	Belfry__V1__Control *answer = fixture_read (fixture, asked);
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_JOURNAL_EVENTS);
	return answer;
}

Test (reading, all_of_it_is_read_page_by_page)
{
	Belfry__V1__JournalRead asked = BELFRY__V1__JOURNAL_READ__INIT;
	uint64_t offset = 0, pages = 0;
	asked.limit = 500;
	bool last = false;
	for (; !last; pages++) {
		Belfry__V1__Control *answer = read (&asked);
		const Belfry__V1__JournalEvents *events = answer->journal_events;
		cr_assert_eq (events->first_offset, 1);
		cr_assert_eq (events->newest_offset, archive_count (fixture->archive));
		cr_assert_eq (events->journal.len, 16);
		for (size_t i = 0; i < events->n_frames; i++) {
			archive_record_t record;
			const Belfry__V1__Frame *frame = events->frames[i];
			cr_assert_eq (frame->offset, ++offset);
			archive_at (fixture->archive, offset, &record);
			cr_assert (span_is (record.topic, frame->topic));
			cr_assert (span_equal (
			        record.envelope, span_of (frame->envelope.data, frame->envelope.len)));
			cr_assert_eq (frame->previous_in_channel, record.mark.previous_in_channel);
			cr_assert_eq (frame->received_ns, record.mark.received_ns);
			cr_assert_eq (frame->chain_hash.len, 0);
		}
		cr_assert_eq (events->next_offset, offset + 1);
		asked.from_offset = events->next_offset;
		last = events->last;
		belfry__v1__control__free_unpacked (answer, NULL);
	}
	cr_assert_eq (offset, archive_count (fixture->archive));
	cr_assert_gt (pages, 1);
	cr_assert_eq (fixture->reading.deadline_ms, 2000);
}

Test (reading, the_chain_comes_with_its_anchor_and_checkpoints)
{
	Belfry__V1__JournalRead asked = BELFRY__V1__JOURNAL_READ__INIT;
	uint8_t hash[CHAIN_HASH_SIZE] = { 0 };
	size_t checkpoints = 0;
	asked.chain = true;
	for (bool last = false; !last;) {
		Belfry__V1__Control *answer = read (&asked);
		const Belfry__V1__JournalEvents *events = answer->journal_events;
		cr_assert_eq (events->anchor_hash.len, CHAIN_HASH_SIZE);
		cr_assert_eq (memcmp (events->anchor_hash.data, hash, CHAIN_HASH_SIZE), 0);
		for (size_t i = 0; i < events->n_frames; i++) {
			const Belfry__V1__Frame *frame = events->frames[i];
			mark_t mark = { .offset = frame->offset,
				.previous_in_channel = frame->previous_in_channel,
				.late = frame->late,
				.received_ns = frame->received_ns };
			memcpy (mark.journal, events->journal.data, sizeof mark.journal);
			chain_hash (hash, &mark, span_str (frame->topic),
			        span_of (frame->envelope.data, frame->envelope.len), hash);
			cr_assert_eq (memcmp (frame->chain_hash.data, hash, CHAIN_HASH_SIZE), 0, "offset %d",
			        (int) frame->offset);
		}
		for (size_t i = 0; i < events->n_checkpoints; i++) {
			const Belfry__V1__Checkpoint *c = events->checkpoints[i];
			checkpoint_t checkpoint = { .offset = c->offset, .time_ns = c->time_ns };
			memcpy (checkpoint.journal, c->journal.data, sizeof checkpoint.journal);
			memcpy (checkpoint.hash, c->hash.data, sizeof checkpoint.hash);
			memcpy (checkpoint.public_key, c->public_key.data, sizeof checkpoint.public_key);
			memcpy (checkpoint.signature, c->signature.data, sizeof checkpoint.signature);
			cr_assert (checkpoint_verify (&checkpoint));
		}
		checkpoints += events->n_checkpoints;
		asked.from_offset = events->next_offset;
		last = events->last;
		belfry__v1__control__free_unpacked (answer, NULL);
	}
	cr_assert_geq (checkpoints, 2, "the first record's, and one each 1,000");
}

Test (reading, checkpoints_are_published)
{
	Belfry__V1__Event *event = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_CHECKPOINT);
	cr_assert_not_null (event);
	cr_assert_eq (event->header->class_, BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE);
	cr_assert_geq (event->checkpoint->offset, 1000);
	belfry__v1__event__free_unpacked (event, NULL);
}

Test (reading, what_is_not_wanted_is_left_out)
{
	char *prefixes[] = { borrow ("logging/") };
	Belfry__V1__JournalRead asked = BELFRY__V1__JOURNAL_READ__INIT;
	asked.n_prefixes = 1;
	asked.prefixes = prefixes;
	asked.severity_min = BELFRY__V1__SEVERITY__SEVERITY_CRITICAL;
	asked.limit = 10;
	asked.node = borrow ("n1");
	Belfry__V1__Control *answer = read (&asked);
	cr_assert_eq (answer->journal_events->n_frames, 10);
	for (size_t i = 0; i < 10; i++)
		cr_assert_eq (strncmp (answer->journal_events->frames[i]->topic, "logging/critical/", 17), 0);
	cr_assert_not (answer->journal_events->last);
	belfry__v1__control__free_unpacked (answer, NULL);
	asked.node = borrow ("n2");
	answer = read (&asked);
	cr_assert_eq (answer->journal_events->n_frames, 0);
	cr_assert (answer->journal_events->last);
	belfry__v1__control__free_unpacked (answer, NULL);
}

static void refused (Belfry__V1__JournalRead *asked, const char *reason)
{
	Belfry__V1__Control *answer = fixture_read (fixture, asked);
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_REFUSED);
	cr_assert_str_eq (answer->refused->reason, reason);
	cr_assert_gt (strlen (answer->refused->text), 10);
	belfry__v1__control__free_unpacked (answer, NULL);
}

Test (reading, another_journals_offsets_are_refused)
{
	uint8_t id[16] = { 1, 2, 3 };
	journal_figures_t figures;
	Belfry__V1__JournalRead asked = BELFRY__V1__JOURNAL_READ__INIT;
	asked.journal = (ProtobufCBinaryData){ sizeof id, id };
	refused (&asked, "journal");
	asked.journal.len = 3;
	refused (&asked, "journal");
	archive_figures (fixture->archive, &figures);
	asked.journal = (ProtobufCBinaryData){ sizeof figures.id, figures.id };
	belfry__v1__control__free_unpacked (read (&asked), NULL);
}

Test (reading, what_is_beyond_the_bounds_is_refused)
{
	char *prefixes[READING_PREFIXES_MAX + 1], longest[200];
	memset (longest, 'a', sizeof longest - 1);
	longest[sizeof longest - 1] = '\0';
	Belfry__V1__JournalRead asked = BELFRY__V1__JOURNAL_READ__INIT;
	for (int i = 0; i <= READING_PREFIXES_MAX; i++)
		prefixes[i] = borrow ("a");
	asked.prefixes = prefixes;
	asked.n_prefixes = READING_PREFIXES_MAX + 1;
	refused (&asked, "limit");
	asked.n_prefixes = 1;
	prefixes[0] = longest;
	refused (&asked, "limit");
	asked.n_prefixes = 0;
	asked.limit = READING_LIMIT_MAX + 1;
	refused (&asked, "limit");
	asked.limit = 0;
	asked.node = borrow ("no/name");
	refused (&asked, "unknown_node");
	asked.node = borrow ("");
	fixture->reading.busy = true;
	refused (&asked, "busy");
}

Test (reading, a_disk_that_cannot_be_read_is_said)
{
	core_read_done (
	        fixture->core, span_of ("peer1", 5), 9, false, -5, "the journal: Input/output error", NULL);
	Belfry__V1__Control *answer = fixture_answer (fixture);
	cr_assert_eq (answer->id, 9);
	cr_assert_str_eq (answer->refused->reason, "failed");
	cr_assert_not_null (strstr (answer->refused->text, "Input/output"));
	belfry__v1__control__free_unpacked (answer, NULL);
}

Test (reading, a_snapshot_says_where_the_stream_goes_on)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__SnapshotRequest request = BELFRY__V1__SNAPSHOT_REQUEST__INIT;
	control.body_case = BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST;
	control.snapshot_request = &request;
	Belfry__V1__Control *answer = fixture_ask (fixture, &control, NULL, NULL);
	cr_assert_eq (answer->snapshot->journal_offset, archive_count (fixture->archive));
	cr_assert_eq (answer->snapshot->journal.len, 16);
	cr_assert_eq (answer->snapshot->sequences[0]->newest_durable, 1200);
	belfry__v1__control__free_unpacked (answer, NULL);
}
