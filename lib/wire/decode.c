/* A walk along the bytes and the plans (plan.h) together. An array is made for a run of its elements,
 * which writers send side by side; where another run follows it is made anew, and the arena's cap
 * bounds what that can cost. */

#include "wire/decode.h"
#include "wire/plan.h"

#include <errno.h>
#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5, DEPTH_MAX = 8 };
/* Tags and lengths are numbers of 32 bits to other readers, who see no message in a longer one. */
enum { VARINT_32_MAX = 5 };

static const bool little_endian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;

/* What stands behind a tag. */
typedef struct {
	uint64_t number;
	span_t content; /* of a length-delimited one */
} value_t;

/* A message that is being filled. */
typedef struct {
	const message_plan_t *plan;
	ProtobufCMessage *message;
	arena_t *arena;
	const uint8_t *at, *end;
	uint64_t seen;
	const field_plan_t *run; /* the repeated field whose array has room for `left` more */
	size_t left;
	unsigned depth;
} target_t;

/* Padded varints decode like short ones: they are not refused inside an event. */
static inline bool take_varint (const uint8_t **at, const uint8_t *end, uint64_t *ret)
{
	const uint8_t *p = *at;
	if (p < end && *p < 0x80) {
		*ret = *p;
		*at = p + 1;
		return true;
	}
	uint64_t value = 0;
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

static inline uint64_t little (const uint8_t *at, unsigned n)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < n; i++)
		value |= (uint64_t) at[i] << (8 * i);
	return value;
}

