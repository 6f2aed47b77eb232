/* word.h - the nearest known word to a mistyped one, and user text made fit for a message. Pure. */

#ifndef CONF_WORD_H
#define CONF_WORD_H

#include <stddef.h>

/* The one of known (NULL-terminated) nearest to word, or NULL when none is near enough to be meant. */
const char *word_nearest (const char *word, const char *const *known);

enum { WORD_QUOTED_MAX = 72 };
/* text in single quotes, at most 60 bytes of it, control characters as '?'. Returns out. */
char *word_quote (const char *text, char out[WORD_QUOTED_MAX]);

#endif
