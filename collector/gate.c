#include "collector/gate.h"

/* Which roles may send each body. */
static unsigned roles_of (Belfry__V1__Control__BodyCase body)
{
	switch (body) {
	case BELFRY__V1__CONTROL__BODY_HELLO:
	case BELFRY__V1__CONTROL__BODY_RESEND:
	case BELFRY__V1__CONTROL__BODY_PEER_REPORT:
	case BELFRY__V1__CONTROL__BODY_COMMAND_RESULT:
		return ROLE_BIT (ROLE_AGENT);
	case BELFRY__V1__CONTROL__BODY_STATUS_REQUEST:
	case BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST:
	case BELFRY__V1__CONTROL__BODY_JOURNAL_READ:
		return ROLE_BIT (ROLE_VIEWER) | ROLE_BIT (ROLE_OPERATOR);
	case BELFRY__V1__CONTROL__BODY_COMMAND:
		return ROLE_BIT (ROLE_OPERATOR);
	case BELFRY__V1__CONTROL__BODY_ENROL:
		return ROLE_BIT (ROLE_ENROL);
	default:
		/* What makes no sense is refused as such, whoever sends it. */
		return ~0u;
	}
}

refusal_t gate_event (const user_t *user, span_t topic)
{
	topic_t parsed;
	if (user->role == ROLE_NONE)
		return REFUSAL_NONE;
	/* A topic that is none is refused for that, and by who counts it. */
	if (topic_parse (topic.data, topic.size, &parsed))
		return user->role == ROLE_AGENT ? REFUSAL_NONE : REFUSAL_USER;
	return user->role == ROLE_AGENT && span_is (parsed.node, user->name) ? REFUSAL_NONE : REFUSAL_USER;
}

const char *gate_request (role_t role, const char *name, const Belfry__V1__Control *control)
{
	if (role == ROLE_NONE)
		return NULL;
	if (!(roles_of (control->body_case) & ROLE_BIT (role))) {
		if (control->body_case == BELFRY__V1__CONTROL__BODY_COMMAND)
			return "commands are for operators: this key's role is another";
		return "this key's role may not ask for that";
	}
	if (role == ROLE_AGENT && strcmp (control->node, name) != 0)
		return "this key is another node's";
	return NULL;
}
