/* Known answers: what Python's hmac and hashlib make is what lib/wire makes. */

#include <criterion/criterion.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "vectors.h"
#include "wire/bytes.h"
#include "wire/envelope.h"
#include "wire/keyring.h"

static keyring_t *ring_of (size_t i)
{
	char hex[65], text[128];
	err_t err = { "" };
	keyring_t *ring = NULL;
	sodium_bin2hex (hex, sizeof hex, vectors[i].secret.data, 32);
	int n = snprintf (text, sizeof text, "%u active secret %s\n", vectors[i].epoch, hex);
	cr_assert (keyring_parse (text, (size_t) n, "test", &ring, &err) == 0, "%s", err.text);
	return ring;
}

#define N_VECTORS (sizeof vectors / sizeof vectors[0])

Test (vectors, node_key_is_the_one_python_makes)
{
	for (size_t i = 0; i < N_VECTORS; i++) {
		keyring_t *ring = ring_of (i);
		uint8_t key[MAC_KEY_SIZE];
		cr_assert_eq (keyring_derive (ring, vectors[i].epoch, span_str (vectors[i].node), key), 0);
		cr_assert_arr_eq (key, vectors[i].key.data, MAC_KEY_SIZE);
		keyring_destroy (&ring);
	}
}

Test (vectors, event_and_control_macs_are_the_ones_python_makes)
{
	for (size_t i = 0; i < N_VECTORS; i++) {
		keyring_t *ring = ring_of (i);
		const mac_key_t *key = keyring_node_key (ring, vectors[i].epoch, span_str (vectors[i].node));
		span_t topic = span_of (vectors[i].topic.data, vectors[i].topic.size);
		span_t event = span_of (vectors[i].event.data, vectors[i].event.size);
		uint8_t mac[MAC_SIZE];
		cr_assert_not_null (key);
		mac_event (key, topic, event, mac);
		cr_assert_arr_eq (mac, vectors[i].event_mac.data, MAC_SIZE);
		mac_control (key, 1, event, mac);
		cr_assert_arr_eq (mac, vectors[i].to_collector.data, MAC_SIZE);
		mac_control (key, 2, event, mac);
		cr_assert_arr_eq (mac, vectors[i].to_agent.data, MAC_SIZE);
		keyring_destroy (&ring);
	}
}

Test (vectors, probe_key_and_answer_are_the_ones_python_makes)
{
	for (size_t i = 0; i < N_VECTORS; i++) {
		keyring_t *ring = ring_of (i);
		uint8_t key[MAC_KEY_SIZE], nonce[8], mac[MAC_SIZE];
		cr_assert_eq (keyring_probe_key (ring, vectors[i].epoch, span_str (vectors[i].node),
		                      span_str (vectors[i].prober), key),
		        0);
		cr_assert_arr_eq (key, vectors[i].probe_key.data, MAC_KEY_SIZE);
		mac_key_t *state = aligned_alloc (64, mac_key_size ());
		mac_key_init (state, key);
		bytes_put_u64 (nonce, vectors[i].nonce);
		mac_plain (state, span_of (nonce, 8), mac);
		cr_assert_arr_eq (mac, vectors[i].probe_mac.data, MAC_SIZE);
		free (state);
		keyring_destroy (&ring);
	}
}

Test (vectors, sealed_envelope_is_byte_for_byte_the_one_python_writes)
{
	for (size_t i = 0; i < N_VECTORS; i++) {
		keyring_t *ring = ring_of (i);
		span_t topic = span_of (vectors[i].topic.data, vectors[i].topic.size);
		span_t event = span_of (vectors[i].event.data, vectors[i].event.size);
		uint8_t *out = malloc (envelope_bound (event.size));
		size_t n = envelope_seal (out, topic, event, vectors[i].epoch,
		        keyring_node_key (ring, vectors[i].epoch, span_str (vectors[i].node)));
		cr_assert_eq (n, vectors[i].envelope.size);
		cr_assert_arr_eq (out, vectors[i].envelope.data, n);
		envelope_t parsed;
		cr_assert_eq (envelope_parse (out, n, &parsed), REFUSAL_NONE);
		cr_assert (span_equal (parsed.event, event));
		cr_assert_eq (parsed.key_epoch, vectors[i].epoch);
		free (out);
		keyring_destroy (&ring);
	}
}
