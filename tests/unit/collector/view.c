/* Catalogues, values, nodes, the cluster's health and the snapshot, each on its own. */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/borrow.h"
#include "collector/roster.h"
#include "collector/view/cluster.h"
#include "collector/view/node.h"
#include "collector/view/snapshot.h"

static catalogues_t *catalogues;
static nodes_t *nodes;

static void setup (void)
{
	cr_assert_eq (catalogues_new (0, &catalogues), 0);
	cr_assert_eq (nodes_new (8, catalogues, &nodes), 0);
}

static void teardown (void)
{
	nodes_destroy (&nodes);
	catalogues_destroy (&catalogues);
}

TestSuite (view, .init = setup, .fini = teardown);

static mono_t at (int64_t seconds)
{
	return (mono_t){ seconds * NS_PER_S };
}

/* A catalogue of n series, the first of which is called first. */
static catalogue_t *hold (uint64_t hash, size_t n, const char *first)
{
	Belfry__V1__Catalogue message = BELFRY__V1__CATALOGUE__INIT;
	Belfry__V1__Series *series = calloc (n, sizeof *series), **list = calloc (n, sizeof *list);
	Belfry__V1__Label label = BELFRY__V1__LABEL__INIT, *labels[] = { &label };
	label.key = borrow ("device");
	label.value = borrow ("sda");
	for (size_t i = 0; i < n; i++) {
		belfry__v1__series__init (&series[i]);
		series[i].name = borrow (i ? "node_other" : first);
		series[i].kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
		series[i].unit = borrow ("bytes");
		series[i].n_labels = 1;
		series[i].labels = labels;
		list[i] = &series[i];
	}
	message.hash = hash;
	message.n_series = n;
	message.series = list;
	catalogue_t *catalogue = NULL;
	int r = catalogues_hold (catalogues, &message, &catalogue);
	free (series);
	free (list);
	return r ? NULL : catalogue;
}

typedef struct {
	values_t values;
	size_t bytes;
	uint64_t lost;
} place_t;

static int batch (place_t *place, uint64_t hash, const double *values, size_t n, mono_t now)
{
	Belfry__V1__MetricBatch message = BELFRY__V1__METRIC_BATCH__INIT;
	double copy[16];
	memcpy (copy, values, n * sizeof *values);
	message.catalogue_hash = hash;
	message.n_values = n;
	message.values = copy;
	return values_batch (&place->values, &message, now, catalogues, &place->bytes, &place->lost);
}

static int give (place_t *place, catalogue_t *catalogue, mono_t now)
{
	return values_catalogue (&place->values, catalogue, now, catalogues, &place->bytes, &place->lost);
}

Test (view, values_get_their_meaning_from_the_catalogue)
{
	place_t place = { 0 };
	double found = 0;
	cr_assert_eq (give (&place, hold (7, 2, "node_load1"), at (1)), 0);
	cr_assert_eq (batch (&place, 7, (double[]){ 1.5, 2 }, 2, at (1)), 0);
	cr_assert (values_find (&place.values, "node_load1", NULL, NULL, &found));
	cr_assert_eq (found, 1.5);
	cr_assert (values_find (&place.values, "node_load1", "device", "sda", &found));
	cr_assert_not (values_find (&place.values, "node_load1", "device", "sdb", &found));
	cr_assert_not (values_find (&place.values, "node_load5", NULL, NULL, &found));
	values_clear (&place.values, catalogues);
}

Test (view, values_that_come_first_wait_for_their_catalogue)
{
	place_t place = { 0 };
	double found = 0;
	cr_assert_eq (batch (&place, 7, (double[]){ 1, 2 }, 2, at (1)), VALUES_E_UNKNOWN);
	cr_assert_eq (batch (&place, 7, (double[]){ 3, 4 }, 2, at (2)), VALUES_E_UNKNOWN);
	cr_assert (values_wait (&place.values));
	cr_assert_eq (place.lost, 2, "only the newest batch is kept aside");
	cr_assert_not (values_find (&place.values, "node_load1", NULL, NULL, &found));
	cr_assert_eq (give (&place, hold (7, 2, "node_load1"), at (3)), 0);
	cr_assert (values_find (&place.values, "node_load1", NULL, NULL, &found));
	cr_assert_eq (found, 3);
	cr_assert_not (values_wait (&place.values));
	values_clear (&place.values, catalogues);
}

