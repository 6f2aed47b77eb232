/* aside.h - a damaged database and its WAL are set aside under another name, and one that was built from them
 * takes their place: in steps of which each may be the last before power goes. */

#ifndef STORE_ASIDE_H
#define STORE_ASIDE_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/error.h"
#include "store/files.h"

/* Sets of damaged files that are kept; the oldest go. */
enum { ASIDE_KEPT = 4 };

typedef struct {
	const char *vfs; /* borrowed */
	char path[FILES_PATH_MAX], wal[FILES_PATH_MAX];
	char fresh[FILES_PATH_MAX], fresh_wal[FILES_PATH_MAX];
	char damaged[FILES_PATH_MAX], damaged_wal[FILES_PATH_MAX];
} aside_t;

/* The names under which that is done now. path: at most FILES_PATH_MAX - 128 bytes. */
void aside_names (aside_t *self, const char *vfs, const char *path, wall_t now);
/* Removes what an earlier try left of the fresh one. 0, negative errno with err. */
int aside_begin (const aside_t *self, err_t *err);
/* The exchange; the fresh one is closed, with nothing of it left in a WAL (database_checkpoint). Negative errno with err: aside_finish goes on from there. */
int aside_exchange (const aside_t *self, err_t *err);
/* At each opening, before it: an exchange that did not come to its end does so; what did not begin one goes. */
int aside_finish (const aside_t *self, err_t *err);

#endif
