/* belfry_client.h - libbelfry-client: the fabric's events and state for any C program (wire.md,
 * "Subscribers").
 *
 *	belfry_client_options_t options = {
 *		.stream = "tcp://127.0.0.1:7702", .control = "tcp://127.0.0.1:7703"
 *	};
 *	char error[BELFRY_CLIENT_ERROR_MAX];
 *	belfry_client_t *client;
 *	if (belfry_client_open (&options, &client, error) < 0)
 *		errx (1, "%s", error);
 *	const belfry_client_event_t *event;
 *	while (belfry_client_next (client, -1, &event) == 0)
 *		puts (event->topic);
 *	belfry_client_close (&client);
 *
 * One thread a client. 0 is success, a negative errno a failure, a positive outcome is documented
 * at its call. ZeroMQ runs inside, on a thread of its own: not for a process that must survive it. */

#ifndef BELFRY_CLIENT_H
#define BELFRY_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "belfry/v1/control.pb-c.h"
#include "belfry/v1/event.pb-c.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct belfry_client belfry_client_t;

enum {
	BELFRY_CLIENT_ERROR_MAX = 512,   /* a sentence for a person, terminated */
	BELFRY_CLIENT_PREFIXES_MAX = 48, /* libzmq loses subscriptions silently when there are many */
	BELFRY_CLIENT_PREFIX_MAX = 128,
};

/* How far an event can be trusted: its MAC was checked here with the node's key; the collector that
 * sent it is authenticated (CURVE) and has checked it; or neither. */
typedef enum {
	BELFRY_CLIENT_VERIFIED_NO,
	BELFRY_CLIENT_VERIFIED_MAC,
	BELFRY_CLIENT_VERIFIED_COLLECTOR,
} belfry_client_verified_t;

typedef enum {
	BELFRY_CLIENT_SNAPSHOT_NONE, /* the stream alone; control is not needed */
	BELFRY_CLIENT_SNAPSHOT_TRY,  /* without one where control does not answer */
	BELFRY_CLIENT_SNAPSHOT_NEEDED,
} belfry_client_snapshot_t;

/* Everything is copied. */
typedef struct {
	const char *stream;     /* the collector's stream out; NULL: no events, requests alone */
	const char *control;    /* the collector's control; NULL: events alone */
	const char *curve_file; /* the file of the own CURVE key (`belfry keygen curve`); NULL: no CURVE */
	const char *server_key; /* the collector's public CURVE key in Z85; with curve_file */
	const char *keyring; /* a keyring file, to check MACs; unsigned events are refused then. NULL: none */
	const char *const *prefixes; /* of topics; none: everything but what is sent on demand */
	size_t n_prefixes;
	belfry_client_snapshot_t snapshot;
	/* "OFFSET" or "JOURNAL:OFFSET": everything journalled from there on comes first, then the stream, without
	 * hole or repeat, and a hole that the stream leaves is repaired; both endpoints are needed. The id names the
	 * journal: another one is refused. NULL: the stream as it comes. */
	const char *from;
	bool mix_channels;   /* of the snapshot: one of each channel in turn, else channel by channel */
	int64_t deadline_ns; /* for the join, and for each request; 0: 3 s */
} belfry_client_options_t;

/* Borrowed until the next call of belfry_client_next or belfry_client_close. */
typedef struct {
	const char *topic;
	const Belfry__V1__Event *event; /* decoded and valid: header and exactly one payload */
	belfry_client_verified_t verified;
	bool snapshot;        /* from the snapshot, not from the stream */
	bool journal;         /* read from the journal */
	uint64_t offset;      /* in the collector's journal; 0: not journalled */
	bool late;            /* arrived at the collector more than 5 s after its time */
	const void *envelope; /* as it came */
	size_t envelope_size;
} belfry_client_event_t;

/* Connects and, with a stream, joins: subscribes, waits for the first heartbeat, which proves that
 * the subscriptions are in force, and takes the snapshot. error: BELFRY_CLIENT_ERROR_MAX bytes or
 * NULL; says what failed, also where a snapshot of ..._TRY could not be had (0 is returned then).
 * 0 with *ret; else *ret untouched:
 * -EINVAL    an option is none, or the keyring's text
 * -ETIMEDOUT nothing answered within the deadline: not reachable
 * -EPERM     the collector refused: what was asked, or this CURVE key; or it is another collector
 * -EACCES, -ENOENT, ... the keyring file could not be used; -EPROTO; -ENOMEM. */
int belfry_client_open (const belfry_client_options_t *options, belfry_client_t **ret, char *error);

/* Ends and nulls. NULL-safe. */
void belfry_client_close (belfry_client_t **self_p);

enum { BELFRY_CLIENT_E_TIMEOUT = 1, BELFRY_CLIENT_E_UNKNOWN_CATALOGUE, BELFRY_CLIENT_E_ABSENT };

