/* world.h - one run: the programs, the network between them, and what is true of them. */

#ifndef TESTS_SIM_WORLD_H
#define TESTS_SIM_WORLD_H

#include "ledger.h"
#include "net.h"
#include "wire/keyring.h"

typedef struct agent agent_t;
typedef struct collector collector_t;
typedef struct subscriber subscriber_t;
typedef struct hostile hostile_t;
typedef struct judge judge_t;

/* STORM: HEAVY, and all of it at once: connections reset whose process is stopped, every connection reset in
 * the same moment, and, where there are peers to ask, ways on which a handshake takes a second. */
typedef enum { FAULTS_NONE, FAULTS_LIGHT, FAULTS_HEAVY, FAULTS_STORM } faults_t;

typedef struct {
	uint64_t seed;
	uint32_t nodes; /* 1..WORLD_NODES_MAX */
	int64_t duration_ns;
	faults_t faults;
	bool hostile;  /* somebody replays, forges and corrupts */
	bool insecure; /* no keys */
	bool verbose;
} world_options_t;

enum { WORLD_NODES_MAX = 64 };

typedef struct world {
	world_options_t options;
	sim_t *sim;
	net_t *net;
	ledger_t *ledger;
	keyring_t *keyring, *foreign; /* NULL when insecure; foreign: of another secret */
	collector_t *collector;
	subscriber_t *subscriber;
	hostile_t *hostile; /* or NULL */
	judge_t *judge;
	agent_t *agents[WORLD_NODES_MAX];
	agent_t *clones[WORLD_NODES_MAX]; /* a second program under the same name, or NULL */
	bool calm;                        /* faults are over: what is said from now on is to be true */
	uint64_t faults;                  /* how many were made */
} world_t;

#define WORLD_CLUSTER "sim"
#define WORLD_COLLECTOR "c1"

world_t *world_new (const world_options_t *options);
void world_destroy (world_t **self_p);
/* Runs it all; what broke is in world->sim. */
void world_run (world_t *self);

/* Something happens to node until then, or to all nodes alike (node -1): no verdict about it is wrong
 * meanwhile and for a while after. */
void world_disturb (world_t *self, int node, int64_t until_ns);

#endif
