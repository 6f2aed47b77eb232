#include "conf/agent_config.h"

#include <errno.h>

#include "tests/unit/conf/said.h"

#define HEAD "cluster: demo\nnode: n1\nstate_dir: ./var/n1\n"
#define COLLECTORS "collectors: [{stream: 'tcp://127.0.0.1:7701', control: 'tcp://127.0.0.1:7703'}]\n"
#define KEYED "security: {keyring: ./keyring}\n"
#define GOOD HEAD COLLECTORS KEYED

static int parse (const char *text, agent_config_t **ret, conf_errors_t *errors)
{
	return agent_config_parse (text, strlen (text), "agent.yaml", ret, errors);
}

static agent_config_t *parsed (const char *text)
{
	agent_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	int r = parse (text, &config, &errors);
	assert_quiet (&errors);
	cr_assert_eq (r, 0);
	return config;
}

static void refused (const char *text, const char *a, const char *b, const char *c)
{
	agent_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse (text, &config, &errors), -EINVAL, "%s", text);
	cr_assert_null (config);
	assert_says (&errors, a, b, c);
	conf_errors_clear (&errors);
}

Test (agent_config, the_least_that_runs_has_defaults)
{
	agent_config_t *config = parsed (GOOD);
	cr_assert_str_eq (config->cluster, "demo");
	cr_assert_str_eq (config->node, "n1");
	cr_assert_eq (config->collectors.n, 1);
	cr_assert_str_eq (config->collectors.items[0].stream, "tcp://127.0.0.1:7701");
	cr_assert_null (config->peer);
	cr_assert_str_eq (config->socket, "/run/belfry/agent.sock");
	cr_assert_str_eq (config->security.keyring, "./keyring");
	cr_assert_not (config->security.insecure);
	cr_assert_eq (config->heartbeat_ns, 200000000);
	cr_assert_eq (config->probes.health.interval_ns, 1000000000);
	cr_assert_eq (config->probes.nodes.interval_ns, 200000000);
	cr_assert_eq (config->probes.persistence.interval_ns, INT64_C (5000000000));
	cr_assert_eq (config->probes.persistence.stores.n, 0);
	cr_assert_eq (config->audit_uids.n, 0);
	cr_assert_eq (config->log_level, LOG_LEVEL_INFO);
	agent_config_destroy (&config);
	cr_assert_null (config);
	agent_config_destroy (&config);
}

Test (agent_config, the_example_of_the_interface_is_read)
{
	agent_config_t *config =
	        parsed ("# agent.yaml\n"
	                "cluster: demo\n"
	                "node: n1\n"
	                "state_dir: ./var/n1\n"
	                "collectors:\n"
	                "  - stream: tcp://127.0.0.1:7701\n"
	                "    control: tcp://127.0.0.1:7703\n"
	                "peer: tcp://127.0.0.1:7704     # peer_advertise: where others reach it\n"
	                "socket: ./var/n1/agent.sock\n"
	                "security:\n"
	                "  keyring: FILE                # the secret, or this node's key only\n"
	                "heartbeat: 200ms\n"
	                "probes:\n"
	                "  health: {interval: 1s, checks: []}\n"
	                "  nodes: {interval: 200ms}\n"
	                "  persistence: {interval: 5s, stores: [{name: data, type: directory, path: "
	                "/var/lib/x, probe_path: /var/lib/x.probe}]}\n"
	                "audit_uids: [0, 1000]\nlog_level: debug\n");
	cr_assert_str_eq (config->peer, "tcp://127.0.0.1:7704");
	cr_assert_str_eq (config->socket, "./var/n1/agent.sock");
	const agent_store_t *store = &config->probes.persistence.stores.items[0];
	cr_assert_str_eq (store->name, "data");
	cr_assert_eq (store->type, AGENT_STORE_DIRECTORY);
	cr_assert_str_eq (store->path, "/var/lib/x");
	cr_assert_str_eq (store->probe_path, "/var/lib/x.probe");
	cr_assert_eq (config->audit_uids.items[1], 1000);
	cr_assert_eq (config->log_level, LOG_LEVEL_DEBUG);
	agent_config_destroy (&config);
}

Test (agent_config, what_is_required_is_missed)
{
	agent_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse ("", &config, &errors), -EINVAL);
	for (const char *const *key =
	                (const char *const[]){ "cluster", "node", "state_dir", "collectors", NULL };
	        *key; key++) {
		char wanted[64];
		snprintf (wanted, sizeof wanted, "key '%s': missing", *key);
		assert_says (&errors, wanted, NULL, NULL);
	}
	assert_says (&errors, "nothing runs unkeyed", NULL, NULL);
	conf_errors_clear (&errors);
	refused (HEAD KEYED "collectors: []\n", "key 'collectors': has 0 entries", "1..8", NULL);
}

