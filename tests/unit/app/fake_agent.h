/* fake_agent.h - the agent's end of the applications' socket, byte for byte in the test's hands. */

#ifndef TESTS_APP_FAKE_AGENT_H
#define TESTS_APP_FAKE_AGENT_H

#include <stdbool.h>
#include <stddef.h>

#include "belfry/v1/app.pb-c.h"

enum { FAKE_LIMIT_MS = 10000 };

typedef struct {
	char directory[64], path[108];
	int fd; /* listens; -1: not */
} fake_agent_t;

/* A directory of its own and the path in it; listens when asked. */
void fake_agent_make (fake_agent_t *self, bool listening);
void fake_agent_listen (fake_agent_t *self);
/* No longer listens; the file stays, as after a kill. */
void fake_agent_die (fake_agent_t *self);
void fake_agent_clear (fake_agent_t *self);

/* The next connection, within the limit. */
int fake_accept (fake_agent_t *self);
/* The same with its hello read; *ret_number is the hello's. */
int fake_accept_hello (fake_agent_t *self, const char *source, uint64_t *ret_number);

/* The next message within the limit; freed by fake_free. NULL at the connection's end. */
Belfry__V1__AppMessage *fake_receive (int fd);
/* Whether something is there to be read at once. */
bool fake_pending (int fd);
void fake_free (Belfry__V1__AppMessage *message);

void fake_send (int fd, Belfry__V1__AppMessage *message);
void fake_ack (int fd, uint64_t number, Belfry__V1__AppOutcome outcome, const char *reason);
void fake_control (int fd, bool enabled, Belfry__V1__Severity min_severity);

#endif
