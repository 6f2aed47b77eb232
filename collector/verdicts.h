/* verdicts.h - what a verdict of the detector does: it stands in the view with its evidence, is published
 * as NodeLifecycle, turns the node's components unknown, and changes who is a member. Pure. One owner,
 * not thread-safe. */

#ifndef COLLECTOR_VERDICTS_H
#define COLLECTOR_VERDICTS_H

#include "collector/links.h"
#include "collector/detect/detector.h"
#include "collector/herald.h"

typedef struct verdicts verdicts_t;

/* All is borrowed for good. 0 or -ENOMEM. */
int verdicts_new (view_t *view, herald_t *herald, links_t *links, verdicts_t **ret);
void verdicts_destroy (verdicts_t **self_p);

void verdicts_take (verdicts_t *self, const verdict_t *verdict, moment_t now);
/* Publishes who came and who left since the last tick, together: one event, however many they are. */
void verdicts_tick (verdicts_t *self, moment_t now);

#endif
