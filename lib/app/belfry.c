/* One SEQPACKET connection under a mutex that is held for one non-blocking send. Numbers count what
 * was tried, so that the agent sees as a hole what its socket could not take. */

#include "app/belfry.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "belfry/v1/app.pb-c.h"

enum {
	APP_VERSION = 1,
	MESSAGE_MAX = 64 * 1024,
	EVENT_MAX = 64000,
	STACK_MAX = 4096,
	TEXT_MAX = 8192,
	SOURCE_MAX = 32
};

struct belfry {
	_Atomic bool enabled, wanted;
	_Atomic int min_severity;
	_Atomic uint64_t queued, dropped;
	pthread_mutex_t lock; /* what follows */
	int fd;
	uint64_t number;
	mono_t next_try, next_read;
	wall_t opened;
	uint64_t acked;
	int refused; /* negative errno since the last flush */
	char last_error[256];
	char source[SOURCE_MAX + 1], version[64];
	struct sockaddr_un address;
};

static bool source_valid (const char *source)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	size_t size = source ? strlen (source) : 0;
	return size > 0 && size <= SOURCE_MAX && strchr (first, source[0]) && strspn (source, rest) == size &&
	       strcmp (source, "agent") != 0 && strcmp (source, "collector") != 0;
}

belfry_t *belfry_open (const char *source, const char *version, const char *path)
{
	if (!path)
		path = getenv ("BELFRY_SOCKET");
	if (!path || !*path)
		path = "/run/belfry/agent.sock";
	belfry_t *self = calloc (1, sizeof *self);
	if (!self || !source_valid (source) || strlen (path) >= sizeof self->address.sun_path) {
		free (self);
		return NULL;
	}
	snprintf (self->source, sizeof self->source, "%s", source);
	snprintf (self->version, sizeof self->version, "%s", version ? version : "");
	utf8_make_valid (self->version, strlen (self->version));
	self->address.sun_family = AF_UNIX;
	memcpy (self->address.sun_path, path, strlen (path) + 1);
	self->fd = -1;
	self->opened = wall_now ();
	atomic_store (&self->enabled, true);
	atomic_store (&self->wanted, true);
	pthread_mutex_init (&self->lock, NULL);
	return self;
}

static void link_close (belfry_t *self)
{
	if (self->fd >= 0)
		close (self->fd);
	self->fd = -1;
}

void belfry_close (belfry_t **self_p)
{
	belfry_t *self = *self_p;
	if (!self)
		return;
	link_close (self);
	pthread_mutex_destroy (&self->lock);
	free (self);
	*self_p = NULL;
}

void belfry_enable (belfry_t *self)
{
	atomic_store_explicit (&self->enabled, true, memory_order_relaxed);
}
void belfry_disable (belfry_t *self)
{
	atomic_store_explicit (&self->enabled, false, memory_order_relaxed);
}
bool belfry_enabled (const belfry_t *self)
{
	return atomic_load_explicit (&self->enabled, memory_order_relaxed);
}

void belfry_counts (belfry_t *self, uint64_t *ret_queued, uint64_t *ret_dropped)
{
	*ret_queued = atomic_load (&self->queued);
	*ret_dropped = atomic_load (&self->dropped);
}

void belfry_last_error (belfry_t *self, char *text, size_t size)
{
	pthread_mutex_lock (&self->lock);
	snprintf (text, size, "%s", self->last_error);
	pthread_mutex_unlock (&self->lock);
}

static belfry_outcome_t drop (belfry_t *self, belfry_outcome_t outcome)
{
	atomic_fetch_add (&self->dropped, 1);
	return outcome;
}

