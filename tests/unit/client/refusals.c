/* What does not hold is refused, counted by its reason, and the rest goes on. */

#include "base/clock.h"
#include "client/belfry_client.h"
#include "tests/unit/client/fake_collector.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite (refusals, .timeout = 60);

#define LIMIT (20 * NS_PER_S)
#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER_SECRET "f123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static char keyring_file[] = "/tmp/belfry-test-keyring-XXXXXX";

static void write_keyring (const char *text)
{
	int fd = mkstemp (keyring_file);
	cr_assert_geq (fd, 0);
	cr_assert_eq (write (fd, text, strlen (text)), (ssize_t) strlen (text));
	close (fd);
}

static belfry_client_t *open_client (const fake_t *fake, const char *keyring)
{
	char error[BELFRY_CLIENT_ERROR_MAX];
	belfry_client_t *client = NULL;
	belfry_client_options_t options = {
		.stream = fake_stream (fake), .keyring = keyring, .deadline_ns = LIMIT
	};
	cr_assert_eq (belfry_client_open (&options, &client, error), 0, "%s", error);
	return client;
}

static const belfry_client_event_t *next (belfry_client_t *client)
{
	const belfry_client_event_t *event;
	do
		cr_assert_eq (belfry_client_next (client, LIMIT, &event), 0);
	while (event->event->payload_case == BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT);
	return event;
}

static uint64_t count_of (const belfry_client_t *client, const char *reason)
{
	belfry_client_refusal_t refusals[64];
	size_t n = belfry_client_refusals (client, refusals, 64);
	for (size_t i = 0; i < n; i++) {
		if (strcmp (refusals[i].reason, reason) == 0) {
			cr_assert_not_null (refusals[i].help);
			return refusals[i].count;
		}
	}
	return 0;
}

/* Sends a bad message, then a good one that shows that the bad one was looked at. */
static void assert_refused (fake_t *fake, publisher_t *publisher, belfry_client_t *client,
        const fake_message_t *bad, const char *reason)
{
	uint64_t before = count_of (client, reason);
	fake_send (fake, bad);
	fake_send (fake, fake_log (fake, publisher, reason));
	const belfry_client_event_t *event = next (client);
	cr_assert_eq (event->event->payload_case, BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY, "%s came instead",
	        event->topic);
	cr_assert_str_eq (event->event->log_entry->message, reason);
	cr_assert_eq (count_of (client, reason), before + 1, "%s: %llu", reason,
	        (unsigned long long) count_of (client, reason));
}

Test (refusals, a_keyed_subscriber_takes_what_verifies_and_refuses_the_rest)
{
	write_keyring ("1 active secret " SECRET "\n");
	fake_t *fake = fake_start (&(fake_options_t){ .keyring = "1 active secret " SECRET "\n" });
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	belfry_client_t *client = open_client (fake, keyring_file);
	unlink (keyring_file);
	fake_message_t *m = fake_log (fake, n1, "good");
	fake_send (fake, m);
	cr_assert_eq (next (client)->verified, BELFRY_CLIENT_VERIFIED_MAC);

	assert_refused (fake, n1, client, m, "replayed");

	m = fake_log (fake, n1, "flipped");
	m->bytes[m->size - 1] ^= 1;
	assert_refused (fake, n1, client, m, "mac");

	m = fake_log (fake, n1, "another topic");
	memcpy (strstr (m->topic, "/info/"), "/warn/", 6);
	assert_refused (fake, n1, client, m, "mac");

	m = fake_log (fake, n1, "no slash behind");
	m->topic_size--;
	assert_refused (fake, n1, client, m, "topic");

	m = fake_log (fake, n1, "cut");
	m->size--;
	assert_refused (fake, n1, client, m, "truncated");

	m = fake_log (fake, n1, "version 2");
	m->bytes[1] = 2;
	assert_refused (fake, n1, client, m, "version");

	m = fake_log (fake, n1, "no MAC");
	m->size -= 34;
	assert_refused (fake, n1, client, m, "unsigned");

	m = fake_log (fake, n1, "epoch 9");
	m->bytes[3] = 9;
	assert_refused (fake, n1, client, m, "key_unknown");

	publisher_t *older = fake_publisher (fake, "n1", 2, 20);
	fake_send (fake, fake_log (fake, older, "the next incarnation"));
	next (client);
	assert_refused (fake, older, client, fake_log (fake, n1, "the last one"), "incarnation");

	publisher_t *clone = fake_publisher (fake, "n1", 2, 21);
	assert_refused (fake, older, client, fake_log (fake, clone, "a clone"), "nonce");

	belfry_client_totals_t totals;
	belfry_client_totals (client, &totals);
	cr_assert_eq (totals.refused, 10);
	belfry_client_close (&client);
	fake_stop (&fake);
}

Test (refusals, another_secret_verifies_nothing)
{
	write_keyring ("1 active secret " OTHER_SECRET "\n");
	fake_t *fake = fake_start (&(fake_options_t){ .keyring = "1 active secret " SECRET "\n" });
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	belfry_client_t *client = open_client (fake, keyring_file);
	unlink (keyring_file);
	const belfry_client_event_t *event;
	for (int i = 0; i < 20; i++)
		fake_send (fake, fake_log (fake, n1, "forged for all we know"));
	while (count_of (client, "mac") < 20)
		cr_assert_eq (belfry_client_next (client, 10 * NS_PER_MS, &event), BELFRY_CLIENT_E_TIMEOUT);
	belfry_client_close (&client);
	fake_stop (&fake);
}

Test (refusals, without_keys_the_form_still_counts)
{
	fake_t *fake = fake_start (NULL);
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	belfry_client_t *client = open_client (fake, NULL);
	fake_message_t *m = fake_log (fake, n1, "unsigned");
	fake_send (fake, m);
	cr_assert_eq (next (client)->verified, BELFRY_CLIENT_VERIFIED_NO);

	m = fake_log (fake, n1, "of another node");
	memcpy (strstr (m->topic, "/n1/"), "/n2/", 4);
	assert_refused (fake, n1, client, m, "mismatch");

	/* Envelope { version, event = a field that ends behind its end }. */
	static const uint8_t open_end[] = { 0x08, 0x01, 0x1a, 0x02, 0x0a, 0x7f };
	m = fake_log (fake, n1, "no event");
	memcpy (m->bytes, open_end, sizeof open_end);
	m->size = sizeof open_end;
	assert_refused (fake, n1, client, m, "malformed");

	/* Envelope { version, event = header without anything }. */
	static const uint8_t empty[] = { 0x08, 0x01, 0x1a, 0x02, 0x0a, 0x00 };
	m = fake_log (fake, n1, "empty");
	memcpy (m->bytes, empty, sizeof empty);
	m->size = sizeof empty;
	assert_refused (fake, n1, client, m, "invalid");

	m = fake_log (fake, n1, "field 5");
	m->bytes[m->size++] = 0x28;
	m->bytes[m->size++] = 0x01;
	assert_refused (fake, n1, client, m, "non_canonical");
	belfry_client_close (&client);
	fake_stop (&fake);
}
