/* detector.h - which nodes are alive, by what the witnesses say (architecture.md, "Failure detection").
 * Takes evidence, gives verdicts: pure, driven by the core; only the monotonic clock decides. One
 * owner, not thread-safe.
 *
 * A node is its index in the view. A message costs O(1); a tick looks at one number per node, and
 * weighs evidence only for those that are due. Evidence is noted when it comes; what time alone
 * makes true (silence, confirmations) becomes a verdict in detector_tick. */

#ifndef COLLECTOR_DETECT_DETECTOR_H
#define COLLECTOR_DETECT_DETECTOR_H

#include "belfry/v1/lifecycle.pb-c.h"
#include "collector/detect/evidence.h"

/* Silent for five beats, and for no less than this: suspect. */
#define DETECTOR_SILENT_MIN_NS NS_PER_S
/* Before the first beat said how often they come. */
#define DETECTOR_INTERVAL_DEFAULT_NS NS_PER_S
#define DETECTOR_INTERVAL_MAX_NS (60 * NS_PER_S)
/* A beat that says its loop runs late lengthens the patience by that, up to here. */
#define DETECTOR_DELAY_MAX_NS (5 * NS_PER_S)
/* A tick that comes later than this was a pause of the collector's own. */
#define DETECTOR_PAUSE_NS (500 * NS_PER_MS)
/* A witness counts after it was well for so long: what it did not hear may have been its own fault. */
#define DETECTOR_WELL_NS (2 * NS_PER_S)
/* And its next report comes within this. */
#define DETECTOR_REPORT_NS (1500 * NS_PER_MS)
/* So long after its start and after a pause of its own the collector suspects, and judges nobody: what
 * waited in its queues is from before, connections that broke meanwhile are made again, and no witness
 * is known to be well. */
#define DETECTOR_SETTLE_NS (4 * NS_PER_S)
/* So long messages made before a connection's end may still come out of its buffers. */
#define DETECTOR_TAIL_NS (5 * NS_PER_S)
/* So long after its goodbye a node's last messages may still come. */
#define DETECTOR_GOODBYE_NS (10 * NS_PER_S)
/* False suspicions of the last minute double the patience, three times at most. */
#define DETECTOR_FLAP_NS (60 * NS_PER_S)

enum { DETECTOR_BEATS = 5, DETECTOR_FLAPS_MAX = 3 };

typedef struct detector detector_t;

/* Borrowed for the call. */
typedef struct {
	uint32_t node;
	Belfry__V1__NodeState from, to;
	Belfry__V1__NodeKind kind; /* of down; else unspecified */
	const char *reason;        /* static */
	int64_t detection_ns;      /* from the last sign of life */
	sighting_t sightings[EVIDENCE_SIGHTINGS_MAX];
	size_t n_sightings; /* 0 where the node itself spoke */
	bool resumed;       /* it is as it was before this collector began again: nothing new, from is to */
} verdict_t;

typedef void detector_verdict_fn (void *arg, const verdict_t *verdict, moment_t now);

/* 0 or -ENOMEM. */
int detector_new (detector_verdict_fn *verdict, void *arg, moment_t now, detector_t **ret);
void detector_destroy (detector_t **self_p);

/* What an earlier run knew of node: its state, and how often it beats. One that was well then is UNKNOWN until
 * it is heard, which resumes it, or its patience passes. Before anything else of it. 0 or -ENOMEM. */
int detector_restore (detector_t *self, uint32_t node, Belfry__V1__NodeState state, uint64_t incarnation,
        uint64_t interval_ns, moment_t now);

/* A message that the node's agent itself sealed. */
typedef struct {
	uint64_t incarnation;
	uint64_t monotonic_ns; /* by the node's clock: when it was made */
	int descriptor;        /* the connection that brought it, or -1 */
	bool beat;
	uint64_t interval_ns, delay_ns; /* a beat's: until the next one; how late its loop runs */
} sign_t;

/* Each may give verdicts before it returns. 0, or -ENOMEM (the node stays as it is). */
int detector_heard (detector_t *self, uint32_t node, const sign_t *sign, moment_t now);
/* Its Hello says how often it will beat. */
int detector_expect (detector_t *self, uint32_t node, uint64_t interval_ns);
/* It said that it goes, for good or not. */
int detector_goodbye (detector_t *self, uint32_t node, uint64_t incarnation, bool for_good, moment_t now);
/* The connection ended, whosever it was. */
void detector_disconnected (detector_t *self, int descriptor, moment_t now);
/* What witness, a node too, saw of node; nothing is noted of one that is not well itself. */
int detector_testify (detector_t *self, uint32_t node, uint32_t witness,
        const Belfry__V1__PeerObservation *observation, moment_t now);

/* At least every DETECTOR_PAUSE_NS / 2, or the collector counts as having paused. */
void detector_tick (detector_t *self, moment_t now);

/* What it was last said to be: what detector_restore takes. */
Belfry__V1__NodeState detector_known (const detector_t *self, uint32_t node);
/* UNKNOWN for a node that was never heard. */
Belfry__V1__NodeState detector_state (const detector_t *self, uint32_t node);
/* How long the collector itself did not run, in all. */
int64_t detector_paused_ns (const detector_t *self);

#endif
