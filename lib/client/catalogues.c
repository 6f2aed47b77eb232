/* Keyed by node and hash, so that no node can give another's figures wrong names. A list through the
 * entries keeps the order of use, the most recent first. */

#include "client/catalogues.h"

#include "client/names.h"
#include "wire/bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CATALOGUES_MAX = 1 << 18, NODE_MAX = 64, KEY_MAX = 8 + NODE_MAX };

typedef struct entry {
	struct entry *newer, *older;
	Belfry__V1__Catalogue *catalogue;
	size_t bytes, key_size;
	uint8_t key[KEY_MAX];
} entry_t;

struct catalogues {
	names_t *entries;
	entry_t *newest, *oldest;
	size_t bytes, bytes_max;
};

int client_catalogues_new (size_t bytes_max, client_catalogues_t **ret)
{
	client_catalogues_t *self = calloc (1, sizeof *self);
	if (!self || names_new (CATALOGUES_MAX, &self->entries)) {
		free (self);
		return -ENOMEM;
	}
	self->bytes_max = bytes_max;
	*ret = self;
	return 0;
}

static void entry_free (void *value)
{
	entry_t *entry = value;
	if (entry->catalogue)
		belfry__v1__catalogue__free_unpacked (entry->catalogue, NULL);
	free (entry);
}

void client_catalogues_destroy (client_catalogues_t **self_p)
{
	if (!*self_p)
		return;
	names_destroy (&(*self_p)->entries, entry_free);
	free (*self_p);
	*self_p = NULL;
}

/* The node's name behind the hash; names from the wire are at most 36 bytes. */
static span_t key_make (uint8_t key[KEY_MAX], const char *node, uint64_t hash)
{
	size_t size = strnlen (node, NODE_MAX);
	bytes_put_u64 (key, hash);
	memcpy (key + 8, node, size);
	return span_of (key, 8 + size);
}

static void list_remove (client_catalogues_t *self, entry_t *entry)
{
	*(entry->newer ? &entry->newer->older : &self->newest) = entry->older;
	*(entry->older ? &entry->older->newer : &self->oldest) = entry->newer;
	entry->newer = entry->older = NULL;
}

static void list_put_first (client_catalogues_t *self, entry_t *entry)
{
	entry->older = self->newest;
	*(self->newest ? &self->newest->newer : &self->oldest) = entry;
	self->newest = entry;
}

static void evict_oldest (client_catalogues_t *self)
{
	entry_t *entry = self->oldest;
	list_remove (self, entry);
	self->bytes -= entry->bytes;
	names_remove (self->entries, span_of (entry->key, entry->key_size));
	entry_free (entry);
}

/* protobuf-c has no copy: the bytes are the copy. */
static Belfry__V1__Catalogue *catalogue_copy (const Belfry__V1__Catalogue *catalogue, size_t size)
{
	uint8_t *packed = malloc (size ? size : 1);
	if (!packed)
		return NULL;
	belfry__v1__catalogue__pack (catalogue, packed);
	Belfry__V1__Catalogue *copy = belfry__v1__catalogue__unpack (NULL, size, packed);
	free (packed);
	return copy;
}

int client_catalogues_put (
        client_catalogues_t *self, const char *node, const Belfry__V1__Catalogue *catalogue)
{
	if (client_catalogues_get (self, node, catalogue->hash))
		return 0;
	entry_t *entry = calloc (1, sizeof *entry);
	if (!entry)
		return -ENOMEM;
	entry->bytes = belfry__v1__catalogue__get_packed_size (catalogue);
	entry->catalogue = catalogue_copy (catalogue, entry->bytes);
	span_t key = key_make (entry->key, node, catalogue->hash);
	entry->key_size = key.size;
	while (self->oldest && self->bytes + entry->bytes > self->bytes_max)
		evict_oldest (self);
	if (!entry->catalogue || names_put (self->entries, key, entry)) {
		entry_free (entry);
		return -ENOMEM;
	}
	self->bytes += entry->bytes;
	list_put_first (self, entry);
	return 0;
}

const Belfry__V1__Catalogue *client_catalogues_get (
        client_catalogues_t *self, const char *node, uint64_t hash)
{
	uint8_t key[KEY_MAX];
	entry_t *entry = names_get (self->entries, key_make (key, node, hash));
	if (!entry)
		return NULL;
	list_remove (self, entry);
	list_put_first (self, entry);
	return entry->catalogue;
}

size_t client_catalogues_count (const client_catalogues_t *self)
{
	return names_count (self->entries);
}
