/* Plans live in static pools, filled once. The schema has no message inside itself: plan_add would
 * still end there, since a plan is entered before its fields are followed. */

#include "wire/plan.h"
#include "wire/validate.h"

#include <assert.h>
#include <string.h>
#include <threads.h>

#include "belfry/v1/app.pb-c.h"
#include "belfry/v1/control.pb-c.h"
#include "belfry/v1/envelope.pb-c.h"

enum { PLANS_MAX = 128, FIELDS_MAX = 1024 };

static message_plan_t plans[PLANS_MAX];
static field_plan_t fields[FIELDS_MAX];
static uint16_t orders[FIELDS_MAX];
static size_t n_plans, n_fields;
static const message_plan_t *plan_by_row[64];
static once_flag once = ONCE_FLAG_INIT;

static const struct {
	const ProtobufCMessageDescriptor *descriptor;
	const char *required, *first;
} requirements[] = {
#define EVENT(channel, token, type, case, field, class, required, first) \
	{ &belfry__v1__##field##__descriptor, required, first },
#define PART(type, field, required) { &belfry__v1__##field##__descriptor, required, "" },
#include "wire/events.def"
#undef EVENT
#undef PART
};

/* Fields that hold sentences; every other string is a name. */
static const char *const texts[] = { "message", "details", "description", "summary", "stack", "reason",
	"error", "text", "justification", "saw", "old_value", "new_value", "note", "user_agent", "value",
	"findings", "recommendations", "evidence", "action_taken" };

/* Whether name is in the list of events.def, and *ret_empty whether with a "?". */
static bool listed (const char *list, const char *name, bool *ret_empty)
{
	size_t size = strlen (name);
	for (const char *at = list; *at;) {
		size_t part = strcspn (at, ",");
		*ret_empty = part && at[part - 1] == '?';
		if (part - *ret_empty == size && memcmp (at, name, size) == 0)
			return true;
		at += part + (at[part] == ',');
	}
	return false;
}

static bool ends_with (const char *name, const char *end)
{
	size_t size = strlen (name), n = strlen (end);
	return size >= n && strcmp (name + size - n, end) == 0;
}

static unit_t unit_of (const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_FIXED64:
		return ends_with (field->name, "_ns") ? UNIT_TIME : UNIT_NONE;
	case PROTOBUF_C_TYPE_UINT64:
		return ends_with (field->name, "_ns")      ? UNIT_DURATION
		       : ends_with (field->name, "_bytes") ? UNIT_BYTES
		                                           : UNIT_NONE;
	case PROTOBUF_C_TYPE_DOUBLE:
		return ends_with (field->name, "_ratio")        ? UNIT_RATIO
		       : ends_with (field->name, "_per_second") ? UNIT_RATE
		                                                : UNIT_NONE;
	default:
		return UNIT_NONE;
	}
}

static uint32_t size_max_of (const ProtobufCFieldDescriptor *field)
{
	if (field->type == PROTOBUF_C_TYPE_BYTES)
		return VALIDATE_BYTES_MAX;
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		if (strcmp (field->name, texts[i]) == 0)
			return VALIDATE_TEXT_MAX;
	}
	return VALIDATE_NAME_MAX;
}

static uint32_t count_max_of (const ProtobufCFieldDescriptor *field)
{
	if (field->descriptor == &belfry__v1__label__descriptor)
		return strcmp (field->name, "labels") == 0 ? VALIDATE_LABELS_MAX : VALIDATE_ATTRIBUTES_MAX;
	if (field->descriptor == &belfry__v1__series__descriptor || strcmp (field->name, "values") == 0)
		return VALIDATE_SERIES_MAX;
	return VALIDATE_COUNT_MAX;
}

static uint64_t excludes_of (const ProtobufCMessageDescriptor *descriptor, unsigned i)
{
	const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
	uint64_t bits = UINT64_C (1) << i;
	for (unsigned k = 0; k < descriptor->n_fields && plan_in_oneof (field); k++) {
		const ProtobufCFieldDescriptor *other = &descriptor->fields[k];
		if (plan_in_oneof (other) && other->quantifier_offset == field->quantifier_offset)
			bits |= UINT64_C (1) << k;
	}
	return bits;
}

static void order_put (uint16_t *order, size_t *n, size_t field)
{
	for (size_t i = 0; i < *n; i++) {
		if (order[i] == field)
			return;
	}
	order[(*n)++] = (uint16_t) field;
}

/* The listed fields, then the others by number. */
static void order_make (uint16_t *order, const ProtobufCMessageDescriptor *descriptor, const char *first)
{
	size_t n = 0;
	for (const char *at = first; *at;) {
		size_t part = strcspn (at, ",");
		for (unsigned i = 0; i < descriptor->n_fields; i++) {
			if (span_is (span_of (at, part), descriptor->fields[i].name))
				order_put (order, &n, i);
		}
		at += part + (at[part] == ',');
	}
	for (unsigned i = 0; i < descriptor->n_fields; i++)
		order_put (order, &n, i);
}

