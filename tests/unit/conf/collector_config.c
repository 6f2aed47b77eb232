#include "conf/collector_config.h"

#include <errno.h>

#include "tests/unit/conf/said.h"

#define HEAD "cluster: demo\nname: c1\nstate_dir: ./var/collector\n"
#define KEYED "security: {keyring: ./keyring}\n"
#define GOOD HEAD KEYED

static int parse (const char *text, collector_config_t **ret, conf_errors_t *errors)
{
	return collector_config_parse (text, strlen (text), "collector.yaml", ret, errors);
}

static collector_config_t *parsed (const char *text)
{
	collector_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	int r = parse (text, &config, &errors);
	assert_quiet (&errors);
	cr_assert_eq (r, 0);
	return config;
}

static void refused (const char *text, const char *a, const char *b, const char *c)
{
	collector_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse (text, &config, &errors), -EINVAL, "%s", text);
	cr_assert_null (config);
	assert_says (&errors, a, b, c);
	conf_errors_clear (&errors);
}

Test (collector_config, the_least_that_runs_has_the_ports_of_the_interface)
{
	collector_config_t *config = parsed (GOOD);
	cr_assert_str_eq (config->name, "c1");
	cr_assert_str_eq (config->stream_in, "tcp://127.0.0.1:7701");
	cr_assert_str_eq (config->stream_out, "tcp://127.0.0.1:7702");
	cr_assert_str_eq (config->control, "tcp://127.0.0.1:7703");
	cr_assert_null (config->http);
	cr_assert_eq (config->alerts.rules.n, 0);
	cr_assert_eq (config->expected_nodes.n, 0);
	cr_assert_eq (config->nodes_max, 20000);
	cr_assert_eq (config->log_level, LOG_LEVEL_INFO);
	collector_config_destroy (&config);
	cr_assert_null (config);
	collector_config_destroy (&config);
}

Test (collector_config, the_example_of_the_interface_is_read)
{
	collector_config_t *config = parsed ("# collector.yaml\n"
	                                     "cluster: demo\n"
	                                     "name: c1\n"
	                                     "state_dir: ./var/collector\n"
	                                     "stream_in: tcp://127.0.0.1:7701\n"
	                                     "stream_out: tcp://127.0.0.1:7702\n"
	                                     "control: tcp://127.0.0.1:7703\n"
	                                     "http: 127.0.0.1:7780\n"
	                                     "security:                      # one of the two forms\n"
	                                     "  keyring: FILE                # the cluster secret's epochs\n"
	                                     "  # insecure: true             # loopback only\n"
	                                     "alerts:\n"
	                                     "  rules: [rules.d/*.yaml]\n"
	                                     "expected_nodes: [n1, n2]\nnodes_max: 3\n");
	cr_assert_str_eq (config->http, "127.0.0.1:7780");
	cr_assert_str_eq (config->alerts.rules.items[0], "rules.d/*.yaml");
	cr_assert_str_eq (config->expected_nodes.items[1], "n2");
	cr_assert_eq (config->nodes_max, 3);
	collector_config_destroy (&config);
}

Test (collector_config, every_error_stands_on_its_line)
{
	collector_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse ("cluster: demo\nnam: c1\nstate_dirr: x\nstream_in: "
	                     "tcp://127.0.0.1:99999\nsecurity: {insecure: true}\n",
	                      &config, &errors),
	        -EINVAL);
	assert_says (&errors, "collector.yaml:2:", "'nam'", "'name'");
	assert_says (&errors, "collector.yaml:3:", "'state_dirr'", "'state_dir'");
	assert_says (&errors, "collector.yaml:4:", "99999", "1..65535");
	cr_assert_eq (errors.n, 3, "%s", said_all (&errors));
	conf_errors_clear (&errors);
}

Test (collector_config, a_name_leaves_room_for_its_prefix)
{
	refused ("cluster: a\nname: aaaaaaaaaaaaaaaaaaaaaaaaaaa\nstate_dir: x\n" KEYED,
	        "collector.yaml:2:", "at most 26", NULL);
	collector_config_t *config =
	        parsed ("cluster: a\nname: aaaaaaaaaaaaaaaaaaaaaaaaaa\nstate_dir: x\n" KEYED);
	collector_config_destroy (&config);
}

