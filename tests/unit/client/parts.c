/* The pure parts of the subscriber: names, catalogues, snapshot, tracking. */

#include "client/catalogues.h"
#include "client/names.h"
#include "client/snapshot.h"
#include "client/track.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite (names, .timeout = 20);
TestSuite (catalogues, .timeout = 20);
TestSuite (snapshot, .timeout = 20);
TestSuite (track, .timeout = 20);

Test (names, what_was_put_is_found_and_nothing_else)
{
	names_t *names;
	int a, b;
	cr_assert_eq (names_new (10, &names), 0);
	cr_assert_null (names_get (names, span_str ("a")));
	cr_assert_eq (names_put (names, span_str ("a"), &a), 0);
	cr_assert_eq (names_put (names, span_str (""), &b), 0);
	cr_assert_eq (names_get (names, span_str ("a")), &a);
	cr_assert_eq (names_get (names, span_str ("")), &b);
	cr_assert_null (names_get (names, span_str ("aa")));
	cr_assert_eq (names_count (names), 2);
	names_destroy (&names, NULL);
	cr_assert_null (names);
	names_destroy (&names, NULL);
}

Test (names, a_name_is_put_once_and_the_table_is_bounded)
{
	names_t *names = NULL;
	int a;
	cr_assert_eq (names_new (0, &names), -EINVAL);
	cr_assert_null (names);
	cr_assert_eq (names_new (2, &names), 0);
	cr_assert_eq (names_put (names, span_str ("a"), &a), 0);
	cr_assert_eq (names_put (names, span_str ("a"), &a), -EEXIST);
	cr_assert_eq (names_put (names, span_str ("b"), &a), 0);
	cr_assert_eq (names_put (names, span_str ("c"), &a), -ENOSPC);
	cr_assert_eq (names_remove (names, span_str ("a")), &a);
	cr_assert_null (names_remove (names, span_str ("a")));
	cr_assert_eq (names_put (names, span_str ("c"), &a), 0);
	names_destroy (&names, NULL);
}

Test (names, growth_and_removal_lose_nobody)
{
	enum { N = 5000 };
	static int values[N];
	names_t *names;
	char name[16];
	cr_assert_eq (names_new (N, &names), 0);
	for (int i = 0; i < N; i++) {
		snprintf (name, sizeof name, "node-%d", i);
		cr_assert_eq (names_put (names, span_str (name), &values[i]), 0);
	}
	for (int i = 0; i < N; i += 3) {
		snprintf (name, sizeof name, "node-%d", i);
		cr_assert_eq (names_remove (names, span_str (name)), &values[i]);
	}
	for (int i = 0; i < N; i++) {
		snprintf (name, sizeof name, "node-%d", i);
		cr_assert_eq (names_get (names, span_str (name)), i % 3 ? &values[i] : NULL, "%s", name);
	}
	names_destroy (&names, NULL);
}

/* A catalogue of one series. */
typedef struct {
	Belfry__V1__Catalogue catalogue;
	Belfry__V1__Series series, *list[1];
	char name[64];
} one_t;

static Belfry__V1__Catalogue *one (one_t *self, uint64_t hash, const char *name)
{
	belfry__v1__catalogue__init (&self->catalogue);
	belfry__v1__series__init (&self->series);
	snprintf (self->name, sizeof self->name, "%s", name);
	self->series.name = self->name;
	self->list[0] = &self->series;
	self->catalogue.hash = hash;
	self->catalogue.n_series = 1;
	self->catalogue.series = self->list;
	return &self->catalogue;
}

Test (catalogues, a_hash_means_what_its_own_node_said)
{
	client_catalogues_t *catalogues;
	one_t a, b;
	cr_assert_eq (client_catalogues_new (1 << 20, &catalogues), 0);
	cr_assert_null (client_catalogues_get (catalogues, "n1", 7));
	cr_assert_eq (client_catalogues_put (catalogues, "n1", one (&a, 7, "truth")), 0);
	cr_assert_eq (client_catalogues_put (catalogues, "n2", one (&b, 7, "another")), 0);
	cr_assert_str_eq (client_catalogues_get (catalogues, "n1", 7)->series[0]->name, "truth");
	cr_assert_str_eq (client_catalogues_get (catalogues, "n2", 7)->series[0]->name, "another");
	cr_assert_null (client_catalogues_get (catalogues, "n1", 8));
	cr_assert_eq (client_catalogues_put (catalogues, "n1", one (&b, 7, "a later lie")), 0);
	cr_assert_str_eq (client_catalogues_get (catalogues, "n1", 7)->series[0]->name, "truth");
	client_catalogues_destroy (&catalogues);
	cr_assert_null (catalogues);
}

