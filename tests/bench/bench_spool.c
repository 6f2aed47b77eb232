/* bench_spool.c - what a commit costs on this disk, beside the bare fdatasync that it cannot do without: with an
 * empty spool and with many events that wait.
 *
 *	bench-spool DIRECTORY [SECONDS]: prints one JSON object. */

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "store/spool.h"

enum { BATCH = 64, EVENT_BYTES = 300, WAITING = 100000 };

static const char *collectors[] = { "c1" };
static uint64_t sequence;
static uint8_t bytes[EVENT_BYTES];

static void commit (spool_t *spool, unsigned n)
{
	spool_item_t items[BATCH];
	err_t err = { "" };
	for (unsigned i = 0; i < n; i++)
		items[i] = (spool_item_t){ .incarnation = 1,
			.boot_nonce = 1,
			.sequence = ++sequence,
			.priority = (spool_priority_t) (sequence % SPOOL_PRIORITIES),
			.time_ns = (uint64_t) wall_now ().ns,
			.topic = span_str ("audit/admin/demo/n1/agent/"),
			.event = span_of (bytes, sizeof bytes) };
	if (spool_commit (spool, items, n, wall_now (), &err)) {
		fprintf (stderr, "bench: %s\n", err.text);
		exit (1);
	}
}

/* Commits a second; what is acknowledged goes with the next one, where it is to. */
static double commits (spool_t *spool, unsigned n, bool acknowledge, double seconds)
{
	mono_t start = mono_now ();
	uint64_t done = 0;
	int64_t took;
	do {
		commit (spool, n);
		if (acknowledge)
			spool_acknowledge (spool, 0, 1, sequence);
		done++;
		took = mono_since (mono_now (), start);
	} while (took < (int64_t) (seconds * (double) NS_PER_S));
	return (double) done * (double) NS_PER_S / (double) took;
}

/* As many pages as such a commit writes, and one fdatasync. */
static double syncs (const char *directory, double seconds)
{
	char name[4096];
	static const uint8_t page[8192 * 5];
	snprintf (name, sizeof name, "%s/reference", directory);
	int fd = open (name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	mono_t start = mono_now ();
	uint64_t done = 0;
	int64_t took;
	do {
		if (fd < 0 || pwrite (fd, page, sizeof page, (off_t) (done % 100 * sizeof page)) < 0 ||
		        fdatasync (fd) < 0)
			exit (1);
		done++;
		took = mono_since (mono_now (), start);
	} while (took < (int64_t) (seconds * (double) NS_PER_S));
	close (fd);
	unlink (name);
	return (double) done * (double) NS_PER_S / (double) took;
}

int main (int argc, char **argv)
{
	double seconds = argc > 2 ? strtod (argv[2], NULL) : 2;
	if (argc < 2 || sodium_init () < 0 || seconds <= 0 || seconds > 60)
		return 2;
	const spool_options_t options = { argv[1], NULL, collectors, 1, UINT64_C (1) << 30, 3600 * NS_PER_S };
	spool_report_t report;
	spool_t *spool = NULL;
	err_t err = { "" };
	if (spool_open (&options, wall_now (), &spool, &report, &err)) {
		fprintf (stderr, "bench: %s\n", err.text);
		return 1;
	}
	double bare = syncs (argv[1], seconds), one = commits (spool, 1, true, seconds),
	       batch = commits (spool, BATCH, true, seconds);
	for (int i = 0; i < WAITING / BATCH; i++)
		commit (spool, BATCH);
	double one_waiting = commits (spool, 1, false, seconds),
	       batch_waiting = commits (spool, BATCH, false, seconds);
	spool_close (&spool);
	mono_t start = mono_now ();
	if (spool_open (&options, wall_now (), &spool, &report, &err))
		return 1;
	double opening = (double) mono_since (mono_now (), start) / (double) NS_PER_S;
	spool_figures_t figures;
	spool_figures (spool, &figures);
	printf ("{\"name\":\"spool\",\"fdatasyncs_per_second\":%.0f,\"commits_of_1_per_second\":%.0f,"
	        "\"commits_of_64_per_second\":%.0f,\"events_per_second\":%.0f,\"events_waiting\":%d,"
	        "\"waiting_commits_of_1_per_second\":%.0f,\"waiting_commits_of_64_per_second\":%.0f,"
	        "\"opening_events\":%lu,\"opening_seconds\":%.3f}\n",
	        bare, one, batch, batch * BATCH, WAITING, one_waiting, batch_waiting,
	        (unsigned long) figures.events, opening);
	spool_close (&spool);
	return 0;
}
