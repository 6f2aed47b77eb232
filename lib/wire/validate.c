/* A walk along the plans (plan.h): no names are compared and no descriptors searched. Errors are put
 * together from the inside out, so the way that succeeds pays nothing for them. */

#include "wire/validate.h"
#include "base/utf8.h"
#include "wire/chain.h"
#include "wire/plan.h"
#include "wire/topic.h"

#include <errno.h>
#include <math.h>
#include <string.h>

static int check_message (
        const message_plan_t *plan, const ProtobufCMessage *message, unsigned depth, err_t *err);

static bool ascii (const char *text, size_t size)
{
	uint64_t seen = 0, word;
	for (; size >= sizeof word; size -= sizeof word, text += sizeof word) {
		memcpy (&word, text, sizeof word);
		seen |= word;
	}
	for (; size; size--)
		seen |= (uint64_t) (unsigned char) *text++;
	return !(seen & UINT64_C (0x8080808080808080));
}

static int check_string (const field_plan_t *plan, const char *text, bool required, err_t *err)
{
	const char *name = plan->field->name;
	if (!text || !*text)
		return required ? error_set (err, -EINVAL, "%s is missing", name) : 0;
	size_t size = strnlen (text, (size_t) plan->size_max + 1);
	if (size > plan->size_max)
		return error_set (
		        err, -EINVAL, "%s is longer than %u bytes", name, (unsigned) plan->size_max);
	if (!ascii (text, size) && !utf8_valid (text, size))
		return error_set (err, -EINVAL, "%s is not valid UTF-8", name);
	return 0;
}

static int enum_error (const field_plan_t *plan, int value, err_t *err)
{
	const ProtobufCEnumDescriptor *values = plan->field->descriptor;
	int r = error_set (err, -EINVAL, "%s is %d, outside its values: ", plan->field->name, value);
	if (!err)
		return r;
	for (unsigned i = 1; i < values->n_values; i++) {
		char text[ENUM_TEXT_MAX];
		size_t at = strlen (err->text);
		enum_text (values, values->values[i].value, text);
		if (at + strlen (text) + 3 > sizeof err->text)
			break;
		strcpy (err->text + at, i > 1 ? ", " : "");
		strcat (err->text + at, text);
	}
	return r;
}

static int check_enum (const field_plan_t *plan, int value, bool required, err_t *err)
{
	if (value < 0 || value > plan->enum_max)
		return enum_error (plan, value, err);
	if (required && value == 0)
		return error_set (err, -EINVAL, "%s is missing", plan->field->name);
	return 0;
}

static int check_number (const field_plan_t *plan, const void *member, err_t *err)
{
	double d;
	uint64_t u;
	switch (plan->unit) {
	case UNIT_RATIO:
		memcpy (&d, member, sizeof d);
		if (!(d >= 0 && d <= 1))
			return error_set (err, -EINVAL, "%s is %g, outside 0..1", plan->field->name, d);
		return 0;
	case UNIT_RATE:
		memcpy (&d, member, sizeof d);
		if (!(d >= 0) || isinf (d))
			return error_set (err, -EINVAL, "%s is %g, no finite rate", plan->field->name, d);
		return 0;
	case UNIT_TIME:
	case UNIT_DURATION:
		memcpy (&u, member, sizeof u);
		if (u > INT64_MAX)
			return error_set (err, -EINVAL, "%s is %llu ns, beyond 292 years", plan->field->name,
			        (unsigned long long) u);
		return 0;
	case UNIT_NONE:
	case UNIT_BYTES:
		break;
	}
	return 0;
}

static int check_sub (const field_plan_t *plan, const ProtobufCMessage *message, unsigned depth, err_t *err)
{
	int r = check_message (plan->message, message, depth + 1, err);
	if (r)
		error_prefix (err, "%s.", plan->field->name);
	return r;
}

static int check_repeated (
        const field_plan_t *plan, const ProtobufCMessage *message, unsigned depth, err_t *err)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	size_t n = plan_count (message, field);
	if (n == 0)
		return plan->required ? error_set (err, -EINVAL, "%s is missing", field->name) : 0;
	if (n > plan->count_max)
		return error_set (err, -EINVAL, "%s has %zu entries, above %u", field->name, n,
		        (unsigned) plan->count_max);
	void *const *array = *(void *const *const *) plan_member (message, field);
	if (!array)
		return error_set (err, -EINVAL, "%s is missing", field->name);
	int r = 0;
	size_t i = 0;
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		for (; i < n && !r; i++)
			r = check_string (plan, array[i], false, err);
		break;
	case PROTOBUF_C_TYPE_ENUM:
		for (; i < n && !r; i++)
			r = check_enum (plan, ((const int *) (const void *) array)[i], true, err);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		for (; i < n && !r; i++) {
			r = array[i] ? check_message (plan->message, array[i], depth + 1, err)
			             : error_set (err, -EINVAL, "is missing");
			if (r)
				error_prefix (err, "%s[%zu].", field->name, i);
		}
		break;
	default:
		break; /* packed numbers: any of them is one */
	}
	return r;
}

