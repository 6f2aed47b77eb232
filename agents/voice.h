/* voice.h - what the agent says of its node and of itself: its life, its beats, the probes' results as
 * health, components, persistence cycles and figures. Changes of status are durable, the rest goes
 * out as often as its probe runs.
 *
 * Sources: `agent` for the node and the host; `store.NAME` for each store, so that each has a topic of
 * its own; `agent.self` for the agent's own counters.
 * No I/O but the log. One owner, not thread-safe. */

#ifndef AGENTS_VOICE_H
#define AGENTS_VOICE_H

#include "agents/beat.h"
#include "agents/figures.h"
#include "agents/probes/health/host.h"
#include "agents/probes/persistence/store.h"

typedef struct voice voice_t;

/* outbox: borrowed. n_stores: how many stores voice_store will speak of; names are copied.
 * boot: when the host's counters began. 0 or -ENOMEM. */
int voice_new (outbox_t *outbox, const char *const *stores, size_t n_stores, wall_t boot, moment_t now,
        voice_t **ret);
/* NULL-safe. */
void voice_destroy (voice_t **self_p);

/* "started" only when it is true; reason: of an end. */
void voice_system (voice_t *self, Belfry__V1__SystemLifecycleState state, uint32_t components,
        const char *reason, moment_t now);
void voice_beat (voice_t *self, const beat_t *beat, moment_t now);
/* What the next beats say of the spool. */
void voice_spool (voice_t *self, const spool_figures_t *figures);
/* What the newest run of a probe brought. */
void voice_host (voice_t *self, const host_t *host, moment_t now);
void voice_store (voice_t *self, size_t i, const store_t *store, moment_t now);
/* The agent's own counters, which the caller put into samples. */
void voice_self (voice_t *self, const samples_t *samples, moment_t now);
/* Settings that a reload took over: keys, joined by commas. */
void voice_config_changed (voice_t *self, Belfry__V1__Change **changes, size_t n, moment_t now);

/* The spool was damaged: a sentence. */
void voice_damage (voice_t *self, const char *what, moment_t now);
/* Called when something durable was held. */
void voice_on_durable (voice_t *self, void (*held) (void *arg), void *arg);

/* The next results bring their catalogues again: a collector does not know them. */
void voice_repeat (voice_t *self);

#endif
