#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agents/probes/child.h"
#include "agents/probes/child_wire.h"

enum { SOCKET_FD = 3 };

struct child_call {
	int fd;
};

static void answer (child_call_t *call, uint16_t kind, uint16_t last, const void *body, size_t size)
{
	child_header_t header = { kind, last };
	struct iovec parts[] = { { &header, sizeof header }, { (void *) (uintptr_t) body, size } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = size ? 2 : 1 };
	ssize_t n;
	do
		n = sendmsg (call->fd, &message, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	/* Nobody listens any more. */
	if (n < 0)
		_exit (0);
}

void child_answer (child_call_t *call, uint16_t kind, const void *body, size_t size)
{
	answer (call, kind, 0, body, size);
}

void child_answer_last (child_call_t *call, uint16_t kind, const void *body, size_t size)
{
	answer (call, kind, 1, body, size);
}

int child_main (int argc, char **argv)
{
	(void) argc;
	int type = 0;
	socklen_t size = sizeof type;
	if (getsockopt (SOCKET_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET) {
		fprintf (stderr, "%s: %s is for the agent's own use\n", argv[0], CHILD_ARGUMENT);
		return 2;
	}
	(void) prctl (PR_SET_PDEATHSIG, SIGKILL);
	(void) prctl (PR_SET_NAME, "belfry-probe");

	/* The agent may have died before it could say so: then the socket is closed already. */
	child_call_t call = { SOCKET_FD };
	static _Alignas(max_align_t) char packet[sizeof (child_header_t) + CHILD_PACKET_MAX];
	for (;;) {
		ssize_t n = recv (SOCKET_FD, packet, sizeof packet, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return 0;
		child_header_t header = { 0 };
		if ((size_t) n >= sizeof header)
			memcpy (&header, packet, sizeof header);
		const char *body = packet + sizeof header;
		size_t body_size = (size_t) n - sizeof header;
		if (header.kind == CHILD_ASK_MOUNTS)
			mounts_serve (&call, body, body_size);
		else if (header.kind == CHILD_ASK_STORE)
			store_serve (&call, body, body_size);
		else
			child_answer_last (&call, 0, NULL, 0);
	}
}
