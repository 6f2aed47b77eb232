/* inspect.h - what a viewer is shown, against the model: each figure of the status, each frame of the
 * snapshot. */

#ifndef TESTS_SIM_INSPECT_H
#define TESTS_SIM_INSPECT_H

#include "belfry/v1/control.pb-c.h"
#include "world.h"

/* Asks for the status and checks its figures. The answer, freed by belfry__v1__control__free_unpacked; NULL
 * while nobody answers. */
Belfry__V1__Control *inspect_status (world_t *self);
/* The snapshot is what it should be. */
void inspect_snapshot (world_t *self);

#endif
