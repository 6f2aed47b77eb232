/* arena.h - a bump allocator for one message at a time, with protobuf-c's view of it.
 *
 * What a hostile message can make a decoder allocate is bounded by the cap. The memory of the
 * largest message so far is kept over a reset, so a steady stream allocates nothing. Freeing a
 * part does nothing. One owner, not thread-safe. */

#ifndef WIRE_ARENA_H
#define WIRE_ARENA_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/span.h"

typedef struct arena arena_t;

/* What a decoded event of 256 KiB may take at most: caps for arena_new. */
enum { ARENA_FIRST_DEFAULT = 16 * 1024, ARENA_CAP_DEFAULT = 4 * 1024 * 1024 };

/* first: bytes taken at once; cap: bytes handed out at most between two resets, first <= cap.
 * 0, or -EINVAL / -ENOMEM with *ret untouched. */
int arena_new (size_t first, size_t cap, arena_t **ret) MUST_CHECK;
/* Frees and nulls. NULL-safe. Everything handed out dies with it. */
void arena_destroy (arena_t **self_p);

/* Forgets everything handed out. */
void arena_reset (arena_t *self);

/* For belfry__v1__*__unpack; valid until destroy. Unpack returns NULL past the cap. */
ProtobufCAllocator *arena_allocator (arena_t *self);

/* size bytes, aligned to 8, not cleared; NULL past the cap or without memory. */
void *arena_alloc (arena_t *self, size_t size);
/* A terminated copy; NULL as above. */
char *arena_copy (arena_t *self, span_t text);

/* Bytes handed out since the last reset, alignment included. */
size_t arena_used (const arena_t *self);
/* Whether something was refused since the last reset: then a failed unpack was too large or too
 * deeply repeated, else it was malformed. */
bool arena_exhausted (const arena_t *self);

#endif
