#include "help.h"

#include <sys/resource.h>

Test (link, refuses_bad_arguments)
{
	net_context_t *none = NULL;
	cr_assert_eq (net_context_new (0, &none), -EINVAL);
	cr_assert_null (none);
	net_context_destroy (&none);
	link_t *link = NULL;
	link_destroy (&link);
	net_context_t *in = context ();
	cr_assert_eq (link_new (in, (link_kind_t) 77, NULL, &link), -EINVAL);
	cr_assert_null (link);
	link = made (in, LINK_COLLECTOR_OUTLET);
	cr_assert_eq (link_subscribe (link, span_str ("alerts/")), -EINVAL);
	cr_assert_eq (link_send (link, NULL, 0), -EINVAL);
	frame_t closed = { .open = false }, copy = { .open = false };
	cr_assert_eq (link_forward (link, &closed, 1), -EINVAL);
	cr_assert_eq (frame_share (&copy, &closed), -EINVAL);
	cr_assert_eq (frame_bytes (&closed).size, 0);
	cr_assert_eq (frame_descriptor (&closed), -1);
	frame_close (&closed);
	cr_assert_eq (link_disconnect (link, "tcp://127.0.0.1:7701"), -ENOENT);
	link_destroy (&link);
	cr_assert_null (link);
	net_context_destroy (&in);
	cr_assert_null (in);
}

static void bind_fails (net_context_t *in, link_kind_t kind, const char *endpoint, int code, const char *said)
{
	link_t *link = made (in, kind);
	err_t err = { "" };
	cr_assert_eq (link_bind (link, endpoint, &err), code, "%s", endpoint);
	cr_assert_not_null (strstr (err.text, endpoint), "'%s' does not name it", err.text);
	cr_assert_not_null (strstr (err.text, said), "'%s' lacks '%s'", err.text, said);
	link_destroy (&link);
}

Test (link, says_why_it_cannot_bind_and_what_would_be_right)
{
	net_context_t *in = context ();
	char endpoint[64];
	link_t *first = bound (in, LINK_COLLECTOR_INTAKE, endpoint);
	bind_fails (in, LINK_COLLECTOR_INTAKE, endpoint, -EADDRINUSE,
	        "address in use; is another belfry-collector running?");
	bind_fails (in, LINK_COLLECTOR_INTAKE, endpoint, -EADDRINUSE, "port for stream_in");
	bind_fails (in, LINK_COLLECTOR_OUTLET, endpoint, -EADDRINUSE, "port for stream_out");
	bind_fails (in, LINK_CONTROL_SERVER, endpoint, -EADDRINUSE, "port for control");
	bind_fails (in, LINK_COLLECTOR_INTAKE, "tcp://192.0.2.77:7701", -EADDRNOTAVAIL, "no such address");
	bind_fails (in, LINK_COLLECTOR_INTAKE, "tcp://nosuchif0:7701", -ENODEV, "no such address");
	bind_fails (in, LINK_COLLECTOR_INTAKE, "tcp://127.0.0.1:99999", -EINVAL, "1 to 65535");
	bind_fails (in, LINK_COLLECTOR_INTAKE, "tcp://127.0.0.1:77o1", -EINVAL, "1 to 65535");
	bind_fails (in, LINK_COLLECTOR_INTAKE, "127.0.0.1:7701", -EINVAL, "tcp://ADDRESS:PORT");
	bind_fails (in, LINK_COLLECTOR_INTAKE, "tcp://127.0.0.1", -EINVAL, "tcp://ADDRESS:PORT");
	bind_fails (in, LINK_COLLECTOR_INTAKE, "carrier://pigeon", -EPROTONOSUPPORT, "tcp://ADDRESS:PORT");
	link_destroy (&first);
	net_context_destroy (&in);
}

Test (link, says_why_it_cannot_connect)
{
	net_context_t *in = context ();
	link_t *link = made (in, LINK_SUBSCRIBER);
	err_t err = { "" };
	cr_assert_eq (link_connect (link, "127.0.0.1:7702", &err), -EINVAL);
	cr_assert_not_null (strstr (err.text, "'127.0.0.1:7702' is not an endpoint"), "%s", err.text);
	cr_assert_eq (link_connect (link, "carrier://pigeon", &err), -EPROTONOSUPPORT);
	cr_assert_eq (link_connect (link, "tcp://localhost:65536", &err), -EINVAL);
	cr_assert_eq (link_connect (link, "tcp://localhost:*", &err), -EINVAL);
	char out[4];
	cr_assert_eq (link_endpoint (link, out, sizeof out), 0);
	link_destroy (&link);
	net_context_destroy (&in);
}

