/* database.h - the one place that speaks SQL opens its files here: WAL, every commit synced, this process'
 * alone, and SQLite's outcomes as errno. */

#ifndef STORE_DATABASE_H
#define STORE_DATABASE_H

#include <sqlite3.h>
#include <stdint.h>

#include "base/error.h"
#include "base/span.h"

typedef struct {
	sqlite3 *handle;
	char *path;
} database_t;

/* Opens or makes path. vfs NULL: the system's. 0; negative errno with err: -EBADMSG where the file is no
 * database or damaged. */
int database_open (const char *vfs, const char *path, database_t *ret, err_t *err);
/* The same for looking alone: nothing is written, not even what a crash left to be taken over. */
int database_look (const char *vfs, const char *path, database_t *ret, err_t *err);
/* Finalised statements first. Zeroed is fine. */
void database_close (database_t *self);

/* An SQLite outcome as negative errno with err saying what was being done: -ENOSPC, -EIO, -EBADMSG, -EBUSY,
 * -ENOMEM, -EROFS. */
int database_error (const database_t *self, int outcome, err_t *err, const char *doing);
/* SQL without a result. */
int database_exec (database_t *self, const char *sql, err_t *err);
/* 0 with *ret, the caller's to finalise. */
int database_prepare (database_t *self, const char *sql, sqlite3_stmt **ret, err_t *err);
/* Runs a statement that gives no row, resets it. */
int database_run (database_t *self, sqlite3_stmt *statement, err_t *err);
/* Everything out of the WAL into the file, synced; the WAL is empty then. */
int database_checkpoint (database_t *self, err_t *err);
/* Bytes of its pages that are used. */
uint64_t database_bytes (database_t *self);

/* Columns. */
void bind_u64 (sqlite3_stmt *statement, int column, uint64_t value);
uint64_t column_u64 (sqlite3_stmt *statement, int column);
span_t column_bytes (sqlite3_stmt *statement, int column);

#endif
