/* A subscription names its connection by descriptor (ZMQ_SRCFD), and descriptors are used again: the
 * kernel's number of the socket, which is not, tells a later connection from the one that is known.
 * When a connection ends ZeroMQ tells the end of each of its subscriptions, without a descriptor. */

#include "collector/outlet.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

#include "collector/subscribers.h"
#include "net/connection.h"

enum { BATCH = 256 };

struct outlet {
	door_t *door;
	link_t *link, *intake;
	core_t *core;
	subscribers_t *subscribers;
};

int outlet_new (door_t *door, link_t *link, link_t *intake, core_t *core, outlet_t **ret)
{
	outlet_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->door = door;
	self->link = link;
	self->intake = intake;
	self->core = core;
	uint8_t key[SUBSCRIBERS_KEY_SIZE];
	randombytes_buf (key, sizeof key);
	int r = subscribers_new (key, &self->subscribers);
	if (r) {
		free (self);
		return r;
	}
	core_watch_subscribers (core, self->subscribers);
	*ret = self;
	return 0;
}

void outlet_destroy (outlet_t **self_p)
{
	outlet_t *self = *self_p;
	if (!self)
		return;
	core_watch_subscribers (self->core, NULL);
	subscribers_destroy (&self->subscribers);
	free (self);
	*self_p = NULL;
}

/* Who sent it; NULL for what comes from no connection, and where memory is out. */
static subscriber_t *sender_of (outlet_t *self, const frame_t *frame, const char *user, moment_t now)
{
	int descriptor = frame_descriptor (frame);
	if (descriptor < 0)
		return NULL;
	uint64_t identity = connection_identity (descriptor);
	subscriber_t *subscriber = subscribers_find (self->subscribers, descriptor);
	/* One that has ended meanwhile is still the one that was known. */
	if (subscriber && (identity == 0 || identity == subscriber->identity))
		return subscriber;
	char address[CONNECTION_ADDRESS_MAX] = "";
	if (identity)
		connection_address (descriptor, address);
	if (subscribers_come (self->subscribers, descriptor, identity, address, user, now, &subscriber))
		return NULL;
	return subscriber;
}

/* The connection, unless its descriptor is another's by now. */
static void shut_out (const subscriber_t *subscriber)
{
	if (subscriber->identity && connection_identity (subscriber->descriptor) == subscriber->identity)
		connection_end (subscriber->descriptor);
}

static void take_one (outlet_t *self, const frame_t *frame, moment_t now)
{
	span_t bytes = frame_bytes (frame);
	const uint8_t *first = bytes.data;
	if (bytes.size == 0 || *first > 1)
		return;
	span_t prefix = span_of (first + 1, bytes.size - 1);
	user_t user = { .name = "" };
	/* An end bears no user: ZeroMQ says it for a connection that is gone. */
	if (*first == 1 && !door_admits (self->door, DOOR_OUTLET, frame, true, &user)) {
		core_refuse (self->core, REFUSAL_USER);
		return;
	}
	subscriber_t *over;
	int error;
	switch (subscribers_ask (self->subscribers, sender_of (self, frame, user.name, now), prefix,
	        *first == 1, &over, &error)) {
	case SUBSCRIPTION_CARRY:
		link_subscribe (self->intake, prefix);
		break;
	case SUBSCRIPTION_DROP:
		link_unsubscribe (self->intake, prefix);
		break;
	case SUBSCRIPTION_FULL:
		core_dropped (self->core, CORE_DROP_SUBSCRIPTION);
		break;
	case SUBSCRIPTION_NOTHING:
		break;
	}
	if (error)
		core_dropped (self->core, CORE_DROP_SUBSCRIPTION);
	if (over) {
		shut_out (over);
		core_subscriber_over (self->core, over, now);
	}
}

void outlet_take (outlet_t *self, moment_t now)
{
	for (int i = 0; i < BATCH; i++) {
		frame_t frame = { 0 };
		size_t n = 0;
		int r = link_receive (self->link, &frame, 1, &n);
		if (r == -EAGAIN)
			return;
		if (r == 0)
			take_one (self, &frame, now);
		frame_close (&frame);
		if (r && r != -EMSGSIZE)
			return;
	}
}

void outlet_look (outlet_t *self, moment_t now)
{
	for (size_t i = subscribers_count (self->subscribers); i-- > 0;) {
		subscriber_t *subscriber = subscribers_at (self->subscribers, i);
		uint64_t queued, unsent;
		if (subscriber->identity == 0 ||
		        connection_identity (subscriber->descriptor) != subscriber->identity ||
		        connection_waits (subscriber->descriptor, &queued, &unsent)) {
			subscribers_gone (self->subscribers, subscriber);
			continue;
		}
		if (subscribers_look (self->subscribers, subscriber, queued, unsent, now))
			core_subscriber_slow (self->core, subscriber, now);
	}
}
