#include "agents/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_NS NS_PER_S

typedef struct {
	store_t *store;
	int id;
} watched_t;

struct watch {
	probing_t *probing;
	host_t *host;
	int host_id;
	size_t n_stores;
	watched_t stores[];
};

static int stores_add (watch_t *self, const struct agent_probe_persistence *config, err_t *err)
{
	for (size_t i = 0; i < config->stores.n; i++) {
		const agent_store_t *given = &config->stores.items[i];
		const store_options_t options = { .name = given->name,
			.path = given->path,
			.probe_path = given->probe_path,
			.interval_ns = config->interval_ns };
		watched_t *watched = &self->stores[i];
		int r = store_new (&options, &watched->store, err);
		if (r) {
			error_prefix (err, "probes.persistence.stores '%s': ", given->name);
			return r;
		}
		self->n_stores++;
		watched->id = probing_add (
		        self->probing, given->name, config->interval_ns, store_run, watched->store);
		if (watched->id < 0)
			return error_set (err, watched->id, "probes.persistence.stores '%s': %s", given->name,
			        strerror (-watched->id));
	}
	return 0;
}

int watch_new (const agent_config_t *config, watch_t **ret, err_t *err)
{
	const struct agent_probes *probes = &config->probes;
	watch_t *self = calloc (1, sizeof *self + probes->persistence.stores.n * sizeof self->stores[0]);
	if (!self)
		return error_set (err, -ENOMEM, "out of memory");
	int r = probing_new (config->node, &self->probing);
	if (r)
		error_set (err, r, "out of memory");
	else
		r = host_new (&(host_options_t){ 0 }, &self->host, err);
	if (!r) {
		self->host_id = probing_add (
		        self->probing, "health", probes->health.interval_ns, host_run, self->host);
		r = self->host_id < 0
		            ? error_set (err, self->host_id, "probes.health: %s", strerror (-self->host_id))
		            : stores_add (self, &probes->persistence, err);
	}
	if (!r && (r = probing_start (self->probing)))
		error_set (err, r, "the probes' thread does not start: %s", strerror (-r));
	if (r) {
		watch_destroy (&self);
		return r;
	}
	*ret = self;
	return 0;
}

bool watch_destroy (watch_t **self_p)
{
	watch_t *self = *self_p;
	if (!self)
		return true;
	if (!probing_destroy (&self->probing, PATIENCE_NS))
		return false;
	for (size_t i = 0; i < self->n_stores; i++)
		store_destroy (&self->stores[i].store);
	host_destroy (&self->host);
	free (self);
	*self_p = NULL;
	return true;
}

typedef struct {
	voice_t *voice;
	size_t store;
} look_t;

static void look_host (void *arg, void *probe)
{
	const look_t *look = arg;
	voice_host (look->voice, probe, moment_now ());
}

static void look_store (void *arg, void *probe)
{
	const look_t *look = arg;
	voice_store (look->voice, look->store, probe, moment_now ());
}

void watch_look (watch_t *self, voice_t *voice)
{
	look_t look = { voice, 0 };
	probing_look (self->probing, self->host_id, look_host, &look);
	for (; look.store < self->n_stores; look.store++)
		probing_look (self->probing, self->stores[look.store].id, look_store, &look);
}

void watch_again (watch_t *self)
{
	probing_again (self->probing);
}

bool watch_started (watch_t *self)
{
	return probing_all_ran (self->probing);
}

void watch_set_intervals (watch_t *self, const agent_config_t *config)
{
	probing_set_interval (self->probing, self->host_id, config->probes.health.interval_ns);
	for (size_t i = 0; i < self->n_stores; i++)
		probing_set_interval (
		        self->probing, self->stores[i].id, config->probes.persistence.interval_ns);
}

size_t watch_stores (const watch_t *self)
{
	return self->n_stores;
}
probing_t *watch_probing (const watch_t *self)
{
	return self->probing;
}
