/* host_tree.h - a small machine's /proc and /sys, in a tree of the test's own. */

#ifndef TESTS_UNIT_AGENTS_HOST_TREE_H
#define TESTS_UNIT_AGENTS_HOST_TREE_H

#include <stddef.h>

typedef struct {
	const char *path, *text;
} host_file_t;

/* All but proc/self/mounts, which names directories of the tree. */
extern const host_file_t host_files[];
extern const size_t host_files_n;

/* Writes them all, and mounts: one ext4 at the tree's "disk". */
void host_tree_make (void);

#endif
