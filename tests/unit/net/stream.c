/* The stream's three kinds together, and what zeromq-facts.md says of subscriptions. */

#include "help.h"

#include <stdlib.h>

#define ON "\1"
#define OFF "\0"
#define expect_on(link, prefix) expect_bytes (link, ON prefix, sizeof ON prefix - 1)
#define expect_off(link, prefix) expect_bytes (link, OFF prefix, sizeof OFF prefix - 1)

static link_t *collector_at (net_context_t *in, const char *endpoint, const char *prefix)
{
	link_t *link = made (in, LINK_COLLECTOR_INTAKE);
	cr_assert_eq (link_subscribe (link, span_str (prefix)), 0);
	err_t err = { "" };
	cr_assert_eq (link_bind (link, endpoint, &err), 0, "%s", err.text);
	return link;
}

/* A bound XSUB gives its subscriptions to who connects only when its thread runs. */
static void expect_subscription (link_t *agent, link_t *collector, const void *data, size_t size)
{
	mono_t deadline = limit ();
	while (link_readable (agent) == 0 && ms_left (deadline) > 0) {
		link_readable (collector);
		struct pollfd items[] = {
			{ link_poll_descriptor (agent), POLLIN, 0 },
			{ link_poll_descriptor (collector), POLLIN, 0 },
		};
		if (link_readable (agent) == 0 && link_readable (collector) == 0)
			poll (items, 2, ms_left (deadline));
	}
	expect_bytes (agent, data, size);
}

Test (stream, an_agent_sees_subscriptions_come_and_go_with_a_collector)
{
	net_context_t *mine = context (), *theirs = context ();
	char endpoint[64];
	link_t *collector = bound (theirs, LINK_COLLECTOR_INTAKE, endpoint);
	cr_assert_eq (link_subscribe (collector, span_str ("diagnostics/")), 0);
	link_t *agent = connected (mine, LINK_AGENT_STREAM, endpoint);
	for (int life = 0; life < 3; life++) {
		expect_subscription (agent, collector, ON "diagnostics/", 13);
		link_destroy (&collector);
		net_context_destroy (&theirs);
		expect_off (agent, "diagnostics/");
		theirs = context ();
		collector = collector_at (theirs, endpoint, "diagnostics/");
	}
	link_destroy (&collector);
	net_context_destroy (&theirs);
	link_destroy (&agent);
	net_context_destroy (&mine);
}

Test (stream, every_collector_s_subscription_is_seen_and_each_one_s_end)
{
	net_context_t *mine = context (), *one = context (), *two = context ();
	char first[64], second[64];
	link_t *collector = bound (one, LINK_COLLECTOR_INTAKE, first);
	link_t *other = bound (two, LINK_COLLECTOR_INTAKE, second);
	cr_assert_eq (link_subscribe (collector, span_str ("diagnostics/")), 0);
	cr_assert_eq (link_subscribe (other, span_str ("diagnostics/")), 0);
	link_t *agent = connected (mine, LINK_AGENT_STREAM, first);
	expect_subscription (agent, collector, ON "diagnostics/", 13);
	err_t err = { "" };
	cr_assert_eq (link_connect (agent, second, &err), 0, "%s", err.text);
	expect_subscription (agent, other, ON "diagnostics/", 13);
	link_destroy (&collector);
	net_context_destroy (&one);
	expect_off (agent, "diagnostics/");
	cr_assert_eq (link_unsubscribe (other, span_str ("diagnostics/")), 0);
	expect_off (agent, "diagnostics/");
	link_destroy (&other);
	net_context_destroy (&two);
	link_destroy (&agent);
	net_context_destroy (&mine);
}

Test (stream, what_was_sent_to_nobody_is_not_delivered_later)
{
	net_context_t *mine = context (), *theirs = context ();
	char endpoint[64];
	link_t *collector = bound (theirs, LINK_COLLECTOR_INTAKE, endpoint);
	cr_assert_eq (link_subscribe (collector, span_str ("health/")), 0);
	link_t *agent = connected (mine, LINK_AGENT_STREAM, endpoint);
	expect_subscription (agent, collector, ON "health/", 8);
	link_destroy (&collector);
	net_context_destroy (&theirs);
	expect_off (agent, "health/");
	for (int i = 0; i < 100; i++)
		cr_assert_eq (send_text (agent, "health/stale"), 0);
	theirs = context ();
	collector = collector_at (theirs, endpoint, "health/");
	expect_subscription (agent, collector, ON "health/", 8);
	cr_assert_eq (send_text (agent, "health/fresh"), 0);
	expect (collector, "health/fresh");
	link_destroy (&collector);
	net_context_destroy (&theirs);
	link_destroy (&agent);
	net_context_destroy (&mine);
}

