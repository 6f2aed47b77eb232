/* slots.h - a small value that survives beside a database: a file of two slots, each with a generation and a
 * checksum. What is written goes into the one that is not durable, so that a torn write leaves the value of
 * the last sync. Through SQLite's VFS. */

#ifndef STORE_SLOTS_H
#define STORE_SLOTS_H

#include <stdbool.h>

#include "base/error.h"
#include "base/span.h"

enum { SLOT_SIZE = 1024, SLOT_VALUE_MAX = SLOT_SIZE - 40 };

typedef struct slots slots_t;

/* Opens or makes the file. vfs NULL: the system's; read_only: made neither nor written. 0; negative errno with
 * err. */
int slots_open (const char *vfs, const char *path, bool read_only, slots_t **ret, err_t *err);
/* NULL-safe. */
void slots_close (slots_t **self_p);

/* The newest value that checks, borrowed until slots_write. False: there is none. */
bool slots_value (const slots_t *self, span_t *ret);
/* Writes another; sync: durable when this returns 0. Negative errno: the value is the old one. */
int slots_write (slots_t *self, span_t value, bool sync);
/* What was written without is durable. */
int slots_sync (slots_t *self);

#endif
