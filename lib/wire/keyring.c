/* Entries of the file first, derived keys beside them. Both point into slabs: sodium's guarded
 * allocator spends three pages on each allocation and gives out at some 16,000, so 512 keys share
 * one. Raw node keys are kept beside the keyed state: probe keys and `keygen node` need them. */

#include "wire/keyring.h"
#include "wire/bytes.h"
#include "wire/secret_file.h"
#include "wire/topic.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { SLAB_KEYS = 512, TABLE_FIRST = 64 };

typedef struct slab {
	struct slab *next;
	size_t used;
	uint8_t *slots; /* sodium_malloc */
} slab_t;

typedef struct {
	uint32_t epoch;
	key_state_t state;
	char node[TOPIC_NODE_MAX + 1]; /* empty: the cluster secret */
	uint8_t *key;                  /* MAC_KEY_SIZE bytes in a slab */
} entry_t;

typedef struct {
	uint32_t epoch;
	char node[TOPIC_NODE_MAX + 1];
	uint8_t *slot; /* slot_size bytes: keyed state, then the raw key; NULL: free */
} derived_t;

struct keyring {
	size_t n_entries;
	entry_t *entries;
	slab_t *slabs;
	derived_t *table; /* open addressing, power of two */
	size_t table_size, n_derived;
	uint8_t *scratch; /* a slot for keys that are not kept */
};

enum { ENTRIES_MAX = 256 };

static size_t slot_size (void)
{
	return mac_key_size () + 64;
}
static uint8_t *slot_raw (uint8_t *slot)
{
	return slot + mac_key_size ();
}

/* One slot of guarded memory, or NULL. A small keyring takes a small slab: locked memory counts
 * against RLIMIT_MEMLOCK. */
static uint8_t *slot_new (keyring_t *self)
{
	slab_t *slab = self->slabs;
	size_t keys = slab ? SLAB_KEYS : 16;
	if (!slab || slab->used == (slab->next ? SLAB_KEYS : 16)) {
		slab = calloc (1, sizeof *slab);
		if (!slab)
			return NULL;
		slab->slots = sodium_allocarray (keys, slot_size ());
		if (!slab->slots) {
			free (slab);
			return NULL;
		}
		slab->next = self->slabs;
		self->slabs = slab;
	}
	return slab->slots + slab->used++ * slot_size ();
}

static size_t hash_of (uint32_t epoch, span_t node)
{
	const uint8_t *bytes = node.data;
	uint64_t h = UINT64_C (14695981039346656037) ^ epoch; /* FNV-1a; names are bounded and ours */
	for (size_t i = 0; i < node.size; i++)
		h = (h ^ bytes[i]) * UINT64_C (1099511628211);
	return (size_t) (h ^ h >> 29);
}

static derived_t *table_find (derived_t *table, size_t size, uint32_t epoch, span_t node)
{
	for (size_t i = hash_of (epoch, node) & (size - 1);; i = (i + 1) & (size - 1)) {
		derived_t *d = &table[i];
		if (!d->slot || (d->epoch == epoch && span_is (node, d->node)))
			return d;
	}
}

static int table_grow (keyring_t *self)
{
	size_t size = self->table_size ? self->table_size * 2 : TABLE_FIRST;
	derived_t *table = calloc (size, sizeof *table);
	if (!table)
		return -ENOMEM;
	for (size_t i = 0; i < self->table_size; i++) {
		derived_t *d = &self->table[i];
		if (d->slot)
			*table_find (table, size, d->epoch, span_str (d->node)) = *d;
	}
	free (self->table);
	self->table = table;
	self->table_size = size;
	return 0;
}

static const entry_t *entry_for (const keyring_t *self, uint32_t epoch, span_t node)
{
	const entry_t *secret = NULL;
	for (size_t i = 0; i < self->n_entries; i++) {
		const entry_t *e = &self->entries[i];
		if (e->epoch != epoch)
			continue;
		if (e->node[0] == '\0')
			secret = e;
		else if (span_is (node, e->node))
			return e;
	}
	return secret;
}

static void derive (const entry_t *entry, span_t node, uint8_t out[MAC_KEY_SIZE])
{
	static const char label[] = "belfry/node-key/v1";
	uint8_t text[sizeof label + 8 + TOPIC_NODE_MAX];
	if (entry->node[0] != '\0') {
		memcpy (out, entry->key, MAC_KEY_SIZE);
		return;
	}
	memcpy (text, label, sizeof label);
	bytes_put_u32 (text + sizeof label, entry->epoch);
	bytes_put_u32 (text + sizeof label + 4, (uint32_t) node.size);
	memcpy (text + sizeof label + 8, node.data, node.size);
	crypto_generichash (out, MAC_KEY_SIZE, text, sizeof label + 8 + node.size, entry->key, MAC_KEY_SIZE);
}