Test (view, values_that_wait_too_long_are_lost_and_counted)
{
	place_t place = { 0 };
	cr_assert_eq (batch (&place, 7, (double[]){ 1, 2, 3 }, 3, at (0)), VALUES_E_UNKNOWN);
	values_expire (&place.values, at (119), catalogues, &place.bytes, &place.lost);
	cr_assert_eq (place.lost, 0);
	values_expire (&place.values, at (121), catalogues, &place.bytes, &place.lost);
	cr_assert_eq (place.lost, 3);
	cr_assert_eq (place.bytes, 0);
	values_clear (&place.values, catalogues);
}

Test (view, a_batch_of_another_length_than_its_catalogue_is_lost)
{
	place_t place = { 0 };
	double found = 0;
	cr_assert_eq (give (&place, hold (7, 2, "node_load1"), at (1)), 0);
	cr_assert_eq (batch (&place, 7, (double[]){ 1, 2, 3 }, 3, at (1)), VALUES_E_COUNT);
	cr_assert_eq (place.lost, 3);
	cr_assert_not (values_find (&place.values, "node_load1", NULL, NULL, &found));
	values_clear (&place.values, catalogues);
}

Test (view, a_catalogue_that_does_not_fit_what_waits_takes_nothing_from_it)
{
	place_t place = { 0 };
	double found;
	cr_assert_eq (batch (&place, 7, (double[]){ 1, 2, 3 }, 3, at (1)), VALUES_E_UNKNOWN);
	cr_assert_eq (give (&place, hold (7, 2, "node_load1"), at (1)), VALUES_E_COUNT);
	cr_assert_not (values_find (&place.values, "node_load1", NULL, NULL, &found));
	values_clear (&place.values, catalogues);
}

Test (view, equal_catalogues_are_one_and_equal_hashes_alone_are_not)
{
	catalogue_t *a = hold (7, 2, "node_load1"), *b = hold (7, 2, "node_load1"),
	            *c = hold (7, 2, "node_load5");
	cr_assert_eq (a, b);
	cr_assert_neq (a, c, "another node cannot give a meaning to these values");
	size_t bytes = catalogues_bytes (catalogues);
	catalogues_release (catalogues, &a);
	cr_assert_eq (catalogues_bytes (catalogues), bytes);
	catalogues_release (catalogues, &b);
	cr_assert_lt (catalogues_bytes (catalogues), bytes);
	catalogues_release (catalogues, &c);
	cr_assert_eq (catalogues_bytes (catalogues), 0);
	cr_assert_null (c);
}

Test (view, catalogues_are_bounded)
{
	cr_assert_null (hold (1, CATALOGUE_SERIES_MAX + 1, "x"));
	catalogues_t *small;
	catalogues_t *kept = catalogues;
	cr_assert_eq (catalogues_new (1, &small), 0);
	catalogues = small;
	catalogue_t *first = hold (1, 1, "x");
	cr_assert_not_null (first);
	cr_assert_null (hold (2, 1, "y"));
	catalogues_destroy (&small);
	catalogues = kept;
}

Test (view, slots_are_bounded_and_the_oldest_makes_room)
{
	place_t place = { 0 };
	for (uint64_t hash = 1; hash <= VALUES_SLOTS_MAX + 4; hash++)
		cr_assert_eq (
		        batch (&place, hash, (double[]){ 1 }, 1, at ((int64_t) hash)), VALUES_E_UNKNOWN);
	cr_assert_eq (place.values.n_slots, VALUES_SLOTS_MAX);
	cr_assert_eq (place.lost, 4);
	for (uint32_t i = 0; i < place.values.n_slots; i++)
		cr_assert_gt (place.values.slots[i].hash, 4);
	values_clear (&place.values, catalogues);
}

static int sample (place_t *place, const char *name, const char *label, double value, mono_t now)
{
	Belfry__V1__MetricBatch message = BELFRY__V1__METRIC_BATCH__INIT;
	Belfry__V1__Sample one = BELFRY__V1__SAMPLE__INIT, *list[] = { &one };
	Belfry__V1__Label text = BELFRY__V1__LABEL__INIT, *labels[] = { &text };
	text.key = borrow ("l");
	text.value = borrow (label);
	one.name = borrow (name);
	one.kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
	one.value = value;
	one.n_labels = 1;
	one.labels = labels;
	message.n_samples = 1;
	message.samples = list;
	return values_batch (&place->values, &message, now, catalogues, &place->bytes, &place->lost);
}

