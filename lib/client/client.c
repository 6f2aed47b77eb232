/* A client is one thread's: the loop waits for its links, nothing runs in between. Events are handed
 * out from the snapshot, then from what came before it was there, then from the stream; all three
 * pass the same intake, and the latter two the tracking. */

#include "client/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	DEADLINE_DEFAULT_S = 3,
	CATALOGUE_BYTES_MAX = 64 * 1024 * 1024,
	STREAM_HWM = 100000,
	/* Messages that one call looks at in vain before it returns. */
	VAIN_MAX = 4096,
};

static void wake (void *arg, link_t *link)
{
	(void) arg;
	(void) link;
}

static int options_check (const belfry_client_options_t *options, err_t *err)
{
	uint8_t key[Z85_KEY_SIZE];
	if (!options->curve_file != !options->server_key)
		return error_set (err, -EINVAL,
		        "CURVE needs both: the own key's file%s, and the collector's public key%s",
		        options->curve_file ? "" : " (curve, missing)",
		        options->server_key ? "" : " (server key, missing)");
	if (options->server_key && !z85_decode (options->server_key, strlen (options->server_key), key))
		return error_set (err, -EINVAL,
		        "the server key '%.60s' is no public CURVE key: 40 characters of Z85",
		        options->server_key);
	if (!options->stream && !options->control)
		return error_set (err, -EINVAL, "neither a stream nor a control endpoint is given");
	if (options->snapshot != BELFRY_CLIENT_SNAPSHOT_NONE && options->stream && !options->control)
		return error_set (err, -EINVAL, "a snapshot needs the control endpoint");
	if (options->n_prefixes > BELFRY_CLIENT_PREFIXES_MAX)
		return error_set (err, -EINVAL,
		        "%zu prefixes are more than the %d that ZeroMQ carries safely", options->n_prefixes,
		        BELFRY_CLIENT_PREFIXES_MAX);
	for (size_t i = 0; i < options->n_prefixes; i++) {
		const char *prefix = options->prefixes[i];
		if (strlen (prefix) > BELFRY_CLIENT_PREFIX_MAX)
			return error_set (err, -EINVAL,
			        "the prefix '%.40s...' is longer than %d bytes, and than any topic", prefix,
			        BELFRY_CLIENT_PREFIX_MAX);
		for (const char *p = prefix; *p; p++) {
			bool fits = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			            (*p >= '0' && *p <= '9') || strchr ("._-/", *p);
			if (!fits)
				return error_set (err, -EINVAL,
				        "the prefix '%s' begins no topic: topics are made of [A-Za-z0-9._-/]",
				        prefix);
		}
	}
	return 0;
}

static int no_memory (err_t *err)
{
	return error_set (err, -ENOMEM, "out of memory");
}

static int stream_prepare (
        belfry_client_t *self, const belfry_client_options_t *options, const link_curve_t *curve, err_t *err)
{
	/* Subscriptions beyond SNDHWM are lost silently: 0 is no mark (zeromq-facts.md). */
	link_options_t link_options = { .receive_hwm = STREAM_HWM, .curve = curve };
	self->stream_endpoint = strdup (options->stream);
	for (size_t i = 0; i < options->n_prefixes; i++) {
		if (!(self->prefixes[i] = strdup (options->prefixes[i])))
			return no_memory (err);
		self->n_prefixes = i + 1;
	}
	if (!self->stream_endpoint || early_new (&self->early))
		return no_memory (err);
	int r = link_new (self->context, LINK_SUBSCRIBER, &link_options, &self->stream);
	if (!r)
		r = loop_add_link (self->loop, self->stream, wake, NULL);
	return r ? error_set (err, r, "no socket for the stream: %s", strerror (-r)) : 0;
}

