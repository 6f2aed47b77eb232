/* Four states: none (wait for start_at, then start), idle, asked, and dying (killed or its socket
 * closed, not reaped). Only the kernel can end dying, so only there it may last for ever. */

#include "agents/probes/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agents/probes/child_wire.h"

/* How long child_destroy waits for a process that was killed and does not hang. */
enum { DEATH_MS = 200, SOCKET_FD = 3 };

typedef enum { STATE_NONE, STATE_IDLE, STATE_ASKED, STATE_DYING } state_t;

struct child {
	char *program, *name;
	state_t state;
	pid_t pid;
	int fd; /* -1 but in STATE_IDLE and STATE_ASKED */
	mono_t start_at;
	int64_t backoff_ns;
	bool silent; /* a request is without its answer, in dying too */
	mono_t sign_at;
	char error[160];
	child_counters_t counters;
};

int child_new (const char *program, const char *name, child_t **ret)
{
	child_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->fd = -1;
	self->backoff_ns = CHILD_BACKOFF_FIRST_NS;
	self->program = strdup (program ? program : "/proc/self/exe");
	self->name = strndup (name, CHILD_NAME_MAX);
	if (!self->program || !self->name) {
		child_destroy (&self);
		return -ENOMEM;
	}
	*ret = self;
	return 0;
}

static void socket_close (child_t *self)
{
	if (self->fd >= 0)
		close (self->fd);
	self->fd = -1;
}

/* Reaps it if it is dead. ECHILD: somebody else did, or SIGCHLD is ignored. */
static bool reap (child_t *self, int *ret_status)
{
	pid_t pid = waitpid (self->pid, ret_status, WNOHANG);
	if (pid == 0 || (pid < 0 && errno == EINTR))
		return false;
	if (pid < 0)
		*ret_status = 0;
	self->counters.deaths++;
	self->pid = 0;
	return true;
}

void child_destroy (child_t **self_p)
{
	child_t *self = *self_p;
	if (!self)
		return;
	socket_close (self);
	int status;
	if (self->pid) {
		kill (self->pid, SIGKILL);
		int fd = (int) syscall (SYS_pidfd_open, self->pid, 0);
		struct pollfd death = { .fd = fd, .events = POLLIN };
		(void) poll (&death, fd >= 0 ? 1 : 0, DEATH_MS);
		if (fd >= 0)
			close (fd);
		(void) reap (self, &status);
	}
	free (self->program);
	free (self->name);
	free (self);
	*self_p = NULL;
}

/* --- birth and death ------------------------------------------------------------------------------ */

static void back_off (child_t *self, mono_t now)
{
	self->state = STATE_NONE;
	self->silent = false;
	self->start_at = mono_add (now, self->backoff_ns);
	self->backoff_ns =
	        2 * self->backoff_ns > CHILD_BACKOFF_MAX_NS ? CHILD_BACKOFF_MAX_NS : 2 * self->backoff_ns;
}

/* The child's descriptors: nothing at 0 to 2, its socket at 3, nothing above. */
static int actions_set (posix_spawn_file_actions_t *actions, int fd)
{
	int r = 0;
	for (int i = 0; i < SOCKET_FD && !r; i++)
		r = posix_spawn_file_actions_addopen (actions, i, "/dev/null", O_RDWR, 0);
	if (!r)
		r = posix_spawn_file_actions_adddup2 (actions, fd, SOCKET_FD);
	if (!r)
		r = posix_spawn_file_actions_addclosefrom_np (actions, SOCKET_FD + 1);
	return r;
}

static int attributes_set (posix_spawnattr_t *attributes)
{
	sigset_t none, all;
	sigemptyset (&none);
	sigfillset (&all);
	sigdelset (&all, SIGKILL);
	sigdelset (&all, SIGSTOP);
	/* A process group of its own: the terminal's Ctrl-C is the agent's. */
	int r = posix_spawnattr_setflags (
	        attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
	if (!r)
		r = posix_spawnattr_setsigmask (attributes, &none);
	if (!r)
		r = posix_spawnattr_setsigdefault (attributes, &all);
	if (!r)
		r = posix_spawnattr_setpgroup (attributes, 0);
	return r;
}

static int spawn (child_t *self, int fd)
{
	char name[] = "belfry-agent", argument[] = CHILD_ARGUMENT, path[4200];
	char *argv[] = { name, argument, self->name, NULL }, *environment[] = { NULL, NULL };
	const char *libraries = getenv ("LD_LIBRARY_PATH");
	if (libraries && strlen (libraries) < 4096) {
		snprintf (path, sizeof path, "LD_LIBRARY_PATH=%s", libraries);
		environment[0] = path;
	}
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	int r = posix_spawn_file_actions_init (&actions);
	if (r)
		return r;
	r = posix_spawnattr_init (&attributes);
	if (!r) {
		r = actions_set (&actions, fd);
		if (!r)
			r = attributes_set (&attributes);
		if (!r)
			r = posix_spawn (&self->pid, self->program, &actions, &attributes, argv, environment);
		posix_spawnattr_destroy (&attributes);
	}
	posix_spawn_file_actions_destroy (&actions);
	return r;
}

static void start (child_t *self, mono_t now)
{
	int fds[2];
	if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0) {
		snprintf (self->error, sizeof self->error, "no socket for the probe's child: %s",
		        strerror (errno));
		self->counters.failures++;
		back_off (self, now);
		return;
	}
	int r = spawn (self, fds[1]);
	close (fds[1]);
	if (r) {
		close (fds[0]);
		self->pid = 0;
		snprintf (self->error, sizeof self->error, "the probe's child %.80s does not start: %s",
		        self->program, strerror (r));
		self->counters.failures++;
		back_off (self, now);
		return;
	}
	self->counters.starts++;
	self->fd = fds[0];
	self->state = STATE_IDLE;
}