/* The next event that lies inside the prefixes: the snapshot's first, then the stream's, without
 * what is not newer than the snapshot and without repetitions. timeout_ns: 0 does not wait, negative
 * waits for ever. 0 with *ret; BELFRY_CLIENT_E_TIMEOUT when there is none in time; -EINVAL without a
 * stream; negative errno of the poll itself. */
int belfry_client_next (belfry_client_t *self, int64_t timeout_ns, const belfry_client_event_t **ret);

/* A descriptor to poll for reading beside others: when it is readable, or after open, call
 * belfry_client_next (self, 0, ...) until BELFRY_CLIENT_E_TIMEOUT, then poll again. */
int belfry_client_descriptor (const belfry_client_t *self);

/* One figure of a MetricBatch: packed ones have their catalogue's name. Borrowed. */
typedef struct {
	const char *name, *unit;
	Belfry__V1__MetricKind kind;
	double value;
	Belfry__V1__Label *const *labels;
	size_t n_labels;
} belfry_client_sample_t;

/* The figures of a MetricBatch event, packed ones first. *ret is borrowed until the next call of
 * anything here. 0; BELFRY_CLIENT_E_UNKNOWN_CATALOGUE: the packed ones' catalogue has not arrived (*ret
 * holds what is named); -EINVAL for another payload; -ENOMEM. */
int belfry_client_samples (belfry_client_t *self, const belfry_client_event_t *event,
        const belfry_client_sample_t **ret, size_t *ret_n);

/* Asks the collector for the cluster's state, or one node's with node. error as in open. 0 with *ret,
 * freed by belfry_client_status_free; BELFRY_CLIENT_E_ABSENT: no such node; -ETIMEDOUT, -EPERM,
 * -EPROTO (an answer that is none), -EINVAL without a control endpoint, -ENOMEM. */
int belfry_client_status (
        belfry_client_t *self, const char *node, Belfry__V1__StatusReply **ret, char *error);
void belfry_client_status_free (Belfry__V1__StatusReply **status_p);

/* What to read of the journal. Zero, NULL and empty do not filter. */
typedef struct {
	uint64_t from, until;        /* offsets, the first and the last; 0: the oldest, the newest */
	uint64_t since_ns, until_ns; /* by the events' own time, UTC */
	const char *const *prefixes; /* of topics; any of them */
	size_t n_prefixes;
	const char *node;              /* signer or subject */
	Belfry__V1__Severity severity; /* at least */
	uint32_t limit;                /* of one page */
	bool chain;                    /* with what proves it: chain_hash, checkpoints, anchor_hash */
} belfry_client_query_t;

/* Asks for one page of the journal; the next begins at its next_offset, until it says last. error as in open. 0
 * with *ret, freed by belfry_client_page_free; -ETIMEDOUT, -EPERM (refused), -EPROTO, -EINVAL, -ENOMEM. */
int belfry_client_journal (belfry_client_t *self, const belfry_client_query_t *query,
        Belfry__V1__JournalEvents **ret, char *error);
void belfry_client_page_free (Belfry__V1__JournalEvents **page_p);
/* One frame of a page as an event, checked like one of the stream. Borrowed until the next call of anything here.
 * 0; BELFRY_CLIENT_E_ABSENT: it does not hold (counted in belfry_client_refusals). */
int belfry_client_frame (
        belfry_client_t *self, const Belfry__V1__Frame *frame, const belfry_client_event_t **ret);

/* What happened so far. */
typedef struct {
	uint64_t received;   /* messages of the stream and the snapshot */
	uint64_t delivered;  /* by belfry_client_next */
	uint64_t refused;    /* all reasons of belfry_client_refusals */
	uint64_t not_newer;  /* already covered by the snapshot */
	uint64_t outside;    /* received for the client itself, outside the prefixes */
	uint64_t lost;       /* sequences that never came; counted with the empty prefix alone */
	uint64_t unresolved; /* batches whose catalogue was unknown when asked for */
	bool loss_known;     /* whether lost can be counted */
	uint64_t repaired;   /* holes of the stream that were read from the journal (from) */
	uint64_t unrepaired; /* tries that control did not answer; they are made again */
	uint64_t gone;       /* offsets that were wanted and are not kept any more */
} belfry_client_totals_t;
void belfry_client_totals (const belfry_client_t *self, belfry_client_totals_t *ret);

/* Refused envelopes by reason (refusal.def). Writes at most max of those that happened; returns how
 * many reasons there are. Static strings. */
typedef struct {
	const char *reason, *help;
	uint64_t count;
} belfry_client_refusal_t;
size_t belfry_client_refusals (const belfry_client_t *self, belfry_client_refusal_t *out, size_t max);

/* How long the stream has been silent, heartbeats included; seconds of it mean that the collector is
 * gone or the connection is dead. -1 without a stream. */
int64_t belfry_client_silence_ns (const belfry_client_t *self);

#ifdef __cplusplus
}
#endif

#endif