Test (link, endpoint_tells_the_port_and_does_not_overrun)
{
	net_context_t *in = context ();
	char endpoint[64], little[8];
	link_t *link = bound (in, LINK_CONTROL_SERVER, endpoint);
	int port = 0;
	cr_assert_eq (sscanf (endpoint, "tcp://127.0.0.1:%d", &port), 1);
	cr_assert_gt (port, 0);
	cr_assert_eq (link_endpoint (link, little, sizeof little), -EINVAL);
	link_destroy (&link);
	net_context_destroy (&in);
}

Test (link, speaks_ipv6_where_the_address_is_one)
{
	net_context_t *in = context ();
	link_t *server = made (in, LINK_CONTROL_SERVER), *client = made (in, LINK_CONTROL_CLIENT);
	char endpoint[64];
	err_t err = { "" };
	int r = link_bind (server, "tcp://[::1]:*", &err);
	if (r == 0) {
		cr_assert_eq (link_endpoint (server, endpoint, sizeof endpoint), 0);
		cr_assert_eq (link_connect (client, endpoint, &err), 0, "%s", err.text);
		mono_t deadline = limit ();
		while (send_text (client, "six") == -EAGAIN && ms_left (deadline) > 0)
			poll (NULL, 0, 1);
		frame_t frames[2] = { { .open = false }, { .open = false } };
		size_t n = 0;
		cr_assert_eq (receive_within (server, frames, 2, &n, LIMIT_MS), 0);
		cr_assert (span_is (frame_bytes (&frames[1]), "six"));
		frame_close (&frames[0]);
		frame_close (&frames[1]);
	} else {
		/* A machine without IPv6 says so, rather than anything about the endpoint's form. */
		cr_assert_eq (r, -EADDRNOTAVAIL, "%s", err.text);
	}
	link_destroy (&client);
	link_destroy (&server);
	net_context_destroy (&in);
}

/* A DEALER and a ROUTER that have heard of each other. */
typedef struct {
	net_context_t *in;
	link_t *server, *client;
	frame_t peer; /* the client's identity */
	char endpoint[64];
} control_t;

static control_t control (void)
{
	control_t c = { .in = context () };
	c.server = bound (c.in, LINK_CONTROL_SERVER, c.endpoint);
	c.client = made (c.in, LINK_CONTROL_CLIENT);
	link_monitor_t *monitor = NULL;
	err_t err = { "" };
	cr_assert_eq (link_monitor_new (c.client, &monitor), 0);
	cr_assert_eq (link_connect (c.client, c.endpoint, &err), 0);
	expect_change (monitor, LINK_CONNECTED);
	link_monitor_destroy (&monitor);
	cr_assert_eq (send_text (c.client, "hello"), 0, "connected means it can be sent on");
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (c.server, frames, 2, &n, LIMIT_MS), 0);
	cr_assert_eq (n, 2);
	cr_assert (span_is (frame_bytes (&frames[1]), "hello"));
	c.peer = frames[0];
	frame_close (&frames[1]);
	return c;
}

static void control_end (control_t *c)
{
	frame_close (&c->peer);
	link_destroy (&c->client);
	link_destroy (&c->server);
	net_context_destroy (&c->in);
}

Test (link, nothing_there_is_eagain)
{
	control_t c = control ();
	frame_t frame = { .open = false };
	size_t n = 99;
	cr_assert_eq (link_receive (c.server, &frame, 1, &n), -EAGAIN);
	cr_assert_eq (n, 99);
	cr_assert_not (frame.open);
	control_end (&c);
}

Test (link, a_request_without_a_collector_is_refused_at_once)
{
	net_context_t *in = context (), *theirs = context ();
	char endpoint[64];
	link_t *gone = bound (theirs, LINK_CONTROL_SERVER, endpoint);
	link_destroy (&gone);
	net_context_destroy (&theirs);
	link_t *client = connected (in, LINK_CONTROL_CLIENT, endpoint);
	cr_assert_eq (send_text (client, "stale"), -EAGAIN);
	link_destroy (&client);
	net_context_destroy (&in);
}

/* libzmq itself looks for a new connection once in a millisecond at most, and not at all in a send that
 * is to return at once. */
