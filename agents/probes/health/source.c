#include "agents/probes/health/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FIRST_CAPACITY = 8192, NUMBER_MAX = 512 };

void text_free (text_t *self)
{
	free (self->data);
	*self = (text_t){ 0 };
}

static bool text_room (text_t *self)
{
	if (self->size + 1 < self->capacity)
		return true;
	if (self->capacity >= SOURCE_TEXT_MAX)
		return false;
	size_t capacity = self->capacity ? 2 * self->capacity : FIRST_CAPACITY;
	char *data = realloc (self->data, capacity);
	if (!data)
		return false;
	self->data = data;
	self->capacity = capacity;
	return true;
}

static bool text_read (text_t *self, int fd, source_kind_t kind)
{
	self->size = 0;
	while (text_room (self)) {
		size_t room = self->capacity - 1 - self->size;
		if (kind == SOURCE_NUMBER && room > NUMBER_MAX)
			room = NUMBER_MAX;
		ssize_t n = pread (fd, self->data + self->size, room, (off_t) self->size);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		if (n == 0)
			break;
		self->size += (size_t) n;
		if (kind != SOURCE_PIECES && (size_t) n < room)
			break;
	}
	while (self->size && self->data[self->size - 1] != '\n')
		self->size--;
	if (!self->size)
		return false;
	self->data[self->size] = '\0';
	return true;
}

source_t source_of (int root, const char *path, source_kind_t kind)
{
	return (source_t){ .root = root, .path = path, .kind = kind, .fd = -1 };
}

void source_close (source_t *self)
{
	if (self->fd >= 0)
		close (self->fd);
	self->fd = -1;
}

bool source_read (source_t *self, text_t *text)
{
	if (self->fd < 0) {
		if (self->wait) {
			self->wait--;
			return false;
		}
		self->fd = openat (self->root, self->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
		if (self->fd < 0) {
			self->wait = SOURCE_RETRY;
			return false;
		}
	}
	if (text_read (text, self->fd, self->kind))
		return true;
	source_close (self);
	self->wait = SOURCE_RETRY;
	return false;
}

bool source_read_once (int root, const char *path, text_t *text)
{
	int fd = openat (root, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	bool there = text_read (text, fd, SOURCE_NUMBER);
	close (fd);
	return there;
}

/* --- scanning ------------------------------------------------------------------------------------- */

char *scan_line (char **p)
{
	char *line = *p, *end = strchr (line, '\n');
	if (!end)
		return NULL;
	*end = '\0';
	*p = end + 1;
	return line;
}

static void skip_blanks (char **p)
{
	while (**p == ' ' || **p == '\t')
		(*p)++;
}

char *scan_word (char **p)
{
	skip_blanks (p);
	char *word = *p;
	if (!*word)
		return NULL;
	char *end = word + strcspn (word, " \t");
	*p = *end ? end + 1 : end;
	*end = '\0';
	return word;
}

bool scan_u64 (char **p, uint64_t *ret)
{
	char *s = *p;
	skip_blanks (&s);
	if (*s < '0' || *s > '9')
		return false;
	uint64_t value = 0;
	bool over = false;
	for (; *s >= '0' && *s <= '9'; s++) {
		unsigned digit = (unsigned) (*s - '0');
		over |= __builtin_mul_overflow (value, 10, &value);
		over |= __builtin_add_overflow (value, digit, &value);
	}
	*ret = over ? UINT64_MAX : value;
	*p = s;
	return true;
}

bool scan_hex (char **p, uint64_t *ret)
{
	char *s = *p;
	skip_blanks (&s);
	uint64_t value = 0;
	char *first = s;
	for (;; s++) {
		unsigned digit;
		if (*s >= '0' && *s <= '9')
			digit = (unsigned) (*s - '0');
		else if (*s >= 'a' && *s <= 'f')
			digit = (unsigned) (*s - 'a' + 10);
		else if (*s >= 'A' && *s <= 'F')
			digit = (unsigned) (*s - 'A' + 10);
		else
			break;
		value = value >> 60 ? UINT64_MAX : value << 4 | digit;
	}
	if (s == first)
		return false;
	*ret = value;
	*p = s;
	return true;
}

bool scan_fraction (char **p, double *ret)
{
	uint64_t whole, part = 0;
	char *s = *p;
	if (!scan_u64 (&s, &whole))
		return false;
	double value = (double) whole;
	if (*s == '.') {
		s++;
		double scale = 1;
		for (; *s >= '0' && *s <= '9'; s++) {
			if (scale >= 1e15)
				continue;
			part = part * 10 + (unsigned) (*s - '0');
			scale *= 10;
		}
		value += (double) part / scale;
	}
	*ret = value;
	*p = s;
	return true;
}

bool scan_is (char **p, const char *word)
{
	size_t size = strlen (word);
	if (strncmp (*p, word, size) != 0)
		return false;
	*p += size;
	return true;
}