Test (view, named_samples_are_told_apart_by_their_labels_and_bounded)
{
	place_t place = { 0 };
	char label[16];
	double found;
	for (int i = 0; i < VALUES_NAMED_MAX; i++) {
		snprintf (label, sizeof label, "%d", i);
		cr_assert_eq (sample (&place, "x", label, i, at (1)), 0);
	}
	cr_assert_eq (sample (&place, "x", "one more", 1, at (1)), VALUES_E_LIMIT);
	cr_assert_eq (place.lost, 1);
	cr_assert_eq (sample (&place, "x", "7", 70, at (2)), 0, "what is known goes on");
	cr_assert (values_find (&place.values, "x", "l", "7", &found));
	cr_assert_eq (found, 70);
	cr_assert (values_find (&place.values, "x", "l", "8", &found));
	cr_assert_eq (found, 8);
	values_expire (&place.values, at (302), catalogues, &place.bytes, &place.lost);
	cr_assert_eq (place.values.n_named, 1, "only the one that was renewed is left");
	cr_assert (values_find (&place.values, "x", "l", "7", &found));
	cr_assert_eq (sample (&place, "x", "one more", 1, at (303)), 0);
	values_clear (&place.values, catalogues);
}

static node_t *node (const char *name)
{
	node_t *made = NULL;
	cr_assert_eq (nodes_get (nodes, span_str (name), &made), 0);
	return made;
}

Test (view, nodes_are_found_by_name_and_bounded)
{
	cr_assert_null (nodes_find (nodes, span_str ("n1")));
	node_t *n1 = node ("n1");
	cr_assert_eq (node ("n1"), n1);
	cr_assert_eq (nodes_find (nodes, span_str ("n1")), n1);
	char name[16];
	for (int i = 2; i <= 8; i++) {
		snprintf (name, sizeof name, "n%d", i);
		node (name);
	}
	node_t *more = NULL;
	cr_assert_eq (nodes_get (nodes, span_str ("n9"), &more), NODES_E_LIMIT);
	cr_assert_null (more);
	cr_assert_eq (nodes_count (nodes), 8);
	cr_assert_eq (nodes_at (nodes, 0), n1);
}

static void beat (node_t *self, uint64_t newest, mono_t now)
{
	Belfry__V1__Heartbeat message = BELFRY__V1__HEARTBEAT__INIT;
	message.newest_volatile = newest;
	message.newest_durable = newest;
	node_beat (self, &message, now);
}

Test (view, a_beats_newest_sequence_binds_200_ms_later)
{
	node_t *n1 = node ("n1");
	node_begin (n1, 1, 7, false);
	cr_assert_eq (sequence_note (&n1->volatiles, 10), 0);
	beat (n1, 13, at (0));
	node_bind (n1, (mono_t){ 199 * NS_PER_MS });
	cr_assert_eq (node_lost_volatile (n1), 0);
	node_bind (n1, (mono_t){ 200 * NS_PER_MS });
	cr_assert_eq (node_lost_volatile (n1), 3);
	cr_assert_eq (sequence_note (&n1->volatiles, 13), 0, "it was only slow");
	cr_assert_eq (node_lost_volatile (n1), 2);
	node_begin (n1, 2, 8, true);
	cr_assert_eq (node_lost_volatile (n1), 2, "what an earlier incarnation lost stays lost");
	cr_assert_eq (sequence_note (&n1->volatiles, 3), 0);
	cr_assert_eq (node_lost_volatile (n1), 4, "counting began with 1");
}

Test (view, fast_beats_bind_too)
{
	node_t *n1 = node ("n1");
	node_begin (n1, 1, 7, false);
	cr_assert_eq (sequence_note (&n1->volatiles, 1), 0);
	for (int i = 0; i < 100; i++)
		beat (n1, 2 + (uint64_t) i, (mono_t){ i * 50 * NS_PER_MS });
	cr_assert_gt (node_lost_volatile (n1), 80);
}

static int component (node_t *self, const char *source, const char *name, Belfry__V1__Status status,
        uint64_t when, bool *changed)
{
	Belfry__V1__ComponentHealth message = BELFRY__V1__COMPONENT_HEALTH__INIT;
	component_t *made;
	message.component = borrow (name);
	message.status = status;
	message.details = borrow ("details");
	return node_component (self, &message, span_str (source), 1, when, &made, changed);
}

