#include "store/slots.h"

#include <errno.h>
#include <assert.h>
#include <sodium.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* magic (8), generation (8, big-endian), size (2), value, zeros, checksum (16). */
enum {
	AT_GENERATION = 8,
	AT_SIZE = 16,
	AT_VALUE = 18,
	CHECKSUM_SIZE = 16,
	AT_CHECKSUM = SLOT_SIZE - CHECKSUM_SIZE
};
static_assert (AT_VALUE + SLOT_VALUE_MAX <= AT_CHECKSUM, "a value fits");
static const uint8_t magic[8] = { 'b', 'f', 'r', 'y', 's', 'l', 't', 1 };

struct slots {
	sqlite3_file *file;
	bool read_only, valid, dirty;
	uint64_t generation;
	int next;                /* the slot that is written */
	uint8_t slot[SLOT_SIZE]; /* the newest */
};

static void checksum (const uint8_t slot[SLOT_SIZE], uint8_t out[CHECKSUM_SIZE])
{
	crypto_generichash (out, CHECKSUM_SIZE, slot, AT_CHECKSUM, NULL, 0);
}

static bool slot_checks (const uint8_t slot[SLOT_SIZE], uint64_t *ret_generation)
{
	uint8_t sum[CHECKSUM_SIZE];
	checksum (slot, sum);
	if (memcmp (slot, magic, sizeof magic) != 0 || memcmp (sum, slot + AT_CHECKSUM, sizeof sum) != 0)
		return false;
	*ret_generation = 0;
	for (int i = 0; i < 8; i++)
		*ret_generation = *ret_generation << 8 | slot[AT_GENERATION + i];
	return (slot[AT_SIZE] << 8 | slot[AT_SIZE + 1]) <= SLOT_VALUE_MAX;
}

static void slots_read (slots_t *self)
{
	for (int i = 0; i < 2; i++) {
		uint8_t slot[SLOT_SIZE];
		uint64_t generation;
		if (self->file->pMethods->xRead (self->file, slot, SLOT_SIZE, i * SLOT_SIZE) == SQLITE_OK &&
		        slot_checks (slot, &generation) && (!self->valid || generation > self->generation)) {
			self->valid = true;
			self->generation = generation;
			self->next = !i;
			memcpy (self->slot, slot, SLOT_SIZE);
		}
		sodium_memzero (slot, sizeof slot); /* a key may lie in it */
	}
}

int slots_open (const char *vfs, const char *path, bool read_only, slots_t **ret, err_t *err)
{
	sqlite3_vfs *through = sqlite3_vfs_find (vfs);
	if (!through)
		return error_set (err, -EINVAL, "%s: no VFS '%s'", path, vfs);
	slots_t *self = calloc (1, sizeof *self);
	if (self)
		self->file = calloc (1, (size_t) through->szOsFile);
	if (!self || !self->file) {
		free (self);
		return error_set (err, -ENOMEM, "out of memory");
	}
	self->read_only = read_only;
	int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
	errno = 0;
	if (through->xOpen (through, path, self->file, flags | SQLITE_OPEN_SUPER_JOURNAL, &flags) !=
	        SQLITE_OK) {
		int r = errno ? -errno : -EIO;
		free (self->file);
		free (self);
		return error_set (err, r, "%s: cannot be opened: %s", path, strerror (-r));
	}
	slots_read (self);
	/* Whether whoever wrote it also synced it, nobody knows. */
	if (!read_only)
		(void) self->file->pMethods->xSync (self->file, SQLITE_SYNC_NORMAL);
	*ret = self;
	return 0;
}

void slots_close (slots_t **self_p)
{
	slots_t *self = *self_p;
	if (!self)
		return;
	(void) slots_sync (self);
	self->file->pMethods->xClose (self->file);
	free (self->file);
	sodium_memzero (self->slot, sizeof self->slot);
	free (self);
	*self_p = NULL;
}

bool slots_value (const slots_t *self, span_t *ret)
{
	if (self->valid)
		*ret = span_of (
		        self->slot + AT_VALUE, (size_t) self->slot[AT_SIZE] << 8 | self->slot[AT_SIZE + 1]);
	return self->valid;
}

int slots_write (slots_t *self, span_t value, bool sync)
{
	uint8_t slot[SLOT_SIZE] = { 0 };
	if (self->read_only || value.size > SLOT_VALUE_MAX)
		return self->read_only ? -EROFS : -EMSGSIZE;
	uint64_t generation = self->generation + 1;
	memcpy (slot, magic, sizeof magic);
	for (int i = 0; i < 8; i++)
		slot[AT_GENERATION + i] = (uint8_t) (generation >> (56 - 8 * i));
	slot[AT_SIZE] = (uint8_t) (value.size >> 8);
	slot[AT_SIZE + 1] = (uint8_t) value.size;
	memcpy (slot + AT_VALUE, value.data, value.size);
	checksum (slot, slot + AT_CHECKSUM);
	int r = self->file->pMethods->xWrite (
	        self->file, slot, SLOT_SIZE, (sqlite3_int64) self->next * SLOT_SIZE);
	if (r == SQLITE_OK)
		memcpy (self->slot, slot, SLOT_SIZE);
	sodium_memzero (slot, sizeof slot);
	if (r != SQLITE_OK)
		return r == SQLITE_FULL ? -ENOSPC : -EIO;
	self->generation = generation;
	self->valid = self->dirty = true;
	return sync ? slots_sync (self) : 0;
}

int slots_sync (slots_t *self)
{
	if (!self->dirty)
		return 0;
	if (self->file->pMethods->xSync (self->file, SQLITE_SYNC_NORMAL) != SQLITE_OK)
		return -EIO;
	self->dirty = false;
	self->next = !self->next;
	return 0;
}
