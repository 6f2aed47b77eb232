/* The join, the stream behind it and the requests, against a collector on loopback. */

#include "base/clock.h"
#include "client/belfry_client.h"
#include "tests/unit/client/fake_collector.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <string.h>

TestSuite (open, .timeout = 60);
TestSuite (join, .timeout = 60);
TestSuite (status, .timeout = 60);

#define SOON (50 * NS_PER_MS)
#define LIMIT (20 * NS_PER_S)

static belfry_client_options_t options_of (const fake_t *fake)
{
	return (belfry_client_options_t){ .stream = fake_stream (fake),
		.control = fake_control (fake),
		.snapshot = BELFRY_CLIENT_SNAPSHOT_NEEDED,
		.deadline_ns = LIMIT };
}

static belfry_client_t *open_client (const belfry_client_options_t *options)
{
	char error[BELFRY_CLIENT_ERROR_MAX];
	belfry_client_t *client = NULL;
	cr_assert_eq (belfry_client_open (options, &client, error), 0, "%s", error);
	cr_assert_str_empty (error);
	return client;
}

/* The next event that is no heartbeat. */
static const belfry_client_event_t *next (belfry_client_t *client)
{
	const belfry_client_event_t *event;
	do
		cr_assert_eq (belfry_client_next (client, LIMIT, &event), 0);
	while (event->event->payload_case == BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT);
	return event;
}

static void assert_log (belfry_client_t *client, const char *text, bool snapshot)
{
	const belfry_client_event_t *event = next (client);
	cr_assert_eq (event->event->payload_case, BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY, "%s", event->topic);
	cr_assert_str_eq (event->event->log_entry->message, text);
	cr_assert_eq (event->snapshot, snapshot, "%s", text);
}

static void assert_fails (const belfry_client_options_t *options, int wanted, const char *says)
{
	char error[BELFRY_CLIENT_ERROR_MAX] = "";
	belfry_client_t *client = NULL;
	int r = belfry_client_open (options, &client, error);
	cr_assert_eq (r, wanted, "%d: %s", r, error);
	cr_assert_null (client);
	cr_assert_not_null (strstr (error, says), "'%s' lacks '%s'", error, says);
}

Test (open, nobody_there_is_not_reachable_within_the_deadline)
{
	/* Port 1 of loopback: nobody listens there. */
	belfry_client_options_t options = { .stream = "tcp://127.0.0.1:1", .deadline_ns = SOON };
	mono_t began = mono_now ();
	assert_fails (&options, -ETIMEDOUT, "tcp://127.0.0.1:1");
	cr_assert_geq (mono_since (mono_now (), began), SOON);
}

Test (open, a_stream_without_beats_is_no_collector)
{
	fake_t *fake = fake_start (&(fake_options_t){ .no_beats = true });
	belfry_client_options_t options = options_of (fake);
	options.deadline_ns = SOON;
	assert_fails (&options, -ETIMEDOUT, fake_stream (fake));
	cr_assert_eq (fake_requests (fake), 0);
	fake_stop (&fake);
}

Test (open, control_that_is_silent_fails_only_who_needs_the_snapshot)
{
	fake_t *fake = fake_start (&(fake_options_t){ .no_answers = true });
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	belfry_client_options_t options = options_of (fake);
	options.deadline_ns = 500 * NS_PER_MS;
	assert_fails (&options, -ETIMEDOUT, fake_control (fake));
	char error[BELFRY_CLIENT_ERROR_MAX];
	belfry_client_t *client;
	options.snapshot = BELFRY_CLIENT_SNAPSHOT_TRY;
	cr_assert_eq (belfry_client_open (&options, &client, error), 0);
	cr_assert_not_null (strstr (error, fake_control (fake)));
	fake_send (fake, fake_log (fake, n1, "live"));
	assert_log (client, "live", false);
	belfry_client_close (&client);
	cr_assert_null (client);
	belfry_client_close (&client);
	fake_stop (&fake);
}