static int check_field (const field_plan_t *plan, const ProtobufCMessage *message, unsigned depth, err_t *err)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	if (field->label == PROTOBUF_C_LABEL_REPEATED)
		return check_repeated (plan, message, depth, err);
	if (plan_in_oneof (field) && !plan_is_case (message, field))
		return plan->required ? error_set (err, -EINVAL, "%s is missing", field->name) : 0;
	const void *member = plan_member (message, field);
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return check_string (plan, *(const char *const *) member, plan->required, err);
	case PROTOBUF_C_TYPE_ENUM:
		return check_enum (plan, *(const int *) member, plan->required, err);
	case PROTOBUF_C_TYPE_MESSAGE: {
		const ProtobufCMessage *sub = *(const ProtobufCMessage *const *) member;
		if (sub)
			return check_sub (plan, sub, depth, err);
		return plan->required ? error_set (err, -EINVAL, "%s is missing", field->name) : 0;
	}
	case PROTOBUF_C_TYPE_BYTES:
		if (((const ProtobufCBinaryData *) member)->len > plan->size_max)
			return error_set (err, -EINVAL, "%s is longer than %u bytes", field->name,
			        (unsigned) plan->size_max);
		return 0;
	default:
		return plan->unit == UNIT_NONE ? 0 : check_number (plan, member, err);
	}
}

static int check_histogram (const Belfry__V1__Histogram *self, err_t *err)
{
	if (self->n_counts != self->n_bounds + 1)
		return error_set (err, -EINVAL, "counts has %zu entries where %zu bounds make %zu",
		        self->n_counts, self->n_bounds, self->n_bounds + 1);
	for (size_t i = 0; i < self->n_bounds; i++) {
		if (isnan (self->bounds[i]) || (i && self->bounds[i] <= self->bounds[i - 1]))
			return error_set (err, -EINVAL, "bounds[%zu] does not ascend", i);
	}
	uint64_t sum = 0;
	for (size_t i = 0; i < self->n_counts; i++) {
		if (__builtin_add_overflow (sum, self->counts[i], &sum))
			return error_set (err, -EINVAL, "counts add up past 2^64");
	}
	if (sum != self->count)
		return error_set (err, -EINVAL, "count is not the sum of counts");
	return 0;
}

static int check_message (
        const message_plan_t *plan, const ProtobufCMessage *message, unsigned depth, err_t *err)
{
	if (depth > VALIDATE_DEPTH_MAX)
		return error_set (err, -EINVAL, "is nested deeper than %d", VALIDATE_DEPTH_MAX);
	for (size_t i = 0; i < plan->n_fields; i++) {
		int r = check_field (&plan->fields[i], message, depth, err);
		if (r)
			return r;
	}
	if (plan->descriptor == &belfry__v1__histogram__descriptor)
		return check_histogram ((const Belfry__V1__Histogram *) message, err);
	return 0;
}

static int check_batch (const Belfry__V1__MetricBatch *self, err_t *err)
{
	if (self->n_values == 0 && self->n_samples == 0)
		return error_set (err, -EINVAL, "values and samples are missing: one of them is needed");
	if (self->n_values && self->catalogue_hash == 0)
		return error_set (err, -EINVAL, "values without catalogue_hash mean nothing");
	if (self->n_values == 0 && self->catalogue_hash)
		return error_set (err, -EINVAL, "catalogue_hash without values means nothing");
	return 0;
}

static int check_gap (const Belfry__V1__Gap *self, err_t *err)
{
	if (self->first == 0 || self->last < self->first)
		return error_set (err, -EINVAL, "first..last is no range of sequences");
	if (self->count == 0 || self->count - 1 > self->last - self->first)
		return error_set (err, -EINVAL, "count is not 1..(last - first + 1)");
	return 0;
}

static int check_checkpoint (const Belfry__V1__Checkpoint *self, err_t *err)
{
	if (self->journal.len != MARK_JOURNAL_SIZE || self->hash.len != CHAIN_HASH_SIZE ||
	        self->public_key.len != CHAIN_PUBLIC_KEY_SIZE || self->signature.len != CHAIN_SIGNATURE_SIZE)
		return error_set (err, -EINVAL,
		        "journal, hash, public_key and signature are not %d, %d, %d and %d bytes",
		        MARK_JOURNAL_SIZE, CHAIN_HASH_SIZE, CHAIN_PUBLIC_KEY_SIZE, CHAIN_SIGNATURE_SIZE);
	return 0;
}

