#include "wire/validate.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "specimen.h"

static arena_t *arena;
static err_t err;

static void begin (void)
{
	cr_assert_eq (arena_new (64 * 1024, 8 << 20, &arena), 0);
	strcpy (err.text, "untouched");
}

static void end (void)
{
	arena_destroy (&arena);
}

TestSuite (validate, .init = begin, .fini = end);

static Belfry__V1__Event *event_of (const char *name)
{
	const event_type_t *type = event_type_by_name (CHANNEL_COUNT, span_str (name));
	cr_assert_not_null (type, "%s", name);
	return specimen_event (arena, type);
}

static char *text_of (char c, size_t size)
{
	char *text = arena_alloc (arena, size + 1);
	memset (text, c, size);
	text[size] = '\0';
	return text;
}

static void expect_refused (const Belfry__V1__Event *event, const char *because)
{
	cr_expect_eq (event_validate (event, &err), -EINVAL, "accepted: %s", because);
	cr_expect_not_null (strstr (err.text, because), "'%s' lacks '%s'", err.text, because);
	cr_expect_eq (event_validate (event, NULL), -EINVAL);
}

static void expect_accepted (const Belfry__V1__Event *event)
{
	cr_expect_eq (event_validate (event, &err), 0, "%s", err.text);
}

Test (validate, takes_one_of_each)
{
	for (size_t i = 0; i < event_type_count (); i++) {
		const Belfry__V1__Event *event = specimen_event (arena, event_type_at (i));
		cr_expect_eq (event_validate (event, &err), 0, "%s: %s", event_type_at (i)->name, err.text);
		cr_expect_eq (event_validate_payload (event, &err), 0, "%s", err.text);
		cr_expect_eq (event_validate (event, NULL), 0);
	}
	cr_expect_str_eq (err.text, "untouched");
}

Test (validate, refuses_an_event_without_its_parts)
{
	Belfry__V1__Event empty = BELFRY__V1__EVENT__INIT;
	expect_refused (&empty, "no payload");
	Belfry__V1__Event *event = event_of ("NodeHealth");
	event->header = NULL;
	expect_refused (event, "no header");
	cr_expect_eq (event_validate_payload (event, NULL), 0);
	event = event_of ("NodeHealth");
	event->payload_case = (Belfry__V1__Event__PayloadCase) 77777;
	expect_refused (event, "no payload");
}

/* Fields whose absence can be told are emptied one by one. */
Test (validate, wants_every_required_field)
{
	size_t tried = 0;
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		char list[256], *save = NULL;
		strcpy (list, type->required);
		for (char *name = strtok_r (list, ",", &save); name; name = strtok_r (NULL, ",", &save)) {
			const ProtobufCFieldDescriptor *field =
			        protobuf_c_message_descriptor_get_field_by_name (type->descriptor, name);
			Belfry__V1__Event *event = specimen_event (arena, type);
			ProtobufCMessage *payload = &event->heartbeat->base;
			char because[128];
			void *at = specimen_at (payload, field);
			if (field->label == PROTOBUF_C_LABEL_REPEATED)
				*specimen_count (payload, field) = 0;
			else if (field->type == PROTOBUF_C_TYPE_STRING)
				memcpy (at, &(const char *){ "" }, sizeof (char *));
			else if (field->type == PROTOBUF_C_TYPE_ENUM)
				*(int *) at = 0;
			else
				continue;
			tried++;
			snprintf (because, sizeof because, "%s.%s is missing", type->name, name);
			expect_refused (event, because);
			arena_reset (arena);
		}
	}
	cr_expect_geq (tried, 70, "only %zu", tried);
}

Test (validate, wants_required_fields_inside)
{
	Belfry__V1__Event *event = event_of ("NodeHealth");
	event->node_health->checks[0]->status = 0;
	expect_refused (event, "NodeHealth.checks[0].status is missing");
	event = event_of ("Alert");
	event->alert->labels[0]->key = text_of ('k', 0);
	expect_refused (event, "Alert.labels[0].key is missing");
	event = event_of ("Alert");
	event->alert->labels[0]->value = text_of ('k', 0);
	expect_accepted (event);
}

static void each_enum (ProtobufCMessage *message, const Belfry__V1__Event *event, size_t *tried)
{
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		void *at = specimen_at (message, field);
		if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
			ProtobufCMessage *inside = field->label == PROTOBUF_C_LABEL_REPEATED
			                                   ? **(ProtobufCMessage ***) at
			                                   : *(ProtobufCMessage **) at;
			each_enum (inside, event, tried);
		} else if (field->type == PROTOBUF_C_TYPE_ENUM) {
			int good = *(int *) at;
			*(int *) at = (int) ((const ProtobufCEnumDescriptor *) field->descriptor)->n_values;
			expect_refused (event, "outside its values");
			*(int *) at = -1;
			expect_refused (event, "outside its values");
			*(int *) at = INT32_MIN;
			expect_refused (event, "outside its values");
			*(int *) at = good;
			++*tried;
		}
	}
}

