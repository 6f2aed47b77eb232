/* Status and snapshot, as a viewer gets them. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/report.h"
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

TestSuite (report, .init = setup, .fini = teardown);

static void take (void)
{
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
}

Test (report, an_empty_status_names_cluster_and_collector)
{
	Belfry__V1__Control *answer = fixture_status (fixture, "");
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_STATUS);
	cr_assert_str_eq (answer->status->cluster, "demo");
	cr_assert_str_eq (answer->status->collector, "c1");
	cr_assert_not (answer->status->insecure);
	cr_assert_eq (answer->status->n_nodes, 0);
	cr_assert_eq (answer->status->status, BELFRY__V1__STATUS__STATUS_UNKNOWN);
	belfry__v1__control__free_unpacked (answer, NULL);
}

Test (report, a_node_is_shown_with_its_health_components_and_losses)
{
	signer_health (signer, BELFRY__V1__STATUS__STATUS_DEGRADED, fixture->now);
	take ();
	signer_component (signer, NULL, "data", BELFRY__V1__STATUS__STATUS_UNHEALTHY, fixture->now);
	take ();
	signer_samples (signer, fixture->now); /* lost on the way */
	signer_samples (signer, fixture->now);
	take ();
	fixture_pass (fixture, 100 * NS_PER_MS);
	Belfry__V1__Control *answer = fixture_status (fixture, "n1");
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_STATUS);
	cr_assert_eq (answer->status->n_nodes, 1);
	const Belfry__V1__NodeView *node = answer->status->nodes[0];
	cr_assert_str_eq (node->name, "n1");
	cr_assert_eq (node->state, BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE);
	cr_assert_eq (node->status, BELFRY__V1__STATUS__STATUS_DEGRADED);
	cr_assert_eq (node->incarnation, 1);
	cr_assert_eq (node->received, 3);
	cr_assert_eq (node->lost_volatile, 1);
	cr_assert_eq (node->last_seen_ms, 100);
	cr_assert_eq (node->n_components, 1);
	cr_assert_str_eq (node->components[0]->name, "data");
	cr_assert_eq (node->components[0]->status, BELFRY__V1__STATUS__STATUS_UNHEALTHY);
	cr_assert_eq (node->n_figures, 1);
	cr_assert_str_eq (node->figures[0]->name, "load1");
	belfry__v1__control__free_unpacked (answer, NULL);
}

Test (report, an_unknown_node_is_refused_by_name)
{
	Belfry__V1__Control *answer = fixture_status (fixture, "n9");
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_REFUSED);
	cr_assert_str_eq (answer->refused->reason, "unknown_node");
	cr_assert_not_null (strstr (answer->refused->text, "n9"));
	belfry__v1__control__free_unpacked (answer, NULL);
}

Test (report, lost_messages_show_after_the_beat_bound)
{
	signer_samples (signer, fixture->now);
	take ();
	signer_beat (signer, 6, 0, fixture->now);
	take ();
	fixture_pass (fixture, 180 * NS_PER_MS);
	Belfry__V1__Control *answer = fixture_status (fixture, "n1");
	cr_assert_eq (answer->status->nodes[0]->lost_volatile, 0);
	belfry__v1__control__free_unpacked (answer, NULL);
	fixture_pass (fixture, 40 * NS_PER_MS);
	answer = fixture_status (fixture, "n1");
	cr_assert_eq (answer->status->nodes[0]->lost_volatile, 4);
	belfry__v1__control__free_unpacked (answer, NULL);
}

/* Asks for a snapshot and gathers its frames' topics. */
typedef struct {
	size_t n_frames, n_chunks, n_sequences, largest;
	bool last;
	char topics[4096];
} gathered_t;

static gathered_t snapshot (char **prefixes, size_t n)
{
	gathered_t out = { 0 };
	size_t before = fixture->n_answers;
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__SnapshotRequest request = BELFRY__V1__SNAPSHOT_REQUEST__INIT;
	request.prefixes = prefixes;
	request.n_prefixes = n;
	control.body_case = BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST;
	control.snapshot_request = &request;
	Belfry__V1__Control *answer = fixture_ask (fixture, &control, NULL, NULL);
	if (answer->body_case != BELFRY__V1__CONTROL__BODY_SNAPSHOT) {
		belfry__v1__control__free_unpacked (answer, NULL);
		return out;
	}
	belfry__v1__control__free_unpacked (answer, NULL);
	for (size_t i = before; i < fixture->n_answers; i++) {
		size_t size = fixture->answers[i % 512].size;
		answer = belfry__v1__control__unpack (NULL, size, fixture->answers[i % 512].bytes);
		cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_SNAPSHOT);
		cr_assert_eq (answer->snapshot->chunk, out.n_chunks);
		cr_assert_not (out.last, "nothing comes after the last");
		out.n_chunks++;
		out.n_frames += answer->snapshot->n_frames;
		out.n_sequences += answer->snapshot->n_sequences;
		out.last = answer->snapshot->last;
		if (size > out.largest)
			out.largest = size;
		for (size_t f = 0; f < answer->snapshot->n_frames; f++) {
			size_t used = strlen (out.topics);
			snprintf (out.topics + used, sizeof out.topics - used, "%s ",
			        answer->snapshot->frames[f]->topic);
		}
		belfry__v1__control__free_unpacked (answer, NULL);
	}
	return out;
}

