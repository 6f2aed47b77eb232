/* figures_self.h - the agent's own counters as samples: what it sent, held, dropped and refused, what
 * applications and peers did, how its probes run. One owner, not thread-safe. */

#ifndef AGENTS_FIGURES_SELF_H
#define AGENTS_FIGURES_SELF_H

#include "agents/delivery.h"
#include "agents/inlet.h"
#include "agents/listener.h"
#include "agents/outbox.h"
#include "agents/peers.h"
#include "agents/probing.h"
#include "agents/samples.h"
#include "agents/talk.h"

typedef struct self_figures self_figures_t;

/* What is read; borrowed. listener may be NULL. */
typedef struct {
	const outbox_t *outbox;
	const delivery_t *delivery;
	const inlet_t *inlet;
	const listener_t *listener;
	const peers_t *peers;
	probing_t *probing;
	talk_t *const *talks;
	size_t n_talks;
} self_figures_from_t;

/* 0 or -ENOMEM. */
int self_figures_new (self_figures_t **ret);
/* NULL-safe. */
void self_figures_destroy (self_figures_t **self_p);

/* One cycle; the samples are valid until the next. */
const samples_t *self_figures_read (self_figures_t *self, const self_figures_from_t *from);

#endif
