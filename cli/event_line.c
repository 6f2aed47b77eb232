#include "cli/event_line.h"

#include "base/json_writer.h"
#include "wire/describe.h"
#include "wire/render.h"

#include <string.h>

enum { NODE_WIDTH_MIN = 8, NODE_WIDTH_MAX = 36, TIME_WIDTH = 12, SEVERITY_WIDTH = 8, CHANNEL_WIDTH = 11 };

static const char *verified_name (belfry_client_verified_t verified)
{
	static const char *const names[] = { "no", "mac", "collector" };
	return names[verified];
}

void sample_name (buffer_t *out, const belfry_client_sample_t *sample)
{
	buffer_text (out, sample->name);
	for (size_t i = 0; i < sample->n_labels; i++) {
		buffer_printf (out, "%c%s=\"", i ? ',' : '{', sample->labels[i]->key);
		for (const char *p = sample->labels[i]->value; *p; p++) {
			if (*p == '\n') {
				buffer_text (out, "\\n");
				continue;
			}
			if (*p == '"' || *p == '\\')
				buffer_char (out, '\\');
			buffer_char (out, *p);
		}
		buffer_char (out, '"');
	}
	if (sample->n_labels)
		buffer_char (out, '}');
}

/* The figures of a batch under their full names, histograms apart: those have no single value. */
static void samples_json (json_writer_t *json, belfry_client_t *client, const belfry_client_event_t *event)
{
	const belfry_client_sample_t *samples;
	size_t n;
	if (belfry_client_samples (client, event, &samples, &n) || n == 0)
		return;
	buffer_t name = BUFFER_INIT;
	json_write_key (json, "samples");
	json_write_begin_object (json);
	for (size_t i = 0; i < n; i++) {
		if (samples[i].kind == BELFRY__V1__METRIC_KIND__METRIC_KIND_HISTOGRAM)
			continue;
		buffer_reset (&name);
		sample_name (&name, &samples[i]);
		json_write_key (json, buffer_string (&name));
		json_write_double (json, samples[i].value);
	}
	json_write_end_object (json);
	buffer_free (&name);
}

void event_line_json (buffer_t *line, belfry_client_t *client, const belfry_client_event_t *event)
{
	const Belfry__V1__Header *header = event->event->header;
	const event_type_t *type = event_type_of (event->event);
	json_writer_t json = json_writer_on (line);
	json_write_begin_object (&json);
	json_write_key_string (&json, "topic", event->topic);
	json_write_key_string (&json, "verified", verified_name (event->verified));
	json_write_key_string (&json, "node", header->node);
	if (header->subject_node[0])
		json_write_key_string (&json, "subject_node", header->subject_node);
	json_write_key_string (&json, "channel", channel_name (type->channel));
	json_write_key_string (&json, "type", type->name);
	json_write_key_string (&json, "severity", severity_name (header->severity));
	json_write_key (&json, "time");
	json_write_time (&json, (wall_t){ (int64_t) header->time_ns });
	if (event->offset)
		json_write_key_u64 (&json, "offset", event->offset);
	if (event->snapshot)
		json_write_key_bool (&json, "snapshot", true);
	if (event->late)
		json_write_key_bool (&json, "late", true);
	if (header->correlation_id[0])
		json_write_key_string (&json, "correlation_id", header->correlation_id);
	if (header->n_labels) {
		json_write_key (&json, "labels");
		json_write_begin_object (&json);
		for (size_t i = 0; i < header->n_labels; i++)
			json_write_key_string (&json, header->labels[i]->key, header->labels[i]->value);
		json_write_end_object (&json);
	}
	json_write_key (&json, "event");
	render_json_payload (&json, event->event);
	if (event->event->payload_case == BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH)
		samples_json (&json, client, event);
	json_write_end_object (&json);
}

/* "MetricBatch 415 samples node_load1=0.52 ...", at most about max bytes; 0: all of them. False when
 * its names are not known. */
static bool samples_text (
        buffer_t *out, belfry_client_t *client, const belfry_client_event_t *event, size_t max)
{
	const belfry_client_sample_t *samples;
	size_t n, begin = out->size;
	if (belfry_client_samples (client, event, &samples, &n))
		return false;
	buffer_t one = BUFFER_INIT;
	buffer_printf (out, "MetricBatch %zu sample%s", n, n == 1 ? "" : "s");
	for (size_t i = 0; i < n; i++) {
		buffer_reset (&one);
		buffer_char (&one, ' ');
		sample_name (&one, &samples[i]);
		if (samples[i].kind != BELFRY__V1__METRIC_KIND__METRIC_KIND_HISTOGRAM)
			buffer_printf (&one, "=%.6g", samples[i].value);
		if (max && out->size - begin + one.size + sizeof " ..." - 1 > max) {
			buffer_text (out, " ...");
			break;
		}
		text_clean (out, buffer_string (&one));
	}
	buffer_free (&one);
	return true;
}

/* A batch of figures has hundreds: on a terminal it is one line, in a pipe all of them for grep. */
static void payload_text (buffer_t *out, const output_t *output, belfry_client_t *client,
        const belfry_client_event_t *event, size_t lead)
{
	size_t left = output->columns > (int) lead + 40 ? (size_t) output->columns - lead : 40;
	bool figures = event->event->payload_case == BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH;
	if (!figures || !samples_text (out, client, event, output->columns ? left : 0))
		render_text_event (out, event->event, figures && output->columns ? left : 0);
}

void event_line_text (buffer_t *line, const output_t *output, event_columns_t *columns,
        belfry_client_t *client, const belfry_client_event_t *event, wall_t now)
{
	const Belfry__V1__Header *header = event->event->header;
	const event_type_t *type = event_type_of (event->event);
	const char *node = header->subject_node[0] ? header->subject_node : header->node;
	style_t style = style_of_severity ((int) header->severity);
	char time[WALL_TEXT_MAX];
	wall_format_local ((wall_t){ (int64_t) header->time_ns }, now, time);
	if (columns->node < NODE_WIDTH_MIN)
		columns->node = NODE_WIDTH_MIN;
	if (strlen (node) > columns->node)
		columns->node = strlen (node) < NODE_WIDTH_MAX ? strlen (node) : NODE_WIDTH_MAX;
	buffer_printf (line, "%-*s %s%-*s%s %-*s %-*s ", TIME_WIDTH, time, output_style (output, style),
	        SEVERITY_WIDTH, severity_name (header->severity), output_reset (output, style),
	        (int) columns->node, node, CHANNEL_WIDTH, channel_name (type->channel));
	size_t lead = TIME_WIDTH + SEVERITY_WIDTH + columns->node + CHANNEL_WIDTH + 4;
	payload_text (line, output, client, event, lead);
	if (node != header->node)
		buffer_printf (line, " %s[%s]%s", output_style (output, STYLE_DIM), header->node,
		        output_reset (output, STYLE_DIM));
}
