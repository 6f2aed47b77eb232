#include <criterion/criterion.h>

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "agents/probes/child.h"
#include "agents/probes/persistence/store.h"
#include "tests/unit/agents/tree.h"

/* Real time that a wait may take; the probe's time is the test's. */
#define LIMIT_NS (20 * NS_PER_S)

static store_t *store;
static mono_t now = { 1000 * NS_PER_S };

static void setup (void)
{
	tree_make ();
	tree_directory ("data");
}
static void teardown (void)
{
	store_destroy (&store);
	cr_assert_null (store);
	tree_remove ();
}
TestSuite (store, .init = setup, .fini = teardown, .timeout = 60);

static void make (const char *path, const char *probe_path)
{
	err_t err;
	char whole[TREE_PATH_MAX];
	strcpy (whole, tree_path (path));
	store_options_t options = { .name = "data",
		.path = whole,
		.probe_path = probe_path ? tree_path (probe_path) : NULL,
		.interval_ns = NS_PER_S };
	cr_assert_eq (store_new (&options, &store, &err), 0, "%s", err.text);
}

static void run_after (int64_t ns)
{
	now = mono_add (now, ns);
	mono_t before = mono_now ();
	store_run (store, now);
	cr_assert_lt (mono_since (mono_now (), before), 2 * NS_PER_S, "a run waits for nothing long");
}

/* Once the child has answered: time must not run away from it. */
static void run (void)
{
	store_wait (store, LIMIT_NS);
	run_after (100 * NS_PER_MS);
}

static probe_status_t status (void)
{
	return store_check (store)->status;
}

/* Runs until the status is that. */
static void run_until (probe_status_t wanted)
{
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	do
		run ();
	while (status () != wanted && mono_since (until, mono_now ()) > 0);
	cr_assert_eq (status (), wanted, "%d: %s", status (), store_check (store)->message);
}

/* Runs until an append has completed. */
static void run_cycle (void)
{
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	do
		run ();
	while (!store_cycle (store)->fresh && mono_since (until, mono_now ()) > 0);
	cr_assert (store_cycle (store)->fresh);
}

static double value (const char *name)
{
	double ret = NAN;
	(void) samples_find (store_samples (store), name, "store", "data", &ret);
	return ret;
}

/* Stops the child, as a call that hangs does. */
static void child_stop (pid_t pid)
{
	siginfo_t info;
	cr_assert_eq (kill (pid, SIGSTOP), 0);
	cr_assert_eq (waitid (P_PID, (id_t) pid, &info, WSTOPPED | WNOWAIT), 0);
}

static void message_has (const char *text)
{
	cr_assert_not_null (strstr (store_check (store)->message, text), "\"%s\" without \"%s\"",
	        store_check (store)->message, text);
}

Test (store, before_its_first_run_it_is_unknown)
{
	make ("data", NULL);
	cr_assert_eq (status (), PROBE_STATUS_UNKNOWN);
	cr_assert_str_eq (store_check (store)->component, "data");
	cr_assert_not (store_cycle (store)->fresh);
}

Test (store, options_that_cannot_be_are_refused)
{
	static char path[5000];
	err_t err;
	memset (path, 'x', sizeof path - 1);
	const store_options_t wrong[] = { { .name = "", .path = "/" }, { .name = "a", .path = "" },
		{ .name = "a", .path = path }, { .name = path, .path = "/" },
		{ .name = "a", .path = "/", .probe_path = path } };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
		cr_assert_eq (store_new (&wrong[i], &store, &err), -EINVAL);
		cr_assert_null (store);
		cr_assert_str_not_empty (err.text);
	}
}

Test (store, a_directory_is_measured)
{
	static char data[300000];
	tree_write_bytes ("data/a", data, sizeof data);
	tree_write ("data/wal/b", "x");
	struct timespec hour_ago[2];
	clock_gettime (CLOCK_REALTIME, &hour_ago[0]);
	hour_ago[0].tv_sec -= 3600;
	hour_ago[1] = hour_ago[0];
	cr_assert_eq (utimensat (AT_FDCWD, tree_path ("data/a"), hour_ago, 0), 0);
	cr_assert_eq (utimensat (AT_FDCWD, tree_path ("data/wal/b"), hour_ago, 0), 0);
	make ("data", "data/.belfry-probe");
	run_until (PROBE_STATUS_HEALTHY);
	message_has ("in 2 files");
	cr_assert_eq (value ("belfry_store_files"), 2, "the probe's own file does not count");
	cr_assert_geq (value ("belfry_store_size_bytes"), (double) sizeof data);
	cr_assert_leq (value ("belfry_store_size_bytes"), 2 * (double) sizeof data);
	cr_assert_eq (value ("belfry_store_walk_partial"), 0);
	cr_assert_gt (value ("belfry_store_avail_bytes"), 0);
	cr_assert_eq (value ("belfry_store_probe_stuck_seconds"), 0);
	double age = value ("belfry_store_newest_write_age_seconds");
	cr_assert (age >= 3600 && age < 3660, "%g", age);
	int64_t age_ns = store_cycle (store)->oldest_age_ns;
	cr_assert (age_ns >= 3600 * NS_PER_S && age_ns < 3660 * NS_PER_S);
}

