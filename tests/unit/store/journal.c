#include <criterion/criterion.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "store/journal.h"
#include "wire/verifier.h"

static journal_t *journal;
static journal_report_t report;
static journal_options_t options;
static wall_t now = { INT64_C (1700000000) * NS_PER_S };

static void open_journal (void)
{
	err_t err = { "" };
	cr_assert_eq (journal_open (&options, now, &journal, &report, &err), 0, "%s", err.text);
}

static void reopen (void)
{
	journal_close (&journal, now);
	open_journal ();
}

static void setup (void)
{
	cr_assert_geq (sodium_init (), 0);
	disk_reset ();
	options = (journal_options_t){ .directory = "state", .vfs = DISK_VFS };
	open_journal ();
}

static void teardown (void)
{
	journal_close (&journal, now);
	disk_reset ();
}

TestSuite (journal, .init = setup, .fini = teardown);

static const char *const topics[] = { "audit/admin/demo/n1/agent/", "system/lifecycle/demo/n1/agent/" };

static journal_record_t record_of (const char *node, uint64_t incarnation, uint64_t sequence)
{
	return (journal_record_t){ .topic = span_str (topics[sequence % 2]),
		.envelope = span_str ("an envelope"),
		.node = node,
		.incarnation = incarnation,
		.sequence = sequence,
		.channel = sequence % 2 ? CHANNEL_SYSTEM : CHANNEL_AUDIT,
		.severity = (Belfry__V1__Severity) (1 + sequence % 5),
		.time_ns = (uint64_t) now.ns + sequence,
		.received_ns = (uint64_t) now.ns };
}

static int commit (journal_record_t *records, size_t n, checkpoint_t *checkpoint)
{
	err_t err = { "" };
	journal_batch_t batch = { records, n, NULL, 0 };
	int r = journal_commit (journal, &batch, now, checkpoint, &err);
	cr_assert (r == 0 || err.text[0]);
	return r;
}

static void fill (uint64_t first, uint64_t last)
{
	for (uint64_t s = first; s <= last; s++) {
		journal_record_t record = record_of ("n1", 1, s);
		cr_assert_eq (commit (&record, 1, NULL), 0);
	}
}

Test (journal, gives_dense_offsets_and_each_channels_predecessor)
{
	journal_record_t records[5];
	for (uint64_t s = 1; s <= 5; s++)
		records[s - 1] = record_of ("n1", 1, s);
	cr_assert_eq (commit (records, 5, NULL), 0);
	static const uint64_t previous[] = { 0, 0, 1, 2, 3 };
	for (size_t i = 0; i < 5; i++) {
		cr_expect_eq (records[i].offset, i + 1);
		cr_expect_eq (records[i].previous_in_channel, previous[i], "%zu", i);
		cr_expect_not (records[i].known);
	}
	journal_figures_t figures;
	reopen ();
	cr_expect_str_empty (report.text, "%s", report.text);
	journal_figures (journal, &figures);
	cr_expect_eq (figures.first, 1);
	cr_expect_eq (figures.newest, 5);
	cr_expect_eq (figures.channels[CHANNEL_SYSTEM], 5);
	cr_expect_eq (figures.channels[CHANNEL_AUDIT], 4);
}

Test (journal, takes_each_event_once)
{
	journal_record_t records[3] = { record_of ("n1", 1, 1), record_of ("n1", 1, 1),
		record_of ("n2", 1, 1) };
	cr_assert_eq (commit (records, 3, NULL), 0);
	cr_expect (records[1].known && records[1].offset == 1, "also within one commit");
	cr_expect_eq (records[2].offset, 2);
	reopen ();
	cr_assert_eq (commit (records, 3, NULL), 0);
	cr_expect (records[0].known && records[0].offset == 1);
	cr_expect (records[2].known && records[2].offset == 2);
	records[0] = record_of ("n1", 2, 1);
	cr_assert_eq (commit (records, 1, NULL), 0);
	cr_expect (!records[0].known && records[0].offset == 3, "of another incarnation it is another");
}

static char memory[256];

static void on_state (void *arg, const char *key, span_t value)
{
	(void) arg;
	snprintf (memory + strlen (memory), sizeof memory - strlen (memory), "%s=%.*s ", key,
	        (int) value.size, (const char *) value.data);
}