Test (agent_config, names_have_the_topics_limits)
{
	refused ("cluster: aaaaaaaaaaaaaaaaaaaaaaaaa\nnode: n1\nstate_dir: x\n" COLLECTORS KEYED,
	        "agent.yaml:1:", "at most 24", NULL);
	refused ("cluster: a\nnode: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nstate_dir: x\n" COLLECTORS KEYED,
	        "agent.yaml:2:", "at most 36", NULL);
	refused ("cluster: a\nnode: n/1\nstate_dir: x\n" COLLECTORS KEYED, "agent.yaml:2:", "no name", NULL);
	refused ("cluster: a\nnode: collector.c1\nstate_dir: x\n" COLLECTORS KEYED,
	        "agent.yaml:2: key 'node'", "only collectors", NULL);
}

Test (agent_config, two_collectors_or_stores_do_not_share_a_name)
{
	refused (HEAD KEYED "collectors:\n  - {stream: 'tcp://localhost:1', control: 'tcp://localhost:2'}\n"
	                    "  - {stream: 'tcp://localhost:1', control: 'tcp://localhost:3'}\n",
	        "agent.yaml:7: key 'collectors[1].stream'", "line 6", NULL);
	refused (GOOD "probes:\n  persistence:\n    stores:\n      - {name: a, path: /x}\n      - {name: a, "
	              "path: /y}\n",
	        "agent.yaml:10: key 'probes.persistence.stores[1].name'", "line 9", NULL);
}

Test (agent_config, a_probe_path_follows_the_store)
{
	agent_config_t *config = parsed (
	        GOOD "probes: {persistence: {stores: [{name: a, path: /x}, {name: b, path: /y/}]}}\n");
	cr_assert_str_eq (config->probes.persistence.stores.items[0].probe_path, "/x/.belfry-probe");
	cr_assert_str_eq (config->probes.persistence.stores.items[1].probe_path, "/y/.belfry-probe");
	agent_config_destroy (&config);
	refused (GOOD "probes: {persistence: {stores: [{name: a, path: /x, probe_path: /x}]}}\n",
	        "stores[0].probe_path", "the store's own path", NULL);
}

Test (agent_config, checks_are_refused_until_they_run)
{
	refused (GOOD "probes: {health: {checks: [{tcp: x}]}}\n",
	        "key 'probes.health.checks': not supported by this release yet", NULL, NULL);
}

Test (agent_config, intervals_are_bounded)
{
	refused (GOOD "heartbeat: 1ms\n", "key 'heartbeat'", "50ms..10s", NULL);
	refused (GOOD "probes: {nodes: {interval: 0}}\n", "key 'probes.nodes.interval'", NULL, NULL);
	refused (GOOD "probes: {health: {interval: 2h}}\n", "key 'probes.health.interval'", NULL, NULL);
}

Test (agent_config, peer_advertise_needs_peer)
{
	refused (GOOD "peer_advertise: tcp://127.0.0.1:7704\n", "key 'peer_advertise'", "without 'peer'",
	        NULL);
}

Test (agent_config, a_socket_fits_into_its_address)
{
	char text[512] = GOOD "socket: /";
	memset (text + strlen (text), 'a', 107);
	refused (text, "key 'socket'", "1..107", NULL);
	text[strlen (text) - 1] = '\0';
	agent_config_t *config = parsed (text);
	agent_config_destroy (&config);
}

/* --- security ------------------------------------------------------------------------------- */

Test (agent_security, nothing_runs_unkeyed_unless_said)
{
	static const char wanted[] = "key 'security': nothing runs unkeyed: give security.keyring, or say "
	                             "insecure: true (loopback only)";
	refused (HEAD COLLECTORS, wanted, NULL, NULL);
	refused (HEAD COLLECTORS "security: {}\n", wanted, "agent.yaml:5:", NULL);
	refused (HEAD COLLECTORS "security:\n", wanted, NULL, NULL);
	refused (HEAD COLLECTORS "security: {insecure: false}\n", wanted, "insecure: false is neither", NULL);
}

Test (agent_security, insecure_is_accepted_on_loopback_when_said)
{
	agent_config_t *config = parsed (HEAD COLLECTORS "security: {insecure: true}\n");
	cr_assert (config->security.insecure);
	cr_assert_null (config->security.keyring);
	agent_config_destroy (&config);
}

