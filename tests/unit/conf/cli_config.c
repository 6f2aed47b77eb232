#include "conf/cli_config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/conf/said.h"

static void clear_environment (void)
{
	unsetenv ("BELFRY_STREAM");
	unsetenv ("BELFRY_CONTROL");
	unsetenv ("BELFRY_KEYRING");
	unsetenv ("BELFRY_SOCKET");
	unsetenv ("BELFRY_CURVE");
	unsetenv ("BELFRY_SERVER_KEY");
}
TestSuite (cli_config, .init = clear_environment);

static void file_write (char *name, const char *text)
{
	int fd = mkstemp (name);
	cr_assert_eq (write (fd, text, strlen (text)), (ssize_t) strlen (text));
	close (fd);
}

Test (cli_config, without_anything_it_is_loopback)
{
	cli_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (cli_config_load (NULL, &config, &errors), 0);
	assert_quiet (&errors);
	cr_assert_str_eq (config->stream, "tcp://127.0.0.1:7702");
	cr_assert_str_eq (config->control, "tcp://127.0.0.1:7703");
	cr_assert_str_eq (config->socket, "/run/belfry/agent.sock");
	cr_assert_null (config->keyring);
	cli_config_destroy (&config);
	cr_assert_null (config);
	cli_config_destroy (&config);
}

Test (cli_config, the_environment_is_above_the_defaults_and_the_file_above_it)
{
	char name[] = "/tmp/belfry-cli-XXXXXX";
	cli_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	file_write (name, "stream: tcp://10.0.0.1:1\n");
	setenv ("BELFRY_STREAM", "tcp://10.0.0.2:2", 1);
	setenv ("BELFRY_CONTROL", "tcp://10.0.0.2:3", 1);
	setenv ("BELFRY_KEYRING", "/etc/belfry/keyring", 1);
	setenv ("BELFRY_SOCKET", "/x.sock", 1);
	cr_assert_eq (cli_config_load (name, &config, &errors), 0);
	assert_quiet (&errors);
	cr_assert_str_eq (config->stream, "tcp://10.0.0.1:1");
	cr_assert_str_eq (config->control, "tcp://10.0.0.2:3");
	cr_assert_str_eq (config->keyring, "/etc/belfry/keyring");
	cr_assert_str_eq (config->socket, "/x.sock");
	cr_assert_eq (cli_config_set (config, "stream", "tcp://h:9", "--stream", &errors), 0,
	        "a flag is above all");
	cr_assert_str_eq (config->stream, "tcp://h:9");
	cli_config_destroy (&config);
	unlink (name);
}

Test (cli_config, an_empty_variable_counts_as_unset)
{
	cli_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	setenv ("BELFRY_STREAM", "", 1);
	cr_assert_eq (cli_config_load (NULL, &config, &errors), 0);
	cr_assert_str_eq (config->stream, "tcp://127.0.0.1:7702");
	cli_config_destroy (&config);
}

Test (cli_config, wrong_variables_are_named_all)
{
	cli_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	setenv ("BELFRY_STREAM", "nonsense", 1);
	setenv ("BELFRY_CONTROL", "tcp://h:0", 1);
	setenv ("BELFRY_SERVER_KEY", "x", 1);
	cr_assert_eq (cli_config_load (NULL, &config, &errors), -EINVAL);
	cr_assert_null (config);
	assert_says (&errors, "BELFRY_STREAM: 'nonsense' is no endpoint", "tcp://HOST:PORT", NULL);
	assert_says (&errors, "BELFRY_CONTROL: ", "1..65535", NULL);
	assert_says (&errors, "BELFRY_SERVER_KEY: is no Z85 key of 40", NULL, NULL);
	conf_errors_clear (&errors);
}

Test (cli_config, a_wrong_flag_changes_nothing)
{
	cli_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (cli_config_load (NULL, &config, &errors), 0);
	cr_assert_eq (cli_config_set (config, "control", "x", "--control", &errors), -EINVAL);
	assert_says (&errors, "--control: 'x' is no endpoint", NULL, NULL);
	cr_assert_str_eq (config->control, "tcp://127.0.0.1:7703");
	cr_assert_eq (cli_config_set (config, "server_key", "x", "--server-key", &errors), -EINVAL);
	cli_config_destroy (&config);
	conf_errors_clear (&errors);
}

Test (cli_config, a_wrong_file_is_named_with_its_lines)
{
	cli_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	static const char text[] = "streem: x\ncontrol: 5\nserver_key: x\n";
	cr_assert_eq (cli_config_parse (text, sizeof text - 1, "belfry.yaml", &config, &errors), -EINVAL);
	assert_says (&errors, "belfry.yaml:1: key 'streem'", "'stream'", NULL);
	assert_says (&errors, "belfry.yaml:2: key 'control'", NULL, NULL);
	assert_says (&errors, "belfry.yaml:3: key 'server_key': is no Z85 key", NULL, NULL);
	conf_errors_clear (&errors);
	cr_assert_eq (cli_config_load ("no-such.yaml", &config, &errors), -ENOENT);
	assert_says (&errors, "no-such.yaml: cannot be read", NULL, NULL);
	conf_errors_clear (&errors);
}

Test (cli_config, a_flawed_file_is_refused)
{
	char name[] = "/tmp/belfry-cli-XXXXXX";
	cli_config_t *config = NULL;
	conf_errors_t errors = { 0 };
	file_write (name, "stream: tcp://10.0.0.1:1\nstream: tcp://10.0.0.1:1\n");
	cr_assert_eq (cli_config_load (name, &config, &errors), -EINVAL);
	assert_says (&errors, ":2: key 'stream'", "second time", NULL);
	conf_errors_clear (&errors);
	unlink (name);
}
