/* One SEQPACKET connection under a mutex that is held for non-blocking calls only. What is sent is
 * packed before the lock is taken, with room in front for the version and the number, which are known
 * under it alone: so a message that has to go again over a new connection is packed once. */

#include "app/uplink.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/utf8.h"
#include "wire/varint.h"

enum {
	APP_VERSION = 1,
	HEAD_MAX = 2 + 1 + 10, /* version and number with their tags */
	TAG_VERSION = 1 << 3,
	TAG_NUMBER = 2 << 3,
	STACK_MAX = 4096,
	ANSWERS_PER_CALL = 16,
	SEND_BUFFER = 4 << 20,
	FLUSH_POLL_MS = 20, /* another thread may have read the answer */
};
/* Of a generation: a forked child is just beginning anew. */
#define RENEWING 0x80000000u

static _Atomic unsigned forks;
static int watching; /* what pthread_atfork said */

static void forked (void)
{
	atomic_fetch_add (&forks, 1);
}

static void forks_watch (void)
{
	watching = pthread_atfork (NULL, NULL, forked);
}

static void begin (uplink_t *self)
{
	pthread_mutex_init (&self->lock, NULL);
	self->fd = -1;
	self->connection = self->number = self->taken = self->event = self->acked = 0;
	self->next_try = (mono_t){ 0 };
	self->refused = 0;
	self->last_error[0] = '\0';
	atomic_store (&self->floor, 0);
	atomic_store (&self->next_read_ns, 0);
	atomic_store (&self->queued, 0);
	for (size_t i = 0; i < UPLINK_DROPS; i++)
		atomic_store (&self->dropped[i], 0);
}

/* Lets go of fd. What bears its number now may be the host's. */
static void link_close (uplink_t *self)
{
	struct stat st;
	if (self->fd >= 0 && fstat (self->fd, &st) == 0 && st.st_dev == self->device &&
	        st.st_ino == self->inode)
		close (self->fd);
	self->fd = -1;
	atomic_store (&self->floor, 0);
}

/* Whether self belongs to this process; in a forked child the first to ask makes it so. The lock is of no
 * use before: some thread of the parent's may have held it at the fork. */
static bool own (uplink_t *self)
{
	unsigned now = atomic_load_explicit (&forks, memory_order_relaxed);
	unsigned was = atomic_load_explicit (&self->generation, memory_order_acquire);
	if (was == now)
		return true;
	if (was == (now | RENEWING) ||
	        !atomic_compare_exchange_strong (&self->generation, &was, now | RENEWING))
		return false;
	link_close (self);
	begin (self);
	atomic_store_explicit (&self->generation, now, memory_order_release);
	return true;
}

/* What a thread holds while it is inside. It is not cancelled there: the lock would stay taken. */
typedef struct {
	int cancel, error;
} inside_t;

static bool enter (uplink_t *self, inside_t *inside)
{
	inside->error = errno;
	if (!own (self)) {
		errno = inside->error;
		return false;
	}
	pthread_setcancelstate (PTHREAD_CANCEL_DISABLE, &inside->cancel);
	pthread_mutex_lock (&self->lock);
	return true;
}

static void leave (uplink_t *self, const inside_t *inside)
{
	pthread_mutex_unlock (&self->lock);
	pthread_setcancelstate (inside->cancel, NULL);
	errno = inside->error;
}

static int transient (int error)
{
	return error == EAGAIN || error == EINTR     ? -EAGAIN
	       : error == ENOBUFS || error == ENOMEM ? -ENOMEM
	       : error == EMSGSIZE                   ? -EMSGSIZE
	                                             : 0;
}

/* Sends body, which has HEAD_MAX bytes of room before it, under that number. 0; -EAGAIN, -EMSGSIZE,
 * -ENOMEM; -ENOTCONN when the connection is of no more use. */
