#include "conf/check.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/conf/said.h"

static char name[64];

static int check (const char *text, conf_file_t *ret, conf_errors_t *errors)
{
	strcpy (name, "/tmp/belfry-check-XXXXXX");
	int fd = mkstemp (name);
	cr_assert_eq (write (fd, text, strlen (text)), (ssize_t) strlen (text));
	close (fd);
	int r = conf_check_file (name, ret, errors);
	unlink (name);
	return r;
}

static void is (const char *text, conf_file_t wanted)
{
	conf_file_t kind = 0;
	conf_errors_t errors = { 0 };
	int r = check (text, &kind, &errors);
	assert_quiet (&errors);
	cr_assert_eq (r, 0);
	cr_assert_eq (kind, wanted);
}

Test (check, each_kind_is_told_by_its_keys)
{
	is ("cluster: a\nnode: n1\nstate_dir: x\ncollectors: [{stream: 'tcp://localhost:1', control: "
	    "'tcp://localhost:2'}]\n"
	    "security: {insecure: true}\n",
	        CONF_FILE_AGENT);
	is ("cluster: a\nname: c1\nstate_dir: x\nsecurity: {insecure: true}\n", CONF_FILE_COLLECTOR);
	is ("stream: tcp://h:1\ncontrol: tcp://h:2\n", CONF_FILE_OPERATOR);
	is ("control: tcp://h:2\n", CONF_FILE_OPERATOR);
	is ("rules: []\n", CONF_FILE_RULES);
}

Test (check, a_kind_is_told_in_spite_of_its_errors)
{
	conf_file_t kind = 0;
	conf_errors_t errors = { 0 };
	cr_assert_eq (check ("clustr: a\nnode: n1\ncollector: []\nheartbeat: x\n", &kind, &errors), -EINVAL);
	cr_assert_eq (kind, CONF_FILE_AGENT);
	assert_says (&errors, ":1: key 'clustr'", "'cluster'", NULL);
	assert_says (&errors, ":3: key 'collector'", "'collectors'", NULL);
	conf_errors_clear (&errors);
	cr_assert_eq (check ("rules: [{name: Broken}]\nrules: []\n", &kind, &errors), -EINVAL);
	cr_assert_eq (kind, CONF_FILE_RULES);
	cr_assert_eq (errors.n, 2, "nothing is said twice: %s", said_all (&errors));
	conf_errors_clear (&errors);
}

Test (check, a_collectors_rules_are_checked_with_it)
{
	conf_file_t kind = 0;
	conf_errors_t errors = { 0 };
	cr_assert_eq (check ("cluster: a\nname: c1\nstate_dir: x\nsecurity: {insecure: true}\nalerts: "
	                     "{rules: [/no/such.yaml]}\n",
	                      &kind, &errors),
	        -EINVAL);
	assert_says (&errors, "/no/such.yaml: cannot be read", NULL, NULL);
	conf_errors_clear (&errors);
}

Test (check, what_is_no_configuration_is_said)
{
	static const char *const texts[] = { "", "hello\n", "- a\n", "foo: bar\n" };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		conf_file_t kind = 0;
		conf_errors_t errors = { 0 };
		cr_assert_eq (check (texts[i], &kind, &errors), -EINVAL);
		cr_assert_eq (kind, 0);
		assert_says (&errors, "none of its keys is known", NULL, NULL);
		conf_errors_clear (&errors);
	}
	conf_file_t kind = 0;
	conf_errors_t errors = { 0 };
	cr_assert_eq (check ("tests: []\n", &kind, &errors), -EINVAL);
	assert_says (&errors, "not supported by this release yet", NULL, NULL);
	conf_errors_clear (&errors);
}

Test (check, a_file_that_cannot_be_read_is_said_once)
{
	conf_file_t kind = 0;
	conf_errors_t errors = { 0 };
	cr_assert_eq (conf_check_file ("no-such.yaml", &kind, &errors), -ENOENT);
	assert_says (&errors, "no-such.yaml: cannot be read", NULL, NULL);
	cr_assert_eq (errors.n, 1);
	conf_errors_clear (&errors);
	cr_assert_eq (check ("a: [\n", &kind, &errors), -EINVAL);
	cr_assert_eq (errors.n, 1, "%s", said_all (&errors));
	conf_errors_clear (&errors);
}

Test (check, kinds_have_names)
{
	cr_assert_str_eq (conf_file_name (CONF_FILE_AGENT), "agent configuration");
	cr_assert_str_eq (conf_file_name (CONF_FILE_COLLECTOR), "collector configuration");
	cr_assert_str_eq (conf_file_name (CONF_FILE_OPERATOR), "operator's configuration");
	cr_assert_str_eq (conf_file_name (CONF_FILE_RULES), "alert rules");
}
