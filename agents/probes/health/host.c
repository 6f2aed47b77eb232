/* The order of the walk is by how much a series matters, since a machine with very many devices can
 * pass SAMPLES_SERIES_MAX: network devices come last. */

#include "agents/probes/health/host.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agents/probes/health/cpu.h"
#include "agents/probes/health/disks.h"
#include "agents/probes/health/kernel.h"
#include "agents/probes/health/memory.h"
#include "agents/probes/health/mounts.h"
#include "agents/probes/health/netstat.h"
#include "agents/probes/health/network.h"
#include "agents/probes/health/pressure.h"
#include "agents/probes/level.h"

enum { CHECK_MEMORY, CHECK_DISK, CHECK_DESCRIPTORS, CHECK_PRESSURE_MEMORY, CHECK_PRESSURE_IO, LEVELS };

static const level_def_t levels[LEVELS] = {
	[CHECK_MEMORY] = { 0.90, 0.87, 0.97, 0.95, 3 * NS_PER_S, 10 * NS_PER_S },
	[CHECK_DISK] = { 0.90, 0.88, 0.97, 0.96, 3 * NS_PER_S, 10 * NS_PER_S },
	[CHECK_DESCRIPTORS] = { 0.80, 0.75, 0.95, 0.90, 3 * NS_PER_S, 10 * NS_PER_S },
	[CHECK_PRESSURE_MEMORY] = { 0.25, 0.10, 0.60, 0.40, 10 * NS_PER_S, 30 * NS_PER_S },
	[CHECK_PRESSURE_IO] = { 0.80, 0.50, INFINITY, INFINITY, 10 * NS_PER_S, 30 * NS_PER_S },
};
/* A mount is stuck once it has not answered this long; a child that cannot run leaves it unknown. */
#define STUCK_NS (5 * NS_PER_S)

struct host {
	collect_t collect;
	cpu_t cpu;
	memory_t memory;
	pressure_t pressure;
	kernel_t kernel;
	mounts_t *mounts;
	disks_t disks;
	netstat_t netstat;
	network_t network;
	level_t levels[LEVELS];
	bool changed, ran;
	probe_summary_t summary;
	probe_check_t checks[HOST_CHECKS_MAX];
	size_t n_checks;
	probe_status_t status;
};

static int directory_open (const char *path, int *ret)
{
	*ret = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret < 0 ? -errno : 0;
}

int host_new (const host_options_t *options, host_t **ret, err_t *err)
{
	host_t *self = calloc (1, sizeof *self);
	if (!self)
		return error_set (err, -ENOMEM, "the host probe: no memory");
	collect_t *c = &self->collect;
	c->proc = c->sys = -1;
	const char *proc = options->proc ? options->proc : "/proc";
	int r = directory_open (proc, &c->proc);
	if (r) {
		error_set (err, r, "the host probe cannot open %s: %s", proc, strerror (-r));
		free (self);
		return r;
	}
	(void) directory_open (options->sys ? options->sys : "/sys", &c->sys);
	cpu_open (&self->cpu, c);
	memory_open (&self->memory, c);
	pressure_open (&self->pressure, c);
	kernel_open (&self->kernel, c);
	disks_open (&self->disks, c);
	netstat_open (&self->netstat, c);
	network_open (&self->network, c);
	if (samples_new (&c->samples) != 0 || mounts_new (c, options->program, &self->mounts) != 0) {
		host_destroy (&self);
		return error_set (err, -ENOMEM, "the host probe: no memory");
	}
	self->status = PROBE_STATUS_UNKNOWN;
	self->summary = (probe_summary_t){ NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN };
	*ret = self;
	return 0;
}

void host_destroy (host_t **self_p)
{
	host_t *self = *self_p;
	if (!self)
		return;
	mounts_destroy (&self->mounts);
	cpu_close (&self->cpu);
	memory_close (&self->memory);
	pressure_close (&self->pressure);
	kernel_close (&self->kernel);
	disks_close (&self->disks);
	netstat_close (&self->netstat);
	network_close (&self->network);
	samples_destroy (&self->collect.samples);
	text_free (&self->collect.text);
	close (self->collect.proc);
	if (self->collect.sys >= 0)
		close (self->collect.sys);
	free (self);
	*self_p = NULL;
}

/* --- checks --------------------------------------------------------------------------------------- */

/* The text follows, by snprintf into the returned check's message. */
static probe_check_t *check_add (host_t *self, const char *name, probe_status_t status)
{
	probe_check_t *check = &self->checks[self->n_checks++];
	*check = (probe_check_t){ .status = status };
	snprintf (check->component, sizeof check->component, "%s", name);
	self->status = status_worse (self->status, status);
	return check;
}

static void memory_check (host_t *self)
{
	const memory_t *m = &self->memory;
	mono_t now = self->collect.now;
	if (isnan (m->used_ratio))
		return;
	probe_status_t status =
	        level_step (&self->levels[CHECK_MEMORY], &levels[CHECK_MEMORY], m->used_ratio, now);
	probe_check_t *check = check_add (self, "memory", status);
	snprintf (check->message, sizeof check->message, "%.1f %% of %.1f GiB available",
	        100 * (1 - m->used_ratio), (double) m->total_bytes / (1 << 30));
}

