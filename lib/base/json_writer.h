/* json_writer.h - JSON as it is written, value by value, onto a buffer. The one escaper of the house.
 *
 * Commas are the writer's: say a key before each value of an object. Whether the calls make sense is
 * the caller's to know. NUL and what is no UTF-8 becomes U+FFFD, control characters, DEL and the line
 * separators U+2028 and U+2029 are escaped, so a line stays a line and a page's script stays whole. */

#ifndef BASE_JSON_WRITER_H
#define BASE_JSON_WRITER_H

#include <stdint.h>

#include "base/buffer.h"
#include "base/clock.h"

typedef struct {
	buffer_t *out; /* borrowed */
	bool comma;    /* before the next key or value */
} json_writer_t;

static inline json_writer_t json_writer_on (buffer_t *out)
{
	return (json_writer_t){ out, false };
}

void json_write_begin_object (json_writer_t *self);
void json_write_end_object (json_writer_t *self);
void json_write_begin_array (json_writer_t *self);
void json_write_end_array (json_writer_t *self);
void json_write_key (json_writer_t *self, const char *key);

void json_write_string (json_writer_t *self, const char *text); /* NULL: "" */
void json_write_bytes (json_writer_t *self, span_t text);       /* text of that size */
void json_write_hex (json_writer_t *self, span_t bytes);        /* "00ff" */
void json_write_bool (json_writer_t *self, bool value);
void json_write_null (json_writer_t *self);
/* Beyond 2^53 as a string: other readers keep numbers as doubles. */
void json_write_u64 (json_writer_t *self, uint64_t value);
void json_write_i64 (json_writer_t *self, int64_t value);
/* The shortest digits that read back as the same double; null where it is none (NaN, infinite). */
void json_write_double (json_writer_t *self, double value);
/* RFC 3339 with nanoseconds. */
void json_write_time (json_writer_t *self, wall_t at);

/* A key and its value. */
void json_write_key_string (json_writer_t *self, const char *key, const char *text);
void json_write_key_u64 (json_writer_t *self, const char *key, uint64_t value);
void json_write_key_bool (json_writer_t *self, const char *key, bool value);

#endif
