/* Each subscriber's prefixes are told one by one, and their ends too, so each is counted. */

#include "agents/demand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/topic.h"

typedef struct {
	uint32_t count;
	uint8_t size;
	char text[TOPIC_SIZE_MAX];
} prefix_t;

struct demand {
	char cluster[TOPIC_CLUSTER_MAX + 1], node[TOPIC_NODE_MAX + 1];
	size_t n, room;
	prefix_t *prefixes;
	uint64_t refused;
};

int demand_new (const char *cluster, const char *node, demand_t **ret)
{
	demand_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	snprintf (self->cluster, sizeof self->cluster, "%s", cluster);
	snprintf (self->node, sizeof self->node, "%s", node);
	*ret = self;
	return 0;
}

void demand_destroy (demand_t **self_p)
{
	if (!*self_p)
		return;
	free ((*self_p)->prefixes);
	free (*self_p);
	*self_p = NULL;
}

static int beat_topic (const demand_t *self, char topic[TOPIC_SIZE_MAX + 1])
{
	return snprintf (topic, TOPIC_SIZE_MAX + 1, "fabric/heartbeat/%s/%s/", self->cluster, self->node);
}

static size_t find (const demand_t *self, span_t prefix)
{
	for (size_t i = 0; i < self->n; i++) {
		if (span_equal (prefix, span_of (self->prefixes[i].text, self->prefixes[i].size)))
			return i;
	}
	return self->n;
}

static int add (demand_t *self, span_t prefix)
{
	if (self->n == self->room) {
		size_t room = self->room ? self->room * 2 : 16;
		prefix_t *grown =
		        self->n < DEMAND_PREFIXES_MAX ? realloc (self->prefixes, room * sizeof *grown) : NULL;
		if (!grown) {
			self->refused++;
			return DEMAND_E_FULL;
		}
		self->prefixes = grown;
		self->room = room;
	}
	prefix_t *p = &self->prefixes[self->n++];
	p->count = 0;
	p->size = (uint8_t) prefix.size;
	if (prefix.size)
		memcpy (p->text, prefix.data, prefix.size);
	return 0;
}

static bool covers (const prefix_t *prefix, const char *topic, size_t size)
{
	size_t common = prefix->size < size ? prefix->size : size;
	return memcmp (prefix->text, topic, common) == 0;
}

int demand_note (demand_t *self, span_t message)
{
	const unsigned char *bytes = message.data;
	if (message.size == 0 || bytes[0] > 1 || message.size - 1 > TOPIC_SIZE_MAX)
		return DEMAND_E_MALFORMED;
	span_t prefix = span_of (bytes + 1, message.size - 1);
	size_t i = find (self, prefix);
	if (bytes[0] == 1) {
		int r = i == self->n ? add (self, prefix) : 0;
		if (r)
			return r;
		self->prefixes[i].count++;
		char topic[TOPIC_SIZE_MAX + 1];
		int size = beat_topic (self, topic);
		return covers (&self->prefixes[i], topic, (size_t) size) ? DEMAND_E_HEARD : 0;
	}
	if (i == self->n)
		return 0;
	bool heard = demand_heard (self);
	if (--self->prefixes[i].count == 0)
		self->prefixes[i] = self->prefixes[--self->n];
	return heard && !demand_heard (self) ? DEMAND_E_UNHEARD : 0;
}

/* Whether a topic under "channel/class/cluster/node/" can begin with one of the prefixes. */
static bool listened (const demand_t *self, const char *channel, const char *class, bool everything_counts)
{
	char topic[TOPIC_SIZE_MAX + 1];
	int n = snprintf (topic, sizeof topic, "%s/%s/%s/%s/", channel, class, self->cluster, self->node);
	if (n < 0 || (size_t) n >= sizeof topic)
		return false;
	for (size_t i = 0; i < self->n; i++) {
		const prefix_t *p = &self->prefixes[i];
		if ((p->size || everything_counts) && covers (p, topic, (size_t) n))
			return true;
	}
	return false;
}

bool demand_heard (const demand_t *self)
{
	return listened (self, "fabric", "heartbeat", true);
}

bool demand_wanted (const demand_t *self, channel_t channel, const char *class)
{
	bool on_demand = channel == CHANNEL_DIAGNOSTICS ||
	                 (channel == CHANNEL_LOGGING && strcmp (class, "debug") == 0);
	return listened (self, channel_name (channel), class, !on_demand);
}

size_t demand_count (const demand_t *self)
{
	return self->n;
}
uint64_t demand_refused (const demand_t *self)
{
	return self->refused;
}
