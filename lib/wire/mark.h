/* mark.h - the third frame: what a collector adds to a durable event that it journalled (wire.md,
 * "Frames on the stream"). Pure. */

#ifndef WIRE_MARK_H
#define WIRE_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/span.h"

enum { MARK_JOURNAL_SIZE = 16, MARK_SIZE_MAX = 64 };

typedef struct {
	uint8_t journal[MARK_JOURNAL_SIZE]; /* its id */
	uint64_t offset;                    /* 1 or above */
	uint64_t previous_in_channel;       /* the offset before it in its channel; 0: the first */
	bool late;                          /* it came more than 5 s after its time */
	uint64_t received_ns;               /* UTC */
} mark_t;

/* Writes self as a Mark; returns how many bytes. */
size_t mark_pack (const mark_t *self, uint8_t out[MARK_SIZE_MAX]);
/* False unless bytes are a Mark with a journal of 16 bytes and an offset above its predecessor. */
bool mark_parse (span_t bytes, mark_t *ret);

#endif
