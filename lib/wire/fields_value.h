/* fields_value.h - one value read from text by its field's kind, and the parts that fields.c and
 * fields_json.c share. Private to lib/wire/fields*. */

#ifndef WIRE_FIELDS_VALUE_H
#define WIRE_FIELDS_VALUE_H

#include "base/buffer.h"
#include "wire/arena.h"
#include "wire/plan.h"

/* Reads text into *ret as an element of the field is kept in memory (plan_element_size bytes, at most
 * 16). Strings and bytes are copied into the arena. 0; -EINVAL with err; -ENOMEM. No messages. */
int fields_value_read (const field_plan_t *plan, arena_t *arena, const char *text, void *ret, err_t *err);

/* Sets the field, or appends to it, from text. As above. */
int fields_put (
        ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan, const char *value, err_t *err);
/* One more entry of a repeated field, zero or a new message; NULL past the arena's cap. */
void *fields_append (ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan);
/* The message inside a field, made where there is none; NULL past the arena's cap. */
ProtobufCMessage *fields_enter (ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan);

/* Says that the message has no such field: the nearest, or all there are. -EINVAL. */
int fields_unknown (const message_plan_t *plan, span_t name, err_t *err);

/* "healthy|degraded|...", "duration", "list of Sample": what a field takes, for people. */
void fields_kind (buffer_t *out, const field_plan_t *plan);

#endif
