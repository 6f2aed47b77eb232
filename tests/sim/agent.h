/* agent.h - one agent, as its program puts the pure parts together: session, outbox, demand, beat, schedule,
 * and an identity on a disk that may fail. Its probes say what the simulator makes up. */

#ifndef TESTS_SIM_AGENT_H
#define TESTS_SIM_AGENT_H

#include "agents/beat.h"
#include "agents/outbox.h"
#include "agents/schedule.h"
#include "agents/session.h"
#include "wire/arena.h"
#include "wire/topic.h"
#include "world.h"

enum { AGENT_COMPONENTS = 2, AGENT_SUBSCRIPTIONS_MAX = 64, AGENT_TARGETS_MAX = 16 };

/* The state directory, with the semantics of agents/identity.h. */
typedef struct {
	uint64_t stored; /* 0: none */
	bool confirmed;
	bool full; /* takes nothing */
} disk_t;

typedef enum {
	AGENT_NEVER, /* not started yet */
	AGENT_RUNS,
	AGENT_KILLED,
	AGENT_STOPPED, /* it said goodbye */
	AGENT_LEFT     /* it said that it does not come back */
} agent_phase_t;

/* One target of the roster, and what the probes saw of it. */
typedef struct {
	uint32_t node;
	bool worked;
	int64_t answered_at, acknowledged_at; /* of the run */
	Belfry__V1__PeerState state;
	uint64_t probes, answers;
} peer_t;

struct agent {
	world_t *world;
	uint32_t index; /* of its node; a clone has its original's */
	bool clone;
	char name[TOPIC_NODE_MAX + 1];
	host_t host, *clocks; /* clocks: a clone's are its original's */
	path_t path, *way;
	process_t process;
	conn_t *stream, *control;
	char stream_name[48], control_name[48];

	disk_t disk;
	agent_phase_t phase;
	int64_t phase_since;

	/* While it runs. */
	uint64_t life; /* grows with each start */
	uint64_t incarnation, boot_nonce;
	bool certain;
	session_t session;
	demand_t *demand;
	outbox_t *outbox;
	schedule_t *schedule;
	beat_t beat;
	arena_t *arena;
	int probe_health, probe_samples, probe_apps, probe_catalogue;
	uint64_t wake; /* only the newest wake counts */
	char subscriptions[AGENT_SUBSCRIPTIONS_MAX][TOPIC_SIZE_MAX + 2];
	uint8_t subscription_sizes[AGENT_SUBSCRIPTIONS_MAX];
	size_t n_subscriptions;
	bool goodbye; /* said */

	/* What is true of it, and what it said of that. */
	Belfry__V1__Status status, said_status;
	Belfry__V1__Status components[AGENT_COMPONENTS], said_components[AGENT_COMPONENTS];
	double load1;
	uint32_t catalogue_version;
	uint64_t sealed_volatile, sealed_durable;           /* of this incarnation */
	uint64_t durables_made, durables_sealed, gaps_said; /* of this life; gaps: the events they name */
	uint64_t at_least; /* what a collector named, while the disk writes it; else 0 */
	uint64_t control_refused;
	int64_t stall_until, stall_ns; /* its loop wakes so much too late */
	uint32_t flood;                /* durable events that an application still has to say */

	peer_t targets[AGENT_TARGETS_MAX];
	size_t n_targets;
	bool peers_changed;

	/* Of the node, for the verdicts. */
	int64_t disturbed_until, downable_until;
	bool quiet_before_death;
	bool quiet_durable;        /* nothing durable was sealed for a while */
	uint64_t goodbye_sequence; /* of its first word of goodbye */
	uint64_t goodbye_taken;    /* the collector's run that heard it */
};

agent_t *agent_new (world_t *world, uint32_t index, bool clone);
void agent_destroy (agent_t **self_p);

void agent_start (agent_t *self);
void agent_kill (agent_t *self);
/* Says goodbye, and ends soon after. reason: restart, shutdown, decommission. */
void agent_stop (agent_t *self, const char *reason);
void agent_pause (agent_t *self);
void agent_resume (agent_t *self);

/* Numbers and sends what is held, where somebody hears. */
void agent_deliver (agent_t *self);

/* Speech (agent_speech.c). */
void agent_speak_started (agent_t *self);
void agent_speak_goodbye (agent_t *self, Belfry__V1__SystemLifecycleState state, const char *reason);
void agent_speak_beat (agent_t *self);
void agent_speak_health (agent_t *self);
void agent_speak_samples (agent_t *self);
void agent_speak_catalogue (agent_t *self);
void agent_speak_apps (agent_t *self);

/* Peers (agent_peers.c). */
void agent_peers_roster (agent_t *self, const Belfry__V1__Roster *roster);
void agent_peers_look (agent_t *self);
size_t agent_peers_report (agent_t *self, Belfry__V1__PeerObservation *observations, size_t max);

#endif
