#include "disk.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/files.h"

enum { FILES_MAX = 64, NAME_MAX_ = 200, WRITES_MAX = 4096, SECTOR = 512 };

/* One change that is not synced. A truncation has no bytes. */
typedef struct {
	sqlite3_int64 at;
	size_t size;
	uint8_t *bytes;
} change_t;

typedef struct {
	bool there, synced_there; /* now; after a loss of power at the worst */
	char name[NAME_MAX_];
	uint8_t *now, *synced;
	size_t size, synced_size;
	change_t *changes; /* room for WRITES_MAX, from the first on */
	size_t n_changes;
} disk_file_t;

struct disk_image {
	size_t n;
	struct {
		char name[NAME_MAX_];
		uint8_t *bytes;
		size_t size;
	} files[FILES_MAX];
};

static struct {
	bool registered, crashed;
	disk_fault_t fault;
	uint64_t at, calls, fails;
	unsigned life; /* handles of an earlier one are dead */
	disk_file_t files[FILES_MAX];
} disk;

typedef struct {
	sqlite3_file base;
	disk_file_t *file;
	unsigned life;
	bool delete_on_close;
} handle_t;

/* Files. */

/* A test that refuses one allocation means the program's, not the disk's: it asks twice. */
static void *memory (void *old, size_t size)
{
	void *found = realloc (old, size + 1);
	if (!found)
		found = realloc (old, size + 1);
	if (!found)
		abort ();
	return found;
}

static void changes_clear (disk_file_t *file)
{
	for (size_t i = 0; i < file->n_changes; i++)
		free (file->changes[i].bytes);
	file->n_changes = 0;
}

static void content_set (uint8_t **to, size_t *to_size, const uint8_t *bytes, size_t size)
{
	uint8_t *copy = memory (NULL, size);
	if (size)
		memcpy (copy, bytes, size);
	free (*to);
	*to = copy;
	*to_size = size;
}

static void resize (uint8_t **bytes, size_t *old, size_t size)
{
	if (size > *old) {
		*bytes = memory (*bytes, size);
		memset (*bytes + *old, 0, size - *old);
	}
	*old = size;
}

/* What is durable becomes what is there, change by change: a long file costs no more than a short one. */
static void file_synced (disk_file_t *file)
{
	for (size_t i = 0; i < file->n_changes; i++) {
		const change_t *change = &file->changes[i];
		size_t end = (size_t) change->at + change->size;
		if (!change->bytes || end > file->synced_size)
			resize (&file->synced, &file->synced_size, end);
		if (change->bytes)
			memcpy (file->synced + change->at, change->bytes, change->size);
	}
	file->synced_there = file->there;
	changes_clear (file);
}

static void file_free (disk_file_t *file)
{
	changes_clear (file);
	free (file->changes);
	free (file->now);
	free (file->synced);
	memset (file, 0, sizeof *file);
}

static disk_file_t *file_find (const char *name)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		if (disk.files[i].there && strcmp (disk.files[i].name, name) == 0)
			return &disk.files[i];
	}
	return NULL;
}

static disk_file_t *file_make (const char *name)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		disk_file_t *file = &disk.files[i];
		if (file->there || file->synced_there)
			continue;
		file_free (file);
		file->there = true;
		snprintf (file->name, sizeof file->name, "%s", name);
		content_set (&file->now, &file->size, NULL, 0);
		content_set (&file->synced, &file->synced_size, NULL, 0);
		return file;
	}
	abort ();
}

static void file_resize (disk_file_t *file, size_t size)
{
	resize (&file->now, &file->size, size);
}

static void change_note (disk_file_t *file, sqlite3_int64 at, const void *bytes, size_t size)
{
	/* A file that is never synced is bounded all the same. */
	if (file->n_changes == WRITES_MAX)
		file_synced (file);
	if (!file->changes)
		file->changes = memory (NULL, WRITES_MAX * sizeof *file->changes);
	change_t *change = &file->changes[file->n_changes++];
	*change = (change_t){ at, size, NULL };
	if (bytes) {
		change->bytes = memory (NULL, size);
		memcpy (change->bytes, bytes, size);
	}
}

