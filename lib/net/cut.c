/* A connection is told from the next one with the same descriptor by the kernel's cookie of its socket. The
 * link's connections are those of this process whose own port is the link's: that list is the kernel's,
 * so none is missing that was let in before the list changed. */

#include "net/cut.h"
#include "net/link_internal.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { ENDPOINT_SIZE = 160, DESCRIPTORS_FIRST = 64, DESCRIPTORS_MAX = 1 << 24 };

typedef struct {
	uint64_t cookie, admission;
} holder_t;

struct cutter {
	zap_t *zap;
	uint16_t port;
	holder_t *holders; /* by descriptor */
	size_t n_holders;
};

int cutter_new (zap_t *zap, link_t *link, cutter_t **ret)
{
	char endpoint[ENDPOINT_SIZE];
	int r = link_endpoint (link, endpoint, sizeof endpoint);
	if (r)
		return r;
	const char *port = strrchr (endpoint, ':');
	int number = port ? atoi (port + 1) : 0;
	if (strncmp (endpoint, "tcp://", 6) != 0 || number <= 0 || number > UINT16_MAX)
		return -EINVAL;
	cutter_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->zap = zap;
	self->port = (uint16_t) number;
	*ret = self;
	return 0;
}

void cutter_destroy (cutter_t **self_p)
{
	cutter_t *self = *self_p;
	if (!self)
		return;
	free (self->holders);
	free (self);
	*self_p = NULL;
}

/* 0 for what is no socket. */
static uint64_t cookie_of (int descriptor)
{
	uint64_t cookie = 0;
	socklen_t size = sizeof cookie;
	return getsockopt (descriptor, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

void cutter_note (cutter_t *self, const frame_t *frame, uint64_t admission)
{
	int descriptor = frame_descriptor (frame);
	if (descriptor < 0 || descriptor >= DESCRIPTORS_MAX)
		return;
	size_t at = (size_t) descriptor;
	if (at >= self->n_holders) {
		size_t n = self->n_holders ? self->n_holders : DESCRIPTORS_FIRST;
		while (n <= at)
			n *= 2;
		holder_t *holders = realloc (self->holders, n * sizeof *holders);
		if (!holders)
			return; /* who is not known is cut off, and comes back */
		memset (holders + self->n_holders, 0, (n - self->n_holders) * sizeof *holders);
		self->holders = holders;
		self->n_holders = n;
	}
	self->holders[at] = (holder_t){ cookie_of (descriptor), admission };
}

static uint16_t port_of (const struct sockaddr_storage *address)
{
	switch (address->ss_family) {
	case AF_INET:
		return ntohs (((const struct sockaddr_in *) address)->sin_port);
	case AF_INET6:
		return ntohs (((const struct sockaddr_in6 *) address)->sin6_port);
	default:
		return 0;
	}
}

static bool is_connection (const cutter_t *self, int descriptor)
{
	struct sockaddr_storage own, peer;
	socklen_t own_size = sizeof own, peer_size = sizeof peer;
	return getsockname (descriptor, (struct sockaddr *) &own, &own_size) == 0 &&
	       port_of (&own) == self->port &&
	       getpeername (descriptor, (struct sockaddr *) &peer, &peer_size) == 0;
}

static bool may_stay (cutter_t *self, int descriptor)
{
	if ((size_t) descriptor >= self->n_holders)
		return false;
	const holder_t *holder = &self->holders[descriptor];
	return holder->admission && holder->cookie == cookie_of (descriptor) &&
	       zap_admits (self->zap, holder->admission);
}

int cutter_cut (cutter_t *self)
{
	DIR *directory = opendir ("/proc/self/fd");
	if (!directory)
		return -errno;
	int n = 0;
	for (const struct dirent *entry; (entry = readdir (directory));) {
		int descriptor = entry->d_name[0] == '.' ? -1 : atoi (entry->d_name);
		if (descriptor < 0 || !is_connection (self, descriptor) || may_stay (self, descriptor))
			continue;
		/* libzmq's own thread closes it, as if the peer had gone. */
		n += shutdown (descriptor, SHUT_RDWR) == 0;
	}
	closedir (directory);
	return n;
}
