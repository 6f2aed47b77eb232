/* The loop never sleeps on a link that has something: it asks each link whose descriptor told, and each
 * that anything was done to since it was last asked, since that could have taken the descriptor's edge,
 * and only when none has any does it wait (ZMQ_FD tells of commands that came, not of messages that
 * are there). The others cannot have changed, and to ask costs a system call.
 *
 * What a handler removes is marked at once and swept after the pass that runs it; an event of
 * epoll carries the generation of its descriptor's registration, so that one left over from a
 * removed descriptor cannot hit the next one of the same number. */

#include "net/link_internal.h"
#include "net/loop.h"
#include "net/timers.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum { EVENTS_PER_TURN = 64 };

/* In the place of a generation: not a handler's descriptor. */
#define MARK_LINK UINT32_MAX
#define MARK_WAKE (UINT32_MAX - 1)
#define MARK_SIGNAL (UINT32_MAX - 2)
#define GENERATIONS (UINT32_MAX - 3)

typedef struct {
	loop_fd_fn *handler; /* NULL: free */
	void *arg;
	uint32_t generation;
} watch_t;

typedef struct {
	link_t *link; /* NULL: removed */
	int fd;
	loop_link_fn *handler;
	void *arg;
} link_watch_t;

struct loop {
	int epoll_fd, wake_fd, signal_fd;
	watch_t *watches; /* by descriptor */
	size_t watch_room;
	uint32_t generation;
	link_watch_t *links;
	size_t link_count, link_room;
	bool sweep; /* some links were removed */
	timers_t timers;
	loop_signal_fn *on_signal;
	void *signal_arg;
	_Atomic bool stop;
	_Atomic uint64_t turns;
};

static uint64_t epoll_data (uint32_t mark, int fd)
{
	return (uint64_t) mark << 32 | (uint32_t) fd;
}

static int epoll_change (loop_t *self, int operation, int fd, uint32_t events, uint32_t mark)
{
	struct epoll_event event = { .events = events, .data.u64 = epoll_data (mark, fd) };
	return epoll_ctl (self->epoll_fd, operation, fd, &event) == 0 ? 0 : -errno;
}

static uint32_t epoll_events (short events)
{
	return (events & POLLIN ? (uint32_t) EPOLLIN : 0) | (events & POLLOUT ? (uint32_t) EPOLLOUT : 0);
}

static short poll_events (uint32_t events)
{
	return (short) ((events & EPOLLIN ? POLLIN : 0) | (events & EPOLLOUT ? POLLOUT : 0) |
	                (events & EPOLLERR ? POLLERR : 0) | (events & EPOLLHUP ? POLLHUP : 0));
}

int loop_new (loop_t **ret)
{
	loop_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->signal_fd = -1;
	self->wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
	self->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
	int r = self->wake_fd < 0 || self->epoll_fd < 0 ? -errno : 0;
	if (r == 0)
		r = epoll_change (self, EPOLL_CTL_ADD, self->wake_fd, EPOLLIN, MARK_WAKE);
	if (r != 0) {
		loop_destroy (&self);
		return r;
	}
	*ret = self;
	return 0;
}

void loop_destroy (loop_t **self_p)
{
	loop_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < self->link_count; i++) {
		if (self->links[i].link)
			self->links[i].link->watchers--;
	}
	const int fds[] = { self->signal_fd, self->wake_fd, self->epoll_fd };
	for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++) {
		if (fds[i] >= 0)
			close (fds[i]);
	}
	timers_clear (&self->timers);
	free (self->watches);
	free (self->links);
	free (self);
	*self_p = NULL;
}

int loop_add_fd (loop_t *self, int fd, short events, loop_fd_fn *handler, void *arg)
{
	if (fd < 0)
		return -EBADF;
	size_t at = (size_t) fd;
	if (at >= self->watch_room) {
		size_t room = self->watch_room ? self->watch_room : 32;
		while (room <= at)
			room *= 2;
		watch_t *watches = realloc (self->watches, room * sizeof *watches);
		if (!watches)
			return -ENOMEM;
		memset (watches + self->watch_room, 0, (room - self->watch_room) * sizeof *watches);
		self->watches = watches;
		self->watch_room = room;
	}
	if (self->watches[at].handler)
		return -EEXIST;
	uint32_t generation = self->generation = (self->generation + 1) % GENERATIONS;
	int r = epoll_change (self, EPOLL_CTL_ADD, fd, epoll_events (events), generation);
	if (r == 0)
		self->watches[at] = (watch_t){ handler, arg, generation };
	return r;
}

