/* node.h - what the collector knows of each node: incarnation, sequences, counters, figures,
 * components, what it saw of its peers. Pure. One owner, not thread-safe.
 *
 * A node is made when a first message of it held in every respect, and stays: its index is its
 * handle in the detector too. Every collection in it is bounded, so that no node can take more than
 * its share. */

#ifndef COLLECTOR_VIEW_NODE_H
#define COLLECTOR_VIEW_NODE_H

#include "base/clock.h"
#include "base/span.h"
#include "belfry/v1/control.pb-c.h"
#include "belfry/v1/fabric.pb-c.h"
#include "belfry/v1/health.pb-c.h"
#include "belfry/v1/lifecycle.pb-c.h"
#include "collector/view/ledger.h"
#include "collector/view/values.h"
#include "wire/sequence.h"
#include "wire/topic.h"

enum {
	NODES_MAX_DEFAULT = 20000,
	NODE_TOPICS_MAX = 512,
	NODE_SOURCES_MAX = 64,
	NODE_COMPONENTS_MAX = 256,
	NODE_PEERS_MAX = 16,
	NODE_EVIDENCE_MAX = 8,
	NODE_DETAILS_MAX = 255,
	NODE_VERSION_MAX = 31,
	NODE_ADDRESS_MAX = 127,
	NODE_COMPONENT_NAME_MAX = 128,
	NODE_CLASHES_ALARM = 3, /* more NONCE refusals than this within 10 minutes are a clone */
};

/* What one source of a node said. Newer is the greater (incarnation, monotonic_ns). */
typedef struct {
	char name[TOPIC_SOURCE_MAX + 1];
	uint64_t incarnation, monotonic_ns;
	values_t values;
} source_t;

typedef struct {
	char *name, *details; /* details may be NULL */
	char source[TOPIC_SOURCE_MAX + 1];
	Belfry__V1__Status status;    /* as its source said last */
	uint64_t since_ns;            /* since when, by its source */
	Belfry__V1__Status published; /* the collector's own verdict, where it spoke; else 0 */
	uint64_t published_ns;
	uint64_t incarnation, monotonic_ns;
} component_t;

/* What this node's probes saw of target, and when the report came. */
typedef struct {
	char target[TOPIC_NODE_MAX + 1];
	uint64_t rtt_ns, age_ns;
	Belfry__V1__PeerState state;
	mono_t at;
} observation_t;

/* A heartbeat's newest sequences wait here until they bind, 200 ms after the beat. */
typedef struct {
	uint64_t newest_volatile, newest_durable;
	mono_t due;
	bool set;
} binding_t;

typedef struct node {
	uint32_t index;
	uint8_t name_size;
	bool welcomed, ephemeral, want_catalogues, heard;
	bool remember; /* something that survives a restart is another */
	bool expected; /* the configuration names it */
	char name[TOPIC_NODE_MAX + 1];

	uint64_t incarnation, boot_nonce;
	sequence_t volatiles;
	uint64_t volatile_mark;        /* up to it an earlier run of the collector took them */
	uint64_t volatile_remembered;  /* the newest that is in the memory */
	ledger_t ledger;               /* of its durable events */
	binding_t binding[2];          /* the older one first */
	uint64_t lost_volatile_before; /* of earlier incarnations */
	uint64_t lost_durable;         /* as gaps say, and what was settled without having come */

	uint64_t received, refused, late, replayed;
	uint64_t values_lost;      /* figures without a catalogue, or above the bounds */
	uint64_t clashes;          /* refused for their nonce */
	uint64_t next_incarnation; /* to name in a welcome, after a clash */
	mono_t clash_since;
	uint32_t clashes_recent;
	bool clone_said;
	mono_t limit_said;

	moment_t last; /* anything that held */

	/* Its newest heartbeat. */
	mono_t beat;
	uint64_t beat_interval_ns, scheduling_delay_ns;
	uint64_t spool_events, spool_bytes, spool_oldest_age_ns;

	/* Its newest NodeHealth; NAN where unsaid. */
	Belfry__V1__Status status;
	uint64_t status_since_ns;
	double load1, load5, load15, cpu_used_ratio, memory_used_ratio, disk_used_ratio;
	double cpu_pressure_ratio, memory_pressure_ratio, io_pressure_ratio;
	uint64_t health_incarnation, health_monotonic_ns;
	char complaint[NODE_DETAILS_MAX + 1]; /* its worst check, in words */

	/* The detector's verdict, and why. */
	Belfry__V1__NodeState state;
	Belfry__V1__NodeKind kind;
	uint64_t state_since_ns;
	char *evidence[NODE_EVIDENCE_MAX];
	uint32_t n_evidence;

	char version[NODE_VERSION_MAX + 1];
	char peer_address[NODE_ADDRESS_MAX + 1]; /* as its Hello said; empty: none */

	source_t **sources;
	component_t *components;
	observation_t *peers;
	uint32_t n_sources, n_components, n_peers, n_topics;
	size_t values_bytes;
} node_t;