Test (open, a_refusal_is_told_from_silence_and_from_garbage)
{
	fake_t *fake = fake_start (&(fake_options_t){ .refuse = "role" });
	belfry_client_options_t options = options_of (fake);
	assert_fails (&options, -EPERM, "because the test says so (role)");
	fake_stop (&fake);
	fake = fake_start (&(fake_options_t){ .garbage = true });
	options = options_of (fake);
	assert_fails (&options, -EPROTO, fake_control (fake));
	fake_stop (&fake);
	fake = fake_start (&(fake_options_t){ .chunks_out_of_order = true });
	options = options_of (fake);
	assert_fails (&options, -EPROTO, "out of order");
	fake_stop (&fake);
}

Test (open, wrong_options_are_named)
{
	const char *bad[] = { "health/", "he alth" }, *many[BELFRY_CLIENT_PREFIXES_MAX + 1];
	char longer[BELFRY_CLIENT_PREFIX_MAX + 2];
	const char *too_long = longer;
	memset (longer, 'a', sizeof longer - 1);
	longer[sizeof longer - 1] = '\0';
	for (size_t i = 0; i < sizeof many / sizeof *many; i++)
		many[i] = "health/";
	assert_fails (&(belfry_client_options_t){ 0 }, -EINVAL, "neither");
	belfry_client_options_t options = { .stream = "tcp://127.0.0.1:1", .prefixes = bad, .n_prefixes = 2 };
	assert_fails (&options, -EINVAL, "he alth");
	options.prefixes = &too_long;
	options.n_prefixes = 1;
	assert_fails (&options, -EINVAL, "longer");
	options.prefixes = many;
	options.n_prefixes = sizeof many / sizeof *many;
	assert_fails (&options, -EINVAL, "prefixes");
	options.n_prefixes = 0;
	options.snapshot = BELFRY_CLIENT_SNAPSHOT_NEEDED;
	assert_fails (&options, -EINVAL, "snapshot");
	options.snapshot = BELFRY_CLIENT_SNAPSHOT_NONE;
	options.keyring = "/nonexistent/keyring";
	assert_fails (&options, -ENOENT, "/nonexistent/keyring");
	options.keyring = NULL;
	options.stream = "nonsense";
	assert_fails (&options, -EINVAL, "nonsense");
}

Test (join, the_snapshot_comes_first_and_what_is_in_both_comes_once)
{
	fake_t *fake = fake_start (NULL);
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	const fake_message_t *old = fake_log (fake, n1, "old"), *both = fake_log (fake, n1, "both");
	const fake_message_t *live = fake_log (fake, n1, "live");
	fake_keep (fake, fake_lifecycle (fake, n1, "kept"));
	fake_keep (fake, both);
	fake_keep_sequence (fake, "n1", 1, 2, 1);
	fake_send_at_snapshot (fake, old);
	fake_send_at_snapshot (fake, both);
	fake_send_at_snapshot (fake, live);
	belfry_client_options_t options = options_of (fake);
	belfry_client_t *client = open_client (&options);
	const belfry_client_event_t *event = next (client);
	cr_assert_eq (event->event->payload_case, BELFRY__V1__EVENT__PAYLOAD_SYSTEM_LIFECYCLE);
	cr_assert (event->snapshot);
	cr_assert_eq (event->verified, BELFRY_CLIENT_VERIFIED_NO);
	assert_log (client, "both", true);
	assert_log (client, "live", false);
	fake_send (fake, fake_log (fake, n1, "later"));
	assert_log (client, "later", false);
	belfry_client_totals_t totals;
	belfry_client_totals (client, &totals);
	cr_assert_eq (totals.not_newer, 2);
	cr_assert_eq (totals.refused, 0);
	cr_assert_eq (totals.lost, 0);
	cr_assert (totals.loss_known);
	belfry_client_close (&client);
	fake_stop (&fake);
}

