/* child.h - a process for the calls that can hang for ever, and that can be abandoned.
 *
 * statvfs on a dead mount and fsync on a dying disk block in the kernel; a thread that is in there
 * holds its process too. So a probe has a child: this very program, executed anew with
 * CHILD_ARGUMENT, with nothing of the agent's but one end of a socketpair, default signals, and an
 * empty environment but for LD_LIBRARY_PATH. It gets one request at a time and answers in packets,
 * one before each call that may hang (what it is about to do) and one after.
 *
 * Nothing here blocks the caller but child_wait, for as long as it says, and the start of the child
 * (an exec). A child that has not answered for CHILD_PATIENCE_NS is sent SIGKILL; when it dies, which
 * may be never, it is reaped and another is started, after CHILD_BACKOFF_FIRST_NS, twice as long each
 * time up to CHILD_BACKOFF_MAX_NS, until one answers again. There is never more than one.
 *
 * The child ends when its socket closes, and is killed when the thread that started it ends: start it
 * (child_step) on the thread that uses it. SIGCHLD may be blocked, not ignored. Not thread-safe. */

#ifndef AGENTS_PROBES_CHILD_H
#define AGENTS_PROBES_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/error.h"

#define CHILD_ARGUMENT "--probe-child"
#define CHILD_PATIENCE_NS (30 * NS_PER_S)
#define CHILD_BACKOFF_FIRST_NS (1 * NS_PER_S)
#define CHILD_BACKOFF_MAX_NS (60 * NS_PER_S)

enum { CHILD_PACKET_MAX = 32768, CHILD_NAME_MAX = 40 };

/* What main calls when argv[1] is CHILD_ARGUMENT, before anything else. Returns the exit status: 0
 * when the socket was closed; 2 when there is none, because somebody typed it. */
int child_main (int argc, char **argv);

/* --- the agent's side ----------------------------------------------------------------------------- */

typedef struct child child_t;

typedef struct {
	/* Processes started, that could not be started, ended, sent SIGKILL because they hung. */
	uint64_t starts, failures, deaths, kills;
} child_counters_t;

/* program: executed, copied; NULL is /proc/self/exe. name: said in the child's arguments, copied.
 * 0, or -ENOMEM with *ret untouched. The child starts with the first child_step. */
int child_new (const char *program, const char *name, child_t **ret);
/* Closes the socket, kills the child, and reaps it unless it hangs. NULL-safe. */
void child_destroy (child_t **self_p);

/* Starts, kills and reaps what is due. Once a cycle, after child_take has taken what is there. */
void child_step (child_t *self, mono_t now);
/* Whether child_ask would be taken. */
bool child_ready (const child_t *self);
/* Whether a request is under way, with a child that may still answer it. */
bool child_asked (const child_t *self);
/* Sends a request. kind: child_wire.h. 0; -EAGAIN when one is under way or no child is there;
 * -EMSGSIZE. */
int child_ask (child_t *self, mono_t now, uint16_t kind, const void *body, size_t size);
/* The next packet of an answer, if one is there: its kind, its body (into a buffer of the caller's of
 * at least CHILD_PACKET_MAX), and whether the request is done with it. False when there is none. */
bool child_take (child_t *self, mono_t now, uint16_t *ret_kind, void *body, size_t *ret_size, bool *ret_last);
/* Waits until a packet is there or the child is gone, at most timeout_ns. */
void child_wait (child_t *self, int64_t timeout_ns);

/* How long the request under way has been without a sign of life (its asking, or its last packet); 0
 * when none is. A child that was killed and has not died goes on counting. */
int64_t child_silent_ns (const child_t *self, mono_t now);
/* A sentence about why there is no child; "" while one runs or starts for the first time. */
const char *child_error (const child_t *self);
/* 0 when none runs. */
pid_t child_pid (const child_t *self);
const child_counters_t *child_counters (const child_t *self);

#endif
