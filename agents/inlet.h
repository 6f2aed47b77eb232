/* inlet.h - the applications' socket (wire.md, "Applications"): unix SOCK_SEQPACKET, one AppMessage a
 * packet. What packets mean is caller.h's; here are the socket, its file and the connections, each
 * bounded, counted, named. On the agent's main loop: a turn costs at most INLET_PACKETS_PER_TURN packets
 * or INLET_BYTES_PER_TURN bytes a connection, and nothing in it waits. */

#ifndef AGENTS_INLET_H
#define AGENTS_INLET_H

#include <sys/types.h>

#include "base/error.h"
#include "net/loop.h"
#include "wire/publisher.h"

enum {
	INLET_CONNECTIONS_MAX = 256,
	INLET_CONNECTIONS_PER_UID = 192, /* one user's applications leave room for the others' */
	INLET_PACKETS_PER_TURN = 16,
	INLET_BYTES_PER_TURN = 64 * 1024,
};
#define INLET_HELLO_NS (5 * NS_PER_S) /* a connection without a hello is closed then */
#define INLET_FLUSH_NS NS_PER_S       /* a flush whose commit does not come is answered as queued then */

typedef struct inlet inlet_t;

typedef struct {
	const char *path; /* removed first when it is a socket that nobody listens on; 0660, group belfry
	                     where it exists; neither abstract nor above 107 bytes */
	const uid_t *audit_uids; /* who may send audit and security events besides root; copied */
	size_t n_audit_uids;
	uint64_t (*newest) (
	        void *arg); /* the number of the event that was taken last; with inlet_settle a flush
	                                   waits for its commit. NULL: it is answered as queued */
} inlet_options_t;

/* An event that was let in: payload, note with source, severity, correlation and labels, those of the
 * sender's credentials (uid, pid) among them. Both are borrowed for the call. Returns 0 or a positive
 * outcome when it is the agent's affair from now on; negative errno when it was not taken, so that the
 * sender's next flush says so, with err: -EINVAL for what is wrong with the event, another for what is
 * wrong here (-ENOBUFS: there was no room to keep it). */
typedef int inlet_event_fn (void *arg, Belfry__V1__Event *event, const publisher_note_t *note, err_t *err);

/* Since the start, summed over connections. */
typedef struct {
	uint64_t connections, open;
	uint64_t accepted;  /* events that were taken */
	uint64_t lost;      /* holes in the senders' numbers: dropped between application and agent */
	uint64_t malformed; /* no AppMessage, another version, no hello first, above its bounds */
	uint64_t invalid;   /* does not validate, or is the fabric's */
	uint64_t forbidden; /* reserved source, audit or security from another uid */
	uint64_t rate;      /* above what one application may send */
	uint64_t untaken;   /* the agent could not publish it */
	uint64_t full;      /* connections refused: too many, too many of that uid, no descriptor */
	uint64_t mute;      /* connections closed: no hello in time, or to make room for others */
} inlet_counters_t;

/* Listens and adds itself to loop. 0; negative errno with err naming the path and what would be right.
 * options is borrowed for the call. */
int inlet_new (const inlet_options_t *options, loop_t *loop, inlet_event_fn *take, void *arg, inlet_t **ret,
        err_t *err);
/* Closes every connection and removes the socket's file where it is still its own. NULL-safe. */
void inlet_destroy (inlet_t **self_p);

/* Everything up to that number is committed: answers the flushes that wait for it, and those that waited
 * long enough. */
void inlet_settle (inlet_t *self, uint64_t number, mono_t now);

const inlet_counters_t *inlet_counters (const inlet_t *self);
/* Tells every application whether its events are wanted (AppControl), now and when it connects. */
void inlet_set_wanted (inlet_t *self, bool enabled, Belfry__V1__Severity min_severity);
/* Who may send audit and security events, for open connections too. 0 or -ENOMEM. */
int inlet_set_audit_uids (inlet_t *self, const uid_t *uids, size_t n);

#endif
