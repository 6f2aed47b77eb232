/* Hello and welcome, rosters, peer reports, and everything that is refused. */

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "core_fixture.h"
#include "base/borrow.h"

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

TestSuite (control, .init = setup, .fini = teardown);

/* The answer to a hello: whether it was accepted, and the next incarnation named. */
static bool hello (
        const char *node, uint64_t incarnation, uint64_t nonce, const char *address, uint64_t *next)
{
	Belfry__V1__Control *answer = fixture_hello (fixture, signer, node, incarnation, nonce, address);
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_WELCOME);
	bool accepted = answer->welcome->accepted;
	if (next)
		*next = answer->welcome->next_incarnation;
	belfry__v1__control__free_unpacked (answer, NULL);
	return accepted;
}

static void refused (Belfry__V1__Control *answer, const char *reason)
{
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_REFUSED);
	cr_assert_str_eq (answer->refused->reason, reason);
	cr_assert_gt (strlen (answer->refused->text), 0);
	belfry__v1__control__free_unpacked (answer, NULL);
}

Test (control, garbage_is_refused_and_counted)
{
	static const struct {
		const char *bytes;
		size_t size;
	} garbage[] = { { "", 0 }, { "\xff\xff\xff\xff", 4 }, { "\x08\x63", 2 }, { "\x08\x01", 2 } };
	for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
		size_t before = fixture->n_answers;
		core_control (fixture->core, &(core_peer_t){ .identity = span_of ("p", 1), .name = "" },
		        span_of (garbage[i].bytes, garbage[i].size), fixture->now);
		cr_assert_eq (fixture->n_answers, before + 1);
		cr_assert_eq (fixture_refused (fixture, REFUSAL_CONTROL), i + 1);
	}
}

Test (control, a_hello_is_welcomed_with_a_signed_answer)
{
	Belfry__V1__Control *answer = fixture_hello (fixture, signer, "n1", 1, 7, "tcp://127.0.0.1:7704");
	cr_assert_eq (answer->body_case, BELFRY__V1__CONTROL__BODY_WELCOME);
	cr_assert (answer->welcome->accepted);
	cr_assert (answer->welcome->want_catalogues);
	cr_assert_eq (answer->welcome->incarnation, 1);
	cr_assert_eq (answer->mac.len, 32);
	belfry__v1__control__free_unpacked (answer, NULL);
	size_t i = (fixture->n_answers - 1) % 512;
	cr_assert_eq (control_verify (fixture->answers[i].bytes, fixture->answers[i].size, CONTROL_TO_AGENT,
	                      signer->keyring, 1, span_str ("n1")),
	        REFUSAL_NONE);
}

Test (control, every_flipped_bit_of_a_hello_is_refused)
{
	hello ("n1", 3, 7, "", NULL);
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Hello body = BELFRY__V1__HELLO__INIT;
	uint8_t *bytes;
	size_t size;
	body.cluster = borrow ("demo");
	body.node = borrow ("n1");
	body.incarnation = 4;
	body.boot_nonce = 9;
	body.wire_version = 1;
	control.node = borrow ("n1");
	control.body_case = BELFRY__V1__CONTROL__BODY_HELLO;
	control.hello = &body;
	cr_assert_eq (control_pack (&control, CONTROL_TO_COLLECTOR, signer->keyring, "n1", &bytes, &size), 0);
	for (size_t bit = 0; bit < size * 8; bit++) {
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
		core_control (fixture->core, &(core_peer_t){ .identity = span_of ("p", 1), .name = "" },
		        span_of (bytes, size), fixture->now);
		bytes[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	free (bytes);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->incarnation, 3, "none of them was believed");
	belfry__v1__control__free_unpacked (status, NULL);
	cr_assert_geq (fixture_refused (fixture, REFUSAL_CONTROL), size * 8 - 64);
}

Test (control, an_unsigned_or_foreign_hello_is_refused)
{
	signer_t *open = signer_new ("demo", "n1", 1, 7, false, false);
	signer_t *foreign = signer_new ("demo", "n1", 1, 7, true, true);
	refused (fixture_hello (fixture, open, "n1", 1, 7, ""), "unsigned");
	refused (fixture_hello (fixture, foreign, "n1", 1, 7, ""), "mac");
	cr_assert_eq (fixture_refused (fixture, REFUSAL_CONTROL), 2);
	signer_free (open);
	signer_free (foreign);
}

Test (control, a_hello_in_the_wrong_place_is_refused_in_words)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Hello body = BELFRY__V1__HELLO__INIT;
	control.body_case = BELFRY__V1__CONTROL__BODY_HELLO;
	control.hello = &body;
	body.cluster = borrow ("other");
	body.node = borrow ("n1");
	body.incarnation = 1;
	body.wire_version = 1;
	refused (fixture_ask (fixture, &control, signer->keyring, "n1"), "cluster");
	body.cluster = borrow ("demo");
	body.wire_version = 2;
	refused (fixture_ask (fixture, &control, signer->keyring, "n1"), "wire_version");
	body.wire_version = 1;
	body.node = borrow ("n2");
	refused (fixture_ask (fixture, &control, signer->keyring, "n1"), "control");
	body.node = borrow ("collector.c2");
	refused (fixture_ask (fixture, &control, signer->keyring, "collector.c2"), "reserved");
}

