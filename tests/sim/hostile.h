/* hostile.h - somebody who reads everything on its way and holds no key of this cluster: he replays, holds
 * back, flips bits, takes envelopes to other topics and forges, over connections of his own. */

#ifndef TESTS_SIM_HOSTILE_H
#define TESTS_SIM_HOSTILE_H

#include "world.h"

hostile_t *hostile_new (world_t *world);
void hostile_destroy (hostile_t **self_p);
void hostile_start (hostile_t *self);
void hostile_end (hostile_t *self);

/* Whether he takes this one off its way, to bring it later. */
bool hostile_holds (hostile_t *self, span_t topic, span_t envelope);
/* He sees what comes to the collector. */
void hostile_saw_stream (hostile_t *self, span_t topic, span_t envelope);
void hostile_saw_control (hostile_t *self, span_t bytes);
conn_t *hostile_stream (const hostile_t *self);
uint64_t hostile_attempts (const hostile_t *self);

#endif
