/* spool_internal.h - what the spool's files share. */

#ifndef STORE_SPOOL_INTERNAL_H
#define STORE_SPOOL_INTERNAL_H

#include "base/buffer.h"
#include "store/aside.h"
#include "store/database.h"
#include "store/slots.h"
#include "store/spool.h"

enum { SPOOL_GAP = 3, SPOOL_KINDS }; /* a gap's priority: never dropped, only merged */
enum { SPOOL_ROW_OVERHEAD = 64, SPOOL_PATH_MAX = FILES_PATH_MAX };

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
	X (VICTIM, "SELECT id, body, size, incarnation, sequence FROM rows WHERE priority = ?1 "            \
	           "ORDER BY incarnation, sequence LIMIT 1")                                                \
	X (SETTLE_SUM, "SELECT priority, count(*), sum(size) FROM rows WHERE incarnation = ?1 AND "         \
	               "sequence <= ?2 GROUP BY priority")                                                  \
	X (SETTLE, "DELETE FROM rows WHERE incarnation = ?1 AND sequence <= ?2")                            \
	X (ERA, "INSERT OR REPLACE INTO eras (incarnation, body) VALUES (?1, ?2)")                          \
	X (ERA_DROP, "DELETE FROM eras WHERE incarnation = ?1")

typedef enum {
#define X(name, sql) SPOOL_##name,
	SPOOL_STATEMENTS (X)
#undef X
	        SPOOL_STATEMENT_COUNT
} spool_statement_t;

struct spool {
	char path[SPOOL_PATH_MAX], wal_path[SPOOL_PATH_MAX], mark_path[SPOOL_PATH_MAX];
	char *vfs, *collectors[SPOOL_COLLECTORS_MAX];
	size_t n_collectors;
	uint64_t bytes_max;
	int64_t age_max_ns;
	wall_t at; /* the newest time that a caller gave */
	database_t db;
	sqlite3_stmt *statements[SPOOL_STATEMENT_COUNT];
	slots_t *mark;
	bool known; /* now was read from the file, and is the truth against which it is held */
	spool_state_t now;
	uint64_t oldest_ns;
	buffer_t buffer;
	spool_report_t report; /* of what was healed under way */
};

/* Rows. */
void spool_row_pack (buffer_t *out, const spool_item_t *item);
/* False unless body is a row; spans point into body. */
bool spool_row_parse (span_t body, spool_item_t *ret);
/* What a row with that topic and event takes. */
uint64_t spool_row_size (const spool_item_t *item);
/* Inserts item; counts it. The era must be there. */
int spool_row_insert (spool_t *self, const spool_item_t *item, err_t *err);
/* Removes a row that was just found; counts it. */
int spool_row_delete (
        spool_t *self, uint64_t id, uint64_t incarnation, uint64_t size, int priority, err_t *err);
/* Takes rows that are gone out of the figures. -EBADMSG: so many never were. */
int spool_uncount (spool_t *self, era_t *era, int priority, uint64_t rows, uint64_t bytes, err_t *err);

/* Eras. */
era_t *spool_era (const spool_t *self, uint64_t incarnation);
/* Finds or makes. NULL without memory. */
era_t *spool_era_get (spool_t *self, uint64_t incarnation, uint64_t boot_nonce);
void spool_era_remove (spool_t *self, uint64_t incarnation);
/* Takes what positions say into settled. */
void spool_era_settle (const spool_t *self, era_t *era);
/* Its row in the file. Parsing: false unless body is one. */
int spool_era_write (spool_t *self, const era_t *era, err_t *err);
bool spool_era_parse (const spool_t *self, span_t body, era_t *ret);
/* Its row and its place in memory, when nothing waits of it. */
int spool_era_forget (spool_t *self, uint64_t incarnation, err_t *err);

/* Puts a gap in the place of first..last of that incarnation, merged with its neighbours. */
int spool_gap (spool_t *self, uint64_t incarnation, uint64_t first, uint64_t last,
        Belfry__V1__GapReason reason, uint64_t time_ns, err_t *err);
/* Whether an event is larger than all that its priority may have. */
bool spool_too_large (const spool_t *self, const spool_item_t *item);
/* Drops what must go for the rest to fit. */
int spool_trim (spool_t *self, wall_t now, err_t *err);
/* Drops what is older than it may be. */
int spool_expire (spool_t *self, wall_t now, err_t *err);
/* Removes the era's rows up to through; dropped: and counts them as such. */
int spool_rows_remove (spool_t *self, era_t *era, uint64_t through, bool dropped, err_t *err);
/* Where there would be too many incarnations, the oldest go with all that waits of them. */
int spool_eras_trim (spool_t *self, err_t *err);
/* Takes the oldest event's time. */
int spool_oldest_look (spool_t *self, err_t *err);

/* Transactions: what fails leaves memory as it was. */
int spool_begin (spool_t *self, spool_state_t *saved, err_t *err);
int spool_end (spool_t *self, spool_state_t *saved, int r, err_t *err);
/* Whether r is damage that was healed: what was being done may be tried once more. */
bool spool_healed (spool_t *self, int r);

sqlite3_stmt *spool_statement (spool_t *self, spool_statement_t which);
/* Opens or makes a database, prepares. */
int spool_attach (spool_t *self, const char *path, err_t *err);
void spool_detach (spool_t *self);
/* Opens the spool's own and reads it into memory. -EBADMSG where it does not hold together: it stays attached,
 * memory is what it was. */
int spool_load (spool_t *self, err_t *err);
/* Finishes what a crash or a failure left, loads, heals. */
int spool_start (spool_t *self, spool_report_t *report, err_t *err);
/* Builds another database from what checks in the files, and loads it. */
int spool_heal (spool_t *self, spool_report_t *report, err_t *err);

/* The file apart: the newest incarnations, and which is the oldest that waits. */
enum { SPOOL_MARKED_ERAS = 8 };
typedef struct {
	uint64_t oldest; /* that still waits; 0: none, or it is not known */
	size_t n;
	struct {
		uint64_t incarnation, boot_nonce, newest, settled;
	} eras[SPOOL_MARKED_ERAS];
} spool_mark_t;
int spool_mark_write (spool_t *self, bool sync);
/* False: there is none. */
bool spool_mark_read (const spool_t *self, spool_mark_t *ret);

#endif
