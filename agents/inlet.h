/* inlet.h - the applications' socket (wire.md, "Applications"): unix SOCK_SEQPACKET, one AppMessage a
 * packet, at most 64 KiB. Bytes come from anybody who may open the socket: bounded, counted, named.
 * On the agent's main loop; never blocks. */

#ifndef AGENTS_INLET_H
#define AGENTS_INLET_H

#include <sys/types.h>

#include "base/error.h"
#include "net/loop.h"
#include "wire/publisher.h"

enum {
	INLET_CONNECTIONS_MAX = 64,
	INLET_MESSAGE_MAX = 64 * 1024,
	INLET_RATE_PER_S = 1000, /* of each connection; a bucket of twice that. Critical ones pass. */
};

typedef struct inlet inlet_t;

typedef struct {
	const char *path; /* removed first when it is a socket that nobody listens on; 0660, group belfry
	                     where it exists */
	const uid_t *audit_uids; /* who may send audit and security events besides root; borrowed */
	size_t n_audit_uids;
} inlet_options_t;

/* An event that was let in: payload, note with source, severity, correlation and labels, those of the
 * sender's credentials (uid, pid) among them. Returns 0, or negative errno when it was not taken. */
typedef int inlet_event_fn (void *arg, Belfry__V1__Event *event, const publisher_note_t *note, err_t *err);

/* Since the start, summed over connections. */
typedef struct {
	uint64_t connections, open, accepted;
	uint64_t lost;      /* holes in the senders' numbers: dropped between application and agent */
	uint64_t malformed; /* no AppMessage, another version, no hello first, above 64 KiB */
	uint64_t invalid;   /* does not validate, or a fabric event */
	uint64_t forbidden; /* reserved source, audit or security from another uid */
	uint64_t rate;      /* above INLET_RATE_PER_S */
	uint64_t untaken;   /* the agent could not publish it */
	uint64_t full;      /* connections refused: INLET_CONNECTIONS_MAX */
} inlet_counters_t;

/* Listens and adds itself to loop. 0; negative errno with err naming the path. options is borrowed
 * for the call, its audit_uids until inlet_destroy. */
int inlet_new (const inlet_options_t *options, loop_t *loop, inlet_event_fn *take, void *arg, inlet_t **ret,
        err_t *err);
/* Closes every connection and removes the socket's file. NULL-safe. */
void inlet_destroy (inlet_t **self_p);

/* Others may audit from now on (a reload); borrowed as before. */
void inlet_set_audit_uids (inlet_t *self, const uid_t *uids, size_t n);
const inlet_counters_t *inlet_counters (const inlet_t *self);
/* Tells every application whether its events are wanted (AppControl), now and when it connects. */
void inlet_set_wanted (inlet_t *self, bool enabled, Belfry__V1__Severity min_severity);

#endif