Test (link, connected_means_that_it_can_be_sent_on)
{
	net_context_t *in = context ();
	char endpoint[64];
	link_t *server = bound (in, LINK_CONTROL_SERVER, endpoint);
	unsigned events_first = 0;
	for (int i = 0; i < 20; i++) {
		link_t *client = made (in, LINK_CONTROL_CLIENT);
		link_monitor_t *monitor = NULL;
		link_event_t event;
		err_t err = { "" };
		cr_assert_eq (link_monitor_new (client, &monitor), 0);
		cr_assert_eq (link_connect (client, endpoint, &err), 0, "%s", err.text);
		mono_t deadline = limit ();
		int r;
		while ((r = send_text (client, "early")) == -EAGAIN &&
		        link_monitor_next (monitor, &event) != 0)
			cr_assert (ms_left (deadline) > 0);
		if (r != 0) {
			events_first++;
			cr_assert_eq (event.change, LINK_CONNECTED);
			cr_assert_eq (send_text (client, "hello"), 0);
		}
		link_monitor_destroy (&monitor);
		link_destroy (&client);
	}
	/* Else the loop above showed nothing; how often differs from machine to machine. */
	cr_log_info ("%u of 20 heard of the connection before a send did", events_first);
	link_destroy (&server);
	net_context_destroy (&in);
}

Test (link, more_frames_than_room_are_consumed_and_counted)
{
	control_t c = control ();
	const span_t five[] = { span_str ("1"), span_str ("2"), span_str ("3"), span_str ("4"),
		span_str ("5") };
	cr_assert_eq (link_send (c.client, five, 5), 0);
	cr_assert_eq (send_text (c.client, "next"), 0);
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (c.server, frames, 2, &n, LIMIT_MS), -EMSGSIZE);
	cr_assert_eq (n, 6, "the identity and five");
	cr_assert_not (frames[0].open);
	cr_assert_not (frames[1].open);
	cr_assert_eq (receive_within (c.server, frames, 2, &n, LIMIT_MS), 0);
	cr_assert (span_is (frame_bytes (&frames[1]), "next"));
	frame_close (&frames[0]);
	frame_close (&frames[1]);
	control_end (&c);
}

Test (link, a_frame_left_open_is_let_go_of_by_the_next)
{
	control_t c = control ();
	cr_assert_eq (send_text (c.client, "first"), 0);
	cr_assert_eq (send_text (c.client, "second"), 0);
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (c.server, frames, 2, &n, LIMIT_MS), 0);
	cr_assert_eq (receive_within (c.server, frames, 2, &n, LIMIT_MS), 0);
	cr_assert (span_is (frame_bytes (&frames[1]), "second"));
	frame_t shared = { .open = false };
	cr_assert_eq (frame_share (&shared, &frames[1]), 0);
	frame_close (&frames[1]);
	frame_close (&frames[1]);
	cr_assert (span_is (frame_bytes (&shared), "second"));
	frame_close (&shared);
	frame_close (&frames[0]);
	control_end (&c);
}

Test (link, an_unknown_peer_is_unreachable_and_the_frames_stay)
{
	control_t c = control ();
	const span_t parts[] = { span_str ("nobody"), span_str ("answer") };
	cr_assert_eq (link_send (c.server, parts, 2), -EHOSTUNREACH);
	cr_assert_eq (send_text (c.client, "keep"), 0);
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (c.server, frames, 2, &n, LIMIT_MS), 0);
	frame_t swapped[] = { frames[1], frames[0] };
	cr_assert_eq (link_forward (c.server, swapped, 2), -EHOSTUNREACH);
	cr_assert (span_is (frame_bytes (&swapped[0]), "keep"));
	/* Nothing of the refused answers is in the way of a good one. */
	cr_assert_eq (link_forward (c.server, frames, 2), 0);
	cr_assert_not (frames[0].open);
	cr_assert_not (frames[1].open);
	expect (c.client, "keep");
	control_end (&c);
}

Test (link, a_peer_that_does_not_read_is_eagain_at_the_mark_and_loses_nothing)
{
	control_t c = control ();
	static char big[64 * 1024];
	const span_t parts[] = { frame_bytes (&c.peer), span_of (big, sizeof big) };
	int sent = 0, r;
	while ((r = link_send (c.server, parts, 2)) == 0)
		sent++;
	cr_assert_eq (r, -EAGAIN);
	cr_assert_geq (sent, 1000);
	frame_t frame = { .open = false };
	size_t n = 0;
	for (int i = 0; i < sent; i++) {
		cr_assert_eq (receive_within (c.client, &frame, 1, &n, LIMIT_MS), 0, "message %d", i);
		cr_assert_eq (frame_bytes (&frame).size, sizeof big);
	}
	frame_close (&frame);
	control_end (&c);
}