Test (journal, keeps_the_collectors_memory_with_what_it_goes_with)
{
	journal_state_t states[] = { { "node/n1", span_str ("a") }, { "alert/x", span_str ("b") },
		{ "node/n1", span_str ("c") } };
	journal_batch_t batch = { NULL, 0, states, 3 };
	cr_assert_eq (journal_commit (journal, &batch, now, NULL, NULL), 0);
	states[0] = (journal_state_t){ "alert/x", span_of ("", 0) };
	batch.n_states = 1;
	cr_assert_eq (journal_commit (journal, &batch, now, NULL, NULL), 0);
	reopen ();
	memory[0] = '\0';
	cr_assert_eq (journal_restore (journal, on_state, NULL, NULL), 0);
	cr_expect_str_eq (memory, "node/n1=c ");
}

Test (journal, signs_a_checkpoint_each_thousand_records_and_each_minute)
{
	checkpoint_t checkpoint = { .offset = 0 };
	for (uint64_t s = 1; s <= 1000; s++) {
		journal_record_t record = record_of ("n1", 1, s);
		cr_assert_eq (commit (&record, 1, &checkpoint), 0);
		cr_assert_eq (checkpoint.offset, s == 1000 ? 1000 : 0);
	}
	cr_expect (checkpoint_verify (&checkpoint));
	fill (1001, 1001);
	cr_assert_eq (journal_tick (journal, now, &checkpoint, NULL), 0);
	cr_expect_eq (checkpoint.offset, 0);
	now.ns += JOURNAL_CHECKPOINT_NS;
	cr_assert_eq (journal_tick (journal, now, &checkpoint, NULL), 0);
	cr_expect_eq (checkpoint.offset, 1001);
	now.ns += JOURNAL_CHECKPOINT_NS;
	cr_assert_eq (journal_tick (journal, now, &checkpoint, NULL), 0);
	cr_expect_eq (checkpoint.offset, 0, "nothing new is not signed again");
}

Test (journal, keeps_nothing_of_a_commit_that_the_disk_did_not_take)
{
	fill (1, 2);
	journal_record_t record = record_of ("n1", 1, 3);
	disk_fault (DISK_FULL, 1, 0);
	cr_expect_eq (commit (&record, 1, NULL), -ENOSPC);
	disk_fault (DISK_WORKS, 0, 0);
	cr_expect_eq (commit (&record, 1, NULL), 0);
	cr_expect (!record.known && record.offset == 3);
}

/* Reading. */

static char seen[4096];

static int on_entry (void *arg, const journal_entry_t *entry)
{
	(void) arg;
	snprintf (seen + strlen (seen), sizeof seen - strlen (seen), "%lu ",
	        (unsigned long) entry->mark.offset);
	return 0;
}

static const char *found (journal_query_t query)
{
	uint64_t next;
	bool last = false;
	seen[0] = '\0';
	while (!last) {
		cr_assert_eq (journal_read (journal, &query, on_entry, NULL, &next, &last, NULL), 0);
		cr_assert_geq (next, query.from_offset);
		query.from_offset = next;
	}
	return seen;
}

Test (journal, reads_by_offset_time_channel_node_and_severity)
{
	static const char *const audit[] = { "audit/" }, *const two[] = { "audit/", "system/" };
	fill (1, 10);
	journal_record_t record = record_of ("n2", 1, 1);
	record.subject_node = "n3";
	cr_assert_eq (commit (&record, 1, NULL), 0);
	cr_expect_str_eq (found ((journal_query_t){ 0 }), "1 2 3 4 5 6 7 8 9 10 11 ");
	cr_expect_str_eq (found ((journal_query_t){ .from_offset = 4, .until_offset = 6 }), "4 5 6 ");
	cr_expect_str_eq (
	        found ((journal_query_t){ .limit = 2 }), "1 2 3 4 5 6 7 8 9 10 11 ", "page by page");
	cr_expect_str_eq (found ((journal_query_t){ .prefixes = audit, .n_prefixes = 1 }), "2 4 6 8 10 ");
	cr_expect_str_eq (
	        found ((journal_query_t){ .prefixes = two, .n_prefixes = 2 }), "1 2 3 4 5 6 7 8 9 10 11 ");
	cr_expect_str_eq (found ((journal_query_t){ .node = "n2" }), "11 ");
	cr_expect_str_eq (found ((journal_query_t){ .node = "n3" }), "11 ", "by subject");
	cr_expect_str_eq (found ((journal_query_t){ .since_ns = (uint64_t) now.ns + 9 }), "9 10 ");
	cr_expect_str_eq (found ((journal_query_t){
	                          .since_ns = (uint64_t) now.ns + 3, .until_ns = (uint64_t) now.ns + 5 }),
	        "3 4 5 ");
	cr_expect_str_eq (
	        found ((journal_query_t){ .severity_min = BELFRY__V1__SEVERITY__SEVERITY_CRITICAL }), "4 9 ");
}

