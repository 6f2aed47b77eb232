#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/listener.h"
#include "agents/peer_wire.h"
#include "agents/peers.h"

/* The probe key is a pair's own: what "n1" proves to "n2". */
static const char ring_text[] =
        "1 active secret 0101010101010101010101010101010101010101010101010101010101010101\n";

static loop_t *loop;
static keyring_t *keyring;
static listener_t *target;
static peers_t *peers;
static uint8_t key[MAC_KEY_SIZE];
static err_t err;

/* Tests run side by side, each in a process: eight ports each, below the ephemeral ones. */
static uint16_t port (int i)
{
	return (uint16_t) (20000 + getpid () * 8 % 12000 + i);
}

static const char *endpoint (int i)
{
	static char text[4][40];
	snprintf (text[i], sizeof text[i], "tcp://127.0.0.1:%u", (unsigned) port (i));
	return text[i];
}

static int bare_listener (int i)
{
	int fd = socket (AF_INET, SOCK_STREAM, 0), one = 1;
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons (port (i)) };
	at.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
	setsockopt (fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	cr_assert_eq (bind (fd, (struct sockaddr *) &at, sizeof at), 0);
	cr_assert_eq (listen (fd, 8), 0);
	return fd;
}

static void setup (void)
{
	cr_assert_eq (loop_new (&loop), 0);
	cr_assert_eq (
	        keyring_parse (ring_text, sizeof ring_text - 1, "ring", &keyring, &err), 0, "%s", err.text);
	cr_assert_eq (keyring_probe_key (keyring, 1, span_str ("n2"), span_str ("n1"), key), 0);
	cr_assert_eq (listener_new (loop, endpoint (0), "n2", keyring, &target, &err), 0, "%s", err.text);
	cr_assert_eq (peers_new (loop, "n1", 1000, &peers), 0);
}

static void teardown (void)
{
	peers_destroy (&peers);
	listener_destroy (&target);
	keyring_destroy (&keyring);
	loop_destroy (&loop);
	cr_assert_null (peers);
	cr_assert_null (target);
}
TestSuite (peers, .init = setup, .fini = teardown);

static void probe_target (const char *address, const uint8_t *with)
{
	peer_target_t one = { "n2", address, with, with ? 1 : 0 };
	cr_assert_eq (peers_set_targets (peers, &one, 1, mono_now ()), 0);
}

static peer_observation_t seen (mono_t now)
{
	peer_observation_t ret;
	cr_assert_eq (peers_count (peers), 1);
	peers_observe (peers, 0, now, &ret);
	return ret;
}

/* Ticks and turns until the condition holds, with a limit. */
#define UNTIL(condition)                                                       \
	do {                                                                   \
		mono_t limit_ = mono_add (mono_now (), 10 * NS_PER_S);         \
		while (!(condition) && mono_since (limit_, mono_now ()) > 0) { \
			peers_tick (peers, mono_now ());                       \
			cr_assert_eq (loop_turn (loop, 5 * NS_PER_MS), 0);     \
		}                                                              \
		cr_assert (condition);                                         \
	} while (0)

#define TURN_UNTIL(condition)                                                \
	do {                                                                 \
		mono_t limit_ = mono_add (mono_now (), 10 * NS_PER_S);       \
		while (!(condition) && mono_since (limit_, mono_now ()) > 0) \
			cr_assert_eq (loop_turn (loop, 5 * NS_PER_MS), 0);   \
		cr_assert (condition);                                       \
	} while (0)

static int dial (void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons (port (0)) };
	at.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
	int fd = socket (AF_INET, SOCK_STREAM, 0);
	cr_assert_eq (connect (fd, (struct sockaddr *) &at, sizeof at), 0);
	return fd;
}

static size_t hello_make (uint8_t *out, uint32_t epoch, const char *name)
{
	memcpy (out, PEER_MAGIC, 4);
	bytes_put_u32 (out + 4, epoch);
	bytes_put_u32 (out + 8, (uint32_t) strlen (name));
	memcpy (out + 12, name, strlen (name));
	return 12 + strlen (name);
}

static size_t probe_make (uint8_t *out, uint64_t nonce, const uint8_t with[MAC_KEY_SIZE])
{
	mac_key_t *state = aligned_alloc (64, (mac_key_size () + 63) / 64 * 64);
	mac_key_init (state, with);
	bytes_put_u64 (out, nonce);
	peer_mac (state, nonce, out + 8);
	free (state);
	return PEER_PROBE_SIZE;
}

