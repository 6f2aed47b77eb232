/* Roles: pure, and through the core. */

#include <stdio.h>
#include "collector/gate.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "core_fixture.h"
#include "wire/control.h"

static refusal_t event (role_t role, const char *name, const char *topic)
{
	user_t user = { .role = role };
	snprintf (user.name, sizeof user.name, "%s", name);
	return gate_event (&user, span_str (topic));
}

Test (gate, an_agent_speaks_as_its_own_node_alone)
{
	cr_assert_eq (event (ROLE_AGENT, "n1", "health/node/demo/n1/agent/"), REFUSAL_NONE);
	cr_assert_eq (event (ROLE_AGENT, "n1", "health/node/demo/n2/agent/"), REFUSAL_USER);
	cr_assert_eq (event (ROLE_AGENT, "n1", "health/node/demo/n10/agent/"), REFUSAL_USER);
	cr_assert_eq (
	        event (ROLE_AGENT, "n1", "fabric/heartbeat/demo/collector.c1/collector/"), REFUSAL_USER);
	cr_assert_eq (
	        event (ROLE_AGENT, "n1", "nonsense"), REFUSAL_NONE, "the topic's own refusal says more");
}

Test (gate, nobody_else_speaks_on_the_stream)
{
	for (role_t role = ROLE_VIEWER; role < ROLE_COUNT; role++) {
		cr_assert_eq (event (role, "n1", "health/node/demo/n1/agent/"), REFUSAL_USER);
		cr_assert_eq (event (role, "n1", "nonsense"), REFUSAL_USER);
	}
	cr_assert_eq (event (ROLE_NONE, "", "health/node/demo/n1/agent/"), REFUSAL_NONE, "without CURVE");
}

Test (gate, each_request_is_for_its_roles)
{
	static const struct {
		Belfry__V1__Control__BodyCase body;
		unsigned roles;
	} bodies[] = {
		{ BELFRY__V1__CONTROL__BODY_HELLO, ROLE_BIT (ROLE_AGENT) },
		{ BELFRY__V1__CONTROL__BODY_RESEND, ROLE_BIT (ROLE_AGENT) },
		{ BELFRY__V1__CONTROL__BODY_PEER_REPORT, ROLE_BIT (ROLE_AGENT) },
		{ BELFRY__V1__CONTROL__BODY_STATUS_REQUEST,
		        ROLE_BIT (ROLE_VIEWER) | ROLE_BIT (ROLE_OPERATOR) },
		{ BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST,
		        ROLE_BIT (ROLE_VIEWER) | ROLE_BIT (ROLE_OPERATOR) },
		{ BELFRY__V1__CONTROL__BODY_JOURNAL_READ, ROLE_BIT (ROLE_VIEWER) | ROLE_BIT (ROLE_OPERATOR) },
		{ BELFRY__V1__CONTROL__BODY_COMMAND, ROLE_BIT (ROLE_OPERATOR) },
		{ BELFRY__V1__CONTROL__BODY_ENROL, ROLE_BIT (ROLE_ENROL) },
	};
	char name[] = "n1";
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
		control.node = name;
		control.body_case = bodies[i].body;
		cr_assert_null (gate_request (ROLE_NONE, "", &control), "without CURVE");
		for (role_t role = ROLE_AGENT; role < ROLE_COUNT; role++)
			cr_assert_eq (gate_request (role, "n1", &control) == NULL,
			        (bodies[i].roles & ROLE_BIT (role)) != 0, "body %d, role %s",
			        (int) bodies[i].body, role_word (role));
	}
}

Test (gate, an_agents_key_is_its_own_nodes)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	char name[] = "n2";
	control.node = name;
	control.body_case = BELFRY__V1__CONTROL__BODY_HELLO;
	cr_assert_not_null (gate_request (ROLE_AGENT, "n1", &control));
	cr_assert_null (gate_request (ROLE_AGENT, "n2", &control));
}

