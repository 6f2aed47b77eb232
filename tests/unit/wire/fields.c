#include "wire/fields.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "belfry/v1/control.pb-c.h"
#include "specimen.h"
#include "wire/render.h"
#include "wire/validate.h"

static arena_t *arena;
static buffer_t out;
static err_t err;

static void begin (void)
{
	cr_assert_eq (arena_new (64 * 1024, 4 << 20, &arena), 0);
}

static void end (void)
{
	arena_destroy (&arena);
	buffer_free (&out);
}

TestSuite (fields, .init = begin, .fini = end);
TestSuite (fields_json, .init = begin, .fini = end);

static Belfry__V1__Event *event_of (const char *name)
{
	Belfry__V1__Event *event = fields_event (arena, event_type_by_name (CHANNEL_COUNT, span_str (name)));
	cr_assert_not_null (event);
	return event;
}

static void assign (Belfry__V1__Event *event, const char *assignment)
{
	cr_assert_eq (fields_assign (&event->heartbeat->base, arena, assignment, &err), 0, "%s: %s",
	        assignment, err.text);
}

static void expect_refused (Belfry__V1__Event *event, const char *assignment, const char *because)
{
	cr_expect_eq (
	        fields_assign (&event->heartbeat->base, arena, assignment, &err), -EINVAL, "%s", assignment);
	cr_expect_not_null (strstr (err.text, because), "%s: '%s' lacks '%s'", assignment, err.text, because);
}

static const char *json_of (const Belfry__V1__Event *event)
{
	buffer_reset (&out);
	json_writer_t json = json_writer_on (&out);
	render_json_payload (&json, event);
	return buffer_string (&out);
}

Test (fields, makes_an_empty_event_of_each_type)
{
	for (size_t i = 0; i < event_type_count (); i++) {
		const Belfry__V1__Event *event = fields_event (arena, event_type_at (i));
		cr_assert_not_null (event);
		cr_expect_eq (event_type_of (event), event_type_at (i));
		cr_expect_null (event->header);
	}
	arena_t *small;
	cr_assert_eq (arena_new (16, 16, &small), 0);
	cr_expect_null (fields_event (small, event_type_at (0)));
	arena_destroy (&small);
}

Test (fields, refuses_what_is_no_field_and_names_the_nearest)
{
	Belfry__V1__Event *event = event_of ("ComponentHealth");
	expect_refused (
	        event, "componet=x", "ComponentHealth has no field 'componet'; did you mean 'component'?");
	expect_refused (event, "Status=x", "did you mean 'status'?");
	expect_refused (event, "zzzzzz=x", "it has component, status, previous_status, since_ns, details");
	expect_refused (event, "nothing", "'nothing' is no FIELD=VALUE");
	expect_refused (event, "=x", "is no FIELD=VALUE");
	expect_refused (event, "component.x=y", "component has nothing inside");
	event = event_of ("MetricBatch");
	expect_refused (
	        event, "samples.0.nam=x", "samples.0: Sample has no field 'nam'; did you mean 'name'?");
}

Test (fields, sets_every_kind)
{
	Belfry__V1__Event *event = event_of ("PersistenceCycle");
	assign (event, "store=data=1");
	assign (event, "kind=forced");
	assign (event, "duration_ns=12ms");
	assign (event, "success=yes");
	assign (event, "persisted_bytes=1.5MiB");
	assign (event, "persisted_items=18446744073709551615");
	assign (event, "oldest_unpersisted_age_ns=0");
	const Belfry__V1__PersistenceCycle *cycle = event->persistence_cycle;
	cr_expect_str_eq (cycle->store, "data=1");
	cr_expect_eq (cycle->kind, BELFRY__V1__PERSISTENCE_KIND__PERSISTENCE_KIND_FORCED);
	cr_expect_eq (cycle->duration_ns, 12000000);
	cr_expect (cycle->success);
	cr_expect_eq (cycle->persisted_bytes, 1536 * 1024);
	cr_expect_eq (cycle->persisted_items, UINT64_MAX);
	cr_expect_eq (cycle->has_oldest_unpersisted_age_ns_case, 10, "zero, but said");
	assign (event, "duration_ns=77");
	cr_expect_eq (cycle->duration_ns, 77);

	event = event_of ("NodeHealth");
	assign (event, "cpu_used_ratio=52%");
	assign (event, "load1=1.25");
	assign (event, "pressure.io_some_ratio=0.5");
	cr_expect_eq (event->node_health->cpu_used_ratio, 0.52);
	cr_expect_eq (event->node_health->load1, 1.25);
	cr_expect_eq (event->node_health->pressure->io_some_ratio, 0.5);
	cr_expect_eq (event->node_health->has_load5_case, 0);

	event = event_of ("ProcessLifecycle");
	assign (event, "exit_status=-9");
	assign (event, "pid=4294967295");
	cr_expect_eq (event->process_lifecycle->exit_status, -9);
	cr_expect_eq (event->process_lifecycle->pid, UINT32_MAX);
}

