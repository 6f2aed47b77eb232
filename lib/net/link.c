/* Links: a ZeroMQ socket each, with the options its kind needs from one table.
 *
 * What libzmq does at its edges decided much here; zeromq-facts.md has the measurements. */

#include "net/link_internal.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
	HANDSHAKE_MS = 3000,
	CONNECT_MS = 3000,
	RECONNECT_MS = 10,
	RECONNECT_MAX_MS = 1000,
	KEEPALIVE_IDLE_S = 10,
	KEEPALIVE_INTERVAL_S = 3,
	KEEPALIVE_COUNT = 3,
	TCP_SILENCE_MS = 10000, /* sent, unacknowledged: the connection is dead */
	BACKLOG = 4096,
	PREFIX_SIZE_MAX = 240, /* subscriptions of 246 to 255 bytes are lost */
	/* An XPUB takes subscriptions in for as long as it finds any, before its owner can say a word: with a
	 * mark of 1,000 a peer that sends them in one go got 200,000 in (140 MB), with this one 4,100. */
	SUBSCRIPTIONS_AT_ONCE = 10,
	/* ZMQ_ZAP_ENFORCE_DOMAIN, which zmq.h shows to users of drafts alone. Without it CURVE lets every
	 * key in while no handler runs. */
	ZAP_ENFORCE_DOMAIN = 93,
};

/* An envelope, a topic, and some slack: what is a little too large should reach the receiver,
 * who counts it; what is grossly so ends the connection. */
#define STREAM_SIZE_MAX (256 * 1024 + 4096)
#define CONTROL_SIZE_MAX (1024 * 1024 + 4096)
/* Subscriptions are all an XPUB receives. CURVE's handshake needs 280. */
#define SUBSCRIPTION_SIZE_MAX 512

typedef struct {
	int type;
	int linger_ms;
	int send_hwm, receive_hwm; /* 0: none */
	int64_t size_max;
	/* Without it a connecting socket keeps a queue for a peer that is not there: stale requests,
	 * and on the stream the oldest events instead of the newest, under dead subscriptions. */
	bool immediate;
	/* Each subscription of each peer is seen, and each one's end; else only the first and last. */
	bool verbose;
	const char *key; /* of collector.yaml, for who has to choose another port */
} kind_t;

static const kind_t kinds[] = {
	[LINK_AGENT_STREAM] = { ZMQ_XPUB, 500, 10000, 1000, SUBSCRIPTION_SIZE_MAX, true, true, NULL },
	[LINK_COLLECTOR_INTAKE] = { ZMQ_XSUB, 0, 0, 2000, STREAM_SIZE_MAX, false, false, "stream_in" },
	[LINK_COLLECTOR_OUTLET] = { ZMQ_XPUB, 500, 50000, SUBSCRIPTIONS_AT_ONCE, SUBSCRIPTION_SIZE_MAX, false,
	        true, "stream_out" },
	[LINK_SUBSCRIBER] = { ZMQ_SUB, 0, 0, 50000, STREAM_SIZE_MAX, false, false, NULL },
	[LINK_CONTROL_SERVER] = { ZMQ_ROUTER, 500, 1000, 1000, CONTROL_SIZE_MAX, false, false, "control" },
	[LINK_CONTROL_CLIENT] = { ZMQ_DEALER, 500, 1000, 1000, CONTROL_SIZE_MAX, true, false, NULL },
};

int zmq_failure (void)
{
	switch (errno) {
	case ETERM:
		return -ESHUTDOWN;
	case EFSM:
		return -EPROTO;
	case ENOCOMPATPROTO:
		return -EPROTONOSUPPORT;
	case EMTHREAD:
		return -EMFILE;
	case 0:
		return -EIO;
	default:
		return -errno;
	}
}

int net_thread_start (pthread_t *thread, const char *name, void *run (void *), void *arg)
{
	sigset_t all, before;
	sigfillset (&all);
	pthread_sigmask (SIG_SETMASK, &all, &before);
	int code = pthread_create (thread, NULL, run, arg);
	pthread_sigmask (SIG_SETMASK, &before, NULL);
	if (code == 0)
		pthread_setname_np (*thread, name);
	return -code;
}

int net_context_new (int io_threads, net_context_t **ret)
{
	if (io_threads < 1)
		return -EINVAL;
	net_context_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->zmq = zmq_ctx_new ();
	if (!self->zmq) {
		int code = zmq_failure ();
		free (self);
		return code;
	}
	if (zmq_ctx_set (self->zmq, ZMQ_IO_THREADS, io_threads) != 0 ||
	        zmq_ctx_set (self->zmq, ZMQ_BLOCKY, 0) != 0) {
		int code = zmq_failure ();
		zmq_ctx_term (self->zmq);
		free (self);
		return code;
	}
	*ret = self;
	return 0;
}

