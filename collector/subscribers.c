/* Prefixes are kept as keyed hashes: all that is asked of them is whether they are held already. An
 * on-demand prefix is carried to the agents while anybody holds it; ZeroMQ tells of each connection's
 * subscription and of its end, also when the connection just breaks off, so counting them is exact. */

#include "collector/subscribers.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/topic.h"

/* A connection over its budget is shut out, but what ZeroMQ has already taken from it is still told. */
enum { HELD_MAX = 4 * SUBSCRIBER_PREFIXES_MAX };

struct subscribers {
	subscriber_t **list;
	size_t n, places;
	int *by_descriptor; /* position in list, or -1 */
	size_t n_descriptors;
	size_t prefixes, slow;
	uint64_t bytes;
	tally_t on_demand;
	uint8_t key[SUBSCRIBERS_KEY_SIZE];
};

int subscribers_new (const uint8_t key[SUBSCRIBERS_KEY_SIZE], subscribers_t **ret)
{
	static_assert (crypto_shorthash_KEYBYTES == SUBSCRIBERS_KEY_SIZE, "the hash's key");
	subscribers_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	memcpy (self->key, key, sizeof self->key);
	self->on_demand = tally_of (SUBSCRIBERS_ON_DEMAND_MAX);
	*ret = self;
	return 0;
}

static void subscriber_free (subscriber_t *subscriber)
{
	tally_free (&subscriber->prefixes);
	free (subscriber);
}

void subscribers_destroy (subscribers_t **self_p)
{
	subscribers_t *self = *self_p;
	if (!self)
		return;
	for (size_t i = 0; i < self->n; i++)
		subscriber_free (self->list[i]);
	tally_free (&self->on_demand);
	free (self->list);
	free (self->by_descriptor);
	free (self);
	*self_p = NULL;
}

size_t subscribers_count (const subscribers_t *self)
{
	return self->n;
}

subscriber_t *subscribers_at (const subscribers_t *self, size_t i)
{
	return self->list[i];
}

subscriber_t *subscribers_find (const subscribers_t *self, int descriptor)
{
	if (descriptor < 0 || (size_t) descriptor >= self->n_descriptors)
		return NULL;
	int at = self->by_descriptor[descriptor];
	return at < 0 ? NULL : self->list[at];
}

/* Room for one more, of that descriptor. */
static int widen (subscribers_t *self, int descriptor)
{
	if (self->n == self->places) {
		size_t places = self->places ? 2 * self->places : 16;
		subscriber_t **list = realloc (self->list, places * sizeof (subscriber_t *));
		if (!list)
			return -ENOMEM;
		self->list = list;
		self->places = places;
	}
	if ((size_t) descriptor >= self->n_descriptors) {
		size_t n = 2 * (size_t) descriptor + 16;
		int *by_descriptor = realloc (self->by_descriptor, n * sizeof *by_descriptor);
		if (!by_descriptor)
			return -ENOMEM;
		for (size_t i = self->n_descriptors; i < n; i++)
			by_descriptor[i] = -1;
		self->by_descriptor = by_descriptor;
		self->n_descriptors = n;
	}
	return 0;
}

int subscribers_come (subscribers_t *self, int descriptor, uint64_t identity, const char *address,
        const char *user, moment_t now, subscriber_t **ret)
{
	subscriber_t *before = subscribers_find (self, descriptor);
	if (before)
		subscribers_gone (self, before);
	int r = widen (self, descriptor);
	subscriber_t *subscriber = r ? NULL : calloc (1, sizeof *subscriber);
	if (!subscriber)
		return -ENOMEM;
	subscriber->descriptor = descriptor;
	subscriber->identity = identity;
	subscriber->since = now;
	subscriber->changed = now.mono;
	subscriber->prefixes = tally_of (HELD_MAX);
	snprintf (subscriber->address, sizeof subscriber->address, "%s", address);
	snprintf (subscriber->user, sizeof subscriber->user, "%s", user);
	self->by_descriptor[descriptor] = (int) self->n;
	self->list[self->n++] = subscriber;
	*ret = subscriber;
	return 0;
}

void subscribers_gone (subscribers_t *self, subscriber_t *subscriber)
{
	int at = self->by_descriptor[subscriber->descriptor];
	subscriber_t *last = self->list[--self->n];
	self->list[at] = last;
	self->by_descriptor[last->descriptor] = at;
	self->by_descriptor[subscriber->descriptor] = -1;
	self->prefixes -= subscriber->subscriptions;
	self->bytes -= subscriber->prefix_bytes;
	self->slow -= subscriber->slow;
	subscriber_free (subscriber);
}

