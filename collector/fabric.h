/* fabric.h - the collector's shell: one actor with the intake (XSUB), the outlet (XPUB), the control
 * server (ROUTER), the intake's monitor, the journal behind the scribe, and one loop. It moves bytes between
 * them and the core (core.h); outlet.h has the outlet's subscriptions. */

#ifndef COLLECTOR_FABRIC_H
#define COLLECTOR_FABRIC_H

#include "collector/core.h"
#include "net/link.h"
#include "wire/clients.h"
#include "wire/curve_key.h"

typedef struct fabric fabric_t;

/* For the disk, at the end: longer than what makes the core publish without it. */
#define FABRIC_PATIENCE_NS (4 * NS_PER_S)

typedef struct {
	net_context_t *context;                       /* borrowed */
	const char *stream_in, *stream_out, *control; /* endpoints to bind, borrowed for the call */
	journal_options_t journal;                    /* borrowed for the call */
	const curve_key_t *curve; /* the collector's; NULL: no CURVE. Borrowed for the call, as is the next */
	const clients_t *clients; /* who may connect, with curve */
	core_options_t core;      /* its keyring and rules are taken, also when fabric_new fails */
	void (*keyring_free) (keyring_t **);     /* frees a keyring that was taken */
	void (*rules_free) (struct rule_set **); /* frees rules that were taken; may be NULL */
} fabric_options_t;

/* Binds and starts. When it returns 0 the collector answers. Else negative errno, with err naming
 * the endpoint. */
int fabric_new (const fabric_options_t *options, fabric_t **ret, err_t *err);
/* Says goodbye on the stream (SystemLifecycle stopping and stopped, with the reason), waits for their commit
 * within FABRIC_PATIENCE_NS, closes, joins. NULL-safe. */
void fabric_destroy (fabric_t **self_p, const char *reason);

/* SIGHUP: what changed is handed over and taken; NULL: this one stays. */
int fabric_reload (fabric_t *self, keyring_t *keyring, struct rule_set *rules, clients_t *clients);

/* Where it ended up bound, for an endpoint with port "*". Borrowed. */
const char *fabric_stream_in (const fabric_t *self);
const char *fabric_stream_out (const fabric_t *self);
const char *fabric_control (const fabric_t *self);

/* Readable when the actor ended by itself. */
int fabric_descriptor (fabric_t *self);

#endif
