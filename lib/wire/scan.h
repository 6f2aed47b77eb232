/* scan.h - a look at a message's bytes before protobuf-c decodes them: for what decoding hides.
 * Pure, thread-safe, nothing is allocated.
 *
 * protobuf-c cuts a string at its first NUL, merges a field that comes twice, and lets the last
 * member of a oneof win; another reader of the same bytes may see another message. Here all three
 * are refused, and bytes that are no message with them. Fields that this schema does not know are
 * passed over. UTF-8 and bounds are validate.h's, memory is arena.h's. */

#ifndef WIRE_SCAN_H
#define WIRE_SCAN_H

#include <protobuf-c/protobuf-c.h>

#include "base/span.h"

/* Why bytes are refused. */
enum {
	SCAN_E_MALFORMED = 1, /* they end inside a field, or a tag or wire type is none */
	SCAN_E_NUL,           /* a string holds a NUL */
	SCAN_E_TWICE,         /* a field that is not repeated, or a oneof, comes twice */
};

/* descriptor: of a message of the schema (plan.h). 0, or SCAN_E_*. */
int scan_message (const ProtobufCMessageDescriptor *descriptor, span_t bytes);

#endif