/* Packs message and sends it without waiting. 0, or negative errno. */
static int message_send (belfry_t *self, Belfry__V1__AppMessage *message)
{
	uint8_t stack[STACK_MAX], *bytes = stack;
	message->version = APP_VERSION;
	size_t size = belfry__v1__app_message__get_packed_size (message);
	if (size > MESSAGE_MAX)
		return -EMSGSIZE;
	if (size > sizeof stack && !(bytes = malloc (size)))
		return -ENOMEM;
	belfry__v1__app_message__pack (message, bytes);
	ssize_t n = send (self->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	int r = n < 0 ? -errno : 0;
	if (bytes != stack)
		free (bytes);
	return r;
}

/* Connects when it is time. Whether there is a connection. */
static bool link_ready (belfry_t *self)
{
	if (self->fd >= 0)
		return true;
	mono_t now = mono_now ();
	if (now.ns < self->next_try.ns)
		return false;
	self->next_try = mono_add (now, NS_PER_S);
	int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	int room = 4 << 20;
	setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	if (connect (fd, (const struct sockaddr *) &self->address, sizeof self->address) < 0) {
		close (fd);
		return false;
	}
	self->fd = fd;
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppHello hello = BELFRY__V1__APP_HELLO__INIT;
	hello.source = self->source;
	hello.version = self->version;
	char program[64];
	snprintf (program, sizeof program, "%s", program_invocation_short_name);
	utf8_make_valid (program, strlen (program));
	hello.program = program;
	message.number = self->number;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	if (message_send (self, &message)) {
		link_close (self);
		return false;
	}
	return true;
}

/* Takes one message of the agent's. */
static void message_take (belfry_t *self, const uint8_t *bytes, size_t size)
{
	Belfry__V1__AppMessage *message = belfry__v1__app_message__unpack (NULL, size, bytes);
	if (!message)
		return;
	if (message->body_case == BELFRY__V1__APP_MESSAGE__BODY_CONTROL) {
		atomic_store (&self->wanted, message->control->enabled);
		atomic_store (&self->min_severity, (int) message->control->min_severity);
	} else if (message->body_case == BELFRY__V1__APP_MESSAGE__BODY_ACK) {
		const Belfry__V1__AppAck *ack = message->ack;
		if (ack->number > self->acked)
			self->acked = ack->number;
		if (ack->outcome == BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED ||
		        ack->outcome == BELFRY__V1__APP_OUTCOME__APP_OUTCOME_DROPPED) {
			self->refused = ack->outcome == BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED
			                        ? -EPERM
			                        : -EBADMSG;
			snprintf (self->last_error, sizeof self->last_error, "%s", ack->reason);
		}
	}
	belfry__v1__app_message__free_unpacked (message, NULL);
}

static void messages_read (belfry_t *self)
{
	uint8_t bytes[2048];
	ssize_t n;
	while (self->fd >= 0 && (n = recv (self->fd, bytes, sizeof bytes, MSG_DONTWAIT)) != -1) {
		if (n == 0)
			link_close (self);
		else
			message_take (self, bytes, (size_t) n);
	}
	if (self->fd >= 0 && errno != EAGAIN && errno != EINTR)
		link_close (self);
}

/* Under the lock: numbers the message, connects where that is due, sends. 0 or negative errno. */
static int message_number_and_send (belfry_t *self, Belfry__V1__AppMessage *message)
{
	message->number = ++self->number;
	if (!link_ready (self))
		return -ENOTCONN;
	int r = message_send (self, message);
	if (r == -EPIPE || r == -ECONNRESET || r == -ENOTCONN) {
		link_close (self);
		r = link_ready (self) ? message_send (self, message) : -ENOTCONN;
	}
	return r;
}

static bool passes (belfry_t *self, belfry_severity_t severity)
{
	return atomic_load_explicit (&self->enabled, memory_order_relaxed) &&
	       atomic_load_explicit (&self->wanted, memory_order_relaxed) &&
	       (int) severity >= atomic_load_explicit (&self->min_severity, memory_order_relaxed);
}

static belfry_outcome_t event_send (belfry_t *self, Belfry__V1__Event *event)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppEvent body = BELFRY__V1__APP_EVENT__INIT;
	body.event = event;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_EVENT;
	message.event = &body;
	pthread_mutex_lock (&self->lock);
	int r = message_number_and_send (self, &message);
	mono_t now = mono_now ();
	if (now.ns >= self->next_read.ns) {
		self->next_read = mono_add (now, NS_PER_S);
		messages_read (self);
	}
	pthread_mutex_unlock (&self->lock);
	if (r)
		return drop (self, r == -EMSGSIZE ? BELFRY_INVALID : BELFRY_DROPPED);
	atomic_fetch_add_explicit (&self->queued, 1, memory_order_relaxed);
	return BELFRY_QUEUED;
}

