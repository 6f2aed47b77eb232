/* inlet_fixture.h - an inlet on a real loop in a directory of its own, and applications that are raw
 * sockets. */

#ifndef TESTS_AGENTS_INLET_FIXTURE_H
#define TESTS_AGENTS_INLET_FIXTURE_H

#include <criterion/criterion.h>

#include "agents/inlet.h"
#include "belfry/v1/app.pb-c.h"

enum { LIMIT_S = 10 };

/* What the inlet let in. */
typedef struct {
	unsigned n;
	int answer; /* what take returns */
	char source[40], uid[16], pid[16], first_label[40], correlation[40];
	size_t n_labels;
	int payload, severity;
	bool changed;
	int previous;
	uint64_t since_ns;
} taken_t;

extern char directory[64], path[108];
extern loop_t *loop;
extern inlet_t *inlet;
extern err_t err;
extern taken_t taken;

/* Turns the loop until it holds, up to a limit that only a failure reaches. */
#define TURN_UNTIL(condition)                                                \
	do {                                                                 \
		mono_t limit_ = mono_add (mono_now (), LIMIT_S * NS_PER_S);  \
		while (!(condition) && mono_since (limit_, mono_now ()) > 0) \
			cr_assert_eq (loop_turn (loop, 5 * NS_PER_MS), 0);   \
		cr_assert (condition);                                       \
	} while (0)

/* A directory, a path in it and a loop; then the inlet. */
void place_make (void);
int inlet_open (void);
void inlet_setup (void);
void inlet_teardown (void);
const inlet_counters_t *counters (void);

/* A connection; with its hello said. */
int dial (void);
int guest (const char *source);

void send_bytes (int fd, const void *bytes, size_t size);
void send_message (int fd, Belfry__V1__AppMessage *message);
void send_hello (int fd, const char *source, uint64_t number);
void send_event (int fd, uint64_t number, Belfry__V1__Event *event);
/* A log entry, with a header or none. */
void send_log (int fd, uint64_t number, Belfry__V1__Severity level, Belfry__V1__Header *header);
void send_info (int fd, uint64_t number);
void send_audit (int fd, uint64_t number);
void send_health (int fd, uint64_t number, const char *component, int status);
void send_flush (int fd, uint64_t number);

/* The agent's next message of that kind; freed by the caller. */
Belfry__V1__AppMessage *answer_next (int fd, Belfry__V1__AppMessage__BodyCase kind);
void expect_ack (int fd, uint64_t number, Belfry__V1__AppOutcome outcome, const char *word);
/* Whether the agent has closed it; reads what is there. */
bool at_end (int fd);

#endif