typedef struct nodes nodes_t;

/* max: 0 is NODES_MAX_DEFAULT. 0, or -ENOMEM. */
int nodes_new (uint32_t max, catalogues_t *catalogues, nodes_t **ret);
void nodes_destroy (nodes_t **self_p);

/* By name, or NULL. */
node_t *nodes_find (const nodes_t *self, span_t name);
uint32_t nodes_count (const nodes_t *self);
/* index below nodes_count, in the order in which they came. */
node_t *nodes_at (const nodes_t *self, uint32_t index);

/* What is to survive a restart changed. */
void nodes_remember (nodes_t *self, node_t *node);
/* Those for which that was said since the last nodes_remembered; borrowed until the next call. */
node_t *const *nodes_changed (const nodes_t *self, uint32_t *ret_n);
void nodes_remembered (nodes_t *self);

enum { NODES_E_LIMIT = 1 };
/* Finds or makes. 0; NODES_E_LIMIT - there are max already; -ENOMEM. */
int nodes_get (nodes_t *self, span_t name, node_t **ret);

/* Another incarnation begins: volatile sequences start anew, what was lost of the old one stays counted.
 * from_first: the collector knows that nothing of it was sent yet, so counting begins with 1. 0, or
 * -ENOMEM with nothing changed. */
int node_begin (node_t *self, uint64_t incarnation, uint64_t boot_nonce, bool from_first);
/* A volatile sequence of its present incarnation: 0, or SEQUENCE_E_SEEN. */
int node_note_volatile (node_t *self, uint64_t sequence);
uint64_t node_newest_volatile (const node_t *self);
/* Lost volatile events, of all incarnations. */
uint64_t node_lost_volatile (const node_t *self);
/* Durable events that it surely sent and that are not journalled yet, of all incarnations. */
uint64_t node_pending_durable (const node_t *self);

/* Finds or makes. 0; NODES_E_LIMIT; -ENOMEM. */
int node_source (node_t *self, span_t name, source_t **ret);

/* Whether (incarnation, monotonic_ns) is newer than what *incarnation_p, *monotonic_p say; then they
 * say it. Equal is not newer, unless nothing was known. */
bool node_newer (uint64_t *incarnation_p, uint64_t *monotonic_p, uint64_t incarnation, uint64_t monotonic_ns);

/* Takes NodeHealth in. True when the status changed. */
bool node_health (
        node_t *self, const Belfry__V1__NodeHealth *health, uint64_t incarnation, uint64_t monotonic_ns);
/* Takes ComponentHealth in. 0; NODES_E_LIMIT; -ENOMEM. *ret_changed: its status is another. */
int node_component (node_t *self, const Belfry__V1__ComponentHealth *health, span_t source,
        uint64_t incarnation, uint64_t monotonic_ns, component_t **ret, bool *ret_changed);
component_t *node_component_find (const node_t *self, const char *name);
/* Takes a heartbeat in; its newest sequences bind 200 ms after now. */
void node_beat (node_t *self, const Belfry__V1__Heartbeat *beat, mono_t now);
/* Lets what is due bind. */
void node_bind (node_t *self, mono_t now);
/* What an earlier run knew of a component. 0; NODES_E_LIMIT; -ENOMEM. */
int node_component_restore (node_t *self, const char *name, const char *source, component_t **ret);
/* The detector's verdict: copies the evidence's words, NODE_EVIDENCE_MAX at most. */
void node_verdict (node_t *self, Belfry__V1__NodeState state, Belfry__V1__NodeKind kind, uint64_t since_ns,
        const char *const *evidence, size_t n_evidence);
/* Takes an observation in; past NODE_PEERS_MAX the oldest makes room. */
void node_observe (node_t *self, const Belfry__V1__PeerObservation *observation, mono_t now);

/* Forgets figures that nothing renewed. */
void node_expire (node_t *self, catalogues_t *catalogues, mono_t now);
/* Whether figures wait for a catalogue. */
bool node_wants_catalogues (const node_t *self);
/* The freshest figure of that name over all sources. */
bool node_figure (const node_t *self, const char *name, double *ret);

/* A second program under this name: counts, and says whether that now is a clone alarm (once in 10
 * minutes). */
bool node_clash (node_t *self, uint64_t incarnation, mono_t now);

#endif
