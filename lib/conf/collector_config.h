/* collector_config.h - what belfry-collector is told: collector.yaml (interfaces.md, "Configuration").
 * The keys, their ranges and defaults stand in collector.def. Paths are relative to the working
 * directory. Everything is owned by the config. */

#ifndef CONF_COLLECTOR_CONFIG_H
#define CONF_COLLECTOR_CONFIG_H

#include "base/log.h"
#include "conf/security.h"
#include "conf/table.h"

typedef struct {
	char *cluster, *name;
	char *state_dir;
	char *stream_in, *stream_out, *control; /* bound */
	char *http;                             /* HOST:PORT; NULL: not served */
	security_config_t security;
	struct collector_alerts {
		conf_strings_t rules; /* file names or glob(7) patterns, for rule_set_load */
	} alerts;
	struct collector_journal {
		int64_t retain_ns;
		uint64_t size; /* bytes */
	} journal;
	conf_strings_t expected_nodes; /* who makes up the quorum; empty: whoever was seen */
	uint64_t nodes_max;
	int log_level; /* log_level_t */
} collector_config_t;

/* The file that is read when none is named. */
#define COLLECTOR_CONFIG_FILE "/etc/belfry/collector.yaml"

/* file: NULL for COLLECTOR_CONFIG_FILE. 0; or, with everything that is wrong in errors and *ret
 * untouched, -EINVAL, -ENOMEM, or what reading the file failed with. Rule files are rule_set_load's. */
int collector_config_load (const char *file, collector_config_t **ret, conf_errors_t *errors);
/* The same from text; name stands for the file. */
int collector_config_parse (
        const char *text, size_t size, const char *name, collector_config_t **ret, conf_errors_t *errors);
/* Frees and nulls. NULL-safe. */
void collector_config_destroy (collector_config_t **self_p);

/* For conf_diff (collector_config_table (), old, new, ...) and conf_print_reference. */
const conf_table_t *collector_config_table (void);

#endif
