/* The kind is guessed from the keys of the first level: the table that knows most of them. Mistyped
 * keys do not count, so the guess survives the very errors that the check is for. */

#include "conf/check.h"

#include <errno.h>
#include <string.h>

#include "conf/agent_config.h"
#include "conf/cli_config.h"
#include "conf/collector_config.h"
#include "conf/rule.h"

const char *conf_file_name (conf_file_t kind)
{
	switch (kind) {
	case CONF_FILE_AGENT:
		return "agent configuration";
	case CONF_FILE_COLLECTOR:
		return "collector configuration";
	case CONF_FILE_OPERATOR:
		return "operator's configuration";
	case CONF_FILE_RULES:
		break;
	}
	return "alert rules";
}

static const conf_table_t *table_of (conf_file_t kind)
{
	switch (kind) {
	case CONF_FILE_AGENT:
		return agent_config_table ();
	case CONF_FILE_COLLECTOR:
		return collector_config_table ();
	case CONF_FILE_OPERATOR:
		return cli_config_table ();
	case CONF_FILE_RULES:
		break;
	}
	return rule_file_table ();
}

static size_t keys_known (const conf_table_t *table, const conf_node_t *root)
{
	size_t known = 0;
	for (size_t i = 0; i < table->n; i++)
		known += conf_node_find (root, table->options[i].key) != NULL;
	return known;
}

/* 0 when no key is known to any. Where two know as many, the one with fewer keys of its own. */
static int kind_guess (const conf_node_t *root)
{
	int best = 0;
	size_t best_known = 0, best_n = 0;
	for (int kind = CONF_FILE_AGENT; kind <= CONF_FILE_RULES; kind++) {
		const conf_table_t *table = table_of ((conf_file_t) kind);
		size_t known = keys_known (table, root);
		if (known > best_known || (known == best_known && known > 0 && table->n < best_n)) {
			best = kind;
			best_known = known;
			best_n = table->n;
		}
	}
	return best;
}

static int collector_check_file (const char *file, conf_errors_t *errors)
{
	collector_config_t *config = NULL;
	rule_set_t *rules = NULL;
	int r = collector_config_load (file, &config, errors);
	if (r == 0)
		r = rule_set_load (&config->alerts.rules, &rules, errors);
	rule_set_destroy (&rules);
	collector_config_destroy (&config);
	return r;
}

static int agent_check_file (const char *file, conf_errors_t *errors)
{
	agent_config_t *config = NULL;
	int r = agent_config_load (file, &config, errors);
	agent_config_destroy (&config);
	return r;
}

static int operator_check_file (const char *file, conf_errors_t *errors)
{
	void *config = NULL;
	int r = conf_object_load (cli_config_table (), file, &config, errors);
	conf_object_destroy (cli_config_table (), &config);
	return r;
}

/* Past glob(7): the name is one file's, whatever it holds. */
static int rules_check_file (const char *file, conf_errors_t *errors)
{
	rule_set_t *rules = NULL;
	int r = rule_set_load_file (file, &rules, errors);
	rule_set_destroy (&rules);
	return r;
}

int conf_check_file (const char *file, conf_file_t *ret, conf_errors_t *errors)
{
	conf_tree_t *tree;
	/* The loader reads the file again, and says again what the tree's reading said. */
	conf_errors_t first = { 0 };
	int r = conf_tree_load (file, &tree, &first);
	if (r < 0) {
		for (size_t i = 0; i < first.n; i++)
			conf_errors_add (
			        errors, first.items[i].file, first.items[i].line, "%s", first.items[i].text);
		conf_errors_clear (&first);
		return r;
	}
	conf_errors_clear (&first);
	int kind = kind_guess (conf_tree_root (tree));
	bool tests = conf_node_find (conf_tree_root (tree), "tests") != NULL;
	conf_tree_destroy (&tree);
	if (kind == 0) {
		conf_errors_add (errors, file, 0, "%s",
		        tests ? "rule tests are not supported by this release yet"
		              : "is no configuration of an agent, a collector or an operator and no file of "
		                "alert "
		                "rules: none of its keys is known");
		return -EINVAL;
	}
	*ret = (conf_file_t) kind;
	switch (*ret) {
	case CONF_FILE_AGENT:
		return agent_check_file (file, errors);
	case CONF_FILE_COLLECTOR:
		return collector_check_file (file, errors);
	case CONF_FILE_OPERATOR:
		return operator_check_file (file, errors);
	case CONF_FILE_RULES:
		break;
	}
	return rules_check_file (file, errors);
}
