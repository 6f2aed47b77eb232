/* render.h - any message of the schema as JSON for scripts and as one line for people.
 * Pure, thread-safe; the message need not be validated: whatever it holds, the output is well formed
 * and drives no terminal. */

#ifndef WIRE_RENDER_H
#define WIRE_RENDER_H

#include "base/buffer.h"
#include "base/json_writer.h"
#include "belfry/v1/event.pb-c.h"

/* An object with the fields under their protobuf names (interfaces.md): enums by name in lower case,
 * 64-bit integers past 2^53 as strings, bytes as lower-case hex, NaN and infinities as null. Times
 * and durations stay integers of nanoseconds. Fields at zero are left out, but for enums, the
 * required (events.def) and those that are there or not (a oneof of one). Of a oneof with several
 * members the one that is there. */
void render_json (json_writer_t *json, const ProtobufCMessage *message);
/* The event's payload alone; {} without one. */
void render_json_payload (json_writer_t *json, const Belfry__V1__Event *event);

/* "NodeHealth status=degraded previous_status=healthy checks.0.name=disk ...": key=value with the
 * fields that matter first, what is inside flattened by dots, durations as 12ms, sizes as 3.4MiB,
 * ratios as 52%, times as RFC 3339, values with spaces or quotes quoted. Control characters are
 * escaped. Cut at about max bytes with "..."; max 0: 4096. Without a newline. */
void render_text_event (buffer_t *out, const Belfry__V1__Event *event, size_t max);
/* The same for any message, without its name. */
void render_text (buffer_t *out, const ProtobufCMessage *message, size_t max);

#endif
