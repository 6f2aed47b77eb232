/* collector_internal.h - the collector's shell in the simulator, for the files that it is made of. */

#ifndef TESTS_SIM_COLLECTOR_INTERNAL_H
#define TESTS_SIM_COLLECTOR_INTERNAL_H

#include "archive.h"
#include "collector.h"
#include "collector/core.h"
#include "conf/rule.h"
#include "wire/topic.h"

enum { CONNS_MAX = 256, PREFIXES_MAX = 64, IDENTITY_SIZE = 5 };

/* One connection of a subscriber or of a control peer. */
typedef struct {
	conn_t *conn;
	uint8_t identity[IDENTITY_SIZE];
	char subscriptions[PREFIXES_MAX][TOPIC_SIZE_MAX + 1];
	size_t n;
} peer_conn_t;

/* A reading under way. */
typedef struct reading {
	struct reading *next;
	collector_t *self;
	uint8_t peer[IDENTITY_SIZE];
	uint64_t id;
	bool chain;
	core_page_t page;
} reading_t;

struct collector {
	world_t *world;
	host_t host;
	process_t process;
	path_t path;
	rule_set_t *rules;
	core_t *core;
	model_t *model;
	uint64_t incarnation, runs, ticks, identities;
	int64_t steady_since, paused_at, began_at;
	conn_t *streams[CONNS_MAX];
	size_t n_streams;
	peer_conn_t *controls[CONNS_MAX], *outlets[CONNS_MAX];
	size_t n_controls, n_outlets;
	char wanted[PREFIXES_MAX][TOPIC_SIZE_MAX + 1]; /* on demand, carried to the agents */
	size_t n_wanted;
	/* The answer to what the simulator itself asks, and to the Hello under way. */
	Belfry__V1__Control *answer;
	bool snapshot, hello;
	bool hello_answered, hello_accepted;
	uint64_t hello_next;
	/* The journal, and the commit under way. */
	archive_t *archive;
	reading_t *readings;
	journal_batch_t *batch;
	uint64_t commits; /* only the newest counts */
	int64_t slow_until;
	uint64_t out; /* the newest offset that went out in this run */
};

static inline moment_t now_of (const collector_t *self)
{
	return host_moment (self->world->sim, &self->host);
}

static inline bool prefixed (span_t topic, const char *prefix)
{
	size_t size = strlen (prefix);
	return size <= topic.size && memcmp (prefix, topic.data, size) == 0;
}

/* Carries a subscription (first 1) or its end (0) to an agent. */
void collector_subscribe (conn_t *conn, char first, const char *prefix);

#endif