Test (view, a_component_belongs_to_its_source_and_the_newest_word_counts)
{
	node_t *n1 = node ("n1");
	bool changed;
	cr_assert_eq (component (n1, "agent", "data", BELFRY__V1__STATUS__STATUS_HEALTHY, 10, &changed), 0);
	cr_assert (changed);
	cr_assert_eq (component (n1, "agent", "data", BELFRY__V1__STATUS__STATUS_UNHEALTHY, 9, &changed), 0);
	cr_assert_not (changed, "what came late changes nothing");
	cr_assert_eq (component (n1, "app", "data", BELFRY__V1__STATUS__STATUS_UNHEALTHY, 20, &changed),
	        NODES_E_LIMIT);
	cr_assert_eq (node_component_find (n1, "data")->status, BELFRY__V1__STATUS__STATUS_HEALTHY);
	char name[NODE_COMPONENT_NAME_MAX + 2];
	memset (name, 'x', sizeof name);
	name[sizeof name - 1] = '\0';
	cr_assert_eq (component (n1, "agent", name, BELFRY__V1__STATUS__STATUS_HEALTHY, 10, &changed),
	        NODES_E_LIMIT);
	for (int i = 1; i < NODE_COMPONENTS_MAX; i++) {
		snprintf (name, sizeof name, "c%d", i);
		cr_assert_eq (
		        component (n1, "agent", name, BELFRY__V1__STATUS__STATUS_HEALTHY, 10, &changed), 0);
	}
	cr_assert_eq (component (n1, "agent", "more", BELFRY__V1__STATUS__STATUS_HEALTHY, 10, &changed),
	        NODES_E_LIMIT);
}

Test (view, observations_are_bounded_and_the_oldest_makes_room)
{
	node_t *n1 = node ("n1");
	char target[16];
	for (int i = 0; i < NODE_PEERS_MAX + 2; i++) {
		Belfry__V1__PeerObservation seen = BELFRY__V1__PEER_OBSERVATION__INIT;
		snprintf (target, sizeof target, "p%d", i);
		seen.target = target;
		seen.state = BELFRY__V1__PEER_STATE__PEER_STATE_OK;
		node_observe (n1, &seen, at (i));
	}
	cr_assert_eq (n1->n_peers, NODE_PEERS_MAX);
	for (uint32_t i = 0; i < n1->n_peers; i++)
		cr_assert_str_neq (n1->peers[i].target, "p0");
}

/* The cluster. */

static void state (
        const char *name, Belfry__V1__NodeState to, Belfry__V1__NodeKind kind, Belfry__V1__Status status)
{
	node_t *self = node (name);
	node_verdict (self, to, kind, 1, NULL, 0);
	self->status = status;
}

#define ALIVE BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE
#define DOWN BELFRY__V1__NODE_STATE__NODE_STATE_DOWN
#define HEALTHY BELFRY__V1__STATUS__STATUS_HEALTHY
#define HOST BELFRY__V1__NODE_KIND__NODE_KIND_HOST
#define AGENT BELFRY__V1__NODE_KIND__NODE_KIND_AGENT

Test (view, a_healthy_cluster_has_its_quorum)
{
	state ("n1", ALIVE, 0, HEALTHY);
	state ("n2", ALIVE, 0, HEALTHY);
	cluster_health_t health = cluster_judge (nodes);
	cr_assert_eq (health.status, HEALTHY);
	cr_assert_eq (health.quorum, BELFRY__V1__QUORUM__QUORUM_AVAILABLE);
	cr_assert_eq (health.counts[CLUSTER_HEALTHY], 2);
}

Test (view, a_dead_agent_costs_no_quorum_and_a_dead_host_does)
{
	state ("n1", ALIVE, 0, HEALTHY);
	state ("n2", ALIVE, 0, HEALTHY);
	state ("n3", DOWN, AGENT, HEALTHY);
	cluster_health_t health = cluster_judge (nodes);
	cr_assert_eq (health.quorum, BELFRY__V1__QUORUM__QUORUM_AVAILABLE);
	cr_assert_eq (health.status, BELFRY__V1__STATUS__STATUS_DEGRADED);
	cr_assert_eq (health.counts[CLUSTER_UNKNOWN], 1);
	cr_assert_eq (cluster_node_status (node ("n3")), BELFRY__V1__STATUS__STATUS_UNKNOWN);
	state ("n3", DOWN, HOST, HEALTHY);
	health = cluster_judge (nodes);
	cr_assert_eq (health.quorum, BELFRY__V1__QUORUM__QUORUM_AT_RISK);
	cr_assert_eq (health.counts[CLUSTER_DOWN], 1);
	state ("n2", DOWN, HOST, HEALTHY);
	health = cluster_judge (nodes);
	cr_assert_eq (health.quorum, BELFRY__V1__QUORUM__QUORUM_LOST);
	cr_assert_eq (health.status, BELFRY__V1__STATUS__STATUS_UNHEALTHY);
}

