/* The incarnation is one line, "belfry-incarnation 1 NUMBER CHECKSUM", replaced by rename: a reader
 * sees the old line or the new one. Its size never changes by more than a digit, and where even that
 * cannot be written the wall clock's seconds stand in, since they are above any honest count. */

#include "collector/state.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct state {
	int directory_fd, lock_fd;
	char *directory;
};

static int directory_make (const char *directory, err_t *err)
{
	char path[PATH_MAX];
	size_t size = strlen (directory);
	if (size == 0 || size >= sizeof path)
		return error_set (err, -ENAMETOOLONG, "state_dir '%s': give a path of 1 to %d bytes",
		        directory, PATH_MAX - 1);
	memcpy (path, directory, size + 1);
	for (char *at = path + 1;; at++) {
		if (*at != '/' && *at != '\0')
			continue;
		char kept = *at;
		*at = '\0';
		if (mkdir (path, 0700) < 0 && errno != EEXIST) {
			int r = -errno;
			return error_set (err, r, "state_dir '%s': cannot make '%s': %s", directory, path,
			        strerror (-r));
		}
		*at = kept;
		if (kept == '\0')
			return 0;
	}
}

int state_open (const char *directory, state_t **ret, err_t *err)
{
	int r = directory_make (directory, err);
	if (r)
		return r;
	state_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->lock_fd = -1;
	self->directory = strdup (directory);
	self->directory_fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (self->directory_fd < 0) {
		r = error_set (err, -errno, "state_dir '%s': %s; give a directory that this user may write",
		        directory, strerror (errno));
		goto fail;
	}
	self->lock_fd = openat (self->directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (self->lock_fd < 0) {
		r = error_set (err, -errno,
		        "state_dir '%s': cannot write in it: %s; give a directory that uid %u may write",
		        directory, strerror (errno), (unsigned) geteuid ());
		goto fail;
	}
	if (flock (self->lock_fd, LOCK_EX | LOCK_NB) < 0) {
		r = -errno;
		char pid[24] = "";
		ssize_t n = read (self->lock_fd, pid, sizeof pid - 1);
		pid[n > 0 ? strcspn (pid, "\n") : 0] = '\0';
		error_set (err, r, "state_dir '%s': %s%s%s; give each collector a directory of its own",
		        directory, r == -EWOULDBLOCK ? "another collector uses it" : strerror (-r),
		        *pid ? ", pid " : "", pid);
		goto fail;
	}
	/* The pid is for people; a disk too full to hold it stops nobody. */
	char line[24];
	int size = snprintf (line, sizeof line, "%ld\n", (long) getpid ());
	if (ftruncate (self->lock_fd, 0) == 0 && size > 0)
		(void) !write (self->lock_fd, line, (size_t) size);
	*ret = self;
	return 0;
fail:
	state_close (&self);
	return r;
}

void state_close (state_t **self_p)
{
	state_t *self = *self_p;
	if (!self)
		return;
	if (self->lock_fd >= 0)
		close (self->lock_fd);
	if (self->directory_fd >= 0)
		close (self->directory_fd);
	free (self->directory);
	free (self);
	*self_p = NULL;
}

/* FNV-1a: against torn and flipped bytes, not against people. */
static uint64_t checksum (uint64_t incarnation)
{
	uint64_t h = UINT64_C (14695981039346656037);
	for (int i = 0; i < 8; i++)
		h = (h ^ (incarnation >> (8 * i) & 0xff)) * UINT64_C (1099511628211);
	return h;
}

enum { LINE_MAX_BYTES = 96 };

static int line_format (char line[LINE_MAX_BYTES], uint64_t incarnation)
{
	return snprintf (line, LINE_MAX_BYTES, "belfry-incarnation 1 %" PRIu64 " %016" PRIx64 "\n",
	        incarnation, checksum (incarnation));
}

/* 0 with the stored number, 0 in *ret where there is no file yet; else STATE_E_CORRUPT. */
static int incarnation_read (state_t *self, uint64_t *ret)
{
	int fd = openat (self->directory_fd, "incarnation", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0) {
		*ret = 0;
		return errno == ENOENT ? 0 : STATE_E_CORRUPT;
	}
	char text[LINE_MAX_BYTES + 1], want[LINE_MAX_BYTES];
	ssize_t n = read (fd, text, LINE_MAX_BYTES);
	close (fd);
	text[n > 0 ? n : 0] = '\0';
	uint64_t stored = 0;
	if (sscanf (text, "belfry-incarnation 1 %" SCNu64, &stored) != 1 || stored == 0 ||
	        stored == UINT64_MAX)
		return STATE_E_CORRUPT;
	line_format (want, stored);
	if (strcmp (text, want) != 0)
		return STATE_E_CORRUPT;
	*ret = stored;
	return 0;
}

static int incarnation_write (state_t *self, uint64_t incarnation)
{
	char line[LINE_MAX_BYTES];
	int size = line_format (line, incarnation), r = 0;
	int fd = openat (self->directory_fd, "incarnation.new",
	        O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ssize_t n = write (fd, line, (size_t) size);
	if (n != size)
		r = n < 0 ? -errno : -ENOSPC;
	else if (fsync (fd) < 0)
		r = -errno;
	if (close (fd) < 0 && !r)
		r = -errno;
	if (!r && renameat (self->directory_fd, "incarnation.new", self->directory_fd, "incarnation") < 0)
		r = -errno;
	if (!r && fsync (self->directory_fd) < 0)
		r = -errno;
	if (r)
		unlinkat (self->directory_fd, "incarnation.new", 0);
	return r;
}

int state_incarnation (state_t *self, wall_t now, uint64_t *ret, err_t *err)
{
	uint64_t stored = 0, seconds = now.ns > 0 ? (uint64_t) (now.ns / NS_PER_S) : 1;
	int outcome = incarnation_read (self, &stored);
	uint64_t next = outcome == 0 ? stored + 1 : seconds;
	int r = incarnation_write (self, next);
	if (r) {
		*ret = next > seconds ? next : seconds;
		error_set (err, r,
		        "state_dir '%s': the incarnation cannot be stored: %s; going on with %" PRIu64
		        " from the wall clock",
		        self->directory, strerror (-r), *ret);
		return STATE_E_NOT_DURABLE;
	}
	*ret = next;
	if (outcome)
		error_set (err, -EINVAL,
		        "'%s/incarnation' does not check; going on with %" PRIu64 " from the wall clock",
		        self->directory, next);
	return outcome;
}
