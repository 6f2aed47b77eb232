/* What is on its way to the journal: copied, bounded, in order. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/batch.h"

static batch_t *batch;

static void setup (void)
{
	cr_assert_eq (batch_new (&batch), 0);
}

static void teardown (void)
{
	batch_destroy (&batch);
}

TestSuite (batch, .init = setup, .fini = teardown);

static bool add (size_t size, uint64_t sequence, bool own)
{
	char *bytes = malloc (size);
	char subject[] = "n2";
	memset (bytes, (int) sequence, size);
	const journal_record_t record = { .topic = span_str ("a/topic/"),
		.envelope = span_of (bytes, size),
		.node = "n1",
		.subject_node = subject,
		.sequence = sequence };
	const batch_entry_t entry = { .node = own ? BATCH_OWN : 3 };
	bool fits = batch_reserve (batch, size + 8, own);
	if (fits)
		batch_add (batch, &record, &entry);
	memset (bytes, 0xff, size);
	subject[0] = '?';
	free (bytes);
	return fits;
}

Test (batch, it_copies_what_it_is_given)
{
	for (uint64_t i = 1; i <= 1000; i++)
		cr_assert (add (2000 + i, i, false));
	journal_batch_t *content = batch_content (batch);
	cr_assert_eq (content->n_records, 1000);
	for (uint64_t i = 1; i <= 1000; i++) {
		const journal_record_t *r = &content->records[i - 1];
		const uint8_t *bytes = r->envelope.data;
		cr_assert_eq (r->sequence, i);
		cr_assert_eq (r->envelope.size, 2000 + i);
		cr_assert_eq (bytes[0], (uint8_t) i);
		cr_assert_eq (bytes[1999 + i], (uint8_t) i);
		cr_assert (span_is (r->topic, "a/topic/"));
		cr_assert_str_eq (r->subject_node, "n2");
		cr_assert_eq (batch_entry (batch, i - 1)->node, 3);
	}
}

Test (batch, it_is_bounded_in_bytes_with_some_for_the_collectors_own)
{
	size_t n = 0;
	while (add (256 * 1024, n, false))
		n++;
	cr_assert_leq (n * (256 * 1024 + 8), BATCH_BYTES_MAX);
	cr_assert_gt ((n + 1) * (256 * 1024 + 8), BATCH_BYTES_MAX);
	cr_assert (add (256 * 1024, n, true));
	size_t own = 1;
	while (add (256 * 1024, n, true))
		own++;
	cr_assert_geq (own, BATCH_OWN_BYTES / (256 * 1024));
	cr_assert_leq (own, BATCH_OWN_BYTES / (256 * 1024) + 1);
}

Test (batch, it_is_bounded_in_records_and_begins_anew)
{
	for (int round = 0; round < 2; round++) {
		for (uint64_t i = 0; i < BATCH_RECORDS_MAX; i++)
			cr_assert (add (10, i, false));
		cr_assert_not (add (10, 0, false));
		for (uint64_t i = 0; i < BATCH_OWN_RECORDS; i++)
			cr_assert (add (10, i, true));
		cr_assert_not (add (10, 0, true));
		cr_assert_eq (batch_count (batch), BATCH_RECORDS_MAX + BATCH_OWN_RECORDS);
		batch_clear (batch);
		cr_assert_eq (batch_count (batch), 0);
	}
}

Test (batch, memory_goes_with_it)
{
	char key[32];
	for (int i = 0; i < 3000; i++) {
		snprintf (key, sizeof key, "node/%d", i);
		cr_assert_eq (batch_remember (batch, key, span_of (key, strlen (key))), 0);
	}
	snprintf (key, sizeof key, "alert/gone");
	cr_assert_eq (batch_remember (batch, key, span_of (NULL, 0)), 0);
	journal_batch_t *content = batch_content (batch);
	cr_assert_eq (content->n_states, 3001);
	cr_assert_str_eq (content->states[1234].key, "node/1234");
	cr_assert (span_is (content->states[1234].value, "node/1234"));
	cr_assert_eq (content->states[3000].value.size, 0);
	static uint8_t huge[2 * 1024 * 1024];
	cr_assert_lt (batch_remember (batch, "x", span_of (huge, sizeof huge)), 0);
	cr_assert_eq (batch_content (batch)->n_states, 3001);
}
