/* envelope.h - the second frame (wire.md, "Frames on the stream").
 *
 * Envelope { version = 1; key_epoch = 2; event = 3; mac = 4 }: these fields, each at most once,
 * ascending, minimal varints, at most 256 KiB. Parsed by hand, on the bytes received, before
 * anything inside is looked at. Pure. */

#ifndef WIRE_ENVELOPE_H
#define WIRE_ENVELOPE_H

#include <stdint.h>

#include "base/span.h"
#include "wire/mac.h"
#include "wire/refusal.h"

enum { ENVELOPE_SIZE_MAX = 256 * 1024, ENVELOPE_VERSION = 1 };

typedef struct {
	uint32_t version;
	uint32_t key_epoch;
	span_t event;       /* never empty */
	const uint8_t *mac; /* MAC_SIZE bytes, or NULL in an unsigned envelope */
} envelope_t;

/* Splits size bytes at data into borrowed parts. REFUSAL_NONE; or TRUNCATED, OVERSIZED,
 * NON_CANONICAL, VERSION with *ret untouched. */
refusal_t envelope_parse (const void *data, size_t size, envelope_t *ret);

/* Bytes that envelope_seal needs for an event of that size, at most. */
static inline size_t envelope_bound (size_t event_size)
{
	return event_size + 2 + 6 + 6 + 2 + MAC_SIZE;
}

/* Writes the envelope of event under topic. key NULL: unsigned, epoch 0. out has room for
 * envelope_bound. Returns the size. */
size_t envelope_seal (uint8_t *out, span_t topic, span_t event, uint32_t key_epoch, const mac_key_t *key);

#endif
