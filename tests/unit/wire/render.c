#include "wire/render.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "belfry/v1/app.pb-c.h"
#include "belfry/v1/control.pb-c.h"
#include "specimen.h"

static arena_t *arena;
static buffer_t out;

static void begin (void)
{
	cr_assert_eq (arena_new (64 * 1024, 8 << 20, &arena), 0);
}

static void end (void)
{
	arena_destroy (&arena);
	buffer_free (&out);
}

TestSuite (render_json, .init = begin, .fini = end);
TestSuite (render_text, .init = begin, .fini = end);

static const char *json_of (const ProtobufCMessage *message)
{
	buffer_reset (&out);
	json_writer_t json = json_writer_on (&out);
	render_json (&json, message);
	return buffer_string (&out);
}

static const char *text_of (const Belfry__V1__Event *event, size_t max)
{
	buffer_reset (&out);
	render_text_event (&out, event, max);
	return buffer_string (&out);
}

static Belfry__V1__Event *event_of (const char *name)
{
	return specimen_event (arena, event_type_by_name (CHANNEL_COUNT, span_str (name)));
}

/* The parsed object has each of the message's fields, with the specimen's value. */
static void expect_fields (const json_t *object, const ProtobufCMessageDescriptor *descriptor)
{
	cr_assert (json_is_object (object), "%s", descriptor->name);
	size_t wanted = 0;
	for (unsigned i = 0; i < descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &descriptor->fields[i];
		const json_t *value = json_object_get (object, field->name);
		cr_assert_not_null (value, "%s.%s is not rendered", descriptor->name, field->name);
		wanted++;
		if (field->label == PROTOBUF_C_LABEL_REPEATED) {
			cr_assert (json_is_array (value));
			cr_assert_geq (json_array_size (value), 1);
			value = json_array_get (value, 0);
		}
		char name[ENUM_TEXT_MAX];
		switch (field->type) {
		case PROTOBUF_C_TYPE_STRING:
			cr_expect_str_eq (json_string_value (value), field->name);
			break;
		case PROTOBUF_C_TYPE_ENUM: {
			const ProtobufCEnumDescriptor *values = field->descriptor;
			enum_text (values, (int) values->n_values - 1, name);
			if (strcmp (field->name, "class"))
				cr_expect_str_eq (json_string_value (value), name);
			break;
		}
		case PROTOBUF_C_TYPE_BYTES:
			cr_expect_gt (json_string_length (value), 16, "%s.%s", descriptor->name, field->name);
			break;
		case PROTOBUF_C_TYPE_BOOL:
			cr_expect (json_is_true (value));
			break;
		case PROTOBUF_C_TYPE_DOUBLE:
			cr_expect_eq (json_real_value (value), 0.5);
			break;
		case PROTOBUF_C_TYPE_MESSAGE:
			expect_fields (value, field->descriptor);
			break;
		default:
			cr_expect_eq (json_integer_value (value), 1, "%s.%s", descriptor->name, field->name);
		}
	}
	cr_expect_eq (json_object_size (object), wanted);
}

Test (render_json, shows_every_field_of_every_event)
{
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		const Belfry__V1__Event *event = specimen_event (arena, type);
		buffer_reset (&out);
		json_writer_t writer = json_writer_on (&out);
		render_json_payload (&writer, event);
		json_error_t error;
		json_t *object = json_loads (buffer_string (&out), JSON_REJECT_DUPLICATES, &error);
		cr_assert_not_null (object, "%s: %s in %s", type->name, error.text, buffer_string (&out));
		expect_fields (object, type->descriptor);
		json_decref (object);
		cr_expect_null (strchr (buffer_string (&out), '\n'));
	}
}

Test (render_json, is_an_empty_object_without_a_payload)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	json_writer_t writer = json_writer_on (&out);
	render_json_payload (&writer, &event);
	cr_expect_str_eq (buffer_string (&out), "{}");
}

Test (render_json, shows_the_required_and_enums_at_zero_and_nothing_else)
{
	Belfry__V1__FeatureToggled toggled = BELFRY__V1__FEATURE_TOGGLED__INIT;
	cr_expect_str_eq (
	        json_of (&toggled.base), "{\"feature\":\"\",\"enabled\":false,\"was_enabled\":false}");
	Belfry__V1__ComponentHealth health = BELFRY__V1__COMPONENT_HEALTH__INIT;
	cr_expect_str_eq (json_of (&health.base),
	        "{\"component\":\"\",\"status\":\"unspecified\",\"previous_status\":\"unspecified\"}");
	Belfry__V1__ConfigChanged changed = BELFRY__V1__CONFIG_CHANGED__INIT;
	cr_expect_str_eq (json_of (&changed.base), "{\"component\":\"\",\"changes\":[]}");
	Belfry__V1__Label label = BELFRY__V1__LABEL__INIT;
	cr_expect_str_eq (json_of (&label.base), "{\"key\":\"\",\"value\":\"\"}");
}

