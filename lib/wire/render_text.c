/* logfmt for eyes. A path grows and shrinks in place as messages are entered; whatever passes the
 * bound is cut at the end, so a hostile event costs its bound and no more. */

#include "base/clock.h"
#include "base/size.h"
#include "base/utf8.h"
#include "wire/plan.h"
#include "wire/render.h"

#include <inttypes.h>
#include <stdio.h>

enum { TEXT_MAX_DEFAULT = 4096, NUMBERS_SHOWN = 16, PATH_MAX_BYTES = 256 };

typedef struct {
	buffer_t *out;
	size_t start, end; /* where the line began, where it is full */
	char path[PATH_MAX_BYTES];
	size_t path_size;
	bool cut;
} text_t;

static void put_message (text_t *self, const message_plan_t *plan, const ProtobufCMessage *message);

/* Asked only while there is more to write: what it stops is missing. */
static bool full (text_t *self)
{
	if (self->out->size < self->end && !buffer_failed (self->out))
		return false;
	self->cut = true;
	return true;
}

/* What would steer a terminal or turn the direction of text: C1 controls, line and paragraph
 * separators, marks, embeddings, overrides and isolates. */
static bool steers (const unsigned char *at, size_t n)
{
	if (n == 2)
		return (at[0] == 0xc2 && at[1] < 0xa0) || (at[0] == 0xd8 && at[1] == 0x9c);
	if (n != 3)
		return false;
	if (at[0] == 0xe2 && at[1] == 0x80)
		return (at[2] >= 0x8b && at[2] <= 0x8f) || (at[2] >= 0xa8 && at[2] <= 0xae);
	if (at[0] == 0xe2 && at[1] == 0x81)
		return at[2] >= 0xa0 && at[2] <= 0xaf;
	return at[0] == 0xef && at[1] == 0xbb && at[2] == 0xbf;
}

/* Escapes what is not to be shown; quotes: inside quotes. */
static void put_escaped (text_t *self, const char *text, bool quotes)
{
	size_t left = strlen (text);
	while (left && !full (self)) {
		const unsigned char *at = (const unsigned char *) text;
		size_t n = 1;
		if (*at == '\n' || *at == '\t' || *at == '\r') {
			buffer_text (self->out, *at == '\n' ? "\\n" : *at == '\t' ? "\\t" : "\\r");
		} else if (*at < 0x20 || *at == 0x7f) {
			buffer_printf (self->out, "\\x%02x", *at);
		} else if (quotes && (*at == '"' || *at == '\\')) {
			buffer_printf (self->out, "\\%c", *at);
		} else {
			n = utf8_character (text, left);
			if (n == 0 || steers (at, n)) {
				n = n ? n : 1;
				for (size_t i = 0; i < n; i++)
					buffer_printf (self->out, "\\x%02x", at[i]);
			} else {
				buffer_append (self->out, text, n);
			}
		}
		text += n;
		left -= n;
	}
}

static void put_value_text (text_t *self, const char *text)
{
	bool quotes = !text || !*text || strpbrk (text, " \t\r\n\"\\=,{}");
	if (quotes)
		buffer_char (self->out, '"');
	put_escaped (self, text ? text : "", quotes);
	if (quotes)
		buffer_char (self->out, '"');
}

static void put_key (text_t *self)
{
	if (self->out->size > self->start)
		buffer_char (self->out, ' ');
	buffer_append (self->out, self->path, self->path_size);
	buffer_char (self->out, '=');
}

/* Adds a name to the path; returns where to cut it back to. Names come from the schema, so the path
 * fits; a longer one would be cut. */
static size_t enter (text_t *self, const char *name)
{
	size_t before = self->path_size;
	int n = snprintf (self->path + before, sizeof self->path - before, "%s%s", before ? "." : "", name);
	size_t room = sizeof self->path - before - 1;
	self->path_size = before + ((size_t) n < room ? (size_t) n : room);
	return before;
}

