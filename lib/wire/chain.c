#include "wire/chain.h"

#include <sodium.h>
#include <string.h>

static void put_u64 (uint8_t out[8], uint64_t value)
{
	for (int i = 0; i < 8; i++)
		out[i] = (uint8_t) (value >> (56 - 8 * i));
}

static void add_u64 (crypto_generichash_state *state, uint64_t value)
{
	uint8_t bytes[8];
	put_u64 (bytes, value);
	crypto_generichash_update (state, bytes, sizeof bytes);
}

static void add_long (crypto_generichash_state *state, span_t bytes)
{
	uint8_t size[8];
	put_u64 (size, bytes.size);
	crypto_generichash_update (state, size + 4, 4);
	crypto_generichash_update (state, bytes.data, bytes.size);
}

void chain_hash (const uint8_t previous[CHAIN_HASH_SIZE], const mark_t *mark, span_t topic, span_t envelope,
        uint8_t out[CHAIN_HASH_SIZE])
{
	static const uint8_t prefix[] = "belfry/journal/v1";
	crypto_generichash_state state;
	const uint8_t late = mark->late;
	crypto_generichash_init (&state, NULL, 0, CHAIN_HASH_SIZE);
	crypto_generichash_update (&state, prefix, sizeof prefix);
	crypto_generichash_update (&state, previous, CHAIN_HASH_SIZE);
	crypto_generichash_update (&state, mark->journal, MARK_JOURNAL_SIZE);
	add_u64 (&state, mark->offset);
	add_u64 (&state, mark->received_ns);
	add_u64 (&state, mark->previous_in_channel);
	crypto_generichash_update (&state, &late, 1);
	add_long (&state, topic);
	add_long (&state, envelope);
	crypto_generichash_final (&state, out, CHAIN_HASH_SIZE);
}

enum { PREFIX_SIZE = sizeof "belfry/checkpoint/v1" };
enum { SIGNED_SIZE = PREFIX_SIZE + MARK_JOURNAL_SIZE + 8 + CHAIN_HASH_SIZE + 8 };

static void signed_bytes (const checkpoint_t *self, uint8_t out[SIGNED_SIZE])
{
	uint8_t *at = out;
	memcpy (at, "belfry/checkpoint/v1", PREFIX_SIZE);
	at += PREFIX_SIZE;
	memcpy (at, self->journal, MARK_JOURNAL_SIZE);
	at += MARK_JOURNAL_SIZE;
	put_u64 (at, self->offset);
	memcpy (at + 8, self->hash, CHAIN_HASH_SIZE);
	put_u64 (at + 8 + CHAIN_HASH_SIZE, self->time_ns);
}

void checkpoint_sign (checkpoint_t *self, const uint8_t secret_key[CHAIN_SECRET_KEY_SIZE])
{
	uint8_t bytes[SIGNED_SIZE];
	signed_bytes (self, bytes);
	crypto_sign_detached (self->signature, NULL, bytes, sizeof bytes, secret_key);
}

bool checkpoint_verify (const checkpoint_t *self)
{
	uint8_t bytes[SIGNED_SIZE];
	signed_bytes (self, bytes);
	return crypto_sign_verify_detached (self->signature, bytes, sizeof bytes, self->public_key) == 0;
}
