/* audit.h - who commanded what, and who tried to without leave: audit and security events of the collector's
 * own. Pure. One owner, not thread-safe. */

#ifndef COLLECTOR_AUDIT_H
#define COLLECTOR_AUDIT_H

#include "collector/core.h"
#include "collector/herald.h"

typedef struct {
	mono_t refused_due; /* when the next AccessViolation may be said */
	uint64_t unsaid;    /* those that were not, since */
} audit_t;

/* peer commanded, and result came of it. */
void audit_command (herald_t *herald, const core_peer_t *peer, const Belfry__V1__Command *command,
        const Belfry__V1__CommandResult *result, moment_t now);
/* peer asked for what its role may not: at most one event in a second, which counts the others. */
void audit_refused (audit_t *self, herald_t *herald, const core_peer_t *peer,
        const Belfry__V1__Control *control, const char *reason, moment_t now);

#endif
