/* size.h - a number of bytes as people read it. Pure. */

#ifndef BASE_SIZE_H
#define BASE_SIZE_H

enum { SIZE_TEXT_MAX = 32 };

/* "812B", "3.4MiB", "120GiB"; what is no number of bytes (negative, inf, NAN) as C prints it. Returns
 * text. */
char *size_format (double bytes, char text[SIZE_TEXT_MAX]);

#endif
