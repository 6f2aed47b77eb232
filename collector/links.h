/* links.h - the agents' connections on the control plane: where each node hears us, who probes whom, and what
 * it is told without having asked. Pure. One owner, not thread-safe. */

#ifndef COLLECTOR_LINKS_H
#define COLLECTOR_LINKS_H

#include "belfry/v1/control.pb-c.h"
#include "collector/core.h"
#include "collector/view/view.h"

/* What an agent may have under way in Resends. */
enum { LINKS_CREDIT_EVENTS = 256, LINKS_CREDIT_BYTES = 1024 * 1024 };

typedef struct links links_t;

/* All but the keyring is borrowed for good. 0 or -ENOMEM. */
int links_new (view_t *view, keyring_t *keyring, const core_port_t *port, links_t **ret);
void links_destroy (links_t **self_p);
void links_set_keyring (links_t *self, keyring_t *keyring);

/* A proven word of node's agent came from there: it hears us there. 0 or -ENOMEM. */
int links_note (links_t *self, const node_t *node, span_t peer);
/* The address that its Hello names: judged, and taken. Its roster is sent with the next tick. */
void links_address (links_t *self, node_t *node, const char *address, moment_t now);
/* node's state or address changed: who probes whom may change. */
void links_member (links_t *self, const node_t *node);

/* Sends control to peer, signed with node's key where node is not NULL and there are keys. 0; negative errno of
 * control_pack. */
int links_send (links_t *self, span_t peer, const char *node, Belfry__V1__Control *control);
/* An Ack to the node's agent: everything of that incarnation up to newest is settled, or it is foreign. */
void links_acknowledge (
        links_t *self, const node_t *node, uint64_t incarnation, uint64_t newest, bool foreign);

/* Sends rosters that changed, and each again every 10 s. */
void links_tick (links_t *self, moment_t now);

#endif
