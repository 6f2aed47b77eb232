/* A node dies and comes back, as the whole pipeline sees it: verdicts, members, components, alerts. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "core_fixture.h"

#define ALIVE BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE
#define SUSPECT BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT
#define UNRESPONSIVE BELFRY__V1__NODE_STATE__NODE_STATE_UNRESPONSIVE
#define DOWN BELFRY__V1__NODE_STATE__NODE_STATE_DOWN
#define REJOINED BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED
#define STOPPED BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED
#define LEFT BELFRY__V1__NODE_STATE__NODE_STATE_LEFT
#define FIRING BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING
#define RESOLVED BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED
#define UNKNOWN BELFRY__V1__ALERT_STATE__ALERT_STATE_UNKNOWN
#define LIFECYCLE BELFRY__V1__EVENT__PAYLOAD_NODE_LIFECYCLE
#define MEMBERSHIP BELFRY__V1__EVENT__PAYLOAD_MEMBERSHIP_CHANGED
#define ALERT BELFRY__V1__EVENT__PAYLOAD_ALERT

static fixture_t *fixture;
static signer_t *signer;

static void setup (void)
{
	fixture = fixture_new (true);
	signer = signer_new ("demo", "n1", 1, 7, true, false);
}

static void teardown (void)
{
	signer_free (signer);
	fixture_free (fixture);
}

/* Lives long enough for the collector to judge. */
static void begin (void)
{
	fixture_live (fixture, signer, 5 * NS_PER_S);
}

TestSuite (outage, .init = setup, .fini = teardown);

static void take (void)
{
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
}

/* The agent starts again, as incarnation. */
static void restart (uint64_t incarnation)
{
	signer_free (signer);
	signer = signer_new ("demo", "n1", incarnation, 7 + incarnation, true, false);
	fixture_live (fixture, signer, 400 * NS_PER_MS);
}

static void lifecycle_is (Belfry__V1__NodeState from, Belfry__V1__NodeState to)
{
	Belfry__V1__Event *event = fixture_published (fixture, LIFECYCLE);
	cr_assert_not_null (event);
	cr_assert_str_eq (event->header->subject_node, "n1");
	cr_assert_eq (event->node_lifecycle->from_state, from);
	cr_assert_eq (event->node_lifecycle->to_state, to);
	belfry__v1__event__free_unpacked (event, NULL);
}

Test (outage, a_killed_agent_is_down_with_an_alert_and_recovers)
{
	begin ();
	cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
	lifecycle_is (BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN, ALIVE);
	core_disconnected (fixture->core, 7, fixture->now);
	cr_assert_eq (fixture_state (fixture, "n1"), SUSPECT, "at once");
	fixture_pass (fixture, 1100 * NS_PER_MS);
	cr_assert_eq (fixture_state (fixture, "n1"), DOWN);
	Belfry__V1__Event *event = fixture_published (fixture, LIFECYCLE);
	cr_assert_eq (event->node_lifecycle->kind, BELFRY__V1__NODE_KIND__NODE_KIND_AGENT);
	cr_assert_eq (event->node_lifecycle->n_evidence, 2);
	cr_assert_str_eq (event->node_lifecycle->evidence[0]->witness, "collector.c1");
	cr_assert_str_eq (event->node_lifecycle->evidence[1]->saw, "connection ended");
	cr_assert_leq (event->node_lifecycle->detection_ns, 1300 * NS_PER_MS);
	cr_assert_eq (event->header->severity, BELFRY__V1__SEVERITY__SEVERITY_ERROR);
	cr_assert_str_eq (event->header->source, "detect");
	belfry__v1__event__free_unpacked (event, NULL);

	event = fixture_published (fixture, ALERT);
	cr_assert_str_eq (event->alert->name, "NodeDown");
	cr_assert_eq (event->alert->state, FIRING);
	cr_assert_str_eq (event->alert->node, "n1");
	cr_assert_str_eq (event->header->subject_node, "n1");
	cr_assert_str_eq (event->alert->labels[0]->key, "node");
	cr_assert_str_eq (event->alert->labels[0]->value, "n1");
	cr_assert_str_eq (event->alert->summary, "n1 is down (agent)");
	belfry__v1__event__free_unpacked (event, NULL);
	const message_t *published = &fixture->published[(fixture->n_published - 1) % 512];
	for (size_t i = 0; i < fixture->n_published; i++) {
		if (memcmp (fixture->published[i].topic, "alerts/critical/", 16) == 0)
			published = &fixture->published[i];
	}
	static const char topic[] = "alerts/critical/demo/collector.c1/detect/";
	cr_assert_eq (published->topic_size, sizeof topic - 1);
	cr_assert_eq (memcmp (published->topic, topic, sizeof topic - 1), 0);

	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->n_evidence, 2);
	cr_assert_not_null (strstr (status->status->nodes[0]->evidence[1], "connection ended"));
	cr_assert_eq (status->status->n_alerts, 1);
	belfry__v1__control__free_unpacked (status, NULL);

	restart (2);
	cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
	lifecycle_is (REJOINED, ALIVE);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), RESOLVED);
	event = fixture_published (fixture, ALERT);
	cr_assert_eq (event->alert->state, RESOLVED);
	cr_assert_gt (event->alert->ends_ns, event->alert->starts_ns);
	cr_assert_str_eq (event->alert->summary, "n1 is down (agent)", "as it was");
	belfry__v1__event__free_unpacked (event, NULL);
	fixture_live (fixture, signer, 302 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), 0, "forgotten after five minutes");
}

