#include "wire/mac.h"
#include "wire/bytes.h"
#include "wire/hmac.h"

#include <assert.h>
#include <sodium.h>

static_assert ((int) MAC_KEY_SIZE == (int) HMAC_KEY_SIZE, "a node key is HMAC's");
static_assert (MAC_SIZE == crypto_verify_32_BYTES, "compared whole");

struct mac_key {
	hmac_t state;
};

size_t mac_key_size (void)
{
	return (sizeof (struct mac_key) + 63) & ~(size_t) 63;
}

void mac_key_init (mac_key_t *self, const uint8_t key[MAC_KEY_SIZE])
{
	hmac_init (&self->state, key);
}

static void mac_final (hmac_t *state, uint8_t out[MAC_SIZE])
{
	uint8_t full[HMAC_SIZE];
	hmac_final (state, full);
	memcpy (out, full, MAC_SIZE);
}

void mac_event (const mac_key_t *key, span_t topic, span_t event, uint8_t out[MAC_SIZE])
{
	static const char label[] = "belfry/event/v1"; /* its NUL is part of it */
	/* Label, lengths and topic are gathered: one call into the hash instead of four. */
	uint8_t head[sizeof label + 4 + 128 + 4];
	hmac_t state = key->state;
	memcpy (head, label, sizeof label);
	size_t at = sizeof label;
	bytes_put_u32 (head + at, (uint32_t) topic.size);
	at += 4;
	if (topic.size <= 128) {
		memcpy (head + at, topic.data, topic.size);
		at += topic.size;
	} else {
		hmac_update (&state, span_of (head, at));
		hmac_update (&state, topic);
		at = 0;
	}
	bytes_put_u32 (head + at, (uint32_t) event.size);
	at += 4;
	hmac_update (&state, span_of (head, at));
	hmac_update (&state, event);
	mac_final (&state, out);
}

void mac_control (const mac_key_t *key, uint8_t direction, span_t bytes, uint8_t out[MAC_SIZE])
{
	static const char label[] = "belfry/control/v1";
	uint8_t head[sizeof label + 1];
	memcpy (head, label, sizeof label);
	head[sizeof label] = direction;
	hmac_t state = key->state;
	hmac_update (&state, span_of (head, sizeof head));
	hmac_update (&state, bytes);
	mac_final (&state, out);
}

void mac_plain (const mac_key_t *key, span_t bytes, uint8_t out[MAC_SIZE])
{
	hmac_t state = key->state;
	hmac_update (&state, bytes);
	mac_final (&state, out);
}

bool mac_equal (const uint8_t a[MAC_SIZE], const uint8_t b[MAC_SIZE])
{
	return crypto_verify_32 (a, b) == 0;
}
