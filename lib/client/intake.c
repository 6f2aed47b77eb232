#include "client/intake.h"

#include "wire/arena.h"
#include "wire/decode.h"
#include "wire/describe.h"
#include "wire/envelope.h"
#include "wire/validate.h"

#include <errno.h>
#include <stdlib.h>

struct intake {
	keyring_t *keyring;
	arena_t *arena;
	uint64_t refused[REFUSAL_COUNT];
};

int intake_new (keyring_t *keyring, intake_t **ret)
{
	intake_t *self = calloc (1, sizeof *self);
	if (!self || arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &self->arena)) {
		free (self);
		return -ENOMEM;
	}
	self->keyring = keyring;
	*ret = self;
	return 0;
}

void intake_destroy (intake_t **self_p)
{
	if (!*self_p)
		return;
	arena_destroy (&(*self_p)->arena);
	free (*self_p);
	*self_p = NULL;
}

static refusal_t check_mac (keyring_t *keyring, span_t topic, span_t node, const envelope_t *envelope)
{
	if (!envelope->mac)
		return REFUSAL_UNSIGNED;
	const mac_key_t *key = keyring_peek_key (keyring, envelope->key_epoch, node);
	if (!key)
		return REFUSAL_KEY_UNKNOWN;
	uint8_t mac[MAC_SIZE];
	mac_event (key, topic, envelope->event, mac);
	if (!mac_equal (mac, envelope->mac))
		return REFUSAL_MAC;
	/* Proven now: keep the derived key. Without room for it the next one is derived again. */
	(void) keyring_node_key (keyring, envelope->key_epoch, node);
	return REFUSAL_NONE;
}

static refusal_t check_agreement (const topic_t *topic, const Belfry__V1__Event *event)
{
	const Belfry__V1__Header *header = event->header;
	const event_type_t *type = event_type_of (event);
	const char *class = event_topic_class (type, header->severity);
	bool agree = span_is (topic->channel, channel_name (type->channel)) && class &&
	             span_is (topic->class, class) && span_is (topic->cluster, header->cluster) &&
	             span_is (topic->node, header->node) && span_is (topic->source, header->source);
	return agree ? REFUSAL_NONE : REFUSAL_MISMATCH;
}

static refusal_t open_event (intake_t *self, span_t topic_bytes, span_t bytes, const Belfry__V1__Event **ret)
{
	topic_t topic;
	if (topic_parse (topic_bytes.data, topic_bytes.size, &topic))
		return REFUSAL_TOPIC;
	envelope_t envelope;
	refusal_t reason = envelope_parse (bytes.data, bytes.size, &envelope);
	if (!reason && self->keyring)
		reason = check_mac (self->keyring, topic_bytes, topic.node, &envelope);
	if (reason)
		return reason;
	arena_reset (self->arena);
	Belfry__V1__Event *event;
	if (decode_event (envelope.event, self->arena, &event))
		return REFUSAL_MALFORMED;
	if (event_validate (event, NULL))
		return REFUSAL_INVALID;
	reason = check_agreement (&topic, event);
	if (!reason)
		*ret = event;
	return reason;
}

refusal_t intake_open (intake_t *self, span_t topic, span_t envelope, const Belfry__V1__Event **ret)
{
	refusal_t reason = open_event (self, topic, envelope, ret);
	return reason ? intake_refuse (self, reason) : REFUSAL_NONE;
}

refusal_t intake_refuse (intake_t *self, refusal_t reason)
{
	self->refused[reason]++;
	return reason;
}

uint64_t intake_refused (const intake_t *self, refusal_t reason)
{
	return self->refused[reason];
}