static derived_t *derived_get (keyring_t *self, uint32_t epoch, span_t node)
{
	if (node.size == 0 || node.size > TOPIC_NODE_MAX)
		return NULL;
	if (self->n_derived * 2 >= self->table_size && table_grow (self))
		return NULL;
	derived_t *d = table_find (self->table, self->table_size, epoch, node);
	if (d->slot)
		return d;
	const entry_t *entry = entry_for (self, epoch, node);
	if (!entry)
		return NULL;
	uint8_t *slot = slot_new (self);
	if (!slot)
		return NULL;
	derive (entry, node, slot_raw (slot));
	mac_key_init ((mac_key_t *) (void *) slot, slot_raw (slot));
	d->epoch = epoch;
	memcpy (d->node, node.data, node.size);
	d->node[node.size] = '\0';
	d->slot = slot;
	self->n_derived++;
	return d;
}

const mac_key_t *keyring_node_key (keyring_t *self, uint32_t epoch, span_t node)
{
	derived_t *d = derived_get (self, epoch, node);
	return d ? (const mac_key_t *) (const void *) d->slot : NULL;
}

const mac_key_t *keyring_peek_key (keyring_t *self, uint32_t epoch, span_t node)
{
	if (node.size == 0 || node.size > TOPIC_NODE_MAX)
		return NULL;
	if (self->table_size) {
		const derived_t *d = table_find (self->table, self->table_size, epoch, node);
		if (d->slot)
			return (const mac_key_t *) (const void *) d->slot;
	}
	const entry_t *entry = entry_for (self, epoch, node);
	if (!entry || (!self->scratch && !(self->scratch = slot_new (self))))
		return NULL;
	derive (entry, node, slot_raw (self->scratch));
	mac_key_init ((mac_key_t *) (void *) self->scratch, slot_raw (self->scratch));
	return (const mac_key_t *) (const void *) self->scratch;
}

uint32_t keyring_active_epoch (const keyring_t *self, span_t node)
{
	for (size_t i = 0; i < self->n_entries; i++) {
		const entry_t *e = &self->entries[i];
		if (e->state == KEY_ACTIVE && (e->node[0] == '\0' || span_is (node, e->node)))
			return e->epoch;
	}
	return 0;
}

bool keyring_has_secret (const keyring_t *self)
{
	for (size_t i = 0; i < self->n_entries; i++) {
		if (self->entries[i].node[0] == '\0')
			return true;
	}
	return false;
}

int keyring_derive (keyring_t *self, uint32_t epoch, span_t node, uint8_t out[MAC_KEY_SIZE])
{
	derived_t *d = derived_get (self, epoch, node);
	if (!d)
		return -ENOKEY;
	memcpy (out, slot_raw (d->slot), MAC_KEY_SIZE);
	return 0;
}

int keyring_probe_key (
        keyring_t *self, uint32_t epoch, span_t target, span_t prober, uint8_t out[MAC_KEY_SIZE])
{
	static const char label[] = "belfry/probe/v1";
	uint8_t text[sizeof label + 4 + TOPIC_NODE_MAX];
	derived_t *d = derived_get (self, epoch, target);
	if (!d || prober.size > TOPIC_NODE_MAX)
		return -ENOKEY;
	memcpy (text, label, sizeof label);
	bytes_put_u32 (text + sizeof label, (uint32_t) prober.size);
	memcpy (text + sizeof label + 4, prober.data, prober.size);
	crypto_generichash (
	        out, MAC_KEY_SIZE, text, sizeof label + 4 + prober.size, slot_raw (d->slot), MAC_KEY_SIZE);
	return 0;
}

void keyring_visit (const keyring_t *self, keyring_visit_fn *visit, void *arg)
{
	for (size_t i = 0; i < self->n_entries; i++) {
		const entry_t *e = &self->entries[i];
		visit (arg, e->epoch, e->state, span_str (e->node));
	}
}

void keyring_destroy (keyring_t **self_p)
{
	keyring_t *self = *self_p;
	if (!self)
		return;
	for (slab_t *slab = self->slabs, *next; slab; slab = next) {
		next = slab->next;
		sodium_free (slab->slots); /* wipes */
		free (slab);
	}
	free (self->entries);
	free (self->table);
	free (self);
	*self_p = NULL;
}

