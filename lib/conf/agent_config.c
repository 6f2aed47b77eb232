#include "conf/agent_config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/levels.h"
#include "conf/option.h"

static const conf_word_t store_types[] = { { "directory", AGENT_STORE_DIRECTORY }, { NULL, 0 } };

static void agent_store_check (conf_fill_t *fill, void *object, const conf_node_t *node)
{
	agent_store_t *store = object;
	if (!store->path)
		return;
	if (!store->probe_path && !conf_node_find (node, "probe_path")) {
		size_t size = strlen (store->path);
		bool slash = store->path[size - 1] == '/';
		/* Without memory it stays NULL, and agent_config_load says so. */
		if (asprintf (&store->probe_path, "%s%s.belfry-probe", store->path, slash ? "" : "/") < 0)
			store->probe_path = NULL;
	} else if (store->probe_path && strcmp (store->probe_path, store->path) == 0) {
		conf_wrong (
		        fill, node, "probe_path", "is the store's own path; give a file of the probe's own");
	}
}

static void agent_check (conf_fill_t *fill, void *object, const conf_node_t *node);

#include "conf/agent.def"

/* The config's addresses, with the nodes that gave them. */
static size_t addresses_list (const agent_config_t *self, const conf_node_t *root, security_address_t *ret)
{
	const conf_node_t *list = conf_node_find (root, "collectors");
	const conf_node_t *item = list ? list->first : NULL;
	size_t n = 0;
	ret[n++] = (security_address_t){ "peer", self->peer, conf_node_find (root, "peer") };
	ret[n++] = (security_address_t){ "peer_advertise", self->peer_advertise,
		conf_node_find (root, "peer_advertise") };
	for (size_t i = 0; i < self->collectors.n; i++, item = item->next) {
		const agent_collector_t *collector = &self->collectors.items[i];
		ret[n] = (security_address_t){ "", collector->stream, conf_node_find (item, "stream") };
		snprintf (ret[n++].key, sizeof ret->key, "collectors[%zu].stream", i);
		ret[n] = (security_address_t){ "", collector->control, conf_node_find (item, "control") };
		snprintf (ret[n++].key, sizeof ret->key, "collectors[%zu].control", i);
	}
	return n;
}

static void agent_check (conf_fill_t *fill, void *object, const conf_node_t *node)
{
	const agent_config_t *self = object;
	security_address_t addresses[2 + 2 * 8];
	if (self->node && strncmp (self->node, "collector.", strlen ("collector.")) == 0)
		conf_wrong (fill, node, "node", "'%s' begins with collector., which only collectors do",
		        self->node);
	if (self->peer_advertise && !conf_node_find (node, "peer"))
		conf_wrong (fill, node, "peer_advertise", "means nothing without 'peer', the address bound");
	security_check (
	        fill, &self->security, node, "server_key", addresses, addresses_list (self, node, addresses));
}

const conf_table_t *agent_config_table (void)
{
	return &agent_table;
}

void agent_config_destroy (agent_config_t **self_p)
{
	void *self = *self_p;
	conf_object_destroy (&agent_table, &self);
	*self_p = NULL;
}

static int config_check (int r, void *made, agent_config_t **ret)
{
	if (r < 0)
		return r;
	agent_config_t *self = made;
	for (size_t i = 0; i < self->probes.persistence.stores.n; i++) {
		if (!self->probes.persistence.stores.items[i].probe_path) {
			agent_config_destroy (&self);
			return -ENOMEM;
		}
	}
	*ret = self;
	return 0;
}

int agent_config_load (const char *file, agent_config_t **ret, conf_errors_t *errors)
{
	void *made = NULL;
	if (!file && access (AGENT_CONFIG_FILE, F_OK) < 0 && errno == ENOENT) {
		conf_errors_add (
		        errors, AGENT_CONFIG_FILE, 0, "is not there; name another with --config FILE");
		return -ENOENT;
	}
	int r = conf_object_load (&agent_table, file ? file : AGENT_CONFIG_FILE, &made, errors);
	return config_check (r, made, ret);
}

int agent_config_parse (
        const char *text, size_t size, const char *name, agent_config_t **ret, conf_errors_t *errors)
{
	void *made = NULL;
	int r = conf_object_parse (&agent_table, text, size, name, &made, errors);
	return config_check (r, made, ret);
}
