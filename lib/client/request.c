#include "client/request.h"

#include "net/keeper.h"
#include "wire/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { RETRY_NS = 10 * NS_PER_MS };

struct requests {
	loop_t *loop;
	link_t *link;
	keeper_t *keeper;
	const char *public_key;
	char *endpoint;
	uint64_t id; /* of the newest request */
};

/* The loop only has to end its wait; what is there is received by who waits. */
static void wake (void *arg, link_t *link)
{
	(void) arg;
	(void) link;
}

int requests_new (net_context_t *context, loop_t *loop, const char *endpoint, const link_curve_t *curve,
        const char *public_key, requests_t **ret, err_t *err)
{
	requests_t *self = calloc (1, sizeof *self);
	if (!self || !(self->endpoint = strdup (endpoint))) {
		free (self);
		return error_set (err, -ENOMEM, "out of memory");
	}
	self->public_key = public_key;
	/* Answers to what an earlier program asked cannot be mistaken for ours: ROUTER knows us by our
	 * connection. The id only tells our own apart. */
	self->id = (uint64_t) mono_now ().ns;
	link_options_t options = { .message_size_max = CONTROL_SIZE_MAX, .curve = curve };
	int r = link_new (context, LINK_CONTROL_CLIENT, &options, &self->link);
	if (r)
		error_set (err, r, "no socket for control: %s", strerror (-r));
	else if ((r = loop_add_link (loop, self->link, wake, NULL)))
		error_set (err, r, "the loop takes no link: %s", strerror (-r));
	else
		self->loop = loop;
	if (!r)
		r = keeper_new (loop, self->link, endpoint, NULL, NULL, &self->keeper, err);
	if (r) {
		requests_destroy (&self);
		return r;
	}
	*ret = self;
	return 0;
}

void requests_destroy (requests_t **self_p)
{
	requests_t *self = *self_p;
	if (!self)
		return;
	keeper_destroy (&self->keeper);
	if (self->loop)
		loop_remove_link (self->loop, self->link);
	link_destroy (&self->link);
	free (self->endpoint);
	free (self);
	*self_p = NULL;
}

/* 0, or -EPERM with the reason where no answer can come. */
static int barred (const requests_t *self, err_t *err)
{
	return keeper_in_vain (self->keeper, self->public_key, err) ? -EPERM : 0;
}

static int unreachable (const requests_t *self, err_t *err)
{
	return error_set (err, -ETIMEDOUT,
	        "no answer from %s: is that a running collector's control endpoint?", self->endpoint);
}

int request_send (requests_t *self, Belfry__V1__Control *request, mono_t deadline, err_t *err)
{
	int64_t left = mono_since (deadline, mono_now ());
	request->id = ++self->id;
	request->deadline_ms = left > 0 ? (uint32_t) (left / NS_PER_MS) : 0;
	uint8_t *bytes;
	size_t size;
	int r = control_pack (request, CONTROL_TO_COLLECTOR, NULL, NULL, &bytes, &size);
	if (r)
		return error_set (err, r, "the request cannot be packed: %s", strerror (-r));
	span_t part = span_of (bytes, size);
	/* A link without a peer takes nothing: the connection may be a moment away. */
	while ((r = link_send (self->link, &part, 1)) == -EAGAIN) {
		left = mono_since (deadline, mono_now ());
		if (left <= 0 || barred (self, err))
			break;
		loop_turn (self->loop, left < RETRY_NS ? left : RETRY_NS);
	}
	free (bytes);
	if (r == -EAGAIN)
		return barred (self, err) ? -EPERM : unreachable (self, err);
	return r ? error_set (err, r, "%s takes no request: %s", self->endpoint, strerror (-r)) : 0;
}

/* One frame of the collector's, or of whoever listens there. 0; -EAGAIN: nothing is there, or not ours. */
static int answer_receive (requests_t *self, Belfry__V1__Control **ret, err_t *err)
{
	frame_t frame = { 0 };
	size_t n;
	int r = link_receive (self->link, &frame, 1, &n);
	if (r == -EMSGSIZE)
		return error_set (err, -EPROTO, "%s answers, but not as a collector does", self->endpoint);
	if (r)
		return r == -EAGAIN ? r : error_set (err, r, "%s: %s", self->endpoint, strerror (-r));
	Belfry__V1__Control *control;
	bool is_signed;
	span_t bytes = frame_bytes (&frame);
	refusal_t reason = control_unpack (bytes.data, bytes.size, NULL, &control, &is_signed);
	frame_close (&frame);
	if (reason)
		return error_set (err, -EPROTO, "%s answers, but not as a collector of this version does: %s",
		        self->endpoint, refusal_help (reason));
	if (control->id != self->id) {
		belfry__v1__control__free_unpacked (control, NULL);
		return -EAGAIN;
	}
	*ret = control;
	return 0;
}

int request_answer (requests_t *self, Belfry__V1__Control__BodyCase wanted, mono_t deadline,
        request_idle_fn *idle, void *arg, Belfry__V1__Control **ret, err_t *err)
{
	Belfry__V1__Control *control = NULL;
	int r;
	while ((r = answer_receive (self, &control, err)) == -EAGAIN) {
		int64_t left = mono_since (deadline, mono_now ());
		if (barred (self, err))
			return -EPERM;
		if (left <= 0)
			return unreachable (self, err);
		if ((r = loop_turn (self->loop, left)))
			return error_set (err, r, "waiting for %s: %s", self->endpoint, strerror (-r));
		if (idle)
			idle (arg);
	}
	if (r)
		return r;
	if (control->body_case == wanted) {
		*ret = control;
		return 0;
	}
	if (control->body_case == BELFRY__V1__CONTROL__BODY_REFUSED)
		r = error_set (err, strcmp (control->refused->reason, "unknown_node") == 0 ? -ENOENT : -EPERM,
		        "%s refuses: %s (%s)", self->endpoint, control->refused->text,
		        control->refused->reason);
	else
		r = error_set (err, -EPROTO, "%s answers something else than was asked", self->endpoint);
	belfry__v1__control__free_unpacked (control, NULL);
	return r;
}