Test (validate, closes_every_enum)
{
	size_t tried = 0;
	for (size_t i = 0; i < event_type_count (); i++) {
		Belfry__V1__Event *event = specimen_event (arena, event_type_at (i));
		each_enum (&event->heartbeat->base, event, &tried);
		each_enum (&event->header->base, event, &tried);
	}
	cr_expect_geq (tried, 40 * 2);
}

static void each_number (ProtobufCMessage *message, const Belfry__V1__Event *event, size_t *tried)
{
	static const double ratios[] = { -0.001, 1.001, NAN, INFINITY, -INFINITY };
	for (unsigned i = 0; i < message->descriptor->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->descriptor->fields[i];
		void *at = specimen_at (message, field);
		size_t n = strlen (field->name);
		if (field->type == PROTOBUF_C_TYPE_MESSAGE) {
			each_number (field->label == PROTOBUF_C_LABEL_REPEATED ? **(ProtobufCMessage ***) at
			                                                       : *(ProtobufCMessage **) at,
			        event, tried);
		} else if (n > 6 && strcmp (field->name + n - 6, "_ratio") == 0) {
			for (size_t r = 0; r < sizeof ratios / sizeof ratios[0]; r++) {
				*(double *) at = ratios[r];
				expect_refused (event, "outside 0..1");
			}
			*(double *) at = 1;
			cr_expect_eq (event_validate (event, NULL), 0);
			*(double *) at = 0;
			cr_expect_eq (event_validate (event, NULL), 0);
			++*tried;
		} else if (n > 3 && strcmp (field->name + n - 3, "_ns") == 0) {
			uint64_t good = *(uint64_t *) at;
			*(uint64_t *) at = (uint64_t) INT64_MAX + 1;
			expect_refused (event, "beyond 292 years");
			*(uint64_t *) at = good;
			++*tried;
		}
	}
}

Test (validate, bounds_every_ratio_and_time)
{
	size_t tried = 0;
	for (size_t i = 0; i < event_type_count (); i++) {
		Belfry__V1__Event *event = specimen_event (arena, event_type_at (i));
		each_number (&event->heartbeat->base, event, &tried);
		each_number (&event->header->base, event, &tried);
	}
	cr_expect_geq (tried, 40 * 2 + 30);
}

Test (validate, leaves_a_ratio_that_is_not_there)
{
	Belfry__V1__Event *event = event_of ("ResourceUsage");
	event->resource_usage->used_ratio = NAN;
	event->resource_usage->has_used_ratio_case = 0;
	expect_accepted (event);
}

Test (validate, bounds_names_and_sentences)
{
	Belfry__V1__Event *event = event_of ("ComponentHealth");
	event->component_health->component = text_of ('c', VALIDATE_NAME_MAX);
	event->component_health->details = text_of ('d', VALIDATE_TEXT_MAX);
	expect_accepted (event);
	event->component_health->details = text_of ('d', VALIDATE_TEXT_MAX + 1);
	expect_refused (event, "ComponentHealth.details is longer than 8192 bytes");
	event->component_health->details = text_of ('d', 1);
	event->component_health->component = text_of ('c', VALIDATE_NAME_MAX + 1);
	expect_refused (event, "ComponentHealth.component is longer than 255 bytes");
}

Test (validate, wants_utf8)
{
	static const char *const bad[] = { "\xff", "a\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
		"12345678\x80" };
	static const char *const good[] = { "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x94\x94",
		"1234567\xc3\xa4" };
	Belfry__V1__Event *event = event_of ("LogEntry");
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		event->log_entry->message = arena_copy (arena, span_str (bad[i]));
		expect_refused (event, "LogEntry.message is not valid UTF-8");
	}
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		event->log_entry->message = arena_copy (arena, span_str (good[i]));
		expect_accepted (event);
	}
}

static void repeat (ProtobufCMessage *message, const char *name, size_t n)
{
	const ProtobufCFieldDescriptor *field =
	        protobuf_c_message_descriptor_get_field_by_name (message->descriptor, name);
	size_t step = field->type == PROTOBUF_C_TYPE_DOUBLE ? sizeof (double) : sizeof (void *);
	unsigned char **at = specimen_at (message, field), *array = arena_alloc (arena, n * step);
	for (size_t i = 0; i < n; i++)
		memcpy (array + i * step, *at, step);
	*at = array;
	*specimen_count (message, field) = n;
}

