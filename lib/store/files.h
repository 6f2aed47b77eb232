/* files.h - the files under a database: whether they are there, their bytes, another name. Through SQLite's
 * VFS, so that a test's disk sees every call. A VFS other than the system's renames by the file control
 * FILES_FCNTL_RENAME, whose argument is the new name. */

#ifndef STORE_FILES_H
#define STORE_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

enum { FILES_FCNTL_RENAME = 2000, FILES_PATH_MAX = 4096 };

/* vfs: NULL is the system's. */
bool files_exist (const char *vfs, const char *path);
/* 0 also where there is none. */
uint64_t files_size (const char *vfs, const char *path);
/* Durable when it returns 0; a file of the new name is replaced. -ENOENT where there is none; negative
 * errno. */
int files_rename (const char *vfs, const char *from, const char *to);
/* Durable. 0 also where there is none. */
int files_delete (const char *vfs, const char *path);
/* All of a file, malloc'ed, the caller's to free; at most max bytes of it. -ENOENT, -EIO, -ENOMEM. */
int files_read (const char *vfs, const char *path, size_t max, void **ret, size_t *ret_size);

/* Hands a file on in runs of window bytes, the end of each again before the next: whatever is no longer than
 * overlap lies whole in one of them. 0 also where there is none; -EIO, -ENOMEM. */
typedef void files_scan_fn (void *arg, span_t bytes);
int files_scan (
        const char *vfs, const char *path, size_t window, size_t overlap, files_scan_fn *scan, void *arg);

#endif
