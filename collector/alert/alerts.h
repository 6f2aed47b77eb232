/* alerts.h - the alert engine: a rule set over the view, and the alerts that come of it (architecture.md,
 * "Alerts"). Pure; published through a function of the owner's. One owner, not thread-safe.
 *
 * Each node is looked at once a second, spread evenly over the ticks, and at once when its state
 * changed. A message costs nothing here. Alerts are bounded for each node and in all; what finds no
 * room is counted (alerts_refused). */

#ifndef COLLECTOR_ALERT_ALERTS_H
#define COLLECTOR_ALERT_ALERTS_H

#include "collector/alert/alert.h"
#include "collector/view/view.h"

#define ALERTS_ROUND_NS NS_PER_S
/* What fires is said again, for those who came late: the watchdog often, so that its absence shows soon. */
#define ALERTS_REPEAT_NS (300 * NS_PER_S)
#define ALERTS_REPEAT_ALWAYS_NS (10 * NS_PER_S)

enum { ALERTS_NODE_MAX = 256, ALERTS_MAX = 16 * 1024 };

typedef struct alerts alerts_t;

/* The message is borrowed for the call. */
typedef void alerts_publish_fn (void *arg, Belfry__V1__Alert *alert, moment_t now);

/* view is borrowed for good; rules until alerts_set_rules, and may be NULL. 0 or -ENOMEM. */
int alerts_new (view_t *view, const rule_set_t *rules, alerts_publish_fn *publish, void *arg, moment_t now,
        alerts_t **ret);
void alerts_destroy (alerts_t **self_p);

/* Other rules: alerts of those that are gone resolve, those of the same name keep their state.
 * Afterwards nothing points to the old ones, whatever is returned. 0, or -ENOMEM: there are no rules then. */
int alerts_set_rules (alerts_t *self, const rule_set_t *rules, moment_t now);

/* The node's state changed just now. */
void alerts_node (alerts_t *self, node_t *node, moment_t now);
void alerts_tick (alerts_t *self, moment_t now);

/* Every alert, what people should see first first: firing, unknown, pending, resolved; the worst of each
 * first. Borrowed until the next call of any function here. Returns how many. */
size_t alerts_list (alerts_t *self, moment_t now, Belfry__V1__Alert ***ret);

/* The memory: what the next run of the collector has to know. */
bool alerts_changed (const alerts_t *self);
/* What changed since the last call. value: borrowed for the call; empty: that alert is no more. */
typedef void alerts_remember_fn (void *arg, const char *fingerprint, span_t value);
void alerts_remember (alerts_t *self, moment_t now, alerts_remember_fn *remember, void *arg);
/* What an earlier run remembered of an alert about node (NULL: the cluster), and was not said to be no more;
 * its moments move by shift. 0; -EINVAL: that is none; -ENOMEM. */
int alerts_restore (alerts_t *self, const Belfry__V1__AlertMemory *memory, const rule_set_t *rules,
        const node_t *node, int64_t shift, moment_t now);
/* When all are restored, for each. */
void alerts_restore_inhibited (alerts_t *self, const Belfry__V1__AlertMemory *memory, const node_t *node);

#endif
