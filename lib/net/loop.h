/* loop.h - one poll loop: descriptors, ZeroMQ links and timers (epoll beneath).
 *
 * A ZeroMQ socket's descriptor is edge-triggered: the loop asks each link for its events before
 * it sleeps, so nobody else has to know. Handlers run on the loop's thread, one at a time; they
 * may add and remove anything, themselves too. Not thread-safe but for loop_wake. */

#ifndef NET_LOOP_H
#define NET_LOOP_H

#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "net/link.h"

typedef struct loop loop_t;

/* 0, or negative errno. */
int loop_new (loop_t **ret);
void loop_destroy (loop_t **self_p);

/* events: POLLIN, POLLOUT (level-triggered). revents may hold POLLERR and POLLHUP besides. */
typedef void loop_fd_fn (void *arg, int fd, short revents);
int loop_add_fd (loop_t *self, int fd, short events, loop_fd_fn *handler, void *arg);
int loop_set_fd (loop_t *self, int fd, short events);
void loop_remove_fd (loop_t *self, int fd);

/* Called while link has something to receive. The handler receives a bounded batch and returns:
 * it is called again at once while more is there, after the others had their turn. */
typedef void loop_link_fn (void *arg, link_t *link);
int loop_add_link (loop_t *self, link_t *link, loop_link_fn *handler, void *arg);
void loop_remove_link (loop_t *self, link_t *link);

/* Timers. every_ns 0: once, then removed. now is read once a turn. Returns an id above 0, or
 * negative errno. */
typedef void loop_timer_fn (void *arg, int id, moment_t now);
int loop_add_timer (loop_t *self, int64_t after_ns, int64_t every_ns, loop_timer_fn *handler, void *arg);
void loop_remove_timer (loop_t *self, int id);

/* Signals come through a signalfd: block them (loop_block_signals) before the first ZeroMQ socket
 * and the first thread. */
void loop_block_signals (void); /* SIGINT SIGTERM SIGHUP SIGCHLD blocked, SIGPIPE ignored */
/* In a child between fork and exec: it would inherit both. */
void loop_restore_signals (void);
typedef void loop_signal_fn (void *arg, int signo);
int loop_on_signals (loop_t *self, loop_signal_fn *handler, void *arg);

/* Runs until loop_stop. 0, or negative errno of epoll itself (EINTR is not one). */
int loop_run (loop_t *self);
/* One turn: waits at most timeout_ns (negative: for ever). For tests and embedding. */
int loop_turn (loop_t *self, int64_t timeout_ns);
/* A descriptor that an outer poll can wait on: readable when a turn has something to do, once turns
 * with timeout 0 have handled all there was. Timers do not make it so. */
int loop_descriptor (const loop_t *self);
void loop_stop (loop_t *self);
/* From any thread: the loop's wait ends now. */
void loop_wake (loop_t *self);
/* Turns so far: what a heartbeat says as the loop's progress. */
uint64_t loop_turns (const loop_t *self);

#endif