/* What the core answers to a command of peer. */
static Belfry__V1__Control *command (fixture_t *fixture, role_t role, const char *name)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Command body = BELFRY__V1__COMMAND__INIT;
	char what[] = "persist", node[] = "n1";
	const core_peer_t peer = { span_str ("peer"), role, name };
	uint8_t *bytes;
	size_t size;
	body.name = what;
	body.node = node;
	control.id = 7;
	control.body_case = BELFRY__V1__CONTROL__BODY_COMMAND;
	control.command = &body;
	cr_assert_eq (control_pack (&control, CONTROL_TO_COLLECTOR, NULL, NULL, &bytes, &size), 0);
	core_control (fixture->core, &peer, span_of (bytes, size), fixture->now);
	free (bytes);
	fixture_flush (fixture);
	return fixture_answer (fixture);
}

Test (gate, a_viewers_command_is_refused_and_is_a_security_event)
{
	fixture_t *fixture = fixture_new (true);
	Belfry__V1__Control *answer = command (fixture, ROLE_VIEWER, "eve");
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_REFUSED);
	cr_assert_str_eq (answer->refused->reason, "role");
	belfry__v1__control__free_unpacked (answer, NULL);
	Belfry__V1__Event *said = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_ACCESS_VIOLATION);
	cr_assert_not_null (said);
	cr_assert_str_eq (said->access_violation->user, "viewer eve");
	cr_assert_not_null (strstr (said->access_violation->action, "persist"));
	belfry__v1__event__free_unpacked (said, NULL);
	cr_assert_eq (fixture_count (fixture, BELFRY__V1__EVENT__PAYLOAD_ADMIN_ACTION), 0);
	cr_assert_eq (fixture_refused (fixture, REFUSAL_USER), 1);
	fixture_free (fixture);
}

Test (gate, a_flood_of_refused_commands_is_one_event_a_second)
{
	fixture_t *fixture = fixture_new (true);
	for (int i = 0; i < 50; i++) {
		Belfry__V1__Control *answer = command (fixture, ROLE_AGENT, "n1");
		belfry__v1__control__free_unpacked (answer, NULL);
	}
	cr_assert_eq (fixture_count (fixture, BELFRY__V1__EVENT__PAYLOAD_ACCESS_VIOLATION), 1);
	fixture_pass (fixture, 2 * NS_PER_S);
	belfry__v1__control__free_unpacked (command (fixture, ROLE_AGENT, "n1"), NULL);
	cr_assert_eq (fixture_count (fixture, BELFRY__V1__EVENT__PAYLOAD_ACCESS_VIOLATION), 2);
	Belfry__V1__Event *said = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_ACCESS_VIOLATION);
	cr_assert_not_null (strstr (said->access_violation->action, "49 more"));
	belfry__v1__event__free_unpacked (said, NULL);
	fixture_free (fixture);
}

Test (gate, an_operators_command_is_audited_with_who_and_what_came_of_it)
{
	static const struct {
		role_t role;
		const char *name, *actor;
	} cases[] = { { ROLE_OPERATOR, "alice", "operator alice" }, { ROLE_NONE, "", "unproven somebody" } };
	for (size_t i = 0; i < 2; i++) {
		fixture_t *fixture = fixture_new (true);
		Belfry__V1__Control *answer = command (fixture, cases[i].role, cases[i].name);
		belfry__v1__control__free_unpacked (answer, NULL);
		Belfry__V1__Event *said =
		        fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_ADMIN_ACTION);
		cr_assert_not_null (said);
		cr_assert_str_eq (said->admin_action->actor, cases[i].actor);
		cr_assert_str_eq (said->admin_action->action, "persist");
		cr_assert_str_eq (said->admin_action->target, "n1");
		cr_assert_eq (said->header->class_, BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE);
		belfry__v1__event__free_unpacked (said, NULL);
		fixture_free (fixture);
	}
}