/* What single fields cannot tell. */
static int check_sense (const Belfry__V1__Event *event, err_t *err)
{
	switch (event->payload_case) {
	case BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH:
		return check_batch (event->metric_batch, err);
	case BELFRY__V1__EVENT__PAYLOAD_GAP:
		return check_gap (event->gap, err);
	case BELFRY__V1__EVENT__PAYLOAD_CATALOGUE:
		if (event->catalogue->hash == 0)
			return error_set (err, -EINVAL, "hash is missing");
		return 0;
	case BELFRY__V1__EVENT__PAYLOAD_CHECKPOINT:
		return check_checkpoint (event->checkpoint, err);
	case BELFRY__V1__EVENT__PAYLOAD_THROUGHPUT:
		if (event->throughput->window_ns == 0 && event->throughput->rate_per_second != 0)
			return error_set (err, -EINVAL, "rate_per_second is not 0 although window_ns is");
		return 0;
	case BELFRY__V1__EVENT__PAYLOAD_LATENCY:
		if (event->latency->min_ns > event->latency->max_ns)
			return error_set (err, -EINVAL, "min_ns is above max_ns");
		return 0;
	case BELFRY__V1__EVENT__PAYLOAD_ALERT:
		if (event->alert->ends_ns && event->alert->ends_ns < event->alert->starts_ns)
			return error_set (err, -EINVAL, "ends_ns is before starts_ns");
		return 0;
	default:
		return 0;
	}
}

static int check_name (const char *field, const char *text, size_t max, err_t *err)
{
	span_t name = span_str (text ? text : "");
	if (topic_name_valid (name, max))
		return 0;
	if (name.size == 0)
		return error_set (err, -EINVAL, "%s is missing", field);
	return error_set (err, -EINVAL,
	        "%s is no name: [A-Za-z0-9._-], a letter or digit first, at most %zu bytes", field, max);
}

static int check_header (const Belfry__V1__Header *header, const event_type_t *type, err_t *err)
{
	int r = check_name ("cluster", header->cluster, TOPIC_CLUSTER_MAX, err);
	if (!r)
		r = check_name ("node", header->node, TOPIC_NODE_MAX, err);
	if (!r && header->subject_node && *header->subject_node)
		r = check_name ("subject_node", header->subject_node, TOPIC_NODE_MAX, err);
	if (!r)
		r = check_name ("source", header->source, TOPIC_SOURCE_MAX, err);
	if (r)
		return r;
	if (header->incarnation == 0)
		return error_set (err, -EINVAL, "incarnation is missing");
	if (header->time_ns == 0)
		return error_set (err, -EINVAL, "time_ns is missing");
	if (header->severity == BELFRY__V1__SEVERITY__SEVERITY_UNSPECIFIED)
		return error_set (err, -EINVAL, "severity is missing");
	if (!event_delivery_class_fits (type, header->severity, header->class_))
		return error_set (err, -EINVAL, "class is %s where %s of severity %s travels %s",
		        delivery_class_name (header->class_), type->name, severity_name (header->severity),
		        delivery_class_name (event_delivery_class (type, header->severity, false)));
	bool sequenced = header->class_ != BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND;
	if (sequenced != (header->sequence != 0))
		return error_set (
		        err, -EINVAL, sequenced ? "sequence is missing" : "sequence on demand means nothing");
	return 0;
}

static int check_payload (const Belfry__V1__Event *event, const event_type_t *type, err_t *err)
{
	int r = check_message (plan_of_type (type), event_payload (event), 1, err);
	if (!r)
		r = check_sense (event, err);
	if (r)
		error_prefix (err, "%s.", type->name);
	return r;
}

static int check_severity (const Belfry__V1__Event *event, err_t *err)
{
	Belfry__V1__Severity own = event_payload_severity (event);
	if (own && own != event->header->severity)
		return error_set (err, -EINVAL, "Header.severity is %s where the payload says %s",
		        severity_name (event->header->severity), severity_name (own));
	return 0;
}

static int check_header_fields (const Belfry__V1__Header *header, err_t *err)
{
	int r = check_message (plan_of (&belfry__v1__header__descriptor), &header->base, 1, err);
	if (r)
		error_prefix (err, "Header.");
	return r;
}

int event_validate (const Belfry__V1__Event *event, err_t *err)
{
	const event_type_t *type = event_type_of (event);
	if (!type)
		return error_set (err, -EINVAL, "the event has no payload of a known type");
	if (!event->header)
		return error_set (err, -EINVAL, "the event has no header");
	int r = check_header_fields (event->header, err);
	if (r)
		return r;
	r = check_header (event->header, type, err);
	if (r) {
		error_prefix (err, "Header.");
		return r;
	}
	r = check_payload (event, type, err);
	return r ? r : check_severity (event, err);
}

int event_validate_payload (const Belfry__V1__Event *event, err_t *err)
{
	const event_type_t *type = event_type_of (event);
	if (!type)
		return error_set (err, -EINVAL, "the event has no payload of a known type");
	int r = event->header ? check_header_fields (event->header, err) : 0;
	if (!r)
		r = check_payload (event, type, err);
	if (!r && event->header && event->header->severity)
		r = check_severity (event, err);
	return r;
}
