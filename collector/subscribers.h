/* subscribers.h - who subscribes at the outlet, what each connection holds there and what waits for it:
 * budgets, slowness, and which on-demand prefixes anybody wants. Pure: the shell (outlet.h) reads the
 * sockets. One owner, not thread-safe.
 *
 * ZeroMQ keeps a subscription as a path of tree nodes, some 55 bytes for each byte of the prefix: the
 * bounds below are what keeps its memory bounded. */

#ifndef COLLECTOR_SUBSCRIBERS_H
#define COLLECTOR_SUBSCRIBERS_H

#include <stdbool.h>

#include "base/clock.h"
#include "base/span.h"
#include "base/tally.h"

enum {
	SUBSCRIBER_ADDRESS_MAX = 64,
	SUBSCRIBER_USER_MAX = 64,
	/* Of one connection, and of one user's connections together where users are known. */
	SUBSCRIBER_PREFIXES_MAX = 4096,
	SUBSCRIBER_BYTES_MAX = 256 * 1024,
	/* Of all connections together: past it whoever holds most has to go. */
	SUBSCRIBERS_PREFIXES_MAX = 32 * 1024,
	SUBSCRIBERS_BYTES_MAX = 2 * 1024 * 1024,
	/* On-demand prefixes that are carried on to the agents. */
	SUBSCRIBERS_ON_DEMAND_MAX = 4096,
	/* Slow: so many bytes wait unsent, at each look for so long. */
	SUBSCRIBER_SLOW_BYTES = 16 * 1024,
};
#define SUBSCRIBER_SLOW_NS (3 * NS_PER_S)

typedef struct subscriber {
	int descriptor;
	uint64_t identity; /* the socket's, never used twice; 0: it ended before anybody asked */
	char address[SUBSCRIBER_ADDRESS_MAX];
	char user[SUBSCRIBER_USER_MAX]; /* empty where nobody is known */
	moment_t since;
	uint64_t queued_bytes;
	uint64_t prefix_bytes; /* of its subscriptions, which subscriptions counts */
	size_t subscriptions;
	bool slow;
	bool over; /* it went over a budget, and is to be shut out */
	/* Inside subscribers.c. */
	tally_t prefixes;
	mono_t changed; /* since when it has been behind, or not behind */
	bool behind;
} subscriber_t;

typedef struct subscribers subscribers_t;

enum { SUBSCRIBERS_KEY_SIZE = 16 };

/* key: random, so that nobody can choose prefixes that collide. 0 or -ENOMEM. */
int subscribers_new (const uint8_t key[SUBSCRIBERS_KEY_SIZE], subscribers_t **ret);
void subscribers_destroy (subscribers_t **self_p);

/* How many there are, and one of them; a subscriber lives until subscribers_gone. */
size_t subscribers_count (const subscribers_t *self);
subscriber_t *subscribers_at (const subscribers_t *self, size_t i);
/* The connection of that descriptor, or NULL. */
subscriber_t *subscribers_find (const subscribers_t *self, int descriptor);
/* A connection that is new; address and user are copied, cut where they are too long. One that had the
 * descriptor before is gone. 0 with *ret, or -ENOMEM. */
int subscribers_come (subscribers_t *self, int descriptor, uint64_t identity, const char *address,
        const char *user, moment_t now, subscriber_t **ret);
/* It ended. Its on-demand prefixes are still held, until ZeroMQ says that each one ended. */
void subscribers_gone (subscribers_t *self, subscriber_t *subscriber);

/* What follows from a subscription. */
typedef enum {
	SUBSCRIPTION_NOTHING,
	SUBSCRIPTION_CARRY, /* the first of an on-demand prefix: the agents are to hear of it */
	SUBSCRIPTION_DROP,  /* its last: they need not any more */
	SUBSCRIPTION_FULL,  /* an on-demand prefix that found no room; ends of it change nothing */
} subscription_t;
/* from asks for prefix (on), or no longer; what it asks for twice, or ends without having asked, counts
 * for nothing. from NULL: a connection that ended, whose subscriptions ZeroMQ ends, or one within this
 * process. *ret_over: who went over a budget by it (over is set now, and was not), else NULL.
 * Without memory a subscription is not counted, which -ENOMEM in *ret_error tells. */
subscription_t subscribers_ask (subscribers_t *self, subscriber_t *from, span_t prefix, bool on,
        subscriber_t **ret_over, int *ret_error);

/* A look at its queue. Whether that made it slow, or no longer slow. */
bool subscribers_look (
        subscribers_t *self, subscriber_t *subscriber, uint64_t queued, uint64_t unsent, moment_t now);
/* How many are slow. */
size_t subscribers_slow (const subscribers_t *self);

#endif
