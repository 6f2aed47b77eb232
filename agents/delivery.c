#include "agents/delivery.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/borrow.h"
#include "base/log.h"

/* While something waits for an acknowledgement it is looked at so often. */
#define LOOK_NS (50 * NS_PER_MS)
#define LAST_TURN_NS (20 * NS_PER_MS)

struct delivery {
	loop_t *loop;
	outbox_t *outbox;
	spooler_t *spooler;
	delivery_hooks_t hooks;
	talk_t *const *talks;
	size_t n;
	int timer; /* 0: nothing waits */
	uint64_t incarnation, boot_nonce;
	bool may;
	courier_t couriers[SPOOL_COLLECTORS_MAX];
};

static bool index_of (const delivery_t *self, const talk_t *talk, size_t *ret)
{
	for (size_t i = 0; self->talks && i < self->n; i++) {
		if (self->talks[i] == talk) {
			*ret = i;
			return true;
		}
	}
	return false;
}

static bool older (const delivery_t *self, size_t i)
{
	uint64_t oldest = spooler_oldest (self->spooler, i).incarnation;
	return oldest && oldest < self->incarnation;
}

static void look (delivery_t *self, mono_t now);

static void on_look (void *arg, int id, moment_t now)
{
	delivery_t *self = arg;
	bool any = false;
	(void) id;
	look (self, now.mono);
	for (size_t i = 0; i < self->n; i++)
		any |= courier_waits (&self->couriers[i]);
	if (any)
		return;
	loop_remove_timer (self->loop, self->timer);
	self->timer = 0;
}

static void look (delivery_t *self, mono_t now)
{
	bool any = false;
	for (size_t i = 0; i < self->n; i++) {
		size_t events, bytes;
		any |= courier_waits (&self->couriers[i]);
		if (courier_step (&self->couriers[i], now, &events, &bytes))
			spooler_read (self->spooler, i, events, bytes);
	}
	if (any && !self->timer) {
		int id = loop_add_timer (self->loop, LOOK_NS, LOOK_NS, on_look, self);
		self->timer = id > 0 ? id : 0;
	}
}

/* The spooler's hooks. */

static void on_committed (void *arg, const spool_item_t *items, size_t n, uint64_t settled)
{
	delivery_t *self = arg;
	mono_t now = mono_now ();
	bool sent = outbox_is_open (self->outbox);
	for (size_t i = 0; i < n; i++) {
		outbox_emit (self->outbox, &items[i]);
		if (items[i].incarnation != self->incarnation)
			continue;
		for (size_t c = 0; c < self->n; c++)
			courier_committed (
			        &self->couriers[c], items[i].incarnation, items[i].sequence, sent, now);
	}
	look (self, now);
	self->hooks.settled (self->hooks.arg, settled, now);
}

/* One frame of a Resend: its bytes are copied, since the next seal takes their place. */
static int frame_make (delivery_t *self, const spool_item_t *item, Belfry__V1__Frame *frame)
{
	span_t topic, envelope;
	err_t err = { "" };
	int r = outbox_seal (self->outbox, item, &topic, &envelope, &err);
	if (r) {
		log_error ("agent", "a durable event cannot be sealed: %s", err.text);
		return r;
	}
	belfry__v1__frame__init (frame);
	frame->topic = strndup (topic.data, topic.size);
	frame->envelope.data = malloc (envelope.size);
	frame->envelope.len = envelope.size;
	if (!frame->topic || !frame->envelope.data) {
		free (frame->topic);
		free (frame->envelope.data);
		return -ENOMEM;
	}
	memcpy (frame->envelope.data, envelope.data, envelope.size);
	return 0;
}

