#include "wire/describe.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "belfry/v1/app.pb-c.h"
#include "belfry/v1/control.pb-c.h"
#include "wire/topic.h"

#define INFO BELFRY__V1__SEVERITY__SEVERITY_INFO
#define DURABLE BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE
#define VOLATILE BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE
#define ON_DEMAND BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND

static const event_type_t *named (const char *name)
{
	const event_type_t *type = event_type_by_name (CHANNEL_COUNT, span_str (name));
	cr_assert_not_null (type, "%s", name);
	return type;
}

Test (describe, has_36_events_in_nine_channels_and_four_of_the_fabric)
{
	static const size_t wanted[CHANNEL_COUNT] = { 3, 4, 5, 4, 4, 4, 4, 4, 4, 4 };
	size_t found[CHANNEL_COUNT] = { 0 };
	for (size_t i = 0; i < event_type_count (); i++)
		found[event_type_at (i)->channel]++;
	for (unsigned c = 0; c < CHANNEL_COUNT; c++)
		cr_expect_eq (found[c], wanted[c], "%s has %zu", channel_name ((channel_t) c), found[c]);
	cr_expect_eq (event_type_count (), 40);
	cr_expect_null (event_type_at (40));
}

/* Neither the schema nor the table has a payload that the other has not. */
Test (describe, has_a_row_for_every_payload_of_the_schema)
{
	size_t payloads = 0;
	for (unsigned i = 0; i < belfry__v1__event__descriptor.n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &belfry__v1__event__descriptor.fields[i];
		if (!(field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
			continue;
		payloads++;
		const event_type_t *type = event_type_by_case (field->id);
		cr_assert_not_null (type, "%s", field->name);
		cr_expect_eq (type->payload_case, field->id);
		cr_expect_eq (type->descriptor, field->descriptor, "%s", field->name);
		cr_expect_str_eq (type->name, type->descriptor->short_name);
	}
	cr_expect_eq (payloads, event_type_count ());
}

Test (describe, knows_no_other_case)
{
	cr_expect_null (event_type_by_case (0));
	cr_expect_null (event_type_by_case (1));
	cr_expect_null (event_type_by_case (15));
	cr_expect_null (event_type_by_case (104));
	cr_expect_null (event_type_by_case (UINT32_MAX));
}

Test (describe, finds_types_by_name_in_any_case_and_by_channel)
{
	cr_expect_eq (event_type_by_name (CHANNEL_HEALTH, span_str ("NODEhealth")), named ("NodeHealth"));
	cr_expect_null (event_type_by_name (CHANNEL_ALERTS, span_str ("NodeHealth")));
	cr_expect_null (event_type_by_name (CHANNEL_COUNT, span_str ("NodeHealt")));
	cr_expect_null (event_type_by_name (CHANNEL_COUNT, span_str ("NodeHealthX")));
	cr_expect_null (event_type_by_name (CHANNEL_COUNT, span_of ("", 0)));
}

Test (describe, finds_types_by_token)
{
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		cr_expect_eq (type->token == NULL, channel_has_severity (type->channel), "%s", type->name);
		if (type->token)
			cr_expect_eq (event_type_by_token (type->channel, span_str (type->token)), type);
	}
	cr_expect_null (event_type_by_token (CHANNEL_ALERTS, span_str ("info")));
	cr_expect_null (event_type_by_token (CHANNEL_HEALTH, span_str ("lifecycle")));
}

Test (describe, names_channels_both_ways)
{
	for (unsigned c = 0; c < CHANNEL_COUNT; c++) {
		channel_t parsed = CHANNEL_COUNT;
		cr_expect_eq (channel_parse (span_str (channel_name ((channel_t) c)), &parsed), 0);
		cr_expect_eq (parsed, c);
	}
	channel_t untouched = CHANNEL_AUDIT;
	cr_expect_eq (channel_parse (span_str ("Alerts"), &untouched), -EINVAL);
	cr_expect_eq (channel_parse (span_str ("alert"), &untouched), -EINVAL);
	cr_expect_eq (untouched, CHANNEL_AUDIT);
	cr_expect_str_eq (channel_name (CHANNEL_COUNT), "?");
}

/* The longest names make a topic that fits for every type. */
Test (describe, makes_topics_that_fit)
{
	char cluster[TOPIC_CLUSTER_MAX + 1], node[TOPIC_NODE_MAX + 1], source[TOPIC_SOURCE_MAX + 1];
	memset (cluster, 'c', sizeof cluster);
	memset (node, 'n', sizeof node);
	memset (source, 's', sizeof source);
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		for (int s = 1; s <= 5; s++) {
			char topic[TOPIC_SIZE_MAX + 1];
			const char *class = event_topic_class (type, (Belfry__V1__Severity) s);
			cr_assert_not_null (class);
			cr_expect_neq (
			        topic_format (topic, span_str (channel_name (type->channel)),
			                span_str (class), span_of (cluster, TOPIC_CLUSTER_MAX),
			                span_of (node, TOPIC_NODE_MAX), span_of (source, TOPIC_SOURCE_MAX)),
			        0);
		}
	}
}