static int client_prepare (belfry_client_t *self, const belfry_client_options_t *options, err_t *err)
{
	self->deadline_ns = options->deadline_ns > 0 ? options->deadline_ns : DEADLINE_DEFAULT_S * NS_PER_S;
	int r = options->keyring ? keyring_load (options->keyring, &self->keyring, err) : 0;
	if (!r && options->curve_file)
		r = curve_key_load (options->curve_file, &self->curve, err);
	if (r)
		return r;
	uint8_t server_key[Z85_KEY_SIZE];
	link_curve_t keys = { .server_key = server_key };
	if (self->curve) {
		(void) z85_decode (options->server_key, Z85_TEXT_SIZE, server_key);
		keys.secret_key = self->curve->secret;
		keys.public_key = self->curve->public;
	}
	const link_curve_t *curve = self->curve ? &keys : NULL;
	if (intake_new (self->keyring, &self->intake) || track_new (&self->track) ||
	        client_catalogues_new (CATALOGUE_BYTES_MAX, &self->catalogues))
		return no_memory (err);
	r = net_context_new (1, &self->context);
	if (!r)
		r = loop_new (&self->loop);
	if (r)
		return error_set (err, r, "no ZeroMQ context: %s", strerror (-r));
	if (options->control)
		r = requests_new (self->context, self->loop, options->control, curve,
		        self->curve ? self->curve->public_text : NULL, &self->requests, err);
	if (!r && options->stream)
		r = stream_prepare (self, options, curve, err);
	return r;
}

int belfry_client_open (const belfry_client_options_t *options, belfry_client_t **ret, char *error)
{
	err_t err = { 0 };
	int r = options_check (options, &err);
	belfry_client_t *self = r ? NULL : calloc (1, sizeof *self);
	if (!r)
		r = self ? client_prepare (self, options, &err) : no_memory (&err);
	if (!r && options->from)
		r = client_tape_begin (self, options->from, &err);
	if (!r && self->stream)
		r = client_join (self, options->from ? BELFRY_CLIENT_SNAPSHOT_NONE : options->snapshot,
		        options->mix_channels, &err);
	if (!r && self->tape)
		r = client_tape_read (self, &err);
	if (error)
		memcpy (error, err.text, sizeof err.text);
	if (r) {
		belfry_client_close (&self);
		return r;
	}
	*ret = self;
	return 0;
}

void belfry_client_close (belfry_client_t **self_p)
{
	belfry_client_t *self = *self_p;
	if (!self)
		return;
	early_message_close (&self->now);
	early_destroy (&self->early);
	client_snapshot_destroy (&self->snapshot);
	belfry_client_page_free (&self->page);
	free (self->tape);
	requests_destroy (&self->requests);
	keeper_destroy (&self->keeper);
	if (self->stream)
		loop_remove_link (self->loop, self->stream);
	link_destroy (&self->stream);
	loop_destroy (&self->loop);
	net_context_destroy (&self->context);
	client_catalogues_destroy (&self->catalogues);
	track_destroy (&self->track);
	intake_destroy (&self->intake);
	keyring_destroy (&self->keyring);
	curve_key_destroy (&self->curve);
	for (size_t i = 0; i < self->n_prefixes; i++)
		free (self->prefixes[i]);
	free (self->stream_endpoint);
	free (self->samples);
	free (self);
	*self_p = NULL;
}

bool client_is_wanted (const belfry_client_t *self, span_t topic)
{
	for (size_t i = 0; i < self->n_prefixes; i++) {
		size_t size = strlen (self->prefixes[i]);
		if (topic.size >= size && memcmp (topic.data, self->prefixes[i], size) == 0)
			return true;
	}
	return self->n_prefixes == 0;
}

/* What a message of the stream is to who has the snapshot. */
static bool is_new (belfry_client_t *self, span_t topic, const Belfry__V1__Event *event)
{
	refusal_t reason;
	switch (track_event (self->track, topic, event->header, &reason)) {
	case TRACK_NOT_NEWER:
		self->totals.not_newer++;
		return false;
	case TRACK_REFUSED:
		intake_refuse (self->intake, reason);
		return false;
	case TRACK_NEW:
		break;
	}
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT)
		track_beat (self->track, event->header, event->heartbeat, self->heard);
	return true;
}

