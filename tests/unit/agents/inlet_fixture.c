#include "inlet_fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"

char directory[64], path[108];
loop_t *loop;
inlet_t *inlet;
err_t err;
taken_t taken;

static int take (void *arg, Belfry__V1__Event *event, const publisher_note_t *note, err_t *why)
{
	cr_assert_eq (arg, &taken);
	cr_assert_null (event->header);
	taken.n++;
	snprintf (taken.source, sizeof taken.source, "%s", note->source);
	snprintf (taken.correlation, sizeof taken.correlation, "%s",
	        note->correlation_id ? note->correlation_id : "");
	cr_assert_str_eq (note->labels[0]->key, "uid");
	cr_assert_str_eq (note->labels[1]->key, "pid");
	snprintf (taken.uid, sizeof taken.uid, "%s", note->labels[0]->value);
	snprintf (taken.pid, sizeof taken.pid, "%s", note->labels[1]->value);
	taken.n_labels = note->n_labels;
	taken.first_label[0] = '\0';
	if (note->n_labels > 2)
		snprintf (taken.first_label, sizeof taken.first_label, "%s=%s", note->labels[2]->key,
		        note->labels[2]->value);
	taken.payload = (int) event->payload_case;
	taken.severity = (int) note->severity;
	taken.changed = note->changed;
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH) {
		taken.previous = (int) event->component_health->previous_status;
		taken.since_ns = event->component_health->since_ns;
	}
	return taken.answer ? error_set (why, taken.answer, "the agent has other worries") : 0;
}

int inlet_open (void)
{
	inlet_options_t options = { .path = path };
	return inlet_new (&options, loop, take, &taken, &inlet, &err);
}

void place_make (void)
{
	log_set_level (LOG_LEVEL_ERROR);
	snprintf (directory, sizeof directory, "/tmp/belfry-inlet-XXXXXX");
	cr_assert_not_null (mkdtemp (directory));
	cr_assert_eq (chmod (directory, 0755), 0);
	snprintf (path, sizeof path, "%s/agent.sock", directory);
	cr_assert_eq (loop_new (&loop), 0);
}

void inlet_setup (void)
{
	place_make ();
	cr_assert_eq (inlet_open (), 0, "%s", err.text);
}

void inlet_teardown (void)
{
	inlet_destroy (&inlet);
	cr_assert_null (inlet);
	loop_destroy (&loop);
	unlink (path);
	cr_assert_eq (rmdir (directory), 0, "the socket's file is gone");
}
const inlet_counters_t *counters (void)
{
	return inlet_counters (inlet);
}

int dial (void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	memcpy (at.sun_path, path, strlen (path) + 1);
	int fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	cr_assert_eq (connect (fd, (struct sockaddr *) &at, sizeof at), 0, "%s", strerror (errno));
	return fd;
}

void send_bytes (int fd, const void *bytes, size_t size)
{
	cr_assert_eq (send (fd, bytes, size, MSG_NOSIGNAL), (ssize_t) size, "%s", strerror (errno));
}

void send_message (int fd, Belfry__V1__AppMessage *message)
{
	static uint8_t bytes[128 * 1024];
	if (!message->version)
		message->version = 1;
	cr_assert_leq (belfry__v1__app_message__get_packed_size (message), sizeof bytes);
	send_bytes (fd, bytes, belfry__v1__app_message__pack (message, bytes));
}

void send_hello (int fd, const char *source, uint64_t number)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppHello hello = BELFRY__V1__APP_HELLO__INIT;
	char text[64];
	snprintf (text, sizeof text, "%s", source);
	hello.source = text;
	message.number = number;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_HELLO;
	message.hello = &hello;
	send_message (fd, &message);
}

void send_event (int fd, uint64_t number, Belfry__V1__Event *event)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppEvent body = BELFRY__V1__APP_EVENT__INIT;
	body.event = event;
	message.number = number;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_EVENT;
	message.event = &body;
	send_message (fd, &message);
}

void send_log (int fd, uint64_t number, Belfry__V1__Severity level, Belfry__V1__Header *header)
{
	static char text[] = "hello";
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__LogEntry entry = BELFRY__V1__LOG_ENTRY__INIT;
	entry.level = level;
	entry.message = text;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_LOG_ENTRY;
	event.log_entry = &entry;
	event.header = header;
	send_event (fd, number, &event);
}

void send_info (int fd, uint64_t number)
{
	send_log (fd, number, BELFRY__V1__SEVERITY__SEVERITY_INFO, NULL);
}

void send_audit (int fd, uint64_t number)
{
	static char ann[] = "ann", drop[] = "drop";
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__AdminAction body = BELFRY__V1__ADMIN_ACTION__INIT;
	body.actor = ann;
	body.action = drop;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_ADMIN_ACTION;
	event.admin_action = &body;
	send_event (fd, number, &event);
}

void send_health (int fd, uint64_t number, const char *component, int status)
{
	Belfry__V1__Event event = BELFRY__V1__EVENT__INIT;
	Belfry__V1__ComponentHealth body = BELFRY__V1__COMPONENT_HEALTH__INIT;
	char text[256];
	snprintf (text, sizeof text, "%s", component);
	body.component = text;
	body.status = (Belfry__V1__Status) status;
	event.payload_case = BELFRY__V1__EVENT__PAYLOAD_COMPONENT_HEALTH;
	event.component_health = &body;
	send_event (fd, number, &event);
}

void send_flush (int fd, uint64_t number)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppFlush flush = BELFRY__V1__APP_FLUSH__INIT;
	message.number = number;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_FLUSH;
	message.flush = &flush;
	send_message (fd, &message);
}

static bool readable (int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	return poll (&pfd, 1, 0) == 1;
}

Belfry__V1__AppMessage *answer_next (int fd, Belfry__V1__AppMessage__BodyCase kind)
{
	uint8_t bytes[2048];
	for (;;) {
		TURN_UNTIL (readable (fd));
		ssize_t n = recv (fd, bytes, sizeof bytes, 0);
		if (n < 0 && errno == ECONNRESET)
			continue;
		cr_assert_gt (n, 0, "no answer but the end");
		Belfry__V1__AppMessage *message = belfry__v1__app_message__unpack (NULL, (size_t) n, bytes);
		cr_assert_not_null (message);
		if (message->body_case == kind)
			return message;
		belfry__v1__app_message__free_unpacked (message, NULL);
	}
}

void expect_ack (int fd, uint64_t number, Belfry__V1__AppOutcome outcome, const char *word)
{
	Belfry__V1__AppMessage *message = answer_next (fd, BELFRY__V1__APP_MESSAGE__BODY_ACK);
	cr_assert_eq (message->ack->number, number);
	cr_assert_eq (
	        message->ack->outcome, outcome, "%d: %s", (int) message->ack->outcome, message->ack->reason);
	cr_assert_not_null (
	        strstr (message->ack->reason, word), "'%s' lacks '%s'", message->ack->reason, word);
	belfry__v1__app_message__free_unpacked (message, NULL);
}

bool at_end (int fd)
{
	char bytes[2048];
	ssize_t n;
	while ((n = recv (fd, bytes, sizeof bytes, 0)) > 0 || (n < 0 && errno == ECONNRESET))
		continue;
	return n == 0;
}

int guest (const char *source)
{
	int fd = dial ();
	send_hello (fd, source, 0);
	return fd;
}
