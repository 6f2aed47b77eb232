#include "faults.h"

#include <stdlib.h>

#include "agent.h"
#include "collector.h"
#include "subscriber.h"

/* After a fault is over, so long until it can be said to have no effect: the queues it left behind are out.
 */
#define AFTER_NS (3 * NS_PER_S)

typedef struct {
	void (*begin) (world_t *world, agent_t *agent, int64_t lasts);
	unsigned weights[FAULTS_STORM + 1]; /* by faults_t */
} fault_t;

static agent_t *agent_at (world_t *world, uint64_t index)
{
	return world->agents[index];
}

static int64_t end_of (world_t *world, int64_t lasts)
{
	return sim_now (world->sim) + lasts;
}

/* It may be taken for dead until then. */
static void downable (world_t *world, agent_t *agent, int64_t lasts)
{
	int64_t until = end_of (world, lasts);
	if (until > agent->downable_until)
		agent->downable_until = until;
}

/* Death. */

static void on_start (void *context, uint64_t life)
{
	agent_t *agent = context;
	if (agent->life != life || agent->process.alive)
		return;
	/* What it says first is news of another kind. */
	world_disturb (agent->world, (int) agent->index, end_of (agent->world, AFTER_NS));
	agent_start (agent);
}

static void start_later (agent_t *agent, int64_t lasts)
{
	world_t *world = agent->world;
	downable (world, agent, lasts + AFTER_NS);
	/* Some stay away. */
	if (!sim_chance (world->sim, 1, 6))
		sim_after (world->sim, lasts, on_start, agent, agent->life);
}

static void kill (world_t *world, agent_t *agent, int64_t lasts)
{
	if (!agent->process.alive)
		return;
	agent->quiet_before_death = agent->disturbed_until < sim_now (world->sim) - 15 * NS_PER_S &&
	                            !agent->process.stopped && !agent->goodbye &&
	                            sim_now (world->sim) - agent->phase_since > 15 * NS_PER_S;
	agent_kill (agent);
	start_later (agent, lasts);
}

static void stop (world_t *world, agent_t *agent, int64_t lasts)
{
	static const char *const reasons[] = { "restart", "shutdown", "decommission" };
	if (!process_runs (&agent->process) || agent->goodbye)
		return;
	agent_stop (agent, reasons[sim_below (world->sim, 3)]);
	start_later (agent, lasts + NS_PER_S);
}

/* Disks: a restart finds another one. */
static void disk_lose (world_t *world, agent_t *agent, int64_t lasts)
{
	kill (world, agent, lasts);
	agent->quiet_before_death = false;
	sim_trace (world->sim, "%s loses its disk", agent->name);
	agent->disk = (disk_t){ 0 };
}

static void disk_old (world_t *world, agent_t *agent, int64_t lasts)
{
	kill (world, agent, lasts);
	agent->quiet_before_death = false;
	if (agent->disk.stored > 1) {
		agent->disk.stored -= 1 + sim_below (world->sim, agent->disk.stored - 1);
		sim_trace (world->sim, "%s gets an old disk back", agent->name);
	}
}

static void disk_fill (world_t *world, agent_t *agent, int64_t lasts)
{
	agent->disk.full = !agent->disk.full;
	kill (world, agent, lasts);
	agent->quiet_before_death = false;
}

/* Time. */

static void on_resume (void *context, uint64_t life)
{
	agent_t *agent = context;
	if (agent->life == life)
		agent_resume (agent);
}

static void freeze (world_t *world, agent_t *agent, int64_t lasts)
{
	if (!process_runs (&agent->process))
		return;
	world_disturb (world, (int) agent->index, end_of (world, lasts + AFTER_NS));
	agent_pause (agent);
	sim_after (world->sim, lasts, on_resume, agent, agent->life);
}

static void stall (world_t *world, agent_t *agent, int64_t lasts)
{
	agent->stall_until = end_of (world, lasts);
	agent->stall_ns = sim_between (world->sim, 20 * NS_PER_MS, 2 * NS_PER_S);
	sim_trace (
	        world->sim, "%s is starved: up to %.0f ms late", agent->name, (double) agent->stall_ns / 1e6);
	/* Late by less than half of five beats is nothing to speak of. */
	if (agent->stall_ns > 400 * NS_PER_MS)
		world_disturb (world, (int) agent->index, end_of (world, lasts + AFTER_NS));
}

static void jump (world_t *world, agent_t *agent, int64_t lasts)
{
	int64_t by = sim_between (world->sim, -lasts, lasts) * 3600;
	host_t *host = sim_chance (world->sim, 1, 3) ? collector_host (world->collector) : &agent->host;
	if (host->wall_ns + by < INT64_C (1000000000) * NS_PER_S)
		by = -by;
	sim_trace (world->sim, "the wall clock of %s jumps by %.0f s",
	        host == &agent->host ? agent->name : "the collector", (double) by / 1e9);
	host->wall_ns += by;
}

/* The network. */

