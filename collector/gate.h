/* gate.h - what a CURVE key's holder may say, by its role: an agent speaks as its own node and nobody else,
 * viewers ask, operators command too. Without CURVE (ROLE_NONE, on loopback) everybody may, and MACs alone
 * tell nodes apart. Pure. */

#ifndef COLLECTOR_GATE_H
#define COLLECTOR_GATE_H

#include "belfry/v1/control.pb-c.h"
#include "wire/refusal.h"
#include "wire/role.h"

/* Who may connect where, as bits of roles. */
#define GATE_STREAM ROLE_BIT (ROLE_AGENT)
#define GATE_OUTLET (ROLE_BIT (ROLE_VIEWER) | ROLE_BIT (ROLE_OPERATOR))
#define GATE_CONTROL (ROLE_BIT (ROLE_AGENT) | GATE_OUTLET | ROLE_BIT (ROLE_ENROL))

/* A message of the stream: REFUSAL_NONE or USER. */
refusal_t gate_event (const user_t *user, span_t topic);
/* A control frame: NULL where it may be answered, else a sentence that says why not; static. */
const char *gate_request (role_t role, const char *name, const Belfry__V1__Control *control);

#endif
