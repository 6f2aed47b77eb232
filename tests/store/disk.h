/* disk.h - a disk in memory, as a VFS of SQLite, for tests: it knows what was synced and what was only
 * written, fails at a call of one's choice, or loses power there; what survives of the unsynced writes
 * is then chosen by a seed. One disk, one thread. */

#ifndef TESTS_STORE_DISK_H
#define TESTS_STORE_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_VFS "belfry-test-disk"

/* Registers the VFS; empties the disk; nothing fails. */
void disk_reset (void);

typedef enum { DISK_WORKS, DISK_CRASHES, DISK_FULL, DISK_FAILS } disk_fault_t;
/* From the nth call that changes anything (write, sync, truncate, delete, creation, rename; 1 is the next)
 * on: CRASHES - every call fails until disk_reboot; FULL, FAILS - so many calls fail, then it works
 * again. 0: never. */
void disk_fault (disk_fault_t fault, uint64_t at, uint64_t calls);
/* Calls that changed anything since the last disk_fault or disk_reset. */
uint64_t disk_calls (void);
bool disk_crashed (void);

/* Power is back: what was synced is there, and of what was not a part that seed chooses, torn at 512 bytes.
 * Every handle of before is dead. */
void disk_reboot (uint64_t seed);

/* A file's bytes as they would be read now, borrowed until it changes; NULL where there is none. */
uint8_t *disk_bytes (const char *name, size_t *ret_size);
/* Puts a file there, synced. */
void disk_put (const char *name, const void *bytes, size_t size);
/* Names of the files there are, by index; NULL behind the last. */
const char *disk_name (size_t index);

/* All of it, for going back to; freed by disk_image_free. */
typedef struct disk_image disk_image_t;
disk_image_t *disk_save (void);
void disk_restore (const disk_image_t *image);
void disk_image_free (disk_image_t **image_p);

#endif
