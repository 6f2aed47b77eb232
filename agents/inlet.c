/* The sockets' own buffers are the queue, so a slow agent shows to an application as a full socket,
 * never as a wait. One timer runs while something is to be looked at again: a connection without its
 * hello, or a listener that found no descriptor; an idle inlet wakes nobody. */

#include "agents/inlet.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "agents/caller.h"
#include "base/log.h"

enum { APP_VERSION = 1, BACKLOG = 64, ANSWER_MAX = 512, SOCKET_MODE = 0660 };
#define LOOK_AGAIN_NS NS_PER_S
/* What peers may write into the log: a line a second. */
#define SAY_NS NS_PER_S

typedef struct {
	inlet_t *inlet;
	int fd;
	mono_t since;
	caller_t caller;
	bool said; /* a refusal was logged: once a connection */
	uint64_t flush,
	        flush_event; /* the flush that waits, 0: none, and the event whose commit it waits for */
	mono_t flush_since;
} connection_t;

struct inlet {
	loop_t *loop;
	int fd, timer; /* -1: none */
	bool deaf;     /* the listener waits for a descriptor */
	inlet_event_fn *take;
	uint64_t (*newest) (void *arg);
	void *arg;
	uint64_t settled;
	uid_t *audit_uids;
	size_t n_audit_uids;
	connection_t *connections[INLET_CONNECTIONS_MAX]; /* NULL: free */
	arena_t *arena;
	inlet_counters_t counters;
	bool enabled;
	Belfry__V1__Severity min_severity;
	mono_t said_at;
	struct sockaddr_un address; /* an empty path: no file of ours */
	dev_t device;
	ino_t inode;
	uint8_t packet[CALLER_PACKET_MAX + 1];
};

static void connection_close (connection_t *c)
{
	inlet_t *self = c->inlet;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		if (self->connections[i] == c)
			self->connections[i] = NULL;
	}
	loop_remove_fd (self->loop, c->fd);
	close (c->fd);
	caller_clear (&c->caller);
	free (c);
	self->counters.open--;
}

/* An application that does not read its answers loses them: nobody waits for it. */
static void message_send (int fd, Belfry__V1__AppMessage *message)
{
	uint8_t bytes[ANSWER_MAX];
	message->version = APP_VERSION;
	if (belfry__v1__app_message__get_packed_size (message) <= sizeof bytes)
		(void) !send (fd, bytes, belfry__v1__app_message__pack (message, bytes),
		        MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void wanted_send (const connection_t *c)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppControl control = BELFRY__V1__APP_CONTROL__INIT;
	control.enabled = c->inlet->enabled;
	control.min_severity = c->inlet->min_severity;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_CONTROL;
	message.control = &control;
	message_send (c->fd, &message);
}

static void ack_send (int fd, Belfry__V1__AppAck *ack)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_ACK;
	message.ack = ack;
	message_send (fd, &message);
}

static void flush_answer (connection_t *c, Belfry__V1__AppOutcome outcome)
{
	Belfry__V1__AppAck answer = BELFRY__V1__APP_ACK__INIT;
	answer.number = c->flush;
	answer.outcome = outcome;
	c->flush = 0;
	ack_send (c->fd, &answer);
}

/* The last word to a connection that is about to be closed. */
static void refusal_send (int fd, caller_word_t *word)
{
	belfry__v1__app_ack__init (&word->answer);
	word->answer.outcome = BELFRY__V1__APP_OUTCOME__APP_OUTCOME_REFUSED;
	word->answer.reason = word->reason_text;
	ack_send (fd, &word->answer);
}

static bool may_say (inlet_t *self, mono_t now)
{
	if (self->said_at.ns && mono_since (now, self->said_at) < SAY_NS)
		return false;
	self->said_at = now;
	return true;
}

static void refusal_count (connection_t *c, const caller_word_t *word)
{
	inlet_counters_t *counters = &c->inlet->counters;
	uint64_t *const by_reason[CALLER_REASONS] = {
		[CALLER_MALFORMED] = &counters->malformed,
		[CALLER_INVALID] = &counters->invalid,
		[CALLER_FORBIDDEN] = &counters->forbidden,
		[CALLER_RATE] = &counters->rate,
		[CALLER_UNTAKEN] = &counters->untaken,
	};
	++*by_reason[word->reason];
	if (c->said || !may_say (c->inlet, mono_now ()))
		return;
	c->said = true;
	log_warning ("inlet", "application '%s' (pid %u, uid %u): %s; further refusals are counted",
	        c->caller.source, (unsigned) c->caller.pid, (unsigned) c->caller.uid, word->reason_text);
}