static inline bool take_value (const uint8_t **at, const uint8_t *end, unsigned wire, value_t *ret)
{
	const uint8_t *start = *at;
	size_t left = (size_t) (end - start);
	switch (wire) {
	case WIRE_VARINT:
		return take_varint (at, end, &ret->number);
	case WIRE_BYTES:
		if (!take_varint (at, end, &ret->number) || *at - start > VARINT_32_MAX ||
		        ret->number > (size_t) (end - *at))
			return false;
		ret->content = span_of (*at, (size_t) ret->number);
		*at += ret->number;
		return true;
	case WIRE_64:
		if (left < 8)
			return false;
		ret->number = little (*at, 8);
		*at += 8;
		return true;
	case WIRE_32:
		if (left < 4)
			return false;
		ret->number = little (*at, 4);
		*at += 4;
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

/* A number as it lies in memory: a double's or float's bits are its number's. */
static void put_number (void *out, ProtobufCType type, uint64_t number)
{
	uint32_t half = (uint32_t) number;
	protobuf_c_boolean truth;
	switch (type) {
	case PROTOBUF_C_TYPE_BOOL:
		truth = number != 0;
		memcpy (out, &truth, sizeof truth);
		return;
	case PROTOBUF_C_TYPE_SINT32:
		half = half >> 1 ^ (0 - (half & 1));
		memcpy (out, &half, sizeof half);
		return;
	case PROTOBUF_C_TYPE_SINT64:
		number = number >> 1 ^ (0 - (number & 1));
		memcpy (out, &number, sizeof number);
		return;
	case PROTOBUF_C_TYPE_ENUM:
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		memcpy (out, &half, sizeof half);
		return;
	default:
		memcpy (out, &number, sizeof number);
		return;
	}
}

static int decode (
        const message_plan_t *plan, span_t bytes, arena_t *arena, unsigned depth, ProtobufCMessage **ret);

/* A string without a copy where it is empty: protobuf-c's own default. */
static int put_string (target_t *self, void *out, span_t content)
{
	const char *text = protobuf_c_empty_string;
	if (content.size) {
		if (memchr (content.data, 0, content.size))
			return DECODE_E_NUL;
		if (!(text = arena_copy (self->arena, content)))
			return -ENOMEM;
	}
	memcpy (out, &text, sizeof text);
	return 0;
}

static int put_bytes (target_t *self, void *out, span_t content)
{
	ProtobufCBinaryData data = { 0 };
	if (content.size) {
		if (!(data.data = arena_alloc (self->arena, content.size)))
			return -ENOMEM;
		memcpy (data.data, content.data, content.size);
		data.len = content.size;
	}
	memcpy (out, &data, sizeof data);
	return 0;
}

/* One value to where it belongs: a member, or an element of an array. */
static int put (target_t *self, const field_plan_t *plan, void *out, const value_t *value)
{
	switch (plan->field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return put_string (self, out, value->content);
	case PROTOBUF_C_TYPE_BYTES:
		return put_bytes (self, out, value->content);
	case PROTOBUF_C_TYPE_MESSAGE: {
		ProtobufCMessage *sub;
		int r = decode (plan->message, value->content, self->arena, self->depth + 1, &sub);
		if (!r)
			memcpy (out, &sub, sizeof sub);
		return r;
	}
	default:
		put_number (out, plan->field->type, value->number);
		return 0;
	}
}

static void *member (const target_t *self, unsigned offset)
{
	return (uint8_t *) self->message + offset;
}

/* Room for n more elements behind those that are there. Returns the first new one, or NULL. */
static uint8_t *array_grow (target_t *self, const ProtobufCFieldDescriptor *field, size_t n)
{
	size_t size = plan_element_size (field), count;
	void *old, *array;
	memcpy (&count, member (self, field->quantifier_offset), sizeof count);
	memcpy (&old, member (self, field->offset), sizeof old);
	array = arena_alloc (self->arena, (count + n) * size);
	if (!array)
		return NULL;
	if (count)
		memcpy (array, old, count * size);
	memcpy (member (self, field->offset), &array, sizeof array);
	return (uint8_t *) array + count * size;
}

static void array_count (target_t *self, const ProtobufCFieldDescriptor *field, size_t more)
{
	size_t count;
	memcpy (&count, member (self, field->quantifier_offset), sizeof count);
	count += more;
	memcpy (member (self, field->quantifier_offset), &count, sizeof count);
}

/* How many values with that very tag follow side by side. */
static size_t run_length (const target_t *self, uint64_t tag)
{
	const uint8_t *at = self->at;
	size_t n = 0;
	uint64_t next;
	value_t ignored;
	while (take_varint (&at, self->end, &next) && next == tag &&
	        take_value (&at, self->end, (unsigned) (tag & 7), &ignored))
		n++;
	return n;
}

static int put_packed (target_t *self, const ProtobufCFieldDescriptor *field, span_t content)
{
	const uint8_t *at = content.data, *end = at + content.size;
	unsigned wire = wire_of (field->type);
	size_t size = plan_element_size (field), n = 0;
	if (wire == WIRE_VARINT) {
		for (const uint8_t *p = at; p < end; p++)
			n += *p < 0x80;
	} else {
		n = content.size / size;
	}
	if (content.size == 0)
		return 0;
	self->run = NULL;
	uint8_t *out = array_grow (self, field, n);
	if (!out)
		return -ENOMEM;
	if (wire != WIRE_VARINT && little_endian) {
		memcpy (out, at, n * size);
		at += n * size;
	} else {
		for (size_t i = 0; i < n; i++) {
			value_t value;
			if (!take_value (&at, end, wire, &value))
				return DECODE_E_MALFORMED;
			put_number (out + i * size, field->type, value.number);
		}
	}
	array_count (self, field, n);
	return at == end ? 0 : DECODE_E_MALFORMED;
}

static int put_repeated (target_t *self, const field_plan_t *plan, uint64_t tag, const value_t *value)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	size_t size = plan_element_size (field), count;
	if (self->run != plan || self->left == 0) {
		size_t n = 1 + run_length (self, tag);
		if (!array_grow (self, field, n))
			return -ENOMEM;
		self->run = plan;
		self->left = n;
	}
	uint8_t *array;
	memcpy (&array, member (self, field->offset), sizeof array);
	memcpy (&count, member (self, field->quantifier_offset), sizeof count);
	int r = put (self, plan, array + count * size, value);
	if (r)
		return r;
	self->left--;
	array_count (self, field, 1);
	return 0;
}

static int put_single (target_t *self, const field_plan_t *plan, const value_t *value)
{
	if (self->seen & plan->excludes)
		return DECODE_E_TWICE;
	self->seen |= UINT64_C (1) << (plan - self->plan->fields);
	if (plan_in_oneof (plan->field))
		memcpy (member (self, plan->field->quantifier_offset), &plan->field->id, sizeof (uint32_t));
	return put (self, plan, member (self, plan->field->offset), value);
}

static int decode (
        const message_plan_t *plan, span_t bytes, arena_t *arena, unsigned depth, ProtobufCMessage **ret)
{
	if (depth > DEPTH_MAX)
		return DECODE_E_MALFORMED;
	ProtobufCMessage *message = arena_alloc (arena, plan->descriptor->sizeof_message);
	if (!message)
		return -ENOMEM;
	plan->descriptor->message_init (message);
	const uint8_t *start = bytes.data;
	target_t self = { plan, message, arena, start, start + bytes.size, 0, NULL, 0, depth };
	while (self.at < self.end) {
		uint64_t tag;
		value_t value = { 0 };
		const uint8_t *head = self.at;
		if (!take_varint (&self.at, self.end, &tag) || self.at - head > VARINT_32_MAX ||
		        tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
			return DECODE_E_MALFORMED;
		unsigned wire = tag & 7;
		if (!take_value (&self.at, self.end, wire, &value))
			return DECODE_E_MALFORMED;
		const field_plan_t *field = plan_numbered (plan, tag >> 3);
		if (!field)
			continue;
		bool repeated = field->field->label == PROTOBUF_C_LABEL_REPEATED;
		bool fits = wire == wire_of (field->field->type);
		int r;
		/* Repeated numbers come packed or one by one. */
		if (!fits && !(repeated && wire == WIRE_BYTES))
			return DECODE_E_MALFORMED;
		if (!repeated)
			r = put_single (&self, field, &value);
		else if (fits)
			r = put_repeated (&self, field, tag, &value);
		else
			r = put_packed (&self, field->field, value.content);
		if (r)
			return r;
	}
	*ret = message;
	return 0;
}

int decode_message (
        const ProtobufCMessageDescriptor *descriptor, span_t bytes, arena_t *arena, ProtobufCMessage **ret)
{
	const message_plan_t *plan = plan_of (descriptor);
	return plan ? decode (plan, bytes, arena, 0, ret) : DECODE_E_MALFORMED;
}

int decode_event (span_t bytes, arena_t *arena, Belfry__V1__Event **ret)
{
	ProtobufCMessage *message;
	int r = decode_message (&belfry__v1__event__descriptor, bytes, arena, &message);
	if (!r)
		*ret = (Belfry__V1__Event *) message;
	return r;
}
