#include "agents/peer_wire.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "conf/value.h"

int peer_address (
        const char *endpoint, bool to_bind, struct sockaddr_storage *ret, socklen_t *ret_size, err_t *err)
{
	endpoint_t parts;
	int r = value_endpoint (endpoint, to_bind ? ENDPOINT_BIND : 0, &parts, err);
	if (r)
		return r;
	char port[8];
	snprintf (port, sizeof port, "%u", (unsigned) parts.port);
	bool any = strcmp (parts.host, "*") == 0;
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
		.ai_family = any ? AF_INET : AF_UNSPEC,
		.ai_flags = AI_NUMERICSERV | (to_bind ? AI_PASSIVE : AI_NUMERICHOST) };
	struct addrinfo *found = NULL;
	int code = getaddrinfo (any ? NULL : parts.host, port, &hints, &found);
	if (code)
		return error_set (err, -EINVAL, "%s: %s", endpoint,
		        to_bind ? gai_strerror (code) : "no numeric address; peers are probed by address");
	memcpy (ret, found->ai_addr, found->ai_addrlen);
	*ret_size = found->ai_addrlen;
	freeaddrinfo (found);
	return 0;
}