static const message_plan_t *plan_find (const ProtobufCMessageDescriptor *descriptor)
{
	for (size_t i = 0; i < n_plans; i++) {
		if (plans[i].descriptor == descriptor)
			return &plans[i];
	}
	return NULL;
}

static const message_plan_t *plan_add (const ProtobufCMessageDescriptor *descriptor)
{
	const message_plan_t *known = plan_find (descriptor);
	if (known)
		return known;
	assert (n_plans < PLANS_MAX && n_fields + descriptor->n_fields <= FIELDS_MAX);
	assert (descriptor->n_fields <= PLAN_FIELDS_MAX);
	message_plan_t *plan = &plans[n_plans++];
	field_plan_t *own = &fields[n_fields];
	uint16_t *order = &orders[n_fields];
	n_fields += descriptor->n_fields;
	*plan = (message_plan_t){
		.descriptor = descriptor, .fields = own, .n_fields = descriptor->n_fields, .order = order
	};

	const char *required = "", *first = "";
	for (size_t i = 0; i < sizeof requirements / sizeof requirements[0]; i++) {
		if (requirements[i].descriptor == descriptor) {
			required = requirements[i].required;
			first = requirements[i].first;
		}
	}
	order_make (order, descriptor, first);
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		field_plan_t *out = &own[i];
		out->field = field;
		out->excludes = excludes_of (descriptor, i);
		assert (field->id < PLAN_NUMBERS_MAX);
		plan->places[field->id] = (uint8_t) (i + 1);
		out->unit = unit_of (field);
		out->size_max = size_max_of (field);
		out->count_max = count_max_of (field);
		bool empty = false;
		out->shown = listed (required, field->name, &empty);
		out->required = out->shown && !empty;
		if (field->type == PROTOBUF_C_TYPE_ENUM) {
			const ProtobufCEnumDescriptor *values = field->descriptor;
			out->enum_max = values->values[values->n_values - 1].value;
			assert ((unsigned) out->enum_max + 1 == values->n_values);
		}
		if (field->type == PROTOBUF_C_TYPE_MESSAGE)
			out->message = plan_add (field->descriptor);
	}
	return plan;
}

static void plan_all (void)
{
	plan_add (&belfry__v1__event__descriptor);
	plan_add (&belfry__v1__control__descriptor);
	plan_add (&belfry__v1__app_message__descriptor);
	plan_add (&belfry__v1__mark__descriptor);
	assert (event_type_count () <= sizeof plan_by_row / sizeof plan_by_row[0]);
	for (size_t i = 0; i < event_type_count (); i++)
		plan_by_row[i] = plan_find (event_type_at (i)->descriptor);
}

const message_plan_t *plan_of (const ProtobufCMessageDescriptor *descriptor)
{
	call_once (&once, plan_all);
	return plan_find (descriptor);
}

const message_plan_t *plan_of_type (const event_type_t *type)
{
	call_once (&once, plan_all);
	return plan_by_row[type - event_type_at (0)];
}

const field_plan_t *plan_field (const message_plan_t *self, span_t name)
{
	for (size_t i = 0; i < self->n_fields; i++) {
		if (span_is (name, self->fields[i].field->name))
			return &self->fields[i];
	}
	return NULL;
}

size_t plan_element_size (const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return sizeof (protobuf_c_boolean);
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return 4;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return 8;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_MESSAGE:
		return sizeof (void *);
	case PROTOBUF_C_TYPE_BYTES:
		return sizeof (ProtobufCBinaryData);
	}
	return 0;
}

bool plan_is_said (const field_plan_t *plan, const ProtobufCMessage *message)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	const void *at = plan_member (message, field);
	if (plan_in_oneof (field))
		return plan_is_case (message, field) &&
		       (field->type != PROTOBUF_C_TYPE_MESSAGE || *(const void *const *) at);
	switch (field->type) {
	case PROTOBUF_C_TYPE_MESSAGE:
		return *(const void *const *) at;
	case PROTOBUF_C_TYPE_ENUM:
		return true;
	case PROTOBUF_C_TYPE_STRING: {
		const char *text = *(const char *const *) at;
		return plan->shown || (text && *text);
	}
	case PROTOBUF_C_TYPE_BYTES:
		return plan->shown || ((const ProtobufCBinaryData *) at)->len;
	default: {
		static const uint64_t zero;
		return plan->shown || memcmp (at, &zero, plan_element_size (field)) != 0;
	}
	}
}
