/* One handler a connection; the socket's own buffer is the queue, so a slow agent shows to the
 * application as a full socket, never as a wait. What is read is copied out of an arena-less
 * unpack, bounded by the packet's size and INLET_MESSAGE_MAX. */

#include "agents/inlet.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/utf8.h"
#include "belfry/v1/app.pb-c.h"
#include "wire/describe.h"
#include "wire/topic.h"

enum { APP_VERSION = 1, BATCH = 64, LABELS_MAX = 16, BURST = 2 * INLET_RATE_PER_S };

typedef struct {
	inlet_t *inlet;
	int fd;
	struct ucred peer;
	uint64_t number;    /* the newest of the sender's */
	uint64_t n_refused; /* since the last flush */
	char refused[160];  /* why, the first of them */
	char source[TOPIC_SOURCE_MAX + 1];
	double tokens;
	mono_t filled;
	bool said; /* a refusal was logged: once a connection */
} connection_t;

struct inlet {
	loop_t *loop;
	int fd;
	inlet_event_fn *take;
	void *arg;
	const uid_t *audit_uids;
	size_t n_audit_uids;
	connection_t connections[INLET_CONNECTIONS_MAX];
	inlet_counters_t counters;
	bool enabled;
	Belfry__V1__Severity min_severity;
	struct sockaddr_un address;
	uint8_t packet[INLET_MESSAGE_MAX + 1];
};

static void connection_close (connection_t *c)
{
	loop_remove_fd (c->inlet->loop, c->fd);
	close (c->fd);
	c->fd = -1;
	c->inlet->counters.open--;
}

static void message_send (const connection_t *c, Belfry__V1__AppMessage *message)
{
	uint8_t bytes[1024];
	message->version = APP_VERSION;
	size_t size = belfry__v1__app_message__get_packed_size (message);
	if (size > sizeof bytes)
		return;
	belfry__v1__app_message__pack (message, bytes);
	/* An application that does not read its answers loses them: nobody waits for it. */
	(void) !send (c->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void wanted_send (const connection_t *c)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppControl control = BELFRY__V1__APP_CONTROL__INIT;
	control.enabled = c->inlet->enabled;
	control.min_severity = c->inlet->min_severity;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_CONTROL;
	message.control = &control;
	message_send (c, &message);
}

/* Answers a flush: what was refused since the one before, and why. */
static void flush_answer (connection_t *c, uint64_t number)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppAck ack = BELFRY__V1__APP_ACK__INIT;
	ack.number = number;
	ack.outcome = c->n_refused ? BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED
	                           : BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED;
	ack.reason = c->refused;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_ACK;
	message.ack = &ack;
	message_send (c, &message);
	c->n_refused = 0;
	c->refused[0] = '\0';
}

/* Counts a refusal, keeps its reason for the next flush and says the connection's first one. */
static void refuse (connection_t *c, uint64_t *counter, const char *why)
{
	++*counter;
	if (c->n_refused++ == 0) {
		snprintf (c->refused, sizeof c->refused, "%s", why);
		utf8_make_valid (c->refused, strlen (c->refused));
	}
	if (!c->said) {
		c->said = true;
		log_warning ("inlet", "application '%s' (pid %d, uid %u): %s; further refusals are counted",
		        c->source, (int) c->peer.pid, (unsigned) c->peer.uid, why);
	}
}

static bool hello_take (connection_t *c, const Belfry__V1__AppMessage *message)
{
	inlet_counters_t *counters = &c->inlet->counters;
	span_t source = message->body_case == BELFRY__V1__APP_MESSAGE__BODY_HELLO
	                        ? span_str (message->hello->source)
	                        : span_of ("", 0);
	if (!topic_name_valid (source, TOPIC_SOURCE_MAX)) {
		refuse (c, &counters->malformed, "the first message is no hello with a valid source name");
		return false;
	}
	if (span_is (source, "agent") || span_is (source, "collector")) {
		refuse (c, &counters->forbidden, "the sources 'agent' and 'collector' are reserved");
		return false;
	}
	memcpy (c->source, source.data, source.size);
	c->source[source.size] = '\0';
	c->number = message->number;
	wanted_send (c);
	return true;
}

static bool rate_allows (connection_t *c, Belfry__V1__Severity severity)
{
	mono_t now = mono_now ();
	c->tokens += (double) mono_since (now, c->filled) / (double) NS_PER_S * INLET_RATE_PER_S;
	c->filled = now;
	if (c->tokens > BURST)
		c->tokens = BURST;
	if (c->tokens < 1)
		return severity == BELFRY__V1__SEVERITY__SEVERITY_CRITICAL;
	c->tokens -= 1;
	return true;
}

