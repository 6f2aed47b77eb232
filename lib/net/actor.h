/* actor.h - czmq actors: a thread with a pipe, for the collector's core, its sinks and the
 * operator's programs. zactor_new hangs if its thread cannot start and its body does not answer:
 * ours answers with a status first, so a failed start is an error, not a hang. */

#ifndef NET_ACTOR_H
#define NET_ACTOR_H

#include "base/error.h"
#include "net/loop.h"

typedef struct actor actor_t;

typedef struct {
	const char *name;
	/* On the actor's thread: opens what it needs on loop. 0, or negative errno with err set. */
	int (*start) (void *self, loop_t *loop, err_t *err);
	/* On the actor's thread: a command of actor_tell. Borrowed for the call. */
	void (*command) (void *self, span_t command);
	/* On the actor's thread, last: closes what start opened, also after a failed start. */
	void (*stop) (void *self, loop_t *loop);
} actor_body_t;

/* Starts body on a thread of its own with a loop of its own; returns when start has. self is
 * borrowed until actor_destroy. 0, or what start returned, or -EAGAIN when no thread can be had. */
int actor_new (const actor_body_t *body, void *self, actor_t **ret, err_t *err);
/* Ends the loop, runs stop, joins. NULL-safe. */
void actor_destroy (actor_t **self_p);
/* Sends a command; does not wait. */
int actor_tell (actor_t *self, span_t command);
/* A descriptor that becomes readable when the actor ended by itself (its loop failed). */
int actor_descriptor (actor_t *self);

#endif