Test (join, prefixes_narrow_the_snapshot_and_the_stream)
{
	static const char *const prefixes[] = { "logging/", "system/" };
	fake_t *fake = fake_start (NULL);
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	fake_keep (fake, fake_log (fake, n1, "kept"));
	fake_keep (fake, fake_health (fake, n1, BELFRY__V1__STATUS__STATUS_HEALTHY));
	belfry_client_options_t options = options_of (fake);
	options.prefixes = prefixes;
	options.n_prefixes = 2;
	belfry_client_t *client = open_client (&options);
	cr_assert_str_eq (fake_prefixes (fake), "logging/ system/");
	assert_log (client, "kept", true);
	fake_send (fake, fake_health (fake, n1, BELFRY__V1__STATUS__STATUS_DEGRADED));
	fake_send (fake, fake_log (fake, n1, "live"));
	assert_log (client, "live", false);
	belfry_client_totals_t totals;
	belfry_client_totals (client, &totals);
	cr_assert_not (totals.loss_known, "parts of a sequence cannot show what is lost");
	cr_assert_gt (totals.outside, 0, "heartbeats came, and the health that nobody asked for");
	belfry_client_close (&client);
	fake_stop (&fake);
}

Test (join, packed_values_get_their_names_from_snapshot_and_stream)
{
	static const char *const prefixes[] = { "metrics/" };
	fake_t *fake = fake_start (NULL);
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	fake_keep (fake, fake_values (fake, n1, 7, 1.5, 2.5));
	fake_keep (fake, fake_catalogue (fake, n1, 7));
	belfry_client_options_t options = options_of (fake);
	options.prefixes = prefixes;
	options.n_prefixes = 1;
	belfry_client_t *client = open_client (&options);
	cr_assert_str_eq (fake_prefixes (fake), "metrics/ fabric/catalogue/");
	const belfry_client_sample_t *samples;
	size_t n;
	const belfry_client_event_t *event = next (client);
	cr_assert_eq (belfry_client_samples (client, event, &samples, &n), 0);
	cr_assert_eq (n, 2);
	cr_assert_str_eq (samples[0].name, "node_load1");
	cr_assert_float_eq (samples[0].value, 1.5, 0);
	cr_assert_str_eq (samples[1].labels[0]->key, "mode");
	cr_assert_float_eq (samples[1].value, 2.5, 0);
	fake_send (fake, fake_values (fake, n1, 8, 3, 4));
	event = next (client);
	cr_assert_eq (belfry_client_samples (client, event, &samples, &n), BELFRY_CLIENT_E_UNKNOWN_CATALOGUE);
	cr_assert_eq (n, 0);
	fake_send (fake, fake_catalogue (fake, n1, 8));
	fake_send (fake, fake_values (fake, n1, 8, 5, 6));
	event = next (client);
	cr_assert_eq (belfry_client_samples (client, event, &samples, &n), 0);
	cr_assert_float_eq (samples[0].value, 5, 0);
	belfry_client_close (&client);
	fake_stop (&fake);
}

Test (join, a_mark_gives_the_offset_and_says_late)
{
	fake_t *fake = fake_start (NULL);
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	belfry_client_options_t options = options_of (fake);
	belfry_client_t *client = open_client (&options);
	fake_send_marked (fake, fake_lifecycle (fake, n1, "marked"), 4711, true);
	const belfry_client_event_t *event = next (client);
	cr_assert_eq (event->offset, 4711);
	cr_assert (event->late);
	belfry_client_close (&client);
	fake_stop (&fake);
}

Test (join, nothing_in_time_is_said_and_the_descriptor_tells_of_more)
{
	static const char *const prefixes[] = { "logging/" };
	fake_t *fake = fake_start (NULL);
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	belfry_client_options_t options = options_of (fake);
	options.prefixes = prefixes;
	options.n_prefixes = 1;
	belfry_client_t *client = open_client (&options);
	const belfry_client_event_t *event;
	cr_assert_eq (belfry_client_next (client, SOON, &event), BELFRY_CLIENT_E_TIMEOUT);
	fake_send (fake, fake_log (fake, n1, "one"));
	fake_send (fake, fake_log (fake, n1, "two"));
	unsigned came = 0;
	while (came < 2) {
		int r;
		while ((r = belfry_client_next (client, 0, &event)) == 0)
			came++;
		cr_assert_eq (r, BELFRY_CLIENT_E_TIMEOUT);
		struct pollfd polled = { belfry_client_descriptor (client), POLLIN, 0 };
		if (came < 2)
			cr_assert_eq (poll (&polled, 1, 20000), 1, "%u came", came);
	}
	cr_assert_lt (belfry_client_silence_ns (client), LIMIT);
	belfry_client_close (&client);
	fake_stop (&fake);
}

