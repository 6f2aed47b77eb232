/* detect_fixture.h - a detector, its clock, and what it said. */

#ifndef TESTS_UNIT_COLLECTOR_DETECT_FIXTURE_H
#define TESTS_UNIT_COLLECTOR_DETECT_FIXTURE_H

#include "collector/detect/detector.h"

#define UNKNOWN BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN
#define ALIVE BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE
#define SUSPECT BELFRY__V1__NODE_STATE__NODE_STATE_SUSPECT
#define UNRESPONSIVE BELFRY__V1__NODE_STATE__NODE_STATE_UNRESPONSIVE
#define UNREACHABLE BELFRY__V1__NODE_STATE__NODE_STATE_UNREACHABLE
#define DOWN BELFRY__V1__NODE_STATE__NODE_STATE_DOWN
#define REJOINED BELFRY__V1__NODE_STATE__NODE_STATE_REJOINED
#define STOPPED BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED
#define LEFT BELFRY__V1__NODE_STATE__NODE_STATE_LEFT
#define HOST BELFRY__V1__NODE_KIND__NODE_KIND_HOST
#define AGENT BELFRY__V1__NODE_KIND__NODE_KIND_AGENT

#define BEAT_NS (200 * NS_PER_MS)
#define TICK_NS (20 * NS_PER_MS)

enum { VERDICTS_MAX = 256 };

extern detector_t *detector;
extern moment_t now;
extern verdict_t verdicts[VERDICTS_MAX];
extern size_t n_verdicts;

/* A detector that has run for a while. */
void detect_setup (void);
void detect_teardown (void);
void on_verdict_keep (void *arg, const verdict_t *verdict, moment_t at);

/* Time passes in ticks. */
void pass (int64_t ns);
/* A beat of node, made age_ns ago by a node whose clock is ours. */
void beat_of (uint32_t node, uint64_t incarnation, int descriptor, int64_t age_ns);
/* A beat of node 0, over 7. */
void beat (void);
/* Node 0 beats for ns. */
void live (int64_t ns);
/* The newest verdict was this, and is node 0's. */
void last_is (Belfry__V1__NodeState from, Belfry__V1__NodeState to);
void state_is (Belfry__V1__NodeState state);
/* What witness says of node 0. */
void testify (uint32_t witness, Belfry__V1__PeerState state, int64_t age_ns, int64_t acknowledged_ns);
/* Nodes 1..n live, as witnesses, while node 0 does what it does. */
void pass_with_witnesses (uint32_t n, int64_t ns);

#endif