Test (outage, a_stopped_agent_pages_nobody)
{
	begin ();
	signer_lifecycle (signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPING,
	        "shutdown", fixture->now);
	take ();
	cr_assert_eq (fixture_state (fixture, "n1"), STOPPED);
	signer_lifecycle (signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED,
	        "shutdown", fixture->now);
	take ();
	signer_beat (signer, 9, 9, fixture->now);
	take ();
	core_disconnected (fixture->core, 7, fixture->now);
	fixture_pass (fixture, 40 * NS_PER_S);
	cr_assert_eq (fixture_state (fixture, "n1"), STOPPED);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), 0);
	restart (2);
	cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
}

Test (outage, an_application_cannot_say_goodbye_for_its_node)
{
	begin ();
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__SystemLifecycle lifecycle = BELFRY__V1__SYSTEM_LIFECYCLE__INIT;
	char system[] = "shop", reason[] = "decommission";
	lifecycle.state = BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED;
	lifecycle.system = system;
	lifecycle.reason = reason;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE;
	event.system_lifecycle = &lifecycle;
	const publisher_note_t note = { .source = "shop" };
	signer_event (signer, &event, &note, fixture->now);
	take ();
	cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
}

Test (outage, only_a_decommission_removes_a_member)
{
	begin ();
	Belfry__V1__Event *event = fixture_published (fixture, MEMBERSHIP);
	cr_assert_eq (event->membership_changed->event, BELFRY__V1__MEMBERSHIP_EVENT__MEMBERSHIP_EVENT_ADDED);
	cr_assert_str_eq (event->membership_changed->affected[0], "n1");
	cr_assert_eq (event->membership_changed->n_active, 1);
	belfry__v1__event__free_unpacked (event, NULL);
	core_disconnected (fixture->core, 7, fixture->now);
	fixture_pass (fixture, 1100 * NS_PER_MS);
	restart (2);
	cr_assert_eq (fixture_count (fixture, MEMBERSHIP), 1, "down and back is no change of members");
	signer_lifecycle (signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPING,
	        "decommission", fixture->now);
	take ();
	fixture_pass (fixture, 20 * NS_PER_MS);
	cr_assert_eq (fixture_state (fixture, "n1"), LEFT);
	event = fixture_published (fixture, MEMBERSHIP);
	cr_assert_eq (
	        event->membership_changed->event, BELFRY__V1__MEMBERSHIP_EVENT__MEMBERSHIP_EVENT_REMOVED);
	cr_assert_eq (event->membership_changed->n_active, 0);
	belfry__v1__event__free_unpacked (event, NULL);
	restart (3);
	fixture_pass (fixture, 20 * NS_PER_MS);
	cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
	cr_assert_eq (fixture_count (fixture, MEMBERSHIP), 3);
}

