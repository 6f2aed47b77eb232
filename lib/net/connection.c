#include "net/connection.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

uint64_t connection_identity (int descriptor)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;
	return getsockopt (descriptor, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

int connection_address (int descriptor, char out[CONNECTION_ADDRESS_MAX])
{
	union {
		struct sockaddr any;
		struct sockaddr_storage storage;
	} peer;
	socklen_t size = sizeof peer;
	if (getpeername (descriptor, &peer.any, &size) < 0)
		return -errno;
	if (peer.any.sa_family == AF_UNIX) {
		snprintf (out, CONNECTION_ADDRESS_MAX, "local");
		return 0;
	}
	char host[INET6_ADDRSTRLEN], port[8];
	if (getnameinfo (&peer.any, size, host, sizeof host, port, sizeof port,
	            NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		return -EAFNOSUPPORT;
	snprintf (out, CONNECTION_ADDRESS_MAX, peer.any.sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host,
	        port);
	return 0;
}

int connection_waits (int descriptor, uint64_t *ret_queued, uint64_t *ret_unsent)
{
	int queued = 0, unsent = 0;
	if (ioctl (descriptor, SIOCOUTQ, &queued) < 0)
		return -errno;
	/* Only TCP tells the two apart. */
	if (ioctl (descriptor, SIOCOUTQNSD, &unsent) < 0)
		unsent = queued;
	*ret_queued = queued > 0 ? (uint64_t) queued : 0;
	*ret_unsent = unsent > 0 ? (uint64_t) unsent : 0;
	return 0;
}

int connection_end (int descriptor)
{
	return shutdown (descriptor, SHUT_RDWR) == 0 ? 0 : -errno;
}
