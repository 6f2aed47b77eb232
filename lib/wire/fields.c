/* A path is walked segment by segment along the plans; parts that are not there yet are made on the
 * way. Arrays grow to powers of two, so appending n entries costs about twice their size. */

#include "wire/fields.h"
#include "base/nearest.h"
#include "wire/fields_value.h"
#include "wire/plan.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

static int no_memory (err_t *err)
{
	return error_set (err, -ENOMEM, "the message is too large for its bound");
}

ProtobufCMessage *fields_new (arena_t *arena, const ProtobufCMessageDescriptor *descriptor)
{
	ProtobufCMessage *message = arena_alloc (arena, descriptor->sizeof_message);
	if (message)
		protobuf_c_message_init (descriptor, message);
	return message;
}

Belfry__V1__Event *fields_event (arena_t *arena, const event_type_t *type)
{
	Belfry__V1__Event *event = (Belfry__V1__Event *) fields_new (arena, &belfry__v1__event__descriptor);
	ProtobufCMessage *payload = event ? fields_new (arena, type->descriptor) : NULL;
	if (!payload)
		return NULL;
	event->payload_case = (Belfry__V1__Event__PayloadCase) type->payload_case;
	event->heartbeat = (Belfry__V1__Heartbeat *) payload;
	return event;
}

int fields_unknown (const message_plan_t *plan, span_t name, err_t *err)
{
	const char *best = NULL;
	size_t best_distance = nearest_limit (name) + 1;
	char all[ERROR_TEXT_MAX] = "";
	for (size_t i = 0; i < plan->n_fields; i++) {
		const char *field = plan->fields[i].field->name;
		size_t distance = nearest_distance (name, span_str (field)), at = strlen (all);
		if (distance < best_distance) {
			best = field;
			best_distance = distance;
		}
		if (at + strlen (field) + 3 < sizeof all) {
			strcpy (all + at, i ? ", " : "");
			strcat (all + at, field);
		}
	}
	const char *type = plan->descriptor->short_name;
	int size = name.size > 64 ? 64 : (int) name.size;
	if (best)
		return error_set (err, -EINVAL, "%s has no field '%.*s'; did you mean '%s'?", type, size,
		        (const char *) name.data, best);
	return error_set (
	        err, -EINVAL, "%s has no field '%.*s'; it has %s", type, size, (const char *) name.data, all);
}

static void *member_of (ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (uint8_t *) message + field->offset;
}

static size_t *count_of (ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	return (size_t *) (void *) ((uint8_t *) message + field->quantifier_offset);
}

/* Says that a member of a oneof is the one; the others share its place. */
static void oneof_choose (ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
	uint32_t *chosen = (uint32_t *) (void *) ((uint8_t *) message + field->quantifier_offset);
	if (*chosen != field->id) {
		memset (member_of (message, field), 0, plan_element_size (field));
		*chosen = field->id;
	}
}

void *fields_append (ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	size_t *n = count_of (message, field), step = plan_element_size (field);
	uint8_t **array = member_of (message, field);
	/* A power of two is a full array, or the first entry. */
	if ((*n & (*n - 1)) == 0) {
		size_t room = *n ? *n * 2 : 1;
		uint8_t *grown = room <= SIZE_MAX / step ? arena_alloc (arena, room * step) : NULL;
		if (!grown)
			return NULL;
		if (*n)
			memcpy (grown, *array, *n * step);
		*array = grown;
	}
	void *element = *array + *n * step;
	memset (element, 0, step);
	if (plan->message) {
		ProtobufCMessage *made = fields_new (arena, plan->message->descriptor);
		if (!made)
			return NULL;
		memcpy (element, &made, sizeof made);
	}
	++*n;
	return element;
}

ProtobufCMessage *fields_enter (ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	ProtobufCMessage **member = member_of (message, field);
	if (plan_in_oneof (field))
		oneof_choose (message, field);
	if (!*member)
		*member = fields_new (arena, plan->message->descriptor);
	return *member;
}

int fields_put (
        ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan, const char *value, err_t *err)
{
	/* Read aside first: a value that is none leaves the message as it was. */
	union {
		uint64_t number;
		char *text;
		ProtobufCBinaryData bytes;
	} read = { 0 };
	int r = fields_value_read (plan, arena, value, &read, err);
	if (r)
		return r;
	void *at;
	if (plan->field->label == PROTOBUF_C_LABEL_REPEATED) {
		at = fields_append (message, arena, plan);
		if (!at)
			return no_memory (err);
	} else {
		if (plan_in_oneof (plan->field))
			oneof_choose (message, plan->field);
		at = member_of (message, plan->field);
	}
	memcpy (at, &read, plan_element_size (plan->field));
	return 0;
}

/* "3" or "3.rest". False when the segment is no index. */
static bool read_index (const char *path, size_t *ret, const char **ret_rest)
{
	size_t size = strcspn (path, "."), index = 0;
	if (size == 0 || size > 6)
		return false;
	for (size_t i = 0; i < size; i++) {
		if (path[i] < '0' || path[i] > '9')
			return false;
		index = index * 10 + (size_t) (path[i] - '0');
	}
	*ret = index;
	*ret_rest = path[size] == '.' ? path + size + 1 : NULL;
	return true;
}