Test (render_json, shows_what_may_be_absent_when_it_is_zero_but_there)
{
	Belfry__V1__Pressure pressure = BELFRY__V1__PRESSURE__INIT;
	cr_expect_str_eq (json_of (&pressure.base), "{}");
	pressure.has_io_some_ratio_case = BELFRY__V1__PRESSURE__HAS_IO_SOME_RATIO_IO_SOME_RATIO;
	cr_expect_str_eq (json_of (&pressure.base), "{\"io_some_ratio\":0}");
}

Test (render_json, keeps_large_integers_exact)
{
	Belfry__V1__Gap gap = BELFRY__V1__GAP__INIT;
	gap.first = UINT64_C (9007199254740992);
	gap.last = UINT64_C (9007199254740993);
	gap.count = UINT64_MAX;
	cr_expect_str_eq (json_of (&gap.base),
	        "{\"first\":9007199254740992,\"last\":\"9007199254740993\",\"reason\":\"unspecified\","
	        "\"count\":\"18446744073709551615\"}");
}

Test (render_json, has_null_for_what_is_no_number)
{
	double values[] = { 1, NAN, INFINITY, -INFINITY, 0.1, 1e300, -0.0 };
	Belfry__V1__MetricBatch batch = BELFRY__V1__METRIC_BATCH__INIT;
	batch.values = values;
	batch.n_values = sizeof values / sizeof values[0];
	cr_expect_str_eq (json_of (&batch.base), "{\"values\":[1,null,null,null,0.1,1e+300,-0.0]}");
}

Test (render_json, writes_bytes_as_hex_and_one_member_of_a_oneof)
{
	uint8_t mac[] = { 0, 0xab, 0xff };
	Belfry__V1__Ack ack = BELFRY__V1__ACK__INIT;
	ack.newest_durable = 7;
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	control.body_case = BELFRY__V1__CONTROL__BODY_ACK;
	control.ack = &ack;
	control.mac = (ProtobufCBinaryData){ sizeof mac, mac };
	cr_expect_str_eq (json_of (&control.base), "{\"ack\":{\"newest_durable\":7},\"mac\":\"00abff\"}");
}

/* Never validated: enums, strings and pointers as hostile as unpacking lets through. */
Test (render_json, renders_what_was_never_validated)
{
	Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
	char message[] = "a\"\\\n\x01\x7f\xff\xc3(\xe2\x80\xa8\xc2\x9b</script>";
	entry.level = (Belfry__V1__Severity) 77;
	entry.message = message;
	entry.file = NULL;
	cr_expect_str_eq (json_of (&entry.base),
	        "{\"level\":\"?77\",\"message\":\"a\\\"\\\\\\n\\u0001\\u007f\\ufffd\\ufffd(\\u2028\\u009b</"
	        "script>\"}");
	Belfry__V1__NodeHealth health = BELFRY__V1__NODE_HEALTH__INIT;
	Belfry__V1__Check *hole = NULL;
	health.checks = &hole;
	health.n_checks = 1;
	cr_expect_not_null (strstr (json_of (&health.base), "\"checks\":[null]"));
}

Test (render_text, shows_every_event_on_one_line_by_its_name)
{
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		const char *text = text_of (specimen_event (arena, type), 0);
		size_t n = strlen (type->name);
		cr_expect_eq (strncmp (text, type->name, n), 0);
		cr_expect_eq (text[n], ' ', "%s", text);
		cr_expect_null (strchr (text, '\n'));
		cr_expect_null (strstr (text, "  "), "%s", text);
		/* Each field of the payload stands there under its name, but for named samples. */
		for (unsigned f = 0; f < type->descriptor->n_fields; f++) {
			const char *name = type->descriptor->fields[f].name;
			if (strcmp (name, "samples"))
				cr_expect_not_null (strstr (text, name), "%s lacks %s", text, name);
		}
	}
}

Test (render_text, begins_with_what_matters)
{
	Belfry__V1__NodeLifecycle lifecycle = BELFRY__V1__NODE_LIFECYCLE__INIT;
	Belfry__V1__Evidence evidence = BELFRY__V1__EVIDENCE__INIT, *list[] = { &evidence };
	char witness[] = "n1", saw[] = "silence for 0.8 s";
	evidence.witness = witness;
	evidence.saw = saw;
	evidence.age_ns = 812000000;
	lifecycle.from_state = BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT;
	lifecycle.to_state = BELFRY__V1__NODE_STATE__NODE_STATE_DOWN;
	lifecycle.kind = BELFRY__V1__NODE_KIND__NODE_KIND_HOST;
	lifecycle.detected_ns = UINT64_C (1795662727123456789);
	lifecycle.detection_ns = 900000000;
	lifecycle.evidence = list;
	lifecycle.n_evidence = 1;
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_NODE_LIFECYCLE;
	event.node_lifecycle = &lifecycle;
	cr_expect_str_eq (text_of (&event, 0),
	        "NodeLifecycle from_state=suspect to_state=down kind=host detection_ns=900ms"
	        " evidence.0.witness=n1 evidence.0.saw=\"silence for 0.8 s\" evidence.0.age_ns=812ms"
	        " detected_ns=2026-11-26T03:12:07.123456789Z");
}

