#include "wire/plan.h"
#include "wire/render.h"

static void put_scalar (json_writer_t *json, const field_plan_t *plan, const void *at)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	char text[ENUM_TEXT_MAX];
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		json_write_i64 (json, *(const int32_t *) at);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		json_write_u64 (json, *(const uint32_t *) at);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		json_write_i64 (json, *(const int64_t *) at);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		json_write_u64 (json, *(const uint64_t *) at);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		json_write_double (json, (double) *(const float *) at);
		break;
	case PROTOBUF_C_TYPE_DOUBLE:
		json_write_double (json, *(const double *) at);
		break;
	case PROTOBUF_C_TYPE_BOOL:
		json_write_bool (json, *(const protobuf_c_boolean *) at);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		json_write_string (json, enum_text (field->descriptor, *(const int *) at, text));
		break;
	case PROTOBUF_C_TYPE_STRING:
		json_write_string (json, *(const char *const *) at);
		break;
	case PROTOBUF_C_TYPE_BYTES: {
		const ProtobufCBinaryData *bytes = at;
		json_write_hex (json, span_of (bytes->data, bytes->len));
		break;
	}
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *message = *(const ProtobufCMessage *const *) at;
		if (message)
			render_json (json, message);
		else
			json_write_null (json);
		break;
	}
	}
}

static void put_field (json_writer_t *json, const field_plan_t *plan, const ProtobufCMessage *message)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	const void *at = plan_member (message, field);
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		size_t n = plan_count (message, field), step = plan_element_size (field);
		if (n == 0 && !plan->shown)
			return;
		json_write_key (json, field->name);
		json_write_begin_array (json);
		const uint8_t *element = *(const uint8_t *const *) at;
		for (size_t i = 0; i < n; i++)
			put_scalar (json, plan, element + i * step);
		json_write_end_array (json);
		return;
	}
	if (!plan_is_said (plan, message))
		return;
	json_write_key (json, field->name);
	put_scalar (json, plan, at);
}

void render_json (json_writer_t *json, const ProtobufCMessage *message)
{
	const message_plan_t *plan = plan_of (message->descriptor);
	json_write_begin_object (json);
	for (size_t i = 0; plan && i < plan->n_fields; i++)
		put_field (json, &plan->fields[i], message);
	json_write_end_object (json);
}

void render_json_payload (json_writer_t *json, const Belfry__V1__Event *event)
{
	const ProtobufCMessage *payload = event_payload (event);
	if (payload) {
		render_json (json, payload);
	} else {
		json_write_begin_object (json);
		json_write_end_object (json);
	}
}