Test (control, an_old_incarnation_and_a_clone_get_the_next_one_named)
{
	uint64_t next = 0;
	cr_assert (hello ("n1", 5, 7, "", NULL));
	cr_assert (hello ("n1", 5, 7, "", NULL), "the same again, after a broken connection");
	cr_assert_not (hello ("n1", 4, 7, "", &next), "a replayed hello");
	cr_assert_eq (next, 6);
	cr_assert_not (hello ("n1", 5, 8, "", &next), "another program");
	cr_assert_eq (next, 6);
	cr_assert (hello ("n1", 6, 8, "", NULL));
}

Test (control, a_welcomed_new_incarnation_counts_from_its_first)
{
	cr_assert (hello ("n1", 1, 7, "", NULL));
	signer_samples (signer, fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	cr_assert (hello ("n1", 2, 8, "", NULL));
	signer_t *again = signer_new ("demo", "n1", 2, 8, true, false);
	for (int i = 0; i < 3; i++)
		signer_samples (again, fixture->now);
	cr_assert_eq (fixture_take (fixture, &again->last), REFUSAL_NONE);
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->lost_volatile, 2);
	belfry__v1__control__free_unpacked (status, NULL);
	signer_free (again);
}

Test (control, what_this_release_cannot_do_is_refused)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Command command = BELFRY__V1__COMMAND__INIT;
	control.body_case = BELFRY__V1__CONTROL__BODY_COMMAND;
	control.command = &command;
	refused (fixture_ask (fixture, &control, NULL, NULL), "not_supported");
	Belfry__V1__Welcome welcome = BELFRY__V1__WELCOME__INIT;
	control.body_case = BELFRY__V1__CONTROL__BODY_WELCOME;
	control.welcome = &welcome;
	refused (fixture_ask (fixture, &control, NULL, NULL), "control");
}

Test (control, a_clones_hello_does_not_take_the_connection)
{
	uint8_t *bytes;
	size_t size;
	cr_assert (hello ("n1", 1, 7, "", NULL));
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__Hello clone = BELFRY__V1__HELLO__INIT;
	clone.cluster = borrow ("demo");
	clone.node = control.node = borrow ("n1");
	clone.incarnation = 1;
	clone.boot_nonce = 8;
	clone.wire_version = 1;
	control.body_case = BELFRY__V1__CONTROL__BODY_HELLO;
	control.hello = &clone;
	cr_assert_eq (control_pack (&control, CONTROL_TO_COLLECTOR, signer->keyring, "n1", &bytes, &size), 0);
	core_control (fixture->core, &(core_peer_t){ .identity = span_of ("clone", 5), .name = "" }, span_of (bytes, size), fixture->now);
	free (bytes);
	signer_lifecycle (
	        signer, BELFRY__V1__SYSTEM_LIFECYCLE_STATE__SYSTEM_LIFECYCLE_STATE_STARTED, "", fixture->now);
	cr_assert_eq (fixture_take (fixture, &signer->last), REFUSAL_NONE);
	size_t newest = (fixture->n_answers - 1) % 512;
	Belfry__V1__Control *ack = fixture_answer (fixture);
	cr_assert_eq (ack->body_case, BELFRY__V1__CONTROL__BODY_ACK);
	cr_assert_eq (fixture->answers[newest].peer_size, 5);
	cr_assert_eq (memcmp (fixture->answers[newest].peer, "peer1", 5), 0);
	belfry__v1__control__free_unpacked (ack, NULL);
}

