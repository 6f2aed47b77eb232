#include "collector/usher.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/size.h"

#define PERIOD_NS (10 * NS_PER_S)
enum { LINES_MAX = 20 };

struct usher {
	view_t *view;
	herald_t *herald;
	const core_port_t *port;
	mono_t over_due, slow_due; /* when a period ends */
	int slow_lines;            /* said in it */
};

int usher_new (view_t *view, herald_t *herald, const core_port_t *port, usher_t **ret)
{
	usher_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	*self = (usher_t){ .view = view, .herald = herald, .port = port };
	*ret = self;
	return 0;
}

void usher_destroy (usher_t **self_p)
{
	free (*self_p);
	*self_p = NULL;
}

/* "127.0.0.1:4711", "127.0.0.1:4711 (anna)" */
static void name_of (const subscriber_t *subscriber, char *out, size_t size)
{
	const char *address = subscriber->address[0] ? subscriber->address : "that has ended";
	if (subscriber->user[0])
		snprintf (out, size, "%s (%s)", address, subscriber->user);
	else
		snprintf (out, size, "%s", address);
}

enum { TITLE_MAX = SUBSCRIBER_ADDRESS_MAX + SUBSCRIBER_USER_MAX + 4 };

void usher_over (usher_t *self, const subscriber_t *subscriber, moment_t now)
{
	char name[TITLE_MAX], text[ERROR_TEXT_MAX];
	self->view->counters.subscribers_shut_out++;
	if (now.mono.ns < self->over_due.ns)
		return;
	self->over_due = mono_add (now.mono, PERIOD_NS);
	name_of (subscriber, name, sizeof name);
	snprintf (text, sizeof text,
	        "subscriber %s holds %zu subscriptions of %" PRIu64
	        " bytes, above its budget: shut out; a wider prefix needs fewer",
	        name, subscriber->subscriptions, subscriber->prefix_bytes);
	self->port->say (self->port->arg, LOG_LEVEL_WARNING, text);
	herald_violation (
	        self->herald, subscriber->user, "subscriptions", "stream_out", subscriber->address, now);
}

void usher_slow (usher_t *self, const subscriber_t *subscriber, moment_t now)
{
	char name[TITLE_MAX], text[ERROR_TEXT_MAX], queued[SIZE_TEXT_MAX];
	if (subscriber->slow)
		self->view->counters.subscribers_slowed++;
	if (now.mono.ns >= self->slow_due.ns) {
		self->slow_due = mono_add (now.mono, PERIOD_NS);
		self->slow_lines = 0;
	}
	if (self->slow_lines++ >= LINES_MAX)
		return;
	name_of (subscriber, name, sizeof name);
	if (subscriber->slow)
		snprintf (text, sizeof text,
		        "subscriber %s does not keep up: %s wait for it; what finds no room is dropped, for "
		        "it alone",
		        name, size_format ((double) subscriber->queued_bytes, queued));
	else
		snprintf (text, sizeof text, "subscriber %s keeps up again", name);
	self->port->say (self->port->arg, subscriber->slow ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, text);
}

void usher_tick (usher_t *self)
{
	const subscribers_t *subscribers = self->view->subscribers;
	self->view->counters.subscribers = subscribers ? subscribers_count (subscribers) : 0;
	self->view->counters.subscribers_slow = subscribers ? subscribers_slow (subscribers) : 0;
}
