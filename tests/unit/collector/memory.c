/* A collector that begins again knows what it knew, says nothing twice, and takes nothing twice. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "collector/detect/detector.h"
#include "core_fixture.h"

#define ALIVE BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE
#define UNKNOWN_STATE BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN
#define SUSPECT BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT
#define DOWN BELFRY__V1__NODE_STATE__NODE_STATE_DOWN
#define STOPPED BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED
#define REJOINED BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED
#define FIRING BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING
#define PENDING BELFRY__V1__ALERT_STATE__ALERT_STATE_PENDING
#define UNKNOWN BELFRY__V1__ALERT_STATE__ALERT_STATE_UNKNOWN
#define NO_ALERT BELFRY__V1__ALERT_STATE__ALERT_STATE_UNSPECIFIED
#define LIFECYCLE BELFRY__V1__EVENT__PAYLOAD_NODE_LIFECYCLE
#define ALERT BELFRY__V1__EVENT__PAYLOAD_ALERT

static fixture_t *fixture;
static signer_t *signer;

static void setup (void)
{
	fixture = fixture_new (true);
	core_started (fixture->core, fixture->now);
	signer = signer_new ("demo", "n1", 1, 7, true, false);
	belfry__v1__control__free_unpacked (fixture_hello (fixture, signer, "n1", 1, 7, ""), NULL);
	fixture_live (fixture, signer, 5 * NS_PER_S);
}

static void teardown (void)
{
	signer_free (signer);
	fixture_free (fixture);
}

TestSuite (memory, .init = setup, .fini = teardown);

static message_t kept (void)
{
	message_t message = signer->last;
	signer->last = (message_t){ 0 };
	return message;
}

/* A durable event of the agent's. */
static void say (signer_t *by)
{
	signer_lifecycle (
	        by, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED, "", fixture->now);
}

/* How many Alert events with that name about that node were published since n. */
static size_t alerts_since (size_t n, const char *name, const char *node)
{
	size_t count = 0;
	for (size_t i = n; i < fixture->n_published; i++) {
		const message_t *message = &fixture->published[i % 512];
		if (memcmp (message->topic, "alerts/", 7) != 0)
			continue;
		count += memmem (message->envelope, message->envelope_size, name, strlen (name)) != NULL &&
		         memmem (message->envelope, message->envelope_size, node, strlen (node)) != NULL;
	}
	return count;
}

static size_t lifecycles_since (size_t n)
{
	size_t count = 0;
	for (size_t i = n; i < fixture->n_published; i++)
		count += memcmp (fixture->published[i % 512].topic, "lifecycle/", 10) == 0;
	return count;
}

Test (memory, nothing_of_before_is_taken_again)
{
	message_t old[4];
	signer_beat (signer, 100, 0, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	old[0] = kept ();
	say (signer);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	old[1] = kept ();
	fixture_pass (fixture, 1100 * NS_PER_MS);
	fixture_restart (fixture, true, NS_PER_S);
	cr_assert_eq (fixture_take (fixture, &old[0]), REFUSAL_REPLAYED, "a volatile one");
	cr_assert_eq (fixture_take (fixture, &old[1]), REFUSAL_REPLAYED, "a durable one");
	signer_t *older = signer_new ("demo", "n1", 1, 6, true, false);
	say (older);
	cr_assert_eq (fixture_take (fixture, &older->last), REFUSAL_NONCE);
	signer_free (older);
	signer_beat (signer, 101, 1, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE, "and it goes on");
	message_free (&old[0]);
	message_free (&old[1]);
}

Test (memory, what_was_journalled_is_acknowledged_and_what_was_not_is_taken)
{
	message_t messages[3];
	for (int i = 0; i < 3; i++) {
		say (signer);
		messages[i] = kept ();
	}
	cr_assert_eq (fixture_take (fixture, &messages[0]), REFUSAL_NONE);
	fixture->hold_commits = true;
	cr_assert_eq (fixture_take (fixture, &messages[1]), REFUSAL_NONE);
	fixture_restart (fixture, true, NS_PER_S);
	fixture->hold_commits = false;
	Belfry__V1__Control *welcome = fixture_hello (fixture, signer, "n1", 1, 7, "");
	cr_assert (welcome->welcome->accepted);
	cr_assert_eq (welcome->welcome->newest_durable, 1);
	belfry__v1__control__free_unpacked (welcome, NULL);
	fixture_resend (fixture, signer, "n1", messages, 3, 1);
	Belfry__V1__Control *ack = fixture_answer (fixture);
	cr_assert_eq (ack->ack->newest_durable, 3);
	belfry__v1__control__free_unpacked (ack, NULL);
	for (uint64_t s = 1; s <= 3; s++)
		cr_assert_neq (archive_find (fixture->archive, "n1", 1, s), 0);
	for (int i = 0; i < 3; i++)
		message_free (&messages[i]);
}

Test (memory, a_node_that_was_well_is_unknown_until_it_is_heard_and_nothing_is_said_of_it)
{
	cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
	size_t before = fixture->n_published;
	fixture_restart (fixture, false, 3 * NS_PER_S);
	cr_assert_eq (fixture_state (fixture, "n1"), UNKNOWN_STATE);
	fixture_pass (fixture, 2 * NS_PER_S);
	fixture_live (fixture, signer, 200 * NS_PER_MS);
	cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
	cr_assert_eq (lifecycles_since (before), 0);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->incarnation, 1);
	belfry__v1__control__free_unpacked (status, NULL);
}