Test (validate, bounds_lists)
{
	static const struct {
		const char *type, *field;
		size_t max;
	} cases[] = {
		{ "Alert", "labels", 16 },
		{ "Alert", "annotations", 64 },
		{ "LogEntry", "attributes", 64 },
		{ "MetricBatch", "values", 16384 },
		{ "MetricBatch", "samples", 4096 },
		{ "Catalogue", "series", 16384 },
		{ "ClusterHealth", "down_nodes", 4096 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		Belfry__V1__Event *event = event_of (cases[i].type);
		repeat (&event->heartbeat->base, cases[i].field, cases[i].max);
		expect_accepted (event);
		repeat (&event->heartbeat->base, cases[i].field, cases[i].max + 1);
		expect_refused (event, cases[i].field);
		arena_reset (arena);
	}
	Belfry__V1__Event *event = event_of ("Alert");
	repeat (&event->header->base, "labels", 17);
	expect_refused (event, "Header.labels has 17 entries, above 16");
}

Test (validate, refuses_holes_in_lists)
{
	Belfry__V1__Event *event = event_of ("MetricBatch");
	event->metric_batch->samples[0] = NULL;
	expect_refused (event, "MetricBatch.samples[0]");
	event = event_of ("MetricBatch");
	event->metric_batch->samples = NULL;
	expect_refused (event, "MetricBatch.samples");
}

Test (validate, wants_names_of_the_grammar_in_the_header)
{
	static const char *const bad[] = { "", "-a", "a/b", "a b", "\xc3\xa4", "a\n" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		char *text = arena_copy (arena, span_str (bad[i]));
		Belfry__V1__Event *event = event_of ("Alert");
		event->header->cluster = text;
		expect_refused (event, "Header.cluster");
		event = event_of ("Alert");
		event->header->node = text;
		expect_refused (event, "Header.node");
		event = event_of ("Alert");
		event->header->source = text;
		expect_refused (event, "Header.source");
		event = event_of ("Alert");
		event->header->subject_node = text;
		if (*text)
			expect_refused (event, "Header.subject_node");
		else
			expect_accepted (event);
	}
	Belfry__V1__Event *event = event_of ("Alert");
	event->header->cluster = text_of ('c', 24);
	event->header->node = text_of ('n', 36);
	event->header->source = text_of ('s', 32);
	expect_accepted (event);
	event->header->node = text_of ('n', 37);
	expect_refused (event, "at most 36");
}

Test (validate, wants_the_header_s_numbers)
{
	Belfry__V1__Event *event = event_of ("Alert");
	event->header->incarnation = 0;
	expect_refused (event, "Header.incarnation is missing");
	event = event_of ("Alert");
	event->header->time_ns = 0;
	expect_refused (event, "Header.time_ns is missing");
	event = event_of ("Alert");
	event->header->severity = 0;
	expect_refused (event, "Header.severity is missing");
	event = event_of ("Alert");
	event->header->sequence = 0;
	expect_refused (event, "Header.sequence is missing");
	event = event_of ("DebugTrace");
	event->header->sequence = 1;
	expect_refused (event, "Header.sequence on demand");
	event = event_of ("Alert");
	event->header->boot_nonce = 0;
	event->header->monotonic_ns = 0;
	expect_accepted (event);
}

Test (validate, wants_a_class_that_fits)
{
	Belfry__V1__Event *event = event_of ("Alert");
	event->header->class_ = BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE;
	expect_refused (event, "class is volatile where Alert of severity critical travels durable");
	event->header->class_ = 0;
	expect_refused (event, "class is unspecified");
	event = event_of ("NodeHealth");
	event->header->class_ = BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE;
	expect_accepted (event);
}

Test (validate, wants_one_severity)
{
	Belfry__V1__Event *event = event_of ("Alert");
	event->alert->severity = BELFRY__V1__SEVERITY__SEVERITY_INFO;
	expect_refused (event, "Header.severity is critical where the payload says info");
	cr_expect_eq (event_validate_payload (event, NULL), -EINVAL);
	event->header->severity = 0;
	cr_expect_eq (event_validate_payload (event, NULL), 0, "an application need not say it twice");
	event = event_of ("PerformanceAnalysis");
	event->performance_analysis->severity = BELFRY__V1__SEVERITY__SEVERITY_INFO;
	expect_accepted (event);
}

Test (validate, bounds_the_header_of_an_application_s_event)
{
	Belfry__V1__Event *event = event_of ("ConfigChanged");
	event->header->correlation_id = text_of ('x', 256);
	cr_expect_eq (event_validate_payload (event, &err), -EINVAL);
	cr_expect_str_eq (err.text, "Header.correlation_id is longer than 255 bytes");
	Belfry__V1__Header empty = BELFRY__V1__HEADER__INIT;
	event->header = &empty;
	cr_expect_eq (event_validate_payload (event, NULL), 0);
}

Test (validate, takes_a_zero_window_without_a_rate)
{
	Belfry__V1__Event *event = event_of ("Throughput");
	event->throughput->window_ns = 0;
	expect_refused (event, "window_ns");
	event->throughput->rate_per_second = 0;
	expect_accepted (event);
	event->throughput->rate_per_second = NAN;
	expect_refused (event, "no finite rate");
	event->throughput->window_ns = 1;
	event->throughput->rate_per_second = INFINITY;
	expect_refused (event, "no finite rate");
	event->throughput->rate_per_second = -1;
	expect_refused (event, "no finite rate");
}

Test (validate, wants_values_under_a_hash_or_samples)
{
	Belfry__V1__Event *event = event_of ("MetricBatch");
	Belfry__V1__MetricBatch *batch = event->metric_batch;
	batch->n_samples = 0;
	expect_accepted (event);
	batch->catalogue_hash = 0;
	expect_refused (event, "values without catalogue_hash");
	batch->n_values = 0;
	expect_refused (event, "one of them is needed");
	batch->n_samples = 1;
	expect_accepted (event);
	batch->catalogue_hash = 1;
	expect_refused (event, "catalogue_hash without values");
}

Test (validate, takes_any_packed_value)
{
	static double values[] = { NAN, INFINITY, -0.0, 1e308 };
	Belfry__V1__Event *event = event_of ("MetricBatch");
	event->metric_batch->values = values;
	event->metric_batch->n_values = 4;
	expect_accepted (event);
}

Test (validate, wants_histograms_that_add_up)
{
	Belfry__V1__Event *event = event_of ("Latency");
	Belfry__V1__Histogram *histogram = event->latency->histogram;
	histogram->n_counts = 1;
	expect_refused (event, "Latency.histogram.counts has 1 entries where 1 bounds make 2");
	histogram->n_counts = 2;
	histogram->count = 2;
	expect_refused (event, "count is not the sum");
	histogram->counts[0] = UINT64_MAX;
	histogram->counts[1] = 2;
	histogram->count = 1;
	expect_refused (event, "past 2^64");
	histogram->bounds[0] = NAN;
	expect_refused (event, "bounds[0] does not ascend");
	event = event_of ("Latency");
	double twice[] = { 1, 1 };
	uint64_t counts[] = { 1, 0, 0 };
	event->latency->histogram->bounds = twice;
	event->latency->histogram->n_bounds = 2;
	event->latency->histogram->counts = counts;
	event->latency->histogram->n_counts = 3;
	expect_refused (event, "bounds[1] does not ascend");
}

Test (validate, wants_sense_across_fields)
{
	Belfry__V1__Event *event = event_of ("Latency");
	event->latency->min_ns = 2;
	expect_refused (event, "min_ns is above max_ns");
	event = event_of ("Alert");
	event->alert->starts_ns = 2;
	expect_refused (event, "ends_ns is before starts_ns");
	event->alert->ends_ns = 0;
	expect_accepted (event);
	event = event_of ("Catalogue");
	event->catalogue->hash = 0;
	expect_refused (event, "Catalogue.hash is missing");
}

Test (validate, wants_gaps_that_are_ranges)
{
	Belfry__V1__Event *event = event_of ("Gap");
	Belfry__V1__Gap *gap = event->gap;
	gap->first = 0;
	expect_refused (event, "no range");
	gap->first = 2;
	expect_refused (event, "no range");
	gap->last = 4;
	gap->count = 3;
	expect_accepted (event);
	gap->count = 4;
	expect_refused (event, "count");
	gap->count = 0;
	expect_refused (event, "count");
	gap->first = 1;
	gap->last = gap->count = UINT64_MAX;
	expect_accepted (event);
}

/* Whatever still unpacks after a bit was flipped is judged without harm. */
Test (validate, survives_flipped_messages)
{
	static uint8_t packed[8192], broken[8192];
	for (size_t t = 0; t < event_type_count (); t++) {
		arena_reset (arena);
		Belfry__V1__Event *event = specimen_event (arena, event_type_at (t));
		size_t size = belfry__v1__event__pack (event, packed), judged = 0;
		for (size_t bit = 0; bit < size * 8; bit++) {
			memcpy (broken, packed, size);
			broken[bit / 8] ^= (uint8_t) (1u << (bit % 8));
			arena_reset (arena);
			event = belfry__v1__event__unpack (arena_allocator (arena), size, broken);
			if (event) {
				int r = event_validate (event, &err);
				cr_assert (r == 0 || r == -EINVAL);
				judged++;
			}
		}
		cr_expect_gt (judged, size);
	}
}
