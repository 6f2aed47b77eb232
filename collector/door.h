/* door.h - who gets in: the CURVE of the collector's bound links, the ZAP handler with the list of clients, the
 * proof that strangers are refused, and the end of connections whose client left the list. On the fabric's
 * thread. */

#ifndef COLLECTOR_DOOR_H
#define COLLECTOR_DOOR_H

#include "net/link.h"
#include "net/zap.h"
#include "wire/clients.h"
#include "wire/curve_key.h"
#include "wire/role.h"

typedef enum { DOOR_STREAM, DOOR_OUTLET, DOOR_CONTROL, DOOR_COUNT } door_which_t;

typedef struct door door_t;

/* Starts the handler. key and clients are borrowed for the call. 0, or negative errno with err. */
int door_new (
        net_context_t *context, const curve_key_t *key, const clients_t *clients, door_t **ret, err_t *err);
/* After the links. NULL-safe. */
void door_destroy (door_t **self_p);

/* A link for that door. self NULL: without CURVE. As link_new. */
int door_link (door_t *self, net_context_t *context, door_which_t which, link_kind_t kind, link_t **ret);
/* It is bound: proves that it lets no stranger in. 0, or negative errno with err; then nothing may run. */
int door_prove (door_t *self, door_which_t which, link_t *link, err_t *err);

/* Who sent the frame. False where its client is not let in (any more). note: remember that its connection is
 * the client's, for when others are cut off; worth a system call. self NULL: anybody, as ROLE_NONE. */
bool door_admits (door_t *self, door_which_t which, const frame_t *frame, bool note, user_t *ret);

/* Another list: who is not on it loses its connections at once. 0, or negative errno with nothing changed. */
int door_set_clients (door_t *self, const clients_t *clients);

/* What became of handshakes since the start; the proofs' own are not counted. */
void door_totals (door_t *self, zap_totals_t *ret);

#endif