static void put_u64 (text_t *self, const field_plan_t *plan, uint64_t value)
{
	char text[WALL_TEXT_MAX > DURATION_TEXT_MAX ? WALL_TEXT_MAX : DURATION_TEXT_MAX], size[SIZE_TEXT_MAX];
	if (plan->unit == UNIT_TIME && value <= INT64_MAX)
		buffer_text (self->out, wall_format_rfc3339 ((wall_t){ (int64_t) value }, text));
	else if (plan->unit == UNIT_DURATION && value <= INT64_MAX)
		buffer_text (self->out, duration_format ((int64_t) value, text));
	else if (plan->unit == UNIT_BYTES)
		buffer_text (self->out, size_format ((double) value, size));
	else if (plan->field->type == PROTOBUF_C_TYPE_FIXED64 && plan->unit == UNIT_NONE)
		buffer_printf (self->out, "%016" PRIx64, value);
	else
		buffer_printf (self->out, "%" PRIu64, value);
}

static void put_scalar (text_t *self, const field_plan_t *plan, const void *at)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	char name[ENUM_TEXT_MAX];
	switch (field->type) {
	case PROTOBUF_C_TYPE_INT32:
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_SFIXED32:
		buffer_printf (self->out, "%" PRId32, *(const int32_t *) at);
		break;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		buffer_printf (self->out, "%" PRIu32, *(const uint32_t *) at);
		break;
	case PROTOBUF_C_TYPE_INT64:
	case PROTOBUF_C_TYPE_SINT64:
	case PROTOBUF_C_TYPE_SFIXED64:
		buffer_printf (self->out, "%" PRId64, *(const int64_t *) at);
		break;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		put_u64 (self, plan, *(const uint64_t *) at);
		break;
	case PROTOBUF_C_TYPE_FLOAT:
		buffer_printf (self->out, "%g", (double) *(const float *) at);
		break;
	case PROTOBUF_C_TYPE_DOUBLE: {
		double value = *(const double *) at;
		if (plan->unit == UNIT_RATIO)
			buffer_printf (self->out, "%.3g%%", value * 100);
		else
			buffer_printf (self->out, "%.6g", value);
		break;
	}
	case PROTOBUF_C_TYPE_BOOL:
		buffer_text (self->out, *(const protobuf_c_boolean *) at ? "true" : "false");
		break;
	case PROTOBUF_C_TYPE_ENUM:
		buffer_text (self->out, enum_text (field->descriptor, *(const int *) at, name));
		break;
	case PROTOBUF_C_TYPE_STRING:
		put_value_text (self, *(const char *const *) at);
		break;
	case PROTOBUF_C_TYPE_BYTES:
		buffer_printf (self->out, "(%zu bytes)", ((const ProtobufCBinaryData *) at)->len);
		break;
	case PROTOBUF_C_TYPE_MESSAGE:
		break;
	}
}

/* labels.disk=sda */
static void put_label (text_t *self, const Belfry__V1__Label *label)
{
	if (self->out->size > self->start)
		buffer_char (self->out, ' ');
	buffer_append (self->out, self->path, self->path_size);
	buffer_char (self->out, '.');
	put_escaped (self, label->key ? label->key : "", true);
	buffer_char (self->out, '=');
	put_value_text (self, label->value);
}

/* node_load1{cpu=0}=0.52 or, of a histogram, =(12 samples). */
static void put_sample (text_t *self, const Belfry__V1__Sample *sample)
{
	if (self->out->size > self->start)
		buffer_char (self->out, ' ');
	put_escaped (self, sample->name ? sample->name : "", true);
	for (size_t i = 0; i < sample->n_labels && sample->labels[i] && !full (self); i++) {
		buffer_char (self->out, i ? ',' : '{');
		put_escaped (self, sample->labels[i]->key ? sample->labels[i]->key : "", true);
		buffer_char (self->out, '=');
		put_value_text (self, sample->labels[i]->value);
		if (i + 1 == sample->n_labels)
			buffer_char (self->out, '}');
	}
	if (sample->histogram)
		buffer_printf (self->out, "=(%" PRIu64 " samples)", sample->histogram->count);
	else
		buffer_printf (self->out, "=%.6g", sample->value);
	if (sample->unit && *sample->unit)
		put_escaped (self, sample->unit, true);
}

