/* client.h - what a subscriber is made of, for the files of this room only. */

#ifndef CLIENT_CLIENT_H
#define CLIENT_CLIENT_H

#include "client/belfry_client.h"
#include "client/catalogues.h"
#include "client/early.h"
#include "client/intake.h"
#include "client/request.h"
#include "client/snapshot.h"
#include "client/tape.h"
#include "client/track.h"
#include "net/keeper.h"
#include "wire/curve_key.h"
#include "wire/topic.h"

struct belfry_client {
	net_context_t *context;
	loop_t *loop;
	link_t *stream;       /* NULL: requests alone */
	keeper_t *keeper;     /* the stream's, once it connects */
	curve_key_t *curve;   /* NULL: no CURVE */
	requests_t *requests; /* NULL: no control endpoint */
	keyring_t *keyring;   /* NULL: MACs are not looked at */
	intake_t *intake;
	track_t *track;
	client_catalogues_t *catalogues;
	char *stream_endpoint;
	char *prefixes[BELFRY_CLIENT_PREFIXES_MAX];
	size_t n_prefixes; /* none: everything */
	int64_t deadline_ns;

	client_snapshot_t *snapshot; /* until its last event was handed out */
	size_t snapshot_at;
	early_t *early;                  /* what the stream brought before the snapshot was there */
	early_message_t now;             /* what event points into */
	tape_t *tape;                    /* NULL: the stream as it comes */
	Belfry__V1__JournalEvents *page; /* of the journal, under way */
	size_t page_at;
	mono_t again; /* when the journal is asked again */
	mono_t heard; /* when the stream last brought anything */

	belfry_client_event_t event;
	char topic[TOPIC_SIZE_MAX + 1];
	belfry_client_sample_t *samples;
	size_t samples_room;
	belfry_client_totals_t totals;
};

/* Subscribes, waits for the first heartbeat, takes the snapshot. 0 or negative errno with err set. */
int client_join (belfry_client_t *self, belfry_client_snapshot_t snapshot, bool mixed, err_t *err);

/* Takes what the stream has into the early queue. Returns how many. */
size_t client_collect (belfry_client_t *self);

/* Fills self->event. */
void client_event_fill (belfry_client_t *self, span_t topic, span_t envelope, const Belfry__V1__Event *event);
bool client_is_wanted (const belfry_client_t *self, span_t topic);

/* The tape (journal.c): begins with the first page, which may be refused; gives what is to be read. False when
 * nothing is, or nothing could be had now. */
int client_tape_begin (belfry_client_t *self, const char *from, err_t *err);
int client_tape_read (belfry_client_t *self, err_t *err);
bool client_tape_next (belfry_client_t *self, bool *ret_taken);

/* Whether everything is wanted: then what is missing was lost. */
bool client_wants_all (const belfry_client_t *self);

#endif