static void event_give (connection_t *c, caller_word_t *word)
{
	inlet_t *self = c->inlet;
	err_t err = { "" };
	int r = self->take (self->arg, word->event, &word->note, &err);
	if (r >= 0) {
		self->counters.accepted++;
		return;
	}
	caller_untaken (&c->caller, word, r == -EINVAL ? CALLER_INVALID : CALLER_UNTAKEN,
	        err.text[0] ? err.text : strerror (-r));
	refusal_count (c, word);
}

/* A flush is answered when what came before it is committed; one that comes while another waits answers for
 * both. */
static void flush_take (connection_t *c, Belfry__V1__AppAck *answer)
{
	inlet_t *self = c->inlet;
	if (!self->newest || answer->outcome != BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED) {
		c->flush = 0;
		ack_send (c->fd, answer);
		return;
	}
	if (!c->flush)
		c->flush_since = mono_now ();
	c->flush = answer->number;
	c->flush_event = self->newest (self->arg);
	if (c->flush_event <= self->settled)
		flush_answer (c, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_COMMITTED);
}

void inlet_settle (inlet_t *self, uint64_t number, mono_t now)
{
	if (number > self->settled)
		self->settled = number;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		connection_t *c = self->connections[i];
		if (!c || !c->flush)
			continue;
		if (c->flush_event <= self->settled)
			flush_answer (c, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_COMMITTED);
		else if (mono_since (now, c->flush_since) >= INLET_FLUSH_NS)
			flush_answer (c, BELFRY__V1__APP_OUTCOME__APP_OUTCOME_QUEUED);
	}
}

/* One packet. False when the connection is to be closed. */
static bool packet_take (connection_t *c, size_t size)
{
	inlet_t *self = c->inlet;
	caller_word_t word;
	caller_take (&c->caller, self->arena, span_of (self->packet, size), moment_now (), &word);
	self->counters.lost += word.lost;
	switch (word.meaning) {
	case CALLER_HELLO:
		wanted_send (c);
		return true;
	case CALLER_EVENT:
		event_give (c, &word);
		return true;
	case CALLER_FLUSH:
		flush_take (c, &word.answer);
		return true;
	case CALLER_REFUSED:
		refusal_count (c, &word);
		return true;
	case CALLER_BROKEN:
		break;
	}
	refusal_count (c, &word);
	refusal_send (c->fd, &word);
	return false;
}

/* What is left in the socket has its turn next time, after the others. */
static void connection_ready (void *arg, int fd, short revents)
{
	connection_t *c = arg;
	inlet_t *self = c->inlet;
	size_t bytes = 0;
	(void) revents;
	for (int i = 0; i < INLET_PACKETS_PER_TURN && bytes < INLET_BYTES_PER_TURN; i++) {
		ssize_t n = recv (fd, self->packet, sizeof self->packet, MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		/* An empty packet looks like the end, and is taken for it. */
		if (n <= 0 || !packet_take (c, (size_t) n)) {
			connection_close (c);
			return;
		}
		bytes += (size_t) n;
	}
}

/* Looking again. */

static void look_again (void *arg, int id, moment_t now);

static void look_again_later (inlet_t *self)
{
	if (self->timer >= 0)
		return;
	int id = loop_add_timer (self->loop, LOOK_AGAIN_NS, 0, look_again, self);
	self->timer = id > 0 ? id : -1;
}

static void look_again (void *arg, int id, moment_t now)
{
	inlet_t *self = arg;
	bool waiting = false;
	(void) id;
	self->timer = -1;
	if (self->deaf)
		self->deaf = loop_set_fd (self->loop, self->fd, POLLIN) != 0;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		connection_t *c = self->connections[i];
		if (!c || c->caller.source[0])
			continue;
		if (mono_since (now.mono, c->since) >= INLET_HELLO_NS) {
			self->counters.mute++;
			connection_close (c);
		} else {
			waiting = true;
		}
	}
	if (waiting || self->deaf)
		look_again_later (self);
}

/* New connections. */

