/* peer_wire.h - the bytes between a prober and its target on 7704 (schema/README.md, "Peer probes").
 *
 *   prober, once after connect:  "BFP1" ‖ u32 key epoch ‖ L(prober)
 *   prober, each probe:          u64 nonce ‖ MAC of these 8 bytes     (the first random, then +2)
 *   target, each answer:         MAC of the 8 bytes of nonce + 1
 *
 * The MAC is HMAC-SHA-512 cut to 32 bytes under K (wire.md, "Peer probes"); where the fabric has no
 * keys the epoch is 0 and a MAC is 32 zero bytes. */

#ifndef AGENTS_PEER_WIRE_H
#define AGENTS_PEER_WIRE_H

#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/error.h"
#include "wire/bytes.h"
#include "wire/mac.h"
#include "wire/topic.h"

#define PEER_MAGIC "BFP1"

enum {
	PEER_HELLO_FIXED = 12, /* magic, epoch, length */
	PEER_HELLO_MAX = PEER_HELLO_FIXED + TOPIC_NODE_MAX,
	PEER_PROBE_SIZE = 8 + MAC_SIZE,
	PEER_ANSWER_SIZE = MAC_SIZE,
};

/* The MAC of a nonce; zero bytes where key is NULL. */
static inline void peer_mac (const mac_key_t *key, uint64_t nonce, uint8_t out[MAC_SIZE])
{
	uint8_t bytes[8];
	bytes_put_u64 (bytes, nonce);
	if (key)
		mac_plain (key, span_of (bytes, sizeof bytes), out);
	else
		memset (out, 0, MAC_SIZE);
}

static inline bool peer_mac_valid (const mac_key_t *key, uint64_t nonce, const uint8_t mac[MAC_SIZE])
{
	uint8_t wanted[MAC_SIZE];
	peer_mac (key, nonce, wanted);
	return mac_equal (wanted, mac);
}

/* "tcp://HOST:PORT" as a socket's address. to_bind: names are resolved and * is every address; else
 * only a numeric host is one, because a name server must not be waited for. 0; -EINVAL with err. */
int peer_address (
        const char *endpoint, bool to_bind, struct sockaddr_storage *ret, socklen_t *ret_size, err_t *err);

#endif
