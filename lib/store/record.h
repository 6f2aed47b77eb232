/* record.h - what stands in a row, in a form that can be found and checked without SQLite: magic, kind,
 * size, body, and a checksum of all of it. So a flipped bit is noticed in any row, and what checks can be
 * taken out of a file that SQLite refuses. Pure. */

#ifndef STORE_RECORD_H
#define STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/span.h"

enum { RECORD_CHECKSUM_SIZE = 16, RECORD_HEAD_SIZE = 14, RECORD_SIZE_MAX = 1024 * 1024 };

/* What a body is; each belongs to one file. */
typedef enum {
	RECORD_EVENT = 1,
	RECORD_GAP,
	RECORD_ENTRY,
	RECORD_STATE,
	RECORD_CHECKPOINT,
	RECORD_ERA
} record_kind_t;

/* Begins a record in out, which is emptied; what is put then is its body; ends it with size and checksum.
 * Whether memory sufficed is buffer_failed's word. */
void record_begin (buffer_t *out, record_kind_t kind);
void record_u8 (buffer_t *out, uint8_t value);
void record_u64 (buffer_t *out, uint64_t value);
/* u32 length and bytes; at most RECORD_SIZE_MAX. */
void record_bytes (buffer_t *out, span_t bytes);
void record_end (buffer_t *out);

/* A body under the reader. */
typedef struct {
	const uint8_t *at, *end;
	bool failed; /* something was read beyond the end */
} record_reader_t;

/* False unless bytes are one whole record that checks. */
bool record_open (span_t bytes, record_kind_t *ret_kind, record_reader_t *ret);
uint8_t record_take_u8 (record_reader_t *self);
uint64_t record_take_u64 (record_reader_t *self);
span_t record_take_bytes (record_reader_t *self);
/* Exactly size bytes into out; zeros where they are not there. */
void record_take_fixed (record_reader_t *self, void *out, size_t size);
/* Whether all of the body was read and nothing beyond it. */
bool record_done (const record_reader_t *self);

/* Every record that lies whole in bytes and checks, in their order; some may be there several times. */
typedef void record_found_fn (void *arg, record_kind_t kind, span_t whole);
void record_scan (span_t bytes, record_found_fn *found, void *arg);

#endif
