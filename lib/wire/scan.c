/* Fields are written in the order of their numbers, so the next one is looked for from the last. */

#include "wire/scan.h"
#include "wire/plan.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5, DEPTH_MAX = 8 };

/* Padded varints decode like short ones: they are not refused inside an event. */
static bool take_varint (const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;
	const uint8_t *p = *at;
	for (unsigned shift = 0; p < end && shift < 70; shift += 7) {
		uint8_t byte = *p++;
		value |= shift < 64 ? (uint64_t) (byte & 0x7f) << shift : 0;
		if (!(byte & 0x80)) {
			*at = p;
			*ret = value;
			return true;
		}
	}
	return false;
}

/* Moves *at past a value; *ret is a length-delimited one's content. */
static bool take_value (const uint8_t **at, const uint8_t *end, unsigned wire, span_t *ret)
{
	uint64_t value;
	size_t left;
	switch (wire) {
	case WIRE_VARINT:
		return take_varint (at, end, &value);
	case WIRE_BYTES:
		if (!take_varint (at, end, &value) || value > (size_t) (end - *at))
			return false;
		*ret = span_of (*at, (size_t) value);
		*at += value;
		return true;
	case WIRE_64:
	case WIRE_32:
		left = (size_t) (end - *at);
		if (left < (wire == WIRE_64 ? 8 : 4))
			return false;
		*at += wire == WIRE_64 ? 8 : 4;
		return true;
	default:
		return false; /* groups */
	}
}

static unsigned wire_of (ProtobufCType type)
{
	switch (type) {
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return WIRE_64;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return WIRE_32;
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return WIRE_BYTES;
	default:
		return WIRE_VARINT;
	}
}

/* Repeated numbers in one run: whole ones, to its end. */
static bool packed_whole (unsigned wire, span_t content)
{
	const uint8_t *at = content.data, *end = at + content.size;
	uint64_t value;
	if (wire == WIRE_64 || wire == WIRE_32)
		return content.size % (wire == WIRE_64 ? 8 : 4) == 0;
	while (at < end) {
		if (!take_varint (&at, end, &value))
			return false;
	}
	return true;
}

/* Whether the field, or another member of its oneof, was there before; notes that it is now. */
static bool twice (const message_plan_t *plan, size_t i, uint64_t *seen)
{
	const ProtobufCFieldDescriptor *field = plan->fields[i].field;
	bool before = *seen >> i & 1;
	if (plan_in_oneof (field)) {
		for (size_t j = 0; j < plan->n_fields && !before; j++) {
			const ProtobufCFieldDescriptor *other = plan->fields[j].field;
			before = (*seen >> j & 1) && plan_in_oneof (other) &&
			         other->quantifier_offset == field->quantifier_offset;
		}
	}
	*seen |= UINT64_C (1) << i;
	return before;
}

static int scan (const message_plan_t *plan, span_t bytes, unsigned depth)
{
	const uint8_t *at = bytes.data, *end = at + bytes.size;
	uint64_t seen = 0;
	size_t i = 0;
	if (depth > DEPTH_MAX)
		return SCAN_E_MALFORMED;
	while (at < end) {
		uint64_t tag;
		span_t content = { 0 };
		if (!take_varint (&at, end, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
			return SCAN_E_MALFORMED;
		unsigned wire = tag & 7;
		if (!take_value (&at, end, wire, &content))
			return SCAN_E_MALFORMED;
		uint32_t number = (uint32_t) (tag >> 3);
		if (i == plan->n_fields || plan->fields[i].field->id > number)
			i = 0;
		while (i < plan->n_fields && plan->fields[i].field->id < number)
			i++;
		if (i == plan->n_fields || plan->fields[i].field->id != number)
			continue;
		const ProtobufCFieldDescriptor *field = plan->fields[i].field;
		bool repeated = field->label == PROTOBUF_C_LABEL_REPEATED;
		/* Repeated numbers come packed or one by one. */
		unsigned wanted = wire_of (field->type);
		if (wire != wanted && !(repeated && wire == WIRE_BYTES && packed_whole (wanted, content)))
			return SCAN_E_MALFORMED;
		if (!repeated && twice (plan, i, &seen))
			return SCAN_E_TWICE;
		if (field->type == PROTOBUF_C_TYPE_STRING && content.size &&
		        memchr (content.data, 0, content.size))
			return SCAN_E_NUL;
		if (plan->fields[i].message) {
			int r = scan (plan->fields[i].message, content, depth + 1);
			if (r)
				return r;
		}
	}
	return 0;
}

int scan_message (const ProtobufCMessageDescriptor *descriptor, span_t bytes)
{
	const message_plan_t *plan = plan_of (descriptor);
	return plan ? scan (plan, bytes, 0) : SCAN_E_MALFORMED;
}