Test (describe, has_no_topic_class_for_a_severity_that_is_none)
{
	cr_expect_null (event_topic_class (named ("Alert"), (Belfry__V1__Severity) 0));
	cr_expect_null (event_topic_class (named ("Alert"), (Belfry__V1__Severity) 6));
	cr_expect_null (event_topic_class (named ("Alert"), (Belfry__V1__Severity) -1));
	cr_expect_str_eq (event_topic_class (named ("Alert"), (Belfry__V1__Severity) 5), "critical");
	cr_expect_str_eq (event_topic_class (named ("Gap"), (Belfry__V1__Severity) 0), "gap");
}

/* messages.md, the letters behind the channels. */
Test (describe, knows_what_is_durable)
{
	static const struct {
		const char *name;
		int severity;
		bool changed;
		int class;
	} cases[] = {
		{ "SystemLifecycle", 2, false, DURABLE },
		{ "NodeHealth", 2, false, VOLATILE },
		{ "NodeHealth", 2, true, DURABLE },
		{ "ComponentHealth", 5, true, DURABLE },
		{ "ClusterHealth", 2, true, DURABLE },
		{ "CheckCompleted", 5, true, VOLATILE },
		{ "MetricBatch", 2, false, VOLATILE },
		{ "PersistenceCycle", 4, true, VOLATILE },
		{ "NodeLifecycle", 2, false, DURABLE },
		{ "AlertEscalated", 1, false, DURABLE },
		{ "DataChange", 1, false, DURABLE },
		{ "DebugTrace", 5, true, ON_DEMAND },
		{ "SessionEvent", 1, false, DURABLE },
		{ "LogEntry", 1, false, ON_DEMAND },
		{ "LogEntry", 2, false, VOLATILE },
		{ "LogEntry", 3, true, VOLATILE },
		{ "LogEntry", 4, false, DURABLE },
		{ "LogRotation", 5, false, DURABLE },
		{ "Heartbeat", 2, false, VOLATILE },
		{ "Gap", 2, false, DURABLE },
		{ "Catalogue", 2, false, VOLATILE },
		{ "Checkpoint", 2, false, VOLATILE },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const event_type_t *type = named (cases[i].name);
		Belfry__V1__Severity severity = (Belfry__V1__Severity) cases[i].severity;
		cr_expect_eq ((int) event_delivery_class (type, severity, cases[i].changed), cases[i].class,
		        "%s %d", cases[i].name, cases[i].severity);
		cr_expect (event_delivery_class_fits (
		        type, severity, (Belfry__V1__DeliveryClass) cases[i].class));
	}
	cr_expect_not (event_delivery_class_fits (named ("Alert"), INFO, VOLATILE));
	cr_expect_not (event_delivery_class_fits (named ("MetricBatch"), INFO, DURABLE));
	cr_expect_not (event_delivery_class_fits (named ("NodeHealth"), INFO, ON_DEMAND));
	cr_expect_not (event_delivery_class_fits (named ("NodeHealth"), INFO, (Belfry__V1__DeliveryClass) 0));
}

