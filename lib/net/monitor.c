/* A thread of its own drains the socket monitor: libzmq's I/O thread blocks, and with it every
 * connection of the process, once an unread monitor's queue is full (zeromq-facts.md). The
 * thread's work is bounded and never waits: a full ring drops and counts. */

#include "net/link_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
	/* Ten thousand nodes that lose and find a collector make 20,000 events. Pages never touched
	 * cost nothing, and an emptied ring starts over at its beginning. */
	RING_SIZE = 32768,
	ENDPOINTS_MAX = 16, /* that a connecting link remembers the descriptor of */
	ENDPOINT_SIZE = 128,
};

#define FAILURES                                                                      \
	(ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | \
	        ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
#define WATCHED                                                                                              \
	(ZMQ_EVENT_CONNECTED | ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | \
	        FAILURES)

struct link_monitor {
	link_t *link; /* NULL once the link is gone */
	void *pair;   /* the thread's */
	int stop_fd, ready_fd;
	pthread_t thread;

	pthread_mutex_t lock; /* of all below */
	link_event_t *ring;
	size_t first, count;
	uint64_t dropped;

	/* The thread's. HANDSHAKE_SUCCEEDED does not say which connection: CONNECTED before it did. */
	struct {
		char endpoint[ENDPOINT_SIZE];
		int descriptor;
	} connecting[ENDPOINTS_MAX];
	size_t next_connecting;
};

static void signal_fd (int fd)
{
	uint64_t one = 1;
	ssize_t ignored = write (fd, &one, sizeof one);
	(void) ignored;
}

static void push (link_monitor_t *self, link_change_t change, int descriptor, int error)
{
	pthread_mutex_lock (&self->lock);
	if (self->count == RING_SIZE) {
		self->dropped++;
	} else {
		self->ring[(self->first + self->count) % RING_SIZE] =
		        (link_event_t){ change, descriptor, error };
		if (self->count++ == 0)
			signal_fd (self->ready_fd);
	}
	pthread_mutex_unlock (&self->lock);
}

static void remember (link_monitor_t *self, const char *endpoint, int descriptor)
{
	size_t at = self->next_connecting;
	for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
		if (strcmp (self->connecting[i].endpoint, endpoint) == 0)
			at = i;
	}
	if (at == self->next_connecting)
		self->next_connecting = (at + 1) % ENDPOINTS_MAX;
	snprintf (self->connecting[at].endpoint, ENDPOINT_SIZE, "%s", endpoint);
	self->connecting[at].descriptor = descriptor;
}

static int recall (const link_monitor_t *self, const char *endpoint)
{
	for (size_t i = 0; i < ENDPOINTS_MAX; i++) {
		if (strcmp (self->connecting[i].endpoint, endpoint) == 0)
			return self->connecting[i].descriptor;
	}
	return -1;
}

static void take (link_monitor_t *self, unsigned event, int value, const char *endpoint)
{
	switch (event) {
	case ZMQ_EVENT_CONNECTED:
		remember (self, endpoint, value);
		break;
	case ZMQ_EVENT_HANDSHAKE_SUCCEEDED: {
		/* A listener's peers said ACCEPTED instead. */
		int descriptor = recall (self, endpoint);
		if (descriptor >= 0)
			push (self, LINK_CONNECTED, descriptor, 0);
		break;
	}
	case ZMQ_EVENT_ACCEPTED:
		push (self, LINK_ACCEPTED, value, 0);
		break;
	case ZMQ_EVENT_DISCONNECTED:
		push (self, LINK_DISCONNECTED, value, 0);
		break;
	default:
		if (event & FAILURES)
			push (self, LINK_HANDSHAKE_FAILED, -1, value);
	}
}

/* One event is two frames: u16 event and u32 value, native and unaligned; the endpoint. 0, or
 * -EAGAIN when there is none. */
static int drain_one (link_monitor_t *self)
{
	unsigned char head[6];
	int n = zmq_recv (self->pair, head, sizeof head, ZMQ_DONTWAIT);
	if (n < 0)
		return zmq_failure ();
	char endpoint[ENDPOINT_SIZE] = "";
	int more = 0;
	size_t size = sizeof more;
	zmq_getsockopt (self->pair, ZMQ_RCVMORE, &more, &size);
	if (more) {
		int length = zmq_recv (self->pair, endpoint, sizeof endpoint - 1, ZMQ_DONTWAIT);
		if (length >= 0)
			endpoint[length < ENDPOINT_SIZE ? length : ENDPOINT_SIZE - 1] = '\0';
	}
	if (n == (int) sizeof head) {
		uint16_t event;
		int32_t value;
		memcpy (&event, head, sizeof event);
		memcpy (&value, head + 2, sizeof value);
		take (self, event, value, endpoint);
	}
	return 0;
}

