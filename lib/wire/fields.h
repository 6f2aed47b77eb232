/* fields.h - messages filled from text: by dotted path, or from JSON. Whoever asks gets told which
 * field there is nearest. The message and all inside it live in the caller's arena; it is no less
 * in need of event_validate_payload than one from the wire. Pure.
 *
 *	samples.0.name=x        an entry of a list: the next free one, or one that is there
 *	labels.disk=sda         of a list of labels: by key
 *	status=degraded         enums by name, lower case, without prefix
 *	duration_ns=12ms        durations with a unit, or a plain count of nanoseconds
 *	starts_ns=2026-11-24T03:12:07.5Z, or nanoseconds
 *	persisted_bytes=4MiB    sizes with KiB, MiB, GiB, TiB, or plain
 *	cpu_used_ratio=52%      ratios in percent, or plain
 *	enabled=true            true, false, yes, no, on, off, 1, 0
 *	probe_key=00ff          bytes in hex */

#ifndef WIRE_FIELDS_H
#define WIRE_FIELDS_H

#include "base/buffer.h"
#include "base/error.h"
#include "wire/arena.h"
#include "wire/describe.h"

/* A new message with every field at its default; NULL past the arena's cap. */
ProtobufCMessage *fields_new (arena_t *arena, const ProtobufCMessageDescriptor *descriptor);

/* A new event of that type with an empty payload and no header; NULL past the arena's cap. */
Belfry__V1__Event *fields_event (arena_t *arena, const event_type_t *type);

/* Sets one field of a message made by fields_new or fields_event (a list from elsewhere has no room to
 * grow). value is copied. 0; -EINVAL with err: no such field (and the nearest), or a value
 * that is none of its kind; -ENOMEM past the arena's cap. After a failure the message may hold empty
 * parts along the path. */
int fields_set (ProtobufCMessage *message, arena_t *arena, const char *path, const char *value, err_t *err);

/* The same from "path=value". -EINVAL too where there is no "=". */
int fields_assign (ProtobufCMessage *message, arena_t *arena, const char *assignment, err_t *err);

/* Fills message from a JSON object as render_json writes it: numbers, or strings in any of the forms
 * above; null leaves a field alone. Unknown and repeated keys are refused. 0; -EINVAL with err: line
 * and column, or the field; -ENOMEM. In fields_json.c, which stands on jansson. */
int fields_from_json (ProtobufCMessage *message, arena_t *arena, span_t json, err_t *err);

/* Every type of the nine channels with its fields and their kinds, for people: what `belfry send --list`
 * prints. */
void fields_list (buffer_t *out);
/* One type's line and fields. */
void fields_list_type (buffer_t *out, const event_type_t *type);

#endif