Test (link, unsent_messages_hold_up_the_end_for_the_linger_and_no_longer)
{
	/* The reader lives on and reads next to nothing. */
	net_context_t *mine = context (), *theirs = context ();
	const link_options_t few = { .receive_hwm = 10 };
	link_t *server = NULL;
	char endpoint[64];
	err_t err = { "" };
	cr_assert_eq (link_new (theirs, LINK_CONTROL_SERVER, &few, &server), 0);
	cr_assert_eq (link_bind (server, "tcp://127.0.0.1:*", &err), 0, "%s", err.text);
	cr_assert_eq (link_endpoint (server, endpoint, sizeof endpoint), 0);
	link_t *client = connected (mine, LINK_CONTROL_CLIENT, endpoint);
	static char big[64 * 1024];
	span_t part = span_of (big, sizeof big);
	mono_t deadline = limit ();
	while (link_send (client, &part, 1) == -EAGAIN && ms_left (deadline) > 0)
		poll (NULL, 0, 1);
	while (link_send (client, &part, 1) == 0)
		;
	mono_t before = mono_now ();
	link_destroy (&client);
	net_context_destroy (&mine);
	int64_t took = mono_since (mono_now (), before);
	cr_assert_geq (took, 300 * NS_PER_MS, "%ld ms: was anything unsent?", (long) (took / NS_PER_MS));
	cr_assert_lt (took, 5 * NS_PER_S, "%ld ms", (long) (took / NS_PER_MS));
	link_destroy (&server);
	net_context_destroy (&theirs);
}

Test (link, an_oversized_request_ends_its_connection_and_no_other)
{
	control_t c = control ();
	link_monitor_t *monitor = NULL;
	cr_assert_eq (link_monitor_new (c.server, &monitor), 0);
	void *raw = zmq_socket (c.in->zmq, ZMQ_DEALER);
	int linger = 0;
	zmq_setsockopt (raw, ZMQ_LINGER, &linger, sizeof linger);
	cr_assert_eq (zmq_connect (raw, c.endpoint), 0);
	static char big[3 * 1024 * 1024];
	cr_assert_eq (zmq_send (raw, big, sizeof big, 0), (int) sizeof big);
	link_event_t came = expect_change (monitor, LINK_ACCEPTED);
	link_event_t went = expect_change (monitor, LINK_DISCONNECTED);
	cr_assert_eq (came.descriptor, went.descriptor);
	cr_assert_eq (send_text (c.client, "still here"), 0);
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (c.server, frames, 2, &n, LIMIT_MS), 0);
	cr_assert (span_is (frame_bytes (&frames[1]), "still here"));
	frame_close (&frames[0]);
	frame_close (&frames[1]);
	zmq_close (raw);
	link_monitor_destroy (&monitor);
	control_end (&c);
}

Test (link, options_override_the_kind_s_own)
{
	net_context_t *in = context ();
	const link_options_t options = { .send_hwm = 7, .receive_hwm = 8, .message_size_max = 9 };
	link_t *link = NULL;
	cr_assert_eq (link_new (in, LINK_AGENT_STREAM, &options, &link), 0);
	int send_hwm = 0, receive_hwm = 0, linger = -1, heartbeat = -1;
	int64_t size_max = 0;
	size_t size = sizeof (int), size64 = sizeof size_max;
	zmq_getsockopt (link->socket, ZMQ_SNDHWM, &send_hwm, &size);
	zmq_getsockopt (link->socket, ZMQ_RCVHWM, &receive_hwm, &size);
	zmq_getsockopt (link->socket, ZMQ_MAXMSGSIZE, &size_max, &size64);
	cr_assert_eq (send_hwm, 7);
	cr_assert_eq (receive_hwm, 8);
	cr_assert_eq (size_max, 9);
	link_destroy (&link);
	for (int kind = LINK_AGENT_STREAM; kind <= LINK_CONTROL_CLIENT; kind++) {
		link = made (in, (link_kind_t) kind);
		zmq_getsockopt (link->socket, ZMQ_LINGER, &linger, &size);
		zmq_getsockopt (link->socket, ZMQ_HEARTBEAT_IVL, &heartbeat, &size);
		zmq_getsockopt (link->socket, ZMQ_MAXMSGSIZE, &size_max, &size64);
		cr_assert (linger >= 0 && linger <= 500, "kind %d lingers %d ms", kind, linger);
		cr_assert_eq (heartbeat, 0, "kind %d", kind);
		cr_assert_gt (size_max, 0, "kind %d", kind);
		link_destroy (&link);
	}
	net_context_destroy (&in);
}

Test (link, no_socket_left_is_an_error)
{
	struct rlimit few = { 24, 24 };
	net_context_t *in = context ();
	cr_assert_eq (setrlimit (RLIMIT_NOFILE, &few), 0);
	link_t *links[32] = { NULL };
	int r = 0;
	size_t n = 0;
	while (n < 32 && (r = link_new (in, LINK_CONTROL_CLIENT, NULL, &links[n])) == 0)
		n++;
	cr_assert_eq (r, -EMFILE, "%zu links, then %d", n, r);
	while (n > 0)
		link_destroy (&links[--n]);
	net_context_destroy (&in);
}