static void *drain (void *arg)
{
	link_monitor_t *self = arg;
	zmq_pollitem_t items[] = {
		{ .socket = self->pair, .events = ZMQ_POLLIN },
		{ .fd = self->stop_fd, .events = ZMQ_POLLIN },
	};
	int r = 0;
	while (r != -ESHUTDOWN) {
		if (zmq_poll (items, 2, -1) < 0 && errno == ETERM)
			break;
		do
			r = drain_one (self);
		while (r == 0 || r == -EINTR);
		if (items[1].revents)
			break;
	}
	zmq_close (self->pair);
	return NULL;
}

static void monitor_free (link_monitor_t *self)
{
	if (self->stop_fd >= 0)
		close (self->stop_fd);
	if (self->ready_fd >= 0)
		close (self->ready_fd);
	pthread_mutex_destroy (&self->lock);
	free (self->ring);
	free (self);
}

/* 0 with self->pair connected to the link's monitor. */
static int attach (link_monitor_t *self, link_t *link)
{
	static _Atomic unsigned number;
	char endpoint[64];
	snprintf (endpoint, sizeof endpoint, "inproc://belfry-monitor-%u", atomic_fetch_add (&number, 1));
	if (zmq_socket_monitor (link->socket, endpoint, WATCHED) != 0)
		return zmq_failure ();
	int r = 0, linger = 0;
	self->pair = zmq_socket (link->context->zmq, ZMQ_PAIR);
	if (!self->pair || zmq_setsockopt (self->pair, ZMQ_LINGER, &linger, sizeof linger) != 0 ||
	        zmq_connect (self->pair, endpoint) != 0)
		r = zmq_failure ();
	if (r == 0)
		r = net_thread_start (&self->thread, "belfry-monitor", drain, self);
	if (r != 0) {
		if (self->pair)
			zmq_close (self->pair);
		zmq_socket_monitor (link->socket, NULL, 0);
	}
	return r;
}

int link_monitor_new (link_t *link, link_monitor_t **ret)
{
	if (!link->context)
		return -EINVAL;
	if (link->monitor)
		return -EEXIST;
	link_monitor_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	pthread_mutex_init (&self->lock, NULL);
	self->ring = malloc (RING_SIZE * sizeof *self->ring);
	self->stop_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
	self->ready_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r = 0;
	if (!self->ring)
		r = -ENOMEM;
	else if (self->stop_fd < 0 || self->ready_fd < 0)
		r = -errno;
	else
		r = attach (self, link);
	if (r != 0) {
		monitor_free (self);
		return r;
	}
	self->link = link;
	link->monitor = self;
	*ret = self;
	return 0;
}

/* First the source, then the thread: the other way round the source could fill up unread. */
void link_monitor_detach (link_monitor_t *self)
{
	zmq_socket_monitor (self->link->socket, NULL, 0);
	signal_fd (self->stop_fd);
	pthread_join (self->thread, NULL);
	self->link->monitor = NULL;
	self->link = NULL;
}

void link_monitor_destroy (link_monitor_t **self_p)
{
	link_monitor_t *self = *self_p;
	if (!self)
		return;
	if (self->link)
		link_monitor_detach (self);
	monitor_free (self);
	*self_p = NULL;
}

int link_monitor_descriptor (link_monitor_t *self)
{
	return self->ready_fd;
}

int link_monitor_next (link_monitor_t *self, link_event_t *ret)
{
	int r = -EAGAIN;
	pthread_mutex_lock (&self->lock);
	if (self->count > 0) {
		*ret = self->ring[self->first];
		self->first = (self->first + 1) % RING_SIZE;
		if (--self->count == 0) {
			uint64_t ignored;
			ssize_t n = read (self->ready_fd, &ignored, sizeof ignored);
			(void) n;
			self->first = 0;
		}
		r = 0;
	}
	pthread_mutex_unlock (&self->lock);
	return r;
}

uint64_t link_monitor_dropped (link_monitor_t *self)
{
	pthread_mutex_lock (&self->lock);
	uint64_t dropped = self->dropped;
	pthread_mutex_unlock (&self->lock);
	return dropped;
}
