/* One event as a line for people and as a JSON line for scripts. */

#include "capture.h"

#include <jansson.h>

#include "cli/event_line.h"

static capture_t capture;
static belfry_client_t *client;
static buffer_t line;
static event_columns_t columns;
static wall_t now = { INT64_C (1790000000) * NS_PER_S };

/* Names of packed figures would come from the client; none of these is packed. */
static void setup (void)
{
	belfry_client_options_t options = { .control = "tcp://127.0.0.1:9" };
	setenv ("TZ", "UTC", 1);
	cr_assert_eq (belfry_client_open (&options, &client, NULL), 0);
	capture_begin (&capture, 0, false);
}

static void teardown (void)
{
	belfry_client_close (&client);
	buffer_free (&line);
	capture_end (&capture);
}
TestSuite (event_line, .init = setup, .fini = teardown);

static char node[] = "n1", other[] = "n2", cluster[] = "demo", source[] = "billing", empty[] = "";

static Belfry__V1__Header header_make (Belfry__V1__Severity severity)
{
	Belfry__V1__Header header = BELFRY__V1__HEADER__INIT;
	header.cluster = cluster;
	header.node = node;
	header.source = source;
	header.severity = severity;
	header.time_ns = (uint64_t) now.ns - 90 * (uint64_t) NS_PER_S + 123456789;
	return header;
}

static const char *text (Belfry__V1__Event *event)
{
	belfry_client_event_t it = { .topic = "t/", .event = event };
	buffer_reset (&line);
	event_line_text (&line, &capture.output, &columns, client, &it, now);
	cr_assert (!buffer_failed (&line));
	return buffer_string (&line);
}

/* The line as a JSON object; the caller frees it. */
static json_t *json (belfry_client_event_t it)
{
	buffer_reset (&line);
	event_line_json (&line, client, &it);
	json_error_t error;
	json_t *object = json_loadb (line.data, line.size, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null (object, "%s: %s", error.text, buffer_string (&line));
	EXPECT_LACKS (buffer_string (&line), "\n");
	return object;
}

static const char *string_of (const json_t *object, const char *key)
{
	const char *value = json_string_value (json_object_get (object, key));
	return value ? value : "(none)";
}

/* A log entry in header. */
static char message[] = "disk is slow", logger[] = "db";
static Belfry__V1__LogEntry entry;
static Belfry__V1__Event log_event (Belfry__V1__Header *header)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	belfry__v1__log_entry__init (&entry);
	entry.level = header->severity;
	entry.message = message;
	entry.logger = logger;
	event.header = header;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &entry;
	return event;
}

Test (event_line, text_has_time_severity_node_channel_and_what_matters)
{
	Belfry__V1__Header header = header_make (BELFRY__V1__SEVERITY__SEVERITY_WARNING);
	Belfry__V1__Event event = log_event (&header);
	const char *out = text (&event);
	cr_assert_str_eq (out, "14:11:50.123 warning  n1       logging     LogEntry level=warning logger=db "
	                       "message=\"disk is slow\"");
	expect_tidy (out, 0, false);
}

Test (event_line, text_of_another_day_says_which)
{
	Belfry__V1__Header header = header_make (BELFRY__V1__SEVERITY__SEVERITY_INFO);
	header.time_ns -= 3 * UINT64_C (86400) * (uint64_t) NS_PER_S;
	Belfry__V1__Event event = log_event (&header);
	EXPECT_HAS (text (&event), "2026-09-18 14:11:50.123");
}

Test (event_line, text_about_another_node_shows_the_signer_too)
{
	Belfry__V1__Header header = header_make (BELFRY__V1__SEVERITY__SEVERITY_INFO);
	header.subject_node = other;
	Belfry__V1__Event event = log_event (&header);
	const char *out = text (&event);
	EXPECT_HAS (out, " n2 ");
	cr_assert_str_eq (out + strlen (out) - 5, " [n1]");
}

Test (event_line, text_columns_grow_with_what_was_seen)
{
	static char longer[] = "a-much-longer-name";
	Belfry__V1__Header header = header_make (BELFRY__V1__SEVERITY__SEVERITY_INFO);
	Belfry__V1__Event event = log_event (&header);
	size_t at = (size_t) (strstr (text (&event), "logging") - buffer_string (&line));
	header.node = longer;
	size_t wider = (size_t) (strstr (text (&event), "logging") - buffer_string (&line));
	cr_assert_eq (wider, at + strlen (longer) - 8);
	header.node = node;
	cr_assert_eq ((size_t) (strstr (text (&event), "logging") - buffer_string (&line)), wider);
}

Test (event_line, text_is_coloured_on_a_terminal_and_drives_none)
{
	static char nasty[] = "a\033[2Jb\nc";
	Belfry__V1__Header header = header_make (BELFRY__V1__SEVERITY__SEVERITY_ERROR);
	Belfry__V1__Event event = log_event (&header);
	entry.message = nasty;
	expect_tidy (text (&event), 0, false);
	capture.output.colour = true;
	EXPECT_HAS (text (&event), "\033[31merror   \033[0m");
	EXPECT_LACKS (buffer_string (&line), "\033[2J");
}