Test (describe, says_what_an_event_is)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	cr_expect_null (event_type_of (&event));
	cr_expect_null (event_payload (&event));
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ALERT;
	cr_expect_null (event_type_of (&event), "a case without its message");
	Belfry__V1__Alert alert = BELFRY__V1__ALERT__INIT;
	alert.severity = BELFRY__V1__SEVERITY__SEVERITY_ERROR;
	event.alert = &alert;
	cr_expect_eq (event_type_of (&event), named ("Alert"));
	cr_expect_eq (event_payload (&event), &alert.base);
	cr_expect_eq (event_payload_severity (&event), BELFRY__V1__SEVERITY__SEVERITY_ERROR);
}

Test (describe, names_scales_both_ways)
{
	for (int s = 1; s <= 5; s++) {
		Belfry__V1__Severity parsed;
		cr_expect_eq (
		        severity_parse (span_str (severity_name ((Belfry__V1__Severity) s)), &parsed), 0);
		cr_expect_eq ((int) parsed, s);
	}
	Belfry__V1__Severity untouched = INFO;
	cr_expect_eq (severity_parse (span_str ("unspecified"), &untouched), -EINVAL);
	cr_expect_eq (severity_parse (span_str ("INFO"), &untouched), -EINVAL);
	cr_expect_eq (untouched, INFO);
	cr_expect_str_eq (severity_name ((Belfry__V1__Severity) 6), "?");
	cr_expect_str_eq (severity_name ((Belfry__V1__Severity) -1), "?");
	cr_expect_str_eq (status_name (BELFRY__V1__STATUS__STATUS_DEGRADED), "degraded");
	cr_expect_str_eq (delivery_class_name (ON_DEMAND), "on_demand");
}

Test (describe, strips_the_prefix_of_any_enum)
{
	char text[ENUM_TEXT_MAX];
	int value = -1;
	cr_expect_str_eq (enum_text (&belfry__v1__node_state__descriptor, 6, text), "down");
	cr_expect_str_eq (
	        enum_text (&belfry__v1__supervision_event__descriptor, 3, text), "restart_limit_exceeded");
	cr_expect_str_eq (enum_text (&belfry__v1__node_state__descriptor, 99, text), "?99");
	cr_expect_eq (enum_parse (&belfry__v1__quorum__descriptor, span_str ("at_risk"), &value), 0);
	cr_expect_eq (value, 2);
	cr_expect_eq (
	        enum_parse (&belfry__v1__quorum__descriptor, span_str ("QUORUM_AT_RISK"), &value), -EINVAL);
	cr_expect_eq (enum_parse (&belfry__v1__quorum__descriptor, span_str ("at risk"), &value), -EINVAL);
}

/* The rest looks at the schema itself: what the code takes for granted of it. */

typedef void visit_fn (const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field);

static void visit (const ProtobufCMessageDescriptor *message, const ProtobufCMessageDescriptor **way,
        size_t depth, visit_fn *fn)
{
	cr_assert_lt (depth, 8, "%s is nested too deep", message->name);
	for (size_t i = 0; i < depth; i++)
		cr_assert_neq (way[i], message, "%s is inside itself", message->name);
	way[depth] = message;
	for (unsigned i = 0; i < message->n_fields; i++) {
		const ProtobufCFieldDescriptor *field = &message->fields[i];
		fn (message, field);
		if (field->type == PROTOBUF_C_TYPE_MESSAGE)
			visit (field->descriptor, way, depth + 1, fn);
	}
}

static void visit_all (visit_fn *fn)
{
	const ProtobufCMessageDescriptor *way[8];
	visit (&belfry__v1__event__descriptor, way, 0, fn);
	visit (&belfry__v1__control__descriptor, way, 0, fn);
	visit (&belfry__v1__app_message__descriptor, way, 0, fn);
}

static bool ends (const char *name, const char *end)
{
	size_t n = strlen (name), m = strlen (end);
	return n >= m && strcmp (name + n - m, end) == 0;
}

static void check_unit (const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field)
{
	if (ends (field->name, "_ns"))
		cr_expect (field->type == PROTOBUF_C_TYPE_FIXED64 || field->type == PROTOBUF_C_TYPE_UINT64,
		        "%s.%s", message->name, field->name);
	if (ends (field->name, "_ratio") || ends (field->name, "_per_second"))
		cr_expect_eq (field->type, PROTOBUF_C_TYPE_DOUBLE, "%s.%s", message->name, field->name);
	if (field->type == PROTOBUF_C_TYPE_FIXED64 && !ends (field->name, "_ns"))
		cr_expect (strstr ("hash catalogue_hash boot_nonce id", field->name),
		        "%s.%s is a moment, or what?", message->name, field->name);
}