Test (stream, frames_are_forwarded_as_they_came)
{
	net_context_t *in = context ();
	char stream_in[64], stream_out[64];
	link_t *intake = bound (in, LINK_COLLECTOR_INTAKE, stream_in);
	link_t *outlet = bound (in, LINK_COLLECTOR_OUTLET, stream_out);
	cr_assert_eq (link_subscribe (intake, span_str ("")), 0);
	link_t *agent = connected (in, LINK_AGENT_STREAM, stream_in);
	link_t *subscriber = connected (in, LINK_SUBSCRIBER, stream_out);
	cr_assert_eq (link_subscribe (subscriber, span_str ("metrics/")), 0);
	expect_on (outlet, "metrics/");
	expect_subscription (agent, intake, ON, 1);

	/* From what fits into a zmq_msg_t itself to what has a buffer of its own. */
	static unsigned char body[256 * 1024];
	for (size_t i = 0; i < sizeof body; i++)
		body[i] = (unsigned char) (i * 7 + i / 251);
	const size_t sizes[] = { 0, 1, 28, 29, 30, 33, 34, 255, 256, 8191, 8192, 65536, sizeof body };
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
		const span_t parts[] = { span_str ("metrics/samples/"), span_of (body, sizes[i]) };
		cr_assert_eq (link_send (agent, parts, 2), 0);
		frame_t frames[3] = { { .open = false }, { .open = false }, { .open = false } };
		size_t n = 0;
		cr_assert_eq (receive_within (intake, frames, 3, &n, LIMIT_MS), 0);
		cr_assert_eq (n, 2);
		cr_assert_geq (frame_descriptor (&frames[1]), 0);
		cr_assert_eq (link_forward (outlet, frames, n), 0);
		cr_assert_not (frames[0].open);
		cr_assert_not (frames[1].open);
		cr_assert_eq (receive_within (subscriber, frames, 3, &n, LIMIT_MS), 0);
		cr_assert_eq (n, 2);
		cr_assert (span_is (frame_bytes (&frames[0]), "metrics/samples/"));
		cr_assert (span_equal (frame_bytes (&frames[1]), parts[1]), "%zu bytes", sizes[i]);
		frame_close (&frames[0]);
		frame_close (&frames[1]);
	}
	link_destroy (&subscriber);
	link_destroy (&agent);
	link_destroy (&outlet);
	link_destroy (&intake);
	net_context_destroy (&in);
}

Test (stream, a_frame_above_the_limit_but_not_grossly_reaches_who_counts_it)
{
	net_context_t *in = context ();
	char endpoint[64];
	link_t *intake = bound (in, LINK_COLLECTOR_INTAKE, endpoint);
	cr_assert_eq (link_subscribe (intake, span_str ("")), 0);
	link_t *agent = connected (in, LINK_AGENT_STREAM, endpoint);
	expect_subscription (agent, intake, ON, 1);
	static char body[256 * 1024 + 4097];
	span_t part = span_of (body, 256 * 1024 + 1);
	cr_assert_eq (link_send (agent, &part, 1), 0);
	expect_bytes (intake, body, part.size);
	/* Grossly oversized: the connection ends, and comes back. */
	part.size = sizeof body;
	cr_assert_eq (link_send (agent, &part, 1), 0);
	expect_off (agent, "");
	expect_subscription (agent, intake, ON, 1);
	cr_assert_eq (send_text (agent, "again"), 0);
	expect (intake, "again");
	link_destroy (&agent);
	link_destroy (&intake);
	net_context_destroy (&in);
}

Test (stream, an_oversized_subscription_ends_its_connection_and_no_other)
{
	net_context_t *in = context ();
	char endpoint[64];
	link_t *outlet = bound (in, LINK_COLLECTOR_OUTLET, endpoint);
	link_monitor_t *monitor = NULL;
	cr_assert_eq (link_monitor_new (outlet, &monitor), 0);
	link_t *good = connected (in, LINK_SUBSCRIBER, endpoint);
	cr_assert_eq (link_subscribe (good, span_str ("alerts/")), 0);
	expect_on (outlet, "alerts/");
	void *raw = zmq_socket (in->zmq, ZMQ_SUB);
	char prefix[600];
	memset (prefix, 'x', sizeof prefix);
	zmq_setsockopt (raw, ZMQ_SUBSCRIBE, prefix, sizeof prefix);
	cr_assert_eq (zmq_connect (raw, endpoint), 0);
	expect_change (monitor, LINK_DISCONNECTED);
	zmq_close (raw);
	cr_assert_eq (send_text (outlet, "alerts/fire"), 0);
	expect (good, "alerts/fire");
	link_monitor_destroy (&monitor);
	link_destroy (&good);
	link_destroy (&outlet);
	net_context_destroy (&in);
}