static bool prefix_on_demand (span_t prefix)
{
	static const char *const roots[] = { "diagnostics/", "logging/debug/" };
	for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
		size_t size = strlen (roots[i]);
		if (prefix.size >= size && memcmp (prefix.data, roots[i], size) == 0)
			return prefix.size <= TOPIC_SIZE_MAX;
	}
	return false;
}

static uint64_t hash_of (const subscribers_t *self, span_t prefix)
{
	uint8_t bytes[crypto_shorthash_BYTES];
	uint64_t hash;
	crypto_shorthash (bytes, prefix.data, prefix.size, self->key);
	memcpy (&hash, bytes, sizeof hash);
	return hash;
}

/* The one that holds most, of those that are not to go already. */
static subscriber_t *largest (const subscribers_t *self)
{
	subscriber_t *found = NULL;
	for (size_t i = 0; i < self->n; i++) {
		subscriber_t *subscriber = self->list[i];
		if (!subscriber->over && (!found || subscriber->prefix_bytes > found->prefix_bytes))
			found = subscriber;
	}
	return found;
}

/* Whether subscriber, or its user by all connections together, holds more than it may. */
static bool over_its_budget (const subscribers_t *self, const subscriber_t *subscriber)
{
	size_t prefixes = subscriber->subscriptions;
	uint64_t bytes = subscriber->prefix_bytes;
	for (size_t i = 0; i < self->n && subscriber->user[0]; i++) {
		const subscriber_t *other = self->list[i];
		if (other == subscriber || other->over || strcmp (other->user, subscriber->user) != 0)
			continue;
		prefixes += other->subscriptions;
		bytes += other->prefix_bytes;
	}
	return prefixes > SUBSCRIBER_PREFIXES_MAX || bytes > SUBSCRIBER_BYTES_MAX;
}

static subscriber_t *judge (const subscribers_t *self, subscriber_t *from)
{
	subscriber_t *over = NULL;
	if (over_its_budget (self, from))
		over = from;
	else if (self->prefixes > SUBSCRIBERS_PREFIXES_MAX || self->bytes > SUBSCRIBERS_BYTES_MAX)
		over = largest (self);
	if (!over || over->over)
		return NULL;
	over->over = true;
	return over;
}

/* Whether that changes what from holds. */
static bool note (
        subscribers_t *self, subscriber_t *from, uint64_t hash, size_t size, bool on, int *ret_error)
{
	uint32_t held;
	if (on && tally_count (&from->prefixes, hash) > 0)
		return false;
	int r = on ? tally_add (&from->prefixes, hash, &held) : tally_take (&from->prefixes, hash, &held);
	if (r < 0)
		*ret_error = r;
	if (r)
		return false;
	if (on) {
		from->subscriptions++;
		from->prefix_bytes += size;
		self->prefixes++;
		self->bytes += size;
	} else {
		from->subscriptions--;
		from->prefix_bytes -= size;
		self->prefixes--;
		self->bytes -= size;
	}
	return true;
}

subscription_t subscribers_ask (subscribers_t *self, subscriber_t *from, span_t prefix, bool on,
        subscriber_t **ret_over, int *ret_error)
{
	uint64_t hash = hash_of (self, prefix);
	uint32_t holders;
	*ret_over = NULL;
	*ret_error = 0;
	if (from && !note (self, from, hash, prefix.size, on, ret_error))
		return SUBSCRIPTION_NOTHING;
	if (from && on)
		*ret_over = judge (self, from);
	if (!prefix_on_demand (prefix))
		return SUBSCRIPTION_NOTHING;
	int r = on ? tally_add (&self->on_demand, hash, &holders)
	           : tally_take (&self->on_demand, hash, &holders);
	if (r < 0)
		*ret_error = r;
	if (r)
		return on ? SUBSCRIPTION_FULL : SUBSCRIPTION_NOTHING;
	if (on)
		return holders == 1 ? SUBSCRIPTION_CARRY : SUBSCRIPTION_NOTHING;
	return holders == 0 ? SUBSCRIPTION_DROP : SUBSCRIPTION_NOTHING;
}

bool subscribers_look (
        subscribers_t *self, subscriber_t *subscriber, uint64_t queued, uint64_t unsent, moment_t now)
{
	bool behind = unsent >= SUBSCRIBER_SLOW_BYTES;
	subscriber->queued_bytes = queued;
	if (behind != subscriber->behind) {
		subscriber->behind = behind;
		subscriber->changed = now.mono;
	}
	if (subscriber->slow == behind || mono_since (now.mono, subscriber->changed) < SUBSCRIBER_SLOW_NS)
		return false;
	subscriber->slow = behind;
	if (behind)
		self->slow++;
	else
		self->slow--;
	return true;
}

size_t subscribers_slow (const subscribers_t *self)
{
	return self->slow;
}
