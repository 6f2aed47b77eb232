#include "wire/envelope.h"
#include "wire/varint.h"

enum {
	TAG_VERSION = 1 << 3,
	TAG_KEY_EPOCH = 2 << 3,
	TAG_EVENT = 3 << 3 | 2,
	TAG_MAC = 4 << 3 | 2,
};

refusal_t envelope_parse (const void *data, size_t size, envelope_t *ret)
{
	if (size > ENVELOPE_SIZE_MAX)
		return REFUSAL_OVERSIZED;
	const uint8_t *at = data, *end = at + size;
	envelope_t parsed = { 0 };
	unsigned last = 0;
	while (at < end) {
		uint8_t tag = *at++;
		uint64_t value;
		/* Ascending and once: each tag is greater than the one before. */
		if ((tag != TAG_VERSION && tag != TAG_KEY_EPOCH && tag != TAG_EVENT && tag != TAG_MAC) ||
		        tag <= last)
			return REFUSAL_NON_CANONICAL;
		last = tag;
		int r = varint_get (&at, end, &value);
		if (r)
			return r == VARINT_E_TRUNCATED ? REFUSAL_TRUNCATED : REFUSAL_NON_CANONICAL;
		if (tag == TAG_VERSION || tag == TAG_KEY_EPOCH) {
			/* proto3 leaves zero out, so a zero on the wire is a second form of absence. */
			if (value == 0 || value > UINT32_MAX)
				return REFUSAL_NON_CANONICAL;
			*(tag == TAG_VERSION ? &parsed.version : &parsed.key_epoch) = (uint32_t) value;
			continue;
		}
		if (value > (size_t) (end - at))
			return REFUSAL_TRUNCATED;
		if (tag == TAG_EVENT) {
			if (value == 0)
				return REFUSAL_NON_CANONICAL;
			parsed.event = span_of (at, (size_t) value);
		} else {
			if (value != MAC_SIZE)
				return REFUSAL_NON_CANONICAL;
			parsed.mac = at;
		}
		at += value;
	}
	if (parsed.version != ENVELOPE_VERSION)
		return parsed.version == 0 && size == 0 ? REFUSAL_TRUNCATED : REFUSAL_VERSION;
	if (parsed.event.size == 0)
		return REFUSAL_TRUNCATED;
	*ret = parsed;
	return REFUSAL_NONE;
}

size_t envelope_seal (uint8_t *out, span_t topic, span_t event, uint32_t key_epoch, const mac_key_t *key)
{
	uint8_t *at = out;
	*at++ = TAG_VERSION;
	*at++ = ENVELOPE_VERSION;
	if (key) {
		*at++ = TAG_KEY_EPOCH;
		at += varint_put (at, key_epoch);
	}
	*at++ = TAG_EVENT;
	at += varint_put (at, event.size);
	memcpy (at, event.data, event.size);
	at += event.size;
	if (key) {
		*at++ = TAG_MAC;
		*at++ = MAC_SIZE;
		mac_event (key, topic, event, at);
		at += MAC_SIZE;
	}
	return (size_t) (at - out);
}
