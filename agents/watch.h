/* watch.h - what this agent watches on its node: the host and the stores, each probe by its own
 * schedule on the probes' thread (probing.h), and what they found handed to the voice.
 * One owner, on its loop's thread. */

#ifndef AGENTS_WATCH_H
#define AGENTS_WATCH_H

#include "agents/probing.h"
#include "agents/voice.h"
#include "conf/agent_config.h"

typedef struct watch watch_t;

/* Makes and starts the probes. config is borrowed for the call. 0; negative errno with err naming the
 * probe. */
int watch_new (const agent_config_t *config, watch_t **ret, err_t *err);
/* NULL-safe. False when a probe hangs: nothing was freed then. */
bool watch_destroy (watch_t **self_p);

/* Says what the probes have found since the last look. */
void watch_look (watch_t *self, voice_t *voice);
/* Everything is to be said again. */
void watch_again (watch_t *self);
/* Whether each probe has run once: the agent has started then. */
bool watch_started (watch_t *self);
void watch_set_intervals (watch_t *self, const agent_config_t *config);

size_t watch_stores (const watch_t *self);
probing_t *watch_probing (const watch_t *self);

#endif