static int transmit (const uplink_t *self, uint8_t *body, size_t size, uint64_t number)
{
	uint8_t head[HEAD_MAX];
	size_t n = 0;
	head[n++] = TAG_VERSION;
	head[n++] = APP_VERSION;
	if (number) {
		head[n++] = TAG_NUMBER;
		n += varint_put (head + n, number);
	}
	memcpy (body - n, head, n);
	if (send (self->fd, body - n, size + n, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 0;
	int r = transient (errno);
	return r ? r : -ENOTCONN;
}

static void say (uplink_t *self, const char *text)
{
	snprintf (self->last_error, sizeof self->last_error, "%s", text);
	utf8_make_valid (self->last_error, strlen (self->last_error));
}

static void ack_take (uplink_t *self, const Belfry__V1__AppAck *ack)
{
	if (ack->number > self->acked)
		self->acked = ack->number;
	if (ack->outcome != BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED &&
	        ack->outcome != BELFRY__V1__APP_OUTCOME__APP_OUTCOME_DROPPED)
		return;
	self->refused = ack->outcome == BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED ? -EPERM : -EBADMSG;
	say (self, ack->reason);
}

/* Takes one message of the agent's; what is none is passed over. */
static void answer_take (uplink_t *self, const uint8_t *bytes, size_t size)
{
	Belfry__V1__AppMessage *message = belfry__v1__app_message__unpack (NULL, size, bytes);
	if (!message)
		return;
	if (message->body_case == BELFRY__V1__APP_MESSAGE__BODY_CONTROL)
		atomic_store (&self->floor,
		        message->control->enabled ? (int) message->control->min_severity : INT32_MAX);
	else if (message->body_case == BELFRY__V1__APP_MESSAGE__BODY_ACK)
		ack_take (self, message->ack);
	belfry__v1__app_message__free_unpacked (message, NULL);
}

/* Reads what the agent said. False when the connection has ended. A reset comes before what was sent
 * ahead of it. */
static bool answers_read (uplink_t *self)
{
	uint8_t bytes[2048];
	bool ended = false;
	for (int i = 0; i < ANSWERS_PER_CALL; i++) {
		ssize_t n = recv (self->fd, bytes, sizeof bytes, MSG_DONTWAIT);
		if (n > 0)
			answer_take (self, bytes, (size_t) n);
		else if (n < 0 && errno == ECONNRESET && !ended)
			ended = true;
		else if (n < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		else
			return false;
	}
	return !ended;
}

/* The connection is over. What it took and the agent has not confirmed may be lost. */
static void link_end (uplink_t *self)
{
	if (self->fd < 0)
		return;
	answers_read (self);
	link_close (self);
	if (self->event > self->acked && !self->refused) {
		self->refused = -ECONNRESET;
		say (self, "the agent ended the connection before it confirmed everything that was queued");
	}
	self->event = 0;
}

static void answers_hear (uplink_t *self)
{
	if (self->fd >= 0 && !answers_read (self))
		link_end (self);
}

static int hello_send (const uplink_t *self)
{
	union {
		const char *in;
		char *out;
	} source = { self->source }, version = { self->version };
	uint8_t bytes[HEAD_MAX + 256];
	char program[64];
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppHello hello = BELFRY__V1__APP_HELLO__INIT;
	snprintf (program, sizeof program, "%s", program_invocation_short_name);
	utf8_make_valid (program, strlen (program));
	hello.source = source.out;
	hello.version = version.out;
	hello.program = program;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	size_t size = belfry__v1__app_message__pack (&message, bytes + HEAD_MAX);
	return transmit (self, bytes + HEAD_MAX, size, self->taken);
}

/* Keeps errno's words, unless there is something worse to be told. False. */
static bool unreachable (uplink_t *self)
{
	if (!self->refused)
		say (self, strerror (errno));
	return false;
}

/* Connects when that is due, or now. Whether there is a connection. Nothing in it waits: a unix socket
 * is connected at once, or its listener's queue is full. */
static bool link_ready (uplink_t *self, bool now)
{
	if (self->fd >= 0)
		return true;
	mono_t at = mono_now ();
	if (!now && at.ns < self->next_try.ns)
		return false;
	self->next_try = mono_add (at, NS_PER_S);
	int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return unreachable (self);
	int room = SEND_BUFFER;
	(void) setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	struct stat st;
	if (fstat (fd, &st) < 0 ||
	        connect (fd, (const struct sockaddr *) &self->address, sizeof self->address) < 0) {
		unreachable (self);
		close (fd);
		return false;
	}
	self->fd = fd;
	self->device = st.st_dev;
	self->inode = st.st_ino;
	self->connection++;
	if (hello_send (self) == 0)
		return true;
	link_close (self);
	return false;
}

/* The number of what is tried next is used up also where nobody takes it: that is the hole. */
static int event_transmit (uplink_t *self, uint8_t *body, size_t size)
{
	self->number++;
	if (!link_ready (self, false))
		return -ENOTCONN;
	int r = transmit (self, body, size, self->number);
	if (r == -ENOTCONN) {
		link_end (self);
		r = link_ready (self, false) ? transmit (self, body, size, self->number) : -ENOTCONN;
	}
	if (r == -ENOTCONN)
		link_end (self);
	else if (!r)
		self->event = self->taken = self->number;
	return r;
}

static bool hearing_due (uplink_t *self, mono_t now)
{
	return now.ns >= atomic_load_explicit (&self->next_read_ns, memory_order_relaxed);
}

static void hear (uplink_t *self, mono_t now)
{
	if (!hearing_due (self, now))
		return;
	atomic_store_explicit (&self->next_read_ns, mono_add (now, NS_PER_S).ns, memory_order_relaxed);
	answers_hear (self);
}

int uplink_init (uplink_t *self, const char *source, const char *version, const char *path)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once (&once, forks_watch);
	if (watching)
		return -watching;
	begin (self);
	atomic_store (&self->generation, atomic_load (&forks));
	snprintf (self->source, sizeof self->source, "%s", source);
	snprintf (self->version, sizeof self->version, "%s", version);
	utf8_make_valid (self->version, strlen (self->version));
	self->address.sun_family = AF_UNIX;
	memcpy (self->address.sun_path, path, strlen (path) + 1);
	(void) link_ready (self, true);
	return 0;
}

void uplink_close (uplink_t *self)
{
	(void) own (self);
	link_close (self);
	pthread_mutex_destroy (&self->lock);
}

int uplink_send (uplink_t *self, Belfry__V1__Event *event)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppEvent body = BELFRY__V1__APP_EVENT__INIT;
	body.event = event;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_EVENT;
	message.event = &body;
	size_t size = belfry__v1__app_message__get_packed_size (&message);
	if (size > UPLINK_MESSAGE_MAX - HEAD_MAX)
		return -EMSGSIZE;
	int saved = errno;
	uint8_t stack[HEAD_MAX + STACK_MAX];
	uint8_t *bytes = size > STACK_MAX ? malloc (HEAD_MAX + size) : stack;
	inside_t inside;
	int r = bytes ? -ENOTCONN : -ENOMEM;
	if (bytes) {
		belfry__v1__app_message__pack (&message, bytes + HEAD_MAX);
		if (enter (self, &inside)) {
			r = event_transmit (self, bytes + HEAD_MAX, size);
			hear (self, mono_now ());
			leave (self, &inside);
		}
	}
	if (bytes != stack)
		free (bytes);
	errno = saved;
	return r;
}

void uplink_hear (uplink_t *self)
{
	inside_t inside;
	mono_t now = mono_now ();
	if (!hearing_due (self, now) || !enter (self, &inside))
		return;
	hear (self, now);
	leave (self, &inside);
}

/* Hands the flush over: it uses up a number only where a socket took it. */
static int flush_transmit (uplink_t *self, uint64_t *ret_number)
{
	uint8_t bytes[HEAD_MAX + 2] = { 0 };
	bytes[HEAD_MAX] = 6 << 3 | 2; /* AppMessage.flush, empty */
	if (!link_ready (self, true))
		return -ENOTCONN;
	int r = transmit (self, bytes + HEAD_MAX, 2, self->number + 1);
	if (r == -ENOTCONN) {
		link_end (self);
		r = link_ready (self, true) ? transmit (self, bytes + HEAD_MAX, 2, self->number + 1)
		                            : -ENOTCONN;
	}
	if (!r)
		*ret_number = self->taken = ++self->number;
	return r;
}

/* Under the lock, which is let go of while it waits. */
static int flush_wait (uplink_t *self, mono_t end)
{
	uint64_t number = 0, connection = 0;
	for (;;) {
		int r = number ? 0 : flush_transmit (self, &number);
		if (r && r != -EAGAIN)
			return r;
		if (!r && !connection)
			connection = self->connection;
		answers_hear (self);
		if (number && self->acked >= number)
			return 0;
		if (self->fd < 0 || (number && connection != self->connection))
			return -ENOTCONN;
		int64_t left_ms = mono_since (end, mono_now ()) / NS_PER_MS;
		if (left_ms <= 0)
			return -ETIMEDOUT;
		struct pollfd pfd = { self->fd, (short) (number ? POLLIN : POLLIN | POLLOUT), 0 };
		pthread_mutex_unlock (&self->lock);
		poll (&pfd, 1, left_ms > FLUSH_POLL_MS ? FLUSH_POLL_MS : (int) left_ms);
		pthread_mutex_lock (&self->lock);
	}
}

int uplink_flush (uplink_t *self, int timeout_ms)
{
	inside_t inside;
	mono_t end = mono_add (mono_now (), (int64_t) timeout_ms * NS_PER_MS);
	if (!enter (self, &inside))
		return -ENOTCONN;
	int r = flush_wait (self, end);
	if (self->refused) {
		r = self->refused;
		self->refused = 0;
	}
	leave (self, &inside);
	return r;
}

void uplink_say (uplink_t *self, const char *text)
{
	inside_t inside;
	if (!enter (self, &inside))
		return;
	say (self, text);
	leave (self, &inside);
}

void uplink_last_error (uplink_t *self, char *text, size_t size)
{
	inside_t inside;
	if (!enter (self, &inside)) {
		if (size)
			text[0] = '\0';
		return;
	}
	snprintf (text, size, "%s", self->last_error);
	leave (self, &inside);
}

void uplink_counts_own (uplink_t *self)
{
	(void) own (self);
}
