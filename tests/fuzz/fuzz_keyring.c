/* fuzz_keyring.c - any text as a keyring's file. What is let in answers every question about it, and the
 * keys that it gives are those of its lines. */

#include "expect.h"

#include <sodium.h>
#include <string.h>

#include "wire/keyring.h"

typedef struct {
	keyring_t *keyring;
	unsigned n, active;
} seen_t;

static void visit (void *arg, uint32_t epoch, key_state_t state, span_t node)
{
	seen_t *seen = arg;
	span_t asked = node.size ? node : span_str ("n1");
	uint8_t raw[MAC_KEY_SIZE], probe[MAC_KEY_SIZE];
	EXPECT (epoch != 0);
	EXPECT (state == KEY_NEXT || state == KEY_ACTIVE || state == KEY_RETIRING);
	EXPECT (keyring_node_key (seen->keyring, epoch, asked) != NULL);
	EXPECT (keyring_peek_key (seen->keyring, epoch, asked) != NULL);
	EXPECT (keyring_probe_key (seen->keyring, epoch, asked, span_str ("n2"), probe) == 0);
	if (node.size == 0)
		EXPECT (keyring_derive (seen->keyring, epoch, asked, raw) == 0);
	if (state == KEY_ACTIVE) {
		EXPECT (keyring_active_epoch (seen->keyring, asked) != 0);
		seen->active++;
	}
	seen->n++;
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
	seen_t seen = { NULL, 0, 0 };
	err_t err = { "" };
	EXPECT (sodium_init () >= 0);
	int r = keyring_parse ((const char *) data, size, "keyring", &seen.keyring, &err);
	EXPECT (r == 0 || (r < 0 && !seen.keyring && strstr (err.text, "keyring")));
	if (r)
		return 0;
	keyring_visit (seen.keyring, visit, &seen);
	EXPECT (seen.n > 0 && seen.n <= KEYRING_FILE_MAX / 64);
	EXPECT (keyring_node_key (seen.keyring, UINT32_MAX, span_str ("nobody")) == NULL ||
	        keyring_has_secret (seen.keyring));
	keyring_destroy (&seen.keyring);
	EXPECT (!seen.keyring);
	return 0;
}
