/* child_wire.h - what is said between a probe and its child, and what the child does when asked.
 *
 * Both ends are the same program, so packets are plain structs: a header, then the body. */

#ifndef AGENTS_PROBES_CHILD_WIRE_H
#define AGENTS_PROBES_CHILD_WIRE_H

#include <stddef.h>
#include <stdint.h>

typedef struct {
	uint16_t kind;
	uint16_t last; /* of an answer: nothing follows */
} child_header_t;

/* Kinds of requests. */
enum { CHILD_ASK_MOUNTS = 1, CHILD_ASK_STORE };

/* Sends one packet of the answer. Blocks while the agent does not take it. */
typedef struct child_call child_call_t;
void child_answer (child_call_t *call, uint16_t kind, const void *body, size_t size);
void child_answer_last (child_call_t *call, uint16_t kind, const void *body, size_t size);

/* Serve one request, in the child: each ends with child_answer_last. What does not fit the request's
 * shape is answered with kind 0. */
void mounts_serve (child_call_t *call, const void *body, size_t size);
void store_serve (child_call_t *call, const void *body, size_t size);

#endif
