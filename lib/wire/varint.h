/* varint.h - protobuf's base-128 integers, minimal form only. */

#ifndef WIRE_VARINT_H
#define WIRE_VARINT_H

#include <stddef.h>
#include <stdint.h>

static inline size_t varint_put (uint8_t *at, uint64_t value)
{
	size_t n = 0;
	while (value >= 0x80) {
		at[n++] = (uint8_t) (value | 0x80);
		value >>= 7;
	}
	at[n++] = (uint8_t) value;
	return n;
}

enum { VARINT_E_TRUNCATED = 1, VARINT_E_PADDED };

/* Reads one at *at, at most 64 bits, and moves *at behind it. 0, or VARINT_E_*: TRUNCATED - it
 * goes on past end; PADDED - not minimal, or above 64 bits. */
static inline int varint_get (const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;
	const uint8_t *p = *at;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (p == end)
			return VARINT_E_TRUNCATED;
		uint8_t byte = *p++;
		if (shift == 63 && byte > 1)
			return VARINT_E_PADDED;
		value |= (uint64_t) (byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			if (byte == 0 && shift != 0)
				return VARINT_E_PADDED;
			*at = p;
			*ret = value;
			return 0;
		}
	}
	return VARINT_E_PADDED;
}

#endif