Test (collector_config, two_sockets_do_not_share_a_port)
{
	refused (GOOD "stream_in: tcp://127.0.0.1:7702\n", "collector.yaml:5: key 'stream_out'", "port 7702",
	        "'stream_in'");
	refused (GOOD "http: 127.0.0.1:7703\n", "collector.yaml:5: key 'http'", "port 7703", "'control'");
	refused (GOOD "control: tcp://*:7701\n", "key 'control'", "port 7701", NULL);
	collector_config_t *config = parsed (GOOD "stream_in: tcp://127.0.0.2:7702\n");
	collector_config_destroy (&config);
}

Test (collector_config, lists_hold_nothing_twice)
{
	refused (GOOD "expected_nodes: [n1, n2, n1]\n", "key 'expected_nodes[2]': 'n1'", "second time", NULL);
	refused (GOOD "alerts: {rules: [a.yaml, a.yaml]}\n", "key 'alerts.rules[1]'", "second time", NULL);
	refused (GOOD "expected_nodes: [n/1]\n", "key 'expected_nodes[0]'", "no name", NULL);
}

Test (collector_security, nothing_runs_unkeyed_unless_said)
{
	refused (HEAD, "nothing runs unkeyed: give security.keyring, or say insecure: true (loopback only)",
	        NULL, NULL);
	refused (HEAD "security: {}\n", "collector.yaml:4: key 'security'", "nothing runs unkeyed", NULL);
	refused (HEAD "security: {keyring: x, insecure: true}\n", "keep one", NULL, NULL);
}

Test (collector_security, off_loopback_needs_more)
{
	refused (HEAD "security: {insecure: true}\nstream_out: tcp://0.0.0.0:7702\n",
	        "collector.yaml:5: key 'stream_out'", "insecure", "loopback");
	refused (HEAD "security: {insecure: true}\nhttp: '*:7780'\n", "collector.yaml:5: key 'http'",
	        "insecure", "loopback");
	refused (GOOD "control: tcp://10.0.0.1:7703\n", "collector.yaml:5: key 'control'", "loopback",
	        "CURVE");
	collector_config_t *config = parsed (
	        HEAD "security: {insecure: true, insecure_bind: true}\nstream_out: tcp://0.0.0.0:7702\n");
	collector_config_destroy (&config);
	config = parsed (GOOD "http: 0.0.0.0:7780\n");
	collector_config_destroy (&config);
}

Test (collector_security, curve_and_clients_lead_off_loopback)
{
	collector_config_t *config =
	        parsed (HEAD "security: {keyring: x, curve: y, clients: z}\nstream_in: tcp://0.0.0.0:7701\n"
	                     "control: tcp://10.0.0.1:7703\n");
	cr_assert_str_eq (config->security.curve, "y");
	cr_assert_str_eq (config->security.clients, "z");
	collector_config_destroy (&config);
}

Test (collector_security, half_of_curve_is_refused)
{
	refused (HEAD "security: {keyring: x, curve: y}\n", "key 'security.curve': needs security.clients",
	        NULL, NULL);
	refused (HEAD "security: {keyring: x, clients: y}\n",
	        "key 'security.clients': means nothing without security.curve", NULL, NULL);
	refused (HEAD "security: {keyring: x, server_key: y}\n", "key 'security.server_key': unknown", NULL,
	        NULL);
	refused (HEAD "security: {curve: x, clients: y}\n", "nothing runs unkeyed", NULL, NULL);
	refused (HEAD "security: {insecure: true, curve: x, clients: y}\n",
	        "key 'security.curve': stands beside insecure: true", NULL, NULL);
}

static void see (void *arg, const conf_difference_t *difference)
{
	char *text = arg;
	snprintf (text + strlen (text), 200, "%s%s ", difference->key, difference->reloadable ? "+" : "-");
}

Test (collector_config, a_reload_knows_what_needs_a_restart)
{
	collector_config_t *old = parsed (GOOD);
	collector_config_t *new =
	        parsed ("cluster: demo\nname: c2\nstate_dir: ./var/collector\nsecurity: {keyring: other}\n"
	                "alerts: {rules: [x]}\nlog_level: error\ncontrol: tcp://127.0.0.1:7709\n");
	char seen[512] = "";
	conf_diff (collector_config_table (), old, new, see, seen);
	cr_assert_str_eq (seen, "name- control- security.keyring+ alerts.rules+ log_level+ ");
	collector_config_destroy (&old);
	collector_config_destroy (&new);
}

Test (collector_config, a_missing_file_is_said)
{
	collector_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (collector_config_load ("no-such.yaml", &config, &errors), -ENOENT);
	assert_says (&errors, "no-such.yaml: cannot be read", NULL, NULL);
	conf_errors_clear (&errors);
}
