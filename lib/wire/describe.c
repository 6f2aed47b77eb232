/* The table is laid out at compile time; a payload's case leads to its row by one index. */

#include "wire/describe.h"

#include <errno.h>
#include <stdio.h>
#include <stdint.h>
#include <strings.h>

#define CASE_OF(name) BELFRY__V1__EVENT__PAYLOAD_##name

static const event_type_t types[] = {
#define EVENT(channel, token, type, case, field, class, required, first)                         \
	{ CHANNEL_##channel, token, #type, CASE_OF (case), EVENT_CLASS_##class, required, first, \
		&belfry__v1__##field##__descriptor },
#define PART(type, field, required)
#include "wire/events.def"
#undef EVENT
};

enum { TYPE_COUNT = sizeof types / sizeof types[0] };

enum {
#define EVENT(channel, token, type, case, field, class, required, first) ROW_##field,
#include "wire/events.def"
#undef EVENT
};

/* Row + 1; 0: no such case. */
static const uint8_t row_by_case[] = {
#define EVENT(channel, token, type, case, field, class, required, first) [CASE_OF (case)] = ROW_##field + 1,
#include "wire/events.def"
#undef EVENT
#undef PART
};

static const char *const channel_names[CHANNEL_COUNT] = {
	[CHANNEL_SYSTEM] = "system",
	[CHANNEL_HEALTH] = "health",
	[CHANNEL_METRICS] = "metrics",
	[CHANNEL_LIFECYCLE] = "lifecycle",
	[CHANNEL_ALERTS] = "alerts",
	[CHANNEL_AUDIT] = "audit",
	[CHANNEL_DIAGNOSTICS] = "diagnostics",
	[CHANNEL_SECURITY] = "security",
	[CHANNEL_LOGGING] = "logging",
	[CHANNEL_FABRIC] = "fabric",
};

static const char *const severity_names[] = { "unspecified", "debug", "info", "warning", "error",
	"critical" };
static const char *const status_names[] = { "unspecified", "healthy", "degraded", "unhealthy", "unknown" };
static const char *const class_names[] = { "unspecified", "volatile", "durable", "on_demand" };

#define NAME_IN(table, value) \
	((unsigned) (value) < sizeof table / sizeof table[0] ? table[(unsigned) (value)] : "?")

const char *channel_name (channel_t channel)
{
	return NAME_IN (channel_names, channel);
}

int channel_parse (span_t text, channel_t *ret)
{
	for (unsigned i = 0; i < CHANNEL_COUNT; i++) {
		if (span_is (text, channel_names[i])) {
			*ret = (channel_t) i;
			return 0;
		}
	}
	return -EINVAL;
}

bool channel_has_severity (channel_t channel)
{
	return channel == CHANNEL_ALERTS || channel == CHANNEL_SECURITY || channel == CHANNEL_LOGGING;
}

size_t event_type_count (void)
{
	return TYPE_COUNT;
}

const event_type_t *event_type_at (size_t i)
{
	return i < TYPE_COUNT ? &types[i] : NULL;
}

const event_type_t *event_type_by_case (unsigned payload_case)
{
	if (payload_case >= sizeof row_by_case || row_by_case[payload_case] == 0)
		return NULL;
	return &types[row_by_case[payload_case] - 1];
}

const event_type_t *event_type_of (const Belfry__V1__Event *event)
{
	return event_payload (event) ? event_type_by_case ((unsigned) event->payload_case) : NULL;
}

const event_type_t *event_type_by_name (channel_t channel, span_t name)
{
	for (size_t i = 0; i < TYPE_COUNT; i++) {
		if ((channel == CHANNEL_COUNT || types[i].channel == channel) &&
		        strlen (types[i].name) == name.size &&
		        strncasecmp (types[i].name, name.data, name.size) == 0)
			return &types[i];
	}
	return NULL;
}

const event_type_t *event_type_by_token (channel_t channel, span_t token)
{
	for (size_t i = 0; i < TYPE_COUNT; i++) {
		if (types[i].channel == channel && types[i].token && span_is (token, types[i].token))
			return &types[i];
	}
	return NULL;
}

const ProtobufCMessage *event_payload (const Belfry__V1__Event *event)
{
	if (!event_type_by_case ((unsigned) event->payload_case))
		return NULL;
	/* Every member of the union is a pointer to a message. */
	return event->heartbeat ? &event->heartbeat->base : NULL;
}

Belfry__V1__Severity event_payload_severity (const Belfry__V1__Event *event)
{
	if (!event_payload (event))
		return BELFRY__V1__SEVERITY__SEVERITY_UNSPECIFIED;
	switch (event->payload_case) {
	case CASE_OF (ALERT):
		return event->alert->severity;
	case CASE_OF (ACCESS_VIOLATION):
		return event->access_violation->severity;
	case CASE_OF (SECURITY_ALERT):
		return event->security_alert->severity;
	case CASE_OF (LOG_ENTRY):
		return event->log_entry->level;
	default:
		return BELFRY__V1__SEVERITY__SEVERITY_UNSPECIFIED;
	}
}

const char *event_topic_class (const event_type_t *type, Belfry__V1__Severity severity)
{
	if (type->token)
		return type->token;
	if (severity < BELFRY__V1__SEVERITY__SEVERITY_DEBUG ||
	        severity > BELFRY__V1__SEVERITY__SEVERITY_CRITICAL)
		return NULL;
	return severity_name (severity);
}

Belfry__V1__DeliveryClass event_delivery_class (
        const event_type_t *type, Belfry__V1__Severity severity, bool changed)
{
	switch (type->class) {
	case EVENT_CLASS_DURABLE:
		return BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE;
	case EVENT_CLASS_ON_DEMAND:
		return BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND;
	case EVENT_CLASS_STATUS:
		return changed ? BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE
		               : BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE;
	case EVENT_CLASS_LOG:
		return severity >= BELFRY__V1__SEVERITY__SEVERITY_ERROR
		               ? BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE
		       : severity == BELFRY__V1__SEVERITY__SEVERITY_DEBUG
		               ? BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND
		               : BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE;
	case EVENT_CLASS_VOLATILE:
		break;
	}
	return BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE;
}

bool event_delivery_class_fits (
        const event_type_t *type, Belfry__V1__Severity severity, Belfry__V1__DeliveryClass class)
{
	return class == event_delivery_class (type, severity, false) ||
	       class == event_delivery_class (type, severity, true);
}

const char *severity_name (Belfry__V1__Severity severity)
{
	return NAME_IN (severity_names, severity);
}

const char *status_name (Belfry__V1__Status status)
{
	return NAME_IN (status_names, status);
}

const char *delivery_class_name (Belfry__V1__DeliveryClass class)
{
	return NAME_IN (class_names, class);
}

int severity_parse (span_t text, Belfry__V1__Severity *ret)
{
	for (unsigned i = 1; i < sizeof severity_names / sizeof severity_names[0]; i++) {
		if (span_is (text, severity_names[i])) {
			*ret = (Belfry__V1__Severity) i;
			return 0;
		}
	}
	return -EINVAL;
}

/* Every enum's zero is PREFIX_UNSPECIFIED. */
static size_t prefix_size (const ProtobufCEnumDescriptor *descriptor)
{
	return strlen (descriptor->values[0].name) - strlen ("UNSPECIFIED");
}

static char lower (char c)
{
	return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

const char *enum_text (const ProtobufCEnumDescriptor *descriptor, int value, char out[ENUM_TEXT_MAX])
{
	const ProtobufCEnumValue *found = protobuf_c_enum_descriptor_get_value (descriptor, value);
	if (!found) {
		snprintf (out, ENUM_TEXT_MAX, "?%d", value);
		return out;
	}
	const char *name = found->name + prefix_size (descriptor);
	size_t n = 0;
	for (; name[n] && n < ENUM_TEXT_MAX - 1; n++)
		out[n] = lower (name[n]);
	out[n] = '\0';
	return out;
}

int enum_parse (const ProtobufCEnumDescriptor *descriptor, span_t text, int *ret)
{
	char name[ENUM_TEXT_MAX];
	for (unsigned i = 0; i < descriptor->n_values; i++) {
		if (span_is (text, enum_text (descriptor, descriptor->values[i].value, name))) {
			*ret = descriptor->values[i].value;
			return 0;
		}
	}
	return -EINVAL;
}
