#include "store/files.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool files_exist (const char *vfs, const char *path)
{
	sqlite3_vfs *through = sqlite3_vfs_find (vfs);
	int there = 0;
	return through && through->xAccess (through, path, SQLITE_ACCESS_EXISTS, &there) == SQLITE_OK &&
	       there;
}

static int directory_sync (const char *path)
{
	char copy[FILES_PATH_MAX];
	snprintf (copy, sizeof copy, "%s", path);
	int fd = open (dirname (copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	int r = fsync (fd) < 0 ? -errno : 0;
	close (fd);
	return r;
}

/* A file of that VFS, open; the caller closes and frees it. */
static int file_open (const char *vfs, const char *path, int flags, sqlite3_file **ret)
{
	sqlite3_vfs *through = sqlite3_vfs_find (vfs);
	if (!through)
		return -EINVAL;
	sqlite3_file *file = calloc (1, (size_t) through->szOsFile);
	if (!file)
		return -ENOMEM;
	/* A super-journal's kind asks for no parameters behind the name. */
	if (through->xOpen (through, path, file, flags | SQLITE_OPEN_SUPER_JOURNAL, &flags) != SQLITE_OK) {
		free (file);
		return files_exist (vfs, path) ? -EIO : -ENOENT;
	}
	*ret = file;
	return 0;
}

static void file_close (sqlite3_file *file)
{
	file->pMethods->xClose (file);
	free (file);
}

uint64_t files_size (const char *vfs, const char *path)
{
	sqlite3_file *file;
	sqlite3_int64 size = 0;
	if (file_open (vfs, path, SQLITE_OPEN_READONLY, &file))
		return 0;
	if (file->pMethods->xFileSize (file, &size) != SQLITE_OK || size < 0)
		size = 0;
	file_close (file);
	return (uint64_t) size;
}

int files_rename (const char *vfs, const char *from, const char *to)
{
	if (!vfs) {
		if (rename (from, to) < 0)
			return -errno;
		return directory_sync (to);
	}
	sqlite3_file *file;
	union {
		const char *in;
		void *out;
	} name = { to };
	int r = file_open (vfs, from, SQLITE_OPEN_READWRITE, &file);
	if (r)
		return r;
	r = file->pMethods->xFileControl (file, FILES_FCNTL_RENAME, name.out) == SQLITE_OK ? 0 : -EIO;
	file_close (file);
	return r;
}

int files_delete (const char *vfs, const char *path)
{
	sqlite3_vfs *through = sqlite3_vfs_find (vfs);
	if (!through)
		return -EINVAL;
	int r = through->xDelete (through, path, 1);
	return r == SQLITE_OK || r == SQLITE_IOERR_DELETE_NOENT ? 0 : -EIO;
}

/* Piece by piece: what cannot be read is zeros, and what follows is read all the same. */
static void file_take (sqlite3_file *file, uint8_t *to, sqlite3_int64 at, size_t size)
{
	for (size_t done = 0; done < size;) {
		int n = size - done < 65536 ? (int) (size - done) : 65536;
		if (file->pMethods->xRead (file, to + done, n, at + (sqlite3_int64) done) != SQLITE_OK)
			memset (to + done, 0, (size_t) n);
		done += (size_t) n;
	}
}

int files_read (const char *vfs, const char *path, size_t max, void **ret, size_t *ret_size)
{
	sqlite3_file *file;
	sqlite3_int64 size = 0;
	int r = file_open (vfs, path, SQLITE_OPEN_READONLY, &file);
	if (r)
		return r;
	uint8_t *bytes = NULL;
	if (file->pMethods->xFileSize (file, &size) != SQLITE_OK || size < 0)
		r = -EIO;
	if (!r && (sqlite3_uint64) size > max)
		size = (sqlite3_int64) max;
	if (!r && !(bytes = malloc ((size_t) size + 1)))
		r = -ENOMEM;
	if (!r)
		file_take (file, bytes, 0, (size_t) size);
	file_close (file);
	if (r)
		return r;
	*ret = bytes;
	*ret_size = (size_t) size;
	return 0;
}

int files_scan (
        const char *vfs, const char *path, size_t window, size_t overlap, files_scan_fn *scan, void *arg)
{
	sqlite3_file *file;
	sqlite3_int64 size = 0;
	int r = file_open (vfs, path, SQLITE_OPEN_READONLY, &file);
	if (r)
		return r == -ENOENT ? 0 : r;
	uint8_t *bytes = malloc (window);
	if (!bytes || overlap >= window)
		r = -ENOMEM;
	else if (file->pMethods->xFileSize (file, &size) != SQLITE_OK)
		r = -EIO;
	for (sqlite3_int64 at = 0; !r && at < size; at += (sqlite3_int64) (window - overlap)) {
		size_t n = (sqlite3_uint64) (size - at) < window ? (size_t) (size - at) : window;
		file_take (file, bytes, at, n);
		scan (arg, span_of (bytes, n));
		if (n < window)
			break;
	}
	free (bytes);
	file_close (file);
	return r;
}