Test (store, an_append_is_timed_and_counted)
{
	make ("data", "probe");
	run_cycle ();
	const store_cycle_t *cycle = store_cycle (store);
	cr_assert (cycle->success);
	cr_assert_str_empty (cycle->error);
	cr_assert_gt (cycle->duration_ns, 0);
	cr_assert_gt (cycle->bytes, 0);
	cr_assert_eq (cycle->oldest_age_ns, -1, "an empty store has no write");
	cr_assert_float_eq (
	        value ("belfry_store_fsync_seconds"), (double) cycle->duration_ns / NS_PER_S, 1e-9);
	double fsyncs = value ("belfry_store_fsyncs_total");
	run_cycle ();
	cr_assert_eq (value ("belfry_store_fsyncs_total"), fsyncs + 1);
	cr_assert_eq (value ("belfry_store_fsync_errors_total"), 0);
}

Test (store, the_file_that_is_appended_to_stays_small)
{
	static char data[65536];
	struct stat st;
	tree_write_bytes ("probe", data, sizeof data);
	make ("data", "probe");
	run_cycle ();
	cr_assert (store_cycle (store)->success);
	cr_assert_eq (stat (tree_path ("probe"), &st), 0);
	/* Further records may have followed already. */
	cr_assert_lt (st.st_size, 4096);
}

Test (store, without_a_probe_path_nothing_is_written)
{
	make ("data", NULL);
	run_until (PROBE_STATUS_HEALTHY);
	cr_assert (isnan (value ("belfry_store_fsyncs_total")));
	cr_assert_eq (value ("belfry_store_files"), 0);
	cr_assert_not (store_cycle (store)->fresh);
}

Test (store, what_grows_has_a_rate_and_an_end)
{
	static char data[1 << 20];
	make ("data", NULL);
	run_until (PROBE_STATUS_HEALTHY);
	run ();
	cr_assert_eq (value ("belfry_store_growth_bytes_per_second"), 0);
	cr_assert (isnan (value ("belfry_store_time_to_full_seconds")), "what does not grow is never full");
	tree_write_bytes ("data/a", data, sizeof data);
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	do
		run ();
	while (value ("belfry_store_files") < 1 && mono_since (until, mono_now ()) > 0);
	double growth = value ("belfry_store_growth_bytes_per_second");
	cr_assert (growth > 1000 && growth <= sizeof data, "%g", growth);
	cr_assert_float_eq (
	        value ("belfry_store_time_to_full_seconds"), value ("belfry_store_avail_bytes") / growth, 1);
}

Test (store, many_files_take_several_runs_and_it_says_so)
{
	char name[64];
	for (int i = 0; i < 6000; i++) {
		snprintf (name, sizeof name, "data/%d/%d", i % 10, i);
		tree_write (name, "");
	}
	make ("data", NULL);
	run_until (PROBE_STATUS_HEALTHY);
	cr_assert_eq (value ("belfry_store_walk_partial"), 1);
	cr_assert_lt (value ("belfry_store_files"), 6000);
	message_has ("so far");
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	while (value ("belfry_store_walk_partial") > 0 && mono_since (until, mono_now ()) > 0)
		run ();
	cr_assert_eq (value ("belfry_store_files"), 6000);
	message_has ("in 6000 files");
	run ();
	cr_assert_eq (
	        value ("belfry_store_files"), 6000, "the last whole walk stands while the next is under way");
}

Test (store, what_cannot_all_be_read_is_partial)
{
	char path[TREE_PATH_MAX] = "data";
	for (int i = 0; i < 40; i++)
		strcat (path, "/d");
	tree_directory (path);
	make ("data", NULL);
	run_until (PROBE_STATUS_HEALTHY);
	mono_t until = mono_add (mono_now (), LIMIT_NS);
	while (strstr (store_check (store)->message, "so far") && mono_since (until, mono_now ()) > 0)
		run ();
	cr_assert_eq (value ("belfry_store_walk_partial"), 1);
	message_has ("cannot be read");
	message_has (strerror (ELOOP));
}

Test (store, a_missing_directory_is_unhealthy_until_it_comes)
{
	make ("missing", "missing/.belfry-probe");
	run_until (PROBE_STATUS_UNHEALTHY);
	message_has (tree_path ("missing"));
	message_has (strerror (ENOENT));
	cr_assert (isnan (value ("belfry_store_size_bytes")));
	cr_assert_gt (value ("belfry_store_fsync_errors_total"), 0);
	tree_directory ("missing");
	run_until (PROBE_STATUS_HEALTHY);
	cr_assert_eq (value ("belfry_store_files"), 0);
	cr_assert_eq (rename (tree_path ("missing"), tree_path ("gone")), 0);
	run_until (PROBE_STATUS_UNHEALTHY);
}

Test (store, a_path_that_is_no_directory_is_unhealthy)
{
	tree_write ("file", "x");
	make ("file", NULL);
	run_until (PROBE_STATUS_UNHEALTHY);
	message_has (strerror (ENOTDIR));
}