/* The newest roster, or NULL; the caller frees it. */
static Belfry__V1__Control *roster (void)
{
	for (size_t i = fixture->n_answers; i > 0 && i + 512 > fixture->n_answers; i--) {
		Belfry__V1__Control *control = belfry__v1__control__unpack (
		        NULL, fixture->answers[(i - 1) % 512].size, fixture->answers[(i - 1) % 512].bytes);
		if (control && control->body_case == BELFRY__V1__CONTROL__BODY_ROSTER)
			return control;
		if (control)
			belfry__v1__control__free_unpacked (control, NULL);
	}
	return NULL;
}

/* A node that said hello and lives. */
static void join (const char *name, const char *address)
{
	signer_t *other = signer_new ("demo", name, 1, 7, true, false);
	Belfry__V1__Control *answer = fixture_hello (fixture, other, name, 1, 7, address);
	cr_assert (answer->welcome->accepted);
	belfry__v1__control__free_unpacked (answer, NULL);
	signer_health (other, BELFRY__V1__STATUS__STATUS_HEALTHY, fixture->now);
	cr_assert_eq (fixture_take (fixture, &other->last), REFUSAL_NONE);
	signer_free (other);
}

Test (control, nodes_get_each_other_to_probe_with_the_targets_keys)
{
	join ("n1", "tcp://127.0.0.1:7001");
	join ("n2", "tcp://127.0.0.1:7002");
	fixture_pass (fixture, 100 * NS_PER_MS);
	Belfry__V1__Control *control = roster ();
	cr_assert_not_null (control);
	cr_assert_eq (control->roster->n_targets, 1);
	const Belfry__V1__Roster__Target *target = control->roster->targets[0];
	const char *prober = strcmp (target->node, "n1") == 0 ? "n2" : "n1";
	uint8_t key[MAC_KEY_SIZE];
	cr_assert_eq (
	        keyring_probe_key (signer->keyring, 1, span_str (target->node), span_str (prober), key), 0);
	cr_assert_eq (target->probe_key.len, MAC_KEY_SIZE);
	cr_assert_arr_eq (target->probe_key.data, key, MAC_KEY_SIZE);
	belfry__v1__control__free_unpacked (control, NULL);
	size_t before = fixture->n_answers;
	fixture_pass (fixture, 9 * NS_PER_S);
	cr_assert_eq (fixture->n_answers, before, "nothing changed");
}

Test (control, nobody_probes_a_wildcard_or_an_address_that_another_node_has)
{
	join ("n1", "tcp://127.0.0.1:7001");
	join ("n2", "tcp://127.0.0.1:7001");
	join ("n3", "tcp://0.0.0.0:7003");
	join ("n4", "ipc:///tmp/x");
	join ("n5", "");
	fixture_pass (fixture, 100 * NS_PER_MS);
	Belfry__V1__Control *control = roster ();
	if (control) {
		cr_assert_eq (control->roster->n_targets, 0);
		belfry__v1__control__free_unpacked (control, NULL);
	}
	cr_assert (fixture_said (fixture, "another node has it"));
	cr_assert (fixture_said (fixture, "wildcard"));
	cr_assert (fixture_said (fixture, "tcp://HOST:PORT"));
}

Test (control, a_peer_report_is_kept_and_shown)
{
	Belfry__V1__Control control = BELFRY__V1__CONTROL__INIT;
	Belfry__V1__PeerReport report = BELFRY__V1__PEER_REPORT__INIT;
	Belfry__V1__PeerObservation seen = BELFRY__V1__PEER_OBSERVATION__INIT, *list[] = { &seen };
	seen.target = borrow ("n2");
	seen.rtt_ns = 1000;
	seen.state = BELFRY__V1__PEER_STATE__PEER_STATE_OK;
	report.n_observations = 1;
	report.observations = list;
	control.body_case = BELFRY__V1__CONTROL__BODY_PEER_REPORT;
	control.peer_report = &report;
	refused (fixture_ask (fixture, &control, signer->keyring, "n1"), "hello");
	join ("n1", "");
	uint8_t *bytes;
	size_t size, before = fixture->n_answers;
	cr_assert_eq (control_pack (&control, CONTROL_TO_COLLECTOR, signer->keyring, "n1", &bytes, &size), 0);
	core_control (fixture->core, &(core_peer_t){ .identity = span_of ("peer1", 5), .name = "" },
	        span_of (bytes, size), fixture->now);
	free (bytes);
	cr_assert_eq (fixture->n_answers, before, "a report needs no answer");
	Belfry__V1__Control *status = fixture_status (fixture, "n1");
	cr_assert_eq (status->status->nodes[0]->n_peers, 1);
	cr_assert_str_eq (status->status->nodes[0]->peers[0]->node, "n2");
	belfry__v1__control__free_unpacked (status, NULL);
}
