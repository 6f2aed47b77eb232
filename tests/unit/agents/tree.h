/* tree.h - a directory of a test's own, for what probes read. Failures end the test. */

#ifndef TESTS_UNIT_AGENTS_TREE_H
#define TESTS_UNIT_AGENTS_TREE_H

#include <stdbool.h>
#include <stddef.h>

enum { TREE_PATH_MAX = 512 };

/* Makes it, and removes it with all that is in it. */
void tree_make (void);
void tree_remove (void);
/* Its path with path appended; borrowed until the next but seven calls. */
const char *tree_path (const char *path);
/* Writes a file below it, with the directories on the way; the inode stays when it is there. */
void tree_write (const char *path, const char *text);
void tree_write_bytes (const char *path, const void *data, size_t size);
void tree_directory (const char *path);

/* Mounts a tmpfs of size_bytes at a directory below it, in a namespace of this process' own. False, with
 * a line on stderr, where that is not allowed. */
bool tree_mount (const char *path, size_t size_bytes);
/* Makes what was mounted there read-only. */
void tree_mount_readonly (const char *path);

#endif