Test (memory, a_node_that_does_not_come_back_is_judged_when_its_patience_passes)
{
	size_t before = fixture->n_published;
	fixture_restart (fixture, true, NS_PER_S);
	fixture_pass (fixture, DETECTOR_SETTLE_NS);
	cr_assert_eq (fixture_state (fixture, "n1"), UNKNOWN_STATE);
	fixture_pass (fixture, 1100 * NS_PER_MS);
	cr_assert_eq (fixture_state (fixture, "n1"), SUSPECT);
	Belfry__V1__Event *event = fixture_published (fixture, LIFECYCLE);
	cr_assert_eq (event->node_lifecycle->from_state, ALIVE, "from what was said of it last");
	belfry__v1__event__free_unpacked (event, NULL);
	fixture_pass (fixture, 40 * NS_PER_S);
	cr_assert_eq (fixture_state (fixture, "n1"), DOWN);
	cr_assert_gt (alerts_since (before, "NodeDown", "n1"), 0);
}

Test (memory, who_is_down_or_said_goodbye_is_still_so_and_no_replay_brings_it_back)
{
	signer_t *other = signer_new ("demo", "n2", 3, 9, true, false);
	fixture_live (fixture, other, 2 * NS_PER_S);
	signer_beat (other, 50, 0, fixture->now);
	cr_assert_eq (fixture_take (fixture, &other->last), REFUSAL_NONE);
	message_t beat = other->last;
	other->last = (message_t){ 0 };
	signer_lifecycle (other, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED,
	        "shutdown", fixture->now);
	cr_assert_eq (fixture_take (fixture, &other->last), REFUSAL_NONE);
	core_disconnected (fixture->core, 7, fixture->now);
	fixture_pass (fixture, 2 * NS_PER_S);
	cr_assert_eq (fixture_state (fixture, "n1"), DOWN);
	cr_assert_eq (fixture_state (fixture, "n2"), STOPPED);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), FIRING);
	size_t before = fixture->n_published;
	fixture_restart (fixture, true, NS_PER_S);
	cr_assert_eq (fixture_state (fixture, "n1"), DOWN);
	cr_assert_eq (fixture_state (fixture, "n2"), STOPPED);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), FIRING);
	cr_assert_eq (fixture_take (fixture, &beat), REFUSAL_REPLAYED);
	fixture_pass (fixture, 60 * NS_PER_S);
	cr_assert_eq (fixture_state (fixture, "n1"), DOWN);
	cr_assert_eq (fixture_state (fixture, "n2"), STOPPED);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), FIRING);
	cr_assert_eq (alerts_since (before, "NodeDown", "n1"), 0, "it was said before");
	cr_assert_eq (lifecycles_since (before), 0);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_gt (status->status->nodes[0]->n_evidence, 0);
	cr_assert_gt (status->status->nodes[0]->last_seen_ms, 60000);
	belfry__v1__control__free_unpacked (status, NULL);
	fixture_live (fixture, signer, 400 * NS_PER_MS);
	cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
	cr_assert_neq (fixture_alert (fixture, "NodeDown", "n1"), FIRING, "and it resolves as ever");
	message_free (&beat);
	signer_free (other);
}

