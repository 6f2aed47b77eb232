/* fuzz_conf.c - any bytes as each of the four kinds of configuration: clear errors or a whole config. */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "conf/agent_config.h"
#include "conf/cli_config.h"
#include "conf/collector_config.h"
#include "conf/rule.h"
#include "conf/template.h"

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size);

/* A refusal says why, and what was refused says nothing else. */
static void expect (int r, const void *made, conf_errors_t *errors)
{
	if ((r == 0) != (made != NULL) || (r == 0) == conf_errors_any (errors))
		abort ();
	char line[64];
	for (size_t i = 0; i < errors->n; i++)
		conf_errors_line (errors, i, line, sizeof line);
	conf_errors_clear (errors);
}

static void rules_use (const rule_set_t *set)
{
	static const template_values_t values = { .node = "n1", .value = 0.5, .threshold = 1 };
	char summary[64];
	for (size_t i = 0; i < set->n; i++) {
		const rule_t *rule = &set->rules[i];
		template_render (rule->summary, &values, summary, sizeof summary);
		for (size_t j = 0; j < rule->n_matchers; j++)
			(void) rule_matcher_holds (&rule->matchers[j], "/dev/sda1");
	}
}

static void on_difference (void *arg, const conf_difference_t *difference)
{
	(void) arg;
	(void) difference;
	abort (); /* the same text makes the same configuration */
}

int LLVMFuzzerTestOneInput (const uint8_t *data, size_t size)
{
	const char *text = (const char *) data;
	conf_errors_t errors = { 0 };
	agent_config_t *agent = NULL, *again = NULL;
	collector_config_t *collector = NULL;
	cli_config_t *cli = NULL;
	rule_set_t *rules = NULL;

	int r = agent_config_parse (text, size, "agent.yaml", &agent, &errors);
	expect (r, agent, &errors);
	if (agent) {
		r = agent_config_parse (text, size, "agent.yaml", &again, &errors);
		expect (r, again, &errors);
		conf_diff (agent_config_table (), agent, again, on_difference, NULL);
	}
	r = collector_config_parse (text, size, "collector.yaml", &collector, &errors);
	expect (r, collector, &errors);
	r = cli_config_parse (text, size, "belfry.yaml", &cli, &errors);
	expect (r, cli, &errors);
	r = rule_set_parse (text, size, "rules.yaml", &rules, &errors);
	expect (r, rules, &errors);
	if (rules)
		rules_use (rules);

	agent_config_destroy (&agent);
	agent_config_destroy (&again);
	collector_config_destroy (&collector);
	cli_config_destroy (&cli);
	rule_set_destroy (&rules);
	return 0;
}