void client_event_fill (belfry_client_t *self, span_t topic, span_t envelope, const Belfry__V1__Event *event)
{
	memcpy (self->topic, topic.data, topic.size);
	self->topic[topic.size] = '\0';
	self->event = (belfry_client_event_t){
		.topic = self->topic,
		.event = event,
		.verified = self->keyring ? BELFRY_CLIENT_VERIFIED_MAC
		            : self->curve ? BELFRY_CLIENT_VERIFIED_COLLECTOR
		                          : BELFRY_CLIENT_VERIFIED_NO,
		.envelope = envelope.data,
		.envelope_size = envelope.size,
	};
}

/* Where a message comes from; one with a mark that the tape took is not looked at by the track. */
typedef enum { FROM_STREAM, FROM_SNAPSHOT, FROM_TAPE } source_t;

static void beat_take (belfry_client_t *self, const Belfry__V1__Heartbeat *beat)
{
	for (size_t i = 0; i < beat->n_offsets; i++) {
		channel_t channel;
		if (channel_parse (span_str (beat->offsets[i]->channel), &channel) == 0)
			tape_beat (self->tape, channel, beat->offsets[i]->offset, self->heard);
	}
}

/* Opens one message into self->event. False when it is none for the caller. */
static bool take (belfry_client_t *self, span_t topic, span_t envelope, source_t source)
{
	const Belfry__V1__Event *event;
	self->totals.received++;
	if (intake_open (self->intake, topic, envelope, &event))
		return false;
	if (source == FROM_SNAPSHOT)
		(void) track_snapshot_event (self->track, topic, event->header);
	else if (source == FROM_STREAM && !is_new (self, topic, event))
		return false;
	if (self->tape && event->payload_case == BELFRY__V1__EVENT__PAYLOAD_HEARTBEAT)
		beat_take (self, event->heartbeat);
	/* Without memory its values stay nameless until it comes again. */
	if (event->payload_case == BELFRY__V1__EVENT__PAYLOAD_CATALOGUE)
		(void) client_catalogues_put (self->catalogues, event->header->node, event->catalogue);
	if (!client_is_wanted (self, topic)) {
		self->totals.outside++;
		return false;
	}
	client_event_fill (self, topic, envelope, event);
	self->event.snapshot = source == FROM_SNAPSHOT;
	self->totals.delivered++;
	return true;
}

static bool take_snapshot_frame (belfry_client_t *self)
{
	const Belfry__V1__Frame *frame = client_snapshot_frame (self->snapshot, self->snapshot_at++);
	if (!take (self, span_str (frame->topic), span_of (frame->envelope.data, frame->envelope.len),
	            FROM_SNAPSHOT))
		return false;
	self->event.offset = frame->offset;
	return true;
}

/* What the tape says of a marked message. False: it is not to be handed out now. */
static bool tape_takes (belfry_client_t *self, const mark_t *mark)
{
	span_t topic = frame_bytes (&self->now.frames[0]);
	const char *slash = memchr (topic.data, '/', topic.size);
	channel_t channel;
	if (!slash ||
	        channel_parse (span_of (topic.data, (size_t) (slash - (const char *) topic.data)), &channel))
		return true;
	switch (tape_mark (self->tape, channel, mark)) {
	case TAPE_NEW:
		return true;
	case TAPE_REPLACED:
		/* Another history: from its beginning on, since nothing of it was seen. */
		tape_begin (self->tape, self->tape->wanted, 1);
		return false;
	default:
		return false;
	}
}

