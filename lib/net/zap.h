/* zap.h - who may connect: a ZAP handler (rfc.zeromq.org/spec/27) of our own on inproc://zeromq.zap.01,
 * for every CURVE server of one context. Its list is a hash table in memory, so ten thousand keys cost a
 * handshake no more than ten.
 *
 * A socket's domain says which groups of clients it lets in. A client that is let in carries its user
 * (frame_user) on each of its frames. No handler, or one that does not answer, lets nobody in: the
 * handshake ends after 3 s (link.h). Start it before the first bind.
 *
 * The handler runs on a thread of its own; any thread may ask, one replaces the list. */

#ifndef NET_ZAP_H
#define NET_ZAP_H

#include "net/link.h"

enum { ZAP_USER_MAX = 63, ZAP_DOMAINS_MAX = 8, ZAP_ADDRESS_MAX = 63 };

typedef struct zap zap_t;

/* Strings and keys are copied. */
typedef struct {
	const char *name; /* link_curve_t's domain */
	unsigned groups;  /* bits: who may connect there */
} zap_domain_t;
typedef struct {
	const uint8_t *key; /* LINK_KEY_SIZE bytes: its public key */
	const char *user;   /* at most ZAP_USER_MAX bytes */
	unsigned group;     /* one bit */
} zap_client_t;

/* Starts the handler with nobody on its list. 0; -EADDRINUSE when the context has one; other negative
 * errno. */
int zap_new (net_context_t *context, const zap_domain_t *domains, size_t n, zap_t **ret);
/* Nobody is let in any more. NULL-safe. */
void zap_destroy (zap_t **self_p);

/* Puts clients in the place of the whole list, at once for every handshake that follows. *ret_gone: the
 * groups of those that are no longer on it, or under another user. 0; -EINVAL for a user that is none
 * or a key that comes twice, -ENOMEM, with nothing changed. */
int zap_replace (zap_t *self, const zap_client_t *clients, size_t n, unsigned *ret_gone);

/* The number under which the frame's sender was let in, above 0; 0 where there is no CURVE, or its client
 * is not on the list any more. A client has another number with each user that it is given. */
uint64_t zap_admission (zap_t *self, const frame_t *frame);
/* Whether the number still stands for a client on the list. */
bool zap_admits (zap_t *self, uint64_t admission);

typedef enum {
	ZAP_ADMITTED,
	ZAP_DENIED_KEY,   /* nobody's on the list */
	ZAP_DENIED_GROUP, /* the socket is not for its group */
	ZAP_DENIED_FORM,  /* no CURVE, no domain of ours, or no request that makes sense */
	ZAP_OUTCOMES
} zap_outcome_t;

/* How often each happened so far; address: of the newest that was denied. */
typedef struct {
	uint64_t counts[ZAP_OUTCOMES];
	char address[ZAP_ADDRESS_MAX + 1];
} zap_totals_t;
void zap_totals (zap_t *self, zap_totals_t *ret);

#endif
