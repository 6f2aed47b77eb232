/* walk.h - the size of a directory's tree and its newest write, a bounded number of entries at a time.
 *
 * Follows no symbolic link and leaves its file system never. Holds one descriptor a level while it is
 * under way. What cannot be read is counted, and the rest goes on. Not thread-safe. */

#ifndef AGENTS_PROBES_PERSISTENCE_WALK_H
#define AGENTS_PROBES_PERSISTENCE_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

typedef struct walk walk_t;

enum { WALK_DEPTH_MAX = 32, WALK_NAME_MAX = 256 };

typedef struct {
	uint64_t bytes;    /* on disk, as du counts */
	uint64_t files;    /* that are no directories */
	int64_t newest_ns; /* the latest modification of a regular file, UTC; INT64_MIN without one */
	uint64_t unread;   /* directories that could not be read, or lie too deep */
	int unread_error;  /* errno of the first of them */
	char unread_name[WALK_NAME_MAX];
} walk_result_t;

/* fd: the directory, taken also on failure. skip: a file that does not count, or NULL; copied.
 * 0 or negative errno. */
int walk_new (int fd, const struct stat *skip, walk_t **ret);
void walk_destroy (walk_t **self_p);
/* What one step may take: entries, time of the processor, and time that passes (a directory that is not
 * in memory is waited for). */
typedef struct {
	uint64_t entries;
	int64_t cpu_ns, elapsed_ns;
} walk_budget_t;

/* Goes on within the budget. True when everything was seen. */
bool walk_step (walk_t *self, const walk_budget_t *budget);
/* What was seen so far. */
const walk_result_t *walk_result (const walk_t *self);
/* Whether it began at this directory. */
bool walk_is_of (const walk_t *self, const struct stat *directory);

#endif
