/* control.h - the collector's side of the control plane (wire.md, "Control"): each frame that comes in
 * is answered at once, by what was asked or by Refused; a Resend by Acks and a JournalRead by what was read, when they
 * are there. Pure. One owner, not thread-safe.
 *
 * Agents are known by their node's MAC and, with CURVE, by their key; viewers and operators by their key alone
 * (gate.h). Without CURVE, which is on loopback, anybody may ask and command. */

#ifndef COLLECTOR_CONTROL_H
#define COLLECTOR_CONTROL_H

#include "collector/core.h"
#include "collector/ingest.h"
#include "collector/links.h"
#include "collector/view/view.h"

typedef struct control control_t;

/* What others do about what came in; node and messages are borrowed for the call. */
typedef struct {
	void *arg;
	/* An agent was welcomed; incarnation_new: it is another one than before. */
	void (*welcomed) (
	        void *arg, node_t *node, const Belfry__V1__Hello *hello, bool incarnation_new, moment_t now);
	/* A second program under node's name passed the alarm. */
	void (*cloned) (void *arg, node_t *node, moment_t now);
	/* What node's probes saw. */
	void (*reported) (void *arg, node_t *node, const Belfry__V1__PeerReport *report, moment_t now);
	/* What node sent again. */
	void (*resent) (void *arg, node_t *node, const Belfry__V1__Resend *resend, moment_t now);
	/* peer commanded, and what came of it; or asked for what its role may not. */
	void (*commanded) (void *arg, const core_peer_t *peer, const Belfry__V1__Command *command,
	        const Belfry__V1__CommandResult *result, moment_t now);
	void (*trespassed) (void *arg, const core_peer_t *peer, const Belfry__V1__Control *control,
	        const char *reason, moment_t now);
	/* The alerts to show: *ret is borrowed until the next change. Returns how many. */
	size_t (*alerts) (void *arg, moment_t now, Belfry__V1__Alert ***ret);
} control_hooks_t;

/* All but the keyring is borrowed for good. 0 or -ENOMEM. */
int control_new (view_t *view, ingest_t *ingest, links_t *links, keyring_t *keyring, const core_port_t *port,
        const control_hooks_t *hooks, control_t **ret);
void control_destroy (control_t **self_p);
void control_set_keyring (control_t *self, keyring_t *keyring);

/* One frame from peer. */
void control_take (control_t *self, const core_peer_t *peer, span_t bytes, moment_t now);

/* As core_read_done. */
void control_read_done (control_t *self, span_t peer, uint64_t id, bool chain, int error, const char *text,
        const core_page_t *page);

#endif