Test (render_text, says_sizes_ratios_and_hashes_as_people_do)
{
	Belfry__V1__Event *event = event_of ("PersistenceCycle");
	event->persistence_cycle->persisted_bytes = 3565158;
	cr_expect_not_null (
	        strstr (text_of (event, 0), "persisted_bytes=3.4MiB"), "%s", buffer_string (&out));
	event->persistence_cycle->persisted_bytes = 1023;
	cr_expect_not_null (strstr (text_of (event, 0), "persisted_bytes=1023B"));
	event->persistence_cycle->persisted_bytes = UINT64_MAX;
	cr_expect_not_null (
	        strstr (text_of (event, 0), "persisted_bytes=16.0EiB"), "%s", buffer_string (&out));
	event = event_of ("ResourceUsage");
	event->resource_usage->used_ratio = 0.523;
	cr_expect_not_null (strstr (text_of (event, 0), "used_ratio=52.3%"));
	event = event_of ("Catalogue");
	event->catalogue->hash = 0xabc;
	cr_expect_not_null (strstr (text_of (event, 0), "hash=0000000000000abc"));
}

Test (render_text, shows_samples_as_figures_and_labels_by_key)
{
	Belfry__V1__Event *event = event_of ("MetricBatch");
	Belfry__V1__MetricBatch *batch = event->metric_batch;
	batch->n_values = batch->catalogue_hash = 0;
	batch->samples[0]->histogram = NULL;
	cr_expect_str_eq (text_of (event, 0), "MetricBatch name{key=value}=0.5unit");
	event = event_of ("Alert");
	cr_expect_not_null (strstr (text_of (event, 0), " labels.key=value annotations.key=value "));
}

Test (render_text, counts_figures_where_there_are_many)
{
	static double values[100];
	Belfry__V1__MetricBatch batch = BELFRY__V1__METRIC_BATCH__INIT;
	batch.values = values;
	batch.n_values = 100;
	render_text (&out, &batch.base, 0);
	cr_expect_str_eq (buffer_string (&out), "values=(100 figures)");
}

Test (render_text, drives_no_terminal)
{
	static char hostile[] =
	        "\x1b[2J\x07\r\n\t\x7f\x9b\xc2\x9b\xe2\x80\xae\xe2\x81\xa6\xff\xef\xbb\xbf\xc3\xa4 \"\\";
	Belfry__V1__Event *event = event_of ("Alert");
	event->alert->summary = hostile;
	event->alert->labels[0]->key = hostile;
	const char *text = text_of (event, 0);
	for (const unsigned char *c = (const unsigned char *) text; *c; c++)
		cr_assert (*c >= 0x20 && *c != 0x7f, "byte %02x in %s", *c, text);
	cr_expect_not_null (strstr (text, "summary=\"\\x1b["
	                                  "2J\\x07\\r\\n\\t\\x7f\\x9b\\xc2\\x9b\\xe2\\x80\\xae\\xe2\\x81\\xa6"
	                                  "\\xff\\xef\\xbb\\xbf"
	                                  "\xc3\xa4 \\\"\\\\\""),
	        "%s", text);
	cr_expect_null (strstr (text, "\x9b"));
	cr_expect_null (strstr (text, "\xe2\x80\xae"));
}

Test (render_text, stays_within_its_bound_between_characters)
{
	static char bells[8000];
	for (size_t i = 0; i + 4 < sizeof bells; i += 4)
		memcpy (bells + i, "\xf0\x9f\x94\x94", 4);
	Belfry__V1__Event *event = event_of ("LogEntry");
	event->log_entry->message = bells;
	for (size_t max = 60; max < 70; max++) {
		const char *text = text_of (event, max);
		size_t n = strlen (text);
		cr_expect_leq (n, max + 3);
		cr_expect_str_eq (text + n - 3, "...");
		cr_expect_eq ((unsigned char) text[n - 4] & 0xc0, 0x80, "cut inside a character");
	}
	cr_expect_leq (strlen (text_of (event, 0)), 4096 + 3);
}

Test (render_text, bounds_the_work_of_a_hostile_event)
{
	Belfry__V1__Event *event = event_of ("MetricBatch");
	static Belfry__V1__Sample *many[100000];
	for (size_t i = 0; i < 100000; i++)
		many[i] = event->metric_batch->samples[0];
	event->metric_batch->samples = many;
	event->metric_batch->n_samples = 100000;
	cr_expect_leq (strlen (text_of (event, 1000)), 1003);
	cr_expect_leq (out.capacity, 4096, "more was written than shown");
}

Test (render_text, appends)
{
	buffer_text (&out, "12:00 ");
	Belfry__V1__Gap gap = BELFRY__V1__GAP__INIT;
	render_text (&out, &gap.base, 0);
	cr_expect_str_eq (buffer_string (&out), "12:00 first=0 last=0 count=0");
}

Test (render_text, has_a_word_for_an_event_without_payload)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	cr_expect_str_eq (text_of (&event, 0), "Event");
}