/* Its socket is closed, or it hangs: it is to die. */
static void end (child_t *self)
{
	socket_close (self);
	kill (self->pid, SIGKILL);
	self->state = STATE_DYING;
}

static void dying_step (child_t *self, mono_t now)
{
	int status;
	if (!reap (self, &status))
		return;
	if (WIFSIGNALED (status) && WTERMSIG (status) != SIGKILL)
		snprintf (self->error, sizeof self->error, "the probe's child died of signal %d",
		        WTERMSIG (status));
	else if (WIFEXITED (status) && WEXITSTATUS (status))
		snprintf (self->error, sizeof self->error, "the probe's child ended with status %d",
		        WEXITSTATUS (status));
	else
		snprintf (self->error, sizeof self->error, "the probe's child was killed");
	back_off (self, now);
}

void child_step (child_t *self, mono_t now)
{
	if (self->state == STATE_ASKED && child_silent_ns (self, now) >= CHILD_PATIENCE_NS) {
		self->counters.kills++;
		end (self);
	}
	if (self->state == STATE_DYING)
		dying_step (self, now);
	if (self->state == STATE_NONE && mono_since (now, self->start_at) >= 0)
		start (self, now);
}

/* --- asking --------------------------------------------------------------------------------------- */

bool child_ready (const child_t *self)
{
	return self->state == STATE_IDLE;
}

bool child_asked (const child_t *self)
{
	return self->state == STATE_ASKED;
}

int child_ask (child_t *self, mono_t now, uint16_t kind, const void *body, size_t size)
{
	if (self->state != STATE_IDLE)
		return -EAGAIN;
	if (size > CHILD_PACKET_MAX)
		return -EMSGSIZE;
	child_header_t header = { .kind = kind };
	struct iovec parts[] = { { &header, sizeof header }, { (void *) (uintptr_t) body, size } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = size ? 2 : 1 };
	if (sendmsg (self->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		end (self);
		return -EAGAIN;
	}
	self->state = STATE_ASKED;
	self->silent = true;
	self->sign_at = now;
	return 0;
}

bool child_take (child_t *self, mono_t now, uint16_t *ret_kind, void *body, size_t *ret_size, bool *ret_last)
{
	if (self->fd < 0)
		return false;
	child_header_t header;
	struct iovec parts[] = { { &header, sizeof header }, { body, CHILD_PACKET_MAX } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	ssize_t n = recvmsg (self->fd, &message, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n < (ssize_t) sizeof header || self->state != STATE_ASKED) {
		end (self);
		return false;
	}
	self->sign_at = now;
	if (header.last) {
		self->state = STATE_IDLE;
		self->silent = false;
		self->backoff_ns = CHILD_BACKOFF_FIRST_NS;
		self->error[0] = '\0';
	}
	*ret_kind = header.kind;
	*ret_size = (size_t) n - sizeof header;
	*ret_last = header.last;
	return true;
}

void child_wait (child_t *self, int64_t timeout_ns)
{
	struct pollfd fd = { .fd = self->fd, .events = POLLIN };
	if (self->fd >= 0 && timeout_ns > 0)
		(void) poll (&fd, 1, (int) ((timeout_ns + NS_PER_MS - 1) / NS_PER_MS));
}

int64_t child_silent_ns (const child_t *self, mono_t now)
{
	return self->silent ? mono_since (now, self->sign_at) : 0;
}

const char *child_error (const child_t *self)
{
	return self->error;
}

pid_t child_pid (const child_t *self)
{
	return self->pid;
}

const child_counters_t *child_counters (const child_t *self)
{
	return &self->counters;
}
