#include "specimen.h"

#include <stdlib.h>
#include <string.h>

static void *take (arena_t *arena, size_t size)
{
	void *memory = arena_alloc (arena, size);
	if (!memory)
		abort ();
	return memset (memory, 0, size);
}

/* Writes one element as it is kept in memory; returns its size. */
static size_t put (arena_t *arena, const ProtobufCFieldDescriptor *field, void *at)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING: {
		const char *text = arena_copy (arena, span_str (field->name));
		memcpy (at, &text, sizeof text);
		return sizeof text;
	}
	case PROTOBUF_C_TYPE_BYTES: {
		ProtobufCBinaryData *bytes = at;
		bytes->len = 32;
		bytes->data = take (arena, 32);
		return sizeof *bytes;
	}
	case PROTOBUF_C_TYPE_MESSAGE: {
		ProtobufCMessage *message = specimen_message (arena, field->descriptor);
		memcpy (at, &message, sizeof message);
		return sizeof message;
	}
	case PROTOBUF_C_TYPE_ENUM: {
		const ProtobufCEnumDescriptor *values = field->descriptor;
		*(int *) at = values->values[values->n_values - 1].value;
		return sizeof (int);
	}
	case PROTOBUF_C_TYPE_BOOL:
		*(protobuf_c_boolean *) at = 1;
		return sizeof (protobuf_c_boolean);
	case PROTOBUF_C_TYPE_DOUBLE:
		*(double *) at = 0.5;
		return sizeof (double);
	case PROTOBUF_C_TYPE_FLOAT:
		*(float *) at = 0.5f;
		return sizeof (float);
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		*(uint64_t *) at = 1;
		return 8;
	default:
		*(uint32_t *) at = 1;
		return 4;
	}
}

ProtobufCMessage *specimen_message (arena_t *arena, const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *message = take (arena, descriptor->sizeof_message);
	protobuf_c_message_init (descriptor, message);
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			void *array = take (arena, 16);
			put (arena, field, array);
			memcpy (specimen_at (message, field), &array, sizeof array);
			*specimen_count (message, field) = 1;
			continue;
		}
		if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
			*specimen_case (message, field) = field->id;
		put (arena, field, specimen_at (message, field));
	}
	if (descriptor == &belfry__v1__histogram__descriptor) {
		Belfry__V1__Histogram *histogram = (Belfry__V1__Histogram *) message;
		histogram->counts = take (arena, 2 * sizeof (uint64_t));
		histogram->n_counts = 2;
		histogram->counts[0] = 1;
	} else if (descriptor == &belfry__v1__checkpoint__descriptor) {
		Belfry__V1__Checkpoint *checkpoint = (Belfry__V1__Checkpoint *) message;
		checkpoint->journal.len = 16;
		checkpoint->signature = (ProtobufCBinaryData){ 64, take (arena, 64) };
	}
	return message;
}

Belfry__V1__Event *specimen_event (arena_t *arena, const event_type_t *type)
{
	Belfry__V1__Event *event = take (arena, sizeof *event);
	belfry__v1__event__init (event);
	event->header = (Belfry__V1__Header *) specimen_message (arena, &belfry__v1__header__descriptor);
	event->header->class_ = event_delivery_class (type, event->header->severity, false);
	if (event->header->class_ == BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND)
		event->header->sequence = 0;
	event->payload_case = (Belfry__V1__Event__PayloadCase) type->payload_case;
	event->heartbeat = (Belfry__V1__Heartbeat *) specimen_message (arena, type->descriptor);
	return event;
}
