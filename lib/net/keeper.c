/* One timer: while trouble lasts it is the backoff's, after which the link connects anew; else it is the
 * patience with ZeroMQ's own attempts, which end without a word where a peer broke the protocol after
 * its handshake. The endpoint is taken from the link as soon as a handshake failed: libzmq keeps a
 * pointer to the dead connection for it, which must not meet a new one. */

#include "net/keeper.h"
#include "net/link_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define BACKOFF_FIRST_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (10 * NS_PER_S)
#define PATIENCE_NS (10 * NS_PER_S)
/* One handshake that is cut short is a server that ends; the next finds nobody. */
enum { CUTS_MAX = 2 };

struct keeper {
	loop_t *loop;
	link_t *link;
	link_monitor_t *monitor;
	char *endpoint;
	keeper_fn *changed;
	void *arg;
	keeper_state_t state;
	bool connecting; /* the link has the endpoint */
	int timer;       /* 0: none */
	int64_t backoff_ns;
	unsigned cuts; /* in a row */
};

static void on_timer (void *arg, int id, moment_t now);

static void timer_set (keeper_t *self, int64_t after_ns)
{
	if (self->timer > 0)
		loop_remove_timer (self->loop, self->timer);
	/* Without memory the next event sets it again. */
	self->timer = loop_add_timer (self->loop, after_ns, 0, on_timer, self);
}

static int64_t with_jitter (int64_t ns)
{
	uint16_t noise = 0;
	if (getrandom (&noise, sizeof noise, GRND_NONBLOCK) != (ssize_t) sizeof noise)
		noise = UINT16_MAX / 2;
	return ns * 3 / 4 + ns / 2 * noise / UINT16_MAX;
}

static void turn (keeper_t *self, keeper_state_t state)
{
	bool again = state != KEEPER_TRYING && state != KEEPER_CONNECTED;
	bool told = self->state != state || again;
	self->state = state;
	if (told && self->changed)
		self->changed (self->arg, state);
}

static void connect_again (keeper_t *self)
{
	if (self->connecting)
		link_disconnect (self->link, self->endpoint);
	self->connecting = link_connect (self->link, self->endpoint, NULL) == 0;
	timer_set (self, PATIENCE_NS);
}

static void on_timer (void *arg, int id, moment_t now)
{
	keeper_t *self = arg;
	(void) id;
	(void) now;
	self->timer = 0;
	keeper_look (self);
	if (self->state != KEEPER_CONNECTED && self->timer <= 0)
		connect_again (self);
}

static void trouble (keeper_t *self, keeper_state_t state)
{
	if (self->connecting)
		link_disconnect (self->link, self->endpoint);
	self->connecting = false;
	timer_set (self, with_jitter (self->backoff_ns));
	self->backoff_ns = self->backoff_ns * 2 < BACKOFF_MAX_NS ? self->backoff_ns * 2 : BACKOFF_MAX_NS;
	turn (self, state);
}

static void take (keeper_t *self, const link_event_t *event)
{
	switch (event->change) {
	case LINK_CONNECTED:
		if (self->timer > 0)
			loop_remove_timer (self->loop, self->timer);
		self->timer = 0;
		self->backoff_ns = BACKOFF_FIRST_NS;
		self->cuts = 0;
		turn (self, KEEPER_CONNECTED);
		break;
	case LINK_DISCONNECTED:
		if (self->state != KEEPER_CONNECTED)
			break;
		timer_set (self, PATIENCE_NS);
		turn (self, KEEPER_TRYING);
		break;
	case LINK_HANDSHAKE_FAILED:
		if (!self->connecting)
			break; /* of one that was given up already */
		if (event->error >= ZMQ_PROTOCOL_ERROR_ZMTP_UNSPECIFIED)
			trouble (self, event->error == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
			                       ? KEEPER_MISMATCH
			                       : KEEPER_CUT);
		else if (event->error >= 300)
			trouble (self, KEEPER_DENIED);
		else if (++self->cuts >= CUTS_MAX)
			trouble (self, KEEPER_CUT);
		break;
	case LINK_ACCEPTED:
		break;
	}
}

void keeper_look (keeper_t *self)
{
	link_event_t event;
	while (link_monitor_next (self->monitor, &event) == 0)
		take (self, &event);
}

static void on_monitor (void *arg, int fd, short revents)
{
	(void) fd;
	(void) revents;
	keeper_look (arg);
}

int keeper_new (loop_t *loop, link_t *link, const char *endpoint, keeper_fn *changed, void *arg,
        keeper_t **ret, err_t *err)
{
	keeper_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	*self = (keeper_t){ .link = link,
		.changed = changed,
		.arg = arg,
		.state = KEEPER_TRYING,
		.backoff_ns = BACKOFF_FIRST_NS };
	self->endpoint = strdup (endpoint);
	int r = self->endpoint ? link_monitor_new (link, &self->monitor) : -ENOMEM;
	if (!r &&
	        !(r = loop_add_fd (loop, link_monitor_descriptor (self->monitor), POLLIN, on_monitor, self)))
		self->loop = loop;
	if (r)
		error_set (err, r, "%s: its connection cannot be watched: %s", endpoint, strerror (-r));
	else
		r = link_connect (link, endpoint, err);
	if (r) {
		keeper_destroy (&self);
		return r;
	}
	self->connecting = true;
	timer_set (self, PATIENCE_NS);
	*ret = self;
	return 0;
}

void keeper_destroy (keeper_t **self_p)
{
	keeper_t *self = *self_p;
	if (!self)
		return;
	if (self->loop) {
		if (self->timer > 0)
			loop_remove_timer (self->loop, self->timer);
		loop_remove_fd (self->loop, link_monitor_descriptor (self->monitor));
	}
	link_monitor_destroy (&self->monitor);
	free (self->endpoint);
	free (self);
	*self_p = NULL;
}

keeper_state_t keeper_state (const keeper_t *self)
{
	return self->state;
}

bool keeper_in_vain (const keeper_t *self, const char *public_key, err_t *ret)
{
	switch (self->state) {
	case KEEPER_TRYING:
	case KEEPER_CONNECTED:
		return false;
	case KEEPER_DENIED:
		error_set (ret, -EPERM,
		        "%s refuses this CURVE key, %s: its collector needs the line 'KEY ROLE NAME' in its "
		        "directory of clients, with a role that fits, and a SIGHUP",
		        self->endpoint, public_key ? public_key : "");
		return true;
	case KEEPER_CUT:
		if (!public_key)
			return false;
		error_set (ret, -EPERM,
		        "%s ends every handshake: is the server key that is given here the public key of "
		        "that "
		        "collector?",
		        self->endpoint);
		return true;
	case KEEPER_MISMATCH:
		error_set (ret, -EPERM, "%s %s", self->endpoint,
		        public_key ? "speaks without CURVE, and this side has a CURVE key, which is not put "
		                     "aside: give the collector a key, or leave it out here"
		                   : "speaks CURVE alone: give an own key (curve) and the collector's public "
		                     "key (server_key)");
		return true;
	}
	return false;
}