static watch_t *watch_of (loop_t *self, int fd)
{
	if (fd < 0 || (size_t) fd >= self->watch_room || !self->watches[fd].handler)
		return NULL;
	return &self->watches[fd];
}

int loop_set_fd (loop_t *self, int fd, short events)
{
	watch_t *watch = watch_of (self, fd);
	return watch ? epoll_change (self, EPOLL_CTL_MOD, fd, epoll_events (events), watch->generation)
	             : -ENOENT;
}

void loop_remove_fd (loop_t *self, int fd)
{
	watch_t *watch = watch_of (self, fd);
	if (!watch)
		return;
	watch->handler = NULL;
	epoll_change (self, EPOLL_CTL_DEL, fd, 0, 0);
}

int loop_add_link (loop_t *self, link_t *link, loop_link_fn *handler, void *arg)
{
	for (size_t i = 0; i < self->link_count; i++) {
		if (self->links[i].link == link)
			return -EEXIST;
	}
	if (self->link_count == self->link_room) {
		size_t room = self->link_room ? self->link_room * 2 : 8;
		link_watch_t *links = realloc (self->links, room * sizeof *links);
		if (!links)
			return -ENOMEM;
		self->links = links;
		self->link_room = room;
	}
	int fd = link_poll_descriptor (link);
	if (fd < 0)
		return fd;
	int r = epoll_change (self, EPOLL_CTL_ADD, fd, EPOLLIN, MARK_LINK);
	if (r != 0)
		return r;
	self->links[self->link_count++] = (link_watch_t){ link, fd, handler, arg };
	link->watchers++;
	return 0;
}

void loop_remove_link (loop_t *self, link_t *link)
{
	for (size_t i = 0; i < self->link_count; i++) {
		link_watch_t *watch = &self->links[i];
		if (watch->link != link)
			continue;
		epoll_change (self, EPOLL_CTL_DEL, watch->fd, 0, 0);
		link->watchers--;
		watch->link = NULL;
		self->sweep = true;
		return;
	}
}

int loop_add_timer (loop_t *self, int64_t after_ns, int64_t every_ns, loop_timer_fn *handler, void *arg)
{
	if (after_ns < 0 || every_ns < 0)
		return -EINVAL;
	return timers_add (&self->timers, mono_add (mono_now (), after_ns), every_ns, handler, arg);
}

void loop_remove_timer (loop_t *self, int id)
{
	timers_remove (&self->timers, id);
}

static void signal_set (sigset_t *set)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP, SIGCHLD };
	sigemptyset (set);
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
		sigaddset (set, signals[i]);
}

void loop_block_signals (void)
{
	sigset_t set;
	signal_set (&set);
	pthread_sigmask (SIG_BLOCK, &set, NULL);
	signal (SIGPIPE, SIG_IGN);
}

void loop_restore_signals (void)
{
	sigset_t set;
	signal_set (&set);
	sigprocmask (SIG_UNBLOCK, &set, NULL);
	signal (SIGPIPE, SIG_DFL);
}

int loop_on_signals (loop_t *self, loop_signal_fn *handler, void *arg)
{
	if (self->signal_fd < 0) {
		sigset_t set;
		signal_set (&set);
		int fd = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
		if (fd < 0)
			return -errno;
		int r = epoll_change (self, EPOLL_CTL_ADD, fd, EPOLLIN, MARK_SIGNAL);
		if (r != 0) {
			close (fd);
			return r;
		}
		self->signal_fd = fd;
	}
	self->on_signal = handler;
	self->signal_arg = arg;
	return 0;
}

static void take_signals (loop_t *self)
{
	struct signalfd_siginfo info;
	while (read (self->signal_fd, &info, sizeof info) == (ssize_t) sizeof info) {
		if (self->on_signal)
			self->on_signal (self->signal_arg, (int) info.ssi_signo);
	}
}

