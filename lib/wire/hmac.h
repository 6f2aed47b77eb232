/* hmac.h - HMAC-SHA-512 whose keyed state can be kept and copied. Private to lib/wire.
 *
 * There are two of it with the same bytes: hmac_sodium.c, which every program has, and
 * hmac_openssl.c, which the collector links over it (meson.build): OpenSSL's SHA-512 is 1.6 times as
 * fast, but brings 0.4 MB of private memory, which an agent would not use. */

#ifndef WIRE_HMAC_H
#define WIRE_HMAC_H

#include <stdint.h>

#include "base/span.h"

enum { HMAC_SIZE = 64, HMAC_KEY_SIZE = 32 };

/* The state after the key, and on. Secret; copied by assignment. */
typedef struct {
	_Alignas(16) unsigned char opaque[448];
} hmac_t;

void hmac_init (hmac_t *self, const uint8_t key[HMAC_KEY_SIZE]);
void hmac_update (hmac_t *self, span_t bytes);
/* Writes the whole HMAC and wipes self. */
void hmac_final (hmac_t *self, uint8_t out[HMAC_SIZE]);

#endif