/* Verification. */

static int on_verify (void *arg, const journal_entry_t *entry)
{
	verifier_t *verifier = arg;
	checkpoint_t checkpoint;
	verifier_record (verifier, &entry->mark, entry->topic, entry->envelope, entry->hash);
	if (journal_checkpoints (journal, entry->mark.offset, entry->mark.offset, &checkpoint, 1) == 1)
		verifier_checkpoint (verifier, &checkpoint);
	return 0;
}

static verifier_t verify (void)
{
	verifier_t verifier;
	journal_query_t query = { 0 };
	uint8_t anchor[CHAIN_HASH_SIZE];
	journal_figures_t figures;
	bool last = false;
	journal_figures (journal, &figures);
	verifier_init (&verifier, NULL);
	query.from_offset = figures.first ? figures.first : figures.newest + 1;
	cr_assert_eq (journal_hash (journal, query.from_offset - 1, anchor), 0);
	verifier_anchor (&verifier, query.from_offset - 1, anchor);
	while (!last)
		cr_assert_eq (
		        journal_read (journal, &query, on_verify, &verifier, &query.from_offset, &last, NULL),
		        0);
	checkpoint_t head = { .offset = 0 };
	cr_assert (figures.newest == 0 || journal_head (journal, &head) == 0);
	verifier_end (&verifier, head.offset);
	return verifier;
}

Test (journal, is_sound_and_remembers_where_it_ended)
{
	fill (1, 2500);
	verifier_t verifier = verify ();
	cr_expect_eq (verifier.findings, 0, "%s", verifier.text.text);
	cr_expect_eq (verifier.records, 2500);
	cr_expect_eq (verifier.checkpoints, 2);
	reopen ();
	fill (2501, 2503);
	verifier = verify ();
	cr_expect_eq (verifier.findings, 0, "%s", verifier.text.text);
	cr_expect_eq (verifier.checkpoints, 3, "one when it was closed");
}

Test (journal, names_the_record_that_was_changed_in_its_file)
{
	fill (1, 40);
	journal_close (&journal, now);
	size_t size;
	uint8_t *bytes = disk_bytes ("state/journal.db", &size), *at = bytes;
	/* The seventeenth envelope there is, in the file's order, which is that of the offsets here. */
	for (int i = 0; i < 17; i++) {
		at = memmem (at + 1, size - (size_t) (at + 1 - bytes), "an envelope", 11);
		cr_assert_not_null (at);
	}
	at[3] ^= 1;
	open_journal ();
	verifier_t verifier = verify ();
	cr_expect_eq (verifier.finding, VERIFIER_CHANGED);
	cr_expect_leq (verifier.at, 40);
	cr_expect_eq (verifier.records, 40);
	cr_expect_eq (verifier.findings, 1, "%s", verifier.text.text);
}

Test (journal, shows_that_the_newest_records_were_cut_off_and_goes_on_behind_them)
{
	fill (1, 20);
	journal_close (&journal, now);
	disk_image_t *older = disk_save ();
	open_journal ();
	fill (21, 30);
	journal_close (&journal, now);
	size_t size;
	uint8_t *head = disk_bytes ("state/journal.head", &size), kept[4096];
	cr_assert_leq (size, sizeof kept);
	memcpy (kept, head, size);
	disk_restore (older);
	disk_put ("state/journal.head", kept, size);
	disk_image_free (&older);
	open_journal ();
	cr_expect_eq (report.lost_first, 21, "%s", report.text);
	cr_expect_eq (report.lost_last, 30);
	verifier_t verifier = verify ();
	cr_expect_eq (verifier.finding, VERIFIER_TRUNCATED);
	cr_expect_eq (verifier.at, 21, "%s", verifier.text.text);
	fill (31, 31);
	reopen ();
	cr_expect_eq (report.lost_first, 0, "said once");
	verifier = verify ();
	cr_expect_eq (verifier.finding, VERIFIER_MISSING);
	cr_expect_eq (verifier.at, 21, "%s", verifier.text.text);
	journal_figures_t figures;
	journal_figures (journal, &figures);
	cr_expect_eq (figures.newest, 31, "no offset is given twice");
}

