/* journal.c - power is lost at every call that changes the disk while a journal works, and again while it opens.
 * Afterwards every record that was committed is there once, under its offset; nothing is there twice; the chain
 * holds; the memory is that of a commit; and it goes on.
 *
 *	crash-journal [RUNS]: at least that many losses of power; prints the counts. */

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disk.h"
#include "store/journal.h"
#include "wire/verifier.h"

enum { OPERATIONS = 40 };

static uint64_t runs, lost, twice, unsound, reopened;
static wall_t now;

static journal_t *start (journal_report_t *report)
{
	const journal_options_t options = {
		.directory = "state", .vfs = DISK_VFS, .retain_ns = 200 * NS_PER_S
	};
	journal_t *journal = NULL;
	err_t err = { "" };
	if (journal_open (&options, now, &journal, report, &err) && !disk_crashed ()) {
		fprintf (stderr, "crash: it does not open: %s\n", err.text);
		exit (1);
	}
	return journal;
}

/* The nth operation: up to five records of two nodes, one of them known already, and a piece of memory; a
 * minute passes now and then. *count: records of its own so far. */
static int operate (journal_t *journal, unsigned n, uint64_t *count)
{
	static uint8_t bytes[6000];
	journal_record_t records[6];
	unsigned own = 1 + n % 5;
	if (n % 8 == 7) {
		now.ns += 61 * NS_PER_S;
		return journal_tick (journal, now, NULL, NULL);
	}
	char text[16];
	snprintf (text, sizeof text, "%u", n);
	journal_state_t state = { n % 2 ? "node/n1" : "node/n2", span_str (text) };
	for (unsigned i = 0; i < own; i++)
		records[i] = (journal_record_t){ .topic = span_str ("audit/admin/demo/n1/agent/"),
			.envelope = span_of (bytes, 100 + (n * 331 + i * 77) % 5000),
			.node = "n1",
			.incarnation = 1,
			.sequence = *count + 1 + i,
			.channel = CHANNEL_AUDIT,
			.severity = (Belfry__V1__Severity) 2,
			.time_ns = (uint64_t) now.ns,
			.received_ns = (uint64_t) now.ns };
	records[own] = records[0];
	journal_batch_t batch = { records, own + 1, &state, 1 };
	int r = journal_commit (journal, &batch, now, NULL, NULL);
	if (!r)
		*count += own;
	return r;
}

typedef struct {
	journal_t *journal;
	verifier_t verifier;
	uint64_t newest;
} check_t;

static int on_entry (void *arg, const journal_entry_t *entry)
{
	check_t *self = arg;
	checkpoint_t checkpoint;
	verifier_record (&self->verifier, &entry->mark, entry->topic, entry->envelope, entry->hash);
	if (journal_checkpoints (self->journal, entry->mark.offset, entry->mark.offset, &checkpoint, 1) == 1)
		verifier_checkpoint (&self->verifier, &checkpoint);
	self->newest = entry->mark.offset;
	return 0;
}

/* The newest offset; counts what does not hold. */
static uint64_t check (journal_t *journal, uint64_t at, uint64_t seed)
{
	check_t self = { .journal = journal };
	journal_query_t query = { .limit = 100000, .bytes = SIZE_MAX };
	journal_figures_t figures;
	uint8_t anchor[CHAIN_HASH_SIZE];
	bool last = false;
	journal_figures (journal, &figures);
	query.from_offset = figures.first ? figures.first : figures.newest + 1;
	verifier_init (&self.verifier, figures.public_key);
	if (journal_hash (journal, query.from_offset - 1, anchor) == 0)
		verifier_anchor (&self.verifier, query.from_offset - 1, anchor);
	while (!last) {
		if (journal_read (journal, &query, on_entry, &self, &query.from_offset, &last, NULL))
			break;
	}
	checkpoint_t head = { .offset = 0 };
	(void) journal_head (journal, &head);
	verifier_end (&self.verifier, head.offset);
	if ((self.verifier.findings || !last) && ++unsound <= 3)
		fprintf (stderr, "crash: the chain does not hold after call %lu, seed %lu: %s\n",
		        (unsigned long) at, (unsigned long) seed, self.verifier.text.text);
	return figures.newest;
}

static void crash_run (uint64_t at, uint64_t again, uint64_t seed)
{
	journal_report_t report;
	uint64_t count = 0;
	unsigned n = 0;
	now.ns = INT64_C (1700000000) * NS_PER_S;
	disk_reset ();
	journal_t *journal = start (&report);
	disk_fault (DISK_CRASHES, at, 0);
	while (n < OPERATIONS && operate (journal, n, &count) == 0 && !disk_crashed ())
		n++;
	journal_close (&journal, now);
	disk_reboot (seed);
	runs++;
	if (again) {
		disk_fault (DISK_CRASHES, again, 0);
		journal = start (&report);
		journal_close (&journal, now);
		disk_reboot (seed * 31 + again);
		reopened++;
	}
	journal = start (&report);
	/* One record a sequence: the newest offset is how many there are. */
	uint64_t found = check (journal, at, seed), in_doubt = n < OPERATIONS && n % 8 != 7 ? 1 + n % 5 : 0;
	if (found < count && ++lost <= 3)
		fprintf (stderr, "crash: %lu of %lu records are lost at call %lu, seed %lu; %s\n",
		        (unsigned long) (count - found), (unsigned long) count, (unsigned long) at,
		        (unsigned long) seed, report.text);
	if (found > count && found != count + in_doubt && ++twice <= 3)
		fprintf (stderr, "crash: %lu records too many at call %lu, seed %lu\n",
		        (unsigned long) (found - count), (unsigned long) at, (unsigned long) seed);
	/* What was under way comes again, as agents send what was not acknowledged. */
	count = found < count ? found : count;
	while (n < OPERATIONS) {
		if (operate (journal, n++, &count))
			exit (1);
	}
	found = check (journal, at, seed);
	if (found != count && ++twice <= 3)
		fprintf (stderr, "crash: %lu offsets for %lu records after call %lu, seed %lu\n",
		        (unsigned long) found, (unsigned long) count, (unsigned long) at,
		        (unsigned long) seed);
	journal_close (&journal, now);
}

int main (int argc, char **argv)
{
	uint64_t wanted = argc > 1 ? strtoull (argv[1], NULL, 10) : 1000, count = 0;
	journal_report_t report;
	if (sodium_init () < 0 || wanted == 0 || wanted > 10000000)
		return 2;
	now.ns = INT64_C (1700000000) * NS_PER_S;
	disk_reset ();
	journal_t *journal = start (&report);
	disk_fault (DISK_WORKS, 0, 0);
	for (unsigned n = 0; n < OPERATIONS; n++) {
		if (operate (journal, n, &count))
			return 1;
	}
	journal_close (&journal, now);
	uint64_t calls = disk_calls ();
	for (uint64_t seed = 1; runs < wanted; seed++) {
		for (uint64_t at = 1; at <= calls + 2; at++)
			crash_run (at, seed % 3 == 0 ? 1 + (at + seed) % 24 : 0, seed);
	}
	printf ("journal: %lu losses of power at each of %lu calls, %lu of them again while opening: %lu "
	        "times records "
	        "lost, %lu times twice, %lu times the chain broken\n",
	        (unsigned long) runs, (unsigned long) calls, (unsigned long) reopened, (unsigned long) lost,
	        (unsigned long) twice, (unsigned long) unsound);
	disk_reset ();
	return lost || twice || unsound;
}