static bool take_message (belfry_client_t *self)
{
	mark_t mark = { .offset = 0 };
	bool marked = self->now.n == 3;
	if (self->now.n != 2 && !(marked && mark_parse (frame_bytes (&self->now.frames[2]), &mark))) {
		self->totals.received++;
		intake_refuse (self->intake, REFUSAL_FRAMES);
		return false;
	}
	if (marked && self->tape && !tape_takes (self, &mark))
		return false;
	if (!take (self, frame_bytes (&self->now.frames[0]), frame_bytes (&self->now.frames[1]),
	            marked && self->tape ? FROM_TAPE : FROM_STREAM))
		return false;
	self->event.offset = mark.offset;
	self->event.late = mark.late;
	return true;
}

/* Looks at the next message there is. 0 with *ret_taken; -EAGAIN when there is none. */
static int next_message (belfry_client_t *self, bool *ret_taken)
{
	early_message_close (&self->now);
	if (self->tape && client_tape_next (self, ret_taken))
		return 0;
	if (self->snapshot) {
		if (self->snapshot_at < client_snapshot_count (self->snapshot)) {
			*ret_taken = take_snapshot_frame (self);
			return 0;
		}
		client_snapshot_destroy (&self->snapshot);
	}
	if (!early_take (self->early, &self->now)) {
		int r = link_receive (self->stream, self->now.frames, EARLY_FRAMES, &self->now.n);
		if (r && r != -EMSGSIZE)
			return r;
		self->heard = mono_now ();
	}
	*ret_taken = take_message (self);
	return 0;
}

int belfry_client_next (belfry_client_t *self, int64_t timeout_ns, const belfry_client_event_t **ret)
{
	if (!self->stream)
		return -EINVAL;
	mono_t deadline = mono_add (mono_now (), timeout_ns > 0 ? timeout_ns : 0);
	bool over = false;
	for (unsigned vain = 0;;) {
		bool taken;
		int r = next_message (self, &taken);
		if (r == 0 && taken) {
			*ret = &self->event;
			return 0;
		}
		if (r && r != -EAGAIN)
			return r;
		int64_t left = timeout_ns < 0 ? -1 : mono_since (deadline, mono_now ());
		if (r == 0) {
			if (++vain % VAIN_MAX || timeout_ns < 0 || left > 0)
				continue;
			/* More may be there: the descriptor must say so. */
			loop_wake (self->loop);
			return BELFRY_CLIENT_E_TIMEOUT;
		}
		if (over)
			return BELFRY_CLIENT_E_TIMEOUT;
		/* In time or not, one turn rearms the descriptor, and what came with it counts. */
		if (timeout_ns >= 0 && left <= 0) {
			left = 0;
			over = true;
		}
		if ((r = loop_turn (self->loop, left)))
			return r;
	}
}

int belfry_client_descriptor (const belfry_client_t *self)
{
	return loop_descriptor (self->loop);
}

static int samples_reserve (belfry_client_t *self, size_t n)
{
	if (n <= self->samples_room)
		return 0;
	belfry_client_sample_t *grown = realloc (self->samples, n * sizeof *grown);
	if (!grown)
		return -ENOMEM;
	self->samples = grown;
	self->samples_room = n;
	return 0;
}

int belfry_client_samples (belfry_client_t *self, const belfry_client_event_t *event,
        const belfry_client_sample_t **ret, size_t *ret_n)
{
	if (event->event->payload_case != BELFRY__V1__EVENT__PAYLOAD_METRIC_BATCH)
		return -EINVAL;
	const Belfry__V1__MetricBatch *batch = event->event->metric_batch;
	if (samples_reserve (self, batch->n_values + batch->n_samples))
		return -ENOMEM;
	size_t n = 0;
	const Belfry__V1__Catalogue *catalogue = NULL;
	if (batch->n_values > 0)
		catalogue = client_catalogues_get (
		        self->catalogues, event->event->header->node, batch->catalogue_hash);
	bool unknown = batch->n_values > 0 && (!catalogue || catalogue->n_series != batch->n_values);
	for (size_t i = 0; !unknown && i < batch->n_values; i++) {
		const Belfry__V1__Series *series = catalogue->series[i];
		self->samples[n++] = (belfry_client_sample_t){ series->name, series->unit, series->kind,
			batch->values[i], series->labels, series->n_labels };
	}
	for (size_t i = 0; i < batch->n_samples; i++) {
		const Belfry__V1__Sample *sample = batch->samples[i];
		self->samples[n++] = (belfry_client_sample_t){ sample->name, sample->unit, sample->kind,
			sample->value, sample->labels, sample->n_labels };
	}
	*ret = self->samples;
	*ret_n = n;
	self->totals.unresolved += unknown;
	return unknown ? BELFRY_CLIENT_E_UNKNOWN_CATALOGUE : 0;
}

