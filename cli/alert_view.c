#include "cli/alert_view.h"

#include "wire/describe.h"

#include <string.h>

void json_write_key_moment (json_writer_t *json, const char *key, uint64_t ns)
{
	json_write_key (json, key);
	if (ns)
		json_write_time (json, (wall_t){ (int64_t) ns });
	else
		json_write_null (json);
}

char *age_text (uint64_t now_ns, uint64_t since_ns, char text[DURATION_TEXT_MAX])
{
	text[0] = '\0';
	return since_ns ? duration_format (now_ns > since_ns ? (int64_t) (now_ns - since_ns) : 0, text)
	                : text;
}

static const char *state_text (const Belfry__V1__Alert *alert, char text[ENUM_TEXT_MAX])
{
	return enum_text (&belfry__v1__alert_state__descriptor, (int) alert->state, text);
}

static void labels_json (json_writer_t *json, const char *key, Belfry__V1__Label *const *labels, size_t n)
{
	if (n == 0)
		return;
	json_write_key (json, key);
	json_write_begin_object (json);
	for (size_t i = 0; i < n; i++)
		json_write_key_string (json, labels[i]->key, labels[i]->value);
	json_write_end_object (json);
}

static void text_json (json_writer_t *json, const char *key, const char *text)
{
	if (text[0])
		json_write_key_string (json, key, text);
}

static void number_json (json_writer_t *json, const char *key, double value)
{
	json_write_key (json, key);
	json_write_double (json, value);
}

void alert_json (json_writer_t *json, const Belfry__V1__Alert *alert)
{
	char text[ENUM_TEXT_MAX];
	json_write_begin_object (json);
	json_write_key_string (json, "fingerprint", alert->fingerprint);
	json_write_key_string (json, "name", alert->name);
	json_write_key_string (json, "state", state_text (alert, text));
	json_write_key_string (json, "severity", severity_name (alert->severity));
	json_write_key_string (json, "node", alert->node);
	json_write_key_moment (json, "starts", alert->starts_ns);
	if (alert->ends_ns)
		json_write_key_moment (json, "ends", alert->ends_ns);
	if (alert->category)
		json_write_key_string (json, "category",
		        enum_text (&belfry__v1__alert_category__descriptor, (int) alert->category, text));
	text_json (json, "summary", alert->summary);
	text_json (json, "description", alert->description);
	labels_json (json, "labels", alert->labels, alert->n_labels);
	labels_json (json, "annotations", alert->annotations, alert->n_annotations);
	if (alert->has_value_case)
		number_json (json, "value", alert->value);
	if (alert->has_threshold_case)
		number_json (json, "threshold", alert->threshold);
	if (alert->direction)
		json_write_key_string (json, "direction",
		        enum_text (&belfry__v1__alert_direction__descriptor, (int) alert->direction, text));
	text_json (json, "unit", alert->unit);
	if (alert->repeats)
		json_write_key_u64 (json, "repeats", alert->repeats);
	if (alert->flapping)
		json_write_key_bool (json, "flapping", true);
	text_json (json, "inhibited_by", alert->inhibited_by);
	text_json (json, "silenced_by", alert->silenced_by);
	text_json (json, "acknowledged_by", alert->acknowledged_by);
	json_write_end_object (json);
}

const table_column_t alert_columns[ALERT_COLUMNS] = {
	{ "SEVERITY", false, 0 },
	{ "STATE", false, 0 },
	{ "SINCE", true, 2 },
	{ "NODE", false, 0 },
	{ "ALERT", false, 0 },
	{ "NOTE", false, 3 },
	{ "SUMMARY", false, 0 },
};

void alert_row (table_t *table, const Belfry__V1__Alert *alert, uint64_t now_ns)
{
	char text[ENUM_TEXT_MAX], since[DURATION_TEXT_MAX];
	bool firing = alert->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING;
	bool resolved = alert->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED;
	uint64_t moment = resolved && alert->ends_ns ? alert->ends_ns : alert->starts_ns;
	const char *note = alert->silenced_by[0]       ? "silenced"
	                   : alert->inhibited_by[0]    ? "inhibited"
	                   : alert->acknowledged_by[0] ? "acknowledged"
	                   : alert->flapping           ? "flapping"
	                                               : "";
	table_put (table, firing ? style_of_severity ((int) alert->severity) : STYLE_DIM, "%s",
	        severity_name (alert->severity));
	table_put (table, firing ? STYLE_BOLD : STYLE_DIM, "%s", state_text (alert, text));
	table_put (table, STYLE_PLAIN, "%s", age_text (now_ns, moment, since));
	table_put (table, STYLE_PLAIN, "%s", alert->node[0] ? alert->node : "-");
	table_put (table, STYLE_PLAIN, "%s", alert->name);
	table_put (table, STYLE_DIM, "%s", note);
	table_put (table, STYLE_PLAIN, "%s", alert->summary);
}
