/* The join (wire.md, "Subscribers"): one connection keeps the order of its subscriptions, so the first
 * heartbeat, asked for last, proves that all are in force. Only then is the snapshot asked for: what
 * happens between the two is in the stream, and what is in both is dropped as not newer. */

#include "client/client.h"

#include <errno.h>
#include <string.h>

static const char heartbeat_prefix[] = "fabric/heartbeat/";
static const char catalogue_prefix[] = "fabric/catalogue/";

static bool begins_with (span_t text, const char *prefix)
{
	size_t size = strlen (prefix);
	return text.size >= size && memcmp (text.data, prefix, size) == 0;
}

bool client_wants_all (const belfry_client_t *self)
{
	for (size_t i = 0; i < self->n_prefixes; i++) {
		if (self->prefixes[i][0] == '\0')
			return true;
	}
	return self->n_prefixes == 0;
}

/* Names for packed values come with the fabric's catalogues. */
static bool wants_metrics (const belfry_client_t *self)
{
	static const char samples[] = "metrics/samples/";
	for (size_t i = 0; i < self->n_prefixes; i++) {
		size_t size = strlen (self->prefixes[i]);
		size = size < sizeof samples - 1 ? size : sizeof samples - 1;
		if (strncmp (self->prefixes[i], samples, size) == 0)
			return true;
	}
	return self->n_prefixes == 0;
}

static int subscribe (belfry_client_t *self)
{
	int r = 0;
	for (size_t i = 0; i < self->n_prefixes && !r; i++)
		r = link_subscribe (self->stream, span_str (self->prefixes[i]));
	if (!r && self->n_prefixes == 0)
		r = link_subscribe (self->stream, span_str (""));
	if (!r && wants_metrics (self))
		r = link_subscribe (self->stream, span_str (catalogue_prefix));
	return r ? r : link_subscribe (self->stream, span_str (heartbeat_prefix));
}

/* Takes one message into the early queue. 0 with *ret_beat, or what link_receive says. */
static int collect_one (belfry_client_t *self, bool *ret_beat)
{
	early_message_t message = { 0 };
	int r = link_receive (self->stream, message.frames, EARLY_FRAMES, &message.n);
	if (r && r != -EMSGSIZE)
		return r;
	self->heard = mono_now ();
	*ret_beat = r == 0 && begins_with (frame_bytes (&message.frames[0]), heartbeat_prefix);
	if (early_put (self->early, &message))
		early_message_close (&message);
	return 0;
}

size_t client_collect (belfry_client_t *self)
{
	enum { BATCH = 1024 };
	bool beat;
	size_t n = 0;
	while (n < BATCH && collect_one (self, &beat) == 0)
		n++;
	return n;
}

static int wait_for_beat (belfry_client_t *self, mono_t deadline, err_t *err)
{
	bool beat = false;
	uint64_t came = 0;
	for (;;) {
		int r = collect_one (self, &beat);
		if (r == 0) {
			if (beat)
				return 0;
			came++;
			continue;
		}
		if (r != -EAGAIN)
			return error_set (err, r, "%s: %s", self->stream_endpoint, strerror (-r));
		int64_t left = mono_since (deadline, mono_now ());
		if (keeper_in_vain (self->keeper, self->curve ? self->curve->public_text : NULL, err))
			return -EPERM;
		char waited[DURATION_TEXT_MAX];
		duration_format (self->deadline_ns, waited);
		if (left <= 0 && came)
			return error_set (err, -ETIMEDOUT,
			        "%s sends events, but no heartbeat within %s: is that a collector's "
			        "stream_out?",
			        self->stream_endpoint, waited);
		if (left <= 0)
			return error_set (err, -ETIMEDOUT,
			        "nothing came from %s within %s: is that a running collector's stream_out?",
			        self->stream_endpoint, waited);
		if ((r = loop_turn (self->loop, left)))
			return error_set (err, r, "waiting for %s: %s", self->stream_endpoint, strerror (-r));
	}
}

static void collect_idle (void *arg)
{
	client_collect (arg);
}

static int request_snapshot (belfry_client_t *self, mono_t deadline, err_t *err)
{
	char *prefixes[BELFRY_CLIENT_PREFIXES_MAX + 1], catalogues[sizeof catalogue_prefix];
	Belfry__V1__Control request;
	Belfry__V1__SnapshotRequest body;
	belfry__v1__control__init (&request);
	belfry__v1__snapshot_request__init (&body);
	if (!client_wants_all (self)) {
		memcpy (prefixes, self->prefixes, self->n_prefixes * sizeof *prefixes);
		body.n_prefixes = self->n_prefixes;
		body.prefixes = prefixes;
		memcpy (catalogues, catalogue_prefix, sizeof catalogues);
		if (wants_metrics (self))
			prefixes[body.n_prefixes++] = catalogues;
	}
	request.body_case = BELFRY__V1__CONTROL__BODY_SNAPSHOT_REQUEST;
	request.snapshot_request = &body;
	return request_send (self->requests, &request, deadline, err);
}

static int take_snapshot (belfry_client_t *self, bool mixed, mono_t deadline, err_t *err)
{
	client_snapshot_t *snapshot;
	if (client_snapshot_new (&snapshot))
		return error_set (err, -ENOMEM, "out of memory");
	int r = request_snapshot (self, deadline, err);
	for (bool last = false; !r && !last;) {
		Belfry__V1__Control *answer;
		r = request_answer (self->requests, BELFRY__V1__CONTROL__BODY_SNAPSHOT, deadline,
		        collect_idle, self, &answer, err);
		if (r)
			break;
		last = answer->snapshot->last;
		r = client_snapshot_add (snapshot, answer);
		if (r) {
			belfry__v1__control__free_unpacked (answer, NULL);
			error_set (err, r, "the snapshot cannot be taken: %s",
			        r == -EPROTO ? "its parts are out of order" : strerror (-r));
		}
	}
	if (!r && (r = client_snapshot_order (snapshot, mixed)))
		error_set (err, r, "out of memory");
	if (r) {
		client_snapshot_destroy (&snapshot);
		return r;
	}
	for (size_t i = 0; i < client_snapshot_sequences (snapshot); i++)
		track_snapshot_sequence (self->track, client_snapshot_sequence (snapshot, i));
	self->snapshot = snapshot;
	return 0;
}

int client_join (belfry_client_t *self, belfry_client_snapshot_t snapshot, bool mixed, err_t *err)
{
	mono_t deadline = mono_add (mono_now (), self->deadline_ns);
	int r = subscribe (self);
	if (r)
		return error_set (err, r, "%s: cannot subscribe: %s", self->stream_endpoint, strerror (-r));
	r = keeper_new (self->loop, self->stream, self->stream_endpoint, NULL, NULL, &self->keeper, err);
	if (!r)
		r = wait_for_beat (self, deadline, err);
	if (r || snapshot == BELFRY_CLIENT_SNAPSHOT_NONE)
		return r;
	deadline = mono_add (mono_now (), self->deadline_ns);
	r = take_snapshot (self, mixed, deadline, err);
	return snapshot == BELFRY_CLIENT_SNAPSHOT_TRY && r == -ETIMEDOUT ? 0 : r;
}
