#include "base/log.h"
#include "base/clock.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static _Atomic int log_level = LOG_LEVEL_INFO;

static const char *const level_names[] = { "debug", "info", "warning", "error" };
static const char *const level_colours[] = { "\x1b[2m", "", "\x1b[33m", "\x1b[31m" };
/* sd-daemon(3) prefixes: journald takes the level from them. */
static const char *const level_journal[] = { "<7>", "<6>", "<4>", "<3>" };

void log_set_level (log_level_t level)
{
	atomic_store (&log_level, (int) level);
}

int log_level_parse (const char *text, log_level_t *ret)
{
	for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++) {
		if (strcmp (text, level_names[i]) == 0) {
			*ret = (log_level_t) i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_write (log_level_t level, const char *component, const char *format, ...)
{
	if ((int) level < atomic_load (&log_level))
		return;
	int saved = errno;
	char line[1024];
	char when[WALL_TEXT_MAX];
	wall_t now = wall_now ();
	int n;
	if (isatty (STDERR_FILENO))
		n = snprintf (line, sizeof line, "%s%s %-7s %s: ", level_colours[level],
		        wall_format_local (now, now, when), level_names[level], component);
	else if (getenv ("JOURNAL_STREAM"))
		n = snprintf (line, sizeof line, "%s%s: ", level_journal[level], component);
	else
		n = snprintf (line, sizeof line, "%s %-7s %s: ", wall_format_rfc3339 (now, when),
		        level_names[level], component);
	size_t at = n < 0 ? 0 : (size_t) n;
	va_list args;
	va_start (args, format);
	n = vsnprintf (line + at, sizeof line - at, format, args);
	va_end (args);
	at += n < 0 ? 0 : (size_t) n;
	if (at > sizeof line - 8)
		at = sizeof line - 8;
	/* One line stays one line, whatever a peer put into it. */
	for (size_t i = 0; i < at; i++) {
		if ((unsigned char) line[i] < 0x20 && line[i] != '\x1b')
			line[i] = ' ';
	}
	if (isatty (STDERR_FILENO) && *level_colours[level]) {
		memcpy (line + at, "\x1b[0m", 4);
		at += 4;
	}
	line[at++] = '\n';
	ssize_t ignored = write (STDERR_FILENO, line, at);
	(void) ignored;
	errno = saved;
}