Test (catalogues, the_least_recently_used_goes_first)
{
	client_catalogues_t *catalogues;
	one_t a;
	size_t bytes = belfry__v1__catalogue__get_packed_size (one (&a, 1, "name"));
	cr_assert_eq (client_catalogues_new (3 * bytes, &catalogues), 0);
	for (uint64_t hash = 1; hash <= 3; hash++)
		cr_assert_eq (client_catalogues_put (catalogues, "n1", one (&a, hash, "name")), 0);
	cr_assert_not_null (client_catalogues_get (catalogues, "n1", 1));
	cr_assert_eq (client_catalogues_put (catalogues, "n1", one (&a, 4, "name")), 0);
	cr_assert_eq (client_catalogues_count (catalogues), 3);
	cr_assert_null (client_catalogues_get (catalogues, "n1", 2));
	cr_assert_not_null (client_catalogues_get (catalogues, "n1", 1));
	cr_assert_not_null (client_catalogues_get (catalogues, "n1", 4));
	client_catalogues_destroy (&catalogues);
}

Test (catalogues, one_larger_than_the_bound_is_kept_alone)
{
	client_catalogues_t *catalogues;
	one_t a;
	cr_assert_eq (client_catalogues_new (1, &catalogues), 0);
	cr_assert_eq (client_catalogues_put (catalogues, "n1", one (&a, 1, "name")), 0);
	cr_assert_eq (client_catalogues_put (catalogues, "n1", one (&a, 2, "name")), 0);
	cr_assert_eq (client_catalogues_count (catalogues), 1);
	cr_assert_not_null (client_catalogues_get (catalogues, "n1", 2));
	client_catalogues_destroy (&catalogues);
}

/* An answer with one chunk of frames, one a topic. */
static Belfry__V1__Control *chunk (uint32_t number, const char *const *topics, size_t n)
{
	Belfry__V1__Control control;
	Belfry__V1__Snapshot snapshot;
	Belfry__V1__Frame frames[16], *list[16];
	belfry__v1__control__init (&control);
	belfry__v1__snapshot__init (&snapshot);
	for (size_t i = 0; i < n; i++) {
		belfry__v1__frame__init (&frames[i]);
		frames[i].topic = strdup (topics[i]);
		list[i] = &frames[i];
	}
	snapshot.chunk = number;
	snapshot.n_frames = n;
	snapshot.frames = list;
	control.body_case = BELFRY__V1__CONTROL__BODY_SNAPSHOT;
	control.snapshot = &snapshot;
	size_t size = belfry__v1__control__get_packed_size (&control);
	uint8_t *bytes = malloc (size);
	belfry__v1__control__pack (&control, bytes);
	Belfry__V1__Control *copy = belfry__v1__control__unpack (NULL, size, bytes);
	free (bytes);
	for (size_t i = 0; i < n; i++)
		free (frames[i].topic);
	return copy;
}

static void assert_order (const client_snapshot_t *snapshot, const char *const *topics, size_t n)
{
	cr_assert_eq (client_snapshot_count (snapshot), n);
	for (size_t i = 0; i < n; i++)
		cr_assert_str_eq (client_snapshot_frame (snapshot, i)->topic, topics[i], "place %zu", i);
}

static const char *const came[] = { "metrics/samples/a/", "health/node/a/", "metrics/samples/b/",
	"fabric/catalogue/a/", "system/lifecycle/a/", "nonsense/", "lifecycle/node/a/",
	"metrics/samples/c/" };

Test (snapshot, seldom_channels_come_first_and_catalogues_before_all)
{
	static const char *const wanted[] = { "fabric/catalogue/a/", "system/lifecycle/a/",
		"lifecycle/node/a/", "health/node/a/", "metrics/samples/a/", "metrics/samples/b/",
		"metrics/samples/c/", "nonsense/" };
	client_snapshot_t *snapshot;
	cr_assert_eq (client_snapshot_new (&snapshot), 0);
	cr_assert_eq (client_snapshot_add (snapshot, chunk (0, came, 3)), 0);
	cr_assert_eq (client_snapshot_add (snapshot, chunk (1, came + 3, 5)), 0);
	cr_assert_eq (client_snapshot_order (snapshot, false), 0);
	assert_order (snapshot, wanted, 8);
	client_snapshot_destroy (&snapshot);
	cr_assert_null (snapshot);
}