Test (report, an_empty_snapshot_is_one_last_chunk)
{
	gathered_t got = snapshot (NULL, 0);
	cr_assert_eq (got.n_chunks, 1);
	cr_assert (got.last);
	cr_assert_eq (got.n_frames, 0);
}

Test (report, a_snapshot_has_the_newest_of_each_topic_under_the_prefixes)
{
	signer_samples (signer, fixture->now);
	take ();
	signer_samples (signer, fixture->now);
	take ();
	signer_health (signer, BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	take ();
	core_started (fixture->core, fixture->now);
	fixture_flush (fixture);
	gathered_t got = snapshot (NULL, 0);
	cr_assert (got.last);
	cr_assert_eq (got.n_sequences, 1);
	cr_assert_not_null (strstr (got.topics, "metrics/samples/demo/n1/agent/ "));
	cr_assert_not_null (strstr (got.topics, "health/node/demo/n1/agent/ "));
	cr_assert_not_null (strstr (got.topics, "system/lifecycle/demo/collector.c1/collector/ "));
	char prefix[] = "metrics/", *prefixes[] = { prefix };
	got = snapshot (prefixes, 1);
	cr_assert_eq (got.n_frames, 1);
	char *many[REPORT_PREFIXES_MAX + 1];
	for (size_t i = 0; i <= REPORT_PREFIXES_MAX; i++)
		many[i] = prefix;
	cr_assert_eq (
	        snapshot (many, REPORT_PREFIXES_MAX + 1).n_chunks, 0, "more prefixes than that are refused");
}

Test (report, a_large_snapshot_comes_in_bounded_chunks)
{
	char source[16], details[3000];
	memset (details, 'x', sizeof details - 1);
	details[sizeof details - 1] = '\0';
	size_t taken = 0;
	for (int n = 0; n < 4; n++) {
		char name[16];
		snprintf (name, sizeof name, "big%d", n);
		signer_t *big = signer_new ("demo", name, 1, 7, true, false);
		for (int i = 0; i < 60; i++) {
			Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
			Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
			snprintf (source, sizeof source, "app%d", i);
			entry.level = BELFRY__V1__SEVERITY__SEVERITY_WARNING;
			entry.message = details;
			event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
			event.log_entry = &entry;
			const publisher_note_t note = { .source = source };
			signer_event (big, &event, &note, fixture->now);
			cr_assert_eq (fixture_take (fixture, &big->last), REFUSAL_NONE);
			taken++;
		}
		signer_free (big);
	}
	char prefix[] = "logging/", *prefixes[] = { prefix };
	gathered_t got = snapshot (prefixes, 1);
	cr_assert_eq (got.n_frames, taken);
	cr_assert_gt (got.n_chunks, 2);
	cr_assert_leq (got.largest, REPORT_CHUNK_MAX + 1024);
	cr_assert (got.last);
}

Test (report, every_catalogue_of_a_source_stands_in_the_snapshot)
{
	for (uint64_t hash = 1; hash <= 3; hash++) {
		Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
		Belfry__V1__Catalogue catalogue = BELFRY__V1__CATALOGUE__INIT;
		Belfry__V1__Series series = BELFRY__V1__SERIES__INIT, *list[] = { &series };
		char name[] = "node_load1";
		series.name = name;
		series.kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
		catalogue.hash = hash;
		catalogue.n_series = 1;
		catalogue.series = list;
		event.payload_case = BELFRY__V1__EVENT__PAYLOAD_CATALOGUE;
		event.catalogue = &catalogue;
		for (int twice = 0; twice < 2; twice++) {
			fixture->now.mono.ns++;
			signer_event (signer, &event, NULL, fixture->now);
			take ();
		}
	}
	char prefix[] = "fabric/catalogue/demo/n1/", *prefixes[] = { prefix };
	cr_assert_eq (snapshot (prefixes, 1).n_frames, 3);
}
