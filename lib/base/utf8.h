/* utf8.h - text from outside made valid UTF-8 at its source (wire.md, "Frames on the stream"). */

#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed character at text, 0 when there is none, or a NUL. */
size_t utf8_character (const char *text, size_t size);

/* Whether size bytes are well-formed UTF-8 without NUL (no overlong forms, surrogates, or above
 * U+10FFFF). */
bool utf8_valid (const char *text, size_t size);

/* Replaces each byte that is part of no well-formed character, and NUL, by '?', in place. */
void utf8_make_valid (char *text, size_t size);

#endif
