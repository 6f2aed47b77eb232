/* The event is packed straight behind room for the envelope's head, so that sealing copies nothing
 * twice but the event itself. The buffer grows to the largest event and stays. */

#include "wire/publisher.h"
#include "base/borrow.h"
#include "wire/describe.h"
#include "wire/envelope.h"
#include "wire/topic.h"
#include "wire/validate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct publisher {
	char cluster[TOPIC_CLUSTER_MAX + 1], node[TOPIC_NODE_MAX + 1];
	const char *source;
	uint64_t incarnation, boot_nonce, newest_volatile, newest_durable;
	mono_t started;
	keyring_t *keyring;
	publisher_emit_fn *emit;
	void *arg;
	Belfry__V1__Header header; /* of what was composed last, and its topic */
	char topic[TOPIC_SIZE_MAX + 1];
	uint8_t *buffer; /* the event, then the envelope */
	size_t buffer_size;
};

int publisher_new (
        const publisher_options_t *options, publisher_emit_fn *emit, void *arg, publisher_t **ret, err_t *err)
{
	span_t cluster = span_str (options->cluster), node = span_str (options->node);
	if (!topic_name_valid (cluster, TOPIC_CLUSTER_MAX) || !topic_name_valid (node, TOPIC_NODE_MAX))
		return error_set (err, -EINVAL,
		        "cluster '%s' or node '%s' is no name: [A-Za-z0-9._-], a letter or digit first, at "
		        "most %d and %d",
		        options->cluster, options->node, TOPIC_CLUSTER_MAX, TOPIC_NODE_MAX);
	if (options->keyring && keyring_active_epoch (options->keyring, node) == 0)
		return error_set (err, -ENOKEY, "the keyring has no active key for node '%s'", options->node);
	publisher_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	memcpy (self->cluster, cluster.data, cluster.size);
	memcpy (self->node, node.data, node.size);
	self->source = topic_node_is_collector (node) ? "collector" : "agent";
	self->keyring = options->keyring;
	self->emit = emit;
	self->arg = arg;
	publisher_set_incarnation (self, options->incarnation, options->boot_nonce, options->started);
	*ret = self;
	return 0;
}

void publisher_destroy (publisher_t **self_p)
{
	if (!*self_p)
		return;
	free ((*self_p)->buffer);
	free (*self_p);
	*self_p = NULL;
}

static int buffer_reserve (publisher_t *self, size_t size)
{
	if (size <= self->buffer_size)
		return 0;
	size = (size + 1023) & ~(size_t) 1023;
	uint8_t *grown = realloc (self->buffer, size);
	if (!grown)
		return -ENOMEM;
	self->buffer = grown;
	self->buffer_size = size;
	return 0;
}

int publisher_envelope (publisher_t *self, span_t topic, span_t event, span_t *ret, err_t *err)
{
	uint32_t epoch = 0;
	const mac_key_t *key = NULL;
	if (self->keyring) {
		epoch = keyring_active_epoch (self->keyring, span_str (self->node));
		key = epoch ? keyring_node_key (self->keyring, epoch, span_str (self->node)) : NULL;
		if (!key)
			return error_set (err, -ENOKEY, "no active key for node '%s'", self->node);
	}
	if (envelope_bound (event.size) > ENVELOPE_SIZE_MAX)
		return error_set (err, -EMSGSIZE, "an event of %zu bytes is above the envelope's %d",
		        event.size, ENVELOPE_SIZE_MAX);
	/* What was composed here stands before the envelope; what was not is copied by the sealing alone. */
	bool own = self->buffer && event.data == self->buffer;
	size_t before = own ? event.size : 0;
	int r = buffer_reserve (self, before + envelope_bound (event.size));
	if (r)
		return error_set (err, r, "out of memory");
	if (own)
		event.data = self->buffer;
	uint8_t *envelope = self->buffer + before;
	*ret = span_of (envelope, envelope_seal (envelope, topic, event, epoch, key));
	return 0;
}

int publisher_emit (publisher_t *self, span_t topic, span_t event, err_t *err)
{
	span_t envelope;
	int r = publisher_envelope (self, topic, event, &envelope, err);
	if (!r)
		self->emit (self->arg, topic, envelope);
	return r;
}