Test (peers, a_target_answers_and_is_ok)
{
	probe_target (listener_endpoint (target), key);
	cr_assert_eq (seen (mono_now ()).state, BELFRY__V1__PEER_STATE__PEER_STATE_NEVER);
	UNTIL (seen (mono_now ()).answers >= 3);
	peer_observation_t o = seen (mono_now ());
	cr_assert_eq (o.state, BELFRY__V1__PEER_STATE__PEER_STATE_OK);
	cr_assert (o.rtt_ns > 0 && o.rtt_ns < NS_PER_S);
	cr_assert (o.age_ns >= 0 && o.age_ns < NS_PER_S);
	cr_assert_geq (o.probes, o.answers);
	cr_assert_eq (listener_counters (target)->accepted, 1, "one standing connection");
	cr_assert_geq (listener_counters (target)->answered, 3);
	cr_assert (peers_take_changed (peers));
	cr_assert (!peers_take_changed (peers));
}

Test (peers, a_fabric_without_keys_probes_with_empty_macs)
{
	listener_set_keyring (target, NULL);
	probe_target (listener_endpoint (target), NULL);
	UNTIL (seen (mono_now ()).state == BELFRY__V1__PEER_STATE__PEER_STATE_OK);
	cr_assert_eq (listener_counters (target)->key, 0);
}

Test (peers, a_target_that_never_worked_testifies_to_nothing)
{
	probe_target (endpoint (2), key);
	UNTIL (peers_counters (peers)->refused >= 2);
	cr_assert_eq (seen (mono_now ()).state, BELFRY__V1__PEER_STATE__PEER_STATE_NEVER);
	cr_assert_eq (seen (mono_now ()).age_ns, -1);
}

Test (peers, a_target_that_died_is_refused_at_once_and_ok_again_when_it_is_back)
{
	probe_target (listener_endpoint (target), key);
	UNTIL (seen (mono_now ()).answers >= 1);
	/* A line that just came up is not tried again at once: it shall stand for a while. */
	mono_t began = mono_now ();
	UNTIL (mono_since (mono_now (), began) > 250 * NS_PER_MS);
	listener_destroy (&target);
	UNTIL (seen (mono_now ()).state == BELFRY__V1__PEER_STATE__PEER_STATE_REFUSED);
	cr_assert (peers_take_changed (peers));
	cr_assert_eq (listener_new (loop, endpoint (0), "n2", keyring, &target, &err), 0, "%s", err.text);
	UNTIL (seen (mono_now ()).state == BELFRY__V1__PEER_STATE__PEER_STATE_OK);
}

static void count_change (void *arg)
{
	++*(unsigned *) arg;
}

Test (peers, a_death_is_said_between_ticks)
{
	unsigned changes = 0;
	probe_target (endpoint (0), key);
	UNTIL (seen (mono_now ()).state == BELFRY__V1__PEER_STATE__PEER_STATE_OK);
	peers_on_change (peers, count_change, &changes);
	peers_take_changed (peers);
	listener_destroy (&target);
	TURN_UNTIL (changes > 0);
	cr_assert (peers_take_changed (peers));
	cr_assert_neq (seen (mono_now ()).state, BELFRY__V1__PEER_STATE__PEER_STATE_OK);
}

/* Its sockets close one after the other: the port may still accept what it will never answer. */
Test (peers, a_target_that_accepts_once_more_while_it_dies_is_refused_without_a_tick)
{
	probe_target (endpoint (0), key);
	UNTIL (seen (mono_now ()).answers >= 1);
	mono_t began = mono_now ();
	UNTIL (mono_since (mono_now (), began) > 250 * NS_PER_MS);
	listener_destroy (&target);
	int dying = bare_listener (0), last = -1;
	fcntl (dying, F_SETFL, O_NONBLOCK);
	TURN_UNTIL (last >= 0 || (last = accept (dying, NULL, NULL)) >= 0);
	close (dying);
	close (last);
	TURN_UNTIL (seen (mono_now ()).state == BELFRY__V1__PEER_STATE__PEER_STATE_REFUSED);
}

