/* arrivals.h - the way of an agent's event, on the stream or in a Resend: verified, taken in, and where it is
 * durable on to the journal. Pure. One owner, not thread-safe. */

#ifndef COLLECTOR_ARRIVALS_H
#define COLLECTOR_ARRIVALS_H

#include "collector/committer.h"
#include "collector/ingest.h"
#include "collector/uptake.h"

/* An event that came later than this after its time is late: what it tells may be over. */
#define ARRIVALS_LATE_NS (5 * NS_PER_S)

typedef struct arrivals arrivals_t;

typedef struct {
	void *arg;
	/* A second program under node's name passed the alarm. */
	void (*cloned) (void *arg, node_t *node, moment_t now);
	/* node is to hear that everything of that incarnation up to newest is settled; or foreign: that it is
	 * another boot's here. */
	void (*acknowledge) (
	        void *arg, const node_t *node, uint64_t incarnation, uint64_t newest, bool foreign);
} arrivals_hooks_t;

/* All but the hooks' struct is borrowed for good. 0 or -ENOMEM. */
int arrivals_new (view_t *view, ingest_t *ingest, committer_t *committer, uptake_t *uptake,
        const arrivals_hooks_t *hooks, arrivals_t **ret);
void arrivals_destroy (arrivals_t **self_p);

/* As core_take. */
refusal_t arrivals_take (
        arrivals_t *self, span_t topic, span_t envelope, int descriptor, moment_t now, bool *ret_forward);
/* What node, proven and welcomed, sent again. */
void arrivals_resent (arrivals_t *self, node_t *node, const Belfry__V1__Resend *resend, moment_t now);

/* The newest topic that was refused for that reason, for people; empty: none was. */
const char *arrivals_refused_topic (const arrivals_t *self, refusal_t reason);

#endif
