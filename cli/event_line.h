/* event_line.h - one event as the JSON line of interfaces.md, or as a line for people. */

#ifndef CLI_EVENT_LINE_H
#define CLI_EVENT_LINE_H

#include "base/clock.h"
#include "cli/output.h"
#include "client/belfry_client.h"

/* Widths that grow with what was seen, so that a stream's columns stay aligned. Zero-initialise. */
typedef struct {
	size_t node;
} event_columns_t;

/* The JSON object, without the newline. client resolves packed values; borrowed. */
void event_line_json (buffer_t *line, belfry_client_t *client, const belfry_client_event_t *event);

/* Local time, severity, node, channel, then the payload with what matters first; the signer in brackets
 * where the event is about another node. A batch of figures is cut to the terminal's line. */
void event_line_text (buffer_t *line, const output_t *output, event_columns_t *columns,
        belfry_client_t *client, const belfry_client_event_t *event, wall_t now);

/* name{label="value",...} as Prometheus writes it. */
void sample_name (buffer_t *out, const belfry_client_sample_t *sample);

#endif
