/* describe.h - which channels and events there are, as one table (events.def): their topics, delivery
 * classes and descriptors. Pure, static data, thread-safe. */

#ifndef WIRE_DESCRIBE_H
#define WIRE_DESCRIBE_H

#include <stdbool.h>

#include "base/span.h"
#include "belfry/v1/event.pb-c.h"

/* The nine channels in the contract's order, and the fabric's own. */
typedef enum {
	CHANNEL_SYSTEM,
	CHANNEL_HEALTH,
	CHANNEL_METRICS,
	CHANNEL_LIFECYCLE,
	CHANNEL_ALERTS,
	CHANNEL_AUDIT,
	CHANNEL_DIAGNOSTICS,
	CHANNEL_SECURITY,
	CHANNEL_LOGGING,
	CHANNEL_FABRIC,
	CHANNEL_COUNT,
} channel_t;

typedef enum {
	EVENT_CLASS_DURABLE,
	EVENT_CLASS_VOLATILE,
	EVENT_CLASS_ON_DEMAND,
	EVENT_CLASS_STATUS, /* volatile; durable where the status changed */
	EVENT_CLASS_LOG,    /* ERROR and above durable, DEBUG on demand, else volatile */
} event_class_t;

typedef struct event_type {
	channel_t channel;
	const char *token; /* the topic's second segment; NULL: the severity's name */
	const char *name;  /* "NodeHealth" */
	unsigned payload_case;
	event_class_t class;
	const char *required; /* names joined by commas */
	const char *first;
	const ProtobufCMessageDescriptor *descriptor;
} event_type_t;

/* "alerts"; "?" beyond the enum. Static. */
const char *channel_name (channel_t channel);
/* 0, or -EINVAL when there is no such channel. Exact. */
int channel_parse (span_t text, channel_t *ret);
/* Whether the topic's second segment is the severity: alerts, security, logging. */
bool channel_has_severity (channel_t channel);

/* Every type in the table's order, i below event_type_count. */
size_t event_type_count (void);
const event_type_t *event_type_at (size_t i);
/* By the payload's case, or NULL. */
const event_type_t *event_type_by_case (unsigned payload_case);
/* The event's type; NULL when it has no payload. */
const event_type_t *event_type_of (const Belfry__V1__Event *event);
/* By name, case-insensitive; channel CHANNEL_COUNT: any. NULL when there is none. */
const event_type_t *event_type_by_name (channel_t channel, span_t name);
/* By the topic's first two segments, where the channel has tokens. NULL when there is none. */
const event_type_t *event_type_by_token (channel_t channel, span_t token);

/* The payload, or NULL. */
const ProtobufCMessage *event_payload (const Belfry__V1__Event *event);
/* The severity that the payload itself bears (Alert, AccessViolation, SecurityAlert, LogEntry's level),
 * with which the header's must agree; UNSPECIFIED where it bears none. */
Belfry__V1__Severity event_payload_severity (const Belfry__V1__Event *event);
/* The topic's second segment: the type's token or the severity's name. Static; NULL when that is the
 * severity and it is none. */
const char *event_topic_class (const event_type_t *type, Belfry__V1__Severity severity);
/* How such an event travels. changed: its status is another than before (STATUS only). */
Belfry__V1__DeliveryClass event_delivery_class (
        const event_type_t *type, Belfry__V1__Severity severity, bool changed);
/* Whether such an event may travel so. */
bool event_delivery_class_fits (
        const event_type_t *type, Belfry__V1__Severity severity, Belfry__V1__DeliveryClass class);

/* "info", "degraded", "on_demand"; "unspecified" at zero, "?" beyond. Static. */
const char *severity_name (Belfry__V1__Severity severity);
const char *status_name (Belfry__V1__Status status);
const char *delivery_class_name (Belfry__V1__DeliveryClass class);
/* 0, or -EINVAL. Exact, "unspecified" is none. */
int severity_parse (span_t text, Belfry__V1__Severity *ret);

enum { ENUM_TEXT_MAX = 48 };

/* Any schema enum's value without its prefix, in lower case; "?" and the number when it is none.
 * Returns out. */
const char *enum_text (const ProtobufCEnumDescriptor *descriptor, int value, char out[ENUM_TEXT_MAX]);
/* The value of that name (lower case, no prefix); "unspecified" too. 0, or -EINVAL. */
int enum_parse (const ProtobufCEnumDescriptor *descriptor, span_t text, int *ret);

#endif
