/* fuzz_envelope.c - any bytes as an envelope. What is one has one form only: written again it is the same
 * bytes. What is sealed opens, and no bit of it can be changed. */

#include "expect.h"

#include <sodium.h>
#include <string.h>

#include "wire/envelope.h"
#include "wire/varint.h"

static const span_t *topic (void)
{
	static const char text[] = "metrics/samples/demo/n1/agent/";
	static span_t span;
	span = span_of (text, sizeof text - 1);
	return &span;
}

static mac_key_t *key (void)
{
	static mac_key_t *made;
	if (!made) {
		uint8_t raw[MAC_KEY_SIZE];
		memset (raw, 7, sizeof raw);
		EXPECT (sodium_init () >= 0);
		made = aligned_alloc (64, (mac_key_size () + 63) / 64 * 64);
		EXPECT (made);
		mac_key_init (made, raw);
	}
	return made;
}

static bool opens (const envelope_t *envelope)
{
	uint8_t mac[MAC_SIZE];
	mac_event (key (), *topic (), envelope->event, mac);
	return envelope->mac && mac_equal (mac, envelope->mac);
}

/* The one form there is of what was parsed. */
static size_t write_again (uint8_t *out, const envelope_t *envelope)
{
	size_t n = 0;
	out[n++] = 1 << 3;
	n += varint_put (out + n, envelope->version);
	if (envelope->key_epoch) {
		out[n++] = 2 << 3;
		n += varint_put (out + n, envelope->key_epoch);
	}
	out[n++] = 3 << 3 | 2;
	n += varint_put (out + n, envelope->event.size);
	memcpy (out + n, envelope->event.data, envelope->event.size);
	n += envelope->event.size;
	if (envelope->mac) {
		out[n++] = 4 << 3 | 2;
		out[n++] = MAC_SIZE;
		memcpy (out + n, envelope->mac, MAC_SIZE);
		n += MAC_SIZE;
	}
	return n;
}

/* Seals the bytes as an event; data says which bit is flipped. */
static void seal_and_flip (const uint8_t *data, size_t size)
{
	uint8_t *sealed = malloc (envelope_bound (size));
	EXPECT (sealed);
	uint32_t epoch = 1u + data[0];
	size_t n = envelope_seal (sealed, *topic (), span_of (data, size), epoch, key ());
	EXPECT (n <= envelope_bound (size));
	envelope_t envelope;
	EXPECT (envelope_parse (sealed, n, &envelope) == REFUSAL_NONE);
	EXPECT (envelope.key_epoch == epoch);
	EXPECT (span_equal (envelope.event, span_of (data, size)));
	EXPECT (opens (&envelope));
	size_t at = (data[size - 1] | (size_t) data[size / 2] << 8) % n;
	sealed[at] ^= (uint8_t) (1 << (data[size / 3] & 7));
	/* The epoch is not under the MAC: it says which key, and that key is another. */
	EXPECT (envelope_parse (sealed, n, &envelope) != REFUSAL_NONE || envelope.key_epoch != epoch ||
	        !opens (&envelope));
	free (sealed);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
	envelope_t envelope = { 0 };
	refusal_t r = envelope_parse (data, size, &envelope);
	if (r == REFUSAL_NONE) {
		EXPECT (envelope.version == ENVELOPE_VERSION && envelope.event.size > 0);
		uint8_t *again = malloc (envelope_bound (envelope.event.size) + 16);
		EXPECT (again);
		size_t n = write_again (again, &envelope);
		EXPECT (n == size && memcmp (again, data, n) == 0);
		free (again);
		(void) opens (&envelope);
	} else {
		EXPECT (r == REFUSAL_TRUNCATED || r == REFUSAL_OVERSIZED || r == REFUSAL_NON_CANONICAL ||
		        r == REFUSAL_VERSION);
		EXPECT (!envelope.event.data);
	}
	if (size > 0 && size < 4096)
		seal_and_flip (data, size);
	return 0;
}
