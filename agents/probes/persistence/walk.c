#include "agents/probes/persistence/walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

/* Entries between two looks at the clock. */
enum { CLOCK_EVERY = 32, BLOCK_BYTES = 512 };

struct walk {
	DIR *stack[WALK_DEPTH_MAX];
	size_t depth;
	dev_t device;
	ino_t inode;
	bool skips;
	dev_t skip_device;
	ino_t skip_inode;
	walk_result_t result;
};

int walk_new (int fd, const struct stat *skip, walk_t **ret)
{
	struct stat st;
	walk_t *self = calloc (1, sizeof *self);
	DIR *directory = self && fstat (fd, &st) == 0 ? fdopendir (fd) : NULL;
	if (!directory) {
		int r = self ? -errno : -ENOMEM;
		free (self);
		close (fd);
		return r;
	}
	self->stack[self->depth++] = directory;
	self->device = st.st_dev;
	self->inode = st.st_ino;
	if (skip) {
		self->skips = true;
		self->skip_device = skip->st_dev;
		self->skip_inode = skip->st_ino;
	}
	self->result.newest_ns = INT64_MIN;
	*ret = self;
	return 0;
}

void walk_destroy (walk_t **self_p)
{
	walk_t *self = *self_p;
	if (!self)
		return;
	while (self->depth)
		closedir (self->stack[--self->depth]);
	free (self);
	*self_p = NULL;
}

static void unread_note (walk_t *self, const char *name, int error)
{
	if (self->result.unread++ == 0) {
		self->result.unread_error = error;
		snprintf (self->result.unread_name, sizeof self->result.unread_name, "%s", name);
	}
}

static void descend (walk_t *self, const char *name)
{
	if (self->depth == WALK_DEPTH_MAX) {
		unread_note (self, name, ELOOP);
		return;
	}
	int fd = openat (
	        dirfd (self->stack[self->depth - 1]), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *directory = fd >= 0 ? fdopendir (fd) : NULL;
	if (directory) {
		self->stack[self->depth++] = directory;
		return;
	}
	/* It went away since it was listed: as good as never there. */
	if (errno != ENOENT)
		unread_note (self, name, errno);
	if (fd >= 0)
		close (fd);
}

static void entry_take (walk_t *self, const char *name)
{
	struct stat st;
	if (fstatat (dirfd (self->stack[self->depth - 1]), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return;
	if (st.st_dev != self->device ||
	        (self->skips && st.st_dev == self->skip_device && st.st_ino == self->skip_inode))
		return;
	uint64_t bytes = (uint64_t) st.st_blocks * BLOCK_BYTES;
	if (S_ISDIR (st.st_mode)) {
		self->result.bytes += bytes;
		descend (self, name);
		return;
	}
	self->result.files++;
	self->result.bytes += st.st_nlink > 1 ? bytes / st.st_nlink : bytes;
	int64_t modified = (int64_t) st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
	if (S_ISREG (st.st_mode) && modified > self->result.newest_ns)
		self->result.newest_ns = modified;
}

static bool is_dots (const char *name)
{
	return strcmp (name, ".") == 0 || strcmp (name, "..") == 0;
}

static int64_t cpu_ns (void)
{
	struct timespec at = { 0 };
	(void) clock_gettime (CLOCK_THREAD_CPUTIME_ID, &at);
	return (int64_t) at.tv_sec * NS_PER_S + at.tv_nsec;
}

bool walk_step (walk_t *self, const walk_budget_t *budget)
{
	mono_t start = mono_now ();
	int64_t cpu_start = cpu_ns ();
	for (uint64_t i = 0; self->depth && i < budget->entries; i++) {
		if (i % CLOCK_EVERY == CLOCK_EVERY - 1 &&
		        (mono_since (mono_now (), start) >= budget->elapsed_ns ||
		                cpu_ns () - cpu_start >= budget->cpu_ns))
			return false;
		errno = 0;
		const struct dirent *entry = readdir (self->stack[self->depth - 1]);
		if (entry) {
			if (!is_dots (entry->d_name))
				entry_take (self, entry->d_name);
			continue;
		}
		if (errno)
			unread_note (self, self->depth == 1 ? "." : "a directory", errno);
		closedir (self->stack[--self->depth]);
	}
	return self->depth == 0;
}

const walk_result_t *walk_result (const walk_t *self)
{
	return &self->result;
}

bool walk_is_of (const walk_t *self, const struct stat *directory)
{
	return self->device == directory->st_dev && self->inode == directory->st_ino;
}
