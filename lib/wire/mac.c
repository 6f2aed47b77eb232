#include "wire/mac.h"
#include "wire/bytes.h"

#include <sodium.h>

struct mac_key {
	crypto_auth_hmacsha512_state state;
};

size_t mac_key_size (void)
{
	return (sizeof (struct mac_key) + 63) & ~(size_t) 63;
}

void mac_key_init (mac_key_t *self, const uint8_t key[MAC_KEY_SIZE])
{
	crypto_auth_hmacsha512_init (&self->state, key, MAC_KEY_SIZE);
}

static void mac_final (crypto_auth_hmacsha512_state *state, uint8_t out[MAC_SIZE])
{
	uint8_t full[crypto_auth_hmacsha512_BYTES];
	crypto_auth_hmacsha512_final (state, full);
	memcpy (out, full, MAC_SIZE);
}

void mac_event (const mac_key_t *key, span_t topic, span_t event, uint8_t out[MAC_SIZE])
{
	static const char label[] = "belfry/event/v1"; /* its NUL is part of it */
	/* Label, lengths and topic are gathered: one call into the hash instead of four. */
	uint8_t head[sizeof label + 4 + 128 + 4];
	crypto_auth_hmacsha512_state state = key->state;
	memcpy (head, label, sizeof label);
	size_t at = sizeof label;
	bytes_put_u32 (head + at, (uint32_t) topic.size);
	at += 4;
	if (topic.size <= 128) {
		memcpy (head + at, topic.data, topic.size);
		at += topic.size;
	} else {
		crypto_auth_hmacsha512_update (&state, head, at);
		crypto_auth_hmacsha512_update (&state, topic.data, topic.size);
		at = 0;
	}
	bytes_put_u32 (head + at, (uint32_t) event.size);
	at += 4;
	crypto_auth_hmacsha512_update (&state, head, at);
	crypto_auth_hmacsha512_update (&state, event.data, event.size);
	mac_final (&state, out);
}

void mac_control (const mac_key_t *key, uint8_t direction, span_t bytes, uint8_t out[MAC_SIZE])
{
	static const char label[] = "belfry/control/v1";
	uint8_t head[sizeof label + 1];
	memcpy (head, label, sizeof label);
	head[sizeof label] = direction;
	crypto_auth_hmacsha512_state state = key->state;
	crypto_auth_hmacsha512_update (&state, head, sizeof head);
	crypto_auth_hmacsha512_update (&state, bytes.data, bytes.size);
	mac_final (&state, out);
}

void mac_plain (const mac_key_t *key, span_t bytes, uint8_t out[MAC_SIZE])
{
	crypto_auth_hmacsha512_state state = key->state;
	crypto_auth_hmacsha512_update (&state, bytes.data, bytes.size);
	mac_final (&state, out);
}

bool mac_equal (const uint8_t a[MAC_SIZE], const uint8_t b[MAC_SIZE])
{
	return sodium_memcmp (a, b, MAC_SIZE) == 0;
}
