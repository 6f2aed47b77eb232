/* A connection reads into a buffer that holds one hello and one probe: more cannot wait in it. Keys
 * live in guarded memory, one allocation for each connection that named an epoch we have. */

#include "agents/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agents/peer_wire.h"

enum { PROBES_PER_TURN = 16 };

typedef struct {
	listener_t *listener;
	int fd; /* -1: free */
	bool greeted, proven;
	mac_key_t *key; /* sodium_malloc; NULL before the hello, and without keys */
	mono_t last;    /* of its last probe, or its beginning */
	size_t size;
	uint8_t buffer[PEER_HELLO_MAX + PEER_PROBE_SIZE];
} connection_t;

struct listener {
	loop_t *loop;
	int fd;
	bool deaf; /* not polled until the next tick */
	keyring_t *keyring;
	char node[TOPIC_NODE_MAX + 1], endpoint[80];
	listener_counters_t counters;
	connection_t connections[LISTENER_CONNECTIONS_MAX];
};

static void connection_close (connection_t *c)
{
	loop_remove_fd (c->listener->loop, c->fd);
	close (c->fd);
	sodium_free (c->key);
	c->key = NULL;
	c->fd = -1;
	c->listener->counters.open--;
}

/* The prober's name and epoch make the key. False when there is none. */
static bool key_make (connection_t *c, uint32_t epoch, span_t prober)
{
	listener_t *self = c->listener;
	if (!self->keyring)
		return epoch == 0;
	uint8_t *raw = sodium_malloc (MAC_KEY_SIZE);
	c->key = sodium_malloc (mac_key_size ());
	bool made = raw && c->key &&
	            keyring_probe_key (self->keyring, epoch, span_str (self->node), prober, raw) == 0;
	if (made)
		mac_key_init (c->key, raw);
	sodium_free (raw);
	return made;
}

static void consume (connection_t *c, size_t n)
{
	c->size -= n;
	memmove (c->buffer, c->buffer + n, c->size);
}

/* 1: taken; 0: not all there yet; negative: the connection is to be closed, counted. */
static int hello_take (connection_t *c)
{
	listener_counters_t *counters = &c->listener->counters;
	size_t known = c->size < 4 ? c->size : 4;
	if (memcmp (c->buffer, PEER_MAGIC, known) != 0) {
		counters->malformed++;
		return -1;
	}
	if (c->size < PEER_HELLO_FIXED)
		return 0;
	uint32_t length = bytes_get_u32 (c->buffer + 8);
	if (length == 0 || length > TOPIC_NODE_MAX) {
		counters->malformed++;
		return -1;
	}
	if (c->size < PEER_HELLO_FIXED + length)
		return 0;
	span_t prober = span_of (c->buffer + PEER_HELLO_FIXED, length);
	if (!topic_name_valid (prober, TOPIC_NODE_MAX)) {
		counters->malformed++;
		return -1;
	}
	if (!key_make (c, bytes_get_u32 (c->buffer + 4), prober)) {
		counters->key++;
		return -1;
	}
	c->greeted = true;
	consume (c, PEER_HELLO_FIXED + length);
	return 1;
}

static int probe_take (connection_t *c)
{
	listener_counters_t *counters = &c->listener->counters;
	if (c->size < PEER_PROBE_SIZE)
		return 0;
	uint64_t nonce = bytes_get_u64 (c->buffer);
	if (!peer_mac_valid (c->key, nonce, c->buffer + 8)) {
		counters->mac++;
		return -1;
	}
	uint8_t answer[PEER_ANSWER_SIZE];
	peer_mac (c->key, nonce + 1, answer);
	/* A prober that does not read its answers has no use for the connection. */
	if (send (c->fd, answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t) sizeof answer)
		return -1;
	c->proven = true;
	c->last = mono_now ();
	counters->answered++;
	consume (c, PEER_PROBE_SIZE);
	return 1;
}

static void connection_ready (void *arg, int fd, short revents)
{
	connection_t *c = arg;
	(void) revents;
	for (int i = 0; i < PROBES_PER_TURN; i++) {
		size_t room = sizeof c->buffer - c->size;
		ssize_t n = recv (fd, c->buffer + c->size, room, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			connection_close (c);
			return;
		}
		c->size += (size_t) n;
		int r;
		do {
			r = c->greeted ? probe_take (c) : hello_take (c);
		} while (r > 0);
		if (r < 0) {
			connection_close (c);
			return;
		}
		if ((size_t) n < room)
			return;
	}
}