/* Whether this call is let through; counts it. */
static int admit (void)
{
	if (disk.crashed)
		return SQLITE_IOERR;
	disk.calls++;
	if (disk.fault == DISK_WORKS || disk.at == 0 || disk.calls < disk.at)
		return SQLITE_OK;
	if (disk.fault == DISK_CRASHES) {
		disk.crashed = true;
		return SQLITE_IOERR;
	}
	if (disk.fails && disk.calls >= disk.at + disk.fails)
		return SQLITE_OK;
	return disk.fault == DISK_FULL ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

/* Methods. */

static disk_file_t *alive (sqlite3_file *base)
{
	handle_t *self = (handle_t *) base;
	return self->life == disk.life && !disk.crashed ? self->file : NULL;
}

static int on_close (sqlite3_file *base)
{
	handle_t *self = (handle_t *) base;
	disk_file_t *file = alive (base);
	if (file && self->delete_on_close)
		file->there = file->synced_there = false;
	return SQLITE_OK;
}

static int on_read (sqlite3_file *base, void *out, int n, sqlite3_int64 at)
{
	const disk_file_t *file = alive (base);
	if (!file)
		return SQLITE_IOERR_READ;
	size_t from = (size_t) at < file->size ? (size_t) at : file->size;
	size_t have = file->size - from < (size_t) n ? file->size - from : (size_t) n;
	memcpy (out, file->now + from, have);
	memset ((uint8_t *) out + have, 0, (size_t) n - have);
	return have == (size_t) n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int on_write (sqlite3_file *base, const void *bytes, int n, sqlite3_int64 at)
{
	disk_file_t *file = alive (base);
	if (!file)
		return SQLITE_IOERR_WRITE;
	int r = admit ();
	/* The write during which power goes may have got through, or a part of it. */
	if (r && !disk.crashed)
		return r;
	if ((size_t) at + (size_t) n > file->size)
		file_resize (file, (size_t) at + (size_t) n);
	memcpy (file->now + at, bytes, (size_t) n);
	change_note (file, at, bytes, (size_t) n);
	return r;
}

static int on_truncate (sqlite3_file *base, sqlite3_int64 size)
{
	disk_file_t *file = alive (base);
	if (!file)
		return SQLITE_IOERR_TRUNCATE;
	int r = admit ();
	if (r && !disk.crashed)
		return r;
	file_resize (file, (size_t) size);
	change_note (file, size, NULL, 0);
	return r;
}

static int on_sync (sqlite3_file *base, int flags)
{
	disk_file_t *file = alive (base);
	(void) flags;
	if (!file)
		return SQLITE_IOERR_FSYNC;
	int r = admit ();
	if (!r)
		file_synced (file);
	return r == SQLITE_FULL ? SQLITE_IOERR_FSYNC : r;
}

static int on_size (sqlite3_file *base, sqlite3_int64 *ret)
{
	const disk_file_t *file = alive (base);
	if (!file)
		return SQLITE_IOERR_FSTAT;
	*ret = (sqlite3_int64) file->size;
	return SQLITE_OK;
}

static int on_lock (sqlite3_file *base, int level)
{
	(void) level;
	return alive (base) ? SQLITE_OK : SQLITE_IOERR_LOCK;
}

static int on_reserved (sqlite3_file *base, int *ret)
{
	(void) base;
	*ret = 0;
	return SQLITE_OK;
}

static int on_control (sqlite3_file *base, int op, void *arg)
{
	disk_file_t *file = alive (base);
	if (op != FILES_FCNTL_RENAME)
		return SQLITE_NOTFOUND;
	if (!file || admit ())
		return SQLITE_IOERR;
	disk_file_t *old = file_find (arg);
	if (old && old != file)
		old->there = old->synced_there = false;
	snprintf (file->name, sizeof file->name, "%s", (const char *) arg);
	return SQLITE_OK;
}

static int on_sector (sqlite3_file *base)
{
	(void) base;
	return SECTOR;
}

static int on_characteristics (sqlite3_file *base)
{
	(void) base;
	return 0;
}

static const sqlite3_io_methods methods = { 1, on_close, on_read, on_write, on_truncate, on_sync, on_size,
	on_lock, on_lock, on_reserved, on_control, on_sector, on_characteristics, NULL, NULL, NULL, NULL,
	NULL, NULL };

/* The VFS. */

static int vfs_open (sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *ret_flags)
{
	static unsigned temporary;
	char own[NAME_MAX_];
	handle_t *self = (handle_t *) base;
	(void) vfs;
	self->base.pMethods = NULL;
	if (!name) {
		snprintf (own, sizeof own, "temporary-%u", temporary++);
		name = own;
	}
	if (disk.crashed)
		return SQLITE_CANTOPEN;
	disk_file_t *file = file_find (name);
	if (!file && !(flags & SQLITE_OPEN_CREATE))
		return SQLITE_CANTOPEN;
	if (!file) {
		if (admit ())
			return SQLITE_CANTOPEN;
		file = file_make (name);
	}
	*self = (handle_t){ { &methods }, file, disk.life, (flags & SQLITE_OPEN_DELETEONCLOSE) != 0 };
	if (ret_flags)
		*ret_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete (sqlite3_vfs *vfs, const char *name, int sync)
{
	(void) vfs;
	(void) sync;
	disk_file_t *file = file_find (name);
	if (!file)
		return SQLITE_IOERR_DELETE_NOENT;
	if (admit ())
		return SQLITE_IOERR_DELETE;
	/* Directories are journalled: a deletion holds. */
	file->there = file->synced_there = false;
	return SQLITE_OK;
}

static int vfs_access (sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
	(void) vfs;
	(void) flags;
	*ret = file_find (name) != NULL;
	return SQLITE_OK;
}

static int vfs_full (sqlite3_vfs *vfs, const char *name, int size, char *out)
{
	(void) vfs;
	snprintf (out, (size_t) size, "%s", name);
	return SQLITE_OK;
}

static int vfs_random (sqlite3_vfs *vfs, int size, char *out)
{
	(void) vfs;
	memset (out, 7, (size_t) size);
	return size;
}

static int vfs_sleep (sqlite3_vfs *vfs, int us)
{
	(void) vfs;
	return us;
}

static int vfs_time (sqlite3_vfs *vfs, double *ret)
{
	(void) vfs;
	*ret = 2460000.5;
	return SQLITE_OK;
}

static int vfs_error (sqlite3_vfs *vfs, int size, char *out)
{
	(void) vfs;
	(void) size;
	(void) out;
	return 0;
}

void disk_reset (void)
{
	static sqlite3_vfs vfs = { .iVersion = 1,
		.szOsFile = sizeof (handle_t),
		.mxPathname = NAME_MAX_ - 1,
		.zName = DISK_VFS,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full,
		.xRandomness = vfs_random,
		.xSleep = vfs_sleep,
		.xCurrentTime = vfs_time,
		.xGetLastError = vfs_error };
	if (!disk.registered)
		sqlite3_vfs_register (&vfs, 0);
	disk.registered = true;
	for (size_t i = 0; i < FILES_MAX; i++)
		file_free (&disk.files[i]);
	disk.life++;
	disk.crashed = false;
	disk_fault (DISK_WORKS, 0, 0);
}

void disk_fault (disk_fault_t fault, uint64_t at, uint64_t calls)
{
	disk.fault = fault;
	disk.at = at;
	disk.fails = calls;
	disk.calls = 0;
}

uint64_t disk_calls (void)
{
	return disk.calls;
}

bool disk_crashed (void)
{
	return disk.crashed;
}

static uint64_t next (uint64_t *seed)
{
	*seed = *seed * UINT64_C (6364136223846793005) + UINT64_C (1442695040888963407);
	return *seed >> 33;
}

/* One unsynced change, of which nothing, all or some sectors survive. */
static void change_survive (disk_file_t *file, const change_t *change, uint64_t *seed)
{
	uint64_t luck = next (seed) % 4;
	if (luck == 0)
		return;
	if (!change->bytes) {
		file_resize (file, (size_t) change->at);
		return;
	}
	for (size_t done = 0; done < change->size;) {
		size_t at = (size_t) change->at + done, n = SECTOR - at % SECTOR;
		n = n < change->size - done ? n : change->size - done;
		if (luck != 1 || next (seed) % 2) {
			if (at + n > file->size)
				file_resize (file, at + n);
			memcpy (file->now + at, change->bytes + done, n);
		}
		done += n;
	}
}

void disk_reboot (uint64_t seed)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		disk_file_t *file = &disk.files[i];
		if (!file->there)
			continue;
		content_set (&file->now, &file->size, file->synced, file->synced_size);
		for (size_t c = 0; c < file->n_changes; c++)
			change_survive (file, &file->changes[c], &seed);
		changes_clear (file);
		content_set (&file->synced, &file->synced_size, file->now, file->size);
		file->synced_there = true;
	}
	disk.life++;
	disk.crashed = false;
	disk_fault (DISK_WORKS, 0, 0);
}

uint8_t *disk_bytes (const char *name, size_t *ret_size)
{
	disk_file_t *file = file_find (name);
	if (!file)
		return NULL;
	*ret_size = file->size;
	return file->now;
}

void disk_put (const char *name, const void *bytes, size_t size)
{
	disk_file_t *file = file_find (name);
	if (!file)
		file = file_make (name);
	changes_clear (file);
	content_set (&file->now, &file->size, bytes, size);
	content_set (&file->synced, &file->synced_size, bytes, size);
	file->synced_there = true;
}

const char *disk_name (size_t index)
{
	for (size_t i = 0; i < FILES_MAX; i++) {
		if (disk.files[i].there && index-- == 0)
			return disk.files[i].name;
	}
	return NULL;
}

disk_image_t *disk_save (void)
{
	disk_image_t *image = memory (NULL, sizeof *image);
	memset (image, 0, sizeof *image);
	for (const char *name; (name = disk_name (image->n)); image->n++) {
		size_t size = 0;
		const uint8_t *bytes = disk_bytes (name, &size);
		snprintf (image->files[image->n].name, NAME_MAX_, "%s", name);
		content_set (&image->files[image->n].bytes, &image->files[image->n].size, bytes, size);
	}
	return image;
}

void disk_restore (const disk_image_t *image)
{
	disk_reset ();
	for (size_t i = 0; i < image->n; i++)
		disk_put (image->files[i].name, image->files[i].bytes, image->files[i].size);
}

void disk_image_free (disk_image_t **image_p)
{
	disk_image_t *image = *image_p;
	for (size_t i = 0; image && i < image->n; i++)
		free (image->files[i].bytes);
	free (image);
	*image_p = NULL;
}
