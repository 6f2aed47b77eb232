#include "store/database.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Exclusive first: the index of the WAL is then in memory, and no third file is needed. Rows of up to 8 KiB
 * stay in one piece, where they can be found without SQLite (record.h). What a damaged file holds instead of
 * our schema is not run. */
static const char pragmas[] = "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                              "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
                              "PRAGMA cache_size=-512; PRAGMA wal_autocheckpoint=256;"
                              "PRAGMA journal_size_limit=4194304; PRAGMA temp_store=MEMORY;";

/* Of a file that is made. Set again, the second would write into one that is there and was not looked at yet. */
static const char fresh_pragmas[] = "PRAGMA page_size=8192; PRAGMA auto_vacuum=INCREMENTAL;";

int database_error (const database_t *self, int outcome, err_t *err, const char *doing)
{
	int r;
	switch (outcome & 0xff) {
	case SQLITE_FULL:
		r = -ENOSPC;
		break;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		r = -EBADMSG;
		break;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		r = -EBUSY;
		break;
	case SQLITE_NOMEM:
		r = -ENOMEM;
		break;
	case SQLITE_READONLY:
		r = -EROFS;
		break;
	case SQLITE_CANTOPEN:
		r = -ENOENT;
		break;
	default:
		r = -EIO;
	}
	if (r == -EIO || r == -ENOENT) {
		int system = self->handle ? sqlite3_system_errno (self->handle) : 0;
		if (system == ENOSPC || system == EDQUOT || system == EACCES || system == EROFS)
			r = -system;
	}
	return error_set (
	        err, r, "%s: %s: %s (%s)", self->path, doing, sqlite3_errstr (outcome), strerror (-r));
}

/* 0 also where it cannot be read: what follows says why. */
static uint64_t pragma_u64 (database_t *self, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	uint64_t value = 0;
	if (sqlite3_prepare_v2 (self->handle, sql, -1, &statement, NULL) == SQLITE_OK &&
	        sqlite3_step (statement) == SQLITE_ROW)
		value = column_u64 (statement, 0);
	sqlite3_finalize (statement);
	return value;
}

enum { BUSY_MS = 2000 }; /* for whoever is just leaving */

static int open_with (
        const char *vfs, const char *path, const char *settings, int flags, database_t *ret, err_t *err)
{
	database_t self = { NULL, strdup (path) };
	if (!self.path)
		return error_set (err, -ENOMEM, "out of memory");
	int r = sqlite3_open_v2 (
	        path, &self.handle, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, vfs);
	if (r == SQLITE_OK) {
		/* Whoever refuses a file reads its WAL afterwards: closing leaves it as it is. */
		sqlite3_db_config (self.handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_busy_timeout (self.handle, BUSY_MS);
		r = sqlite3_exec (self.handle, "PRAGMA locking_mode=EXCLUSIVE;", NULL, NULL, NULL);
	}
	if (r == SQLITE_OK && (flags & SQLITE_OPEN_CREATE) && pragma_u64 (&self, "PRAGMA page_count") == 0)
		r = sqlite3_exec (self.handle, fresh_pragmas, NULL, NULL, NULL);
	if (r == SQLITE_OK)
		r = sqlite3_exec (self.handle, settings, NULL, NULL, NULL);
	if (r != SQLITE_OK) {
		r = database_error (&self, r, err, "cannot be opened");
		database_close (&self);
		return r;
	}
	*ret = self;
	return 0;
}

int database_open (const char *vfs, const char *path, database_t *ret, err_t *err)
{
	int r = open_with (vfs, path, pragmas, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, ret, err);
	if (!r)
		sqlite3_db_config (ret->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
	return r;
}

int database_look (const char *vfs, const char *path, database_t *ret, err_t *err)
{
	return open_with (vfs, path, "PRAGMA trusted_schema=OFF; PRAGMA query_only=1;", SQLITE_OPEN_READWRITE,
	        ret, err);
}

void database_close (database_t *self)
{
	sqlite3_close_v2 (self->handle);
	free (self->path);
	*self = (database_t){ NULL, NULL };
}

int database_exec (database_t *self, const char *sql, err_t *err)
{
	int r = sqlite3_exec (self->handle, sql, NULL, NULL, NULL);
	return r == SQLITE_OK ? 0 : database_error (self, r, err, sql);
}

int database_prepare (database_t *self, const char *sql, sqlite3_stmt **ret, err_t *err)
{
	int r = sqlite3_prepare_v3 (self->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
	return r == SQLITE_OK ? 0 : database_error (self, r, err, sql);
}

int database_run (database_t *self, sqlite3_stmt *statement, err_t *err)
{
	int r = sqlite3_step (statement);
	sqlite3_reset (statement);
	return r == SQLITE_DONE || r == SQLITE_ROW ? 0
	                                           : database_error (self, r, err, sqlite3_sql (statement));
}

int database_checkpoint (database_t *self, err_t *err)
{
	int r = sqlite3_wal_checkpoint_v2 (self->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	return r == SQLITE_OK ? 0 : database_error (self, r, err, "putting its WAL into it");
}

uint64_t database_bytes (database_t *self)
{
	uint64_t pages = pragma_u64 (self, "PRAGMA page_count"),
	         unused = pragma_u64 (self, "PRAGMA freelist_count");
	return (pages - unused) * pragma_u64 (self, "PRAGMA page_size");
}

void bind_u64 (sqlite3_stmt *statement, int column, uint64_t value)
{
	sqlite3_bind_int64 (statement, column, (sqlite3_int64) value);
}

uint64_t column_u64 (sqlite3_stmt *statement, int column)
{
	return (uint64_t) sqlite3_column_int64 (statement, column);
}

span_t column_bytes (sqlite3_stmt *statement, int column)
{
	const void *bytes = sqlite3_column_blob (statement, column);
	return bytes ? span_of (bytes, (size_t) sqlite3_column_bytes (statement, column)) : span_of ("", 0);
}