static void disk_check (host_t *self)
{
	const char *point;
	double used = mounts_fullest (self->mounts, self->collect.now, &point);
	self->summary.disk_used_ratio = used;
	if (isnan (used))
		return;
	probe_status_t status =
	        level_step (&self->levels[CHECK_DISK], &levels[CHECK_DISK], used, self->collect.now);
	probe_check_t *check = check_add (self, "disk", status);
	char path[PROBE_TEXT_MAX / 2];
	snprintf (path, sizeof path, "%s", point);
	snprintf (check->message, sizeof check->message, "%s is %.1f %% full", path, 100 * used);
}

static void descriptors_check (host_t *self)
{
	const kernel_t *k = &self->kernel;
	if (isnan (k->descriptors_ratio))
		return;
	probe_status_t status = level_step (&self->levels[CHECK_DESCRIPTORS], &levels[CHECK_DESCRIPTORS],
	        k->descriptors_ratio, self->collect.now);
	probe_check_t *check = check_add (self, "descriptors", status);
	snprintf (check->message, sizeof check->message, "%llu of %llu in use",
	        (unsigned long long) k->descriptors, (unsigned long long) k->descriptors_max);
}

static void pressure_check (host_t *self)
{
	mono_t now = self->collect.now;
	double memory = self->pressure.of[PRESSURE_MEMORY].full_avg60;
	double io = self->pressure.of[PRESSURE_IO].full_avg300;
	if (isnan (memory) && isnan (io))
		return;
	probe_status_t status = status_worse (level_step (&self->levels[CHECK_PRESSURE_MEMORY],
	                                              &levels[CHECK_PRESSURE_MEMORY], memory, now),
	        level_step (&self->levels[CHECK_PRESSURE_IO], &levels[CHECK_PRESSURE_IO], io, now));
	probe_check_t *check = check_add (self, "pressure", status);
	snprintf (check->message, sizeof check->message,
	        "all work stood still for memory %.1f %% of a minute, for disks %.1f %% of 5 minutes",
	        isnan (memory) ? 0 : 100 * memory, isnan (io) ? 0 : 100 * io);
}

static void mounts_check (host_t *self)
{
	const char *point, *error = child_error (mounts_child (self->mounts));
	size_t left_out, n = mounts_count (self->mounts, &left_out);
	int64_t stuck = mounts_stuck_ns (self->mounts, self->collect.now, &point);
	probe_status_t status = stuck >= STUCK_NS ? PROBE_STATUS_UNHEALTHY
	                        : *error          ? PROBE_STATUS_UNKNOWN
	                                          : PROBE_STATUS_HEALTHY;
	if (!n && !*error)
		return;
	probe_check_t *check = check_add (self, "mounts", status);
	char text[DURATION_TEXT_MAX];
	if (status == PROBE_STATUS_UNHEALTHY)
		snprintf (check->message, sizeof check->message, "statvfs of %.150s stuck for %s", point,
		        duration_format (stuck, text));
	else if (status == PROBE_STATUS_UNKNOWN)
		snprintf (check->message, sizeof check->message, "%s", error);
	else if (left_out)
		snprintf (check->message, sizeof check->message, "%zu answer; %zu more are not watched", n,
		        left_out);
	else
		snprintf (check->message, sizeof check->message, "%zu answer", n);
	check->duration_ns = stuck;
}

static void checks_make (host_t *self)
{
	self->n_checks = 0;
	self->status = PROBE_STATUS_UNKNOWN;
	memory_check (self);
	disk_check (self);
	descriptors_check (self);
	pressure_check (self);
	mounts_check (self);
}

/* --- a cycle -------------------------------------------------------------------------------------- */

void host_run (void *arg, mono_t now)
{
	host_t *self = arg;
	collect_t *c = &self->collect;
	c->now = now;
	samples_begin (c->samples);
	mounts_ask (self->mounts, c);
	kernel_collect (&self->kernel, c);
	cpu_collect (&self->cpu, c);
	memory_collect (&self->memory, c);
	pressure_collect (&self->pressure, c);
	disks_collect (&self->disks, c);
	netstat_collect (&self->netstat, c);
	mounts_collect (self->mounts, c, self->ran ? 0 : HOST_PATIENCE_NS);
	network_collect (&self->network, c);
	self->changed = samples_end (c->samples);
	self->ran = true;

	const pressure_resource_t *pressures = self->pressure.of;
	self->summary = (probe_summary_t){ .load1 = self->cpu.load[0],
		.load5 = self->cpu.load[1],
		.load15 = self->cpu.load[2],
		.cpu_used_ratio = self->cpu.used_ratio,
		.memory_used_ratio = self->memory.used_ratio,
		.disk_used_ratio = NAN,
		.cpu_pressure_ratio = pressures[PRESSURE_CPU].some_ratio,
		.memory_pressure_ratio = pressures[PRESSURE_MEMORY].some_ratio,
		.io_pressure_ratio = pressures[PRESSURE_IO].some_ratio };
	checks_make (self);
}

const samples_t *host_samples (const host_t *self)
{
	return self->collect.samples;
}
bool host_samples_changed (const host_t *self)
{
	return self->changed;
}
const probe_summary_t *host_summary (const host_t *self)
{
	return &self->summary;
}
const probe_check_t *host_checks (const host_t *self, size_t *ret_n)
{
	*ret_n = self->n_checks;
	return self->checks;
}
probe_status_t host_status (const host_t *self)
{
	return self->status;
}
void host_wait (host_t *self, int64_t timeout_ns)
{
	mounts_wait (self->mounts, timeout_ns);
}
pid_t host_child_pid (const host_t *self)
{
	return child_pid (mounts_child (self->mounts));
}
