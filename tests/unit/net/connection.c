#include "help.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "net/connection.h"

typedef struct {
	int near, far;
	char address[CONNECTION_ADDRESS_MAX]; /* far's, as near sees it */
} pair_t;

static pair_t pair_new (void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl (INADDR_LOOPBACK) } };
	socklen_t size = sizeof at;
	int listener = socket (AF_INET, SOCK_STREAM, 0);
	pair_t pair = { -1, socket (AF_INET, SOCK_STREAM, 0), "" };
	cr_assert_eq (bind (listener, (struct sockaddr *) &at, size), 0);
	cr_assert_eq (listen (listener, 1), 0);
	cr_assert_eq (getsockname (listener, (struct sockaddr *) &at, &size), 0);
	cr_assert_eq (connect (pair.far, (struct sockaddr *) &at, size), 0);
	pair.near = accept (listener, NULL, NULL);
	cr_assert_eq (getsockname (pair.far, (struct sockaddr *) &at, &size), 0);
	snprintf (pair.address, sizeof pair.address, "127.0.0.1:%d", ntohs (at.sin_port));
	close (listener);
	return pair;
}

Test (connection, is_told_from_a_later_one_with_its_descriptor)
{
	pair_t pair = pair_new ();
	uint64_t first = connection_identity (pair.near);
	cr_assert_neq (first, 0);
	cr_assert_eq (connection_identity (pair.near), first);
	pair_t later = pair_new ();
	cr_assert_eq (dup2 (later.near, pair.near), pair.near);
	cr_assert_neq (connection_identity (pair.near), first);
	close (pair.near);
	cr_assert_eq (connection_identity (pair.near), 0);
}

Test (connection, has_its_peers_address)
{
	char address[CONNECTION_ADDRESS_MAX];
	pair_t pair = pair_new ();
	cr_assert_eq (connection_address (pair.near, address), 0);
	cr_assert_str_eq (address, pair.address);
	int unix_pair[2];
	cr_assert_eq (socketpair (AF_UNIX, SOCK_STREAM, 0, unix_pair), 0);
	cr_assert_eq (connection_address (unix_pair[0], address), 0);
	cr_assert_str_eq (address, "local");
	cr_assert_eq (connection_address (-1, address), -EBADF);
}

Test (connection, says_what_waits_for_a_peer_that_does_not_read)
{
	static char block[65536];
	uint64_t queued = 1, unsent = 1;
	pair_t pair = pair_new ();
	cr_assert_eq (connection_waits (pair.near, &queued, &unsent), 0);
	cr_assert_eq (queued, 0);
	cr_assert_eq (unsent, 0);
	ssize_t sent;
	while ((sent = send (pair.near, block, sizeof block, MSG_DONTWAIT)) > 0)
		;
	cr_assert_eq (connection_waits (pair.near, &queued, &unsent), 0);
	cr_assert (unsent > sizeof block && queued >= unsent, "%d of %d", (int) unsent, (int) queued);
	cr_assert_eq (connection_waits (-1, &queued, &unsent), -EBADF);
}

Test (connection, ends_at_both_sides)
{
	char byte;
	pair_t pair = pair_new ();
	cr_assert_eq (connection_end (pair.near), 0);
	cr_assert_eq (recv (pair.far, &byte, 1, 0), 0);
	cr_assert_eq (recv (pair.near, &byte, 1, 0), 0);
	cr_assert_eq (connection_end (-1), -EBADF);
}
