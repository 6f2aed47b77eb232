/* journal_internal.h - what the journal's files share. */

#ifndef STORE_JOURNAL_INTERNAL_H
#define STORE_JOURNAL_INTERNAL_H

#include "base/buffer.h"
#include "store/database.h"
#include "store/journal.h"
#include "store/slots.h"

enum { JOURNAL_PATH_MAX = 4096 };

#define JOURNAL_STATEMENTS(X)                                                                                \
	X (KNOWN, "SELECT offset FROM records WHERE node = ?1 AND incarnation = ?2 AND sequence = ?3")       \
	X (INSERT, "INSERT OR IGNORE INTO records (offset, node, subject, incarnation, sequence, channel, "  \
	           "severity, "                                                                              \
	           "time_ns, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")                             \
	X (STATE, "INSERT INTO states (key, counter, body) VALUES (?1, ?2, ?3) ON CONFLICT (key) DO UPDATE " \
	          "SET "                                                                                     \
	          "counter = excluded.counter, body = excluded.body WHERE excluded.counter >= counter")      \
	X (STATE_DROP, "DELETE FROM states WHERE key = ?1")                                                  \
	X (CHECKPOINT, "INSERT OR REPLACE INTO checkpoints (offset, body) VALUES (?1, ?2)")                  \
	X (AT, "SELECT body FROM records WHERE offset = ?1")                                                 \
	X (CHECKPOINTS,                                                                                      \
	        "SELECT body FROM checkpoints WHERE offset BETWEEN ?1 AND ?2 ORDER BY offset LIMIT ?3")      \
	X (SEGMENT, "SELECT offset, body FROM checkpoints WHERE offset > ?1 ORDER BY offset LIMIT 1")        \
	X (TRIM, "DELETE FROM records WHERE offset <= ?1")                                                   \
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
	uint64_t head_newest; /* as the file apart says */
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
/* Inserts a row and its body. OR IGNORE where again. */
int journal_row_insert (journal_t *self, const journal_row_t *row, err_t *err);
void journal_checkpoint_pack (buffer_t *out, const checkpoint_t *checkpoint);
bool journal_checkpoint_parse (span_t body, checkpoint_t *ret);
void journal_state_pack (buffer_t *out, uint64_t counter, const char *key, span_t value);
bool journal_state_parse (span_t body, uint64_t *ret_counter, span_t *ret_key, span_t *ret_value);

int journal_head_write (journal_t *self, wall_t now, bool sync);
/* Signs the newest record, inside a transaction. */
int journal_sign (journal_t *self, wall_t now, checkpoint_t *ret, err_t *err);
int journal_state_put (journal_t *self, uint64_t counter, const char *key, span_t value, err_t *err);
int journal_checkpoint_put (journal_t *self, const checkpoint_t *checkpoint, err_t *err);

/* Opens and reads the database; -EBADMSG where it does not hold together. */
int journal_load (journal_t *self, err_t *err);
/* Builds another database from what checks in the files, and loads it. */
int journal_heal (journal_t *self, wall_t now, journal_report_t *report, err_t *err);

#endif
