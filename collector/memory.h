/* memory.h - what a collector knows over its restarts: nodes with their incarnations, ledgers and states, and
 * alerts (schema: memory.proto). It goes to the journal in the same commit as the events that it came of, so
 * that both are of one moment. Pure. One owner, not thread-safe. */

#ifndef COLLECTOR_MEMORY_H
#define COLLECTOR_MEMORY_H

#include "collector/alert/alerts.h"
#include "collector/batch.h"
#include "collector/detect/detector.h"
#include "collector/view/view.h"

/* High-water marks of volatile events are written so often, of so many nodes at a time. */
#define MEMORY_MARKS_NS NS_PER_S
enum { MEMORY_MARKS_MAX = 2048 };

typedef struct memory memory_t;

/* All is borrowed for good. 0 or -ENOMEM. */
int memory_new (view_t *view, detector_t *detector, alerts_t *alerts, moment_t now, memory_t **ret);
void memory_destroy (memory_t **self_p);

/* One piece of what an earlier run wrote, in any order; copied. What is none is counted, and left out. */
void memory_put (memory_t *self, const char *key, span_t value);
/* All of them are there: nodes, states and alerts are as they were. rules: those in force. */
void memory_apply (memory_t *self, const rule_set_t *rules, moment_t now);

/* Whether there is enough to write for a commit of its own. */
bool memory_due (memory_t *self, moment_t now);
/* A node said something that must not be forgotten: that is due at once. */
void memory_urge (memory_t *self);
/* Adds what changed. */
void memory_write (memory_t *self, batch_t *batch, moment_t now);

#endif
