/* What is not exactly what its signer sent is refused, for the right reason, and leaves no trace. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "core_fixture.h"
#include "wire/envelope.h"

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

TestSuite (ingest, .init = setup, .fini = teardown);

static size_t nodes_shown (void)
{
	Belfry__V1__Control *answer = fixture_status (fixture, "");
	size_t n = answer->status->n_nodes;
	belfry__v1__control__free_unpacked (answer, NULL);
	return n;
}

/* The last message's event, sealed anew as the test wants it. */
static message_t sealed (const char *topic, span_t event, uint32_t epoch, const mac_key_t *key)
{
	message_t message = { 0 };
	message.topic_size = strlen (topic);
	memcpy (message.topic, topic, message.topic_size);
	message.envelope = malloc (envelope_bound (event.size));
	message.envelope_size = envelope_seal (message.envelope, span_str (topic), event, epoch, key);
	return message;
}

static const mac_key_t *key_of (const char *node)
{
	return keyring_node_key (signer->keyring, 1, span_str (node));
}

static span_t event_of (const message_t *message)
{
	envelope_t envelope;
	cr_assert_eq (envelope_parse (message->envelope, message->envelope_size, &envelope), REFUSAL_NONE);
	return envelope.event;
}

static refusal_t take_sealed (const char *topic, span_t event, uint32_t epoch, const mac_key_t *key)
{
	message_t message = sealed (topic, event, epoch, key);
	refusal_t reason = fixture_take (fixture, &message);
	message_free (&message);
	return reason;
}

