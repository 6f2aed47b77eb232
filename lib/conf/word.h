/* word.h - the nearest known word to a mistyped one, and user text made fit for a message. Pure. */

#ifndef CONF_WORD_H
#define CONF_WORD_H

#include <stddef.h>

/* Insertions, deletions, replacements and swaps of neighbours that make a into b. Only the first 64
 * bytes of each count. */
size_t word_distance (const char *a, const char *b);

/* The one of known (NULL-terminated) nearest to word, or NULL when none is near enough to be meant:
 * a third of the known word's length, and one more. Case does not count. */
const char *word_nearest (const char *word, const char *const *known);

enum { WORD_QUOTED_MAX = 72 };
/* text in single quotes, at most 60 bytes of it, control characters as '?'. Returns out. */
char *word_quote (const char *text, char out[WORD_QUOTED_MAX]);

#endif