static void cut (world_t *world, agent_t *agent, int64_t lasts)
{
	(void) lasts;
	/* A reset while the process is stopped takes more than one witness' word to tell from a death. */
	if (agent->process.stopped && world->options.faults != FAULTS_STORM)
		return;
	world_disturb (world, (int) agent->index, end_of (world, AFTER_NS));
	uint64_t which = sim_between (world->sim, 1, 3) & 3;
	if (which & 1)
		conn_cut (agent->stream);
	if (which & 2)
		conn_cut (agent->control);
}

static void on_unblock (void *context, uint64_t argument)
{
	agent_t *agent = context;
	(void) argument;
	if (agent->path.blocked)
		sim_trace (agent->world->sim, "%s can be reached again", agent->name);
	path_unblock (agent->world->net, &agent->path);
}

static void block (world_t *world, agent_t *agent, int64_t lasts)
{
	if (agent->path.blocked)
		return;
	sim_trace (world->sim, "%s is cut off", agent->name);
	world_disturb (world, (int) agent->index, end_of (world, lasts + 2 * AFTER_NS));
	downable (world, agent, lasts + 2 * AFTER_NS);
	/* More than a receiver's window of what nobody can hear. */
	if (sim_chance (world->sim, 1, 4))
		agent->flood = 6000;
	path_block (world->net, &agent->path);
	sim_after (world->sim, lasts, on_unblock, agent, 0);
}

static void on_fast (void *context, uint64_t latency)
{
	agent_t *agent = context;
	agent->path.latency_ns = (int64_t) latency;
}

static void slow (world_t *world, agent_t *agent, int64_t lasts)
{
	int64_t before = agent->path.latency_ns;
	if (before >= 10 * NS_PER_MS)
		return;
	/* Who is alone with the collector, and takes longer to come back than it waits, is called down. */
	bool storm = world->options.faults == FAULTS_STORM && world->options.nodes > 3;
	int64_t most = storm ? 600 * NS_PER_MS : 30 * NS_PER_MS;
	agent->path.latency_ns = sim_between (world->sim, 10 * NS_PER_MS, most);
	sim_trace (world->sim, "the way to %s takes %.0f ms", agent->name,
	        (double) agent->path.latency_ns / 1e6);
	world_disturb (world, (int) agent->index, end_of (world, lasts + AFTER_NS));
	sim_after (world->sim, lasts, on_fast, agent, (uint64_t) before);
}

static void on_clean (void *context, uint64_t argument)
{
	agent_t *agent = context;
	(void) argument;
	agent->path.corrupt_ppm = 0;
}

static void corrupt (world_t *world, agent_t *agent, int64_t lasts)
{
	if (!world->keyring)
		return;
	agent->path.corrupt_ppm = (uint32_t) sim_between (world->sim, 1000, 300000);
	sim_trace (world->sim, "the way to %s flips bits in %.1f %% of the messages", agent->name,
	        agent->path.corrupt_ppm / 1e4);
	/* Beats may be missing in a row; and a Hello. */
	world_disturb (world, (int) agent->index, end_of (world, lasts + AFTER_NS));
	sim_after (world->sim, lasts, on_clean, agent, 0);
}

/* Load. */

static void flood (world_t *world, agent_t *agent, int64_t lasts)
{
	(void) lasts;
	agent->flood = (uint32_t) sim_between (world->sim, 100, 3000);
	sim_trace (world->sim, "an application of %s says %u events", agent->name, agent->flood);
}

/* Two programs. */

static void on_unclone (void *context, uint64_t life)
{
	agent_t *clone = context;
	if (clone->life == life)
		agent_kill (clone);
}

static void clone (world_t *world, agent_t *agent, int64_t lasts)
{
	agent_t *second = world->clones[agent->index];
	if (!agent->process.alive || (second && second->process.alive))
		return;
	if (!second)
		second = world->clones[agent->index] = agent_new (world, agent->index, true);
	second->disk = agent->disk;
	if (second->disk.stored)
		second->disk.stored -= sim_chance (world->sim, 1, 2);
	second->disk.full = false;
	/* Afterwards the one that is left may have to wait for its Hello, which backs off. */
	world_disturb (world, (int) agent->index, end_of (world, lasts + 4 * AFTER_NS));
	downable (world, agent, lasts + 4 * AFTER_NS);
	sim_trace (world->sim, "a second program calls itself %s", agent->name);
	agent_start (second);
	sim_after (world->sim, lasts, on_unclone, second, second->life);
}

/* The collector and its subscriber. */

static void on_collector_start (void *context, uint64_t runs)
{
	world_t *world = context;
	if (collector_runs (world->collector) == runs && !collector_process (world->collector)->alive)
		collector_start (world->collector);
}

static void collector_die (world_t *world, agent_t *agent, int64_t lasts)
{
	(void) agent;
	if (!collector_process (world->collector)->alive)
		return;
	world_disturb (world, -1, end_of (world, lasts + AFTER_NS));
	if (sim_chance (world->sim, 1, 2))
		collector_kill (world->collector);
	else
		collector_stop (world->collector);
	if (!collector_process (world->collector)->alive)
		sim_after (world->sim, lasts, on_collector_start, world, collector_runs (world->collector));
}