Test (fields, refuses_values_of_another_kind)
{
	static const struct {
		const char *type, *assignment, *because;
	} cases[] = {
		{ "PersistenceCycle", "kind=weekly", "kind='weekly' is none of periodic, forced, shutdown" },
		{ "PersistenceCycle", "kind=unspecified2", "is none of" },
		{ "PersistenceCycle", "duration_ns=fast", "duration: 12ms" },
		{ "PersistenceCycle", "duration_ns=-1s", "duration: 12ms" },
		{ "PersistenceCycle", "success=maybe", "true or false" },
		{ "PersistenceCycle", "persisted_bytes=1MB", "size: 4096" },
		{ "PersistenceCycle", "persisted_bytes=-1KiB", "size: 4096" },
		{ "PersistenceCycle", "persisted_bytes=99999999PiB", "size: 4096" },
		{ "PersistenceCycle", "persisted_items=18446744073709551616", "whole number" },
		{ "PersistenceCycle", "persisted_items=-1", "whole number" },
		{ "PersistenceCycle", "persisted_items= 1", "whole number" },
		{ "PersistenceCycle", "persisted_items=", "whole number" },
		{ "NodeHealth", "load1=x", "no number" },
		{ "NodeHealth", "load1=1x", "no number" },
		{ "NodeHealth", "load1=0x10", "no number" },
		{ "NodeHealth", "load1=50%", "no number" },
		{ "NodeHealth", "cpu_used_ratio=half", "ratio: 0..1, or 52%" },
		{ "NodeHealth", "since_ns=yesterday", "time: 2026" },
		{ "NodeHealth", "since_ns=2026-02-29T00:00:00Z", "time: 2026" },
		{ "NodeHealth", "since_ns=2026-02-28T24:00:00Z", "time: 2026" },
		{ "NodeHealth", "since_ns=2026-02-28T00:00:00", "time: 2026" },
		{ "NodeHealth", "since_ns=2026-02-28T00:00:00.Z", "time: 2026" },
		{ "NodeHealth", "since_ns=1969-12-31T23:59:59Z", "time: 2026" },
		{ "ProcessLifecycle", "pid=4294967296", "4294967295" },
		{ "ProcessLifecycle", "exit_status=2147483648", "2147483647" },
		{ "LogEntry", "message=\xff", "message is not valid UTF-8" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Belfry__V1__Event *event = event_of (cases[i].type);
		const char *before = json_of (event);
		char *copy = arena_copy (arena, span_str (before));
		expect_refused (event, cases[i].assignment, cases[i].because);
		cr_expect_str_eq (json_of (event), copy, "%s left something behind", cases[i].assignment);
	}
	static char name[300];
	memset (name, 'n', sizeof name - 1);
	Belfry__V1__Event *event = event_of ("LogEntry");
	cr_expect_eq (fields_set (&event->log_entry->base, arena, "logger", name, &err), -EINVAL);
	cr_expect_str_eq (err.text, "logger is longer than 255 bytes");
}

Test (fields, reads_times)
{
	static const struct {
		const char *text;
		uint64_t ns;
	} cases[] = {
		{ "1970-01-01T00:00:00Z", 0 },
		{ "2000-02-29T12:34:56Z", UINT64_C (951827696000000000) },
		{ "2026-11-24T03:12:07.123456789Z", UINT64_C (1795489927123456789) },
		{ "2026-11-24T04:12:07.5+01:00", UINT64_C (1795489927500000000) },
		{ "2026-11-23t22:12:07-05:00", UINT64_C (1795489927000000000) },
		{ "2026-11-24 03:12:07Z", UINT64_C (1795489927000000000) },
		{ "1795489927000000000", UINT64_C (1795489927000000000) },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Belfry__V1__Event *event = event_of ("Alert");
		cr_expect_eq (fields_set (&event->alert->base, arena, "starts_ns", cases[i].text, &err), 0,
		        "%s", err.text);
		cr_expect_eq (event->alert->starts_ns, cases[i].ns, "%s is %lu", cases[i].text,
		        (unsigned long) event->alert->starts_ns);
	}
}

Test (fields, fills_lists_in_order)
{
	Belfry__V1__Event *event = event_of ("MetricBatch");
	assign (event, "samples.0.name=first");
	assign (event, "samples.0.kind=gauge");
	assign (event, "samples.1.name=second");
	assign (event, "samples.0.value=2");
	assign (event, "values=1.5");
	assign (event, "values=2.5");
	assign (event, "values.0=0.5");
	cr_expect_str_eq (json_of (event),
	        "{\"values\":[0.5,2.5],\"samples\":[{\"name\":\"first\",\"kind\":\"gauge\",\"value\":2},"
	        "{\"name\":\"second\",\"kind\":\"unspecified\",\"value\":0}]}");
	expect_refused (
	        event, "samples.3.name=x", "samples has 2 entries: the next is samples.2, not samples.3");
	expect_refused (event, "samples.0=x", "samples.0 is a Sample: say one of its fields");
	expect_refused (event, "samples=x", "samples is a list of Sample: say samples.0.name=");
	expect_refused (event, "samples.name=x", "samples is a list: samples.0.FIELD");
	expect_refused (event, "values.0.x=1", "values.0 has nothing inside");
	event = event_of ("MembershipChanged");
	assign (event, "affected=n1");
	assign (event, "affected.1=n2, and more");
	cr_expect_str_eq (event->membership_changed->affected[1], "n2, and more");
	event = event_of ("NodeHealth");
	expect_refused (event, "pressure=1", "pressure is a Pressure: say one of its fields");
}

Test (fields, fills_long_lists)
{
	Belfry__V1__Event *event = event_of ("MetricBatch");
	for (int i = 0; i < 1000; i++) {
		char path[64], value[32];
		snprintf (path, sizeof path, "samples.%d.name", i);
		snprintf (value, sizeof value, "s%d", i);
		cr_assert_eq (
		        fields_set (&event->metric_batch->base, arena, path, value, &err), 0, "%s", err.text);
	}
	cr_assert_eq (event->metric_batch->n_samples, 1000);
	for (int i = 0; i < 1000; i++) {
		char value[32];
		snprintf (value, sizeof value, "s%d", i);
		cr_assert_str_eq (event->metric_batch->samples[i]->name, value);
	}
}

Test (fields, stops_at_a_list_s_bound)
{
	Belfry__V1__Event *event = event_of ("Alert");
	for (int i = 0; i < 16; i++) {
		char path[64];
		snprintf (path, sizeof path, "labels.%d.key", i);
		cr_assert_eq (fields_set (&event->alert->base, arena, path, "k", &err), 0, "%s", err.text);
	}
	expect_refused (event, "labels.16.key=x", "labels takes at most 16 entries");
	expect_refused (event, "labels.more=x", "labels takes at most 16 entries");
	assign (event, "labels.k=known");
}

Test (fields, sets_labels_by_key)
{
	Belfry__V1__Event *event = event_of ("Alert");
	assign (event, "labels.disk=sda");
	assign (event, "labels.app.kubernetes.io/name=x");
	assign (event, "labels.disk=sdb");
	assign (event, "labels.0=zero");
	assign (event, "labels.0.value=sdc");
	cr_expect_not_null (
	        strstr (json_of (event), "\"labels\":[{\"key\":\"disk\",\"value\":\"sdc\"},"
	                                 "{\"key\":\"app.kubernetes.io/"
	                                 "name\",\"value\":\"x\"},{\"key\":\"0\",\"value\":\"zero\"}]"),
	        "%s", buffer_string (&out));
	expect_refused (event, "labels=x", "labels wants a key: labels.KEY=VALUE");
}

Test (fields, sets_bytes_from_hex)
{
	ProtobufCMessage *enrol = fields_new (arena, &belfry__v1__enrol__descriptor);
	cr_assert_eq (fields_set (enrol, arena, "curve_public_key", "00Ff7a", &err), 0);
	const ProtobufCBinaryData *key = &((Belfry__V1__Enrol *) enrol)->curve_public_key;
	cr_assert_eq (key->len, 3);
	cr_expect_arr_eq (key->data, ((uint8_t[]){ 0, 0xff, 0x7a }), 3);
	cr_expect_eq (fields_set (enrol, arena, "curve_public_key", "0", &err), -EINVAL);
	cr_expect_eq (fields_set (enrol, arena, "curve_public_key", "0g", &err), -EINVAL);
}

Test (fields, stops_at_the_arena_s_cap)
{
	arena_t *small;
	cr_assert_eq (arena_new (512, 1024, &small), 0);
	Belfry__V1__Event *event =
	        fields_event (small, event_type_by_name (CHANNEL_COUNT, span_str ("MetricBatch")));
	int r = 0;
	for (int i = 0; i < 1000 && !r; i++)
		r = fields_set (&event->metric_batch->base, small, "values", "1", &err);
	cr_expect_eq (r, -ENOMEM);
	cr_expect_str_eq (err.text, "the message is too large for its bound");
	arena_destroy (&small);
}

Test (fields, lists_every_type_and_field)
{
	fields_list (&out);
	cr_assert_not (buffer_failed (&out));
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		char line[128];
		snprintf (line, sizeof line, "%s %s  (%s/", channel_name (type->channel), type->name,
		        channel_name (type->channel));
		const char *at = strstr (buffer_string (&out), line);
		if (type->channel == CHANNEL_FABRIC) {
			cr_assert_null (at, "nobody may send %s", type->name);
			continue;
		}
		cr_assert_not_null (at, "%s", line);
		const char *end_of_type = strstr (at, "\n\n");
		for (unsigned f = 0; f < type->descriptor->n_fields; f++) {
			snprintf (line, sizeof line, "\n  %s", type->descriptor->fields[f].name);
			const char *field = strstr (at, line);
			cr_expect (field && (!end_of_type || field < end_of_type), "%s lacks %s", type->name,
			        line);
		}
	}
	cr_expect_not_null (strstr (buffer_string (&out), "healthy|degraded|unhealthy|unknown, required\n"));
	cr_expect_not_null (strstr (buffer_string (&out), "\n  labels.KEY "));
}

