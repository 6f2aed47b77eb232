#include "conf/collector_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf/levels.h"
#include "conf/option.h"
#include "conf/value.h"

static void collector_check (conf_fill_t *fill, void *object, const conf_node_t *node);

#include "conf/collector.def"

static bool every_address (const char *host)
{
	return strcmp (host, "*") == 0 || strcmp (host, "0.0.0.0") == 0 || strcmp (host, "::") == 0;
}

/* Two binds of one port end with "in use", after the start: better said here. */
static void ports_check (conf_fill_t *fill, const security_address_t *addresses, size_t n)
{
	endpoint_t made[4];
	for (size_t i = 0; i < n; i++) {
		const char *value = addresses[i].value;
		made[i] = (endpoint_t){ 0 };
		if (!value)
			continue;
		if (strstr (value, "://"))
			(void) value_endpoint (value, ENDPOINT_BIND, &made[i], NULL);
		else
			(void) value_host_port (value, ENDPOINT_BIND, &made[i], NULL);
		for (size_t j = 0; j < i; j++) {
			bool same = strcmp (made[i].host, made[j].host) == 0 ||
			            every_address (made[i].host) || every_address (made[j].host);
			if (made[i].port == 0 || made[i].port != made[j].port || !same)
				continue;
			const conf_node_t *node = addresses[i].node ? addresses[i].node : addresses[j].node;
			conf_wrong_at (fill, node ? node->line : 0, addresses[i].key,
			        "port %u is also that of '%s'; each needs its own", (unsigned) made[i].port,
			        addresses[j].key);
			break;
		}
	}
}

static void collector_check (conf_fill_t *fill, void *object, const conf_node_t *node)
{
	const collector_config_t *self = object;
	const security_address_t addresses[] = {
		{ "stream_in", self->stream_in, conf_node_find (node, "stream_in") },
		{ "stream_out", self->stream_out, conf_node_find (node, "stream_out") },
		{ "control", self->control, conf_node_find (node, "control") },
		{ "http", self->http, conf_node_find (node, "http") },
	};
	size_t n = sizeof addresses / sizeof addresses[0];
	ports_check (fill, addresses, n);
	/* HTTP never has a MAC or CURVE: a keyring says nothing about it. */
	security_check (
	        fill, &self->security, node, "clients", addresses, self->security.insecure ? n : n - 1);
}

const conf_table_t *collector_config_table (void)
{
	return &collector_table;
}

int collector_config_load (const char *file, collector_config_t **ret, conf_errors_t *errors)
{
	void *made = NULL;
	if (!file && access (COLLECTOR_CONFIG_FILE, F_OK) < 0 && errno == ENOENT) {
		conf_errors_add (
		        errors, COLLECTOR_CONFIG_FILE, 0, "is not there; name another with --config FILE");
		return -ENOENT;
	}
	int r = conf_object_load (&collector_table, file ? file : COLLECTOR_CONFIG_FILE, &made, errors);
	if (r == 0)
		*ret = made;
	return r;
}

int collector_config_parse (
        const char *text, size_t size, const char *name, collector_config_t **ret, conf_errors_t *errors)
{
	void *made = NULL;
	int r = conf_object_parse (&collector_table, text, size, name, &made, errors);
	if (r == 0)
		*ret = made;
	return r;
}

void collector_config_destroy (collector_config_t **self_p)
{
	void *self = *self_p;
	conf_object_destroy (&collector_table, &self);
	*self_p = NULL;
}
