/* The store probe's child: what may hang is said before it is done. The walk under way is its only
 * state; a child that is killed begins it anew. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "agents/probes/child_wire.h"
#include "agents/probes/persistence/store_wire.h"
#include "base/clock.h"

static struct {
	walk_t *walk;
	uint64_t walks;
	walk_result_t whole;
} state;

static void say_step (child_call_t *call, store_step_t step)
{
	child_answer (call, STORE_SAYS_STEP, &step, sizeof step);
}

static void fail (store_cycle_answer_t *answer, store_step_t step, int error)
{
	answer->failed = step;
	answer->error = error;
}

static void append (child_call_t *call, int fd, store_cycle_answer_t *ret)
{
	char record[64], at[WALL_TEXT_MAX];
	int size = snprintf (record, sizeof record, "belfry %s\n", wall_format_rfc3339 (wall_now (), at));
	mono_t start = mono_now ();
	say_step (call, STORE_STEP_WRITE);
	ssize_t n = write (fd, record, (size_t) size);
	if (n != size) {
		fail (ret, STORE_STEP_WRITE, n < 0 ? errno : ENOSPC);
		return;
	}
	say_step (call, STORE_STEP_FSYNC);
	if (fsync (fd) < 0) {
		fail (ret, STORE_STEP_FSYNC, errno);
		return;
	}
	ret->duration_ns = mono_since (mono_now (), start);
	ret->bytes = (uint64_t) n;
}

/* *ret_file: the probe's file, when it could be opened. */
static bool cycle (child_call_t *call, const char *path, struct stat *ret_file)
{
	store_cycle_answer_t answer = { 0 };
	bool opened = false;
	say_step (call, STORE_STEP_PROBE_OPEN);
	int fd = open (path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
	if (fd < 0) {
		fail (&answer, STORE_STEP_PROBE_OPEN, errno);
	} else if (fstat (fd, ret_file) < 0) {
		fail (&answer, STORE_STEP_PROBE_OPEN, errno);
	} else if (!S_ISREG (ret_file->st_mode)) {
		/* Somebody's disk or pipe is not to be written to. */
		fail (&answer, STORE_STEP_PROBE_OPEN, 0);
	} else {
		opened = true;
		if (ret_file->st_size >= STORE_PROBE_FILE_MAX && ftruncate (fd, 0) < 0)
			fail (&answer, STORE_STEP_WRITE, errno);
		else
			append (call, fd, &answer);
	}
	if (fd >= 0)
		close (fd);
	child_answer (call, STORE_SAYS_CYCLE, &answer, sizeof answer);
	return opened;
}

/* Walks on; a walk of a directory that is not there any more is given up. */
static int walk_on (const store_ask_t *ask, int fd, const struct stat *directory, const struct stat *skip)
{
	if (state.walk && !walk_is_of (state.walk, directory))
		walk_destroy (&state.walk);
	if (state.walk) {
		close (fd);
	} else {
		int r = walk_new (fd, skip, &state.walk);
		if (r)
			return -r;
	}
	if (walk_step (state.walk, &ask->budget)) {
		state.whole = *walk_result (state.walk);
		state.walks++;
		walk_destroy (&state.walk);
	}
	return 0;
}

static void tree (child_call_t *call, const store_ask_t *ask, const struct stat *skip)
{
	store_tree_answer_t answer = {
		.failed = STORE_STEP_OPEN, .whole.newest_ns = INT64_MIN, .under_way.newest_ns = INT64_MIN
	};
	struct statvfs fs;
	struct stat directory;
	say_step (call, STORE_STEP_OPEN);
	int fd = open (ask->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat (fd, &directory) < 0) {
		answer.error = errno;
		walk_destroy (&state.walk);
		if (fd >= 0)
			close (fd);
		child_answer_last (call, STORE_SAYS_TREE, &answer, sizeof answer);
		return;
	}
	say_step (call, STORE_STEP_STATVFS);
	if (fstatvfs (fd, &fs) < 0) {
		answer.failed = STORE_STEP_STATVFS;
		answer.error = errno;
		close (fd);
		child_answer_last (call, STORE_SAYS_TREE, &answer, sizeof answer);
		return;
	}
	answer.size_bytes = (uint64_t) fs.f_blocks * fs.f_frsize;
	answer.free_bytes = (uint64_t) fs.f_bfree * fs.f_frsize;
	answer.avail_bytes = (uint64_t) fs.f_bavail * fs.f_frsize;
	say_step (call, STORE_STEP_WALK);
	answer.error = walk_on (ask, fd, &directory, skip);
	answer.failed = answer.error ? STORE_STEP_WALK : STORE_STEP_NONE;
	answer.walks = state.walks;
	if (state.walks)
		answer.whole = state.whole;
	if (state.walk)
		answer.under_way = *walk_result (state.walk);
	child_answer_last (call, STORE_SAYS_TREE, &answer, sizeof answer);
}

void store_serve (child_call_t *call, const void *body, size_t size)
{
	static store_ask_t ask;
	struct stat file;
	if (size != sizeof ask) {
		child_answer_last (call, 0, NULL, 0);
		return;
	}
	memcpy (&ask, body, sizeof ask);
	bool probed = ask.probe_path[0] && cycle (call, ask.probe_path, &file);
	tree (call, &ask, probed ? &file : NULL);
}
