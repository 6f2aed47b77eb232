/* z85.h - a key of 32 bytes as 40 printable characters (rfc.zeromq.org/spec/32). Pure. */

#ifndef WIRE_Z85_H
#define WIRE_Z85_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { Z85_KEY_SIZE = 32, Z85_TEXT_SIZE = 40 };

/* Terminated. Returns out. */
char *z85_encode (const uint8_t key[Z85_KEY_SIZE], char out[Z85_TEXT_SIZE + 1]);
/* False, with key in no particular state, when size characters at text are no key. */
bool z85_decode (const char *text, size_t size, uint8_t key[Z85_KEY_SIZE]);

#endif