static void collect_idle (void *arg)
{
	belfry_client_t *self = arg;
	if (self->stream)
		client_collect (self);
}

int belfry_client_status (belfry_client_t *self, const char *node, Belfry__V1__StatusReply **ret, char *error)
{
	err_t err = { 0 };
	char name[TOPIC_SIZE_MAX + 1];
	Belfry__V1__Control request, *answer = NULL;
	Belfry__V1__StatusRequest body;
	mono_t deadline = mono_add (mono_now (), self->deadline_ns);
	belfry__v1__control__init (&request);
	belfry__v1__status_request__init (&body);
	snprintf (name, sizeof name, "%s", node ? node : "");
	body.node = name;
	body.evidence = true;
	request.body_case = BELFRY__V1__CONTROL__BODY_STATUS_REQUEST;
	request.status_request = &body;
	int r = self->requests ? request_send (self->requests, &request, deadline, &err)
	                       : error_set (&err, -EINVAL, "no control endpoint was given");
	if (!r)
		r = request_answer (self->requests, BELFRY__V1__CONTROL__BODY_STATUS, deadline, collect_idle,
		        self, &answer, &err);
	if (error)
		memcpy (error, err.text, sizeof err.text);
	if (r)
		return r == -ENOENT ? BELFRY_CLIENT_E_ABSENT : r;
	Belfry__V1__StatusReply *status = answer->status;
	answer->body_case = BELFRY__V1__CONTROL__BODY__NOT_SET;
	answer->status = NULL;
	belfry__v1__control__free_unpacked (answer, NULL);
	if (node && status->n_nodes == 0) {
		belfry_client_status_free (&status);
		return BELFRY_CLIENT_E_ABSENT;
	}
	*ret = status;
	return 0;
}

void belfry_client_status_free (Belfry__V1__StatusReply **status_p)
{
	if (*status_p)
		belfry__v1__status_reply__free_unpacked (*status_p, NULL);
	*status_p = NULL;
}

void belfry_client_totals (const belfry_client_t *self, belfry_client_totals_t *ret)
{
	*ret = self->totals;
	for (refusal_t reason = REFUSAL_NONE + 1; reason < REFUSAL_COUNT; reason++)
		ret->refused += intake_refused (self->intake, reason);
	ret->loss_known = self->stream && client_wants_all (self);
	/* With a tape nothing journalled is lost, and volatile events alone would be counted wrongly. */
	ret->loss_known = ret->loss_known && !self->tape;
	ret->lost = ret->loss_known ? track_lost (self->track) : 0;
	ret->repaired = self->tape ? self->tape->repairs : 0;
}

size_t belfry_client_refusals (const belfry_client_t *self, belfry_client_refusal_t *out, size_t max)
{
	size_t n = 0;
	for (refusal_t reason = REFUSAL_NONE + 1; reason < REFUSAL_COUNT; reason++) {
		uint64_t count = intake_refused (self->intake, reason);
		if (count == 0)
			continue;
		if (n < max)
			out[n] = (belfry_client_refusal_t){ refusal_key (reason), refusal_help (reason),
				count };
		n++;
	}
	return n;
}

int64_t belfry_client_silence_ns (const belfry_client_t *self)
{
	return self->stream ? mono_since (mono_now (), self->heard) : -1;
}