Test (memory, a_repeat_comes_when_it_is_due_and_not_since_the_collector_began_again)
{
	core_disconnected (fixture->core, 7, fixture->now);
	fixture_pass (fixture, 2 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), FIRING);
	fixture_pass (fixture, 200 * NS_PER_S);
	size_t before = fixture->n_published;
	fixture_restart (fixture, false, NS_PER_S);
	fixture_pass (fixture, 50 * NS_PER_S);
	cr_assert_eq (alerts_since (before, "NodeDown", "n1"), 0);
	before = fixture->n_published;
	fixture_pass (fixture, 60 * NS_PER_S);
	cr_assert_eq (alerts_since (before, "NodeDown", "n1"), 1);
}

static void component (Belfry__V1__Status status)
{
	signer_component (signer, "store.data", "data", status, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
}

Test (memory, an_alert_waits_for_its_data_to_come_back)
{
	component (BELFRY__V1__STATUS__STATUS_UNHEALTHY);
	fixture_live (fixture, signer, 31 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "ComponentUnhealthy", "n1"), FIRING);
	size_t before = fixture->n_published;
	fixture_restart (fixture, true, NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "ComponentUnhealthy", "n1"), FIRING);
	fixture_pass (fixture, 2 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "ComponentUnhealthy", "n1"), FIRING);
	fixture_live (fixture, signer, 5 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "ComponentUnhealthy", "n1"), FIRING);
	cr_assert_eq (alerts_since (before, "ComponentUnhealthy", "n1"), 0);
	component (BELFRY__V1__STATUS__STATUS_HEALTHY);
	fixture_live (fixture, signer, 2 * NS_PER_S);
	cr_assert_neq (fixture_alert (fixture, "ComponentUnhealthy", "n1"), FIRING);
	cr_assert_eq (alerts_since (before, "ComponentUnhealthy", "n1"), 1);
}

Test (memory, an_alerts_time_goes_on_where_it_stood)
{
	fixture_rules (
	        fixture, "rules: [{name: Slow, when: {status: component, is: unhealthy}, for: 60s}]\n");
	component (BELFRY__V1__STATUS__STATUS_UNHEALTHY);
	fixture_live (fixture, signer, 40 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "Slow", "n1"), PENDING);
	fixture_restart (fixture, true, 3600 * NS_PER_S);
	fixture_live (fixture, signer, 10 * NS_PER_S);
	cr_assert_eq (
	        fixture_alert (fixture, "Slow", "n1"), PENDING, "the hour in which nobody looked is none");
	fixture_live (fixture, signer, 15 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "Slow", "n1"), FIRING);
}

Test (memory, an_alert_over_a_series_is_the_same_one)
{
	fixture_rules (fixture, "rules: [{name: Long, when: {metric: belfry_agent_queue_events, above: 3}, "
	                        "severity: warning}]\n");
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	fixture_live (fixture, signer, 2 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "Long", "n1"), FIRING);
	size_t before = fixture->n_published;
	fixture_restart (fixture, true, NS_PER_S);
	fixture_live (fixture, signer, 10 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "Long", "n1"), FIRING);
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	fixture_live (fixture, signer, 2 * NS_PER_S);
	cr_assert_eq (alerts_since (before, "Long", "n1"), 0);
	Belfry__V1__Control *status = fixture_status (fixture, "");
	size_t n = 0;
	for (size_t i = 0; i < status->status->n_alerts; i++) {
		const Belfry__V1__Alert *alert = status->status->alerts[i];
		if (strcmp (alert->name, "Long") != 0)
			continue;
		n++;
		cr_assert_gt (alert->n_labels, 1);
		cr_assert_gt (strlen (alert->summary), 0);
	}
	cr_assert_eq (n, 1);
	belfry__v1__control__free_unpacked (status, NULL);
}

Test (memory, an_alert_whose_rule_is_gone_resolves)
{
	fixture_rules (fixture, "rules: [{name: Long, when: {metric: belfry_agent_queue_events, above: 3}, "
	                        "severity: warning}]\n");
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	fixture_live (fixture, signer, 2 * NS_PER_S);
	size_t before = fixture->n_published;
	/* Another configuration at the next start. */
	fixture_t *without = fixture_new (true);
	struct rule_set *rules = fixture->rules;
	fixture->rules = without->rules;
	fixture_restart (fixture, true, NS_PER_S);
	without->rules = rules;
	fixture_live (fixture, signer, 2 * NS_PER_S);
	cr_assert_neq (fixture_alert (fixture, "Long", "n1"), FIRING);
	cr_assert_eq (alerts_since (before, "Long", "n1"), 1);
	fixture_free (without);
}

