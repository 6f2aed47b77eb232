/* decode.h - protobuf's bytes into protobuf-c's structs, in one pass that refuses what protobuf-c's own
 * unpack hides. Pure, thread-safe; memory comes from the arena alone.
 *
 * protobuf-c cuts a string at its first NUL, merges a field that comes twice, and lets the last
 * member of a oneof win; another reader of the same bytes may see another message. Here all three
 * are refused, and bytes that are no message with them. Fields that this schema does not know are
 * passed over and not kept. UTF-8 and bounds are validate.h's. */

#ifndef WIRE_DECODE_H
#define WIRE_DECODE_H

#include "base/span.h"
#include "belfry/v1/event.pb-c.h"
#include "wire/arena.h"

/* Why bytes are refused. */
enum {
	DECODE_E_MALFORMED = 1, /* they end inside a field, or a tag or wire type is none */
	DECODE_E_NUL,           /* a string holds a NUL */
	DECODE_E_TWICE,         /* a field that is not repeated, or a oneof, comes twice */
};

/* descriptor: of a message of the schema (plan.h). 0 with *ret, which lives until the arena's reset and
 * borrows nothing of bytes; DECODE_E_*; -ENOMEM past the arena's cap. */
int decode_message (const ProtobufCMessageDescriptor *descriptor, span_t bytes, arena_t *arena,
        ProtobufCMessage **ret) MUST_CHECK;
int decode_event (span_t bytes, arena_t *arena, Belfry__V1__Event **ret) MUST_CHECK;

#endif
