/* cli_config.h - where the operator's command finds its collector (interfaces.md, "The operator's
 * command"). For each key: the file of --config, else BELFRY_<KEY> of the environment, else the
 * loopback default. The keys stand in cli.def. Everything is owned by the config. */

#ifndef CONF_CLI_CONFIG_H
#define CONF_CLI_CONFIG_H

#include "conf/table.h"

typedef struct {
	char *stream, *control; /* connected to; never NULL */
	char *keyring;          /* NULL: events of nodes are not verified here */
	char *socket;           /* the local agent's; never NULL */
	char *curve;            /* the file of the own CURVE key; NULL: none */
	char *server_key;       /* the collector's public key in Z85; with curve */
} cli_config_t;

/* file: NULL for none. 0; or, with everything that is wrong in errors and *ret untouched, -EINVAL,
 * -ENOMEM, or what reading the file failed with. Reads the environment. */
int cli_config_load (const char *file, cli_config_t **ret, conf_errors_t *errors);
/* The file alone, from text; name stands for the file. */
int cli_config_parse (
        const char *text, size_t size, const char *name, cli_config_t **ret, conf_errors_t *errors);
/* A flag of the command line, above all else: key "stream" with origin "--stream". As conf_object_set. */
int cli_config_set (
        cli_config_t *self, const char *key, const char *value, const char *origin, conf_errors_t *errors);
/* Frees and nulls. NULL-safe. */
void cli_config_destroy (cli_config_t **self_p);

const conf_table_t *cli_config_table (void);

#endif