static void on_collector_resume (void *context, uint64_t runs)
{
	world_t *world = context;
	if (collector_runs (world->collector) == runs)
		collector_resume (world->collector);
}

static void collector_freeze (world_t *world, agent_t *agent, int64_t lasts)
{
	(void) agent;
	if (!process_runs (collector_process (world->collector)))
		return;
	collector_pause (world->collector);
	sim_after (world->sim, lasts, on_collector_resume, world, collector_runs (world->collector));
}

static void collector_disk (world_t *world, agent_t *agent, int64_t lasts)
{
	(void) agent;
	sim_trace (world->sim, "the collector's disk is slow");
	world_disturb (world, -1, end_of (world, lasts + AFTER_NS));
	collector_slow (world->collector, end_of (world, lasts));
}

static void cut_all (world_t *world, agent_t *agent, int64_t lasts)
{
	(void) agent;
	(void) lasts;
	world_disturb (world, -1, end_of (world, AFTER_NS));
	for (uint32_t i = 0; i < world->options.nodes; i++) {
		conn_cut (agent_at (world, i)->stream);
		conn_cut (agent_at (world, i)->control);
	}
}

static void subscriber_disturb (world_t *world, agent_t *agent, int64_t lasts)
{
	(void) agent;
	(void) lasts;
	switch (sim_below (world->sim, 4)) {
	case 0:
		conn_cut (subscriber_stream (world->subscriber));
		break;
	case 1:
		subscriber_restart (world->subscriber);
		break;
	default:
		subscriber_trace (world->subscriber, sim_chance (world->sim, 1, 2));
	}
}

static const fault_t faults[] = {
	{ kill, { 0, 4, 6, 6 } },
	{ stop, { 0, 3, 4, 4 } },
	{ freeze, { 0, 3, 5, 5 } },
	{ stall, { 0, 3, 4, 4 } },
	{ jump, { 0, 3, 3, 3 } },
	{ cut, { 0, 4, 6, 6 } },
	{ block, { 0, 2, 5, 5 } },
	{ slow, { 0, 2, 4, 4 } },
	{ corrupt, { 0, 1, 4, 4 } },
	{ flood, { 0, 1, 3, 3 } },
	{ disk_lose, { 0, 1, 3, 3 } },
	{ disk_old, { 0, 1, 3, 3 } },
	{ disk_fill, { 0, 0, 2, 2 } },
	{ clone, { 0, 0, 2, 2 } },
	{ collector_die, { 0, 1, 3, 3 } },
	{ collector_freeze, { 0, 2, 3, 3 } },
	{ collector_disk, { 0, 1, 2, 2 } },
	{ cut_all, { 0, 0, 0, 2 } },
	{ subscriber_disturb, { 0, 3, 4, 4 } },
};
enum { FAULTS = sizeof faults / sizeof faults[0] };

static void on_fault (void *context, uint64_t until)
{
	world_t *world = context;
	sim_t *sim = world->sim;
	faults_t level = world->options.faults;
	if (sim_now (sim) >= (int64_t) until)
		return;
	unsigned total = 0;
	for (size_t i = 0; i < FAULTS; i++)
		total += faults[i].weights[level];
	uint64_t at = sim_below (sim, total);
	size_t i = 0;
	for (; at >= faults[i].weights[level]; i++)
		at -= faults[i].weights[level];
	/* Most are short, some are longer than any timeout. */
	int64_t lasts = sim_chance (sim, 3, 4) ? sim_between (sim, 50 * NS_PER_MS, 4 * NS_PER_S)
	                                       : sim_between (sim, 4 * NS_PER_S, 40 * NS_PER_S);
	world->faults++;
	faults[i].begin (world, agent_at (world, sim_below (sim, world->options.nodes)), lasts);
	int64_t mean = level == FAULTS_LIGHT ? 12 * NS_PER_S : 2 * NS_PER_S;
	sim_after (sim, sim_between (sim, mean / 10, 2 * mean), on_fault, world, until);
}

void faults_draw (world_t *world, int64_t until_ns)
{
	if (world->options.faults != FAULTS_NONE)
		sim_after (world->sim, 5 * NS_PER_S, on_fault, world, (uint64_t) until_ns);
}

void faults_end (world_t *world)
{
	sim_t *sim = world->sim;
	world_disturb (world, -1, end_of (world, AFTER_NS));
	collector_resume (world->collector);
	if (!collector_process (world->collector)->alive)
		collector_start (world->collector);
	for (uint32_t i = 0; i < world->options.nodes; i++) {
		agent_t *agent = agent_at (world, i);
		if (world->clones[i])
			agent_kill (world->clones[i]);
		path_unblock (world->net, &agent->path);
		agent->path.corrupt_ppm = 0;
		agent->path.latency_ns = NS_PER_MS;
		agent->stall_until = 0;
		agent->flood = 0;
		agent_resume (agent);
		if (!agent->process.alive && sim_chance (sim, 1, 2))
			agent_start (agent);
		else
			agent->life += !agent->process.alive; /* who is to stay away, stays */
	}
}
