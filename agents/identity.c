/* The file is text with a checksum over what stands before it:
 *
 *   belfry-incarnation 1
 *   incarnation 7
 *   boot_nonce 0123456789abcdef
 *   confirmed yes
 *   checksum 32 hexadecimal digits of BLAKE2b
 *
 * It is replaced as a whole: temporary file, fsync, rename, fsync of the directory. */

#include "agents/identity.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHECKSUM_SIZE = 16, FILE_MAX = 512 };

static const char file_name[] = "incarnation", temporary_name[] = "incarnation.new",
                  corrupt_name[] = "incarnation.corrupt", lock_name[] = "lock";

struct identity {
	char *state_dir;
	int dir, lock;
	uint64_t stored; /* 0: none */
	bool confirmed;
};

static void checksum_of (const char *text, size_t size, char hex[2 * CHECKSUM_SIZE + 1])
{
	unsigned char sum[CHECKSUM_SIZE];
	crypto_generichash (sum, sizeof sum, (const unsigned char *) text, size, NULL, 0);
	sodium_bin2hex (hex, 2 * CHECKSUM_SIZE + 1, sum, sizeof sum);
}

/* False when the text is not one that file_write made. */
static bool file_parse (identity_t *self, const char *text)
{
	uint64_t number, nonce;
	char confirmed[4], sum[2 * CHECKSUM_SIZE + 1], wanted[2 * CHECKSUM_SIZE + 1];
	const char *tail = strstr (text, "checksum ");
	if (!tail || sscanf (text,
	                     "belfry-incarnation 1\nincarnation %" SCNu64 "\nboot_nonce %" SCNx64
	                     "\nconfirmed %3[a-z]\nchecksum %32[0-9a-f]\n",
	                     &number, &nonce, confirmed, sum) != 4)
		return false;
	checksum_of (text, (size_t) (tail - text), wanted);
	if (strcmp (sum, wanted) != 0 || number == 0 || number == UINT64_MAX)
		return false;
	self->stored = number;
	self->confirmed = strcmp (confirmed, "yes") == 0;
	return true;
}

