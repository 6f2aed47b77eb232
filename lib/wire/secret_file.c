#include "wire/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int secret_text_new (size_t room, secret_text_t *ret, err_t *err)
{
	if (sodium_init () < 0)
		return error_set (err, -EIO, "libsodium does not start");
	char *text = sodium_malloc (room + 1);
	if (!text)
		return error_set (err, -ENOMEM, "no guarded memory for keys (see `ulimit -l`)");
	text[0] = '\0';
	*ret = (secret_text_t){ text, 0, room };
	return 0;
}

void secret_text_free (secret_text_t *self)
{
	if (self->text)
		sodium_free (self->text);
	*self = (secret_text_t){ 0 };
}

int secret_text_append (secret_text_t *self, const char *text)
{
	size_t size = strlen (text);
	if (size > self->room - self->size)
		return -EFBIG;
	memcpy (self->text + self->size, text, size + 1);
	self->size += size;
	return 0;
}

int secret_text_append_hex (secret_text_t *self, const void *bytes, size_t size)
{
	if (2 * size > self->room - self->size)
		return -EFBIG;
	sodium_bin2hex (self->text + self->size, 2 * size + 1, bytes, size);
	self->size += 2 * size;
	return 0;
}

static int owner_check (int fd, const char *file, const char *what, err_t *err)
{
	struct stat st;
	if (fstat (fd, &st) < 0)
		return error_set (err, -errno, "%s: %s", file, strerror (errno));
	if (!S_ISREG (st.st_mode))
		return error_set (err, -EINVAL, "%s: not a regular file", file);
	if (st.st_uid != geteuid () && st.st_uid != 0)
		return error_set (err, -EACCES,
		        "%s: belongs to uid %u; a %s belongs to root or to this user (uid %u)", file,
		        (unsigned) st.st_uid, what, (unsigned) geteuid ());
	if (st.st_mode & 077)
		return error_set (err, -EACCES, "%s: mode %03o lets others read it; `chmod 600` it", file,
		        (unsigned) st.st_mode & 0777);
	return 0;
}

static int read_all (int fd, const char *file, const char *what, secret_text_t *text, err_t *err)
{
	char beyond;
	ssize_t n = 0;
	while (text->size < text->room &&
	        (n = read (fd, text->text + text->size, text->room - text->size)) > 0)
		text->size += (size_t) n;
	text->text[text->size] = '\0';
	if (n >= 0 && text->size == text->room)
		n = read (fd, &beyond, 1);
	if (n < 0)
		return error_set (err, -errno, "%s: %s", file, strerror (errno));
	if (n > 0)
		return error_set (err, -EINVAL, "%s: larger than %zu bytes: no %s", file, text->room, what);
	return 0;
}

int secret_file_load (
        const char *file, const char *what, const char *make, size_t size_max, secret_text_t *ret, err_t *err)
{
	int fd = open (file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		int r = -errno;
		return r == -ENOENT ? error_set (err, r, "%s: %s; `%s` makes a %s", file, strerror (-r), make,
		                              what)
		                    : error_set (err, r, "%s: %s", file, strerror (-r));
	}
	secret_text_t text = { 0 };
	int r = owner_check (fd, file, what, err);
	if (!r && (r = secret_text_new (size_max, &text, err)))
		error_prefix (err, "%s: ", file);
	if (!r)
		r = read_all (fd, file, what, &text, err);
	close (fd);
	if (r)
		secret_text_free (&text);
	else
		*ret = text;
	return r;
}

static int write_all (int fd, const char *text, size_t size)
{
	while (size > 0) {
		ssize_t n = write (fd, text, size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		text += n;
		size -= (size_t) n;
	}
	return fsync (fd) ? -errno : 0;
}

/* The name, too, must survive a crash. Some filesystems sync no directories: then there is no more to do. */
static void directory_sync (const char *file)
{
	char directory[4096];
	const char *slash = strrchr (file, '/');
	snprintf (directory, sizeof directory, "%.*s", slash ? (int) (slash - file + 1) : 1,
	        slash ? file : ".");
	int fd = open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void) fsync (fd);
		close (fd);
	}
}

int secret_file_write (
        const char *file, const char *what, const secret_text_t *text, bool replace, err_t *err)
{
	char temporary[4096];
	int size = snprintf (temporary, sizeof temporary, "%s.XXXXXX", file);
	if (size < 0 || (size_t) size >= sizeof temporary)
		return error_set (err, -ENAMETOOLONG, "%s: %s", file, strerror (ENAMETOOLONG));
	int fd = mkostemp (temporary, O_CLOEXEC); /* 0600 */
	if (fd < 0)
		return error_set (err, -errno, "%s: cannot be written beside: %s", file, strerror (errno));
	int r = write_all (fd, text->text, text->size);
	if (close (fd) && !r)
		r = -errno;
	/* link refuses a name that is taken, rename replaces it. */
	if (!r && (replace ? rename (temporary, file) : link (temporary, file)))
		r = -errno;
	if (r || !replace)
		unlink (temporary);
	if (r)
		return r == -EEXIST ? error_set (err, r, "%s exists: a %s is never overwritten", file, what)
		                    : error_set (err, r, "%s: %s", file, strerror (-r));
	directory_sync (file);
	return 0;
}