void net_context_destroy (net_context_t **self_p)
{
	net_context_t *self = *self_p;
	if (!self)
		return;
	/* zmq_ctx_term would wait for it without end. */
	assert (self->links == 0 && "a link outlives its context");
	while (zmq_ctx_term (self->zmq) != 0 && errno == EINTR)
		;
	free (self);
	*self_p = NULL;
}

static int set_int (void *socket, int option, int value)
{
	return zmq_setsockopt (socket, option, &value, sizeof value) == 0 ? 0 : zmq_failure ();
}

/* Ten thousand agents that lost the same collector should not come back in step. */
static int reconnect_max_ms (void)
{
	uint16_t noise = 0;
	if (getrandom (&noise, sizeof noise, GRND_NONBLOCK) != (ssize_t) sizeof noise)
		noise = UINT16_MAX / 2;
	return RECONNECT_MAX_MS * 3 / 4 + (int) (noise % (RECONNECT_MAX_MS / 2));
}

static int set_options (void *socket, const kind_t *kind, const link_options_t *options)
{
	int64_t size_max = options->message_size_max ? (int64_t) options->message_size_max : kind->size_max;
	const struct {
		int option, value;
	} common[] = {
		{ ZMQ_LINGER, kind->linger_ms },
		{ ZMQ_SNDHWM, options->send_hwm ? options->send_hwm : kind->send_hwm },
		{ ZMQ_RCVHWM, options->receive_hwm ? options->receive_hwm : kind->receive_hwm },
		{ ZMQ_IMMEDIATE, kind->immediate },
		{ ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS },
		{ ZMQ_CONNECT_TIMEOUT, CONNECT_MS },
		{ ZMQ_RECONNECT_IVL, RECONNECT_MS },
		{ ZMQ_RECONNECT_IVL_MAX, reconnect_max_ms () },
		{ ZMQ_BACKLOG, BACKLOG },
		{ ZMQ_TCP_KEEPALIVE, 1 },
		{ ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S },
		{ ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL_S },
		{ ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT },
		{ ZMQ_TCP_MAXRT, TCP_SILENCE_MS },
	};
	int r = zmq_setsockopt (socket, ZMQ_MAXMSGSIZE, &size_max, sizeof size_max) == 0 ? 0 : zmq_failure ();
	for (size_t i = 0; r == 0 && i < sizeof common / sizeof common[0]; i++)
		r = set_int (socket, common[i].option, common[i].value);
	if (r == 0 && kind->type == ZMQ_XPUB) {
		r = set_int (socket, ZMQ_XPUB_NODROP, 0);
		if (r == 0 && kind->verbose)
			r = set_int (socket, ZMQ_XPUB_VERBOSER, 1);
	}
	if (r == 0 && kind->type == ZMQ_ROUTER) {
		r = set_int (socket, ZMQ_ROUTER_MANDATORY, 1);
		if (r == 0)
			r = set_int (socket, ZMQ_ROUTER_HANDOVER, 0);
	}
	return r;
}

static int set_key (void *socket, int option, const uint8_t *key)
{
	return zmq_setsockopt (socket, option, key, LINK_KEY_SIZE) == 0 ? 0 : zmq_failure ();
}

static int set_curve (void *socket, const link_curve_t *curve)
{
	int r = set_key (socket, ZMQ_CURVE_SECRETKEY, curve->secret_key);
	if (r == 0 && curve->server_key) {
		r = set_key (socket, ZMQ_CURVE_PUBLICKEY, curve->public_key);
		return r == 0 ? set_key (socket, ZMQ_CURVE_SERVERKEY, curve->server_key) : r;
	}
	/* A domain is what makes the handler's word binding. */
	if (r == 0 && (!curve->domain || !*curve->domain))
		r = -EINVAL;
	if (r == 0)
		r = set_int (socket, ZMQ_CURVE_SERVER, 1);
	if (r == 0 && zmq_setsockopt (socket, ZMQ_ZAP_DOMAIN, curve->domain, strlen (curve->domain)) != 0)
		r = zmq_failure ();
	return r == 0 ? set_int (socket, ZAP_ENFORCE_DOMAIN, 1) : r;
}

int link_new (net_context_t *context, link_kind_t kind, const link_options_t *options, link_t **ret)
{
	if ((size_t) kind >= sizeof kinds / sizeof kinds[0])
		return -EINVAL;
	static const link_options_t none;
	link_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->kind = kind;
	self->socket = zmq_socket (context->zmq, kinds[kind].type);
	int r = self->socket ? set_options (self->socket, &kinds[kind], options ? options : &none)
	                     : zmq_failure ();
	if (r == 0 && options && options->curve)
		r = set_curve (self->socket, options->curve);
	if (r != 0) {
		if (self->socket)
			zmq_close (self->socket);
		free (self);
		return r;
	}
	self->context = context;
	self->stale = true;
	context->links++;
	*ret = self;
	return 0;
}

