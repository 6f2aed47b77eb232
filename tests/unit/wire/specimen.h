/* specimen.h - one valid event of any type with every field filled, made through the descriptors
 * alone: what the tests of validation and rendering look at. Everything lives in the arena. */

#ifndef TESTS_WIRE_SPECIMEN_H
#define TESTS_WIRE_SPECIMEN_H

#include "wire/arena.h"
#include "wire/describe.h"

/* The text that every string field bears: its own field's name. */
ProtobufCMessage *specimen_message (arena_t *arena, const ProtobufCMessageDescriptor *descriptor);
Belfry__V1__Event *specimen_event (arena_t *arena, const event_type_t *type);

/* Where the member is. */
static inline void *specimen_at (ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (unsigned char *) message + field->offset;
}
static inline size_t *specimen_count (ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (size_t *) (void *) ((unsigned char *) message + field->quantifier_offset);
}
static inline uint32_t *specimen_case (ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (uint32_t *) (void *) ((unsigned char *) message + field->quantifier_offset);
}

#endif