Test (agent_security, both_forms_are_one_too_many)
{
	refused (HEAD COLLECTORS "security:\n  keyring: x\n  insecure: true\n",
	        "agent.yaml:7: key 'security.insecure'", "keep one", NULL);
	agent_config_t *config = parsed (HEAD COLLECTORS "security: {keyring: x, insecure: false}\n");
	agent_config_destroy (&config);
}

Test (agent_security, a_wrong_keyring_is_not_also_an_absent_one)
{
	agent_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse (HEAD COLLECTORS "security: {keyring: [x]}\n", &config, &errors), -EINVAL);
	cr_assert_eq (errors.n, 1, "%s", said_all (&errors));
	conf_errors_clear (&errors);
}

#define FAR                                                                                        \
	"collectors:\n  - stream: tcp://10.0.0.1:7701\n    control: tcp://c1.example:7703\npeer: " \
	"tcp://*:7704\n"

Test (agent_security, insecure_stays_on_loopback_unless_lifted)
{
	refused (HEAD FAR "security: {insecure: true}\n", "agent.yaml:5: key 'collectors[0].stream'",
	        "off loopback", "insecure_bind: true");
	refused (HEAD FAR "security: {insecure: true}\n", "agent.yaml:6: key 'collectors[0].control'",
	        "off loopback", NULL);
	refused (HEAD FAR "security: {insecure: true}\n", "agent.yaml:7: key 'peer'", "off loopback", NULL);
	agent_config_t *config = parsed (HEAD FAR "security: {insecure: true, insecure_bind: true}\n");
	cr_assert (config->security.insecure_bind);
	agent_config_destroy (&config);
	refused (HEAD COLLECTORS "security: {keyring: x, insecure_bind: true}\n",
	        "key 'security.insecure_bind'", "insecure: true", NULL);
}

Test (agent_security, a_keyring_without_curve_stays_on_loopback)
{
	refused (HEAD FAR KEYED, "agent.yaml:5: key 'collectors[0].stream'", "off loopback", "CURVE");
	refused (HEAD FAR "security: {keyring: x, insecure_bind: true}\n", "key 'collectors[0].stream'",
	        "CURVE", NULL);
}

#define SERVER_KEY "'rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7'"

Test (agent_security, curve_and_the_server_key_lead_off_loopback)
{
	agent_config_t *config =
	        parsed (HEAD FAR "security: {keyring: x, curve: y, server_key: " SERVER_KEY "}\n");
	cr_assert_str_eq (config->security.curve, "y");
	cr_assert_eq (strlen (config->security.server_key), 40);
	agent_config_destroy (&config);
}

Test (agent_security, half_of_curve_is_refused)
{
	refused (HEAD COLLECTORS "security: {keyring: x, curve: y}\n",
	        "key 'security.curve': needs security.server_key", NULL, NULL);
	refused (HEAD COLLECTORS "security: {keyring: x, server_key: " SERVER_KEY "}\n",
	        "key 'security.server_key': means nothing without security.curve", NULL, NULL);
	refused (HEAD COLLECTORS "security: {keyring: x, curve: y, server_key: short}\n",
	        "key 'security.server_key': is no Z85 key of 40", NULL, NULL);
	refused (HEAD COLLECTORS "security: {keyring: x, clients: y}\n", "key 'security.clients': unknown",
	        NULL, NULL);
}

Test (agent_security, z85_has_40_characters_of_its_alphabet)
{
	cr_assert (security_z85_valid ("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"));
	cr_assert_not (security_z85_valid ("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf"));
	cr_assert_not (security_z85_valid ("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf77"));
	cr_assert_not (security_z85_valid ("rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf,"));
}

/* --- files and reload ----------------------------------------------------------------------- */

Test (agent_config, a_missing_file_is_said)
{
	agent_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (agent_config_load ("no-such.yaml", &config, &errors), -ENOENT);
	assert_says (&errors, "no-such.yaml: cannot be read", NULL, NULL);
	conf_errors_clear (&errors);
}

static void see (void *arg, const conf_difference_t *difference)
{
	char *text = arg;
	snprintf (text + strlen (text), 200, "%s%s ", difference->key, difference->reloadable ? "+" : "-");
}

Test (agent_config, a_reload_knows_what_needs_a_restart)
{
	agent_config_t *old = parsed (GOOD "heartbeat: 200ms\n");
	agent_config_t *new = parsed ("cluster: demo\nnode: n2\nstate_dir: ./var/n1\n" COLLECTORS KEYED
	                              "probes: {health: {interval: 2s}}\nlog_level: error\n");
	char seen[512] = "";
	cr_assert_eq (conf_diff (agent_config_table (), old, new, see, seen), 3);
	cr_assert_str_eq (seen, "node- probes.health.interval+ log_level+ ");
	agent_config_destroy (&old);
	agent_config_destroy (&new);
}