Test (peers, a_stopped_target_is_silent_yet_its_kernel_acknowledges)
{
	int fd = bare_listener (1);
	probe_target (endpoint (1), key);
	UNTIL (peers_counters (peers)->probes >= 1);
	int peer = accept (fd, NULL, NULL);
	uint8_t bytes[PEER_HELLO_MAX + PEER_PROBE_SIZE], answer[MAC_SIZE];
	size_t hello = 12 + strlen ("n1");
	cr_assert_eq (recv (peer, bytes, hello + PEER_PROBE_SIZE, MSG_WAITALL),
	        (ssize_t) (hello + PEER_PROBE_SIZE));
	cr_assert_eq (memcmp (bytes, "BFP1\0\0\0\1\0\0\0\2n1", hello), 0);
	mac_key_t *state = aligned_alloc (64, (mac_key_size () + 63) / 64 * 64);
	mac_key_init (state, key);
	uint64_t nonce = bytes_get_u64 (bytes + hello);
	cr_assert (peer_mac_valid (state, nonce, bytes + hello + 8));
	peer_mac (state, nonce + 1, answer);
	cr_assert_eq (send (peer, answer, sizeof answer, 0), (ssize_t) sizeof answer);
	free (state);
	UNTIL (seen (mono_now ()).state == BELFRY__V1__PEER_STATE__PEER_STATE_OK);
	/* It answers no more; virtual time passes, real acknowledgements stay. */
	mono_t later = mono_add (mono_now (), PEERS_SILENT_NS + NS_PER_MS);
	peers_tick (peers, mono_now ());
	peers_tick (peers, later);
	peer_observation_t o = seen (later);
	cr_assert_eq (o.state, BELFRY__V1__PEER_STATE__PEER_STATE_SILENT);
	cr_assert (o.acknowledged_age_ns >= 0 && o.acknowledged_age_ns < 500 * NS_PER_MS, "%lld ns",
	        (long long) o.acknowledged_age_ns);
	cr_assert_eq (peers_counters (peers)->timeouts, 0, "the standing connection is kept");
	close (peer);
	close (fd);
}

Test (peers, an_answer_with_a_wrong_mac_closes_the_connection_and_is_counted)
{
	uint8_t wrong[MAC_KEY_SIZE] = { 9 };
	/* The target does not know the key: it closes; and the other way round, below. */
	probe_target (listener_endpoint (target), wrong);
	UNTIL (listener_counters (target)->mac >= 1);
	cr_assert_eq (seen (mono_now ()).answers, 0);
	cr_assert_eq (seen (mono_now ()).state, BELFRY__V1__PEER_STATE__PEER_STATE_NEVER);

	int fd = bare_listener (1);
	probe_target (endpoint (1), key);
	uint64_t before = peers_counters (peers)->probes;
	UNTIL (peers_counters (peers)->probes > before);
	int peer = accept (fd, NULL, NULL);
	uint8_t lie[MAC_SIZE] = { 1, 2, 3 };
	cr_assert_eq (send (peer, lie, sizeof lie, 0), (ssize_t) sizeof lie);
	UNTIL (peers_counters (peers)->mac == 1);
	close (peer);
	close (fd);
}

Test (peers, targets_that_stay_keep_their_connection)
{
	peer_target_t two[2] = { { "n2", endpoint (0), key, 1 }, { "n3", endpoint (2), key, 1 } };
	probe_target (two[0].address, key);
	UNTIL (seen (mono_now ()).answers >= 1);
	cr_assert_eq (peers_set_targets (peers, two, 2, mono_now ()), 0);
	cr_assert_eq (peers_count (peers), 2);
	peer_observation_t o;
	peers_observe (peers, 0, mono_now (), &o);
	cr_assert_eq (o.state, BELFRY__V1__PEER_STATE__PEER_STATE_OK);
	cr_assert_eq (peers_set_targets (peers, two, 1, mono_now ()), 0);
	cr_assert_eq (listener_counters (target)->accepted, 1);
	cr_assert_eq (peers_set_targets (peers, NULL, 0, mono_now ()), 0);
	cr_assert_eq (peers_count (peers), 0);
}

Test (peers, ourselves_names_and_twice_the_same_are_left_out)
{
	peer_target_t targets[] = { { "n1", endpoint (0), key, 1 }, { "n5", "tcp://localhost:7704", key, 1 },
		{ "n6", "nonsense", key, 1 }, { "n2", endpoint (0), key, 1 },
		{ "n2", endpoint (1), key, 1 } };
	cr_assert_eq (peers_set_targets (peers, targets, 5, mono_now ()), 0);
	cr_assert_eq (peers_count (peers), 1);
	cr_assert_eq (peers_counters (peers)->unaddressed, 3);
}

Test (peers, garbage_at_the_listener_is_counted_and_closed)
{
	const struct {
		const char *bytes;
		size_t size;
	} cases[] = { { "GET / HTTP/1.0\r\n\r\n", 18 }, { "BFP2\0\0\0\1\0\0\0\2n1", 14 },
		{ "BFP1\0\0\0\1\0\0\0\0", 12 }, { "BFP1\0\0\0\1\xff\xff\xff\xff", 12 },
		{ "BFP1\0\0\0\1\0\0\0\2-1", 14 } };
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		int fd = dial ();
		cr_assert_eq (send (fd, cases[i].bytes, cases[i].size, 0), (ssize_t) cases[i].size);
		TURN_UNTIL (listener_counters (target)->malformed == i + 1);
		close (fd);
	}
	TURN_UNTIL (listener_counters (target)->open == 0);
}

