#include "conf/cli_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "conf/option.h"
#include "conf/security.h"

static const char no_z85[] = "is no Z85 key of 40 characters, as `belfry keygen curve` prints it";

static void cli_check (conf_fill_t *fill, void *object, const conf_node_t *node)
{
	const cli_config_t *self = object;
	if (self->server_key && !security_z85_valid (self->server_key))
		conf_wrong (fill, node, "server_key", "%s", no_z85);
}

#include "conf/cli.def"

/* What BELFRY_<KEY> sets. */
static const struct {
	const char *key, *variable;
} environment[] = {
	{ "stream", "BELFRY_STREAM" },
	{ "control", "BELFRY_CONTROL" },
	{ "keyring", "BELFRY_KEYRING" },
	{ "socket", "BELFRY_SOCKET" },
	{ "curve", "BELFRY_CURVE" },
	{ "server_key", "BELFRY_SERVER_KEY" },
};

const conf_table_t *cli_config_table (void)
{
	return &cli_table;
}

int cli_config_set (
        cli_config_t *self, const char *key, const char *value, const char *origin, conf_errors_t *errors)
{
	if (strcmp (key, "server_key") == 0 && !security_z85_valid (value)) {
		conf_errors_add (errors, origin, 0, "%s", no_z85);
		return -EINVAL;
	}
	return conf_object_set (&cli_table, self, key, value, origin, errors);
}

/* For the keys that root does not give; an empty variable counts as unset. */
static int environment_read (cli_config_t *self, const conf_node_t *root, conf_errors_t *errors)
{
	int result = 0;
	for (size_t i = 0; i < sizeof environment / sizeof environment[0]; i++) {
		const char *value = getenv (environment[i].variable);
		if (!value || !*value || conf_node_find (root, environment[i].key))
			continue;
		int r = cli_config_set (self, environment[i].key, value, environment[i].variable, errors);
		if (r == -ENOMEM)
			return r;
		if (r < 0)
			result = r;
	}
	return result;
}

int cli_config_load (const char *file, cli_config_t **ret, conf_errors_t *errors)
{
	conf_tree_t *tree = NULL;
	int flawed = file ? conf_tree_load (file, &tree, errors) : 0;
	if (flawed < 0)
		return flawed;
	cli_config_t *self = malloc (sizeof *self);
	int r = self ? conf_object_init (&cli_table, self) : -ENOMEM;
	if (r < 0) {
		free (self);
		conf_tree_destroy (&tree);
		return r;
	}
	if (tree)
		r = conf_object_fill (&cli_table, tree, self, errors);
	if (r != -ENOMEM) {
		int set = environment_read (self, tree ? conf_tree_root (tree) : NULL, errors);
		r = set < 0 ? set : r;
	}
	if (r == 0 && flawed == CONF_E_FLAWED)
		r = -EINVAL;
	conf_tree_destroy (&tree);
	if (r < 0)
		cli_config_destroy (&self);
	else
		*ret = self;
	return r;
}

int cli_config_parse (
        const char *text, size_t size, const char *name, cli_config_t **ret, conf_errors_t *errors)
{
	void *made = NULL;
	int r = conf_object_parse (&cli_table, text, size, name, &made, errors);
	if (r == 0)
		*ret = made;
	return r;
}

void cli_config_destroy (cli_config_t **self_p)
{
	void *self = *self_p;
	conf_object_destroy (&cli_table, &self);
	*self_p = NULL;
}
