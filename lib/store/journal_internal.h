/* journal_internal.h - what the journal's files share. */

#ifndef STORE_JOURNAL_INTERNAL_H
#define STORE_JOURNAL_INTERNAL_H

#include "base/buffer.h"
#include "store/database.h"
#include "store/journal.h"
#include "store/slots.h"

/* A span is so many offsets; what it holds by time, channel and severity stands in one row, by which reading
 * passes over what cannot fit: an index of a few bytes in hundreds of records. */
enum { JOURNAL_PATH_MAX = 4096, JOURNAL_SPAN = 256 };

#define JOURNAL_COLUMNS "offset, channel, severity, time_ns, body"

#define JOURNAL_STATEMENTS(X)                                                                               \
	X (KNOWN, "SELECT offset FROM records WHERE node = ?1 AND incarnation = ?2 AND sequence = ?3")      \
	X (INSERT, "INSERT OR IGNORE INTO records (offset, node, subject, incarnation, sequence, channel, " \
	           "severity, "                                                                             \
	           "time_ns, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")                            \
	X (STATE, "INSERT INTO states (key, counter, removed, body) VALUES (?1, ?2, ?3, ?4) ON CONFLICT "   \
	          "(key) DO UPDATE SET counter = excluded.counter, removed = excluded.removed, "            \
	          "body = excluded.body WHERE excluded.counter >= counter")                                 \
	X (STATE_FORGET, "DELETE FROM states WHERE removed AND counter < ?1")                               \
	X (CHECKPOINT, "INSERT OR REPLACE INTO checkpoints (offset, body) VALUES (?1, ?2)")                 \
	X (AT, "SELECT body FROM records WHERE offset = ?1")                                                \
	X (CHECKPOINTS,                                                                                     \
	        "SELECT body FROM checkpoints WHERE offset BETWEEN ?1 AND ?2 ORDER BY offset LIMIT ?3")     \
	X (SEGMENT, "SELECT offset, body FROM checkpoints WHERE offset > ?1 ORDER BY offset LIMIT 1")       \
	X (SPAN_PUT,                                                                                        \
	        "INSERT INTO spans (span, time_min, time_max, channels, severity_max) VALUES (?1, ?2, ?2, " \
	        "?3, ?4) ON CONFLICT (span) DO UPDATE SET time_min = min(time_min, excluded.time_min), "    \
	        "time_max = max(time_max, excluded.time_max), channels = channels | excluded.channels, "    \
	        "severity_max = max(severity_max, excluded.severity_max)")                                  \
	X (SPAN_NEXT, "SELECT span FROM spans WHERE span >= ?1 AND time_max >= ?2 AND time_min <= ?3 AND "  \
	              "channels & ?4 AND severity_max >= ?5 ORDER BY span LIMIT 1")                         \
	X (READ, "SELECT " JOURNAL_COLUMNS " FROM records WHERE offset BETWEEN ?1 AND ?2 ORDER BY offset")  \
	X (READ_NODE,                                                                                       \
	        "SELECT " JOURNAL_COLUMNS " FROM records WHERE node = ?3 AND offset BETWEEN ?1 AND ?2 "     \
	        "UNION ALL SELECT " JOURNAL_COLUMNS " FROM records WHERE subject = ?3 AND node <> ?3 AND "  \
	        "offset BETWEEN ?1 AND ?2 ORDER BY offset")                                                 \
	X (TRIM_SPANS, "DELETE FROM spans WHERE span < ?1")                                                 \
	X (TRIM, "DELETE FROM records WHERE offset <= ?1")                                                  \
	X (TRIM_CHECKPOINTS, "DELETE FROM checkpoints WHERE offset < ?1")

typedef enum {
#define X(name, sql) JOURNAL_##name,
	JOURNAL_STATEMENTS (X)
#undef X
	        JOURNAL_STATEMENT_COUNT
} journal_statement_t;

/* What a transaction that fails must give back. */
typedef struct {
	uint64_t first, newest, records;
	uint64_t channels[CHANNEL_COUNT];
	uint8_t hash[CHAIN_HASH_SIZE]; /* of the newest */
	uint64_t signed_offset;        /* the newest checkpoint */
	uint64_t signed_ns;
	uint64_t counter; /* of states written */
} journal_now_t;

struct journal {
	char path[JOURNAL_PATH_MAX], head_path[JOURNAL_PATH_MAX], key_path[JOURNAL_PATH_MAX];
	char *vfs;
	bool read_only;
	int64_t retain_ns;
	uint64_t retain_bytes;
	database_t db;
	sqlite3_stmt *statements[JOURNAL_STATEMENT_COUNT];
	slots_t *head;
	uint8_t id[MARK_JOURNAL_SIZE];
	bool has_id;
	uint64_t lost_through; /* what the head names and the file lacks, known of already */
	uint8_t public_key[CHAIN_PUBLIC_KEY_SIZE];
	uint8_t *secret_key; /* guarded */
	journal_now_t now;
	/* As the file apart says: the newest, and the first that retention left. */
	uint64_t head_newest, head_first;
	bool damaged; /* a reading met what does not hold together */
	buffer_t buffer;
};

/* A row's body, whole. */
typedef struct {
	journal_entry_t entry;
	span_t node, subject;
	uint64_t incarnation, sequence, time_ns;
	channel_t channel;
	Belfry__V1__Severity severity;
} journal_row_t;
void journal_row_pack (buffer_t *out, const journal_row_t *row);
bool journal_row_parse (span_t body, journal_row_t *ret);
/* Inserts a row and its body. ROW_E_THERE: its offset, or its event, is there already; nothing changed. */
enum { ROW_E_THERE = 1 };
int journal_row_insert (journal_t *self, const journal_row_t *row, err_t *err);
void journal_checkpoint_pack (buffer_t *out, const checkpoint_t *checkpoint);
bool journal_checkpoint_parse (span_t body, checkpoint_t *ret);
/* A piece of the memory: the counter says which is newer, newest which records it knows of. */
typedef struct {
	uint64_t counter, newest;
	span_t key, value;
} journal_piece_t;
bool journal_piece_parse (span_t body, journal_piece_t *ret);

/* What the head apart says: its checkpoint, that it holds; the channels' newest and the first offset. */
typedef struct {
	checkpoint_t checkpoint;
	uint64_t channels[CHANNEL_COUNT], first;
} journal_head_t;
bool journal_head_take (const journal_t *self, journal_head_t *ret);
int journal_head_write (journal_t *self, wall_t now, bool sync);
/* Signs the newest record, inside a transaction. */
int journal_sign (journal_t *self, wall_t now, checkpoint_t *ret, err_t *err);
int journal_state_put (
        journal_t *self, uint64_t counter, uint64_t newest, const char *key, span_t value, err_t *err);
int journal_checkpoint_put (journal_t *self, const checkpoint_t *checkpoint, err_t *err);

void journal_statements_close (journal_t *self);
/* Opens the database at path, its tables and statements. */
int journal_begin (journal_t *self, const char *path, err_t *err);
/* The one number that sql asks for; 0 where there is none. */
int journal_number (journal_t *self, const char *sql, uint64_t *ret, err_t *err);
int journal_meta_put (journal_t *self, const char *key, span_t value, err_t *err);
/* Opens and reads the database; -EBADMSG where it does not hold together. */
int journal_load (journal_t *self, err_t *err);
/* Builds another database from what checks in the files, and loads it. */
int journal_heal (journal_t *self, wall_t now, journal_report_t *report, err_t *err);

#endif
