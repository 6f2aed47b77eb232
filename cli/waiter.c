#include "cli/waiter.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static void ending_signals (sigset_t *set)
{
	sigemptyset (set);
	sigaddset (set, SIGINT);
	sigaddset (set, SIGTERM);
	sigaddset (set, SIGHUP);
}

int waiter_begin (waiter_t *self, FILE *out)
{
	sigset_t set;
	ending_signals (&set);
	self->signals = signalfd (-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (self->signals < 0)
		return -errno;
	sigprocmask (SIG_BLOCK, &set, NULL);
	self->out = fileno (out);
	return 0;
}

void waiter_end (waiter_t *self)
{
	sigset_t set;
	struct signalfd_siginfo info;
	ending_signals (&set);
	/* What came since was meant for what is over. */
	while (read (self->signals, &info, sizeof info) == (ssize_t) sizeof info)
		;
	close (self->signals);
	sigprocmask (SIG_UNBLOCK, &set, NULL);
}

waiter_event_t waiter_wait (waiter_t *self, int fd, int64_t timeout_ns)
{
	struct pollfd polled[] = { { self->signals, POLLIN, 0 }, { self->out, 0, 0 }, { fd, POLLIN, 0 } };
	int64_t ms = timeout_ns < 0 ? -1 : (timeout_ns + NS_PER_MS - 1) / NS_PER_MS;
	int n = poll (polled, 3, ms > INT_MAX ? INT_MAX : (int) ms);
	if (n > 0 && polled[0].revents)
		return WAITER_SIGNAL;
	/* A pipe without a reader; other files say POLLERR never. */
	if (n > 0 && polled[1].revents & (POLLERR | POLLHUP))
		return WAITER_READER_GONE;
	return n > 0 ? WAITER_READABLE : WAITER_TIME;
}