Test (memory, an_alert_that_is_over_is_forgotten)
{
	core_disconnected (fixture->core, 7, fixture->now);
	fixture_pass (fixture, 2 * NS_PER_S);
	fixture_live (fixture, signer, 400 * NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), NO_ALERT);
	size_t before = fixture->n_published;
	fixture_restart (fixture, true, NS_PER_S);
	cr_assert_eq (fixture_alert (fixture, "NodeDown", "n1"), NO_ALERT);
	fixture_live (fixture, signer, 2 * NS_PER_S);
	cr_assert_eq (alerts_since (before, "NodeDown", "n1"), 0);
}

Test (memory, components_and_losses_are_known)
{
	component (BELFRY__V1__STATUS__STATUS_DEGRADED);
	signer_samples (signer, fixture->now);
	fixture_live (fixture, signer, 2 * NS_PER_S);
	fixture_restart (fixture, true, NS_PER_S);
	fixture_live (fixture, signer, NS_PER_S);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	const Belfry__V1__NodeView *node = status->status->nodes[0];
	cr_assert_eq (node->lost_volatile, 1);
	cr_assert_eq (node->n_components, 1);
	cr_assert_str_eq (node->components[0]->name, "data");
	cr_assert_eq (node->components[0]->status, BELFRY__V1__STATUS__STATUS_DEGRADED);
	cr_assert_str_eq (node->components[0]->details, "as the test says");
	cr_assert_str_eq (node->version, "0.1.0");
	belfry__v1__control__free_unpacked (status, NULL);
}

Test (memory, it_survives_one_restart_after_another)
{
	say (signer);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	message_t old = kept ();
	for (int i = 0; i < 5; i++) {
		fixture_restart (fixture, i % 2, NS_PER_S);
		cr_assert_eq (fixture_take (fixture, &old), REFUSAL_REPLAYED);
		fixture_live (fixture, signer, NS_PER_S);
		cr_assert_eq (fixture_state (fixture, "n1"), ALIVE);
	}
	message_free (&old);
}

static uint64_t unread (void)
{
	Belfry__V1__Control *status = fixture_status (fixture, "");
	uint64_t value = UINT64_MAX;
	for (size_t i = 0; i < status->status->n_counters; i++) {
		if (strcmp (status->status->counters[i]->name, "memory_unread") == 0)
			value = status->status->counters[i]->value;
	}
	belfry__v1__control__free_unpacked (status, NULL);
	return value;
}

static void corrupt (void *arg, const char *key, span_t value)
{
	/* Every bit in turn is another's to find: none may do harm. */
	uint8_t *copy = malloc (value.size);
	const size_t *bit = arg;
	memcpy (copy, value.data, value.size);
	copy[*bit / 8 % value.size] ^= (uint8_t) (1 << *bit % 8);
	core_restore (fixture->core, key, span_of (copy, value.size));
	free (copy);
}

Test (memory, what_cannot_be_read_is_counted_and_harms_nothing)
{
	component (BELFRY__V1__STATUS__STATUS_UNHEALTHY);
	fixture_live (fixture, signer, 35 * NS_PER_S);
	fixture_restart (fixture, true, NS_PER_S);
	cr_assert_eq (unread (), 0);
	core_restore (fixture->core, "node/n9", span_str ("\xff\xff\xff"));
	core_restore (fixture->core, "node/", span_str (""));
	core_restore (fixture->core, "node/no/name", span_str (""));
	core_restore (fixture->core, "node/collector.c1", span_str (""));
	core_restore (fixture->core, "alert/x", span_str ("\x01"));
	core_restore (fixture->core, "something else", span_str ("x"));
	core_started (fixture->core, fixture->now);
	cr_assert_eq (unread (), 6);
	for (size_t bit = 0; bit < 3000; bit++) {
		fixture_t *other = fixture_new (true);
		fixture_t *mine = fixture;
		fixture = other;
		archive_restore (mine->archive, corrupt, &bit);
		core_started (other->core, other->now);
		fixture_pass (other, 100 * NS_PER_MS);
		fixture_free (other);
		fixture = mine;
	}
}
