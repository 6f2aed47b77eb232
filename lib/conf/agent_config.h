/* agent_config.h - what belfry-agent is told: agent.yaml (interfaces.md, "Configuration").
 * The keys, their ranges and defaults stand in agent.def. Paths are relative to the working
 * directory. Everything is owned by the config. */

#ifndef CONF_AGENT_CONFIG_H
#define CONF_AGENT_CONFIG_H

#include "base/log.h"
#include "conf/security.h"
#include "conf/table.h"

typedef struct {
	char *stream, *control; /* tcp://HOST:PORT, connected to */
} agent_collector_t;

typedef enum { AGENT_STORE_DIRECTORY = 1 } agent_store_type_t;

typedef struct {
	char *name; /* the component's; unique */
	int type;   /* agent_store_type_t */
	char *path;
	char *probe_path; /* the file that the fsync probe writes; never NULL */
} agent_store_t;

typedef struct {
	char *cluster, *node;
	char *state_dir;
	CONF_LIST_OF (agent_collector_t) collectors; /* at least one */
	char *peer;                                  /* bound; NULL: nobody can probe this node */
	char *peer_advertise;                        /* NULL: as bound */
	char *socket;
	security_config_t security;
	int64_t heartbeat_ns;
	struct agent_probes {
		struct agent_probe_health {
			int64_t interval_ns;
		} health;
		struct agent_probe_nodes {
			int64_t interval_ns;
		} nodes;
		struct agent_probe_persistence {
			int64_t interval_ns;
			CONF_LIST_OF (agent_store_t) stores;
		} persistence;
	} probes;
	struct agent_spool {
		uint64_t size; /* bytes */
		int64_t age_ns;
	} spool;
	conf_numbers_t audit_uids; /* who may send audit and security events */
	int log_level;             /* log_level_t */
} agent_config_t;

/* The file that is read when none is named. */
#define AGENT_CONFIG_FILE "/etc/belfry/agent.yaml"

/* file: NULL for AGENT_CONFIG_FILE. 0; or, with everything that is wrong in errors and *ret untouched,
 * -EINVAL, -ENOMEM, or what reading the file failed with. */
int agent_config_load (const char *file, agent_config_t **ret, conf_errors_t *errors);
/* The same from text; name stands for the file. */
int agent_config_parse (
        const char *text, size_t size, const char *name, agent_config_t **ret, conf_errors_t *errors);
/* Frees and nulls. NULL-safe. */
void agent_config_destroy (agent_config_t **self_p);

/* For conf_diff (agent_config_table (), old, new, ...) and conf_print_reference. */
const conf_table_t *agent_config_table (void);

#endif