int link_borrow (void *socket, link_t **ret)
{
	link_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->socket = socket;
	self->kind = LINK_CONTROL_CLIENT;
	self->stale = true;
	*ret = self;
	return 0;
}

void link_destroy (link_t **self_p)
{
	link_t *self = *self_p;
	if (!self)
		return;
	assert (self->watchers == 0 && "a link is destroyed while a loop watches it");
	if (self->monitor)
		link_monitor_detach (self->monitor);
	if (self->context) {
		zmq_close (self->socket);
		self->context->links--;
	}
	free (self);
	*self_p = NULL;
}

/* libzmq takes tcp://127.0.0.1:99999 for port 34463, and refuses nothing that begins with a digit. */
static bool port_is_sound (const char *endpoint, bool binds)
{
	if (strncmp (endpoint, "tcp://", 6) != 0)
		return true;
	const char *port = strrchr (endpoint + 6, ':');
	if (!port)
		return false;
	port++;
	if (binds && strcmp (port, "*") == 0)
		return true;
	size_t digits = strspn (port, "0123456789");
	return digits > 0 && digits <= 5 && port[digits] == '\0' && atoi (port) > 0 &&
	       atoi (port) <= UINT16_MAX;
}

/* tcp://[::1]:7701. Off otherwise: with it on, names resolve to IPv6 first. */
static int choose_family (link_t *self, const char *endpoint)
{
	return set_int (self->socket, ZMQ_IPV6, strncmp (endpoint, "tcp://[", 7) == 0);
}

static int bind_raw (link_t *self, const char *endpoint)
{
	if (!port_is_sound (endpoint, true))
		return -EINVAL;
	self->stale = true;
	int r = choose_family (self, endpoint);
	return r == 0 && zmq_bind (self->socket, endpoint) != 0 ? zmq_failure () : r;
}

int link_bind (link_t *self, const char *endpoint, err_t *err)
{
	const char *key = kinds[self->kind].key ? kinds[self->kind].key : "the endpoint";
	int r = bind_raw (self, endpoint);
	switch (r) {
	case 0:
		return 0;
	case -EADDRINUSE:
		return error_set (err, r,
		        "%s: address in use; is another belfry-collector running? Stop it, or choose another "
		        "port for %s (ss -ltnp names the program that listens there)",
		        endpoint, key);
	case -ENODEV:
	case -EADDRNOTAVAIL:
		return error_set (err, r,
		        "%s: this machine has no such address; choose one of its own, or * for all, for %s",
		        endpoint, key);
	case -EACCES:
		return error_set (err, r,
		        "%s: not allowed; ports below 1024, and sockets in others' directories, need root; "
		        "choose another for %s",
		        endpoint, key);
	case -EINVAL:
	case -EPROTONOSUPPORT:
		return error_set (err, r,
		        "'%s' is not an endpoint to bind; tcp://ADDRESS:PORT is one, with a port of 1 to "
		        "65535",
		        endpoint);
	default:
		return error_set (err, r, "%s: cannot listen: %s", endpoint, strerror (-r));
	}
}

int link_connect (link_t *self, const char *endpoint, err_t *err)
{
	int r = port_is_sound (endpoint, false) ? choose_family (self, endpoint) : -EINVAL;
	self->stale = true;
	if (r == 0 && zmq_connect (self->socket, endpoint) != 0)
		r = zmq_failure ();
	if (r == -EINVAL || r == -EPROTONOSUPPORT)
		return error_set (err, r,
		        "'%s' is not an endpoint to connect to; tcp://HOST:PORT is one, with a port of 1 to "
		        "65535",
		        endpoint);
	return r == 0 ? 0 : error_set (err, r, "%s: cannot connect: %s", endpoint, strerror (-r));
}

int link_disconnect (link_t *self, const char *endpoint)
{
	self->stale = true;
	return zmq_disconnect (self->socket, endpoint) == 0 ? 0 : zmq_failure ();
}

int link_endpoint (link_t *self, char *out, size_t size)
{
	return zmq_getsockopt (self->socket, ZMQ_LAST_ENDPOINT, out, &size) == 0 ? 0 : zmq_failure ();
}

int link_poll_descriptor (link_t *self)
{
	int fd = -1;
	size_t size = sizeof fd;
	return zmq_getsockopt (self->socket, ZMQ_FD, &fd, &size) == 0 ? fd : zmq_failure ();
}

