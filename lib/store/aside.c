/* The fresh file is whole before the first name changes. Where there is a database under its own name, nothing
 * was exchanged yet, or everything; where there is none, the fresh one is it. */

#include "store/aside.h"

#include <dirent.h>
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char mark[] = ".corrupt-";

void aside_names (aside_t *self, const char *vfs, const char *path, wall_t now)
{
	char stamp[32];
	time_t seconds = (time_t) (now.ns / NS_PER_S);
	struct tm tm;
	gmtime_r (&seconds, &tm);
	strftime (stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", &tm);
	const int most = FILES_PATH_MAX - 128;
	self->vfs = vfs;
	snprintf (self->path, sizeof self->path, "%.*s", most, path);
	snprintf (self->wal, sizeof self->wal, "%.*s-wal", most, path);
	snprintf (self->fresh, sizeof self->fresh, "%.*s.new", most, path);
	snprintf (self->fresh_wal, sizeof self->fresh_wal, "%.*s.new-wal", most, path);
	for (unsigned i = 0;; i++) {
		snprintf (self->damaged, sizeof self->damaged, "%.*s%s%s%s%.0u", most, path, mark, stamp,
		        i ? "-" : "", i);
		if (!files_exist (vfs, self->damaged) || i == 99)
			break;
	}
	snprintf (self->damaged_wal, sizeof self->damaged_wal, "%.*s-wal", FILES_PATH_MAX - 8, self->damaged);
}

int aside_begin (const aside_t *self, err_t *err)
{
	int r = files_delete (self->vfs, self->fresh_wal);
	if (!r)
		r = files_delete (self->vfs, self->fresh);
	return r ? error_set (err, r, "%s: cannot be removed: %s", self->fresh, strerror (-r)) : 0;
}

/* Only names; the system's directories alone are read. */
static void names_prune (const aside_t *self)
{
	char copy[FILES_PATH_MAX], prefix[FILES_PATH_MAX], name[2 * FILES_PATH_MAX];
	struct dirent **found;
	if (self->vfs)
		return;
	snprintf (copy, sizeof copy, "%s", self->path);
	snprintf (prefix, sizeof prefix, "%s%s", basename (copy), mark);
	snprintf (copy, sizeof copy, "%s", self->path);
	const char *directory = dirname (copy);
	int n = scandir (directory, &found, NULL, alphasort), sets = 0;
	/* Their names are in the order of time; a WAL goes with its database. */
	for (int i = n - 1; i >= 0; i--) {
		const char *entry = found[i]->d_name;
		size_t size = strlen (entry);
		bool wal = size > 4 && strcmp (entry + size - 4, "-wal") == 0;
		if (strncmp (entry, prefix, strlen (prefix)) == 0 && !wal && ++sets > ASIDE_KEPT) {
			snprintf (name, sizeof name, "%s/%s", directory, entry);
			(void) files_delete (NULL, name);
			snprintf (name, sizeof name, "%s/%s-wal", directory, entry);
			(void) files_delete (NULL, name);
		}
		free (found[i]);
	}
	if (n >= 0)
		free (found);
}

int aside_exchange (const aside_t *self, err_t *err)
{
	int r = files_rename (self->vfs, self->path, self->damaged);
	if (!r || r == -ENOENT)
		r = files_rename (self->vfs, self->wal, self->damaged_wal);
	if (!r || r == -ENOENT)
		r = files_rename (self->vfs, self->fresh, self->path);
	if (r)
		return error_set (err, r, "%s: cannot be set aside: %s", self->path, strerror (-r));
	names_prune (self);
	return 0;
}

int aside_finish (const aside_t *self, err_t *err)
{
	if (files_exist (self->vfs, self->path))
		return aside_begin (self, err);
	return files_exist (self->vfs, self->fresh) ? aside_exchange (self, err) : 0;
}
