#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent.h"
#include "collector.h"
#include "faults.h"
#include "hostile.h"
#include "inspect.h"
#include "judge.h"
#include "subscriber.h"

/* Faults end so long before the run does: longer than any timeout. */
#define CALM_NS (50 * NS_PER_S)
#define LOOK_NS (100 * NS_PER_MS)
#define STATUS_NS (700 * NS_PER_MS)
#define SNAPSHOT_NS (3 * NS_PER_S)

static keyring_t *keyring_of (const char *text)
{
	keyring_t *keyring = NULL;
	if (keyring_parse (text, strlen (text), "sim", &keyring, NULL))
		abort ();
	return keyring;
}

world_t *world_new (const world_options_t *options)
{
	world_t *self = sim_alloc (sizeof *self);
	self->options = *options;
	self->sim = sim_new (options->seed, options->verbose);
	self->net = net_new (self->sim);
	self->ledger = ledger_new (self->sim);
	if (!options->insecure)
		self->keyring =
		        keyring_of ("1 active secret "
		                    "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
	self->foreign = keyring_of ("1 active secret "
	                            "ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n");
	self->judge = judge_new (self);
	self->collector = collector_new (self);
	for (uint32_t i = 0; i < options->nodes; i++) {
		self->agents[i] = agent_new (self, i, false);
		/* So that a node's number is its place. */
		if (ledger_node (self->ledger, self->agents[i]->name) != i)
			abort ();
	}
	self->subscriber = subscriber_new (self);
	if (options->hostile)
		self->hostile = hostile_new (self);
	return self;
}

void world_destroy (world_t **self_p)
{
	world_t *self = *self_p;
	if (!self)
		return;
	hostile_destroy (&self->hostile);
	subscriber_destroy (&self->subscriber);
	for (uint32_t i = 0; i < WORLD_NODES_MAX; i++) {
		agent_destroy (&self->agents[i]);
		agent_destroy (&self->clones[i]);
	}
	collector_destroy (&self->collector);
	judge_destroy (&self->judge);
	ledger_destroy (&self->ledger);
	net_destroy (&self->net);
	keyring_destroy (&self->keyring);
	keyring_destroy (&self->foreign);
	sim_destroy (&self->sim);
	free (self);
	*self_p = NULL;
}

static void on_look (void *context, uint64_t argument)
{
	world_t *self = context;
	(void) argument;
	judge_look (self->judge);
	sim_after (self->sim, LOOK_NS, on_look, self, 0);
}

static void on_status (void *context, uint64_t argument)
{
	world_t *self = context;
	(void) argument;
	Belfry__V1__Control *answer = inspect_status (self);
	if (answer)
		judge_status (self->judge, answer->status);
	belfry__v1__control__free_unpacked (answer, NULL);
	sim_after (self->sim, STATUS_NS, on_status, self, 0);
}

static void on_snapshot (void *context, uint64_t argument)
{
	world_t *self = context;
	(void) argument;
	inspect_snapshot (self);
	sim_after (self->sim, SNAPSHOT_NS, on_snapshot, self, 0);
}

static void on_agent_start (void *context, uint64_t argument)
{
	(void) argument;
	agent_start (context);
}

/* Where nothing went wrong, nothing is lost, refused or said to be wrong. */
static void clean_check (world_t *self, const Belfry__V1__StatusReply *status)
{
	const net_counters_t *counters = net_counters (self->net);
	for (size_t i = 0; i < status->n_nodes; i++) {
		const Belfry__V1__NodeView *view = status->nodes[i];
		if (view->lost_volatile || view->lost_durable || view->refused)
			sim_fail (self->sim, "nothing is lost where nothing went wrong",
			        "%s: lost %" PRIu64 ", %" PRIu64 ", refused %" PRIu64, view->name,
			        view->lost_volatile, view->lost_durable, view->refused);
	}
	if (counters->dropped || counters->cut || subscriber_lost (self->subscriber))
		sim_fail (self->sim, "nothing is lost where nothing went wrong",
		        "%" PRIu64 " dropped, %" PRIu64 " cut, %" PRIu64 " missed by the subscriber",
		        counters->dropped, counters->cut, subscriber_lost (self->subscriber));
	if (status->status != BELFRY__V1__STATUS__STATUS_HEALTHY &&
	        status->status != BELFRY__V1__STATUS__STATUS_DEGRADED &&
	        status->status != BELFRY__V1__STATUS__STATUS_UNHEALTHY)
		sim_fail (self->sim, "the cluster's status is known", "it is not");
}

void world_run (world_t *self)
{
	sim_t *sim = self->sim;
	const world_options_t *options = &self->options;
	collector_start (self->collector);
	subscriber_start (self->subscriber);
	for (uint32_t i = 0; i < options->nodes; i++)
		sim_after (sim, sim_between (sim, 0, 2 * NS_PER_S), on_agent_start, self->agents[i], 0);
	world_disturb (self, -1, 2 * NS_PER_S);
	if (self->hostile)
		hostile_start (self->hostile);
	sim_after (sim, LOOK_NS, on_look, self, 0);
	sim_after (sim, STATUS_NS, on_status, self, 0);
	sim_after (sim, SNAPSHOT_NS, on_snapshot, self, 0);
	int64_t faults_until = options->duration_ns - CALM_NS;
	faults_draw (self, faults_until);
	sim_run (sim, faults_until, NULL, NULL);
	faults_end (self);
	if (self->hostile)
		hostile_end (self->hostile);
	self->calm = true;
	sim_run (sim, options->duration_ns, NULL, NULL);

	const char *text;
	int64_t at;
	if (sim_failure (sim, &text, &at))
		return;
	Belfry__V1__Control *answer = inspect_status (self);
	if (answer) {
		judge_status (self->judge, answer->status);
		judge_end (self->judge, answer->status);
		collector_end_check (self->collector);
		if (options->faults == FAULTS_NONE && !options->hostile)
			clean_check (self, answer->status);
	}
	belfry__v1__control__free_unpacked (answer, NULL);
	inspect_snapshot (self);
	if (!subscriber_joined (self->subscriber))
		sim_fail (sim, "a subscriber joins at last", "it did not");
}

void world_disturb (world_t *self, int node, int64_t until_ns)
{
	for (uint32_t i = 0; i < self->options.nodes; i++) {
		if ((node < 0 || (uint32_t) node == i) && self->agents[i]->disturbed_until < until_ns)
			self->agents[i]->disturbed_until = until_ns;
	}
}