Test (snapshot, mixed_takes_one_of_each_channel_in_turn)
{
	static const char *const wanted[] = { "fabric/catalogue/a/", "system/lifecycle/a/",
		"lifecycle/node/a/", "health/node/a/", "metrics/samples/a/", "nonsense/",
		"metrics/samples/b/", "metrics/samples/c/" };
	client_snapshot_t *snapshot;
	cr_assert_eq (client_snapshot_new (&snapshot), 0);
	cr_assert_eq (client_snapshot_add (snapshot, chunk (0, came, 8)), 0);
	cr_assert_eq (client_snapshot_order (snapshot, true), 0);
	assert_order (snapshot, wanted, 8);
	client_snapshot_destroy (&snapshot);
}

Test (snapshot, a_chunk_out_of_its_place_is_refused_and_stays_the_callers)
{
	client_snapshot_t *snapshot;
	Belfry__V1__Control *second = chunk (1, came, 1);
	cr_assert_eq (client_snapshot_new (&snapshot), 0);
	cr_assert_eq (client_snapshot_add (snapshot, second), -EPROTO);
	cr_assert_eq (client_snapshot_count (snapshot), 0);
	belfry__v1__control__free_unpacked (second, NULL);
	cr_assert_eq (client_snapshot_order (snapshot, false), 0);
	client_snapshot_destroy (&snapshot);
}

enum {
	VOLATILE = BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_VOLATILE,
	DURABLE = BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_DURABLE,
	ON_DEMAND = BELFRY__V1__DELIVERY_CLASS__DELIVERY_CLASS_ON_DEMAND,
};

static char node_name[] = "n1";

static Belfry__V1__Header header (uint64_t incarnation, int class, uint64_t sequence, uint64_t monotonic_ns)
{
	Belfry__V1__Header header;
	belfry__v1__header__init (&header);
	header.node = node_name;
	header.incarnation = incarnation;
	header.boot_nonce = incarnation * 10;
	header.class_ = (Belfry__V1__DeliveryClass) class;
	header.sequence = sequence;
	header.monotonic_ns = monotonic_ns;
	return header;
}

static track_verdict_t take (track_t *track, Belfry__V1__Header h, refusal_t *reason)
{
	*reason = REFUSAL_NONE;
	return track_event (track, span_str ("health/node/demo/n1/agent/"), &h, reason);
}

static void assert_refused (track_t *track, Belfry__V1__Header h, refusal_t wanted)
{
	refusal_t reason;
	cr_assert_eq (take (track, h, &reason), TRACK_REFUSED);
	cr_assert_eq (reason, wanted, "%s", refusal_key (reason));
}

static void assert_taken (track_t *track, Belfry__V1__Header h, track_verdict_t wanted)
{
	refusal_t reason;
	cr_assert_eq (take (track, h, &reason), wanted, "%s", refusal_key (reason));
}

Test (track, a_repetition_is_refused_as_replayed)
{
	track_t *track;
	cr_assert_eq (track_new (&track), 0);
	assert_taken (track, header (1, VOLATILE, 1, 1), TRACK_NEW);
	assert_taken (track, header (1, DURABLE, 1, 1), TRACK_NEW);
	assert_refused (track, header (1, VOLATILE, 1, 1), REFUSAL_REPLAYED);
	assert_refused (track, header (1, DURABLE, 1, 1), REFUSAL_REPLAYED);
	assert_taken (track, header (1, ON_DEMAND, 0, 1), TRACK_NEW);
	assert_taken (track, header (1, ON_DEMAND, 0, 1), TRACK_NEW);
	track_destroy (&track);
	cr_assert_null (track);
	track_destroy (&track);
}

Test (track, a_durable_event_that_comes_late_is_new_a_volatile_one_is_not)
{
	track_t *track;
	cr_assert_eq (track_new (&track), 0);
	assert_taken (track, header (1, DURABLE, 4, 1), TRACK_NEW);
	assert_taken (track, header (1, DURABLE, 6, 1), TRACK_NEW);
	assert_taken (track, header (1, DURABLE, 5, 1), TRACK_NEW);
	assert_taken (track, header (1, VOLATILE, 4, 1), TRACK_NEW);
	assert_taken (track, header (1, VOLATILE, 6, 1), TRACK_NEW);
	assert_refused (track, header (1, VOLATILE, 5, 1), REFUSAL_REPLAYED);
	track_destroy (&track);
}