Test (stream, three_thousand_prefixes_are_in_force_and_again_after_a_restart)
{
	enum { PREFIXES = 3000 };
	net_context_t *mine = context (), *theirs = context ();
	char endpoint[64], prefix[32];
	link_t *outlet = bound (theirs, LINK_COLLECTOR_OUTLET, endpoint);
	link_t *subscriber = made (mine, LINK_SUBSCRIBER);
	for (int i = 0; i < PREFIXES; i++) {
		snprintf (prefix, sizeof prefix, "metrics/%04d/", i);
		cr_assert_eq (link_subscribe (subscriber, span_str (prefix)), 0);
	}
	err_t err = { "" };
	cr_assert_eq (link_connect (subscriber, endpoint, &err), 0, "%s", err.text);
	for (int life = 0; life < 2; life++) {
		frame_t frame = { .open = false };
		size_t n = 0;
		for (int i = 0; i < PREFIXES; i++) {
			/* A SUB that reconnects gives its subscriptions when its own thread runs. */
			mono_t deadline = limit ();
			while (link_readable (outlet) == 0 && ms_left (deadline) > 0) {
				link_readable (subscriber);
				struct pollfd item = { link_poll_descriptor (outlet), POLLIN, 0 };
				if (link_readable (outlet) == 0)
					poll (&item, 1, 10);
			}
			cr_assert_eq (link_receive (outlet, &frame, 1, &n), 0, "life %d, %d of %d", life, i,
			        PREFIXES);
		}
		frame_close (&frame);
		cr_assert_eq (send_text (outlet, "metrics/2999/"), 0);
		expect (subscriber, "metrics/2999/");
		link_destroy (&outlet);
		net_context_destroy (&theirs);
		theirs = context ();
		outlet = made (theirs, LINK_COLLECTOR_OUTLET);
		cr_assert_eq (link_bind (outlet, endpoint, &err), 0, "%s", err.text);
	}
	link_destroy (&outlet);
	net_context_destroy (&theirs);
	link_destroy (&subscriber);
	net_context_destroy (&mine);
}

Test (stream, prefixes_that_zeromq_could_lose_are_refused)
{
	net_context_t *in = context ();
	char prefix[300];
	memset (prefix, 'a', sizeof prefix);
	link_t *sub = made (in, LINK_SUBSCRIBER), *xsub = made (in, LINK_COLLECTOR_INTAKE);
	cr_assert_eq (link_subscribe (sub, span_of (prefix, 240)), 0);
	cr_assert_eq (link_subscribe (sub, span_of (prefix, 241)), -EMSGSIZE);
	cr_assert_eq (link_subscribe (xsub, span_of (prefix, 240)), 0);
	cr_assert_eq (link_subscribe (xsub, span_of (prefix, 250)), -EMSGSIZE);
	cr_assert_eq (link_unsubscribe (sub, span_of (prefix, 240)), 0);
	link_destroy (&sub);
	link_destroy (&xsub);
	net_context_destroy (&in);
}

Test (stream, a_stalled_subscriber_stops_nobody)
{
	net_context_t *in = context ();
	char endpoint[64];
	const link_options_t marks = { .send_hwm = 1000 };
	link_t *outlet = NULL;
	err_t err = { "" };
	cr_assert_eq (link_new (in, LINK_COLLECTOR_OUTLET, &marks, &outlet), 0);
	cr_assert_eq (link_bind (outlet, "tcp://127.0.0.1:*", &err), 0, "%s", err.text);
	cr_assert_eq (link_endpoint (outlet, endpoint, sizeof endpoint), 0);
	const link_options_t few = { .receive_hwm = 10 };
	link_t *stalled = NULL, *good = connected (in, LINK_SUBSCRIBER, endpoint);
	cr_assert_eq (link_new (in, LINK_SUBSCRIBER, &few, &stalled), 0);
	cr_assert_eq (link_connect (stalled, endpoint, &err), 0, "%s", err.text);
	cr_assert_eq (link_subscribe (stalled, span_str ("s/")), 0);
	cr_assert_eq (link_subscribe (good, span_str ("")), 0);
	frame_t frame = { .open = false };
	size_t n = 0;
	cr_assert_eq (receive_within (outlet, &frame, 1, &n, LIMIT_MS), 0);
	cr_assert_eq (receive_within (outlet, &frame, 1, &n, LIMIT_MS), 0);
	static char body[16 * 1024] = "s/";
	span_t part = span_of (body, sizeof body);
	for (int i = 0; i < 4000; i++) {
		cr_assert_eq (link_send (outlet, &part, 1), 0);
		cr_assert_eq (receive_within (good, &frame, 1, &n, LIMIT_MS), 0, "message %d", i);
	}
	frame_close (&frame);
	link_destroy (&stalled);
	link_destroy (&good);
	link_destroy (&outlet);
	net_context_destroy (&in);
}