static bool uid_may_audit (const inlet_t *self, uid_t uid)
{
	if (uid == 0)
		return true;
	for (size_t i = 0; i < self->n_audit_uids; i++) {
		if (self->audit_uids[i] == uid)
			return true;
	}
	return false;
}

static void event_take (connection_t *c, Belfry__V1__Event *event)
{
	inlet_t *self = c->inlet;
	const event_type_t *type = event ? event_type_of (event) : NULL;
	if (!type || type->channel == CHANNEL_FABRIC) {
		refuse (c, &self->counters.invalid, "an event without a payload of the nine channels");
		return;
	}
	Belfry__V1__Header *header = event->header;
	publisher_note_t note = { .source = c->source };
	note.severity = header ? header->severity : 0;
	if ((type->channel == CHANNEL_AUDIT || type->channel == CHANNEL_SECURITY) &&
	        !uid_may_audit (self, c->peer.uid)) {
		refuse (c, &self->counters.forbidden,
		        "audit and security events come from the uids in audit_uids only");
		return;
	}
	if (!rate_allows (c, note.severity)) {
		refuse (c, &self->counters.rate, "above the rate of events that one application may send");
		return;
	}
	/* The sender's credentials are the kernel's word; its own labels of these names are replaced. */
	char uid[16], pid[16];
	Belfry__V1__Label stamps[2] = { BELFRY__V1__LABEL__INIT, BELFRY__V1__LABEL__INIT };
	Belfry__V1__Label *labels[LABELS_MAX] = { &stamps[0], &stamps[1] };
	snprintf (uid, sizeof uid, "%u", (unsigned) c->peer.uid);
	snprintf (pid, sizeof pid, "%d", (int) c->peer.pid);
	static char uid_key[] = "uid", pid_key[] = "pid";
	stamps[0].key = uid_key;
	stamps[0].value = uid;
	stamps[1].key = pid_key;
	stamps[1].value = pid;
	note.n_labels = 2;
	note.labels = labels;
	for (size_t i = 0; header && i < header->n_labels; i++) {
		if (strcmp (header->labels[i]->key, "uid") == 0 ||
		        strcmp (header->labels[i]->key, "pid") == 0)
			continue;
		if (note.n_labels == LABELS_MAX) {
			refuse (c, &self->counters.invalid, "more than 14 labels of its own");
			return;
		}
		labels[note.n_labels++] = header->labels[i];
	}
	note.correlation_id = header ? header->correlation_id : NULL;
	if (type->channel == CHANNEL_LOGGING && !note.severity &&
	        event->payload_case == BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY)
		note.severity = event->log_entry->level;
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH)
		note.changed = event->component_health->previous_status != event->component_health->status;
	event->header = NULL; /* the publisher writes its own */
	err_t err = { "" };
	int r = self->take (self->arg, event, &note, &err);
	event->header = header;
	if (r)
		refuse (c, r == -EINVAL ? &self->counters.invalid : &self->counters.untaken, err.text);
	else
		self->counters.accepted++;
}

/* One packet. False when the connection is to be closed. */
static bool packet_take (connection_t *c, size_t size)
{
	inlet_t *self = c->inlet;
	Belfry__V1__AppMessage *message =
	        size > INLET_MESSAGE_MAX ? NULL : belfry__v1__app_message__unpack (NULL, size, self->packet);
	if (!message || message->version != APP_VERSION) {
		refuse (c, &self->counters.malformed,
		        size > INLET_MESSAGE_MAX ? "a message above 64 KiB" : "no AppMessage of version 1");
		if (message)
			belfry__v1__app_message__free_unpacked (message, NULL);
		return false;
	}
	bool keep = true;
	if (!c->source[0]) {
		keep = hello_take (c, message);
	} else {
		if (message->number > c->number + 1)
			self->counters.lost += message->number - c->number - 1;
		if (message->number > c->number)
			c->number = message->number;
		switch (message->body_case) {
		case BELFRY__V1__APP_MESSAGE__BODY_EVENT:
			event_take (c, message->event->event);
			break;
		case BELFRY__V1__APP_MESSAGE__BODY_FLUSH:
			flush_answer (c, message->number);
			break;
		default:
			refuse (c, &self->counters.malformed, "a message that applications do not send");
			keep = false;
		}
	}
	belfry__v1__app_message__free_unpacked (message, NULL);
	return keep;
}

