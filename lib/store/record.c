#include "store/record.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

static const uint8_t magic[] = { 0xb5, 'B', 'F', 'R', 'Y', 'r', 'e', 'c', 1 };
enum { MAGIC_SIZE = sizeof magic };
static_assert (MAGIC_SIZE + 1 + 4 == RECORD_HEAD_SIZE, "magic, kind, size");

void record_begin (buffer_t *out, record_kind_t kind)
{
	const uint8_t head[5] = { (uint8_t) kind };
	buffer_reset (out);
	buffer_append (out, magic, MAGIC_SIZE);
	buffer_append (out, head, sizeof head);
}

void record_u8 (buffer_t *out, uint8_t value)
{
	buffer_append (out, &value, 1);
}

static void put_u32 (uint8_t *out, uint32_t value)
{
	for (int i = 0; i < 4; i++)
		out[i] = (uint8_t) (value >> (24 - 8 * i));
}

static uint32_t get_u32 (const uint8_t *at)
{
	return (uint32_t) at[0] << 24 | (uint32_t) at[1] << 16 | (uint32_t) at[2] << 8 | at[3];
}

void record_u64 (buffer_t *out, uint64_t value)
{
	uint8_t bytes[8];
	put_u32 (bytes, (uint32_t) (value >> 32));
	put_u32 (bytes + 4, (uint32_t) value);
	buffer_append (out, bytes, sizeof bytes);
}

void record_bytes (buffer_t *out, span_t bytes)
{
	uint8_t size[4];
	put_u32 (size, (uint32_t) bytes.size);
	buffer_append (out, size, sizeof size);
	buffer_append (out, bytes.data, bytes.size);
}

static void checksum (const void *bytes, size_t size, uint8_t out[RECORD_CHECKSUM_SIZE])
{
	crypto_generichash (out, RECORD_CHECKSUM_SIZE, bytes, size, NULL, 0);
}

void record_end (buffer_t *out)
{
	uint8_t sum[RECORD_CHECKSUM_SIZE];
	if (buffer_failed (out) || out->size < RECORD_HEAD_SIZE)
		return;
	put_u32 ((uint8_t *) out->data + MAGIC_SIZE + 1, (uint32_t) (out->size + RECORD_CHECKSUM_SIZE));
	checksum (out->data, out->size, sum);
	buffer_append (out, sum, sizeof sum);
}

/* How long the record at at says it is; 0 where there is none. */
static size_t size_at (const uint8_t *at, size_t left)
{
	if (left < RECORD_HEAD_SIZE + RECORD_CHECKSUM_SIZE || memcmp (at, magic, MAGIC_SIZE) != 0)
		return 0;
	size_t size = get_u32 (at + MAGIC_SIZE + 1);
	return size >= RECORD_HEAD_SIZE + RECORD_CHECKSUM_SIZE && size <= left ? size : 0;
}

bool record_open (span_t bytes, record_kind_t *ret_kind, record_reader_t *ret)
{
	const uint8_t *at = bytes.data;
	uint8_t sum[RECORD_CHECKSUM_SIZE];
	if (bytes.size == 0 || size_at (at, bytes.size) != bytes.size)
		return false;
	size_t body = bytes.size - RECORD_CHECKSUM_SIZE;
	checksum (at, body, sum);
	if (memcmp (sum, at + body, sizeof sum) != 0)
		return false;
	*ret_kind = (record_kind_t) at[MAGIC_SIZE];
	*ret = (record_reader_t){ at + RECORD_HEAD_SIZE, at + body, false };
	return true;
}

static const uint8_t *take (record_reader_t *self, size_t size)
{
	if (self->failed || (size_t) (self->end - self->at) < size) {
		self->failed = true;
		return NULL;
	}
	const uint8_t *at = self->at;
	self->at += size;
	return at;
}

uint8_t record_take_u8 (record_reader_t *self)
{
	const uint8_t *at = take (self, 1);
	return at ? *at : 0;
}

uint64_t record_take_u64 (record_reader_t *self)
{
	const uint8_t *at = take (self, 8);
	return at ? (uint64_t) get_u32 (at) << 32 | get_u32 (at + 4) : 0;
}

span_t record_take_bytes (record_reader_t *self)
{
	const uint8_t *size = take (self, 4);
	const uint8_t *at = size ? take (self, get_u32 (size)) : NULL;
	return at ? span_of (at, get_u32 (size)) : span_of ("", 0);
}

void record_take_fixed (record_reader_t *self, void *out, size_t size)
{
	const uint8_t *at = take (self, size);
	if (at)
		memcpy (out, at, size);
	else
		memset (out, 0, size);
}

bool record_done (const record_reader_t *self)
{
	return !self->failed && self->at == self->end;
}

void record_scan (span_t bytes, record_found_fn *found, void *arg)
{
	const uint8_t *at = bytes.data, *end = at + bytes.size;
	record_kind_t kind;
	record_reader_t reader;
	while (bytes.size && (at = memmem (at, (size_t) (end - at), magic, MAGIC_SIZE))) {
		size_t size = size_at (at, (size_t) (end - at));
		if (size && record_open (span_of (at, size), &kind, &reader)) {
			found (arg, kind, span_of (at, size));
			at += size;
		} else {
			at++;
		}
	}
}
