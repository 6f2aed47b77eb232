/* state.h - the collector's state directory: its lock and its own incarnation. Does I/O; used once
 * at start, by main. */

#ifndef COLLECTOR_STATE_H
#define COLLECTOR_STATE_H

#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

typedef struct state state_t;

/* Makes directory (0700, its parents too) and takes the lock in it. 0; -EWOULDBLOCK when another
 * collector holds it; -EACCES, -ENOTDIR, -ENOSPC, ... of the call that failed; err is set. */
int state_open (const char *directory, state_t **ret, err_t *err);
/* Gives the lock back. NULL-safe. */
void state_close (state_t **self_p);

/* Outcomes of state_incarnation that the caller says. */
enum { STATE_E_CORRUPT = 1, STATE_E_NOT_DURABLE };

/* The next incarnation: the stored one + 1, durable (rename and fsync) before this returns.
 * 0, or with *ret set as well: STATE_E_CORRUPT - the file did not check, the count goes on from
 * the wall clock's seconds, which are above any count; STATE_E_NOT_DURABLE - the disk is full or
 * failing: the same, and the next start will do so again. err says more. */
int state_incarnation (state_t *self, wall_t now, uint64_t *ret, err_t *err);

#endif
