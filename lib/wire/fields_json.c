/* A value that JSON says as a string or number goes through the same reading as one on a command
 * line; the numbers that are exact in JSON are written out again first. */

#include "wire/fields.h"
#include "wire/fields_value.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <jansson.h>

static int fill_message (
        ProtobufCMessage *message, arena_t *arena, const json_t *object, unsigned depth, err_t *err);

enum { DEPTH_MAX = 8 };

static const char *json_kind (const json_t *value)
{
	switch (json_typeof (value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "a list";
	case JSON_STRING:
		return "text";
	case JSON_INTEGER:
	case JSON_REAL:
		return "a number";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	case JSON_NULL:
		break;
	}
	return "null";
}

static int wrong_kind (const field_plan_t *plan, const json_t *value, err_t *err)
{
	buffer_t kind = BUFFER_INIT;
	fields_kind (&kind, plan);
	int r = error_set (err, -EINVAL, "%s is %s where %s is wanted", plan->field->name, json_kind (value),
	        buffer_string (&kind));
	buffer_free (&kind);
	return r;
}

static bool wants_number (const ProtobufCFieldDescriptor *field)
{
	return field->type != PROTOBUF_C_TYPE_STRING && field->type != PROTOBUF_C_TYPE_BYTES &&
	       field->type != PROTOBUF_C_TYPE_BOOL && field->type != PROTOBUF_C_TYPE_ENUM;
}

static int fill_scalar (
        ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan, const json_t *value, err_t *err)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	bool fraction = field->type == PROTOBUF_C_TYPE_DOUBLE || field->type == PROTOBUF_C_TYPE_FLOAT;
	char text[40];
	/* render_json writes what is no number as null. */
	if (json_is_null (value) && fraction)
		return fields_put (message, arena, plan, "nan", err);
	if (json_is_string (value) && field->type != PROTOBUF_C_TYPE_BOOL)
		return fields_put (message, arena, plan, json_string_value (value), err);
	if (json_is_boolean (value) && field->type == PROTOBUF_C_TYPE_BOOL)
		return fields_put (message, arena, plan, json_is_true (value) ? "true" : "false", err);
	if (json_is_integer (value) && wants_number (field)) {
		snprintf (text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value (value));
		return fields_put (message, arena, plan, text, err);
	}
	if (json_is_real (value) && fraction) {
		snprintf (text, sizeof text, "%.17g", json_real_value (value));
		return fields_put (message, arena, plan, text, err);
	}
	return wrong_kind (plan, value, err);
}

static int fill_list (ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan, const json_t *list,
        unsigned depth, err_t *err)
{
	if (!json_is_array (list))
		return wrong_kind (plan, list, err);
	if (json_array_size (list) > plan->count_max)
		return error_set (err, -EINVAL, "%s has %zu entries, above %u", plan->field->name,
		        json_array_size (list), (unsigned) plan->count_max);
	for (size_t i = 0; i < json_array_size (list); i++) {
		const json_t *value = json_array_get (list, i);
		int r;
		if (!plan->message) {
			r = fill_scalar (message, arena, plan, value, err);
		} else if (!json_is_object (value)) {
			r = wrong_kind (plan, value, err);
		} else {
			ProtobufCMessage **element = fields_append (message, arena, plan);
			if (!element)
				return error_set (err, -ENOMEM, "the message is too large for its bound");
			r = fill_message (*element, arena, value, depth + 1, err);
		}
		if (r) {
			error_prefix (err, "%s[%zu]: ", plan->field->name, i);
			return r;
		}
	}
	return 0;
}

static int fill_field (ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan,
        const json_t *value, unsigned depth, err_t *err)
{
	if (plan->field->label == PROTOBUF_C_LABEL_REPEATED)
		return fill_list (message, arena, plan, value, depth, err);
	if (!plan->message)
		return fill_scalar (message, arena, plan, value, err);
	if (!json_is_object (value))
		return wrong_kind (plan, value, err);
	ProtobufCMessage *inside = fields_enter (message, arena, plan);
	if (!inside)
		return error_set (err, -ENOMEM, "the message is too large for its bound");
	int r = fill_message (inside, arena, value, depth + 1, err);
	if (r)
		error_prefix (err, "%s.", plan->field->name);
	return r;
}

static int fill_message (
        ProtobufCMessage *message, arena_t *arena, const json_t *object, unsigned depth, err_t *err)
{
	const message_plan_t *plan = plan_of (message->descriptor);
	if (!plan || depth > DEPTH_MAX)
		return error_set (err, -EINVAL, "objects deeper than %d", DEPTH_MAX);
	const char *key;
	const json_t *value;
	for (void *at = json_object_iter ((json_t *) (uintptr_t) object); at;
	        at = json_object_iter_next ((json_t *) (uintptr_t) object, at)) {
		key = json_object_iter_key (at);
		value = json_object_iter_value (at);
		const field_plan_t *field = plan_field (plan, span_str (key));
		if (!field)
			return fields_unknown (plan, span_str (key), err);
		if (json_is_null (value))
			continue;
		int r = fill_field (message, arena, field, value, depth, err);
		if (r)
			return r;
	}
	return 0;
}

int fields_from_json (ProtobufCMessage *message, arena_t *arena, span_t json, err_t *err)
{
	json_error_t where;
	json_t *object = json_loadb (json.data, json.size, JSON_REJECT_DUPLICATES, &where);
	if (!object)
		return error_set (
		        err, -EINVAL, "line %d, column %d: %s", where.line, where.column, where.text);
	int r = json_is_object (object)
	                ? fill_message (message, arena, object, 0, err)
	                : error_set (err, -EINVAL, "is %s where an object is wanted", json_kind (object));
	json_decref (object);
	return r;
}
