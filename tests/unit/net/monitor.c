#include "help.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

Test (monitor, one_a_link)
{
	net_context_t *in = context ();
	link_t *link = made (in, LINK_COLLECTOR_INTAKE);
	link_monitor_t *monitor = NULL, *second = NULL;
	link_event_t event;
	cr_assert_eq (link_monitor_new (link, &monitor), 0);
	cr_assert_eq (link_monitor_new (link, &second), -EEXIST);
	cr_assert_null (second);
	cr_assert_eq (link_monitor_next (monitor, &event), -EAGAIN);
	link_monitor_destroy (&monitor);
	cr_assert_null (monitor);
	link_monitor_destroy (&monitor);
	cr_assert_eq (link_monitor_new (link, &second), 0);
	link_monitor_destroy (&second);
	link_destroy (&link);
	net_context_destroy (&in);
}

Test (monitor, outlives_its_link)
{
	net_context_t *in = context ();
	link_t *link = made (in, LINK_COLLECTOR_INTAKE);
	link_monitor_t *monitor = NULL;
	cr_assert_eq (link_monitor_new (link, &monitor), 0);
	link_destroy (&link);
	link_event_t event;
	cr_assert_eq (link_monitor_next (monitor, &event), -EAGAIN);
	link_monitor_destroy (&monitor);
	net_context_destroy (&in);
}

Test (monitor, an_ended_connection_has_the_descriptor_that_its_frames_had)
{
	net_context_t *mine = context (), *theirs = context ();
	char endpoint[64];
	link_t *intake = bound (mine, LINK_COLLECTOR_INTAKE, endpoint);
	link_monitor_t *monitor = NULL;
	cr_assert_eq (link_monitor_new (intake, &monitor), 0);
	cr_assert_eq (link_subscribe (intake, span_str ("")), 0);
	link_t *agent = connected (theirs, LINK_AGENT_STREAM, endpoint);
	mono_t deadline = limit ();
	while (link_readable (agent) == 0 && ms_left (deadline) > 0) {
		link_readable (intake);
		struct pollfd item = { link_poll_descriptor (agent), POLLIN, 0 };
		poll (&item, 1, 10);
	}
	expect (agent, "\1");
	cr_assert_eq (send_text (agent, "beat"), 0);
	frame_t frame = { .open = false };
	size_t n = 0;
	cr_assert_eq (receive_within (intake, &frame, 1, &n, LIMIT_MS), 0);
	int descriptor = frame_descriptor (&frame);
	frame_close (&frame);
	cr_assert_geq (descriptor, 0);
	cr_assert_eq (expect_change (monitor, LINK_ACCEPTED).descriptor, descriptor);
	link_event_t event;
	cr_assert_eq (link_monitor_next (monitor, &event), -EAGAIN);
	struct pollfd item = { link_monitor_descriptor (monitor), POLLIN, 0 };
	cr_assert_eq (poll (&item, 1, 0), 0, "readable only while events wait");
	link_destroy (&agent);
	net_context_destroy (&theirs);
	cr_assert_eq (poll (&item, 1, LIMIT_MS), 1);
	cr_assert_eq (expect_change (monitor, LINK_DISCONNECTED).descriptor, descriptor);
	link_monitor_destroy (&monitor);
	link_destroy (&intake);
	net_context_destroy (&mine);
}

Test (monitor, tells_the_connecting_side_of_each_life_of_its_peer)
{
	net_context_t *mine = context (), *theirs = context ();
	char endpoint[64];
	link_t *server = bound (theirs, LINK_CONTROL_SERVER, endpoint);
	link_t *client = made (mine, LINK_CONTROL_CLIENT);
	link_monitor_t *monitor = NULL;
	err_t err = { "" };
	cr_assert_eq (link_monitor_new (client, &monitor), 0);
	cr_assert_eq (link_connect (client, endpoint, &err), 0, "%s", err.text);
	for (int life = 0; life < 3; life++) {
		link_event_t up = expect_change (monitor, LINK_CONNECTED);
		cr_assert_geq (up.descriptor, 0);
		cr_assert_eq (send_text (client, "hello"), 0, "life %d", life);
		link_destroy (&server);
		net_context_destroy (&theirs);
		cr_assert_eq (expect_change (monitor, LINK_DISCONNECTED).descriptor, up.descriptor);
		theirs = context ();
		server = made (theirs, LINK_CONTROL_SERVER);
		cr_assert_eq (link_bind (server, endpoint, &err), 0, "%s", err.text);
	}
	link_destroy (&server);
	net_context_destroy (&theirs);
	link_monitor_destroy (&monitor);
	link_destroy (&client);
	net_context_destroy (&mine);
}

static int raw_connect (const char *endpoint)
{
	int port = 0;
	cr_assert_eq (sscanf (endpoint, "tcp://127.0.0.1:%d", &port), 1);
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons ((uint16_t) port) };
	at.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
	int fd = socket (AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_geq (fd, 0);
	cr_assert_eq (connect (fd, (const struct sockaddr *) &at, sizeof at), 0, "%s", strerror (errno));
	return fd;
}

