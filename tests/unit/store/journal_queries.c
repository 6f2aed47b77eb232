#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "disk.h"
#include "store/journal_internal.h"

enum { RECORDS = 2000, BATCH = 50 };

typedef struct {
	channel_t channel;
	int severity;
	uint64_t time_ns;
	const char *node, *subject;
} fact_t;

static journal_t *journal;
static fact_t facts[RECORDS + 1];
static const wall_t now = { INT64_C (1700000000) * NS_PER_S };

static uint32_t random_state;
static unsigned random_below (unsigned n)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % n;
}

static const char *topic_of (channel_t channel)
{
	static const char *const topics[] = { "system/state/demo/n1/agent/", "health/node/demo/n1/agent/",
		"metrics/samples/demo/n1/agent/", "lifecycle/process/demo/n1/agent/",
		"alerts/info/demo/n1/agent/", "audit/admin/demo/n1/agent/" };
	return topics[channel];
}

/* Mostly quiet ones in the order of their time; some are late, one in a hundred severe, few alerts. */
static void setup (void)
{
	static const char *const nodes[] = { "n1", "n2", "n3", "n4", "n5" };
	journal_options_t options = { .directory = "state", .vfs = DISK_VFS };
	journal_report_t report;
	err_t err = { "" };
	cr_assert_geq (sodium_init (), 0);
	disk_reset ();
	cr_assert_eq (journal_open (&options, now, &journal, &report, &err), 0, "%s", err.text);
	random_state = 7;
	for (uint64_t offset = 1; offset <= RECORDS; offset += BATCH) {
		journal_record_t records[BATCH];
		for (unsigned i = 0; i < BATCH; i++) {
			fact_t *fact = &facts[offset + i];
			fact->channel = (channel_t) random_below (random_below (100) ? 4 : 6);
			fact->severity = random_below (100) ? 1 + (int) random_below (2) : 5;
			fact->time_ns = (offset + i) * 1000 - (random_below (50) ? 0 : offset * 900);
			fact->node = nodes[random_below (random_below (50) ? 2 : 5)];
			fact->subject = random_below (10) ? NULL : nodes[random_below (5)];
			records[i] = (journal_record_t){ .topic = span_str (topic_of (fact->channel)),
				.envelope = span_str ("an envelope"),
				.node = fact->node,
				.subject_node = fact->subject,
				.incarnation = 1,
				.sequence = offset + i,
				.channel = fact->channel,
				.severity = (Belfry__V1__Severity) fact->severity,
				.time_ns = fact->time_ns };
		}
		journal_batch_t batch = { records, BATCH, NULL, 0 };
		cr_assert_eq (journal_commit (journal, &batch, now, NULL, &err), 0, "%s", err.text);
	}
}

static void teardown (void)
{
	journal_close (&journal, now);
	disk_reset ();
}

TestSuite (queries, .init = setup, .fini = teardown);

static bool fits (const journal_query_t *query, uint64_t offset)
{
	const fact_t *fact = &facts[offset];
	bool prefix = query->n_prefixes == 0;
	for (size_t i = 0; i < query->n_prefixes; i++)
		prefix |= strncmp (topic_of (fact->channel), query->prefixes[i],
		                  strlen (query->prefixes[i])) == 0;
	return prefix && offset >= query->from_offset &&
	       (!query->until_offset || offset <= query->until_offset) && fact->time_ns >= query->since_ns &&
	       (!query->until_ns || fact->time_ns <= query->until_ns) &&
	       fact->severity >= (int) query->severity_min &&
	       (!query->node || strcmp (query->node, fact->node) == 0 ||
	               (fact->subject && strcmp (query->node, fact->subject) == 0));
}

static int on_entry (void *arg, const journal_entry_t *entry)
{
	uint64_t *last = arg;
	cr_assert_gt (entry->mark.offset, *last, "by offset");
	*last = entry->mark.offset;
	facts[*last].channel |= 64;
	return 0;
}