Test (join, what_never_came_is_counted_with_the_whole_stream)
{
	fake_t *fake = fake_start (NULL);
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	fake_keep_sequence (fake, "n1", 1, 0, 0);
	belfry_client_options_t options = options_of (fake);
	belfry_client_t *client = open_client (&options);
	fake_log (fake, n1, "never sent");
	fake_send (fake, fake_log (fake, n1, "sent"));
	assert_log (client, "sent", false);
	belfry_client_totals_t totals;
	belfry_client_totals (client, &totals);
	cr_assert_eq (totals.lost, 1);
	belfry_client_close (&client);
	fake_stop (&fake);
}

static belfry_client_t *open_control (const fake_t *fake, int64_t deadline_ns)
{
	belfry_client_options_t options = { .control = fake_control (fake), .deadline_ns = deadline_ns };
	return open_client (&options);
}

Test (status, an_answer_is_the_collectors_reply)
{
	fake_t *fake = fake_start (NULL);
	Belfry__V1__StatusReply reply, *got = NULL;
	char cluster[] = "demo", error[BELFRY_CLIENT_ERROR_MAX];
	belfry__v1__status_reply__init (&reply);
	reply.cluster = cluster;
	fake_set_status (fake, &reply);
	belfry_client_t *client = open_control (fake, LIMIT);
	cr_assert_eq (belfry_client_status (client, NULL, &got, error), 0, "%s", error);
	cr_assert_str_eq (got->cluster, "demo");
	belfry_client_status_free (&got);
	cr_assert_null (got);
	belfry_client_status_free (&got);
	cr_assert_eq (belfry_client_status (client, "n9", &got, error), BELFRY_CLIENT_E_ABSENT,
	        "a reply without nodes");
	const belfry_client_event_t *event;
	cr_assert_eq (belfry_client_next (client, 0, &event), -EINVAL, "there is no stream");
	cr_assert_eq (belfry_client_silence_ns (client), -1);
	belfry_client_close (&client);
	fake_stop (&fake);
}

Test (status, an_unknown_node_silence_and_refusals_are_told_apart)
{
	Belfry__V1__StatusReply *got = NULL;
	char error[BELFRY_CLIENT_ERROR_MAX];
	fake_t *fake = fake_start (NULL);
	belfry_client_t *client = open_control (fake, LIMIT);
	cr_assert_eq (belfry_client_status (client, "n9", &got, error), BELFRY_CLIENT_E_ABSENT);
	belfry_client_close (&client);
	fake_stop (&fake);
	fake = fake_start (&(fake_options_t){ .no_answers = true });
	client = open_control (fake, SOON);
	cr_assert_eq (belfry_client_status (client, NULL, &got, error), -ETIMEDOUT);
	belfry_client_close (&client);
	fake_stop (&fake);
	fake = fake_start (&(fake_options_t){ .refuse = "role" });
	client = open_control (fake, LIMIT);
	cr_assert_eq (belfry_client_status (client, NULL, &got, error), -EPERM);
	cr_assert_not_null (strstr (error, "role"));
	belfry_client_close (&client);
	fake_stop (&fake);
	cr_assert_null (got);
}

Test (status, the_stream_goes_on_while_an_answer_is_awaited)
{
	fake_t *fake = fake_start (NULL);
	publisher_t *n1 = fake_publisher (fake, "n1", 1, 10);
	Belfry__V1__StatusReply reply, *got = NULL;
	belfry__v1__status_reply__init (&reply);
	fake_set_status (fake, &reply);
	belfry_client_options_t options = options_of (fake);
	belfry_client_t *client = open_client (&options);
	fake_send (fake, fake_log (fake, n1, "before"));
	cr_assert_eq (belfry_client_status (client, NULL, &got, NULL), 0);
	fake_send (fake, fake_log (fake, n1, "after"));
	assert_log (client, "before", false);
	assert_log (client, "after", false);
	belfry_client_status_free (&got);
	belfry_client_close (&client);
	fake_stop (&fake);
}