Test (peers, an_epoch_without_a_key_is_counted_and_closed)
{
	uint8_t bytes[64];
	int fd = dial ();
	size_t n = hello_make (bytes, 9, "n1");
	cr_assert_eq (send (fd, bytes, n, 0), (ssize_t) n);
	TURN_UNTIL (listener_counters (target)->key == 1 && listener_counters (target)->open == 0);
	close (fd);
	listener_set_keyring (target, NULL);
	fd = dial ();
	n = hello_make (bytes, 1, "n1");
	cr_assert_eq (send (fd, bytes, n, 0), (ssize_t) n);
	TURN_UNTIL (listener_counters (target)->key == 2);
	close (fd);
}

Test (peers, a_probe_that_comes_byte_by_byte_is_answered)
{
	uint8_t bytes[128], answer[MAC_SIZE];
	int fd = dial ();
	size_t n = hello_make (bytes, 1, "n1");
	n += probe_make (bytes + n, 5, key);
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq (send (fd, bytes + i, 1, 0), 1);
		cr_assert_eq (loop_turn (loop, NS_PER_MS), 0);
	}
	TURN_UNTIL (listener_counters (target)->answered == 1);
	cr_assert_eq (recv (fd, answer, sizeof answer, MSG_WAITALL), (ssize_t) sizeof answer);
	close (fd);
}

Test (peers, another_nodes_key_opens_nothing)
{
	uint8_t bytes[128], others[MAC_KEY_SIZE];
	cr_assert_eq (keyring_probe_key (keyring, 1, span_str ("n3"), span_str ("n1"), others), 0);
	int fd = dial ();
	size_t n = hello_make (bytes, 1, "n1");
	n += probe_make (bytes + n, 5, others);
	cr_assert_eq (send (fd, bytes, n, 0), (ssize_t) n);
	TURN_UNTIL (listener_counters (target)->mac == 1 && listener_counters (target)->open == 0);
	cr_assert_eq (listener_counters (target)->answered, 0);
	close (fd);
}

Test (peers, strangers_cannot_keep_a_prober_out)
{
	int fds[LISTENER_CONNECTIONS_MAX];
	for (size_t i = 0; i < LISTENER_CONNECTIONS_MAX; i++) {
		fds[i] = dial ();
		TURN_UNTIL (listener_counters (target)->accepted == i + 1);
	}
	cr_assert_eq (listener_counters (target)->open, LISTENER_CONNECTIONS_MAX);
	probe_target (listener_endpoint (target), key);
	UNTIL (seen (mono_now ()).state == BELFRY__V1__PEER_STATE__PEER_STATE_OK);
	cr_assert_eq (listener_counters (target)->full, 1);
	cr_assert_eq (listener_counters (target)->open, LISTENER_CONNECTIONS_MAX);
	for (size_t i = 0; i < LISTENER_CONNECTIONS_MAX; i++)
		close (fds[i]);
	TURN_UNTIL (listener_counters (target)->open == 1);
}

Test (peers, an_idle_connection_is_closed_after_ten_seconds)
{
	int fd = dial ();
	TURN_UNTIL (listener_counters (target)->open == 1);
	listener_tick (target, mono_add (mono_now (), LISTENER_IDLE_NS - NS_PER_S));
	cr_assert_eq (listener_counters (target)->open, 1);
	listener_tick (target, mono_add (mono_now (), LISTENER_IDLE_NS + NS_PER_S));
	cr_assert_eq (listener_counters (target)->open, 0);
	cr_assert_eq (listener_counters (target)->idle, 1);
	close (fd);
}

Test (peers, a_port_in_use_is_said_with_what_would_be_right)
{
	listener_t *second = NULL;
	cr_assert_eq (listener_new (loop, endpoint (0), "n2", keyring, &second, &err), -EADDRINUSE);
	cr_assert_null (second);
	cr_assert (strstr (err.text, endpoint (0)) && strstr (err.text, "another port"), "%s", err.text);
	cr_assert_eq (
	        listener_new (loop, "tcp://192.0.2.1:7704", "n2", keyring, &second, &err), -EADDRNOTAVAIL);
	cr_assert_eq (listener_new (loop, "udp://127.0.0.1:1", "n2", keyring, &second, &err), -EINVAL);
}
