/* spool_internal.h - what the spool's files share. */

#ifndef STORE_SPOOL_INTERNAL_H
#define STORE_SPOOL_INTERNAL_H

#include "base/buffer.h"
#include "store/database.h"
#include "store/slots.h"
#include "store/spool.h"

enum { SPOOL_GAP = 3, SPOOL_KINDS }; /* a gap's priority: never dropped, only merged */
enum { SPOOL_ROW_OVERHEAD = 64, SPOOL_PATH_MAX = 4096 };

/* One incarnation. */
typedef struct {
	uint64_t incarnation, boot_nonce;
	uint64_t newest;  /* ever committed */
	uint64_t settled; /* by every collector: rows up to it are gone */
	uint64_t positions[SPOOL_COLLECTORS_MAX];
	uint64_t rows;
	bool dirty; /* positions that the file does not know */
} era_t;

typedef struct {
	era_t *items; /* ascending */
	size_t n, capacity;
} eras_t;

/* What a transaction that fails must give back. */
typedef struct {
	uint64_t rows, bytes[SPOOL_KINDS], dropped[SPOOL_PRIORITIES], corrupt;
	eras_t eras;
} spool_state_t;

#define SPOOL_STATEMENTS(X)                                                                                 \
	X (INSERT, "INSERT INTO rows (incarnation, sequence, first, priority, size, body) "                 \
	           "VALUES (?1, ?2, ?3, ?4, ?5, ?6)")                                                       \
	X (DELETE, "DELETE FROM rows WHERE id = ?1")                                                        \
	X (AT, "SELECT id, body, size, priority FROM rows WHERE incarnation = ?1 AND sequence = ?2")        \
	X (BEHIND, "SELECT id, body, size, priority, sequence, first FROM rows WHERE incarnation = ?1 AND " \
	           "sequence > ?2 ORDER BY sequence LIMIT 1")                                               \
	X (VICTIM, "SELECT id, incarnation, sequence, size FROM rows WHERE priority = ?1 "                  \
	           "ORDER BY incarnation, sequence LIMIT 1")                                                \
	X (OLDEST, "SELECT id, incarnation, sequence, size, priority, body FROM rows WHERE priority < 3 "   \
	           "ORDER BY incarnation, sequence LIMIT 1")                                                \
	X (SETTLE_SUM, "SELECT priority, count(*), sum(size) FROM rows WHERE incarnation = ?1 AND "         \
	               "sequence <= ?2 GROUP BY priority")                                                  \
	X (SETTLE, "DELETE FROM rows WHERE incarnation = ?1 AND sequence <= ?2")                            \
	X (ERA, "INSERT OR REPLACE INTO eras (incarnation, boot_nonce, newest, settled) VALUES (?1, ?2, "   \
	        "?3, ?4)")                                                                                  \
	X (ERA_DROP, "DELETE FROM eras WHERE incarnation = ?1")                                             \
	X (POSITION, "INSERT OR REPLACE INTO positions (collector, incarnation, newest) "                   \
	             "VALUES (?1, ?2, ?3)")                                                                 \
	X (POSITIONS_DROP, "DELETE FROM positions WHERE incarnation = ?1")

typedef enum {
#define X(name, sql) SPOOL_##name,
	SPOOL_STATEMENTS (X)
#undef X
	        SPOOL_STATEMENT_COUNT
} spool_statement_t;

struct spool {
	char path[SPOOL_PATH_MAX], mark_path[SPOOL_PATH_MAX];
	char *vfs, *collectors[SPOOL_COLLECTORS_MAX];
	size_t n_collectors;
	uint64_t bytes_max;
	int64_t age_max_ns;
	database_t db;
	sqlite3_stmt *statements[SPOOL_STATEMENT_COUNT];
	slots_t *mark;
	spool_state_t now;
	uint64_t oldest_ns;
	buffer_t buffer;
};

/* Rows. */
void spool_row_pack (buffer_t *out, const spool_item_t *item);
/* False unless body is a row of that place; spans point into body. */
bool spool_row_parse (span_t body, spool_item_t *ret);
/* Inserts item; counts it. The era must be there. */
int spool_row_insert (spool_t *self, const spool_item_t *item, err_t *err);
/* Removes a row that was just found; counts it. */
int spool_row_delete (
        spool_t *self, uint64_t id, uint64_t incarnation, uint64_t size, int priority, err_t *err);

/* Eras. */
era_t *spool_era (const spool_t *self, uint64_t incarnation);
/* Finds or makes. NULL without memory. */
era_t *spool_era_get (spool_t *self, uint64_t incarnation, uint64_t boot_nonce);
void spool_era_remove (spool_t *self, uint64_t incarnation);
/* Takes what positions say into settled. */
void spool_era_settle (const spool_t *self, era_t *era);

/* Puts a gap in the place of first..last of that incarnation, merged with its neighbours of the same
 * reason. */
int spool_gap (spool_t *self, uint64_t incarnation, uint64_t first, uint64_t last,
        Belfry__V1__GapReason reason, uint64_t time_ns, err_t *err);
/* Drops what must go for the rest to fit. */
int spool_trim (spool_t *self, wall_t now, err_t *err);
/* Drops what is older than it may be. */
int spool_expire (spool_t *self, wall_t now, err_t *err);

sqlite3_stmt *spool_statement (spool_t *self, spool_statement_t which);
/* Opens and reads the database; prepares. -EBADMSG where it does not hold together. */
int spool_load (spool_t *self, err_t *err);
void spool_unload (spool_t *self);
/* Builds another database from what checks in the files, and loads it. */
int spool_heal (spool_t *self, wall_t now, spool_report_t *report, err_t *err);
int spool_mark_write (spool_t *self, bool sync);

#endif