static void put_messages (text_t *self, const field_plan_t *plan, ProtobufCMessage *const *array, size_t n)
{
	size_t before = enter (self, plan->field->name);
	for (size_t i = 0; i < n && !full (self); i++) {
		const ProtobufCMessage *message = array[i];
		if (!message)
			continue;
		if (plan->field->descriptor == &belfry__v1__label__descriptor) {
			put_label (self, (const Belfry__V1__Label *) message);
		} else if (plan->field->descriptor == &belfry__v1__sample__descriptor) {
			put_sample (self, (const Belfry__V1__Sample *) message);
		} else {
			char index[24];
			snprintf (index, sizeof index, "%zu", i);
			size_t outer = enter (self, index);
			put_message (self, plan->message, message);
			self->path_size = outer;
		}
	}
	self->path_size = before;
}

static void put_repeated (text_t *self, const field_plan_t *plan, const ProtobufCMessage *message)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	size_t n = plan_count (message, field), step = plan_element_size (field);
	const uint8_t *array = *(const uint8_t *const *) plan_member (message, field);
	if (n == 0)
		return;
	if (plan->message) {
		put_messages (self, plan, (ProtobufCMessage *const *) (const void *) array, n);
		return;
	}
	size_t before = enter (self, field->name);
	put_key (self);
	self->path_size = before;
	if (field->type != PROTOBUF_C_TYPE_STRING && n > NUMBERS_SHOWN) {
		buffer_printf (self->out, "(%zu figures)", n);
		return;
	}
	for (size_t i = 0; i < n && !full (self); i++) {
		if (i)
			buffer_char (self->out, ',');
		put_scalar (self, plan, array + i * step);
	}
}

static void put_field (text_t *self, const field_plan_t *plan, const ProtobufCMessage *message)
{
	const ProtobufCFieldDescriptor *field = plan->field;
	if (field->label == PROTOBUF_C_LABEL_REPEATED) {
		put_repeated (self, plan, message);
		return;
	}
	const void *at = plan_member (message, field);
	if (!plan_is_said (plan, message))
		return;
	if (field->type == PROTOBUF_C_TYPE_ENUM && *(const int *) at == 0)
		return;
	size_t before = enter (self, field->name);
	if (plan->message) {
		put_message (self, plan->message, *(const ProtobufCMessage *const *) at);
	} else {
		put_key (self);
		put_scalar (self, plan, at);
	}
	self->path_size = before;
}

static void put_message (text_t *self, const message_plan_t *plan, const ProtobufCMessage *message)
{
	for (size_t i = 0; i < plan->n_fields && !full (self); i++)
		put_field (self, &plan->fields[plan->order[i]], message);
}

/* Cuts a line that passed its bound, between characters. */
static void finish (text_t *self)
{
	if (self->out->size <= self->end && !self->cut)
		return;
	size_t cut = self->end < self->out->size ? self->end : self->out->size;
	while (cut > self->start && cut < self->out->size &&
	        ((unsigned char) self->out->data[cut] & 0xc0) == 0x80)
		cut--;
	buffer_cut (self->out, cut);
	buffer_text (self->out, "...");
}

static void put_line (buffer_t *out, const ProtobufCMessage *message, size_t start, size_t max)
{
	text_t self = { .out = out, .start = start };
	size_t room = max ? max : TEXT_MAX_DEFAULT;
	self.end = room < SIZE_MAX - start ? start + room : SIZE_MAX;
	const message_plan_t *plan = plan_of (message->descriptor);
	if (plan)
		put_message (&self, plan, message);
	finish (&self);
}

void render_text (buffer_t *out, const ProtobufCMessage *message, size_t max)
{
	put_line (out, message, out->size, max);
}

void render_text_event (buffer_t *out, const Belfry__V1__Event *event, size_t max)
{
	const event_type_t *type = event_type_of (event);
	size_t start = out->size;
	buffer_text (out, type ? type->name : "Event");
	if (type)
		put_line (out, event_payload (event), start, max);
}