static ssize_t file_read (int dir, char text[FILE_MAX + 1])
{
	int fd = openat (dir, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	ssize_t n = read (fd, text, FILE_MAX);
	if (n < 0)
		n = -errno;
	close (fd);
	if (n >= 0)
		text[n] = '\0';
	return n;
}

static int file_write (identity_t *self, uint64_t number, uint64_t nonce, bool confirmed)
{
	char text[FILE_MAX], sum[2 * CHECKSUM_SIZE + 1];
	int n = snprintf (text, sizeof text,
	        "belfry-incarnation 1\nincarnation %" PRIu64 "\nboot_nonce %016" PRIx64 "\nconfirmed %s\n",
	        number, nonce, confirmed ? "yes" : "no");
	checksum_of (text, (size_t) n, sum);
	n += snprintf (text + n, sizeof text - (size_t) n, "checksum %s\n", sum);
	int fd = openat (
	        self->dir, temporary_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ssize_t written = write (fd, text, (size_t) n);
	int r = written == n ? 0 : written < 0 ? -errno : -ENOSPC;
	if (!r && fsync (fd) < 0)
		r = -errno;
	if (close (fd) < 0 && !r)
		r = -errno;
	if (!r && renameat (self->dir, temporary_name, self->dir, file_name) < 0)
		r = -errno;
	if (!r && fsync (self->dir) < 0)
		r = -errno;
	if (r)
		unlinkat (self->dir, temporary_name, 0);
	return r;
}

/* mkdir -p; every directory that is made is ours alone. */
static int directory_make (const char *path, err_t *err)
{
	char *copy = strdup (path);
	if (!copy)
		return error_set (err, -ENOMEM, "out of memory");
	for (char *p = copy + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char end = *p;
		*p = '\0';
		if (mkdir (copy, 0700) < 0 && errno != EEXIST) {
			int r = -errno;
			error_set (err, r, "state_dir %s: cannot make %s: %s", path, copy, strerror (-r));
			free (copy);
			return r;
		}
		if (!end)
			break;
		*p = end;
	}
	free (copy);
	return 0;
}

static int directory_open (identity_t *self, err_t *err)
{
	int r = directory_make (self->state_dir, err);
	if (r)
		return r;
	self->dir = open (self->state_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;
	if (self->dir < 0 || fstat (self->dir, &st) < 0) {
		r = -errno;
		return error_set (err, r, "state_dir %s: %s", self->state_dir, strerror (-r));
	}
	if (st.st_mode & 022)
		return error_set (err, -EACCES,
		        "state_dir %s: mode %03o lets others write to it; `chmod 700` it, or name another",
		        self->state_dir, (unsigned) st.st_mode & 0777);
	if (faccessat (self->dir, ".", W_OK | X_OK, AT_EACCESS) < 0) {
		r = -errno;
		return error_set (err, r, "state_dir %s: not writable by uid %u: %s", self->state_dir,
		        (unsigned) geteuid (), strerror (-r));
	}
	return 0;
}

static int lock_take (identity_t *self, err_t *err)
{
	self->lock = openat (self->dir, lock_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (self->lock < 0) {
		int r = -errno;
		return error_set (err, r, "%s/%s: %s", self->state_dir, lock_name, strerror (-r));
	}
	char pid[16] = "";
	if (flock (self->lock, LOCK_EX | LOCK_NB) < 0) {
		int r = -errno;
		if (r != -EWOULDBLOCK)
			return error_set (err, r, "%s/%s: %s", self->state_dir, lock_name, strerror (-r));
		ssize_t n = pread (self->lock, pid, sizeof pid - 1, 0);
		pid[n > 0 ? strcspn (pid, "\n") : 0] = '\0';
		return error_set (err, r,
		        "state_dir %s: another belfry-agent%s%s runs there; give each agent its own "
		        "state_dir",
		        self->state_dir, *pid ? ", pid " : "", pid);
	}
	/* Only a help for the message above: a full disk may refuse it. */
	int n = snprintf (pid, sizeof pid, "%d\n", (int) getpid ());
	if (ftruncate (self->lock, 0) == 0)
		(void) !pwrite (self->lock, pid, (size_t) n, 0);
	return 0;
}

static void stored_read (identity_t *self, err_t *note)
{
	char text[FILE_MAX + 1];
	ssize_t n = file_read (self->dir, text);
	if (n == -ENOENT) {
		error_set (note, 0,
		        "%s: no incarnation is stored: a first start, or a lost disk; a collector says which",
		        self->state_dir);
		return;
	}
	if (n >= 0 && strlen (text) == (size_t) n && file_parse (self, text))
		return;
	const char *what = n < 0 ? strerror ((int) -n) : "its checksum does not fit";
	if (n >= 0 && renameat (self->dir, file_name, self->dir, corrupt_name) < 0)
		error_set (note, 0,
		        "%s/%s: %s, and it cannot be set aside: %s; the next number comes from a collector",
		        self->state_dir, file_name, what, strerror (errno));
	else
		error_set (note, 0, "%s/%s: %s%s%s; the next number comes from a collector", self->state_dir,
		        file_name, what, n < 0 ? "" : "; set aside as ", n < 0 ? "" : corrupt_name);
}

int identity_open (const char *state_dir, identity_t **ret, err_t *note, err_t *err)
{
	if (sodium_init () < 0)
		return error_set (err, -EIO, "libsodium does not start");
	identity_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->dir = self->lock = -1;
	self->state_dir = strdup (state_dir);
	int r = self->state_dir ? 0 : error_set (err, -ENOMEM, "out of memory");
	if (!r)
		r = directory_open (self, err);
	if (!r)
		r = lock_take (self, err);
	if (r) {
		identity_destroy (&self);
		return r;
	}
	note->text[0] = '\0';
	stored_read (self, note);
	*ret = self;
	return 0;
}

void identity_destroy (identity_t **self_p)
{
	identity_t *self = *self_p;
	if (!self)
		return;
	if (self->lock >= 0)
		close (self->lock);
	if (self->dir >= 0)
		close (self->dir);
	free (self->state_dir);
	free (self);
	*self_p = NULL;
}

int identity_advance (identity_t *self, uint64_t at_least, incarnation_t *ret, err_t *err)
{
	uint64_t number = self->stored + 1;
	if (number < at_least)
		number = at_least;
	uint64_t nonce;
	randombytes_buf (&nonce, sizeof nonce);
	/* What was named by a collector is free by its word. */
	bool certain = self->confirmed || at_least > 0;
	int r = file_write (self, number, nonce, certain);
	*ret = (incarnation_t){ number, nonce, certain && !r };
	/* Even a number that did not reach the disk is not used twice by this process. */
	self->stored = number;
	self->confirmed = certain;
	if (r)
		error_set (err, r,
		        "%s/%s: %s; going on without a stored incarnation: a collector must accept it first",
		        self->state_dir, file_name, strerror (-r));
	return r;
}

int identity_confirm (identity_t *self, const incarnation_t *incarnation, err_t *err)
{
	if (self->confirmed && incarnation->certain)
		return 0;
	int r = file_write (self, incarnation->incarnation, incarnation->boot_nonce, true);
	if (r)
		return error_set (err, r, "%s/%s: %s", self->state_dir, file_name, strerror (-r));
	self->confirmed = true;
	return 0;
}
