/* connection.h - what the kernel knows of one connection, by its descriptor. ZeroMQ owns the descriptor
 * and may close it at any moment, so each answer may be of a later connection: connection_identity
 * tells. */

#ifndef NET_CONNECTION_H
#define NET_CONNECTION_H

#include <stdint.h>

enum { CONNECTION_ADDRESS_MAX = 64 };

/* A number that no other socket of this machine's life has; 0 where the descriptor is no socket. */
uint64_t connection_identity (int descriptor);
/* Its peer, "127.0.0.1:4711", "[::1]:4711", "local" (unix). 0, or negative errno. */
int connection_address (int descriptor, char out[CONNECTION_ADDRESS_MAX]);
/* Bytes in the kernel that the peer has not acknowledged, and those of them not even sent, since its
 * window is shut. 0, or negative errno. */
int connection_waits (int descriptor, uint64_t *ret_queued, uint64_t *ret_unsent);
/* Ends it at both sides: ZeroMQ sees the end and closes the descriptor. 0, or negative errno. */
int connection_end (int descriptor);

#endif
