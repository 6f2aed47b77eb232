/* herald.h - what the collector says itself: its life, its heartbeat, its metrics, how the cluster is,
 * and the verdicts that others reach (wire.md). Signed as collector.<name>. Pure: sealed bytes leave
 * through the core's port or the committer. One owner, not thread-safe. */

#ifndef COLLECTOR_HERALD_H
#define COLLECTOR_HERALD_H

#include "collector/committer.h"
#include "collector/core.h"
#include "collector/ingest.h"
#include "collector/view/view.h"
#include "wire/publisher.h"

typedef struct herald herald_t;

/* view, ingest, committer and port are borrowed. 0; -EINVAL, -ENOKEY, -ENOMEM with err. */
int herald_new (const core_options_t *options, const core_port_t *port, view_t *view, ingest_t *ingest,
        committer_t *committer, moment_t now, herald_t **ret, err_t *err);
void herald_destroy (herald_t **self_p);
void herald_set_keyring (herald_t *self, keyring_t *keyring);

/* collector.<name>. */
const char *herald_name (const herald_t *self);

/* Seals any event; a volatile one is published at once, a durable one when the journal has it. A failure is
 * counted, and said once a minute. */
void herald_send (herald_t *self, Belfry__V1__Event *event, const publisher_note_t *note, moment_t now);

void herald_system (herald_t *self, Belfry__V1__SystemLifecycleState state, const char *reason, moment_t now);
void herald_cluster (herald_t *self, const cluster_health_t *before, moment_t now);
/* A component of node is status now, by the collector's judgement. */
void herald_component (herald_t *self, const node_t *node, component_t *component, Belfry__V1__Status status,
        const char *details, moment_t now);
/* A verdict about node, its members coming and going, an alert: payloads are the caller's. */
void herald_node (herald_t *self, const node_t *node, Belfry__V1__NodeLifecycle *payload,
        Belfry__V1__Severity severity, moment_t now);
void herald_membership (herald_t *self, Belfry__V1__MembershipChanged *payload, moment_t now);
void herald_alert (herald_t *self, Belfry__V1__Alert *payload, moment_t now);
/* A clone or a forgery, as a security event. */
void herald_security (
        herald_t *self, const char *type, const char *node, const char *description, moment_t now);
/* Who went beyond what it may, as a security event: type and resource are stable words. */
void herald_violation (herald_t *self, const char *user, const char *type, const char *resource,
        const char *address, moment_t now);

void herald_checkpoint (herald_t *self, const checkpoint_t *checkpoint, moment_t now);

/* A durable event of its own went out. */
void herald_published (herald_t *self, const journal_record_t *record, const batch_entry_t *entry);

/* Beats, samples its metrics and repeats its catalogue when they are due. */
void herald_tick (herald_t *self, moment_t now);

#endif
