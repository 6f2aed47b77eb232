#include "fake_agent.h"

#include <criterion/criterion.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

void fake_agent_make (fake_agent_t *self, bool listening)
{
	snprintf (self->directory, sizeof self->directory, "/tmp/belfry-app-XXXXXX");
	cr_assert_not_null (mkdtemp (self->directory));
	snprintf (self->path, sizeof self->path, "%s/agent.sock", self->directory);
	self->fd = -1;
	if (listening)
		fake_agent_listen (self);
}

void fake_agent_listen (fake_agent_t *self)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	memcpy (address.sun_path, self->path, strlen (self->path) + 1);
	unlink (self->path);
	self->fd = socket (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	cr_assert_geq (self->fd, 0);
	cr_assert_eq (bind (self->fd, (struct sockaddr *) &address, sizeof address), 0);
	cr_assert_eq (listen (self->fd, 64), 0);
}

void fake_agent_die (fake_agent_t *self)
{
	close (self->fd);
	self->fd = -1;
}

void fake_agent_clear (fake_agent_t *self)
{
	if (self->fd >= 0)
		close (self->fd);
	unlink (self->path);
	rmdir (self->directory);
}

static void await (int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	cr_assert_eq (poll (&pfd, 1, FAKE_LIMIT_MS), 1, "nothing came");
}

int fake_accept (fake_agent_t *self)
{
	await (self->fd);
	int fd = accept4 (self->fd, NULL, NULL, SOCK_CLOEXEC);
	cr_assert_geq (fd, 0);
	return fd;
}

int fake_accept_hello (fake_agent_t *self, const char *source, uint64_t *ret_number)
{
	int fd = fake_accept (self);
	Belfry__V1__AppMessage *message = fake_receive (fd);
	cr_assert_not_null (message);
	cr_assert_eq (message->body_case, BELFRY__V1__APP_MESSAGE__BODY_HELLO);
	cr_assert_str_eq (message->hello->source, source);
	if (ret_number)
		*ret_number = message->number;
	fake_free (message);
	return fd;
}

Belfry__V1__AppMessage *fake_receive (int fd)
{
	static uint8_t bytes[128 * 1024];
	await (fd);
	ssize_t n = recv (fd, bytes, sizeof bytes, 0);
	if (n <= 0)
		return NULL;
	Belfry__V1__AppMessage *message = belfry__v1__app_message__unpack (NULL, (size_t) n, bytes);
	cr_assert_not_null (message, "%zd bytes that are no AppMessage", n);
	cr_assert_eq (message->version, 1);
	return message;
}

bool fake_pending (int fd)
{
	struct pollfd pfd = { fd, POLLIN, 0 };
	return poll (&pfd, 1, 0) == 1;
}

void fake_free (Belfry__V1__AppMessage *message)
{
	belfry__v1__app_message__free_unpacked (message, NULL);
}

void fake_send (int fd, Belfry__V1__AppMessage *message)
{
	uint8_t bytes[1024];
	message->version = 1;
	size_t size = belfry__v1__app_message__get_packed_size (message);
	cr_assert_leq (size, sizeof bytes);
	belfry__v1__app_message__pack (message, bytes);
	cr_assert_eq (send (fd, bytes, size, MSG_NOSIGNAL), (ssize_t) size);
}

void fake_ack (int fd, uint64_t number, Belfry__V1__AppOutcome outcome, const char *reason)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppAck ack = BELFRY__V1__APP_ACK__INIT;
	char text[200];
	snprintf (text, sizeof text, "%s", reason);
	ack.number = number;
	ack.outcome = outcome;
	ack.reason = text;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_ACK;
	message.ack = &ack;
	fake_send (fd, &message);
}

void fake_control (int fd, bool enabled, Belfry__V1__Severity min_severity)
{
	Belfry__V1__AppMessage message = BELFRY__V1__APP_MESSAGE__INIT;
	Belfry__V1__AppControl control = BELFRY__V1__APP_CONTROL__INIT;
	control.enabled = enabled;
	control.min_severity = min_severity;
	message.body_case = BELFRY__V1__APP_MESSAGE__BODY_CONTROL;
	message.control = &control;
	fake_send (fd, &message);
}
