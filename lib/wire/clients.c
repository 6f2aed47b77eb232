/* Files are read in the order of their names, so that what is said of them, and which of two lines comes
 * first, does not depend on the disk. Keys that come twice are found at the end, by sorting. */

#include "wire/clients.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { WORDS = 3, LINE_MAX_SIZE = 512 };

typedef struct {
	clients_t *clients;
	clients_error_fn *error;
	void *arg;
	int wrong; /* the first negative errno of what is wrong */
} reading_t;

static void wrong (reading_t *self, int code, const char *file, unsigned line, const char *format, ...)
        PRINTF_LIKE (5, 6);
static void wrong (reading_t *self, int code, const char *file, unsigned line, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list args;
	va_start (args, format);
	vsnprintf (text, sizeof text, format, args);
	va_end (args);
	if (!self->wrong)
		self->wrong = code;
	self->error (self->arg, file, line, text);
}

static int entry_add (clients_t *self, const clients_entry_t *entry)
{
	if (self->n == self->room) {
		size_t room = self->room ? self->room * 2 : 16;
		clients_entry_t *items = realloc (self->items, room * sizeof *items);
		if (!items)
			return -ENOMEM;
		self->items = items;
		self->room = room;
	}
	self->items[self->n++] = *entry;
	return 0;
}

/* --- one line ------------------------------------------------------------------------------- */

/* At most WORDS + 1 of them. */
static size_t words_split (const char *line, size_t size, span_t words[WORDS + 1])
{
	size_t n = 0;
	for (size_t at = 0; at < size && n <= WORDS;) {
		while (at < size && strchr (" \t\r", line[at]))
			at++;
		size_t begin = at;
		while (at < size && !strchr (" \t\r", line[at]))
			at++;
		if (at > begin)
			words[n++] = span_of (line + begin, at - begin);
	}
	return n;
}

static void line_take (reading_t *self, const char *line, size_t size, const char *file, unsigned number)
{
	span_t words[WORDS + 1];
	clients_entry_t entry = { .file = file, .line = number };
	if (size > LINE_MAX_SIZE || memchr (line, '\0', size)) {
		wrong (self, -EINVAL, file, number, "is no line of KEY ROLE NAME");
		return;
	}
	size_t n = words_split (line, size, words);
	if (n == 0 || *(const char *) words[0].data == '#')
		return;
	if (n != WORDS) {
		wrong (self, -EINVAL, file, number, "want three words: KEY ROLE NAME");
		return;
	}
	if (!z85_decode (words[0].data, words[0].size, entry.key)) {
		wrong (self, -EINVAL, file, number, "'%.*s' is no key: 40 characters of Z85",
		        words[0].size < 60 ? (int) words[0].size : 60, (const char *) words[0].data);
		return;
	}
	entry.role = role_of (words[1]);
	if (entry.role == ROLE_NONE || entry.role == ROLE_ENROL) {
		wrong (self, -EINVAL, file, number, "'%.*s' is no role: agent, viewer or operator",
		        words[1].size < 60 ? (int) words[1].size : 60, (const char *) words[1].data);
		return;
	}
	if (!topic_name_valid (words[2], ROLE_NAME_MAX) ||
	        (entry.role == ROLE_AGENT && topic_node_is_collector (words[2]))) {
		wrong (self, -EINVAL, file, number,
		        "'%.*s' is no name: at most %d of [A-Za-z0-9._-], a letter or digit first, and no "
		        "agent "
		        "begins with collector.",
		        words[2].size < 60 ? (int) words[2].size : 60, (const char *) words[2].data,
		        ROLE_NAME_MAX);
		return;
	}
	memcpy (entry.name, words[2].data, words[2].size);
	if (self->clients->n == CLIENTS_MAX)
		wrong (self, -EINVAL, file, number, "more than %d keys", CLIENTS_MAX);
	else if (entry_add (self->clients, &entry))
		wrong (self, -ENOMEM, file, number, "out of memory");
}

static void text_take (reading_t *self, const char *text, size_t size, const char *file)
{
	unsigned number = 0;
	/* Past a bound that nobody means, and past what could not be kept, nothing is learned. */
	for (size_t at = 0; at < size && self->clients->n < CLIENTS_MAX && self->wrong != -ENOMEM;) {
		const char *newline = memchr (text + at, '\n', size - at);
		size_t line = newline ? (size_t) (newline - (text + at)) : size - at;
		line_take (self, text + at, line, file, ++number);
		at += line + 1;
	}
}

/* --- keys that come twice ------------------------------------------------------------------- */

static int by_key (const void *a, const void *b)
{
	const clients_entry_t *x = *(const clients_entry_t *const *) a,
	                      *y = *(const clients_entry_t *const *) b;
	int order = memcmp (x->key, y->key, Z85_KEY_SIZE);
	return order ? order : (x > y) - (x < y);
}

static void twice_check (reading_t *self)
{
	const clients_t *clients = self->clients;
	const clients_entry_t **sorted = calloc (clients->n + 1, sizeof *sorted);
	if (!sorted) {
		wrong (self, -ENOMEM, "clients", 0, "out of memory");
		return;
	}
	for (size_t i = 0; i < clients->n; i++)
		sorted[i] = &clients->items[i];
	qsort (sorted, clients->n, sizeof *sorted, by_key);
	for (size_t i = 1; i < clients->n; i++) {
		if (memcmp (sorted[i - 1]->key, sorted[i]->key, Z85_KEY_SIZE) == 0)
			wrong (self, -EINVAL, sorted[i]->file, sorted[i]->line,
			        "this key stands at %s:%u already, for %s %s", sorted[i - 1]->file,
			        sorted[i - 1]->line, role_word (sorted[i - 1]->role), sorted[i - 1]->name);
	}
	free (sorted);
}