Test (outage, an_alert_of_a_component_is_unknown_while_its_node_is_down_and_resolves_when_it_is_well)
{
	begin ();
	signer_component (signer, NULL, "data", BELFRY__V1__STATUS__STATUS_UNHEALTHY, fixture->now);
	take ();
	fixture_live (fixture, signer, 2 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "ComponentUnhealthy", "n1"),
	        BELFRY__V1__ALERT_STATE__ALERT_STATE_PENDING);
	fixture_live (fixture, signer, 30 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "ComponentUnhealthy", "n1"), FIRING);
	core_disconnected (fixture->core, 7, fixture->now);
	fixture_pass (fixture, 1100 * NS_PER_MS);
	cr_assert_eq (fixture_alert (fixture, "ComponentUnhealthy", "n1"), UNKNOWN);
	fixture_pass (fixture, 400 * NS_PER_S);
	cr_assert_eq (
	        fixture_alert (fixture, "ComponentUnhealthy", "n1"), UNKNOWN, "silence resolves nothing");
	restart (2);
	fixture_live (fixture, signer, 2 * NS_PER_S);
	cr_assert_eq (
	        fixture_alert (fixture, "ComponentUnhealthy", "n1"), UNKNOWN, "it has not said anything");
	signer_component (signer, NULL, "data", BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	take ();
	fixture_live (fixture, signer, 1200 * NS_PER_MS);
	cr_assert_eq (fixture_alert (fixture, "ComponentUnhealthy", "n1"), RESOLVED);
}

Test (outage, a_pause_of_the_collector_declares_nobody_dead)
{
	begin ();
	size_t before = fixture_count (fixture, LIFECYCLE);
	fixture->now.mono.ns += 60 * NS_PER_S;
	fixture->now.wall.ns += 60 * NS_PER_S;
	core_tick (fixture->core, fixture->now);
	fixture_live (fixture, signer, 2 * NS_PER_S);
	cr_assert_eq (fixture_count (fixture, LIFECYCLE), before);
	cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
}

Test (outage, a_reload_resolves_the_alerts_of_rules_that_are_gone)
{
	begin ();
	core_disconnected (fixture->core, 7, fixture->now);
	fixture_pass (fixture, 1100 * NS_PER_MS);
	cr_assert_eq (fixture_alert (fixture, "Watchdog", ""), FIRING);
	fixture_rules (fixture, "rules: [{name: Watchdog, enabled: false}]");
	cr_assert_eq (fixture_alert (fixture, "Watchdog", ""), RESOLVED);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), FIRING);
	fixture_rules (fixture, "rules: []");
	cr_assert_eq (fixture_alert (fixture, "Watchdog", ""), FIRING);
}

Test (outage, the_watchdog_is_said_again_and_again)
{
	fixture_pass (fixture, 35 * NS_PER_S);
	Belfry__V1__Event *event = fixture_published (fixture, ALERT);
	cr_assert_str_eq (event->alert->name, "Watchdog");
	cr_assert_eq (event->alert->state, FIRING);
	cr_assert_eq (event->alert->repeats, 3);
	cr_assert_str_eq (event->alert->node, "");
	belfry__v1__event__free_unpacked (event, NULL);
}

Test (outage, a_node_that_was_expected_and_never_seen_stays_unknown)
{
	const char *const expected[] = { "n1", "n9" };
	core_options_t options = { .cluster = "demo",
		.name = "c1",
		.version = "1",
		.incarnation = 1,
		.boot_nonce = 1,
		.rules = fixture->rules,
		.expected = expected,
		.n_expected = 2 };
	core_destroy (&fixture->core);
	const core_port_t port = fixture_port (fixture);
	err_t err;
	cr_assert_eq (core_new (&options, &port, fixture->now, &fixture->core, &err), 0);
	fixture_pass (fixture, 120 * NS_PER_S);
	cr_assert_eq (fixture_state (fixture, "n9"), BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n9"), 0, "nothing is known of it");
}