static void on_read (void *arg, size_t collector, const spool_item_t *items, size_t n, int result)
{
	delivery_t *self = arg;
	mono_t now = mono_now ();
	static Belfry__V1__Frame frames[SPOOLER_BATCH_MAX];
	static Belfry__V1__Frame *frames_p[SPOOLER_BATCH_MAX];
	Belfry__V1__Resend resend = BELFRY__V1__RESEND__INIT;
	for (; resend.n_frames < n; resend.n_frames++) {
		if (frame_make (self, &items[resend.n_frames], &frames[resend.n_frames]))
			break;
		frames_p[resend.n_frames] = &frames[resend.n_frames];
	}
	size_t sent = resend.n_frames;
	resend.frames = frames_p;
	/* The frames begin with the oldest that waits. */
	resend.oldest_incarnation = n ? items[0].incarnation : 0;
	resend.oldest_sequence = n ? items[0].reason ? items[0].first : items[0].sequence : 0;
	if (sent && talk_resend (self->talks[collector], &resend))
		sent = 0;
	for (size_t i = 0; i < resend.n_frames; i++) {
		free (frames[i].topic);
		free (frames[i].envelope.data);
	}
	const spool_item_t *last = sent ? &items[sent - 1] : NULL;
	courier_t *courier = &self->couriers[collector];
	if (last)
		courier_read (courier, COURIER_SENT, sent, last->incarnation, last->sequence, now);
	else
		courier_read (courier, n || result ? COURIER_FAILED : COURIER_NOTHING, 0, 0, 0, now);
	courier_older (courier, older (self, collector), now);
	look (self, now);
}

static void on_renumbered (void *arg, uint64_t incarnation, uint64_t newest)
{
	delivery_t *self = arg;
	mono_t now = mono_now ();
	if (incarnation != self->incarnation)
		return; /* it was given up meanwhile, and what is under it goes on to the next */
	outbox_skip (self->outbox, newest);
	for (size_t c = 0; c < self->n; c++) {
		if (newest)
			courier_committed (&self->couriers[c], self->incarnation, newest, false, now);
		courier_older (&self->couriers[c], older (self, c), now);
	}
	look (self, now);
}

static void on_said (void *arg, const spool_report_t *report)
{
	delivery_t *self = arg;
	log_error ("agent", "%s", report->text);
	self->hooks.damaged (self->hooks.arg, report);
}

int delivery_new (loop_t *loop, const agent_config_t *config, outbox_t *outbox, const delivery_hooks_t *hooks,
        moment_t now, delivery_t **ret, err_t *err)
{
	const char *names[SPOOL_COLLECTORS_MAX];
	delivery_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	self->loop = loop;
	self->outbox = outbox;
	self->hooks = *hooks;
	self->n = config->collectors.n < SPOOL_COLLECTORS_MAX ? config->collectors.n : SPOOL_COLLECTORS_MAX;
	for (size_t i = 0; i < self->n; i++) {
		names[i] = config->collectors.items[i].control;
		courier_init (&self->couriers[i]);
	}
	const spool_options_t options = { config->state_dir, NULL, names, self->n, config->spool.size,
		config->spool.age_ns };
	const spooler_hooks_t spooler = { self, on_committed, on_read, on_renumbered, on_said };
	int r = spooler_new (loop, &options, outbox, &spooler, now.wall, &self->spooler, err);
	if (r) {
		free (self);
		return r;
	}
	*ret = self;
	return 0;
}

bool delivery_destroy (delivery_t **self_p, int64_t patience_ns)
{
	delivery_t *self = *self_p;
	if (!self)
		return true;
	if (self->timer)
		loop_remove_timer (self->loop, self->timer);
	self->timer = 0;
	if (!spooler_destroy (&self->spooler, patience_ns))
		return false;
	free (self);
	*self_p = NULL;
	return true;
}

void delivery_attach (delivery_t *self, talk_t *const *talks)
{
	self->talks = talks;
}

void delivery_allow (delivery_t *self, const incarnation_t *incarnation, bool may)
{
	if (may && !self->may) {
		self->incarnation = incarnation->incarnation;
		self->boot_nonce = incarnation->boot_nonce;
	}
	self->may = may;
	spooler_set_numbering (self->spooler, may);
}

