#include "wire/fields.h"
#include "wire/fields_value.h"

#include <string.h>

static const char *kind_name (const field_plan_t *plan)
{
	switch (plan->unit) {
	case UNIT_TIME:
		return "time";
	case UNIT_DURATION:
		return "duration";
	case UNIT_BYTES:
		return "size";
	case UNIT_RATIO:
		return "ratio";
	case UNIT_RATE:
	case UNIT_NONE:
		break;
	}
	switch (plan->field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return "text";
	case PROTOBUF_C_TYPE_BYTES:
		return "hex";
	case PROTOBUF_C_TYPE_BOOL:
		return "true or false";
	case PROTOBUF_C_TYPE_DOUBLE:
	case PROTOBUF_C_TYPE_FLOAT:
		return "number";
	default:
		return "whole number";
	}
}

void fields_kind (buffer_t *out, const field_plan_t *plan)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		buffer_text (out, "list of ");
	if (plan->message) {
		buffer_text (out, plan->message->descriptor->short_name);
		return;
	}
	if (field->type != PROTOBUF_C_TYPE_ENUM) {
		buffer_text (out, kind_name (plan));
		return;
	}
	const ProtobufCEnumDescriptor *values = field->descriptor;
	char name[ENUM_TEXT_MAX];
	for (unsigned i = 1; i < values->n_values; i++)
		buffer_printf (
		        out, "%s%s", i > 1 ? "|" : "", enum_text (values, values->values[i].value, name));
}

enum { NAME_WIDTH = 34, DEPTH_MAX = 8 };

static void list_fields (buffer_t *out, const message_plan_t *message, int indent)
{
	for (size_t i = 0; i < message->n_fields; i++) {
		const field_plan_t *plan = &message->fields[message->order[i]];
		bool labels = plan->field->descriptor == &belfry__v1__label__descriptor;
		bool list = plan->field->label == PROTOBUF_C_LABEL_REPEATED;
		const char *suffix = labels && list ? ".KEY" : list && plan->message ? ".N" : "";
		int width = NAME_WIDTH - indent - (int) strlen (suffix);
		buffer_printf (out, "%*s%s%s%*s ", indent, "", plan->field->name, suffix,
		        width - (int) strlen (plan->field->name) > 0
		                ? width - (int) strlen (plan->field->name)
		                : 0,
		        "");
		if (labels && list)
			buffer_text (out, "text");
		else
			fields_kind (out, plan);
		buffer_text (out, plan->required ? ", required\n" : "\n");
		if (plan->message && !labels && indent < 2 * DEPTH_MAX)
			list_fields (out, plan->message, indent + 2);
	}
}

void fields_list_type (buffer_t *out, const event_type_t *type)
{
	static const char *const classes[] = {
		[EVENT_CLASS_DURABLE] = "durable",
		[EVENT_CLASS_VOLATILE] = "volatile",
		[EVENT_CLASS_ON_DEMAND] = "on demand",
		[EVENT_CLASS_STATUS] = "volatile, a change durable",
		[EVENT_CLASS_LOG] = "volatile, error and above durable, debug on demand",
	};
	buffer_printf (out, "%s %s  (%s/%s/, %s)\n", channel_name (type->channel), type->name,
	        channel_name (type->channel), type->token ? type->token : "SEVERITY", classes[type->class]);
	list_fields (out, plan_of_type (type), 2);
}

void fields_list (buffer_t *out)
{
	size_t begin = out->size;
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		if (type->channel == CHANNEL_FABRIC)
			continue;
		if (out->size > begin)
			buffer_char (out, '\n');
		fields_list_type (out, type);
	}
}