/* What render_json writes reads back as the same event: one of each. */
Test (fields_json, reads_back_what_is_rendered)
{
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		Belfry__V1__Event *event = specimen_event (arena, type), *read = fields_event (arena, type);
		json_of (event);
		cr_assert_eq (fields_from_json (&read->heartbeat->base, arena, buffer_span (&out), &err), 0,
		        "%s: %s", type->name, err.text);
		read->header = event->header;
		uint8_t wanted[4096], found[4096];
		size_t size = belfry__v1__event__pack (event, wanted);
		cr_assert_eq (belfry__v1__event__get_packed_size (read), size, "%s", type->name);
		belfry__v1__event__pack (read, found);
		cr_expect_arr_eq (wanted, found, size, "%s", type->name);
		cr_expect_eq (event_validate (read, &err), 0, "%s", err.text);
	}
}

static int read_json (const char *type, const char *json, Belfry__V1__Event **ret)
{
	*ret = event_of (type);
	return fields_from_json (&(*ret)->heartbeat->base, arena, span_str (json), &err);
}

Test (fields_json, reads_numbers_as_text_and_text_as_values)
{
	Belfry__V1__Event *event;
	cr_assert_eq (read_json ("PersistenceCycle",
	                      "{\"store\":\"d\",\"duration_ns\":\"12ms\",\"persisted_items\":"
	                      "\"18446744073709551615\","
	                      "\"kind\":\"periodic\",\"error\":null}",
	                      &event),
	        0, "%s", err.text);
	cr_expect_eq (event->persistence_cycle->duration_ns, 12000000);
	cr_expect_eq (event->persistence_cycle->persisted_items, UINT64_MAX);
	cr_expect_str_eq (event->persistence_cycle->error, "");
	cr_assert_eq (read_json ("MetricBatch", "{\"catalogue_hash\":1,\"values\":[1,2.5,null]}", &event), 0);
	cr_expect_eq (event->metric_batch->values[1], 2.5);
	cr_expect (isnan (event->metric_batch->values[2]));
}