static void sweep_links (loop_t *self)
{
	if (!self->sweep)
		return;
	size_t kept = 0;
	for (size_t i = 0; i < self->link_count; i++) {
		if (self->links[i].link)
			self->links[kept++] = self->links[i];
	}
	self->link_count = kept;
	self->sweep = false;
}

/* 1 when the link has something to receive, 0, or negative errno. */
static int ask (const link_watch_t *watch)
{
	return watch->link && watch->link->stale ? link_readable (watch->link) : 0;
}

/* The same of all. */
static int any_readable (const loop_t *self)
{
	for (size_t i = 0; i < self->link_count; i++) {
		int r = ask (&self->links[i]);
		if (r != 0)
			return r;
	}
	return 0;
}

/* Each link's handler once. What a handler adds has its turn next time. */
static int run_links (loop_t *self)
{
	for (size_t i = 0, n = self->link_count; i < n; i++) {
		link_watch_t watch = self->links[i];
		int r = ask (&watch);
		if (r < 0)
			return r;
		if (r > 0)
			watch.handler (watch.arg, watch.link);
	}
	return 0;
}

static void link_told (loop_t *self, int fd)
{
	for (size_t i = 0; i < self->link_count; i++) {
		if (self->links[i].link && self->links[i].fd == fd)
			self->links[i].link->stale = true;
	}
}

static void run_event (loop_t *self, const struct epoll_event *event)
{
	uint32_t mark = (uint32_t) (event->data.u64 >> 32);
	int fd = (int) (uint32_t) event->data.u64;
	if (mark == MARK_LINK) {
		link_told (self, fd);
	} else if (mark == MARK_SIGNAL) {
		take_signals (self);
	} else if (mark == MARK_WAKE) {
		uint64_t count;
		ssize_t ignored = read (fd, &count, sizeof count);
		(void) ignored;
	} else {
		watch_t *watch = watch_of (self, fd);
		if (watch && watch->generation == mark)
			watch->handler (watch->arg, fd, poll_events (event->events));
	}
}

/* In ms, rounded up: late by less than one rather than awake too early and again. */
static int wait_ms (const loop_t *self, int64_t timeout_ns)
{
	mono_t deadline;
	if (timers_next (&self->timers, &deadline) == 0) {
		int64_t left = mono_since (deadline, mono_now ());
		if (left < 0)
			left = 0;
		if (timeout_ns < 0 || left < timeout_ns)
			timeout_ns = left;
	}
	if (timeout_ns < 0)
		return -1;
	int64_t ms = timeout_ns / NS_PER_MS + (timeout_ns % NS_PER_MS != 0);
	return ms > INT_MAX ? INT_MAX : (int) ms;
}

int loop_turn (loop_t *self, int64_t timeout_ns)
{
	atomic_fetch_add_explicit (&self->turns, 1, memory_order_relaxed);
	sweep_links (self);
	int busy = any_readable (self);
	if (busy < 0)
		return busy;
	struct epoll_event events[EVENTS_PER_TURN];
	int n = epoll_wait (self->epoll_fd, events, EVENTS_PER_TURN, busy ? 0 : wait_ms (self, timeout_ns));
	if (n < 0 && errno != EINTR)
		return -errno;
	for (int i = 0; i < n; i++)
		run_event (self, &events[i]);
	timers_run (&self->timers, moment_now ());
	return run_links (self);
}

int loop_descriptor (const loop_t *self)
{
	return self->epoll_fd;
}

int loop_run (loop_t *self)
{
	int r = 0;
	while (r == 0 && !atomic_load (&self->stop))
		r = loop_turn (self, -1);
	atomic_store (&self->stop, false);
	return r;
}

void loop_stop (loop_t *self)
{
	atomic_store (&self->stop, true);
	loop_wake (self);
}

void loop_wake (loop_t *self)
{
	uint64_t one = 1;
	ssize_t ignored = write (self->wake_fd, &one, sizeof one);
	(void) ignored;
}

uint64_t loop_turns (const loop_t *self)
{
	return atomic_load_explicit (&self->turns, memory_order_relaxed);
}