Test (view, who_left_counts_no_more_and_only_the_expected_make_the_quorum)
{
	state ("n1", ALIVE, 0, HEALTHY);
	state ("n2", BELFRY__V1__NODE_STATE__NODE_STATE_LEFT, 0, HEALTHY);
	cluster_health_t health = cluster_judge (nodes);
	cr_assert_eq (health.total, 1);
	cr_assert_eq (health.status, HEALTHY);
	cr_assert_eq (health.quorum, BELFRY__V1__QUORUM__QUORUM_AVAILABLE);
	node ("n3")->expected = node ("n4")->expected = node ("n1")->expected = true;
	health = cluster_judge (nodes);
	cr_assert_eq (health.quorum, BELFRY__V1__QUORUM__QUORUM_AT_RISK, "two of three were never seen");
}

/* The snapshot. */

Test (view, the_snapshot_keeps_the_newest_and_its_bound)
{
	snapshot_t *snapshot;
	kept_t one = { 0 }, two = { 0 };
	uint8_t bytes[200] = { 0 };
	cr_assert_eq (snapshot_new (300, &snapshot), 0);
	snapshot_keep (snapshot, &one, span_of ("new", 3), 2, 5);
	snapshot_keep (snapshot, &one, span_of ("old", 3), 2, 4);
	snapshot_keep (snapshot, &one, span_of ("old", 3), 1, 9);
	cr_assert_eq (memcmp (one.bytes, "new", 3), 0);
	snapshot_keep (snapshot, &two, span_of (bytes, sizeof bytes), 1, 1);
	cr_assert_eq (two.size, 0, "above the bound nothing is kept");
	cr_assert_eq (snapshot_skipped (snapshot), 1);
	cr_assert_leq (snapshot_bytes (snapshot), 300);
	snapshot_forget (snapshot, &one);
	cr_assert_eq (snapshot_bytes (snapshot), 0);
	snapshot_destroy (&snapshot);
}

/* The roster. */

static uint64_t hash_n (uint32_t i)
{
	char name[16];
	snprintf (name, sizeof name, "n%u", i);
	return roster_hash (name);
}

Test (view, every_node_has_three_probers_that_are_not_itself)
{
	roster_t *roster;
	uint32_t probers[ROSTER_PROBERS];
	size_t probes = 0;
	cr_assert_eq (roster_new (&roster), 0);
	for (uint32_t i = 0; i < 30; i++)
		cr_assert_eq (roster_set (roster, i, hash_n (i), true, true), 0);
	for (uint32_t i = 0; i < 30; i++) {
		cr_assert_eq (roster_probers (roster, i, probers), 3);
		for (int p = 0; p < 3; p++)
			cr_assert_neq (probers[p], i);
		uint32_t targets[30];
		probes += roster_targets (roster, i, targets, 30);
	}
	cr_assert_eq (probes, 90);
	roster_destroy (&roster);
}

Test (view, a_prober_that_goes_moves_only_its_own_targets)
{
	roster_t *roster;
	uint32_t before[30][ROSTER_PROBERS], after[ROSTER_PROBERS];
	cr_assert_eq (roster_new (&roster), 0);
	for (uint32_t i = 0; i < 30; i++)
		roster_set (roster, i, hash_n (i), true, true);
	for (uint32_t i = 0; i < 30; i++) {
		roster_probers (roster, i, before[i]);
		roster_changed (roster, i);
	}
	uint64_t generation = roster_generation (roster);
	roster_set (roster, 4, hash_n (4), true, false);
	cr_assert_gt (roster_generation (roster), generation);
	for (uint32_t i = 0; i < 30; i++) {
		cr_assert_eq (roster_probers (roster, i, after), 3);
		bool had = before[i][0] == 4 || before[i][1] == 4 || before[i][2] == 4;
		if (!had)
			cr_assert_arr_eq (before[i], after, sizeof after);
		for (int p = 0; p < 3; p++)
			cr_assert_neq (after[p], 4);
	}
	roster_set (roster, 4, hash_n (4), true, true);
	for (uint32_t i = 0; i < 30; i++) {
		roster_probers (roster, i, after);
		cr_assert_arr_eq (before[i], after, sizeof after, "and it comes back to the same");
	}
	roster_destroy (&roster);
}
