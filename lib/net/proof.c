/* In a context of its own, so that the client is a stranger to the server in every respect. */

#include "net/link_internal.h"
#include "net/proof.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

enum { ENDPOINT_SIZE = 160, Z85_SIZE = 41, DENIED = 400 };

static link_kind_t other_side (link_kind_t kind)
{
	switch (kind) {
	case LINK_COLLECTOR_INTAKE:
		return LINK_AGENT_STREAM;
	case LINK_COLLECTOR_OUTLET:
		return LINK_SUBSCRIBER;
	default:
		return LINK_CONTROL_CLIENT;
	}
}

/* Where a socket that is bound everywhere can be reached from here. */
static void reachable (const char *bound, char out[2 * ENDPOINT_SIZE])
{
	static const struct {
		const char *any, *here;
	} hosts[] = { { "tcp://0.0.0.0:", "tcp://127.0.0.1:" }, { "tcp://[::]:", "tcp://[::1]:" } };
	snprintf (out, 2 * ENDPOINT_SIZE, "%s", bound);
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		size_t size = strlen (hosts[i].any);
		if (strncmp (bound, hosts[i].any, size) == 0)
			snprintf (out, 2 * ENDPOINT_SIZE, "%s%s", hosts[i].here, bound + size);
	}
}

/* 0 with the link of a stranger. */
static int stranger_new (
        net_context_t *context, link_kind_t kind, const uint8_t *server_key, link_t **ret, err_t *err)
{
	char public_text[Z85_SIZE], secret_text[Z85_SIZE];
	uint8_t public_key[LINK_KEY_SIZE], secret_key[LINK_KEY_SIZE];
	if (zmq_curve_keypair (public_text, secret_text) != 0 || !zmq_z85_decode (public_key, public_text) ||
	        !zmq_z85_decode (secret_key, secret_text))
		return error_set (err, zmq_failure (), "no CURVE key can be made: %s", strerror (errno));
	const link_curve_t curve = {
		.secret_key = secret_key, .public_key = public_key, .server_key = server_key
	};
	const link_options_t options = { .curve = &curve };
	int r = link_new (context, kind, &options, ret);
	return r ? error_set (err, r, "no socket can be made: %s", strerror (-r)) : 0;
}

static int watch (link_monitor_t *monitor, const char *endpoint, int64_t timeout_ns, err_t *err)
{
	mono_t deadline = mono_add (mono_now (), timeout_ns);
	int last = 0;
	for (;;) {
		link_event_t event;
		while (link_monitor_next (monitor, &event) == 0) {
			if (event.change == LINK_CONNECTED)
				return error_set (err, -EACCES,
				        "%s: a key that nobody allowed was let in: nothing here is safe",
				        endpoint);
			if (event.change == LINK_HANDSHAKE_FAILED && event.error == DENIED)
				return 0;
			if (event.change == LINK_HANDSHAKE_FAILED)
				last = event.error;
		}
		int64_t left = mono_since (deadline, mono_now ());
		if (left <= 0)
			return error_set (err, -ETIMEDOUT,
			        "%s: whether a key that nobody allowed is refused cannot be told (%s %d)",
			        endpoint, last ? "the handshake failed otherwise:" : "no answer:", last);
		struct pollfd item = { link_monitor_descriptor (monitor), POLLIN, 0 };
		poll (&item, 1, (int) (left / NS_PER_MS) + 1);
	}
}

int proof_closed (link_t *link, const uint8_t *public_key, int64_t timeout_ns, err_t *err)
{
	char bound[ENDPOINT_SIZE], endpoint[2 * ENDPOINT_SIZE];
	net_context_t *context = NULL;
	link_t *stranger = NULL;
	link_monitor_t *monitor = NULL;
	int r = link_endpoint (link, bound, sizeof bound);
	if (!r)
		r = net_context_new (1, &context);
	if (r)
		return error_set (err, r, "the self-test cannot start: %s", strerror (-r));
	reachable (bound, endpoint);
	r = stranger_new (context, other_side (link->kind), public_key, &stranger, err);
	if (!r && (r = link_monitor_new (stranger, &monitor)))
		error_set (err, r, "the self-test cannot be watched: %s", strerror (-r));
	if (!r)
		r = link_connect (stranger, endpoint, err);
	if (!r)
		r = watch (monitor, endpoint, timeout_ns, err);
	link_monitor_destroy (&monitor);
	link_destroy (&stranger);
	net_context_destroy (&context);
	return r;
}