Test (schema, says_its_units_in_names_and_holds_no_message_in_itself)
{
	visit_all (check_unit);
}

static void check_enum (const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field)
{
	if (field->type != PROTOBUF_C_TYPE_ENUM)
		return;
	const ProtobufCEnumDescriptor *values = field->descriptor;
	char prefix[80];
	size_t n = 0;
	for (const char *c = values->short_name; *c; c++) {
		if (isupper ((unsigned char) *c) && c != values->short_name)
			prefix[n++] = '_';
		prefix[n++] = (char) toupper ((unsigned char) *c);
	}
	prefix[n++] = '_';
	for (unsigned i = 0; i < values->n_values; i++) {
		cr_expect_eq (values->values[i].value, (int) i, "%s has a hole", values->name);
		cr_expect_eq (strncmp (values->values[i].name, prefix, n), 0, "%s of %s",
		        values->values[i].name, message->name);
		cr_expect_lt (strlen (values->values[i].name) - n, ENUM_TEXT_MAX);
	}
	cr_expect (ends (values->values[0].name, "_UNSPECIFIED"));
}

Test (schema, begins_enums_with_unspecified_and_leaves_no_hole)
{
	visit_all (check_enum);
}

Test (schema, writes_a_control_message_s_mac_last)
{
	const ProtobufCMessageDescriptor *control = &belfry__v1__control__descriptor;
	const ProtobufCFieldDescriptor *last = &control->fields[control->n_fields - 1];
	cr_expect_str_eq (last->name, "mac");
	cr_expect_eq (last->id, 31);
}

static void check_list (const event_type_t *type, const char *list)
{
	char copy[256], *save = NULL;
	cr_assert_lt (strlen (list), sizeof copy);
	strcpy (copy, list);
	for (char *name = strtok_r (copy, ",", &save); name; name = strtok_r (NULL, ",", &save))
		cr_expect_not_null (protobuf_c_message_descriptor_get_field_by_name (type->descriptor, name),
		        "%s.%s", type->name, name);
}

Test (schema, has_the_fields_that_the_table_names)
{
	for (size_t i = 0; i < event_type_count (); i++) {
		check_list (event_type_at (i), event_type_at (i)->required);
		check_list (event_type_at (i), event_type_at (i)->first);
	}
}

static void spaced (const char *list, char *out)
{
	for (; *list; list++) {
		*out++ = *list;
		if (*list == ',')
			*out++ = ' ';
	}
	*out = '\0';
}

/* One table for code and documentation (messages.md, "Topics"). */
Test (schema, is_what_its_readme_says)
{
	static const char *const classes[] = { "durable", "volatile", "on demand", "status", "log" };
	FILE *file = fopen (SCHEMA_README, "r");
	cr_assert_not_null (file, "%s", SCHEMA_README);
	static char text[64 * 1024];
	size_t n = fread (text, 1, sizeof text - 1, file);
	fclose (file);
	text[n] = '\0';
	size_t rows = 0;
	for (size_t i = 0; i < event_type_count (); i++) {
		const event_type_t *type = event_type_at (i);
		char row[512], required[256];
		spaced (type->required, required);
		snprintf (row, sizeof row, "\n| %s | %s%s%s | %s | %u | %s | %s%s|\n",
		        channel_name (type->channel), type->token ? "`" : "",
		        type->token ? type->token : "severity", type->token ? "`" : "", type->name,
		        type->payload_case, classes[type->class], required, *required ? " " : "");
		cr_expect_not_null (strstr (text, row), "README.md lacks: %s", row);
	}
	const char *at = strstr (text, "| channel | second segment |");
	cr_assert_not_null (at);
	for (at = strchr (at, '\n') + 1; *at == '|'; at = strchr (at, '\n') + 1)
		rows++;
	cr_expect_eq (rows, event_type_count () + 1, "README.md has a row that is no event");
}