static bool uid_may_audit (const inlet_t *self, uid_t uid)
{
	bool may = uid == 0;
	for (size_t i = 0; i < self->n_audit_uids && !may; i++)
		may = self->audit_uids[i] == uid;
	return may;
}

/* A free place; where there is none, that of the connection that is longest without a hello. NULL: there
 * is none, or this user has its share. */
static connection_t **place_find (inlet_t *self, uid_t uid)
{
	connection_t **place = NULL, *victim = NULL;
	size_t same = 0;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		connection_t *c = self->connections[i];
		if (!c) {
			place = &self->connections[i];
			continue;
		}
		same += c->caller.uid == uid;
		if (!c->caller.source[0] && (!victim || c->since.ns < victim->since.ns))
			victim = c;
	}
	if (same >= INLET_CONNECTIONS_PER_UID || (!place && !victim))
		return NULL;
	if (!place) {
		self->counters.mute++;
		connection_close (victim);
		return place_find (self, uid);
	}
	return place;
}

static void connection_refuse (inlet_t *self, int fd, uid_t uid)
{
	static const char why[] =
	        "the agent has as many applications as it takes, or as it takes of one user";
	caller_word_t word = { 0 };
	memcpy (word.reason_text, why, sizeof why);
	refusal_send (fd, &word);
	close (fd);
	self->counters.full++;
	if (may_say (self, mono_now ()))
		log_warning ("inlet", "an application of uid %u was turned away: %llu connections are open",
		        (unsigned) uid, (unsigned long long) self->counters.open);
}

