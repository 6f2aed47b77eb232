#include "tests/unit/agents/tree.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[64];

void tree_make (void)
{
	strcpy (root, "/tmp/belfry-probe-XXXXXX");
	cr_assert_not_null (mkdtemp (root));
}

static int remove_one (const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
	(void) st;
	(void) kind;
	(void) ftw;
	return remove (path) == 0 || errno == EBUSY || errno == EROFS ? 0 : -1;
}

void tree_remove (void)
{
	(void) nftw (root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *tree_path (const char *path)
{
	static char texts[8][TREE_PATH_MAX];
	static size_t turn;
	char *text = texts[turn++ % 8];
	int size = snprintf (text, TREE_PATH_MAX, "%s%s%s", root, *path ? "/" : "", path);
	cr_assert_lt (size, TREE_PATH_MAX);
	return text;
}

void tree_directory (const char *path)
{
	char whole[TREE_PATH_MAX];
	strcpy (whole, tree_path (path));
	for (char *slash = strchr (whole + 1, '/'); slash; slash = strchr (slash + 1, '/')) {
		*slash = '\0';
		cr_assert (mkdir (whole, 0700) == 0 || errno == EEXIST, "%s: %s", whole, strerror (errno));
		*slash = '/';
	}
	cr_assert (mkdir (whole, 0700) == 0 || errno == EEXIST, "%s: %s", whole, strerror (errno));
}

void tree_write_bytes (const char *path, const void *data, size_t size)
{
	char directory[TREE_PATH_MAX];
	strcpy (directory, path);
	char *slash = strrchr (directory, '/');
	if (slash) {
		*slash = '\0';
		tree_directory (directory);
	}
	int fd = open (tree_path (path), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	cr_assert_geq (fd, 0, "%s: %s", tree_path (path), strerror (errno));
	cr_assert_eq (write (fd, data, size), (ssize_t) size);
	close (fd);
}

void tree_write (const char *path, const char *text)
{
	tree_write_bytes (path, text, strlen (text));
}

static bool namespace_enter (void)
{
	static bool in;
	uid_t uid = getuid ();
	gid_t gid = getgid ();
	if (in)
		return true;
	if (unshare (CLONE_NEWNS) != 0) {
		char map[64];
		if (unshare (CLONE_NEWUSER | CLONE_NEWNS) != 0)
			return false;
		const struct {
			const char *path;
			unsigned id;
		} maps[] = { { "/proc/self/uid_map", uid }, { "/proc/self/gid_map", gid } };
		int deny = open ("/proc/self/setgroups", O_WRONLY | O_CLOEXEC);
		if (deny >= 0) {
			(void) !write (deny, "deny", 4);
			close (deny);
		}
		for (size_t i = 0; i < 2; i++) {
			int fd = open (maps[i].path, O_WRONLY | O_CLOEXEC);
			int size = snprintf (map, sizeof map, "0 %u 1", maps[i].id);
			bool written = fd >= 0 && write (fd, map, (size_t) size) == size;
			if (fd >= 0)
				close (fd);
			if (!written)
				return false;
		}
	}
	in = mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return in;
}

bool tree_mount (const char *path, size_t size_bytes)
{
	char options[64];
	snprintf (options, sizeof options, "size=%zu", size_bytes);
	tree_directory (path);
	if (namespace_enter () && mount ("tmpfs", tree_path (path), "tmpfs", 0, options) == 0)
		return true;
	fprintf (stderr, "SKIPPED: no file system can be mounted here: %s\n", strerror (errno));
	return false;
}

void tree_mount_readonly (const char *path)
{
	cr_assert_eq (mount (NULL, tree_path (path), NULL, MS_REMOUNT | MS_RDONLY, NULL), 0);
}
