/* validate.h - what an event must have, and what it must not (messages.md). Nothing is allocated.
 * Pure, thread-safe.
 *
 * Required fields are said; enums are closed; strings are valid UTF-8 and bounded; lists are bounded;
 * a ratio lies in 0..1, a rate is finite and not negative; a time or duration fits an int64. The
 * header's names keep the topics' grammar, its class fits the type, its severity the payload. */

#ifndef WIRE_VALIDATE_H
#define WIRE_VALIDATE_H

#include "base/error.h"
#include "belfry/v1/event.pb-c.h"

enum {
	VALIDATE_NAME_MAX = 255,      /* bytes of a name */
	VALIDATE_TEXT_MAX = 8 * 1024, /* bytes of a sentence, a stack, a label's value */
	VALIDATE_BYTES_MAX = 256 * 1024,
	VALIDATE_LABELS_MAX = 16,
	VALIDATE_ATTRIBUTES_MAX = 64,    /* attributes, annotations: labels under other names */
	VALIDATE_COUNT_MAX = 4096,       /* of any other list */
	VALIDATE_SERIES_MAX = 16 * 1024, /* of a catalogue, and its values */
	VALIDATE_DEPTH_MAX = 8,
};

/* A whole event. 0, or -EINVAL with err saying which field and why; err may be NULL. */
int event_validate (const Belfry__V1__Event *event, err_t *err);

/* An event on its way from an application to the agent: its payload; of the header, which may be
 * absent, severity, correlation_id and labels where they are set. As above. */
int event_validate_payload (const Belfry__V1__Event *event, err_t *err);

#endif