/* One line: EPOCH STATE WHOM HEX64. */
static int line_parse (keyring_t *self, char *line, const char *name, unsigned number, err_t *err)
{
	static const char *const want = "want 'EPOCH next|active|retiring secret|node:NAME HEX64'";
	static const char *const states[] = { "", "next", "active", "retiring" };
	char *save = NULL, *words[5];
	size_t n = 0;
	for (char *w = strtok_r (line, " \t\r", &save); w && n < 5; w = strtok_r (NULL, " \t\r", &save))
		words[n++] = w;
	if (n == 0 || words[0][0] == '#')
		return 0;
	if (n != 4)
		return error_set (err, -EINVAL, "%s:%u: %zu words; %s", name, number, n, want);
	entry_t e = { 0 };
	char *end;
	unsigned long epoch = strtoul (words[0], &end, 10);
	if (*end || words[0][0] < '0' || words[0][0] > '9' || epoch == 0 || epoch > UINT32_MAX)
		return error_set (err, -EINVAL, "%s:%u: epoch '%s' is no number from 1 to 4294967295; %s",
		        name, number, words[0], want);
	e.epoch = (uint32_t) epoch;
	for (int i = KEY_NEXT; i <= KEY_RETIRING; i++) {
		if (strcmp (words[1], states[i]) == 0)
			e.state = (key_state_t) i;
	}
	if (!e.state)
		return error_set (
		        err, -EINVAL, "%s:%u: state '%s' is unknown; %s", name, number, words[1], want);
	if (strncmp (words[2], "node:", 5) == 0) {
		span_t node = span_str (words[2] + 5);
		if (!topic_name_valid (node, TOPIC_NODE_MAX))
			return error_set (err, -EINVAL,
			        "%s:%u: '%s' is no node name: at most %d of [A-Za-z0-9._-], a letter or "
			        "digit first",
			        name, number, words[2] + 5, TOPIC_NODE_MAX);
		memcpy (e.node, node.data, node.size);
	} else if (strcmp (words[2], "secret") != 0) {
		return error_set (err, -EINVAL, "%s:%u: '%s' is neither 'secret' nor 'node:NAME'; %s", name,
		        number, words[2], want);
	}
	for (size_t i = 0; i < self->n_entries; i++) {
		const entry_t *o = &self->entries[i];
		if (strcmp (o->node, e.node) == 0 &&
		        (o->epoch == e.epoch || (o->state == KEY_ACTIVE && e.state == KEY_ACTIVE)))
			return error_set (err, -EINVAL,
			        "%s:%u: %s: give each epoch once, and one active epoch for each key", name,
			        number,
			        o->epoch == e.epoch ? "this epoch is there already"
			                            : "a second active epoch");
	}
	if (self->n_entries == ENTRIES_MAX)
		return error_set (err, -EINVAL, "%s:%u: more than %d keys", name, number, ENTRIES_MAX);
	e.key = slot_new (self);
	if (!e.key)
		return error_set (err, -ENOMEM,
		        "%s: no guarded memory for keys (see RLIMIT_MEMLOCK, `ulimit -l`)", name);
	size_t got;
	const char *hex_end;
	if (strlen (words[3]) != 2 * MAC_KEY_SIZE ||
	        sodium_hex2bin (e.key, MAC_KEY_SIZE, words[3], 2 * MAC_KEY_SIZE, NULL, &got, &hex_end) != 0 ||
	        got != MAC_KEY_SIZE)
		return error_set (err, -EINVAL, "%s:%u: the key is not 64 hexadecimal digits", name, number);
	self->entries[self->n_entries++] = e;
	return 0;
}

int keyring_parse (const char *text, size_t size, const char *name, keyring_t **ret, err_t *err)
{
	if (sodium_init () < 0)
		return error_set (err, -EIO, "libsodium does not start");
	if (size > KEYRING_FILE_MAX)
		return error_set (
		        err, -EINVAL, "%s: larger than %d bytes: no keyring", name, KEYRING_FILE_MAX);
	keyring_t *self = calloc (1, sizeof *self);
	char *copy = sodium_malloc (size + 1);
	int r = -ENOMEM;
	if (!self || !copy || !(self->entries = calloc (ENTRIES_MAX, sizeof *self->entries))) {
		error_set (err, r, "%s: out of memory", name);
		goto fail;
	}
	memcpy (copy, text, size);
	copy[size] = '\0';
	if (strlen (copy) != size) {
		r = error_set (err, -EINVAL, "%s: holds a NUL byte: no keyring", name);
		goto fail;
	}
	unsigned number = 0;
	for (char *line = copy, *next; line; line = next) {
		char *newline = strchr (line, '\n');
		next = newline ? newline + 1 : NULL;
		if (newline)
			*newline = '\0';
		r = line_parse (self, line, name, ++number, err);
		if (r)
			goto fail;
	}
	if (self->n_entries == 0) {
		r = error_set (err, -EINVAL, "%s: no key in it; `belfry keygen secret --out %s` makes one",
		        name, name);
		goto fail;
	}
	sodium_free (copy);
	*ret = self;
	return 0;
fail:
	if (copy)
		sodium_free (copy);
	keyring_destroy (&self);
	return r;
}

int keyring_load (const char *file, keyring_t **ret, err_t *err)
{
	secret_text_t text;
	int r = secret_file_load (file, "keyring", "belfry keygen secret", KEYRING_FILE_MAX, &text, err);
	if (r)
		return r;
	r = keyring_parse (text.text, text.size, file, ret, err);
	secret_text_free (&text);
	return r;
}
