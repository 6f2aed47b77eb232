/* link_internal.h - what the other files of this room need of a link. Not for other rooms. */

#ifndef NET_LINK_INTERNAL_H
#define NET_LINK_INTERNAL_H

#include "net/link.h"

#include <pthread.h>
#include <zmq.h>

struct net_context {
	void *zmq;
	_Atomic int links;
};

struct link {
	net_context_t *context; /* NULL: a borrowed socket */
	void *socket;
	link_kind_t kind;
	link_monitor_t *monitor;
	int watchers; /* loops that hold it */
	/* Whether it may have become readable since it was last asked and was not: something was done to
	 * the socket, which may have taken its descriptor's edge, or the descriptor told. */
	bool stale;
};

static inline zmq_msg_t *frame_message (const frame_t *frame)
{
	return (zmq_msg_t *) (uintptr_t) frame->opaque;
}

/* The negative errno of a failed ZeroMQ call; its own numbers as the nearest of errno.h. */
int zmq_failure (void);

/* A link over somebody else's socket: link_destroy leaves the socket open. */
int link_borrow (void *socket, link_t **ret);

/* The descriptor that becomes readable when link_readable may have changed. Negative errno. */
int link_poll_descriptor (link_t *self);
/* 1 when a message can be received, 0, or negative errno. Rearms the descriptor; stale after 1. */
int link_readable (link_t *self);

/* Starts a thread of the room's own, with every signal blocked: those belong to the threads of the
 * program. name: at most 15 characters, for who looks at the process. 0, or negative errno. */
int net_thread_start (pthread_t *thread, const char *name, void *run (void *), void *arg);

/* The link's socket is about to close: its monitor hears no more. */
void link_monitor_detach (link_monitor_t *self);

#endif