static void expect_as_by_looking_at_all (journal_query_t query)
{
	const journal_query_t asked = query;
	uint64_t newest = 0;
	bool last = false;
	for (unsigned pages = 0; !last; pages++) {
		err_t err = { "" };
		cr_assert_lt (pages, RECORDS + 2);
		cr_assert_eq (
		        journal_read (journal, &query, on_entry, &newest, &query.from_offset, &last, &err), 0,
		        "%s", err.text);
	}
	cr_expect_eq (query.from_offset,
	        (asked.until_offset && asked.until_offset < RECORDS ? asked.until_offset : RECORDS) + 1);
	for (uint64_t offset = 1; offset <= RECORDS; offset++) {
		bool seen = facts[offset].channel & 64;
		facts[offset].channel &= 63;
		cr_expect_eq (seen, fits (&asked, offset), "offset %lu", (unsigned long) offset);
	}
}

Test (queries, find_what_looking_at_all_records_finds)
{
	static const char *const prefixes[] = { "alerts/", "audit/admin/", "sys", "m",
		"system/state/demo/n1/", "nothing/", "health/node/other/" };
	expect_as_by_looking_at_all ((journal_query_t){ 0 });
	expect_as_by_looking_at_all ((journal_query_t){ .prefixes = prefixes, .n_prefixes = 2 });
	expect_as_by_looking_at_all ((journal_query_t){ .severity_min = (Belfry__V1__Severity) 5 });
	random_state = 11;
	for (int i = 0; i < 300; i++) {
		journal_query_t query = { .limit = random_below (3) ? 0 : 1 + random_below (40) };
		if (random_below (3) == 0) {
			query.prefixes = &prefixes[random_below (5)];
			query.n_prefixes = 1 + random_below (3);
		}
		if (random_below (3) == 0)
			query.since_ns = random_below (RECORDS) * 1000U;
		if (random_below (3) == 0)
			query.until_ns = random_below (RECORDS) * 1000U;
		if (random_below (3) == 0)
			query.node = (const char *[]){ "n1", "n3", "n5", "none" }[random_below (4)];
		if (random_below (3) == 0)
			query.severity_min = (Belfry__V1__Severity) (1 + random_below (6));
		if (random_below (3) == 0)
			query.until_offset = 1 + random_below (RECORDS + 100);
		expect_as_by_looking_at_all (query);
	}
}

Test (queries, hand_out_no_more_than_was_asked_for)
{
	uint64_t next, newest = 0;
	bool last;
	const journal_query_t few = { .limit = 3 }, small = { .bytes = 1 };
	cr_assert_eq (journal_read (journal, &few, on_entry, &newest, &next, &last, NULL), 0);
	cr_expect_eq (newest, 3);
	cr_expect_eq (next, 4);
	cr_expect_not (last);
	newest = 0;
	cr_assert_eq (journal_read (journal, &small, on_entry, &newest, &next, &last, NULL), 0);
	cr_expect_eq (newest, 1, "one, however large");
	cr_expect_not (last);
}

static void expect_indexed (sqlite3 *db, const char *sql)
{
	char text[2048];
	sqlite3_stmt *plan = NULL;
	snprintf (text, sizeof text, "EXPLAIN QUERY PLAN %s", sql);
	cr_assert_eq (sqlite3_prepare_v2 (db, text, -1, &plan, NULL), SQLITE_OK, "%s", sqlite3_errmsg (db));
	while (sqlite3_step (plan) == SQLITE_ROW) {
		const char *step = (const char *) sqlite3_column_text (plan, 3);
		cr_expect_null (strstr (step, "SCAN "), "%s: %s", sql, step);
		cr_expect_null (strstr (step, "TEMP B-TREE"), "%s: %s", sql, step);
	}
	sqlite3_finalize (plan);
}

Test (queries, read_by_an_index_and_sort_nothing)
{
	static const char *const statements[] = {
#define X(name, sql) sql,
		JOURNAL_STATEMENTS (X)
#undef X
	};
	sqlite3 *db = NULL;
	journal_close (&journal, now);
	cr_assert_eq (sqlite3_open_v2 ("state/journal.db", &db, SQLITE_OPEN_READWRITE, DISK_VFS), SQLITE_OK);
	cr_assert_eq (
	        sqlite3_exec (db, "PRAGMA locking_mode=EXCLUSIVE; SELECT * FROM meta", NULL, NULL, NULL), 0);
	for (size_t i = 0; i < sizeof statements / sizeof *statements; i++)
		expect_indexed (db, statements[i]);
	sqlite3_close (db);
}
