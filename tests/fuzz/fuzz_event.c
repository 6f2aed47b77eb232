/* fuzz_event.c - any bytes as an event: decoded in an arena, validated, shown as text and JSON. What our
 * decoder takes, protobuf-c's own takes too, and makes the same message of it. Whatever the message holds,
 * its JSON is JSON and its text is one line that drives no terminal; what is valid goes through JSON and
 * back. */

#include "expect.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "base/utf8.h"
#include "wire/arena.h"
#include "wire/decode.h"
#include "wire/describe.h"
#include "wire/fields.h"
#include "wire/render.h"
#include "wire/validate.h"

static void expect_json (const buffer_t *buffer)
{
	EXPECT (!buffer_failed (buffer));
	json_t *json = json_loadb (buffer->data, buffer->size, JSON_REJECT_DUPLICATES, NULL);
	EXPECT (json);
	json_decref (json);
	EXPECT (!memchr (buffer->data, '\n', buffer->size));
}

static void expect_line (const buffer_t *buffer)
{
	EXPECT (!buffer_failed (buffer));
	EXPECT (utf8_valid (buffer_string (buffer), buffer->size));
	for (size_t i = 0; i < buffer->size; i++) {
		unsigned char c = (unsigned char) buffer->data[i];
		EXPECT (c >= 0x20 && c != 0x7f);
	}
}

static void show (const Belfry__V1__Event *event)
{
	buffer_t out = BUFFER_INIT;
	json_writer_t json = json_writer_on (&out);
	render_json (&json, &event->base);
	expect_json (&out);
	buffer_reset (&out);
	json = json_writer_on (&out);
	render_json_payload (&json, event);
	expect_json (&out);
	static const size_t sizes[] = { 0, 1, 80, 100000 };
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		buffer_reset (&out);
		render_text_event (&out, event, sizes[i]);
		expect_line (&out);
	}
	buffer_free (&out);
}

/* JSON has no NaN: an event that holds one does not come back. */
static bool has_null (const buffer_t *json)
{
	return memmem (json->data, json->size, "null", 4) != NULL;
}

/* What tap prints under 'event' is what send takes. */
static void through_json (const Belfry__V1__Event *event)
{
	buffer_t out = BUFFER_INIT;
	json_writer_t json = json_writer_on (&out);
	render_json_payload (&json, event);
	arena_t *arena = NULL;
	EXPECT (arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &arena) == 0);
	const event_type_t *type = event_type_of (event);
	Belfry__V1__Event *again = fields_event (arena, type);
	err_t err = { "" };
	EXPECT (again);
	union {
		const ProtobufCMessage *in;
		ProtobufCMessage *out;
	} payload = { event_payload (again) };
	int r = has_null (&out) ? -1 : fields_from_json (payload.out, arena, buffer_span (&out), &err);
	if (!r) {
		buffer_t second = BUFFER_INIT;
		json = json_writer_on (&second);
		render_json_payload (&json, again);
		EXPECT (span_equal (buffer_span (&out), buffer_span (&second)));
		buffer_free (&second);
	} else if (!has_null (&out)) {
		fprintf (stderr, "%s\n%s\n", err.text, buffer_string (&out));
		EXPECT (arena_exhausted (arena));
	}
	arena_destroy (&arena);
	buffer_free (&out);
}

/* protobuf-c's reading of the same bytes, by what both show; fields that we do not know it keeps apart. */
static void compare (const Belfry__V1__Event *event, span_t bytes)
{
	Belfry__V1__Event *theirs = belfry__v1__event__unpack (NULL, bytes.size, bytes.data);
	EXPECT (theirs);
	buffer_t a = BUFFER_INIT, b = BUFFER_INIT;
	json_writer_t json = json_writer_on (&a);
	render_json (&json, &event->base);
	json = json_writer_on (&b);
	render_json (&json, &theirs->base);
	EXPECT (span_equal (buffer_span (&a), buffer_span (&b)));
	buffer_free (&a);
	buffer_free (&b);
	belfry__v1__event__free_unpacked (theirs, NULL);
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
	static arena_t *arena;
	if (!arena)
		EXPECT (arena_new (ARENA_FIRST_DEFAULT, ARENA_CAP_DEFAULT, &arena) == 0);
	static const uint8_t none[1];
	span_t bytes = span_of (size ? data : none, size);
	arena_reset (arena);
	Belfry__V1__Event *event = NULL;
	int decoded = decode_event (bytes, arena, &event);
	EXPECT (decoded <= DECODE_E_TWICE && (decoded >= 0 || arena_exhausted (arena)));
	EXPECT ((decoded == 0) == (event != NULL));
	EXPECT (arena_used (arena) <= ARENA_CAP_DEFAULT);
	if (!event)
		return 0;
	compare (event, bytes);
	err_t err = { "" };
	int r = event_validate (event, &err);
	EXPECT ((r == 0) == (err.text[0] == '\0'));
	EXPECT (event_validate (event, NULL) == r);
	EXPECT (r != 0 || event_validate_payload (event, NULL) == 0);
	show (event);
	if (r == 0)
		through_json (event);
	return 0;
}