/* A bounded copy in valid UTF-8: the host's texts may be anything. */
static char *text_of (char *out, size_t size, const char *text)
{
	snprintf (out, size, "%s", text ? text : "");
	utf8_make_valid (out, strlen (out));
	return out;
}

static belfry_outcome_t event_with (belfry_t *self, Belfry__V1__Event *event, belfry_severity_t severity)
{
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	header.severity = (Belfry__V1__Severity) severity;
	event->header = &header;
	return event_send (self, event);
}

belfry_outcome_t belfry_lifecycle (belfry_t *self, belfry_lifecycle_t state, const char *reason)
{
	belfry_severity_t severity = state == BELFRY_FAILED ? BELFRY_ERROR : BELFRY_INFO;
	if (!passes (self, severity))
		return BELFRY_DISABLED;
	if (state < BELFRY_STARTING || state > BELFRY_FAILED)
		return drop (self, BELFRY_INVALID);
	char text[1024];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SystemLifecycle body = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	body.state = (Belfry__V1__SystemLifecycleState) state;
	body.system = self->source;
	body.version = self->version;
	body.reason = text_of (text, sizeof text, reason);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &body;
	return event_with (self, &event, severity);
}

belfry_outcome_t belfry_health (
        belfry_t *self, const char *component, belfry_status_t status, const char *details)
{
	static const belfry_severity_t severities[] = { BELFRY_INFO, BELFRY_INFO, BELFRY_WARNING,
		BELFRY_ERROR, BELFRY_WARNING };
	if (status < BELFRY_HEALTHY || status > BELFRY_UNKNOWN || !component || !*component)
		return belfry_enabled (self) ? drop (self, BELFRY_INVALID) : BELFRY_DISABLED;
	if (!passes (self, severities[status]))
		return BELFRY_DISABLED;
	char name[128], text[1024];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ComponentHealth body = BELFRY__V1__COMPONENT_HEALTH__INIT;
	body.component = text_of (name, sizeof name, component);
	body.status = (Belfry__V1__Status) status;
	body.details = text_of (text, sizeof text, details);
	body.since_ns = (uint64_t) wall_now ().ns;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH;
	event.component_health = &body;
	return event_with (self, &event, severities[status]);
}

static belfry_outcome_t sample_send (belfry_t *self, Belfry__V1__MetricKind kind, const char *name,
        double value, const char *unit, uint64_t start_time_ns)
{
	if (!passes (self, BELFRY_INFO))
		return BELFRY_DISABLED;
	if (!name || !*name)
		return drop (self, BELFRY_INVALID);
	char text[256], unit_text[64];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__MetricBatch body = BELFRY__V1__METRIC_BATCH__INIT;
	Belfry__V1__Sample sample = BELFRY__V1__SAMPLE__INIT, *samples[] = { &sample };
	sample.name = text_of (text, sizeof text, name);
	sample.kind = kind;
	sample.value = value;
	sample.unit = text_of (unit_text, sizeof unit_text, unit);
	sample.start_time_ns = start_time_ns;
	body.n_samples = 1;
	body.samples = samples;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	event.metric_batch = &body;
	return event_with (self, &event, BELFRY_INFO);
}

belfry_outcome_t belfry_gauge (belfry_t *self, const char *name, double value, const char *unit)
{
	return sample_send (self, BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE, name, value, unit, 0);
}