static void connection_add (inlet_t *self, int fd)
{
	struct ucred peer;
	socklen_t size = sizeof peer;
	if (getsockopt (fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0) {
		close (fd);
		self->counters.full++;
		return;
	}
	connection_t **place = place_find (self, peer.uid);
	connection_t *c = place ? calloc (1, sizeof *c) : NULL;
	if (!c || loop_add_fd (self->loop, fd, POLLIN, connection_ready, c)) {
		free (c);
		connection_refuse (self, fd, peer.uid);
		return;
	}
	*place = c;
	c->inlet = self;
	c->fd = fd;
	c->since = mono_now ();
	caller_init (&c->caller, peer.uid, (uint32_t) peer.pid, uid_may_audit (self, peer.uid), c->since);
	self->counters.connections++;
	self->counters.open++;
	look_again_later (self);
}

static void listener_ready (void *arg, int fd, short revents)
{
	inlet_t *self = arg;
	(void) revents;
	int peer = accept4 (fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer >= 0) {
		connection_add (self, peer);
		return;
	}
	if (errno != EMFILE && errno != ENFILE && errno != ENOMEM && errno != ENOBUFS)
		return;
	/* The listener stays readable: without this the loop would spin. */
	if (may_say (self, mono_now ()))
		log_warning ("inlet", "an application waits: %s", strerror (errno));
	self->counters.full++;
	self->deaf = loop_set_fd (self->loop, fd, 0) == 0;
	look_again_later (self);
}

/* The socket's file. */

/* A socket file that nobody listens on is left over from a crash. What else is there is not ours. */
static int stale_remove (const struct sockaddr_un *address, err_t *err)
{
	const char *path = address->sun_path;
	struct stat st;
	if (lstat (path, &st) < 0)
		return 0; /* bind says what is wrong, if anything is */
	if (!S_ISSOCK (st.st_mode))
		return error_set (
		        err, -EEXIST, "%s: exists and is no socket; remove it or change `socket`", path);
	int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set (err, -errno, "%s: %s", path, strerror (errno));
	int r = connect (fd, (const struct sockaddr *) address, sizeof *address) < 0 ? -errno : 0;
	close (fd);
	if (r == 0 || r == -EAGAIN)
		return error_set (err, -EADDRINUSE, "%s: in use; is another belfry-agent running?", path);
	if (r == -EPROTOTYPE)
		return error_set (
		        err, -EADDRINUSE, "%s: another program's socket; end it or change `socket`", path);
	if (r != -ECONNREFUSED)
		return error_set (err, r, "%s: is there, and cannot be looked at: %s", path, strerror (-r));
	if (unlink (path) < 0)
		return error_set (
		        err, -errno, "%s: left over, and cannot be removed: %s", path, strerror (errno));
	return 0;
}

static int path_set (inlet_t *self, const char *path, err_t *err)
{
	self->address.sun_family = AF_UNIX;
	if (path[0] == '\0' || path[0] == '@')
		return error_set (err, -EINVAL,
		        "socket '%s': a path is wanted; an abstract socket has neither owner nor mode", path);
	if (strlen (path) >= sizeof self->address.sun_path)
		return error_set (err, -ENAMETOOLONG, "%s: a socket's path has at most %zu bytes", path,
		        sizeof self->address.sun_path - 1);
	memcpy (self->address.sun_path, path, strlen (path) + 1);
	int r = stale_remove (&self->address, err);
	if (r)
		self->address.sun_path[0] = '\0'; /* not ours to remove */
	return r;
}

/* Between bind and listen nobody can connect, so the mode is right before anybody can. */
static int mode_set (const char *path)
{
	const struct group *group = getgrnam ("belfry");
	if (group && chown (path, (uid_t) -1, group->gr_gid) < 0)
		log_warning ("inlet",
		        "%s: cannot be given to group belfry: %s; only users of this process's "
		        "group reach it",
		        path, strerror (errno));
	return chmod (path, SOCKET_MODE) < 0 ? -errno : 0;
}

static int socket_open (inlet_t *self, err_t *err)
{
	const char *path = self->address.sun_path;
	struct stat st;
	self->fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = self->fd < 0 || bind (self->fd, (const struct sockaddr *) &self->address,
	                                sizeof self->address) < 0
	                ? -errno
	                : 0;
	if (r) {
		error_set (err, r, "%s: %s; the applications' socket needs a directory that %s", path,
		        strerror (-r), r == -ENOENT ? "exists" : "this user may write");
		self->address.sun_path[0] = '\0';
		return r;
	}
	r = lstat (path, &st) < 0 ? -errno : 0;
	if (!r) {
		self->device = st.st_dev;
		self->inode = st.st_ino;
		r = mode_set (path);
	}
	if (!r && listen (self->fd, BACKLOG) < 0)
		r = -errno;
	if (!r)
		r = loop_add_fd (self->loop, self->fd, POLLIN, listener_ready, self);
	return r ? error_set (err, r, "%s: %s", path, strerror (-r)) : 0;
}

int inlet_new (const inlet_options_t *options, loop_t *loop, inlet_event_fn *take, void *arg, inlet_t **ret,
        err_t *err)
{
	inlet_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->loop = loop;
	self->take = take;
	self->newest = options->newest;
	self->arg = arg;
	self->enabled = true;
	self->fd = self->timer = -1;
	int r = inlet_set_audit_uids (self, options->audit_uids, options->n_audit_uids);
	if (!r)
		r = arena_new (ARENA_FIRST_DEFAULT, CALLER_ARENA_CAP, &self->arena);
	if (r)
		error_set (err, r, "out of memory");
	else
		r = path_set (self, options->path, err);
	if (!r)
		r = socket_open (self, err);
	if (r) {
		inlet_destroy (&self);
		return r;
	}
	*ret = self;
	return 0;
}

void inlet_destroy (inlet_t **self_p)
{
	inlet_t *self = *self_p;
	struct stat st;
	if (!self)
		return;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		if (self->connections[i])
			connection_close (self->connections[i]);
	}
	if (self->timer >= 0)
		loop_remove_timer (self->loop, self->timer);
	if (self->fd >= 0) {
		loop_remove_fd (self->loop, self->fd);
		close (self->fd);
	}
	/* Another agent may have taken the path meanwhile. */
	const char *path = self->address.sun_path;
	if (path[0] && lstat (path, &st) == 0 && st.st_dev == self->device && st.st_ino == self->inode)
		unlink (path);
	arena_destroy (&self->arena);
	free (self->audit_uids);
	free (self);
	*self_p = NULL;
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
		if (self->connections[i] && self->connections[i]->caller.source[0])
			wanted_send (self->connections[i]);
	}
}

int inlet_set_audit_uids (inlet_t *self, const uid_t *uids, size_t n)
{
	uid_t *copy = malloc ((n ? n : 1) * sizeof *copy);
	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy (copy, uids, n * sizeof *copy);
	free (self->audit_uids);
	self->audit_uids = copy;
	self->n_audit_uids = n;
	for (size_t i = 0; i < INLET_CONNECTIONS_MAX; i++) {
		caller_t *caller = self->connections[i] ? &self->connections[i]->caller : NULL;
		if (caller)
			caller->trusted = uid_may_audit (self, caller->uid);
	}
	return 0;
}
