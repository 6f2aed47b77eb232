/* faults.h - what goes wrong: kills, pauses, resets, partitions, slow ways, flipped bits, jumping clocks,
 * lost disks, second programs under one name. When, to whom and for how long, the seed decides. */

#ifndef TESTS_SIM_FAULTS_H
#define TESTS_SIM_FAULTS_H

#include "world.h"

/* Draws the schedule up to until_ns; nothing for FAULTS_NONE. */
void faults_draw (world_t *world, int64_t until_ns);
/* Ends all that goes on: ways are open, who was stopped goes on, clones are gone, and of those that ended
 * some come back. */
void faults_end (world_t *world);

#endif
