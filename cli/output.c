#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { COLUMNS_MIN = 40, COLUMNS_MAX = 1000, COLUMNS_DEFAULT = 80 };

void output_init (output_t *self, FILE *out, FILE *err)
{
	*self = (output_t){ .out = out, .err = err };
	int fd = fileno (out);
	if (fd < 0 || !isatty (fd))
		return;
	struct winsize size;
	const char *columns = getenv ("COLUMNS");
	long width = columns ? strtol (columns, NULL, 10) : 0;
	if (width <= 0 && ioctl (fd, TIOCGWINSZ, &size) == 0)
		width = size.ws_col;
	if (width <= 0)
		width = COLUMNS_DEFAULT;
	self->columns = (int) (width < COLUMNS_MIN ? COLUMNS_MIN : width > COLUMNS_MAX ? COLUMNS_MAX : width);
	const char *no_colour = getenv ("NO_COLOR"), *term = getenv ("TERM");
	self->colour = !(no_colour && *no_colour) && term && strcmp (term, "dumb") != 0;
}

const char *output_style (const output_t *self, style_t style)
{
	static const char *const codes[] = { [STYLE_PLAIN] = "",
		[STYLE_DIM] = "\033[2m",
		[STYLE_BOLD] = "\033[1m",
		[STYLE_GREEN] = "\033[32m",
		[STYLE_YELLOW] = "\033[33m",
		[STYLE_RED] = "\033[31m",
		[STYLE_ALARM] = "\033[1;37;41m" };
	return self->colour ? codes[style] : "";
}

const char *output_reset (const output_t *self, style_t style)
{
	return self->colour && style != STYLE_PLAIN ? "\033[0m" : "";
}

style_t style_of_severity (int severity)
{
	static const style_t styles[] = { STYLE_PLAIN, STYLE_DIM, STYLE_PLAIN, STYLE_YELLOW, STYLE_RED,
		STYLE_ALARM };
	return severity >= 0 && severity <= 5 ? styles[severity] : STYLE_PLAIN;
}

style_t style_of_status (int status)
{
	static const style_t styles[] = { STYLE_DIM, STYLE_GREEN, STYLE_YELLOW, STYLE_RED, STYLE_DIM };
	return status >= 0 && status <= 4 ? styles[status] : STYLE_PLAIN;
}

/* Bytes of the character at p, 1 where it is no valid lead. */
static size_t character_size (const unsigned char *p)
{
	size_t n = *p < 0x80             ? 1
	           : (*p & 0xe0) == 0xc0 ? 2
	           : (*p & 0xf0) == 0xe0 ? 3
	           : (*p & 0xf8) == 0xf0 ? 4
	                                 : 1;
	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 1;
	}
	return n;
}

/* C0, DEL, C1, stray bytes; zero-width and directional marks, line separators. */
static bool steers (const unsigned char *p, size_t n)
{
	if (n == 1)
		return *p < 0x20 || *p >= 0x7f;
	if (n == 2)
		return p[0] == 0xc2 && p[1] < 0xa0;
	if (n == 3 && p[0] == 0xe2 && p[1] == 0x80)
		return (p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae);
	return n == 3 && p[0] == 0xe2 && p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf;
}

void text_clean (buffer_t *out, const char *text)
{
	for (const unsigned char *p = (const unsigned char *) text; *p;) {
		size_t n = character_size (p);
		if (!steers (p, n))
			buffer_append (out, p, n);
		for (size_t i = 0; i < n && steers (p, n); i++)
			buffer_printf (out, "\\x%02x", p[i]);
		p += n;
	}
}

size_t text_width (const char *text)
{
	size_t width = 0;
	for (const unsigned char *p = (const unsigned char *) text; *p; p++)
		width += (*p & 0xc0) != 0x80;
	return width;
}

int output_line (output_t *self, buffer_t *line)
{
	if (buffer_failed (line)) {
		buffer_reset (line);
		return -ENOMEM;
	}
	errno = 0;
	buffer_char (line, '\n');
	size_t written = fwrite (buffer_string (line), 1, line->size, self->out);
	bool whole = written == line->size;
	buffer_reset (line);
	return whole ? 0 : errno ? -errno : -EIO;
}

void output_complain (output_t *self, const char *format, ...)
{
	char text[1024];
	buffer_t clean = BUFFER_INIT;
	va_list args;
	va_start (args, format);
	vsnprintf (text, sizeof text, format, args);
	va_end (args);
	text_clean (&clean, text);
	fprintf (self->err, "belfry: %s\n", buffer_string (&clean));
	buffer_free (&clean);
}