/* A free place; where there is none, that of the connection that is longest unproven. */
static connection_t *place_find (listener_t *self)
{
	connection_t *victim = NULL;
	for (size_t i = 0; i < LISTENER_CONNECTIONS_MAX; i++) {
		connection_t *c = &self->connections[i];
		if (c->fd < 0)
			return c;
		if (!c->proven && (!victim || c->last.ns < victim->last.ns))
			victim = c;
	}
	self->counters.full++;
	if (victim)
		connection_close (victim);
	return victim;
}

static void listener_ready (void *arg, int fd, short revents)
{
	listener_t *self = arg;
	(void) revents;
	int peer = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer < 0) {
		/* Without descriptors the socket stays readable: look again at the next tick. */
		if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
			self->counters.full++;
			self->deaf = loop_set_fd (self->loop, fd, 0) == 0;
		}
		return;
	}
	connection_t *c = place_find (self);
	if (!c) {
		close (peer);
		return;
	}
	int one = 1;
	(void) setsockopt (peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	*c = (connection_t){ .listener = self, .fd = peer, .last = mono_now () };
	if (loop_add_fd (self->loop, peer, POLLIN, connection_ready, c) != 0) {
		close (peer);
		c->fd = -1;
		return;
	}
	self->counters.accepted++;
	self->counters.open++;
}

static void endpoint_say (listener_t *self)
{
	struct sockaddr_storage at = { 0 };
	socklen_t size = sizeof at;
	char host[INET6_ADDRSTRLEN] = "";
	if (getsockname (self->fd, (struct sockaddr *) &at, &size) < 0)
		return;
	if (at.ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *) (const void *) &at;
		inet_ntop (AF_INET6, &in6->sin6_addr, host, sizeof host);
		snprintf (self->endpoint, sizeof self->endpoint, "tcp://[%s]:%u", host,
		        (unsigned) ntohs (in6->sin6_port));
	} else {
		const struct sockaddr_in *in = (const struct sockaddr_in *) (const void *) &at;
		inet_ntop (AF_INET, &in->sin_addr, host, sizeof host);
		snprintf (self->endpoint, sizeof self->endpoint, "tcp://%s:%u", host,
		        (unsigned) ntohs (in->sin_port));
	}
}

int listener_new (loop_t *loop, const char *endpoint, const char *node, keyring_t *keyring, listener_t **ret,
        err_t *err)
{
	struct sockaddr_storage at;
	socklen_t size;
	int r = peer_address (endpoint, true, &at, &size, err);
	if (r)
		return r;
	listener_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->loop = loop;
	self->keyring = keyring;
	snprintf (self->node, sizeof self->node, "%s", node);
	for (size_t i = 0; i < LISTENER_CONNECTIONS_MAX; i++)
		self->connections[i].fd = -1;
	self->fd = socket (at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1;
	if (self->fd < 0 || setsockopt (self->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	        bind (self->fd, (struct sockaddr *) &at, size) < 0 ||
	        listen (self->fd, LISTENER_BACKLOG) < 0) {
		r = -errno;
		error_set (err, r, "peer %s: %s%s", endpoint, strerror (-r),
		        r == -EADDRINUSE ? "; another program listens there: end it, or name another port"
		        : r == -EADDRNOTAVAIL ? "; no interface of this machine has that address: name one "
		                                "that it has, or *"
		                              : "");
	} else {
		r = loop_add_fd (loop, self->fd, POLLIN, listener_ready, self);
		if (r)
			error_set (err, r, "peer %s: %s", endpoint, strerror (-r));
	}
	if (r) {
		if (self->fd >= 0)
			close (self->fd);
		free (self);
		return r;
	}
	endpoint_say (self);
	*ret = self;
	return 0;
}

static void connections_close (listener_t *self)
{
	for (size_t i = 0; i < LISTENER_CONNECTIONS_MAX; i++) {
		if (self->connections[i].fd >= 0)
			connection_close (&self->connections[i]);
	}
}

void listener_destroy (listener_t **self_p)
{
	listener_t *self = *self_p;
	if (!self)
		return;
	connections_close (self);
	loop_remove_fd (self->loop, self->fd);
	close (self->fd);
	free (self);
	*self_p = NULL;
}

void listener_tick (listener_t *self, mono_t now)
{
	if (self->deaf)
		self->deaf = loop_set_fd (self->loop, self->fd, POLLIN) != 0;
	for (size_t i = 0; i < LISTENER_CONNECTIONS_MAX; i++) {
		connection_t *c = &self->connections[i];
		if (c->fd >= 0 && mono_since (now, c->last) > LISTENER_IDLE_NS) {
			self->counters.idle++;
			connection_close (c);
		}
	}
}

void listener_set_keyring (listener_t *self, keyring_t *keyring)
{
	self->keyring = keyring;
	connections_close (self);
}

const char *listener_endpoint (const listener_t *self)
{
	return self->endpoint;
}
const listener_counters_t *listener_counters (const listener_t *self)
{
	return &self->counters;
}
