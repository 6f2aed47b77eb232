/* plan.h - what validation, rendering and setting of fields need to know of each message, worked out
 * once from the descriptors and events.def. Private to the tables of lib/wire.
 * Thread-safe; nothing is allocated. */

#ifndef WIRE_PLAN_H
#define WIRE_PLAN_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/describe.h"

/* By the field's name and type: *_ns is a moment where it is fixed64, else a duration. */
typedef enum { UNIT_NONE, UNIT_TIME, UNIT_DURATION, UNIT_BYTES, UNIT_RATIO, UNIT_RATE } unit_t;

typedef struct message_plan message_plan_t;

enum { PLAN_FIELDS_MAX = 64 };   /* of one message: they fit a bit set */
enum { PLAN_NUMBERS_MAX = 128 }; /* numbers of fields are below */

typedef struct {
	const ProtobufCFieldDescriptor *field;
	const message_plan_t *message; /* of a message field, else NULL */
	uint64_t excludes;  /* bits of the fields it cannot stand beside: itself, its oneof's others */
	uint32_t size_max;  /* bytes of a string or of bytes */
	uint32_t count_max; /* of a repeated field */
	int enum_max;       /* of an enum: values are 0..enum_max */
	unit_t unit;
	bool required; /* must be said (events.def) */
	bool shown;    /* is written even where it is zero: the required and those with a "?" */
} field_plan_t;

struct message_plan {
	const ProtobufCMessageDescriptor *descriptor;
	const field_plan_t *fields; /* in the order of their numbers */
	size_t n_fields;
	uint8_t places[PLAN_NUMBERS_MAX]; /* by number: index of fields + 1; 0: no such field */
	const uint16_t *order;            /* indexes of fields as a person reads them (events.def, first) */
};

/* The plan of a message that occurs in Event, Control, AppMessage or Mark; NULL for another. */
const message_plan_t *plan_of (const ProtobufCMessageDescriptor *descriptor);
/* The plan of a type's payload, without a search. */
const message_plan_t *plan_of_type (const event_type_t *type);
/* The field of that name, or NULL. */
const field_plan_t *plan_field (const message_plan_t *self, span_t name);

/* The field of that number, or NULL. */
static inline const field_plan_t *plan_numbered (const message_plan_t *self, uint64_t number)
{
	uint8_t place = number < PLAN_NUMBERS_MAX ? self->places[number] : 0;
	return place ? &self->fields[place - 1] : NULL;
}

static inline const void *plan_member (const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (const uint8_t *) message + field->offset;
}

static inline bool plan_in_oneof (const ProtobufCFieldDescriptor *field)
{
	return field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
}

/* Whether a member of a oneof is the one that is there. */
static inline bool plan_is_case (const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return *(const uint32_t *) ((const uint8_t *) message + field->quantifier_offset) == field->id;
}

/* How many of a repeated field. */
static inline size_t plan_count (const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return *(const size_t *) ((const uint8_t *) message + field->quantifier_offset);
}

/* Whether a field that is not repeated has something to show: it is not zero, is an enum, is shown always,
 * or is the oneof's member that is there. */
bool plan_is_said (const field_plan_t *plan, const ProtobufCMessage *message);

/* Bytes that one element of a repeated field takes in its array. */
size_t plan_element_size (const ProtobufCFieldDescriptor *field);

#endif
