#include "wire/hmac.h"

#include <assert.h>
#include <sodium.h>

static_assert (sizeof (crypto_auth_hmacsha512_state) <= sizeof (hmac_t), "hmac_t holds libsodium's state");
static_assert (HMAC_SIZE == crypto_auth_hmacsha512_BYTES, "all of it");

static crypto_auth_hmacsha512_state *state_of (hmac_t *self)
{
	return (crypto_auth_hmacsha512_state *) (void *) self->opaque;
}

void hmac_init (hmac_t *self, const uint8_t key[HMAC_KEY_SIZE])
{
	crypto_auth_hmacsha512_init (state_of (self), key, HMAC_KEY_SIZE);
}

void hmac_update (hmac_t *self, span_t bytes)
{
	crypto_auth_hmacsha512_update (state_of (self), bytes.data, bytes.size);
}

void hmac_final (hmac_t *self, uint8_t out[HMAC_SIZE])
{
	crypto_auth_hmacsha512_final (state_of (self), out);
}
