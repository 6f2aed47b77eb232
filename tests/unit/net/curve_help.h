/* curve_help.h - key pairs, a handler with one domain, and what became of a client's handshake. */

#ifndef TEST_NET_CURVE_HELP_H
#define TEST_NET_CURVE_HELP_H

#include "help.h"
#include "net/zap.h"

typedef struct {
	uint8_t public_key[LINK_KEY_SIZE], secret_key[LINK_KEY_SIZE];
} pair_t;

static inline pair_t pair (void)
{
	char public_text[41], secret_text[41];
	pair_t made;
	cr_assert_eq (zmq_curve_keypair (public_text, secret_text), 0);
	zmq_z85_decode (made.public_key, public_text);
	zmq_z85_decode (made.secret_key, secret_text);
	return made;
}

enum { AGENTS = 1, OTHERS = 2 };

static inline zap_t *handler (net_context_t *in)
{
	static const zap_domain_t domains[] = { { "agents", AGENTS }, { "all", AGENTS | OTHERS } };
	zap_t *zap = NULL;
	cr_assert_eq (zap_new (in, domains, 2, &zap), 0);
	return zap;
}

static inline void allow (zap_t *zap, const pair_t *who, const char *user, unsigned group)
{
	const zap_client_t client = { who->public_key, user, group };
	unsigned gone = 0;
	cr_assert_eq (zap_replace (zap, &client, who ? 1 : 0, &gone), 0);
}

static inline link_t *server (
        net_context_t *in, link_kind_t kind, const pair_t *own, const char *domain, char endpoint[64])
{
	const link_curve_t curve = { .secret_key = own->secret_key, .domain = domain };
	const link_options_t options = { .curve = &curve };
	link_t *link = NULL;
	err_t err = { "" };
	cr_assert_eq (link_new (in, kind, &options, &link), 0);
	cr_assert_eq (link_bind (link, "tcp://127.0.0.1:*", &err), 0, "%s", err.text);
	cr_assert_eq (link_endpoint (link, endpoint, 64), 0);
	return link;
}

static inline link_t *client (
        net_context_t *in, link_kind_t kind, const pair_t *own, const uint8_t *server_key)
{
	const link_curve_t curve = { own->secret_key, own->public_key, server_key, NULL };
	const link_options_t options = { .curve = &curve };
	link_t *link = NULL;
	cr_assert_eq (link_new (in, kind, &options, &link), 0);
	return link;
}

/* Connects and waits for the handshake's end: 0 when it was let in, else what the failure said. */
static inline int verdict (link_t *link, const char *endpoint)
{
	link_monitor_t *monitor = NULL;
	err_t err = { "" };
	link_event_t event = { 0 };
	cr_assert_eq (link_monitor_new (link, &monitor), 0);
	cr_assert_eq (link_connect (link, endpoint, &err), 0, "%s", err.text);
	mono_t deadline = limit ();
	do {
		cr_assert (ms_left (deadline) > 0, "the handshake does not end");
		struct pollfd item = { link_monitor_descriptor (monitor), POLLIN, 0 };
		poll (&item, 1, ms_left (deadline));
	} while (link_monitor_next (monitor, &event) != 0 ||
	         (event.change != LINK_CONNECTED && event.change != LINK_HANDSHAKE_FAILED));
	link_monitor_destroy (&monitor);
	return event.change == LINK_CONNECTED ? 0 : event.error;
}

#endif