Test (journal, lets_go_of_what_is_old_and_anchors_what_stays)
{
	options.retain_ns = 3600 * NS_PER_S;
	reopen ();
	fill (1, 1000);
	now.ns += 3601 * NS_PER_S;
	fill (1001, 1500);
	cr_assert_eq (journal_tick (journal, now, NULL, NULL), 0);
	journal_figures_t figures;
	journal_figures (journal, &figures);
	cr_expect_eq (figures.first, 1001);
	cr_expect_eq (figures.records, 500);
	verifier_t verifier = verify ();
	cr_expect_eq (verifier.findings, 0, "%s", verifier.text.text);
	cr_expect_eq (verifier.records, 500);
	reopen ();
	cr_expect_str_empty (report.text, "%s", report.text);
	verifier = verify ();
	cr_expect_eq (verifier.findings, 0, "%s", verifier.text.text);
}

Test (journal, takes_over_what_checks_in_a_file_that_is_no_database)
{
	fill (1, 300);
	uint8_t id[MARK_JOURNAL_SIZE];
	journal_figures_t figures;
	journal_figures (journal, &figures);
	memcpy (id, figures.id, sizeof id);
	journal_close (&journal, now);
	size_t size;
	memset (disk_bytes ("state/journal.db", &size), 0, 64);
	open_journal ();
	cr_expect_eq (report.recovered, 300, "%s", report.text);
	cr_expect_eq (report.lost_first, 0);
	journal_figures (journal, &figures);
	cr_expect_eq (memcmp (id, figures.id, sizeof id), 0, "it is the same journal");
	verifier_t verifier = verify ();
	cr_expect_eq (verifier.findings, 0, "%s", verifier.text.text);
	journal_record_t record = record_of ("n1", 1, 300);
	cr_assert_eq (commit (&record, 1, NULL), 0);
	cr_expect (record.known, "and takes nothing twice");
}

Test (journal_files, are_this_users_alone)
{
	char directory[] = "/tmp/belfry-journal-XXXXXX", path[64];
	struct stat status;
	err_t err = { "" };
	cr_assert_geq (sodium_init (), 0);
	cr_assert_not_null (mkdtemp (directory));
	options = (journal_options_t){ .directory = directory };
	open_journal ();
	snprintf (path, sizeof path, "%s/journal.key", directory);
	cr_assert_eq (stat (path, &status), 0);
	cr_expect_eq (status.st_mode & 0777, 0600);
	fill (1, 3);
	journal_t *other = NULL;
	journal_report_t unused;
	options.read_only = true;
	cr_expect_eq (journal_open (&options, now, &other, &unused, &err), -EBUSY, "%s", err.text);
	journal_close (&journal, now);
	cr_assert_eq (journal_open (&options, now, &journal, &report, &err), 0, "%s", err.text);
	cr_expect_str_eq (found ((journal_query_t){ 0 }), "1 2 3 ");
	journal_close (&journal, now);
	options.read_only = false;
	cr_assert_eq (chmod (path, 0644), 0);
	cr_expect_eq (journal_open (&options, now, &other, &unused, &err), -EACCES);
	cr_expect_neq (strstr (err.text, "chmod 600"), NULL);
	for (const char *const *name = (const char *const[]){ "key", "head", "db", NULL }; *name; name++) {
		snprintf (path, sizeof path, "%s/journal.%s", directory, *name);
		unlink (path);
	}
	snprintf (path, sizeof path, "%s/journal.db-wal", directory);
	unlink (path);
	rmdir (directory);
}

Test (journal, that_said_yes_on_a_disk_that_is_full_now_and_then_has_it)
{
	for (uint64_t at = 1; at <= 24; at++) {
		for (uint64_t calls = 1; calls <= 3; calls++) {
			journal_close (&journal, now);
			disk_reset ();
			open_journal ();
			fill (1, 2);
			disk_fault (DISK_FULL, at, calls);
			for (uint64_t s = 3; s <= 6; s++) {
				journal_record_t record = record_of ("n1", 1, s);
				int r = -1;
				for (int i = 0; i < 10 && r; i++)
					r = commit (&record, 1, NULL);
				cr_assert_eq (r, 0);
				cr_assert_eq (record.offset, s);
				cr_assert_not (record.known);
			}
			cr_expect_str_eq (found ((journal_query_t){ 0 }), "1 2 3 4 5 6 ", "%d %d", (int) at,
			        (int) calls);
			reopen ();
			cr_expect_str_eq (found ((journal_query_t){ 0 }), "1 2 3 4 5 6 ", "%d %d", (int) at,
			        (int) calls);
		}
	}
}
