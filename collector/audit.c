#include "collector/audit.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/borrow.h"

#define VIOLATION_NS NS_PER_S
enum { TEXT_MAX = 512 };

/* "operator alice"; without CURVE the name that was given, which nobody has proven. */
static void actor_of (const core_peer_t *peer, const char *said, char out[TEXT_MAX])
{
	if (peer->role != ROLE_NONE)
		snprintf (out, TEXT_MAX, "%s %s", role_word (peer->role), peer->name);
	else
		snprintf (out, TEXT_MAX, "unproven %.64s", said && *said ? said : "somebody");
}

void audit_command (herald_t *herald, const core_peer_t *peer, const Belfry__V1__Command *command,
        const Belfry__V1__CommandResult *result, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__AdminAction payload = BELFRY__V1__ADMIN_ACTION__INIT;
	char actor[TEXT_MAX], action[TEXT_MAX], target[TEXT_MAX], details[TEXT_MAX];
	actor_of (peer, command->by, actor);
	snprintf (action, sizeof action, "%.64s", command->name);
	snprintf (target, sizeof target, "%.64s", command->node);
	snprintf (details, sizeof details, "%s: %.256s", result->done ? "done" : "not done", result->text);
	payload.actor = actor;
	payload.action = action;
	payload.target = target;
	payload.details = details;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ADMIN_ACTION;
	event.admin_action = &payload;
	const publisher_note_t note = { .severity = BELFRY__V1__SEVERITY__SEVERITY_INFO };
	herald_send (herald, &event, &note, now);
}

void audit_refused (audit_t *self, herald_t *herald, const core_peer_t *peer,
        const Belfry__V1__Control *control, const char *reason, moment_t now)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__AccessViolation payload = BELFRY__V1__ACCESS_VIOLATION__INIT;
	char user[TEXT_MAX], action[TEXT_MAX];
	bool command = control->body_case == BELFRY__V1__CONTROL__BODY_COMMAND;
	if (now.mono.ns < self->refused_due.ns) {
		self->unsaid++;
		return;
	}
	actor_of (peer, NULL, user);
	snprintf (action, sizeof action, "%.64s: %.128s (%" PRIu64 " more before)",
	        command ? control->command->name : "request", reason, self->unsaid);
	self->unsaid = 0;
	self->refused_due = mono_add (now.mono, VIOLATION_NS);
	payload.user = user;
	payload.type = borrow ("role");
	payload.resource = borrow ("control");
	payload.action = action;
	payload.severity = BELFRY__V1__SEVERITY__SEVERITY_WARNING;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ACCESS_VIOLATION;
	event.access_violation = &payload;
	const publisher_note_t note = { .severity = payload.severity };
	herald_send (herald, &event, &note, now);
}
