/* A chain of blocks, the last one current. A reset melts a chain into one block of the size that was
 * needed, so the same message then fits without another. The cap counts bytes handed out, not blocks:
 * whether a message passes never depends on what came before it. */

#include "wire/arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct block {
	struct block *before;
	size_t size;
	uint64_t bytes[];
} block_t;

struct arena {
	ProtobufCAllocator allocator;
	block_t *block; /* current */
	size_t at;      /* used of the current block */
	size_t used, cap;
	bool exhausted;
};

enum { ALIGN = 8, BLOCK_STEP = 4096 };

static void *view_alloc (void *data, size_t size)
{
	return arena_alloc (data, size);
}

static void view_free (void *data, void *pointer)
{
	(void) data;
	(void) pointer;
}

static block_t *block_new (size_t size)
{
	size = (size + ALIGN - 1) & ~(size_t) (ALIGN - 1);
	block_t *block = malloc (sizeof *block + size);
	if (block) {
		block->before = NULL;
		block->size = size;
	}
	return block;
}

static void chain_free (block_t *block)
{
	while (block) {
		block_t *before = block->before;
		free (block);
		block = before;
	}
}

int arena_new (size_t first, size_t cap, arena_t **ret)
{
	if (first == 0 || first > cap || cap > SIZE_MAX / 4)
		return -EINVAL;
	arena_t *self = calloc (1, sizeof *self);
	block_t *block = block_new (first);
	if (!self || !block) {
		free (self);
		free (block);
		return -ENOMEM;
	}
	self->allocator = (ProtobufCAllocator){ view_alloc, view_free, self };
	self->block = block;
	self->cap = cap;
	*ret = self;
	return 0;
}

void arena_destroy (arena_t **self_p)
{
	if (!*self_p)
		return;
	chain_free ((*self_p)->block);
	free (*self_p);
	*self_p = NULL;
}

void arena_reset (arena_t *self)
{
	if (self->block->before) {
		/* Without memory for one block the newest, which is the largest, stays. */
		block_t *one = block_new ((self->used + BLOCK_STEP - 1) / BLOCK_STEP * BLOCK_STEP);
		if (!one) {
			one = self->block;
			chain_free (one->before);
			one->before = NULL;
		} else {
			chain_free (self->block);
		}
		self->block = one;
	}
	self->at = self->used = 0;
	self->exhausted = false;
}

ProtobufCAllocator *arena_allocator (arena_t *self)
{
	return &self->allocator;
}

void *arena_alloc (arena_t *self, size_t size)
{
	size_t rounded = size ? (size + ALIGN - 1) & ~(size_t) (ALIGN - 1) : ALIGN;
	if (size > self->cap || rounded > self->cap - self->used) {
		self->exhausted = true;
		return NULL;
	}
	if (rounded > self->block->size - self->at) {
		size_t wanted = self->block->size * 2;
		if (wanted > self->cap)
			wanted = self->cap;
		block_t *block = block_new (wanted > rounded ? wanted : rounded);
		if (!block) {
			self->exhausted = true;
			return NULL;
		}
		block->before = self->block;
		self->block = block;
		self->at = 0;
	}
	void *memory = (uint8_t *) self->block->bytes + self->at;
	self->at += rounded;
	self->used += rounded;
	return memory;
}

char *arena_copy (arena_t *self, span_t text)
{
	char *copy = text.size < SIZE_MAX ? arena_alloc (self, text.size + 1) : NULL;
	if (copy) {
		if (text.size)
			memcpy (copy, text.data, text.size);
		copy[text.size] = '\0';
	}
	return copy;
}

size_t arena_used (const arena_t *self)
{
	return self->used;
}

bool arena_exhausted (const arena_t *self)
{
	return self->exhausted;
}
