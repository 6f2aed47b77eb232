/* app_call.c - what a call of libbelfry costs its host, in nanoseconds of its thread: while disabled, enabled
 * with an agent that reads, with one whose socket is full, and without an agent. One JSON line on standard
 * output. The agent's end is a thread that reads and throws away. */

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "app/belfry.h"
#include "base/clock.h"

enum { DISABLED_CALLS = 50 * 1000 * 1000, CALLS = 200 * 1000, ROUNDS = 5 };

static int reader_fd = -1;

static void *reader (void *arg)
{
	static char bytes[65536];
	(void) arg;
	while (recv (reader_fd, bytes, sizeof bytes, 0) > 0)
		continue;
	return NULL;
}

/* The calling thread's own time: what else the machine does does not count. */
static int64_t spent_ns (void)
{
	struct timespec at;
	clock_gettime (CLOCK_THREAD_CPUTIME_ID, &at);
	return at.tv_sec * NS_PER_S + at.tv_nsec;
}

/* The least of some rounds. */
static double ns_per_call (belfry_t *app, long calls, bool samples)
{
	static const belfry_sample_t batch[16] = {
		{ .name = "a_seconds", .unit = "seconds", .value = 1 },
		{ .name = "b_seconds", .unit = "seconds", .value = 1 },
		{ .name = "c_seconds", .unit = "seconds", .value = 1 },
		{ .name = "d_seconds", .unit = "seconds", .value = 1 },
	};
	double best = 0;
	for (int round = 0; round < ROUNDS; round++) {
		int64_t before = spent_ns ();
		if (samples) {
			for (long i = 0; i < calls; i++)
				belfry_samples (app, batch, 4);
		} else {
			for (long i = 0; i < calls; i++)
				belfry_gauge (app, "queue_length", 42, "");
		}
		double ns = (double) (spent_ns () - before) / (double) calls;
		best = round == 0 || ns < best ? ns : best;
	}
	return best;
}

int main (void)
{
	char directory[] = "/tmp/belfry-bench-XXXXXX";
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	if (!mkdtemp (directory))
		return 1;
	snprintf (at.sun_path, sizeof at.sun_path, "%s/agent.sock", directory);
	belfry_t *app = belfry_open ("bench", NULL, at.sun_path);
	int listener = socket (AF_UNIX, SOCK_SEQPACKET, 0);
	if (!app)
		return 1;
	double alone = ns_per_call (app, CALLS, false);
	belfry_close (&app);
	if (bind (listener, (struct sockaddr *) &at, sizeof at) < 0 || listen (listener, 1) < 0)
		return 1;
	app = belfry_open ("bench", NULL, at.sun_path);
	reader_fd = accept (listener, NULL, NULL);
	if (!app || reader_fd < 0)
		return 1;

	belfry_disable (app);
	double disabled = ns_per_call (app, DISABLED_CALLS, false);
	belfry_enable (app);
	while (belfry_gauge (app, "queue_length", 42, "") == BELFRY_QUEUED)
		continue;
	double full = ns_per_call (app, CALLS, false);
	pthread_t thread;
	if (pthread_create (&thread, NULL, reader, NULL))
		return 1;
	uint64_t queued_before, queued, dropped_before, dropped;
	belfry_counts (app, &queued_before, &dropped_before);
	double enabled = ns_per_call (app, CALLS, false);
	belfry_counts (app, &queued, &dropped);
	double share = (double) (queued - queued_before) /
	               (double) (queued - queued_before + dropped - dropped_before);
	double four = ns_per_call (app, CALLS, true);
	belfry_close (&app);
	pthread_join (thread, NULL);
	close (reader_fd);
	close (listener);
	unlink (at.sun_path);
	rmdir (directory);
	printf ("{\"bench\":\"app_call\",\"disabled_ns\":%.2f,\"enabled_ns\":%.0f,\"queued_ratio\":%.3f,"
	        "\"four_samples_ns\":%.0f,\"full_ns\":%.0f,\"no_agent_ns\":%.0f}\n",
	        disabled, enabled, share, four, full, alone);
	return 0;
}
