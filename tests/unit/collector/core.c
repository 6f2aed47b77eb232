/* The pipeline as a whole: what goes in, what comes out of the port. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "core_fixture.h"

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

TestSuite (core, .init = setup, .fini = teardown);

static void take (void)
{
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
}

Test (core, a_name_that_cannot_sign_is_refused)
{
	const core_port_t port = { 0 };
	core_options_t options = {
		.cluster = "demo", .name = "a-name-that-is-far-too-long-to-sign", .version = "1"
	};
	core_t *core = NULL;
	err_t err;
	cr_assert_lt (core_new (&options, &port, fixture->now, &core, &err), 0);
	cr_assert_null (core);
	cr_assert_not_null (strstr (err.text, "collector."));
	options.name = "c1";
	options.cluster = "no/cluster";
	cr_assert_lt (core_new (&options, &port, fixture->now, &core, &err), 0);
	cr_assert_not_null (strstr (err.text, "no/cluster"));
}

Test (core, it_beats_every_200_ms_with_an_offset_for_each_channel)
{
	fixture_pass (fixture, NS_PER_S);
	size_t beats = fixture_count (fixture, BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT);
	cr_assert (beats == 5 || beats == 6, "%zu beats in a second", beats);
	Belfry__V1__Event *event = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT);
	cr_assert_str_eq (event->header->node, "collector.c1");
	cr_assert_str_eq (event->header->source, "collector");
	cr_assert_eq (event->heartbeat->n_offsets, 9);
	cr_assert_eq (event->heartbeat->newest_volatile, event->header->sequence);
	belfry__v1__event__free_unpacked (event, NULL);
}

Test (core, what_it_publishes_is_signed_as_the_collector)
{
	fixture_pass (fixture, 100 * NS_PER_MS);
	const message_t *message = &fixture->published[0];
	cr_assert_eq (fixture_take (fixture, message), REFUSAL_RESERVED, "and nobody may send it in");
	uint8_t *last = &message->envelope[message->envelope_size - 1];
	*last ^= 1;
	fixture_t *other = fixture_new (true);
	cr_assert_eq (fixture_take (other, message), REFUSAL_MAC);
	*last ^= 1;
	cr_assert_eq (fixture_take (other, message), REFUSAL_RESERVED);
	fixture_free (other);
}

Test (core, its_metrics_come_under_its_catalogue)
{
	signer_samples (signer, fixture->now);
	take ();
	fixture_pass (fixture, 2 * NS_PER_S);
	Belfry__V1__Event *catalogue = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_CATALOGUE);
	Belfry__V1__Event *batch = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH);
	cr_assert_not_null (catalogue);
	cr_assert_not_null (batch);
	cr_assert_eq (catalogue->catalogue->hash, batch->metric_batch->catalogue_hash);
	cr_assert_eq (catalogue->catalogue->n_series, batch->metric_batch->n_values);
	double received = -1, nodes = -1;
	for (size_t i = 0; i < catalogue->catalogue->n_series; i++) {
		const Belfry__V1__Series *series = catalogue->catalogue->series[i];
		if (strcmp (series->name, "belfry_collector_received_total") == 0)
			received = batch->metric_batch->values[i];
		if (strcmp (series->name, "belfry_collector_nodes") == 0 &&
		        strcmp (series->labels[0]->value, "alive") == 0)
			nodes = batch->metric_batch->values[i];
	}
	cr_assert_eq (received, 1);
	cr_assert_eq (nodes, 1);
	belfry__v1__event__free_unpacked (catalogue, NULL);
	belfry__v1__event__free_unpacked (batch, NULL);
}

Test (core, its_life_is_said)
{
	core_started (fixture->core, fixture->now);
	core_stopping (fixture->core, "shutdown", fixture->now);
	fixture_flush (fixture);
	cr_assert_eq (fixture_count (fixture, BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE), 3);
	Belfry__V1__Event *event = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE);
	cr_assert_eq (event->system_lifecycle->state,
	        BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPED);
	cr_assert_str_eq (event->system_lifecycle->reason, "shutdown");
	belfry__v1__event__free_unpacked (event, NULL);
}

Test (core, the_clusters_health_follows_its_nodes)
{
	signer_health (signer, BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	take ();
	fixture_pass (fixture, 40 * NS_PER_MS);
	Belfry__V1__Event *event = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_CLUSTER_HEALTH);
	cr_assert_eq (event->cluster_health->status, BELFRY__V1__STATUS__STATUS_HEALTHY);
	cr_assert_eq (event->cluster_health->n_healthy_nodes, 1);
	cr_assert_str_eq (event->cluster_health->healthy_nodes[0], "n1");
	cr_assert_eq (event->header->class_, BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE, "a change");
	belfry__v1__event__free_unpacked (event, NULL);
	signer_health (signer, BELFRY__V1__STATUS__STATUS_UNHEALTHY, fixture->now);
	take ();
	fixture_pass (fixture, 40 * NS_PER_MS);
	event = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_CLUSTER_HEALTH);
	cr_assert_eq (event->cluster_health->status, BELFRY__V1__STATUS__STATUS_UNHEALTHY);
	belfry__v1__event__free_unpacked (event, NULL);
	size_t said = fixture_count (fixture, BELFRY__V1__EVENT__PAYLOAD_CLUSTER_HEALTH);
	fixture_live (fixture, signer, 11 * NS_PER_S);
	cr_assert_eq (fixture_count (fixture, BELFRY__V1__EVENT__PAYLOAD_CLUSTER_HEALTH), said + 1,
	        "again every 10 s");
	event = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_CLUSTER_HEALTH);
	cr_assert_eq (
	        event->header->class_, BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE, "no change");
	belfry__v1__event__free_unpacked (event, NULL);
}

Test (core, an_application_does_not_speak_for_its_node)
{
	signer_health (signer, BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	take ();
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__NodeHealth health = BELFRY__V1__NODE_HEALTH__INIT;
	health.status = BELFRY__V1__STATUS__STATUS_UNHEALTHY;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_NODE_HEALTH;
	event.node_health = &health;
	const publisher_note_t note = { .source = "app" };
	signer_event (signer, &event, &note, fixture->now);
	take ();
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->status, BELFRY__V1__STATUS__STATUS_HEALTHY);
	belfry__v1__control__free_unpacked (status, NULL);
}

Test (core, a_durable_event_that_comes_late_is_counted)
{
	signer_lifecycle (
	        signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED, "", fixture->now);
	fixture->now.mono.ns += 6 * NS_PER_S;
	fixture->now.wall.ns += 6 * NS_PER_S;
	take ();
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->late, 1);
	belfry__v1__control__free_unpacked (status, NULL);
}

Test (core, a_gap_says_what_is_lost_and_fills_its_places)
{
	signer_lifecycle (
	        signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED, "", fixture->now);
	take ();
	signer_lifecycle (signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPING, "",
	        fixture->now);
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__Gap gap = BELFRY__V1__GAP__INIT;
	gap.first = 2;
	gap.last = 2;
	gap.count = 1;
	gap.reason = BELFRY__V1__GAP_REASON__GAP_REASON_DISK;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_GAP;
	event.gap = &gap;
	signer_event (signer, &event, NULL, fixture->now);
	take ();
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->lost_durable, 1, "once, not twice");
	belfry__v1__control__free_unpacked (status, NULL);
}

Test (core, refusals_are_said_once_in_a_while_with_their_number)
{
	fixture_pass (fixture, 40 * NS_PER_MS);
	signer_samples (signer, fixture->now);
	signer->last.envelope[signer->last.envelope_size - 1] ^= 1;
	for (int i = 0; i < 1000; i++)
		cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_MAC);
	fixture_pass (fixture, 11 * NS_PER_S);
	cr_assert (fixture_said (fixture, "refused 1000 messages: mac"));
	cr_assert (fixture_said (fixture, "metrics/samples/demo/n1/agent/"));
	cr_assert_leq (fixture->n_said, 3);
}

Test (core, what_the_shell_dropped_is_counted_by_what_it_was)
{
	core_dropped (fixture->core, CORE_DROP_OUTLET);
	core_dropped (fixture->core, CORE_DROP_OUTLET);
	core_dropped (fixture->core, CORE_DROP_PEER_GONE);
	core_refuse (fixture->core, REFUSAL_FRAMES);
	Belfry__V1__Control *status = fixture_status (fixture, "");
	uint64_t outlet = 0, gone = 0;
	for (size_t i = 0; i < status->status->n_counters; i++) {
		const Belfry__V1__Counter *counter = status->status->counters[i];
		if (strcmp (counter->name, "outlet_dropped") == 0)
			outlet = counter->value;
		if (strcmp (counter->name, "peer_gone") == 0)
			gone = counter->value;
	}
	belfry__v1__control__free_unpacked (status, NULL);
	cr_assert_eq (outlet, 2);
	cr_assert_eq (gone, 1);
	cr_assert_eq (fixture_refused (fixture, REFUSAL_FRAMES), 1);
}

Test (core, it_says_in_every_status_that_it_is_insecure)
{
	fixture_t *insecure = fixture_new (false);
	Belfry__V1__Control *status = fixture_status (insecure, "");
	cr_assert (status->status->insecure);
	belfry__v1__control__free_unpacked (status, NULL);
	fixture_free (insecure);
}