/* --- files ---------------------------------------------------------------------------------- */

/* Whoever can write here can let anybody in. */
static int owner_check (reading_t *self, const struct stat *st, const char *path)
{
	if (st->st_uid != geteuid () && st->st_uid != 0)
		wrong (self, -EACCES, path, 0,
		        "belongs to uid %u; it must belong to root or to this user (uid %u)",
		        (unsigned) st->st_uid, (unsigned) geteuid ());
	else if (st->st_mode & 022)
		wrong (self, -EACCES, path, 0, "mode %03o lets others write it; `chmod go-w` it",
		        (unsigned) st->st_mode & 0777);
	else
		return 0;
	return -EACCES;
}

static void file_take (reading_t *self, const char *path)
{
	struct stat st;
	char *text = NULL;
	size_t size = 0;
	ssize_t n = 0;
	int fd = open (path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0 || fstat (fd, &st) < 0) {
		wrong (self, -errno, path, 0, "%s", strerror (errno));
	} else if (!S_ISREG (st.st_mode)) {
		wrong (self, -EINVAL, path, 0, "is no regular file");
	} else if (owner_check (self, &st, path)) {
		;
	} else if (st.st_size > CLIENTS_FILE_MAX) {
		wrong (self, -EINVAL, path, 0, "is larger than %d bytes", CLIENTS_FILE_MAX);
	} else if (!(text = malloc ((size_t) st.st_size + 1))) {
		wrong (self, -ENOMEM, path, 0, "out of memory");
	} else {
		while (size < (size_t) st.st_size &&
		        (n = read (fd, text + size, (size_t) st.st_size - size)) > 0)
			size += (size_t) n;
		if (n < 0)
			wrong (self, -errno, path, 0, "%s", strerror (errno));
		else
			text_take (self, text, size, path);
	}
	free (text);
	if (fd >= 0)
		close (fd);
}

static int by_name (const void *a, const void *b)
{
	return strcmp (*(char *const *) a, *(char *const *) b);
}

/* The paths of the directory's files, in order. */
static void files_list (reading_t *self, const char *directory)
{
	clients_t *clients = self->clients;
	struct stat st;
	DIR *dir = opendir (directory);
	if (!dir || fstat (dirfd (dir), &st) < 0) {
		wrong (self, -errno, directory, 0,
		        errno == ENOENT ? "%s; it is the directory of the keys that may connect" : "%s",
		        strerror (errno));
	} else if (owner_check (self, &st, directory) == 0 &&
	           !(clients->files = calloc (CLIENTS_FILES_MAX, sizeof *clients->files))) {
		wrong (self, -ENOMEM, directory, 0, "out of memory");
	}
	for (const struct dirent *entry; !self->wrong && (entry = readdir (dir));) {
		if (entry->d_name[0] == '.')
			continue;
		if (clients->n_files == CLIENTS_FILES_MAX)
			wrong (self, -EINVAL, directory, 0, "holds more than %d files", CLIENTS_FILES_MAX);
		else if (asprintf (&clients->files[clients->n_files], "%s/%s", directory, entry->d_name) < 0)
			wrong (self, -ENOMEM, directory, 0, "out of memory");
		else
			clients->n_files++;
	}
	if (clients->files)
		qsort (clients->files, clients->n_files, sizeof *clients->files, by_name);
	if (dir)
		closedir (dir);
}

static int reading_end (reading_t *self, clients_t **ret)
{
	if (!self->wrong)
		twice_check (self);
	if (self->wrong)
		clients_destroy (&self->clients);
	else
		*ret = self->clients;
	return self->wrong;
}

int clients_load (const char *directory, clients_error_fn *error, void *arg, clients_t **ret)
{
	reading_t reading = { .clients = calloc (1, sizeof (clients_t)), .error = error, .arg = arg };
	if (!reading.clients)
		return -ENOMEM;
	files_list (&reading, directory);
	for (size_t i = 0; i < reading.clients->n_files && reading.wrong != -ENOMEM; i++)
		file_take (&reading, reading.clients->files[i]);
	return reading_end (&reading, ret);
}

int clients_parse (
        const char *text, size_t size, const char *name, clients_error_fn *error, void *arg, clients_t **ret)
{
	reading_t reading = { .clients = calloc (1, sizeof (clients_t)), .error = error, .arg = arg };
	if (!reading.clients)
		return -ENOMEM;
	clients_t *clients = reading.clients;
	clients->files = calloc (1, sizeof *clients->files);
	if (clients->files && (clients->files[0] = strdup (name)))
		clients->n_files = 1;
	if (clients->n_files)
		text_take (&reading, text, size, clients->files[0]);
	else
		reading.wrong = -ENOMEM;
	return reading_end (&reading, ret);
}

void clients_destroy (clients_t **self_p)
{
	clients_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < self->n_files; i++)
		free (self->files[i]);
	free (self->files);
	free (self->items);
	free (self);
	*self_p = NULL;
}
