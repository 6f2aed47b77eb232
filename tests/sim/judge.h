/* judge.h - whether the collector's verdicts and alerts are true: what it publishes of nodes against what the
 * simulator did to them.
 *
 * A node to which nothing happens is alive. One whose process died is down within a bound, and its alert
 * fires; one that is starved, slow, cut off for a moment or refused is not down. Who said goodbye is stopped,
 * and no alert says that it is down. */

#ifndef TESTS_SIM_JUDGE_H
#define TESTS_SIM_JUDGE_H

#include "belfry/v1/control.pb-c.h"
#include "world.h"

judge_t *judge_new (world_t *world);
void judge_destroy (judge_t **self_p);

/* An event of the collector's own. */
void judge_published (judge_t *self, span_t envelope);
/* Time passed. */
void judge_look (judge_t *self);
/* The status says what was published. */
void judge_status (judge_t *self, const Belfry__V1__StatusReply *status);
/* Everything is over and quiet: the status is the truth. */
void judge_end (judge_t *self, const Belfry__V1__StatusReply *status);

/* How long it took from a process' death to the verdict, at most; 0: none died under steady eyes. */
int64_t judge_slowest_ns (const judge_t *self);
uint64_t judge_deaths (const judge_t *self);

#endif