belfry_outcome_t belfry_counter (
        belfry_t *self, const char *name, double value, const char *unit, uint64_t start_time_ns)
{
	return sample_send (self, BELFRY__V1__METRIC_KIND__METRIC_KIND_COUNTER, name, value, unit,
	        start_time_ns ? start_time_ns : (uint64_t) self->opened.ns);
}

belfry_outcome_t belfry_audit (
        belfry_t *self, const char *actor, const char *action, const char *target, const char *details)
{
	if (!passes (self, BELFRY_CRITICAL)) /* no filter but disable keeps an audit event back */
		return BELFRY_DISABLED;
	if (!actor || !*actor || !action || !*action)
		return drop (self, BELFRY_INVALID);
	char who[256], what[256], whom[256], text[2048];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__AdminAction body = BELFRY__V1__ADMIN_ACTION__INIT;
	body.actor = text_of (who, sizeof who, actor);
	body.action = text_of (what, sizeof what, action);
	body.target = text_of (whom, sizeof whom, target);
	body.details = text_of (text, sizeof text, details);
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ADMIN_ACTION;
	event.admin_action = &body;
	return event_with (self, &event, BELFRY_INFO);
}

belfry_outcome_t belfry_log (belfry_t *self, belfry_severity_t level, const char *logger, const char *message)
{
	if (!passes (self, level))
		return BELFRY_DISABLED;
	if (level < BELFRY_DEBUG || level > BELFRY_CRITICAL || !message)
		return drop (self, BELFRY_INVALID);
	char name[128], text[TEXT_MAX];
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry body = BELFRY__V1__LOG_ENTRY__INIT;
	body.level = (Belfry__V1__Severity) level;
	body.logger = text_of (name, sizeof name, logger);
	body.message = text_of (text, sizeof text, message);
	body.pid = (uint32_t) getpid ();
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &body;
	return event_with (self, &event, level);
}

belfry_outcome_t belfry_send (belfry_t *self, const void *bytes, size_t size)
{
	if (!passes (self, BELFRY_CRITICAL))
		return BELFRY_DISABLED;
	Belfry__V1__Event *event = size <= EVENT_MAX ? belfry__v1__event__unpack (NULL, size, bytes) : NULL;
	if (!event)
		return drop (self, BELFRY_INVALID);
	belfry_outcome_t outcome = event_send (self, event);
	belfry__v1__event__free_unpacked (event, NULL);
	return outcome;
}

int belfry_flush (belfry_t *self, int timeout_ms)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppFlush body = BELFRY__V1__APP_FLUSH__INIT;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_FLUSH;
	message.flush = &body;
	mono_t end = mono_add (mono_now (), (int64_t) timeout_ms * NS_PER_MS);
	pthread_mutex_lock (&self->lock);
	int r = message_number_and_send (self, &message);
	uint64_t wanted = message.number;
	/* The socket may be full of what goes before: the agent is reading, so wait for room. */
	while (!r || r == -EAGAIN) {
		messages_read (self);
		if (self->fd < 0)
			r = -ENOTCONN;
		else if (!r && self->acked >= wanted)
			break;
		int64_t left_ms = mono_since (end, mono_now ()) / NS_PER_MS;
		if (left_ms <= 0 && (!r || r == -EAGAIN))
			r = -ETIMEDOUT;
		if (r && r != -EAGAIN)
			break;
		struct pollfd pfd = { self->fd, (short) (POLLIN | (r ? POLLOUT : 0)), 0 };
		/* Others may send while this one waits. */
		pthread_mutex_unlock (&self->lock);
		poll (&pfd, 1, left_ms > 100 ? 100 : (int) left_ms);
		pthread_mutex_lock (&self->lock);
		if (r == -EAGAIN && self->fd >= 0)
			r = message_send (self, &message);
	}
	if (!r && self->refused) {
		r = self->refused;
		self->refused = 0;
	}
	pthread_mutex_unlock (&self->lock);
	return r;
}