Test (fields_json, refuses_with_the_place_and_the_reason)
{
	static const struct {
		const char *type, *json, *because;
	} cases[] = {
		{ "NodeHealth", "", "line 1, column 0" },
		{ "NodeHealth", "{\"status\":", "line 1, column 10" },
		{ "NodeHealth", "{\"status\":\"healthy\",\"status\":\"healthy\"}", "duplicate" },
		{ "NodeHealth", "{} x", "line 1" },
		{ "NodeHealth", "[]", "is a list where an object is wanted" },
		{ "NodeHealth", "{\"statsu\":1}", "did you mean 'status'?" },
		{ "NodeHealth", "{\"status\":1}",
		        "status is a number where healthy|degraded|unhealthy|unknown is wanted" },
		{ "NodeHealth", "{\"status\":\"ill\"}", "status='ill' is none of" },
		{ "NodeHealth", "{\"checks\":{}}", "checks is an object where list of Check is wanted" },
		{ "NodeHealth", "{\"checks\":[1]}", "checks[0]: checks is a number" },
		{ "NodeHealth", "{\"checks\":[{},{\"nam\":1}]}", "checks[1]: Check has no field 'nam'" },
		{ "NodeHealth", "{\"load1\":true}", "load1 is true or false where number is wanted" },
		{ "NodeHealth", "{\"pressure\":1}", "pressure is a number where Pressure is wanted" },
		{ "NodeHealth", "{\"pressure\":{\"x\":1}}", "pressure.Pressure has no field 'x'" },
		{ "NodeHealth", "{\"since_ns\":1.5}", "since_ns is a number where time is wanted" },
		{ "NodeHealth", "{\"since_ns\":-1}", "time: 2026" },
		{ "FeatureToggled", "{\"enabled\":\"true\"}",
		        "enabled is text where true or false is wanted" },
		{ "LogEntry", "{\"message\":\"a\\u0000b\"}", "line 1" },
		{ "LogEntry", "{\"message\":\"\xff\"}", "line 1" },
		{ "LogEntry", "{\"message\":5}", "message is a number where text is wanted" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Belfry__V1__Event *event;
		cr_expect_eq (read_json (cases[i].type, cases[i].json, &event), -EINVAL, "%s", cases[i].json);
		cr_expect_not_null (strstr (err.text, cases[i].because), "%s: '%s' lacks '%s'", cases[i].json,
		        err.text, cases[i].because);
	}
}

Test (fields_json, bounds_lists)
{
	static char json[64 * 1024];
	Belfry__V1__Event *event;
	strcpy (json, "{\"affected\":[\"a\"");
	for (size_t n = strlen (json), i = 0; i < 4096; i++, n += 4)
		strcpy (json + n, ",\"a\"");
	strcat (json, "]}");
	cr_expect_eq (read_json ("MembershipChanged", json, &event), -EINVAL);
	cr_expect_str_eq (err.text, "affected has 4097 entries, above 4096");
}