static int events_of (link_t *self, int *ret)
{
	size_t size = sizeof *ret;
	while (zmq_getsockopt (self->socket, ZMQ_EVENTS, ret, &size) != 0) {
		if (errno != EINTR)
			return zmq_failure ();
	}
	return 0;
}

int link_readable (link_t *self)
{
	int events = 0;
	int r = events_of (self, &events);
	if (r != 0)
		return r;
	self->stale = events & ZMQ_POLLIN;
	return self->stale;
}

/* 0 or negative errno. Into an open frame: its old bytes are let go of. */
static int receive_part (link_t *self, frame_t *frame)
{
	zmq_msg_t *message = frame_message (frame);
	self->stale = true;
	if (!frame->open)
		zmq_msg_init (message);
	while (zmq_msg_recv (message, self->socket, ZMQ_DONTWAIT) < 0) {
		if (errno == EINTR)
			continue;
		int code = zmq_failure ();
		zmq_msg_close (message);
		frame->open = false;
		return code;
	}
	frame->open = true;
	return 0;
}

int link_receive (link_t *self, frame_t *frames, size_t max, size_t *ret_n)
{
	frame_t beyond = { .open = false };
	size_t n = 0;
	int r;
	bool more;
	do {
		frame_t *frame = n < max ? &frames[n] : &beyond;
		r = receive_part (self, frame);
		if (r != 0)
			break;
		more = zmq_msg_more (frame_message (frame));
		n++;
	} while (more);
	frame_close (&beyond);
	if (r == 0 && n <= max) {
		*ret_n = n;
		return 0;
	}
	for (size_t i = 0; i < n && i < max; i++)
		frame_close (&frames[i]);
	if (r == 0) {
		*ret_n = n;
		return -EMSGSIZE;
	}
	return r;
}

/* A send looks at what became of the connections only once in a millisecond: until then it is written
 * to one that ended, and lost, or finds none where one is. Control is rare, and asks first. */
static void catch_up (link_t *self)
{
	int events;
	self->stale = true;
	if (self->kind == LINK_CONTROL_CLIENT || self->kind == LINK_CONTROL_SERVER)
		events_of (self, &events);
}

/* What failed after the first part: the peer went, and ZeroMQ has dropped the beginning. */
static int broken_off (int code)
{
	return code == -EAGAIN ? -EHOSTUNREACH : code;
}

int link_forward (link_t *self, frame_t *frames, size_t n)
{
	catch_up (self);
	for (size_t i = 0; i < n;) {
		if (!frames[i].open)
			return -EINVAL;
		int flags = ZMQ_DONTWAIT | (i + 1 < n ? ZMQ_SNDMORE : 0);
		if (zmq_msg_send (frame_message (&frames[i]), self->socket, flags) >= 0) {
			frames[i++].open = false;
			continue;
		}
		if (errno == EINTR)
			continue;
		int code = zmq_failure ();
		if (i > 0) {
			for (; i < n; i++)
				frame_close (&frames[i]);
			return broken_off (code);
		}
		return code;
	}
	return n > 0 ? 0 : -EINVAL;
}

int link_send (link_t *self, const span_t *parts, size_t n)
{
	catch_up (self);
	for (size_t i = 0; i < n;) {
		int flags = ZMQ_DONTWAIT | (i + 1 < n ? ZMQ_SNDMORE : 0);
		if (zmq_send (self->socket, parts[i].data, parts[i].size, flags) >= 0) {
			i++;
			continue;
		}
		if (errno == EINTR)
			continue;
		int code = zmq_failure ();
		if (i > 0)
			return broken_off (code);
		return code;
	}
	return n > 0 ? 0 : -EINVAL;
}

static int change_subscription (link_t *self, span_t prefix, bool on)
{
	if (prefix.size > PREFIX_SIZE_MAX)
		return -EMSGSIZE;
	if (self->kind == LINK_SUBSCRIBER) {
		int option = on ? ZMQ_SUBSCRIBE : ZMQ_UNSUBSCRIBE;
		self->stale = true;
		return zmq_setsockopt (self->socket, option, prefix.size ? prefix.data : "", prefix.size) == 0
		               ? 0
		               : zmq_failure ();
	}
	if (self->kind != LINK_COLLECTOR_INTAKE)
		return -EINVAL;
	unsigned char command[1 + PREFIX_SIZE_MAX];
	command[0] = on;
	if (prefix.size)
		memcpy (command + 1, prefix.data, prefix.size);
	span_t part = span_of (command, 1 + prefix.size);
	return link_send (self, &part, 1);
}

int link_subscribe (link_t *self, span_t prefix)
{
	return change_subscription (self, prefix, true);
}
int link_unsubscribe (link_t *self, span_t prefix)
{
	return change_subscription (self, prefix, false);
}