/* Ends with a reset, which leaves no TIME_WAIT. */
static void raw_reset (int fd)
{
	struct linger now = { 1, 0 };
	setsockopt (fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
	close (fd);
}

Test (monitor, what_does_not_speak_zmtp_fails_its_handshake)
{
	net_context_t *in = context ();
	char endpoint[64];
	link_t *server = bound (in, LINK_CONTROL_SERVER, endpoint);
	link_monitor_t *monitor = NULL;
	cr_assert_eq (link_monitor_new (server, &monitor), 0);
	int fd = raw_connect (endpoint);
	static const char http[] = "GET / HTTP/1.0\r\n\r\n                                        "
	                           "                                        ";
	cr_assert_eq (write (fd, http, sizeof http), (ssize_t) sizeof http);
	link_event_t came = expect_change (monitor, LINK_ACCEPTED);
	link_event_t failed = expect_change (monitor, LINK_HANDSHAKE_FAILED);
	link_event_t went = expect_change (monitor, LINK_DISCONNECTED);
	cr_assert_eq (came.descriptor, went.descriptor);
	cr_assert_eq (failed.descriptor, -1);
	cr_assert_neq (failed.error, 0);
	close (fd);
	link_monitor_destroy (&monitor);
	link_destroy (&server);
	net_context_destroy (&in);
}

static void bring_back (link_t *client, const char *endpoint, link_monitor_t *monitor)
{
	err_t err = { "" };
	int r = link_disconnect (client, endpoint);
	cr_assert (r == 0 || r == -ENOENT, "%d", r);
	cr_assert_eq (link_connect (client, endpoint, &err), 0, "%s", err.text);
	expect_change (monitor, LINK_CONNECTED);
	cr_assert_eq (send_text (client, "back"), 0);
}

Test (monitor, a_connection_that_zeromq_gave_up_comes_back_by_disconnect_and_connect)
{
	net_context_t *mine = context (), *theirs = context ();
	char endpoint[64];
	link_t *server = bound (theirs, LINK_CONTROL_SERVER, endpoint);
	const link_options_t little = { .message_size_max = 100 };
	link_t *client = NULL;
	link_monitor_t *monitor = NULL;
	err_t err = { "" };
	cr_assert_eq (link_new (mine, LINK_CONTROL_CLIENT, &little, &client), 0);
	cr_assert_eq (link_monitor_new (client, &monitor), 0);
	cr_assert_eq (link_connect (client, endpoint, &err), 0, "%s", err.text);
	expect_change (monitor, LINK_CONNECTED);
	cr_assert_eq (send_text (client, "hello"), 0);
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	static char answer[200];
	for (int life = 0; life < 3; life++) {
		cr_assert_eq (receive_within (server, frames, 2, &n, LIMIT_MS), 0);
		const span_t parts[] = { frame_bytes (&frames[0]), span_of (answer, sizeof answer) };
		cr_assert_eq (link_send (server, parts, 2), 0);
		expect_change (monitor, LINK_DISCONNECTED);
		bring_back (client, endpoint, monitor);
	}
	frame_close (&frames[0]);
	frame_close (&frames[1]);
	link_monitor_destroy (&monitor);
	link_destroy (&client);
	link_destroy (&server);
	net_context_destroy (&theirs);
	net_context_destroy (&mine);
}

/* zeromq-facts.md: unread, a plain monitor hung the process after 3,000 connects. */
Test (monitor, a_storm_that_nobody_reads_about_blocks_nothing_and_is_counted, .timeout = 120)
{
	net_context_t *in = context ();
	char endpoint[64];
	link_t *server = bound (in, LINK_CONTROL_SERVER, endpoint);
	link_monitor_t *monitor = NULL;
	cr_assert_eq (link_monitor_new (server, &monitor), 0);
	for (int i = 0; i < 3000; i++)
		raw_reset (raw_connect (endpoint));
	link_t *client = connected (in, LINK_CONTROL_CLIENT, endpoint);
	mono_t deadline = limit ();
	while (send_text (client, "alive") == -EAGAIN && ms_left (deadline) > 0)
		poll (NULL, 0, 1);
	frame_t frames[2] = { { .open = false }, { .open = false } };
	size_t n = 0;
	cr_assert_eq (receive_within (server, frames, 2, &n, LIMIT_MS), 0);
	cr_assert (span_is (frame_bytes (&frames[1]), "alive"));
	frame_close (&frames[0]);
	frame_close (&frames[1]);
	link_event_t event;
	for (int i = 0; i < 3001; i++)
		expect_change (monitor, LINK_ACCEPTED);
	while (link_monitor_next (monitor, &event) == 0)
		cr_assert_neq (event.change, LINK_ACCEPTED);
	cr_assert_eq (link_monitor_dropped (monitor), 0);

	/* More than the ring holds. */
	mono_t before = limit ();
	while (link_monitor_dropped (monitor) == 0) {
		cr_assert (ms_left (before) > 0);
		for (int i = 0; i < 500; i++)
			raw_reset (raw_connect (endpoint));
	}
	cr_assert_eq (link_monitor_next (monitor, &event), 0);
	link_destroy (&client);
	link_monitor_destroy (&monitor);
	link_destroy (&server);
	net_context_destroy (&in);
}
