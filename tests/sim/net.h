/* net.h - the network between the programs: connections as ZeroMQ over TCP has them.
 *
 * A connection keeps its order and loses nothing, until it ends: then what was under way arrives up to some
 * point, and what was sent before the end was noticed is gone. The sender queues up to a high-water
 * mark, above which it drops without a word. A message comes out under the descriptor of the connection
 * that brought it, even after that connection's end was noticed and its descriptor used again; so
 * messages of two connections may come in the other order. A path that is cut off delivers nothing and says
 * nothing until the kernel gives up. */

#ifndef TESTS_SIM_NET_H
#define TESTS_SIM_NET_H

#include "sim.h"

enum { NET_PARTS_MAX = 3 };

typedef struct net net_t;
typedef struct conn conn_t;

/* The way between one host and the collector's. Fields may be set at any time; blocked by the calls below. */
typedef struct {
	const char *name;
	int64_t latency_ns, jitter_ns;
	uint32_t corrupt_ppm; /* of the messages under way, how many come with a bit flipped */
	bool blocked;
	int64_t blocked_at;
} path_t;

typedef enum { NET_TO_SERVER, NET_TO_CLIENT } direction_t;

/* What one end does. descriptor: as the server's kernel numbers connections. took: parts are borrowed. */
typedef struct {
	void *context;
	void (*opened) (void *context, conn_t *conn);
	void (*closed) (void *context, conn_t *conn, int descriptor);
	void (*took) (void *context, conn_t *conn, int descriptor, const span_t *parts, size_t n);
} end_t;

typedef struct {
	const char *name;
	process_t *client, *server;
	path_t *path;
	end_t client_end, server_end;
	size_t hwm[2];  /* messages that may wait, by direction */
	bool intact[2]; /* no bit flips: what bears no MAC, as ZeroMQ's own subscriptions, is TCP's to keep */
} conn_options_t;

typedef struct {
	uint64_t sent, delivered, corrupted;
	uint64_t dropped; /* at the high-water mark */
	uint64_t cut;     /* under way when a connection ended */
} net_counters_t;

net_t *net_new (sim_t *sim);
void net_destroy (net_t **self_p);
const net_counters_t *net_counters (const net_t *self);

/* Owned by the net. Begins to connect when the client runs, and again whenever it ended. */
conn_t *conn_new (net_t *self, const conn_options_t *options);
void conn_start (conn_t *self);
/* False when there is no connection (nothing is queued for later), or at the high-water mark. */
bool conn_send (conn_t *self, direction_t direction, const span_t *parts, size_t n);
bool conn_open (const conn_t *self, direction_t from_client_or_server);
/* A number that no other connection of the run has. */
uint64_t conn_number (const conn_t *self);
const char *conn_name (const conn_t *self);

/* A reset in the middle of the way. */
void conn_cut (conn_t *self);

void path_block (net_t *self, path_t *path);
void path_unblock (net_t *self, path_t *path);

/* Called after a process' state was changed. */
void net_killed (net_t *self, process_t *process);
void net_resumed (net_t *self, process_t *process);

#endif
