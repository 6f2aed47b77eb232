/* collector.h - the collector's real core behind a shell of the simulator's: what collector/fabric.c does
 * with sockets is done here with connections. Everything offered to the core and everything that leaves it is
 * checked against the model. */

#ifndef TESTS_SIM_COLLECTOR_H
#define TESTS_SIM_COLLECTOR_H

#include "belfry/v1/control.pb-c.h"
#include "model.h"
#include "world.h"

collector_t *collector_new (world_t *world);
void collector_destroy (collector_t **self_p);

process_t *collector_process (collector_t *self);
host_t *collector_host (collector_t *self);
path_t *collector_path (collector_t *self); /* of who runs on its own host */
end_t collector_stream_end (collector_t *self);
end_t collector_control_end (collector_t *self);
end_t collector_outlet_end (collector_t *self);

void collector_start (collector_t *self);
void collector_kill (collector_t *self);
void collector_stop (collector_t *self); /* with its farewell */
void collector_pause (collector_t *self);
void collector_resume (collector_t *self);
/* Its disk takes hundreds of milliseconds for a commit until then. */
void collector_slow (collector_t *self, int64_t until_ns);

/* Since when it runs without a pause; INT64_MAX while it does not. */
int64_t collector_steady_since (const collector_t *self);
/* When its last pause began; 0: it has had none. */
int64_t collector_paused_at (const collector_t *self);
/* Of the present run; NULL while there is none. */
model_t *collector_model (const collector_t *self);
uint64_t collector_runs (const collector_t *self);
/* Everything is over: whether its journal has what it took in. Not while a commit is under way. */
void collector_end_check (collector_t *self);
/* When its present run began. */
int64_t collector_began_at (const collector_t *self);
/* Whether a commit is under way: what was decided may not be out yet. */
bool collector_commits (const collector_t *self);

/* Asks as a viewer does; frames of a snapshot are checked on their way. The last answer, freed by
 * belfry__v1__control__free_unpacked; NULL while nobody answers. */
Belfry__V1__Control *collector_ask (collector_t *self, Belfry__V1__Control *control);

#endif
