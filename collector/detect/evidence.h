/* evidence.h - what is known of one node that went silent, and what it means (architecture.md, "Failure
 * detection": the evidence table). Pure; only the monotonic clock decides.
 *
 * Witnesses are this collector (messages, the end of their connection) and the node's peers. A peer
 * testifies by moments, not by its state alone: when it got the last answer, when the node's kernel
 * last acknowledged anything. What lies well after the last message here is news; what does not is
 * the past, however fresh the report is. */

#ifndef COLLECTOR_DETECT_EVIDENCE_H
#define COLLECTOR_DETECT_EVIDENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "belfry/v1/control.pb-c.h"

enum { EVIDENCE_PEERS_MAX = 4, EVIDENCE_SIGHTINGS_MAX = EVIDENCE_PEERS_MAX + 2 };

/* A report counts for so long: peers report every second, and at once when a state changes. */
#define EVIDENCE_FRESH_NS (2500 * NS_PER_MS)
/* Beyond a beat's interval: an answer this much later than the last message here is news. */
#define EVIDENCE_NEWS_NS (300 * NS_PER_MS)
/* The same after a connection's end, which takes its process' answers along. */
#define EVIDENCE_NEWS_ENDED_NS (100 * NS_PER_MS)
/* After a connection's end, so long without a return where nobody else can say: one that was only
 * reset is made again over four round trips, and then a beat is due. */
#define EVIDENCE_RETURN_NS (800 * NS_PER_MS)
/* With peers to hear, their word is waited for so long: they report every second. */
#define EVIDENCE_PEERS_NS (1300 * NS_PER_MS)
/* With fewer than three witnesses silence waits so much longer: 3 s in all for who beats every 200 ms. */
#define EVIDENCE_ALONE_NS (2 * NS_PER_S)
/* Peers that came back a moment ago, as after a reset of all connections, are waited for so long. */
#define EVIDENCE_SOON_NS (4 * NS_PER_S)
/* A connection that ended only after so much silence was given up by the kernel: keepalive and
 * TCP_MAXRT take 19 s and more, a process' end none. */
#define EVIDENCE_GIVEN_UP_NS (15 * NS_PER_S)
/* Silence, no peer, and nobody knows of a connection that could end: so long after the last proof of life. */
#define EVIDENCE_UNWATCHED_NS (30 * NS_PER_S)
/* The kernel of a node that lives acknowledges probes, which go out every 200 ms. */
#define EVIDENCE_UNACKNOWLEDGED_NS (500 * NS_PER_MS)

/* A stopped process' kernel acknowledges 16 probes, then a new connection, and so on: some of it every
 * 7 s. Older than this it is the past. */
#define EVIDENCE_ACKNOWLEDGED_NS (10 * NS_PER_S)

/* The witness that is this collector. */
#define EVIDENCE_SELF UINT32_MAX

/* One peer's newest word. */
typedef struct {
	uint32_t witness; /* a node's index */
	Belfry__V1__PeerState state;
	mono_t at, answered_at, acknowledged_at;
} testimony_t;

typedef struct {
	mono_t began_at;     /* when this incarnation took over from the last one; 0: it did not here */
	mono_t heard_at;     /* the last sign of life here */
	bool ended;          /* the connection that brought it ended, and none came back */
	bool connected;      /* a connection of it is known, and stands */
	mono_t ended_at;     /* when ended */
	mono_t proved_at;    /* the newest moment of life that any peer told of */
	int64_t interval_ns; /* between beats */
	int64_t patience_ns; /* silence up to here is none */
	testimony_t peers[EVIDENCE_PEERS_MAX];
	uint32_t n_peers;
} evidence_t;

/* What the evidence means so far. */
typedef enum {
	MEANS_NOTHING, /* not enough yet */
	MEANS_STARVED, /* it lives, and does not get to speak */
	MEANS_CUT,     /* others hear it */
	MEANS_DIED,    /* the agent's process is gone */
	MEANS_GONE     /* the host is gone, or its network */
} evidence_means_t;

/* Whether a peer's word can be counted now: it is up, and not starved itself. SOON: it came back a moment ago;
 * JUST: it is well again, and its next report may still be on its way. */
typedef enum { WITNESS_NO, WITNESS_SOON, WITNESS_JUST, WITNESS_YES } witness_t;
typedef witness_t evidence_credible_fn (void *arg, uint32_t witness);

evidence_means_t evidence_weigh (
        const evidence_t *self, mono_t now, evidence_credible_fn *credible, void *arg);

/* Takes a peer's observation in, in place of its last one or of the oldest. What never worked in this
 * incarnation testifies to nothing. */
void evidence_testify (
        evidence_t *self, uint32_t witness, const Belfry__V1__PeerObservation *observation, mono_t now);

/* The clock stood still for gap, as far as anybody here could watch: all moments move with it. */
void evidence_excuse (evidence_t *self, int64_t gap, mono_t now);

/* What one witness saw, for people. */
typedef struct {
	uint32_t witness; /* or EVIDENCE_SELF */
	const char *saw;  /* static */
	int64_t age_ns;
} sighting_t;

/* The sightings behind a verdict, this collector's first. Returns how many. */
size_t evidence_sightings (const evidence_t *self, mono_t now, evidence_credible_fn *credible, void *arg,
        sighting_t out[EVIDENCE_SIGHTINGS_MAX]);

#endif