Test (store, only_a_regular_file_is_written_to)
{
	const char *paths[] = { "fifo", "data", "link" };
	cr_assert_eq (mkfifo (tree_path ("fifo"), 0600), 0);
	cr_assert_eq (symlink ("/dev/full", tree_path ("link")), 0);
	for (size_t i = 0; i < 3; i++) {
		make ("data", paths[i]);
		run_until (PROBE_STATUS_UNHEALTHY);
		message_has (tree_path (paths[i]));
		run_cycle ();
		cr_assert_not (store_cycle (store)->success);
		cr_assert_str_not_empty (store_cycle (store)->error);
		store_destroy (&store);
	}
}

Test (store, a_full_disk_is_said_and_so_is_room_again)
{
	static char data[1 << 20];
	if (!tree_mount ("small", sizeof data))
		cr_skip ("no file system can be mounted here");
	make ("small", "small/.belfry-probe");
	run_until (PROBE_STATUS_HEALTHY);
	/* To the last block: the probe's file has none of its own to go on with. */
	cr_assert_eq (truncate (tree_path ("small/.belfry-probe"), 0), 0);
	int fd = open (tree_path ("small/data"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	cr_assert_geq (fd, 0);
	while (write (fd, data, 4096) > 0)
		;
	cr_assert_eq (errno, ENOSPC);
	close (fd);
	run_until (PROBE_STATUS_UNHEALTHY);
	message_has (strerror (ENOSPC));
	message_has (tree_path ("small/.belfry-probe"));
	cr_assert_gt (value ("belfry_store_fsync_errors_total"), 0);
	cr_assert_gt (value ("belfry_store_used_ratio"), 0.95);
	cr_assert_eq (truncate (tree_path ("small/data"), 960 * 1024), 0);
	run_until (PROBE_STATUS_DEGRADED);
	message_has ("full");
	cr_assert_eq (unlink (tree_path ("small/data")), 0);
	run_until (PROBE_STATUS_HEALTHY);
}

Test (store, a_file_system_that_became_read_only_is_said)
{
	if (!tree_mount ("small", 1 << 20))
		cr_skip ("no file system can be mounted here");
	make ("small", "small/.belfry-probe");
	run_until (PROBE_STATUS_HEALTHY);
	tree_mount_readonly ("small");
	run_until (PROBE_STATUS_UNHEALTHY);
	message_has (strerror (EROFS));
}

Test (store, a_child_that_hangs_is_stuck_and_then_replaced)
{
	make ("data", "data/.belfry-probe");
	run_until (PROBE_STATUS_HEALTHY);
	pid_t pid = store_child_pid (store);
	child_stop (pid);
	/* What was under way then is asked again, or it is not: the probe knows. */
	run_after (NS_PER_S);
	mono_t asked = mono_add (now, -(int64_t) (value ("belfry_store_probe_stuck_seconds") * NS_PER_S));
	while (mono_since (now, asked) < 29 * NS_PER_S) {
		run_after (NS_PER_S);
		double stuck = (double) mono_since (now, asked) / NS_PER_S;
		cr_assert_float_eq (value ("belfry_store_probe_stuck_seconds"), stuck, 1e-9);
		cr_assert_eq (status (), stuck < 5 ? PROBE_STATUS_HEALTHY : PROBE_STATUS_UNHEALTHY,
		        "after %g s: %s", stuck, store_check (store)->message);
		cr_assert_eq (store_child_pid (store), pid, "never more than one");
	}
	message_has ("stuck for 29s");
	siginfo_t info;
	run_after (NS_PER_S);
	(void) waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT);
	run ();
	cr_assert_eq (status (), PROBE_STATUS_UNHEALTHY, "being rid of it is no answer");
	run_until (PROBE_STATUS_HEALTHY);
	cr_assert_neq (store_child_pid (store), pid);
	cr_assert_eq (value ("belfry_store_probe_stuck_seconds"), 0);
	run_cycle ();
}

Test (store, a_child_that_dies_is_unknown_and_not_stuck)
{
	make ("data", NULL);
	run_until (PROBE_STATUS_HEALTHY);
	pid_t pid = store_child_pid (store);
	siginfo_t info;
	cr_assert_eq (kill (pid, SIGSEGV), 0);
	cr_assert_eq (waitid (P_PID, (id_t) pid, &info, WEXITED | WNOWAIT), 0);
	run_until (PROBE_STATUS_UNKNOWN);
	message_has ("child");
	cr_assert_eq (value ("belfry_store_probe_stuck_seconds"), 0);
	run_until (PROBE_STATUS_HEALTHY);
}

Test (store, without_a_program_for_the_child_it_is_unknown_and_says_why)
{
	err_t err;
	store_options_t options = { .name = "data", .path = "/", .program = "/nonexistent/agent" };
	cr_assert_eq (store_new (&options, &store, &err), 0);
	run ();
	cr_assert_eq (status (), PROBE_STATUS_UNKNOWN);
	message_has ("/nonexistent/agent");
	message_has (strerror (ENOENT));
	cr_assert_eq (value ("belfry_store_probe_stuck_seconds"), 0);
}
