/* Open addressing with linear probing over a power of two, at most three quarters full. Removal moves
 * the cluster behind it up, so there are no tombstones. */

#include "client/names.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
	void *value; /* NULL: free */
	char *name;
	size_t size;
	uint64_t hash;
} slot_t;

struct names {
	slot_t *slots;
	size_t mask, count, max;
};

enum { SLOTS_FIRST = 64 };

/* FNV-1a. */
static uint64_t hash_of (span_t name)
{
	uint64_t hash = UINT64_C (0xcbf29ce484222325);
	const unsigned char *p = name.data;
	for (size_t i = 0; i < name.size; i++)
		hash = (hash ^ p[i]) * UINT64_C (0x100000001b3);
	return hash ^ hash >> 32;
}

int names_new (size_t max, names_t **ret)
{
	if (max == 0)
		return -EINVAL;
	names_t *self = calloc (1, sizeof *self);
	slot_t *slots = calloc (SLOTS_FIRST, sizeof *slots);
	if (!self || !slots) {
		free (self);
		free (slots);
		return -ENOMEM;
	}
	*self = (names_t){ .slots = slots, .mask = SLOTS_FIRST - 1, .max = max };
	*ret = self;
	return 0;
}

void names_destroy (names_t **self_p, names_free_fn *free_value)
{
	names_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i <= self->mask; i++) {
		if (self->slots[i].value && free_value)
			free_value (self->slots[i].value);
		free (self->slots[i].name);
	}
	free (self->slots);
	free (self);
	*self_p = NULL;
}

/* The slot of name, or the free one where it would go. */
static slot_t *slot_find (const names_t *self, span_t name, uint64_t hash)
{
	for (size_t i = (size_t) hash & self->mask;; i = (i + 1) & self->mask) {
		slot_t *slot = &self->slots[i];
		if (!slot->value ||
		        (slot->hash == hash && span_equal (span_of (slot->name, slot->size), name)))
			return slot;
	}
}

void *names_get (const names_t *self, span_t name)
{
	return slot_find (self, name, hash_of (name))->value;
}

static int names_grow (names_t *self)
{
	size_t n = (self->mask + 1) * 2;
	slot_t *slots = calloc (n, sizeof *slots), *old = self->slots;
	if (!slots)
		return -ENOMEM;
	size_t n_old = self->mask + 1;
	self->slots = slots;
	self->mask = n - 1;
	for (size_t i = 0; i < n_old; i++) {
		if (old[i].value)
			*slot_find (self, span_of (old[i].name, old[i].size), old[i].hash) = old[i];
	}
	free (old);
	return 0;
}

int names_put (names_t *self, span_t name, void *value)
{
	uint64_t hash = hash_of (name);
	if (slot_find (self, name, hash)->value)
		return -EEXIST;
	if (self->count >= self->max)
		return -ENOSPC;
	if ((self->count + 1) * 4 > (self->mask + 1) * 3 && names_grow (self))
		return -ENOMEM;
	char *copy = malloc (name.size ? name.size : 1);
	if (!copy)
		return -ENOMEM;
	if (name.size)
		memcpy (copy, name.data, name.size);
	*slot_find (self, name, hash) = (slot_t){ value, copy, name.size, hash };
	self->count++;
	return 0;
}

void *names_remove (names_t *self, span_t name)
{
	slot_t *slot = slot_find (self, name, hash_of (name));
	void *value = slot->value;
	if (!value)
		return NULL;
	free (slot->name);
	size_t hole = (size_t) (slot - self->slots);
	for (size_t i = (hole + 1) & self->mask; self->slots[i].value; i = (i + 1) & self->mask) {
		size_t home = (size_t) self->slots[i].hash & self->mask;
		/* It may move up only where its home does not lie behind the hole. */
		if (((i - home) & self->mask) >= ((i - hole) & self->mask)) {
			self->slots[hole] = self->slots[i];
			hole = i;
		}
	}
	self->slots[hole] = (slot_t){ 0 };
	self->count--;
	return value;
}

size_t names_count (const names_t *self)
{
	return self->count;
}

void names_visit (const names_t *self, names_visit_fn *visit, void *arg)
{
	for (size_t i = 0; i <= self->mask; i++) {
		if (self->slots[i].value)
			visit (arg, self->slots[i].value);
	}
}