void delivery_begun (delivery_t *self, uint64_t before, const incarnation_t *incarnation, mono_t now)
{
	self->incarnation = incarnation->incarnation;
	self->boot_nonce = incarnation->boot_nonce;
	outbox_set_incarnation (self->outbox, incarnation->incarnation, incarnation->boot_nonce, now);
	spooler_renumber (self->spooler, before, incarnation->incarnation, incarnation->boot_nonce);
}

void delivery_nudge (delivery_t *self)
{
	spooler_nudge (self->spooler);
}

void delivery_welcomed (delivery_t *self, const talk_t *talk, const Belfry__V1__Welcome *welcome, mono_t now)
{
	size_t i;
	if (!index_of (self, talk, &i))
		return;
	spooler_acknowledge (self->spooler, i, welcome->incarnation, welcome->newest_durable);
	courier_welcomed (&self->couriers[i], welcome->incarnation, welcome->newest_durable, older (self, i),
	        welcome->credit_events, welcome->credit_bytes, now);
	look (self, now);
}

void delivery_acknowledged (delivery_t *self, const talk_t *talk, const Belfry__V1__Ack *ack, mono_t now)
{
	size_t i;
	if (!index_of (self, talk, &i))
		return;
	if (ack->foreign) {
		/* The present one's is for the welcome to say. */
		if (ack->incarnation < self->incarnation)
			spooler_renumber (
			        self->spooler, ack->incarnation, self->incarnation, self->boot_nonce);
		return;
	}
	spooler_acknowledge (self->spooler, i, ack->incarnation, ack->newest_durable);
	courier_acknowledged (&self->couriers[i], ack->incarnation, ack->newest_durable, ack->credit_events,
	        ack->credit_bytes, now);
	look (self, now);
}

void delivery_lost (delivery_t *self, const talk_t *talk)
{
	size_t i;
	if (index_of (self, talk, &i))
		courier_lost (&self->couriers[i]);
}

spooler_place_t delivery_oldest (const delivery_t *self, const talk_t *talk)
{
	size_t i;
	spooler_place_t oldest = { 0, 0 };
	if (index_of (self, talk, &i))
		oldest = spooler_oldest (self->spooler, i);
	/* Of the present one nothing is settled that its collector would not know of itself. */
	if (!oldest.incarnation || oldest.incarnation >= self->incarnation)
		oldest = (spooler_place_t){ self->incarnation, 0 };
	return oldest;
}

void delivery_step (delivery_t *self, moment_t now)
{
	spooler_step (self->spooler, now);
	for (size_t i = 0; i < self->n; i++)
		courier_older (&self->couriers[i], older (self, i), now.mono);
	look (self, now.mono);
	self->hooks.settled (self->hooks.arg, spooler_settled (self->spooler), now.mono);
}

static bool all_acknowledged (const delivery_t *self)
{
	for (size_t i = 0; i < self->n; i++) {
		if (courier_waits (&self->couriers[i]))
			return false;
	}
	return true;
}

void delivery_end (delivery_t *self, int64_t patience_ns)
{
	spooler_finish (self->spooler, patience_ns);
	mono_t until = mono_add (mono_now (), patience_ns);
	while (!all_acknowledged (self) && mono_since (until, mono_now ()) > 0) {
		if (loop_turn (self->loop, LAST_TURN_NS))
			return;
	}
}

uint64_t delivery_settled (const delivery_t *self)
{
	return spooler_settled (self->spooler);
}

const spool_figures_t *delivery_figures (const delivery_t *self)
{
	return spooler_figures (self->spooler);
}

void delivery_counters (const delivery_t *self, delivery_counters_t *ret)
{
	memset (ret, 0, sizeof *ret);
	for (size_t i = 0; i < self->n; i++) {
		ret->resends += self->couriers[i].resends;
		ret->resent += self->couriers[i].resent;
		ret->acknowledgements += self->couriers[i].acknowledgements;
	}
}