static Belfry__V1__Sample samples[50], *list[50];
static Belfry__V1__MetricBatch batch;
static Belfry__V1__Event batch_event (Belfry__V1__Header *header, size_t n)
{
	static char name[] = "queue_length", key[] = "queue", value[] = "a\"b\\";
	static Belfry__V1__Label label, *labels[] = { &label };
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	belfry__v1__label__init (&label);
	label.key = key;
	label.value = value;
	belfry__v1__metric_batch__init (&batch);
	for (size_t i = 0; i < n; i++) {
		belfry__v1__sample__init (&samples[i]);
		samples[i].name = name;
		samples[i].unit = empty;
		samples[i].kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
		samples[i].value = (double) i + 0.5;
		samples[i].labels = labels;
		samples[i].n_labels = i == 0 ? 1 : 0;
		list[i] = &samples[i];
	}
	batch.samples = list;
	batch.n_samples = n;
	event.header = header;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	event.metric_batch = &batch;
	return event;
}

Test (event_line, a_batch_is_one_line_on_a_terminal_and_whole_in_a_pipe)
{
	Belfry__V1__Header header = header_make (BELFRY__V1__SEVERITY__SEVERITY_INFO);
	Belfry__V1__Event event = batch_event (&header, 50);
	const char *out = text (&event);
	EXPECT_HAS (out, "MetricBatch 50 samples queue_length{queue=\"a\\\"b\\\\\"}=0.5 queue_length=1.5");
	EXPECT_HAS (out, "=49.5");
	capture.output.columns = 100;
	out = text (&event);
	cr_assert_leq (text_width (out), 100);
	EXPECT_HAS (out, " ...");
	event = batch_event (&header, 1);
	EXPECT_HAS (text (&event), "MetricBatch 1 sample ");
}

Test (event_line, json_has_the_interfaces_keys)
{
	Belfry__V1__Header header = header_make (BELFRY__V1__SEVERITY__SEVERITY_WARNING);
	Belfry__V1__Event event = log_event (&header);
	belfry_client_event_t it = { .topic = "logging/warning/demo/n1/billing/", .event = &event };
	json_t *object = json (it);
	cr_assert_str_eq (string_of (object, "topic"), "logging/warning/demo/n1/billing/");
	cr_assert_str_eq (string_of (object, "verified"), "no");
	cr_assert_str_eq (string_of (object, "node"), "n1");
	cr_assert_str_eq (string_of (object, "channel"), "logging");
	cr_assert_str_eq (string_of (object, "type"), "LogEntry");
	cr_assert_str_eq (string_of (object, "severity"), "warning");
	cr_assert_str_eq (string_of (object, "time"), "2026-09-21T14:11:50.123456789Z");
	static const char *const absent[] = { "subject_node", "offset", "snapshot", "late", "correlation_id",
		"labels", "samples" };
	for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
		cr_assert_null (json_object_get (object, absent[i]), "%s", absent[i]);
	const json_t *payload = json_object_get (object, "event");
	cr_assert_str_eq (string_of (payload, "level"), "warning");
	cr_assert_str_eq (string_of (payload, "message"), "disk is slow");
	json_decref (object);
}

Test (event_line, json_says_what_is_not_said_always)
{
	static char id[] = "order-7", key[] = "uid", value[] = "1000";
	Belfry__V1__Label label = BELFRY__V1__LABEL__INIT, *labels[] = { &label };
	label.key = key;
	label.value = value;
	Belfry__V1__Header header = header_make (BELFRY__V1__SEVERITY__SEVERITY_INFO);
	header.subject_node = other;
	header.correlation_id = id;
	header.labels = labels;
	header.n_labels = 1;
	Belfry__V1__Event event = log_event (&header);
	belfry_client_event_t it = { .topic = "t/",
		.event = &event,
		.verified = BELFRY_CLIENT_VERIFIED_MAC,
		.snapshot = true,
		.late = true,
		.offset = UINT64_C (1) << 60 };
	json_t *object = json (it);
	cr_assert_str_eq (string_of (object, "verified"), "mac");
	cr_assert_str_eq (string_of (object, "subject_node"), "n2");
	cr_assert_str_eq (string_of (object, "correlation_id"), "order-7");
	cr_assert_str_eq (string_of (object, "offset"), "1152921504606846976", "beyond 2^53: a string");
	cr_assert (json_is_true (json_object_get (object, "snapshot")));
	cr_assert (json_is_true (json_object_get (object, "late")));
	cr_assert_str_eq (string_of (json_object_get (object, "labels"), "uid"), "1000");
	json_decref (object);
	it.verified = BELFRY_CLIENT_VERIFIED_COLLECTOR;
	it.offset = 4711;
	object = json (it);
	cr_assert_str_eq (string_of (object, "verified"), "collector");
	cr_assert_eq (json_integer_value (json_object_get (object, "offset")), 4711);
	json_decref (object);
}

Test (event_line, json_names_a_batchs_figures)
{
	Belfry__V1__Header header = header_make (BELFRY__V1__SEVERITY__SEVERITY_INFO);
	Belfry__V1__Event event = batch_event (&header, 2);
	json_t *object = json ((belfry_client_event_t){ .topic = "t/", .event = &event });
	const json_t *figures = json_object_get (object, "samples");
	cr_assert_eq (json_object_size (figures), 2);
	cr_assert_eq (
	        json_number_value (json_object_get (figures, "queue_length{queue=\"a\\\"b\\\\\"}")), 0.5);
	cr_assert_eq (json_number_value (json_object_get (figures, "queue_length")), 1.5);
	json_decref (object);
}