Test (ingest, a_sound_message_is_taken)
{
	signer_health (signer, BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	cr_assert_eq (nodes_shown (), 1);
}

Test (ingest, every_flipped_bit_is_refused_and_leaves_no_node)
{
	signer_health (signer, BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	message_t *message = &signer->last;
	uint64_t counts[REFUSAL_COUNT] = { 0 }, total = 0;
	for (size_t bit = 0; bit < message->envelope_size * 8; bit++) {
		message->envelope[bit / 8] ^= (uint8_t) (1 << bit % 8);
		refusal_t reason = fixture_take (fixture, message);
		message->envelope[bit / 8] ^= (uint8_t) (1 << bit % 8);
		cr_assert_neq (reason, REFUSAL_NONE, "bit %zu of the envelope", bit);
		counts[reason]++;
		total++;
	}
	for (int i = REFUSAL_NONE + 1; i < REFUSAL_COUNT; i++)
		cr_expect_eq (fixture_refused (fixture, (refusal_t) i), counts[i], "%s",
		        refusal_key ((refusal_t) i));
	/* The MAC and the event are by far most of it. */
	cr_assert_gt (counts[REFUSAL_MAC], total * 9 / 10);
	cr_assert_eq (nodes_shown (), 0);
	cr_assert_eq (fixture_take (fixture, message), REFUSAL_NONE, "the sound one still holds");
}

Test (ingest, every_flipped_bit_of_the_topic_is_refused)
{
	signer_health (signer, BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	message_t *message = &signer->last;
	for (size_t bit = 0; bit < message->topic_size * 8; bit++) {
		message->topic[bit / 8] ^= (uint8_t) (1 << bit % 8);
		cr_assert_neq (fixture_take (fixture, message), REFUSAL_NONE, "bit %zu of the topic", bit);
		message->topic[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	cr_assert_eq (nodes_shown (), 0);
}

Test (ingest, flipped_bits_of_a_known_topic_are_refused_too)
{
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	signer_samples (signer, fixture->now);
	message_t *message = &signer->last;
	for (size_t bit = 0; bit < message->envelope_size * 8; bit++) {
		message->envelope[bit / 8] ^= (uint8_t) (1 << bit % 8);
		cr_assert_neq (fixture_take (fixture, message), REFUSAL_NONE, "bit %zu", bit);
		message->envelope[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	cr_assert_eq (fixture_take (fixture, message), REFUSAL_NONE);
}

Test (ingest, a_replay_is_refused_whatever_its_class)
{
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_REPLAYED);
	signer_lifecycle (
	        signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED, "", fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_REPLAYED);
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
	char text[] = "hello";
	entry.level = BELFRY__V1__SEVERITY__SEVERITY_DEBUG;
	entry.message = text;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &entry;
	const publisher_note_t note = { .source = "app", .severity = BELFRY__V1__SEVERITY__SEVERITY_DEBUG };
	signer_event (signer, &event, &note, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_REPLAYED);
	cr_assert_eq (fixture_refused (fixture, REFUSAL_REPLAYED), 3);
}

Test (ingest, an_older_volatile_message_is_a_replay_and_an_older_durable_one_is_not)
{
	signer_lifecycle (signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTING, "",
	        fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	signer_lifecycle (
	        signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED, "", fixture->now);
	message_t durable = signer->last;
	signer->last = (message_t){ 0 };
	signer_samples (signer, fixture->now);
	message_t volatile_one = signer->last;
	signer->last = (message_t){ 0 };
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	signer_lifecycle (signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STOPPING, "",
	        fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &volatile_one), REFUSAL_REPLAYED);
	cr_assert_eq (fixture_take (fixture, &durable), REFUSAL_NONE);
	message_free (&durable);
	message_free (&volatile_one);
}

Test (ingest, each_truncation_is_refused)
{
	signer_samples (signer, fixture->now);
	size_t size = signer->last.envelope_size;
	for (size_t cut = 0; cut < size; cut++) {
		signer->last.envelope_size = cut;
		refusal_t reason = fixture_take (fixture, &signer->last);
		cr_assert (reason == REFUSAL_TRUNCATED || reason == REFUSAL_UNSIGNED, "at %zu: %s", cut,
		        refusal_key (reason));
	}
	for (size_t cut = 0; cut < signer->last.topic_size; cut++) {
		message_t message = signer->last;
		message.topic_size = cut;
		message.envelope_size = size;
		cr_assert_neq (fixture_take (fixture, &message), REFUSAL_NONE, "topic cut at %zu", cut);
	}
	cr_assert_eq (nodes_shown (), 0);
}

Test (ingest, an_oversized_envelope_is_refused)
{
	uint8_t *event = calloc (1, ENVELOPE_SIZE_MAX + 1);
	cr_assert_eq (take_sealed ("health/node/demo/n1/agent/", span_of (event, ENVELOPE_SIZE_MAX + 1), 1,
	                      key_of ("n1")),
	        REFUSAL_OVERSIZED);
	free (event);
}

Test (ingest, the_wrong_node_cluster_or_topic_is_refused)
{
	signer_health (signer, BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	span_t event = event_of (&signer->last);
	const mac_key_t *n1 = key_of ("n1"), *n2 = key_of ("n2");
	/* n1's key cannot speak as n2, and n2's cannot bear n1's words. */
	cr_expect_eq (take_sealed ("health/node/demo/n2/agent/", event, 1, n1), REFUSAL_MAC);
	cr_expect_eq (take_sealed ("health/node/demo/n2/agent/", event, 1, n2), REFUSAL_MISMATCH);
	cr_expect_eq (take_sealed ("health/node/other/n1/agent/", event, 1, n1), REFUSAL_CLUSTER);
	cr_expect_eq (take_sealed ("health/check/demo/n1/agent/", event, 1, n1), REFUSAL_MISMATCH);
	cr_expect_eq (take_sealed ("metrics/samples/demo/n1/agent/", event, 1, n1), REFUSAL_MISMATCH);
	cr_expect_eq (take_sealed ("alerts/info/demo/n1/agent/", event, 1, n1), REFUSAL_MISMATCH);
	cr_expect_eq (take_sealed ("health/node/demo/n1/other/", event, 1, n1), REFUSAL_MISMATCH);
	cr_expect_eq (take_sealed ("health/nothing/demo/n1/agent/", event, 1, n1), REFUSAL_TOPIC);
	cr_expect_eq (take_sealed ("nothing/node/demo/n1/agent/", event, 1, n1), REFUSAL_TOPIC);
	cr_expect_eq (take_sealed ("health/node/demo/n1/agent", event, 1, n1), REFUSAL_TOPIC);
	cr_expect_eq (take_sealed ("health/node/demo/collector.c2/agent/", event, 1, key_of ("collector.c2")),
	        REFUSAL_RESERVED);
	cr_expect_eq (take_sealed ("health/node/demo/n1/collector/", event, 1, n1), REFUSAL_RESERVED);
	cr_expect_eq (take_sealed ("health/node/demo/n1/agent/", event, 9, n1), REFUSAL_KEY_UNKNOWN);
	cr_expect_eq (take_sealed ("health/node/demo/n1/agent/", event, 0, NULL), REFUSAL_UNSIGNED);
	cr_assert_eq (nodes_shown (), 0, "none of them made a node");
}

Test (ingest, the_severity_in_the_topic_must_be_the_events)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
	char text[] = "hello";
	entry.level = BELFRY__V1__SEVERITY__SEVERITY_WARNING;
	entry.message = text;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &entry;
	const publisher_note_t note = { .severity = BELFRY__V1__SEVERITY__SEVERITY_WARNING };
	signer_event (signer, &event, &note, fixture->now);
	span_t bytes = event_of (&signer->last);
	cr_assert_eq (
	        take_sealed ("logging/critical/demo/n1/agent/", bytes, 1, key_of ("n1")), REFUSAL_MISMATCH);
	cr_assert_eq (take_sealed ("logging/warning/demo/n1/agent/", bytes, 1, key_of ("n1")), REFUSAL_NONE);
}

Test (ingest, hostile_protobuf_under_a_good_mac_is_refused)
{
	static uint8_t bomb[200000];
	const char *topic = "health/node/demo/n1/agent/";
	const mac_key_t *key = key_of ("n1");
	size_t size = 0;
	cr_expect_eq (
	        take_sealed (topic, span_of ("\x0a\xff\xff\xff\xff\x0f", 6), 1, key), REFUSAL_MALFORMED);
	cr_expect_eq (take_sealed (topic, span_of ("\x0a", 1), 1, key), REFUSAL_MALFORMED);
	cr_expect_eq (take_sealed (topic, span_of ("\x0a\x00", 2), 1, key), REFUSAL_INVALID);
	/* A header with ever more labels. */
	for (size = 0; size + 4 <= sizeof bomb; size += 4)
		memcpy (bomb + size, "\x0a\x02\x6a\x00", 4);
	cr_expect_neq (take_sealed (topic, span_of (bomb, size), 1, key), REFUSAL_NONE);
	memset (bomb, 0x0a, sizeof bomb);
	cr_expect_eq (take_sealed (topic, span_of (bomb, sizeof bomb), 1, key), REFUSAL_MALFORMED);
	memset (bomb, 0x1b, sizeof bomb);
	cr_expect_eq (take_sealed (topic, span_of (bomb, sizeof bomb), 1, key), REFUSAL_MALFORMED);
	cr_assert_eq (nodes_shown (), 0);
}

Test (ingest, an_insecure_receiver_refuses_what_is_signed_and_takes_what_is_not)
{
	fixture_t *insecure = fixture_new (false);
	signer_t *open = signer_new ("demo", "n1", 1, 7, false, false);
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (insecure, &signer->last), REFUSAL_UNVERIFIABLE);
	signer_samples (open, fixture->now);
	cr_assert_eq (fixture_take (insecure, &open->last), REFUSAL_NONE);
	cr_assert_eq (fixture_take (fixture, &open->last), REFUSAL_UNSIGNED);
	signer_free (open);
	fixture_free (insecure);
}

Test (ingest, another_clusters_secret_is_refused)
{
	signer_t *foreign = signer_new ("demo", "n1", 1, 7, true, true);
	signer_samples (foreign, fixture->now);
	cr_assert_eq (fixture_take (fixture, &foreign->last), REFUSAL_MAC);
	signer_free (foreign);
}

Test (ingest, an_older_incarnation_is_refused_and_a_newer_one_begins_anew)
{
	signer_t *newer = signer_new ("demo", "n1", 2, 8, true, false);
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	signer_samples (newer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &newer->last), REFUSAL_NONE, "sequence 1 again");
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_INCARNATION);
	signer_free (newer);
}

Test (ingest, a_second_program_under_one_name_is_refused_and_said)
{
	signer_t *clone = signer_new ("demo", "n1", 1, 8, true, false);
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	for (int i = 0; i < 3; i++) {
		signer_samples (clone, fixture->now);
		cr_assert_eq (fixture_take (fixture, &clone->last), REFUSAL_NONCE);
	}
	cr_assert_not (fixture_said (fixture, "two programs call themselves 'n1'"));
	signer_samples (clone, fixture->now);
	cr_assert_eq (fixture_take (fixture, &clone->last), REFUSAL_NONCE);
	cr_assert (fixture_said (fixture, "two programs call themselves 'n1'"));
	Belfry__V1__Event *event = fixture_published (fixture, BELFRY__V1__EVENT__PAYLOAD_SECURITY_ALERT);
	cr_assert_not_null (event);
	cr_assert_str_eq (event->header->subject_node, "n1");
	belfry__v1__event__free_unpacked (event, NULL);
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE, "the first goes on");
	cr_assert_eq (fixture_refused (fixture, REFUSAL_NONCE), 4);
	signer_free (clone);
}

Test (ingest, nodes_are_bounded)
{
	char name[16];
	for (int i = 0; i < 21; i++) {
		snprintf (name, sizeof name, "m%d", i);
		signer_t *other = signer_new ("demo", name, 1, 7, true, false);
		signer_samples (other, fixture->now);
		cr_assert_eq (fixture_take (fixture, &other->last), i < 20 ? REFUSAL_NONE : REFUSAL_LIMIT,
		        "%s", name);
		signer_free (other);
	}
	cr_assert_eq (nodes_shown (), 20);
}

Test (ingest, topics_and_sources_of_a_node_are_bounded)
{
	char source[16];
	size_t taken = 0, limited = 0;
	for (int i = 0; i < 100; i++) {
		snprintf (source, sizeof source, "app%d", i);
		signer_component (signer, source, "thing", BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
		refusal_t reason = fixture_take (fixture, &signer->last);
		taken += reason == REFUSAL_NONE;
		limited += reason == REFUSAL_LIMIT;
	}
	cr_assert_eq (taken, 64);
	cr_assert_eq (limited, 36);
	signer_component (signer, "app0", "thing", BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE, "what is known goes on");
}

Test (ingest, a_new_keyring_is_used_at_once)
{
	keyring_t *other = fixture_keyring (true);
	signer_t *foreign = signer_new ("demo", "n1", 2, 9, true, true);
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	core_set_keyring (fixture->core, other);
	keyring_destroy (&fixture->keyring);
	fixture->keyring = other;
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_MAC);
	signer_samples (foreign, fixture->now);
	cr_assert_eq (fixture_take (fixture, &foreign->last), REFUSAL_NONE);
	signer_free (foreign);
}