static void connection_ready (void *arg, int fd, short revents)
{
	connection_t *c = arg;
	inlet_t *self = c->inlet;
	(void) revents;
	for (int i = 0; i < BATCH; i++) {
		ssize_t n = recv (fd, self->packet, sizeof self->packet, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0 || !packet_take (c, (size_t) n)) {
			connection_close (c);
			return;
		}
	}
}

static void listener_ready (void *arg, int fd, short revents)
{
	inlet_t *self = arg;
	(void) revents;
	int peer = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer < 0)
		return;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		connection_t *c = &self->connections[i];
		if (c->fd >= 0)
			continue;
		*c = (connection_t){ .inlet = self, .fd = peer, .tokens = BURST, .filled = mono_now () };
		socklen_t size = sizeof c->peer;
		if (getsockopt (peer, SOL_SOCKET, SO_PEERCRED, &c->peer, &size) == 0 &&
		        loop_add_fd (self->loop, peer, POLLIN, connection_ready, c) == 0) {
			self->counters.connections++;
			self->counters.open++;
			return;
		}
		c->fd = -1;
		break;
	}
	self->counters.full++;
	close (peer);
}

/* A socket file that nobody listens on is left over from a crash. */
static int stale_remove (const struct sockaddr_un *address, err_t *err)
{
	struct stat st;
	if (lstat (address->sun_path, &st) < 0)
		return 0;
	if (!S_ISSOCK (st.st_mode))
		return error_set (err, -EEXIST, "%s: exists and is no socket; remove it or change `socket`",
		        address->sun_path);
	int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? -1 : connect (fd, (const struct sockaddr *) address, sizeof *address);
	bool alive = r == 0 || errno == EAGAIN;
	if (fd >= 0)
		close (fd);
	if (alive)
		return error_set (
		        err, -EADDRINUSE, "%s: in use; is another belfry-agent running?", address->sun_path);
	unlink (address->sun_path);
	return 0;
}

int inlet_new (const inlet_options_t *options, loop_t *loop, inlet_event_fn *take, void *arg, inlet_t **ret,
        err_t *err)
{
	inlet_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->loop = loop;
	self->take = take;
	self->arg = arg;
	self->audit_uids = options->audit_uids;
	self->n_audit_uids = options->n_audit_uids;
	self->enabled = true;
	self->fd = -1;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++)
		self->connections[i].fd = -1;
	self->address.sun_family = AF_UNIX;
	int r;
	if (strlen (options->path) >= sizeof self->address.sun_path) {
		r = error_set (err, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes", options->path,
		        sizeof self->address.sun_path - 1);
		goto fail;
	}
	memcpy (self->address.sun_path, options->path, strlen (options->path) + 1);
	r = stale_remove (&self->address, err);
	if (r) {
		self->address.sun_path[0] = '\0'; /* not ours to remove */
		goto fail;
	}
	self->fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask = umask (0117);
	r = self->fd < 0                                                                          ? -errno
	    : bind (self->fd, (const struct sockaddr *) &self->address, sizeof self->address) < 0 ? -errno
	    : listen (self->fd, INLET_CONNECTIONS_MAX) < 0                                        ? -errno
	                                                                                          : 0;
	umask (mask);
	if (r) {
		error_set (err, r,
		        "%s: %s; the applications' socket needs a directory that this user may write",
		        options->path, strerror (-r));
		goto fail;
	}
	const struct group *group = getgrnam ("belfry");
	if (group)
		(void) !chown (options->path, (uid_t) -1, group->gr_gid);
	r = loop_add_fd (loop, self->fd, POLLIN, listener_ready, self);
	if (r) {
		error_set (err, r, "%s: %s", options->path, strerror (-r));
		goto fail;
	}
	*ret = self;
	return 0;
fail:
	if (self->fd >= 0)
		close (self->fd);
	free (self);
	return r;
}

void inlet_destroy (inlet_t **self_p)
{
	inlet_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		if (self->connections[i].fd >= 0)
			connection_close (&self->connections[i]);
	}
	loop_remove_fd (self->loop, self->fd);
	close (self->fd);
	unlink (self->address.sun_path);
	free (self);
	*self_p = NULL;
}

void inlet_set_audit_uids (inlet_t *self, const uid_t *uids, size_t n)
{
	self->audit_uids = uids;
	self->n_audit_uids = n;
}

const inlet_counters_t *inlet_counters (const inlet_t *self)
{
	return &self->counters;
}

void inlet_set_wanted (inlet_t *self, bool enabled, Belfry__V1__Severity min_severity)
{
	self->enabled = enabled;
	self->min_severity = min_severity;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		if (self->connections[i].fd >= 0 && self->connections[i].source[0])
			wanted_send (&self->connections[i]);
	}
}
