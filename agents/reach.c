#include "agents/reach.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/peer_wire.h"
#include "base/log.h"

static bool is_any (const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET)
		return ((const struct sockaddr_in *) address)->sin_addr.s_addr == htonl (INADDR_ANY);
	return address->ss_family == AF_INET6 &&
	       IN6_IS_ADDR_UNSPECIFIED (&((const struct sockaddr_in6 *) address)->sin6_addr);
}

static unsigned port_of (const struct sockaddr_storage *address)
{
	return ntohs (address->ss_family == AF_INET6 ? ((const struct sockaddr_in6 *) address)->sin6_port
	                                             : ((const struct sockaddr_in *) address)->sin_port);
}

/* The source address that the kernel would choose towards endpoint: a datagram socket that connects
 * sends nothing. False without a route. */
static bool source_towards (const char *endpoint, struct sockaddr_storage *ret)
{
	socklen_t size;
	if (peer_address (endpoint, true, ret, &size, NULL))
		return false;
	int fd = socket (ret->ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool found = connect (fd, (const struct sockaddr *) ret, size) == 0;
	size = sizeof *ret;
	found = found && getsockname (fd, (struct sockaddr *) ret, &size) == 0;
	close (fd);
	return found;
}

void reach_peer_address (const agent_config_t *config, const char *bound, char *out, size_t size)
{
	struct sockaddr_storage address, source;
	socklen_t address_size;
	char host[INET6_ADDRSTRLEN];
	out[0] = '\0';
	if (!bound)
		return;
	if (config->peer_advertise) {
		snprintf (out, size, "%s", config->peer_advertise);
		return;
	}
	if (peer_address (bound, true, &address, &address_size, NULL) || !is_any (&address)) {
		snprintf (out, size, "%s", bound);
		return;
	}
	const void *bytes = &((const struct sockaddr_in *) &source)->sin_addr;
	if (source_towards (config->collectors.items[0].control, &source)) {
		if (source.ss_family == AF_INET6)
			bytes = &((const struct sockaddr_in6 *) &source)->sin6_addr;
		inet_ntop (source.ss_family, bytes, host, sizeof host);
		snprintf (out, size, source.ss_family == AF_INET6 ? "tcp://[%s]:%u" : "tcp://%s:%u", host,
		        port_of (&address));
		return;
	}
	log_warning ("agent",
	        "no route towards %s yet, so peers are not told where to probe this node; set peer_advertise",
	        config->collectors.items[0].control);
}
