/* intake.h - from two frames to an event that can be believed: envelope, MAC, decoding, validation,
 * and that the header says what the topic says (wire.md, "Frames on the stream"). Each refusal is
 * counted by its reason. Pure but for the keyring. One owner, not thread-safe. */

#ifndef CLIENT_INTAKE_H
#define CLIENT_INTAKE_H

#include <stdint.h>

#include "belfry/v1/event.pb-c.h"
#include "base/span.h"
#include "wire/keyring.h"
#include "wire/refusal.h"
#include "wire/topic.h"

typedef struct intake intake_t;

/* keyring: borrowed; NULL: MACs are not looked at. 0, or -ENOMEM. */
int intake_new (keyring_t *keyring, intake_t **ret);
void intake_destroy (intake_t **self_p);

/* Opens one message. REFUSAL_NONE with *ret, borrowed until the next call; else the reason, counted. */
refusal_t intake_open (intake_t *self, span_t topic, span_t envelope, const Belfry__V1__Event **ret);

/* Counts a refusal made elsewhere. Returns reason. */
refusal_t intake_refuse (intake_t *self, refusal_t reason);

/* How often, of one reason below REFUSAL_COUNT. */
uint64_t intake_refused (const intake_t *self, refusal_t reason);

#endif