/* Packs the event into the buffer under the header that it now has. */
static int pack (publisher_t *self, Belfry__V1__Event *event, const event_type_t *type,
        publisher_composed_t *ret, err_t *err)
{
	int r = event_validate (event, err);
	if (r)
		return r;
	size_t size = topic_format (self->topic, span_str (channel_name (type->channel)),
	        span_str (event_topic_class (type, event->header->severity)), span_str (self->cluster),
	        span_str (self->node), span_str (event->header->source));
	if (!size)
		return error_set (err, -EINVAL, "source '%s' is no name", event->header->source);
	size_t packed = belfry__v1__event__get_packed_size (event);
	if (envelope_bound (packed) > ENVELOPE_SIZE_MAX)
		return error_set (err, -EMSGSIZE, "an event of %zu bytes is above the envelope's %d", packed,
		        ENVELOPE_SIZE_MAX);
	/* Room for the envelope behind it too, so that sealing does not move it. */
	r = buffer_reserve (self, packed + envelope_bound (packed));
	if (r)
		return error_set (err, r, "out of memory");
	belfry__v1__event__pack (event, self->buffer);
	ret->topic = span_of (self->topic, size);
	ret->event = span_of (self->buffer, packed);
	return 0;
}

int publisher_compose (publisher_t *self, Belfry__V1__Event *event, const publisher_note_t *note,
        moment_t now, publisher_composed_t *ret, err_t *err)
{
	static const publisher_note_t none;
	if (!note)
		note = &none;
	const event_type_t *type = event_type_of (event);
	if (!type)
		return error_set (err, -EINVAL, "an event without a payload");
	Belfry__V1__Header *header = &self->header;
	belfry__v1__header__init (header);
	header->cluster = self->cluster;
	header->node = self->node;
	header->subject_node = borrow (note->subject_node);
	header->source = borrow (note->source ? note->source : self->source);
	header->incarnation = self->incarnation;
	header->boot_nonce = self->boot_nonce;
	/* Where the payload bears a severity, the header's is the same. */
	header->severity = event_payload_severity (event);
	if (!header->severity)
		header->severity = note->severity ? note->severity : BELFRY__V1__SEVERITY__SEVERITY_INFO;
	header->class_ = event_delivery_class (type, header->severity, note->changed);
	uint64_t *newest = header->class_ == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE
	                           ? &self->newest_durable
	                   : header->class_ == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE
	                           ? &self->newest_volatile
	                           : NULL;
	ret->sequence = header->sequence = newest ? *newest + 1 : 0;
	header->time_ns = (uint64_t) now.wall.ns;
	header->monotonic_ns = (uint64_t) mono_since (now.mono, self->started);
	header->correlation_id = borrow (note->correlation_id);
	header->n_labels = note->n_labels;
	header->labels = note->labels;
	event->header = header;
	int r = pack (self, event, type, ret, err);
	event->header = NULL;
	if (!r && newest)
		++*newest;
	return r;
}

int publisher_compose_gap (
        publisher_t *self, const publisher_gap_t *gap, publisher_composed_t *ret, err_t *err)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	Belfry__V1__Gap payload = BELFRY__V1__GAP__INIT;
	header.cluster = self->cluster;
	header.node = self->node;
	header.source = borrow (self->source);
	header.incarnation = gap->incarnation;
	header.boot_nonce = gap->boot_nonce;
	header.severity = BELFRY__V1__SEVERITY__SEVERITY_WARNING;
	header.class_ = BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE;
	ret->sequence = header.sequence = gap->last;
	header.time_ns = gap->time_ns ? gap->time_ns : 1;
	payload.first = gap->first;
	payload.last = gap->last;
	payload.reason = gap->reason;
	payload.count = gap->count;
	event.header = &header;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_GAP;
	event.gap = &payload;
	return pack (self, &event, event_type_of (&event), ret, err);
}

int publisher_send (
        publisher_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now, err_t *err)
{
	publisher_composed_t composed;
	uint64_t newest_volatile = self->newest_volatile, newest_durable = self->newest_durable;
	int r = publisher_compose (self, event, note, now, &composed, err);
	if (!r) {
		/* Who emits may look at what it is. */
		event->header = &self->header;
		r = publisher_emit (self, composed.topic, composed.event, err);
		event->header = NULL;
	}
	if (r) {
		self->newest_volatile = newest_volatile;
		self->newest_durable = newest_durable;
	}
	return r;
}

uint64_t publisher_newest_volatile (const publisher_t *self)
{
	return self->newest_volatile;
}
uint64_t publisher_newest_durable (const publisher_t *self)
{
	return self->newest_durable;
}
void publisher_skip_durable (publisher_t *self, uint64_t n)
{
	self->newest_durable += n;
}
uint64_t publisher_incarnation (const publisher_t *self)
{
	return self->incarnation;
}
uint64_t publisher_boot_nonce (const publisher_t *self)
{
	return self->boot_nonce;
}

void publisher_set_keyring (publisher_t *self, keyring_t *keyring)
{
	self->keyring = keyring;
}

void publisher_set_incarnation (publisher_t *self, uint64_t incarnation, uint64_t boot_nonce, mono_t started)
{
	self->incarnation = incarnation;
	self->boot_nonce = boot_nonce;
	self->started = started;
	self->newest_volatile = self->newest_durable = 0;
}