Test (track, older_incarnations_and_second_nonces_are_refused)
{
	track_t *track;
	cr_assert_eq (track_new (&track), 0);
	assert_taken (track, header (2, VOLATILE, 9, 1), TRACK_NEW);
	assert_refused (track, header (1, VOLATILE, 10, 1), REFUSAL_INCARNATION);
	Belfry__V1__Header clone = header (2, VOLATILE, 10, 1);
	clone.boot_nonce = 77;
	assert_refused (track, clone, REFUSAL_NONCE);
	assert_taken (track, header (3, VOLATILE, 1, 1), TRACK_NEW);
	track_destroy (&track);
}

Test (track, what_the_snapshot_covers_is_not_newer)
{
	track_t *track;
	span_t topic = span_str ("health/node/demo/n1/agent/");
	Belfry__V1__NodeSequence at;
	Belfry__V1__Header kept = header (1, VOLATILE, 8, 800);
	cr_assert_eq (track_new (&track), 0);
	belfry__v1__node_sequence__init (&at);
	at.node = node_name;
	at.incarnation = 1;
	at.newest_volatile = 9;
	at.newest_durable = 3;
	cr_assert_eq (track_snapshot_sequence (track, &at), 0);
	cr_assert_eq (track_snapshot_event (track, topic, &kept), 0);
	assert_taken (track, header (1, VOLATILE, 8, 800), TRACK_NOT_NEWER);
	assert_taken (track, header (1, VOLATILE, 9, 900), TRACK_NOT_NEWER);
	assert_taken (track, header (1, DURABLE, 3, 900), TRACK_NOT_NEWER);
	assert_taken (track, header (1, ON_DEMAND, 0, 700), TRACK_NOT_NEWER);
	assert_taken (track, header (1, VOLATILE, 10, 1000), TRACK_NEW);
	assert_taken (track, header (1, DURABLE, 4, 1000), TRACK_NEW);
	assert_taken (track, header (2, VOLATILE, 1, 1), TRACK_NEW);
	track_destroy (&track);
}

Test (track, without_sequences_the_topics_newest_decides)
{
	track_t *track;
	span_t topic = span_str ("health/node/demo/n1/agent/");
	Belfry__V1__Header kept = header (1, VOLATILE, 8, 800), older = header (1, VOLATILE, 7, 700);
	cr_assert_eq (track_new (&track), 0);
	cr_assert_eq (track_snapshot_event (track, topic, &kept), 0);
	cr_assert_eq (track_snapshot_event (track, topic, &older), 0);
	assert_taken (track, header (1, VOLATILE, 7, 700), TRACK_NOT_NEWER);
	assert_taken (track, header (1, VOLATILE, 8, 800), TRACK_NOT_NEWER);
	/* The same moment, said later: one cycle says several things. */
	assert_taken (track, header (1, VOLATILE, 9, 800), TRACK_NEW);
	refusal_t reason;
	Belfry__V1__Header elsewhere = header (1, DURABLE, 1, 100);
	cr_assert_eq (track_event (track, span_str ("system/lifecycle/demo/n1/agent/"), &elsewhere, &reason),
	        TRACK_NEW);
	track_destroy (&track);
}

static void beat (track_t *track, uint64_t newest_volatile, uint64_t newest_durable, int64_t at_ms)
{
	Belfry__V1__Heartbeat heartbeat;
	Belfry__V1__Header h = header (1, VOLATILE, 0, 0);
	belfry__v1__heartbeat__init (&heartbeat);
	heartbeat.newest_volatile = newest_volatile;
	heartbeat.newest_durable = newest_durable;
	track_beat (track, &h, &heartbeat, (mono_t){ at_ms * NS_PER_MS });
}

Test (track, losses_are_counted_inside_and_at_the_tail)
{
	track_t *track;
	cr_assert_eq (track_new (&track), 0);
	assert_taken (track, header (1, VOLATILE, 1, 1), TRACK_NEW);
	assert_taken (track, header (1, VOLATILE, 4, 1), TRACK_NEW);
	cr_assert_eq (track_lost (track), 2);
	assert_taken (track, header (1, DURABLE, 1, 1), TRACK_NEW);
	/* A beat may overtake its events: it binds 200 ms later. */
	beat (track, 6, 2, 1000);
	beat (track, 9, 2, 1199);
	cr_assert_eq (track_lost (track), 2);
	beat (track, 9, 2, 1200);
	cr_assert_eq (track_lost (track), 2 + 2 + 1);
	assert_taken (track, header (1, DURABLE, 2, 1), TRACK_NEW);
	cr_assert_eq (track_lost (track), 2 + 2);
	/* The next incarnation begins anew, and what was lost stays lost. */
	assert_taken (track, header (2, VOLATILE, 1, 1), TRACK_NEW);
	cr_assert_eq (track_lost (track), 2 + 2);
	track_destroy (&track);
}