/* labels.KEY=value: the rest of the path is the key, dots and all. */
static int set_label (ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan, const char *key,
        const char *value, err_t *err)
{
	Belfry__V1__Label **labels = *(Belfry__V1__Label ***) member_of (message, plan->field), *label = NULL;
	for (size_t i = 0; i < *count_of (message, plan->field) && !label; i++) {
		if (strcmp (labels[i]->key, key) == 0)
			label = labels[i];
	}
	char *copy = arena_copy (arena, span_str (value));
	if (!copy)
		return no_memory (err);
	if (!label && *count_of (message, plan->field) >= plan->count_max)
		return error_set (err, -EINVAL, "%s takes at most %u entries", plan->field->name,
		        (unsigned) plan->count_max);
	if (!label) {
		char *key_copy = arena_copy (arena, span_str (key));
		void *element = key_copy ? fields_append (message, arena, plan) : NULL;
		if (!element)
			return no_memory (err);
		memcpy (&label, element, sizeof label);
		label->key = key_copy;
	}
	label->value = copy;
	return 0;
}

static int set_entry (ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan, size_t index,
        const char *rest, const char *value, err_t *err)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	size_t n = *count_of (message, field), step = plan_element_size (field);
	if (index > n)
		return error_set (err, -EINVAL, "%s has %zu entries: the next is %s.%zu, not %s.%zu",
		        field->name, n, field->name, n, field->name, index);
	if (index >= plan->count_max)
		return error_set (
		        err, -EINVAL, "%s takes at most %u entries", field->name, (unsigned) plan->count_max);
	if (plan->message) {
		if (!rest)
			return error_set (err, -EINVAL,
			        "%s.%zu is a %s: say one of its fields, as in %s.%zu.%s=...", field->name,
			        index, plan->message->descriptor->short_name, field->name, index,
			        plan->message->fields[0].field->name);
		void *element = index < n ? *(uint8_t **) member_of (message, field) + index * step
		                          : fields_append (message, arena, plan);
		if (!element)
			return no_memory (err);
		int r = fields_set (*(ProtobufCMessage **) element, arena, rest, value, err);
		if (r)
			error_prefix (err, "%s.%zu: ", field->name, index);
		return r;
	}
	if (rest)
		return error_set (err, -EINVAL, "%s.%zu has nothing inside", field->name, index);
	if (index == n)
		return fields_put (message, arena, plan, value, err);
	uint64_t read[2] = { 0 };
	int r = fields_value_read (plan, arena, value, read, err);
	if (!r)
		memcpy (*(uint8_t **) member_of (message, field) + index * step, read, step);
	return r;
}

static int set_repeated (ProtobufCMessage *message, arena_t *arena, const field_plan_t *plan,
        const char *rest, const char *value, err_t *err)
{
	size_t index;
	const char *inside = NULL;
	bool labels = plan->field->descriptor == &belfry__v1__label__descriptor;
	if (rest && read_index (rest, &index, &inside)) {
		/* A label may be called 0: labels.0=x is its value, labels.0.key=x the first one's key. */
		if (!labels || (inside && (!strcmp (inside, "key") || !strcmp (inside, "value"))))
			return set_entry (message, arena, plan, index, inside, value, err);
	}
	if (rest && labels && *rest)
		return set_label (message, arena, plan, rest, value, err);
	if (rest)
		return error_set (err, -EINVAL, "%s is a list: %s.0%s, not %s.%.64s", plan->field->name,
		        plan->field->name, plan->message ? ".FIELD" : "", plan->field->name, rest);
	if (labels)
		return error_set (
		        err, -EINVAL, "%s wants a key: %s.KEY=VALUE", plan->field->name, plan->field->name);
	if (plan->message)
		return error_set (err, -EINVAL, "%s is a list of %s: say %s.0.%s=...", plan->field->name,
		        plan->message->descriptor->short_name, plan->field->name,
		        plan->message->fields[0].field->name);
	if (*count_of (message, plan->field) >= plan->count_max)
		return error_set (err, -EINVAL, "%s takes at most %u entries", plan->field->name,
		        (unsigned) plan->count_max);
	return fields_put (message, arena, plan, value, err);
}

int fields_set (ProtobufCMessage *message, arena_t *arena, const char *path, const char *value, err_t *err)
{
	const message_plan_t *plan = plan_of (message->descriptor);
	if (!plan)
		return error_set (err, -EINVAL, "%s is no message of the schema", message->descriptor->name);
	size_t size = strcspn (path, ".");
	const char *rest = path[size] == '.' ? path + size + 1 : NULL;
	const field_plan_t *field = plan_field (plan, span_of (path, size));
	if (!field)
		return fields_unknown (plan, span_of (path, size), err);
	if (field->field->label == PROTOBUF_C_LABEL_REPEATED)
		return set_repeated (message, arena, field, rest, value, err);
	if (!field->message) {
		if (rest)
			return error_set (err, -EINVAL, "%s has nothing inside: %s=VALUE", field->field->name,
			        field->field->name);
		return fields_put (message, arena, field, value, err);
	}
	if (!rest)
		return error_set (err, -EINVAL, "%s is a %s: say one of its fields, as in %s.%s=...",
		        field->field->name, field->message->descriptor->short_name, field->field->name,
		        field->message->fields[0].field->name);
	ProtobufCMessage *inside = fields_enter (message, arena, field);
	if (!inside)
		return no_memory (err);
	int r = fields_set (inside, arena, rest, value, err);
	if (r)
		error_prefix (err, "%s: ", field->field->name);
	return r;
}

int fields_assign (ProtobufCMessage *message, arena_t *arena, const char *assignment, err_t *err)
{
	const char *sign = strchr (assignment, '=');
	if (!sign || sign == assignment)
		return error_set (err, -EINVAL, "'%.64s' is no FIELD=VALUE", assignment);
	char *path = arena_copy (arena, span_of (assignment, (size_t) (sign - assignment)));
	if (!path)
		return no_memory (err);
	return fields_set (message, arena, path, sign + 1, err);
}
