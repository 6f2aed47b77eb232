#include "conf/rule.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/template.h"
#include "tests/unit/conf/said.h"

static int parse (const char *text, rule_set_t **ret, conf_errors_t *errors)
{
	return rule_set_parse (text, strlen (text), "r.yaml", ret, errors);
}

static rule_set_t *parsed (const char *text)
{
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	int r = parse (text, &set, &errors);
	assert_quiet (&errors);
	cr_assert_eq (r, 0);
	return set;
}

static void refused (const char *text, const char *a, const char *b, const char *c)
{
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (parse (text, &set, &errors), -EINVAL, "%s", text);
	cr_assert_null (set);
	assert_says (&errors, a, b, c);
	conf_errors_clear (&errors);
}

/* The condition alone. */
static void when_refused (const char *when, const char *a, const char *b)
{
	char text[1024];
	snprintf (text, sizeof text, "rules: [{name: A, when: %s}]\n", when);
	refused (text, "r.yaml:1: key 'rules[0].when", a, b);
}

Test (rule, the_shipped_rules_are_sound)
{
	static const char *const names[] = { "Watchdog", "NodeDown", "ComponentUnhealthy", "DiskAlmostFull",
		"MemoryPressure", "FsyncSlow", "StoreStuck" };
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (rule_set_parse (NULL, 0, NULL, &set, &errors), 0);
	assert_quiet (&errors);
	cr_assert_eq (set->n, sizeof names / sizeof names[0]);
	for (size_t i = 0; i < set->n; i++) {
		const rule_t *rule = rule_set_find (set, names[i]);
		cr_assert_not_null (rule, "%s", names[i]);
		cr_assert_str_eq (rule->file, "shipped");
		cr_assert_eq (template_check (rule->summary, NULL), 0);
	}
	cr_assert_null (rule_set_find (set, "Nope"));
	const rule_t *watchdog = rule_set_find (set, "Watchdog"), *down = rule_set_find (set, "NodeDown");
	const rule_t *disk = rule_set_find (set, "DiskAlmostFull"),
	             *bad = rule_set_find (set, "ComponentUnhealthy");
	cr_assert_eq (watchdog->kind, RULE_ALWAYS);
	cr_assert_eq (watchdog->severity, 2);
	cr_assert_eq (down->kind, RULE_NODE_DOWN);
	cr_assert_eq (down->down, RULE_DOWN_ANY);
	cr_assert_eq (down->severity, 5);
	cr_assert_eq (disk->kind, RULE_METRIC);
	cr_assert_eq (disk->direction, RULE_ABOVE);
	cr_assert_float_eq (disk->threshold, 0.95, 1e-12);
	cr_assert_float_eq (disk->clear, 0.93, 1e-12);
	cr_assert_eq (disk->for_ns, INT64_C (300000000000));
	cr_assert_eq (bad->kind, RULE_STATUS);
	cr_assert_eq (bad->subject, RULE_OF_COMPONENT);
	cr_assert_eq (bad->status, RULE_STATUS_UNHEALTHY);
	rule_set_destroy (&set);
	cr_assert_null (set);
	rule_set_destroy (&set);
}

Test (rule, every_form_that_the_engine_has_is_read)
{
	rule_set_t *set =
	        parsed ("rules:\n"
	                "  - name: Full\n"
	                "    when: {metric: 'job:used', below: 5, clear: 7, match: {fstype: 'ext4|xfs', "
	                "node: 'n[0-9]+'}}\n"
	                "    for: 15m\n"
	                "    keep_firing_for: 5m\n"
	                "    severity: critical\n"
	                "    labels: {team: storage}\n"
	                "    summary: \"{{node}} {{label.mountpoint}} full in {{value|duration}}\"\n"
	                "    description: what to do\n"
	                "    runbook_url: https://runbooks.example/full\n"
	                "  - {name: Host, when: {node: down, kind: host, match: {node: 'db.*'}}}\n"
	                "  - {name: Sick, when: {status: node, is: degraded}}\n"
	                "  - {name: Plain, when: {metric: m, above: -1.5}}\n");
	cr_assert_eq (set->n, 7 + 4);
	const rule_t *full = rule_set_find (set, "Full"), *host = rule_set_find (set, "Host");
	const rule_t *sick = rule_set_find (set, "Sick"), *plain = rule_set_find (set, "Plain");
	cr_assert_str_eq (full->file, "r.yaml");
	cr_assert_eq (full->line, 2);
	cr_assert_str_eq (full->metric, "job:used");
	cr_assert_eq (full->direction, RULE_BELOW);
	cr_assert_float_eq (full->threshold, 5, 1e-12);
	cr_assert_float_eq (full->clear, 7, 1e-12);
	cr_assert_eq (full->for_ns, INT64_C (900000000000));
	cr_assert_eq (full->keep_firing_ns, INT64_C (300000000000));
	cr_assert_eq (full->severity, 5);
	cr_assert_str_eq (full->labels.items[0].value, "storage");
	cr_assert_str_eq (full->description, "what to do");
	cr_assert_str_eq (full->runbook_url, "https://runbooks.example/full");
	cr_assert_eq (full->n_matchers, 2);
	cr_assert_eq (host->down, RULE_DOWN_HOST);
	cr_assert_eq (host->n_matchers, 1);
	cr_assert_eq (sick->subject, RULE_OF_NODE);
	cr_assert_eq (sick->status, RULE_STATUS_DEGRADED);
	cr_assert_float_eq (plain->clear, -1.5, 1e-12, "no hysteresis: back at the threshold");
	cr_assert_eq (plain->severity, 3);
	cr_assert_str_eq (plain->summary, "{{name}} on {{node}}");
	rule_set_destroy (&set);
}

Test (rule, matchers_hold_for_the_whole_value)
{
	rule_set_t *set =
	        parsed ("rules: [{name: A, when: {metric: m, above: 1, match: {a: 'ext4|xfs', b: 'x*'}}}]\n");
	const rule_matcher_t *a = &rule_set_find (set, "A")->matchers[0], *b = a + 1;
	cr_assert_str_eq (a->key, "a");
	cr_assert_str_eq (a->pattern, "ext4|xfs");
	cr_assert (rule_matcher_holds (a, "ext4"));
	cr_assert (rule_matcher_holds (a, "xfs"));
	cr_assert_not (rule_matcher_holds (a, "ext4x"));
	cr_assert_not (rule_matcher_holds (a, "xxfs"));
	cr_assert_not (rule_matcher_holds (a, NULL));
	cr_assert (rule_matcher_holds (b, NULL), "an absent label is an empty one");
	rule_set_destroy (&set);
}

Test (rule, the_same_name_overrides_a_shipped_rule)
{
	rule_set_t *set =
	        parsed ("rules: [{name: NodeDown, when: {node: down, kind: host}, severity: error}]\n");
	cr_assert_eq (set->n, 7);
	const rule_t *rule = rule_set_find (set, "NodeDown");
	cr_assert_eq (rule->severity, 4);
	cr_assert_eq (rule->down, RULE_DOWN_HOST);
	cr_assert_str_eq (rule->file, "r.yaml");
	rule_set_destroy (&set);
}

Test (rule, enabled_false_removes)
{
	rule_set_t *set = parsed (
	        "rules: [{name: NodeDown, enabled: false}, {name: X, enabled: false, when: {node: down}}]\n");
	cr_assert_eq (set->n, 6);
	cr_assert_null (rule_set_find (set, "NodeDown"));
	cr_assert_null (rule_set_find (set, "X"));
	cr_assert_not_null (rule_set_find (set, "StoreStuck"));
	rule_set_destroy (&set);
	refused ("rules: [{name: NodeDwn, enabled: false}]\n", "r.yaml:1: there is no rule 'NodeDwn'",
	        "'NodeDown'", NULL);
}

Test (rule, a_file_without_rules_leaves_the_shipped_ones)
{
	for (const char *const *text = (const char *const[]){ "", "# nothing\n", "rules: []\n", NULL }; *text;
	        text++) {
		rule_set_t *set = parsed (*text);
		cr_assert_eq (set->n, 7);
		rule_set_destroy (&set);
	}
}

Test (rule, what_is_missing_is_said)
{
	refused ("rules: [{name: Broken}]\n", "r.yaml:1: key 'rules[0].when': missing", NULL, NULL);
	refused ("rules:\n - {when: {node: down}}\n", "r.yaml:2: key 'rules[0].name': missing", NULL, NULL);
	refused ("rules: [{name: A, when: {}}]\n", "key 'rules[0].when': says no condition", NULL, NULL);
	refused ("rules: [{name: A, when: ~}]\n", "key 'rules[0].when': says no condition", NULL, NULL);
	refused ("rule: []\n", "r.yaml:1: key 'rule': unknown", "'rules'", NULL);
	refused ("rules: [{name: A, when: {node: down}, sevrity: error}]\n", "key 'rules[0].sevrity'",
	        "'severity'", NULL);
}

Test (rule, two_rules_of_one_name_are_refused)
{
	refused ("rules:\n - {name: A, when: {node: down}}\n - {name: A, when: {node: down}}\n",
	        "r.yaml:3: key 'rules[1].name'", "line 2", NULL);
}

Test (rule, forms_of_later_releases_are_refused_not_ignored)
{
	static const char wanted[] = "not supported by this release yet";
	when_refused ("{metric: m, predict: {reaches: 0, within: 4h}}", "when.predict", wanted);
	when_refused ("{metric: m, rate_per_second: 5}", "when.rate_per_second", wanted);
	when_refused ("{metric: m, above: 1, rate_per_second: true}", "when.rate_per_second", wanted);
	when_refused (
	        "{event: security/AuthEvent, match: {type: x}, count: 5, within: 1m}", "when.event", wanted);
	when_refused ("{event: security/AuthEvent, count: 5}", "when.count", wanted);
	when_refused ("{absent: m, for: 5m}", "when.absent", wanted);
	when_refused ("{quorum: group, below: 3}", "when.quorum", wanted);
}

Test (rule, a_condition_is_one_and_whole)
{
	when_refused ("{metric: m}", "'rules[0].when.metric'", "above or below");
	when_refused ("{metric: m, above: 1, below: 2}", "'rules[0].when.metric'", "not both");
	when_refused ("{metric: m, above: 1, clear: 2}", "'rules[0].when.clear'", "above the threshold");
	when_refused ("{metric: m, below: 1, clear: 0}", "'rules[0].when.clear'", "below the threshold");
	when_refused ("{metric: m, above: 1, node: down}", "'rules[0].when.node'", "one condition");
	when_refused ("{metric: 'a-b', above: 1}", "'rules[0].when.metric'", "no series' name");
	when_refused ("{metric: '1a', above: 1}", "'rules[0].when.metric'", "no series' name");
	when_refused ("{node: up}", "'rules[0].when.node'", "down");
	when_refused ("{node: down, kind: hst}", "'rules[0].when.kind'", "'host'");
	when_refused ("{status: component}", "'rules[0].when.status'", "needs 'is'");
	when_refused ("{status: component, is: healthy}", "'rules[0].when.is'", "degraded, unhealthy");
	when_refused ("{node: down, above: 1}", "'rules[0].when.above'", "without 'metric'");
	when_refused ("{metric: m, above: 1, is: degraded}", "'rules[0].when.is'", "without 'status'");
	when_refused ("{always: false}", "'rules[0].when.always'", "enabled: false");
}

Test (rule, matchers_are_checked)
{
	when_refused ("{metric: m, above: 1, match: {a: 'x('}}", "'rules[0].when.match'",
	        "no POSIX extended regular expression");
	when_refused (
	        "{metric: m, above: 1, match: {a: 'x)|(y'}}", "'rules[0].when.match'", "a ) without its (");
	when_refused ("{metric: m, above: 1, match: {a: '(x)\\1'}}", "'rules[0].when.match'", "refers back");
	when_refused ("{metric: m, above: 1, match: {a: '(x{100}){11}'}}", "'rules[0].when.match'",
	        "repeats more than 1000");
	when_refused ("{metric: m, above: 1, match: {a: 'x{1,5000}'}}", "'rules[0].when.match'",
	        "repeats more than 1000");
	when_refused ("{metric: m, above: 1, match: {a-b: x}}", "'rules[0].when.match'", "no label");
	when_refused ("{node: down, match: {mountpoint: x}}", "'rules[0].when.match'", "only 'node'");
	when_refused ("{status: node, is: degraded, match: {mountpoint: x}}", "'rules[0].when.match'",
	        "'component'");
	when_refused ("{always: true, match: {node: x}}", "'rules[0].when.match'", "no labels");
	when_refused ("{metric: m, above: 1, match: {a: x, b: x, c: x, d: x, e: x, f: x, g: x, h: x, i: x}}",
	        "'rules[0].when.match'", "9 entries");
	char text[600] = "{metric: m, above: 1, match: {a: ";
	memset (text + strlen (text), 'x', RULE_PATTERN_MAX + 1);
	strcat (text, "}}");
	when_refused (text, "'rules[0].when.match'", "257 bytes");
	rule_set_t *set = parsed ("rules: [{name: A, when: {metric: m, above: 1, match: {a: "
	                          "'[)]\\)[[:alpha:])]', b: '(x{10}){10}'}}}]\n");
	cr_assert (rule_matcher_holds (rule_set_find (set, "A")->matchers, "))x"));
	rule_set_destroy (&set);
}

Test (rule, what_people_read_is_checked)
{
	refused ("rules: [{name: A, when: {node: down}, summary: '{{nod}}'}]\n", "key 'rules[0].summary'",
	        "{{node}}", NULL);
	refused ("rules: [{name: A, when: {node: down}, runbook_url: 'javascript:x'}]\n",
	        "key 'rules[0].runbook_url'", "https://", NULL);
	refused ("rules: [{name: A, when: {node: down}, labels: {a-b: c}}]\n", "key 'rules[0].labels'",
	        "no label", NULL);
	refused ("rules: [{name: A, when: {node: down}, severity: urgent}]\n", "key 'rules[0].severity'",
	        "critical", NULL);
	refused ("rules: [{name: A b, when: {node: down}}]\n", "key 'rules[0].name'", "no name", NULL);
	refused ("rules: [{name: A, when: {node: down}, for: 31d}]\n", "key 'rules[0].for'", "0s..30d", NULL);
}

Test (rule, a_bound_on_rules_is_kept)
{
	char *text = malloc (200000);
	size_t at = (size_t) sprintf (text, "rules:\n");
	for (int i = 0; i < RULES_MAX; i++)
		at += (size_t) sprintf (text + at, " - {name: R%d, when: {node: down}}\n", i);
	refused (text, "more than 1024 rules", NULL, NULL);
	free (text);
}

/* --- files ---------------------------------------------------------------------------------- */

static char directory[] = "/tmp/belfry-rules-XXXXXX";

static void make (const char *name, const char *text)
{
	char path[200];
	snprintf (path, sizeof path, "%s/%s", directory, name);
	FILE *file = fopen (path, "w");
	cr_assert_not_null (file);
	fputs (text, file);
	fclose (file);
}

static void make_directory (void)
{
	cr_assert_not_null (mkdtemp (directory));
}

static void remove_directory (void)
{
	char command[200];
	snprintf (command, sizeof command, "rm -r %s", directory);
	cr_assert_eq (system (command), 0);
}

TestSuite (rule_files, .init = make_directory, .fini = remove_directory);

static int load (const char *a, const char *b, rule_set_t **ret, conf_errors_t *errors)
{
	char first[200], second[200], *items[] = { first, second };
	snprintf (first, sizeof first, "%s/%s", directory, a);
	snprintf (second, sizeof second, "%s/%s", directory, b ? b : "");
	conf_strings_t files = { items, b ? 2 : 1 };
	return rule_set_load (&files, ret, errors);
}

Test (rule_files, no_files_are_the_shipped_rules)
{
	conf_strings_t none = { 0 };
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (rule_set_load (&none, &set, &errors), 0);
	cr_assert_eq (set->n, 7);
	rule_set_destroy (&set);
}

Test (rule_files, a_pattern_takes_its_files_once)
{
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	make ("a.yaml", "rules: [{name: A, when: {node: down}}]\n");
	make ("b.yaml", "rules: [{name: B, when: {node: down}}]\n");
	make ("c.txt", "rules: [{name: C, when: {node: down}}]\n");
	cr_assert_eq (load ("*.yaml", "a.yaml", &set, &errors), 0, "%s", said_all (&errors));
	cr_assert_eq (set->n, 9);
	cr_assert_null (rule_set_find (set, "C"));
	rule_set_destroy (&set);
}

Test (rule_files, a_pattern_without_a_match_is_none)
{
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (load ("*.yaml", "absent.d/*.yaml", &set, &errors), 0, "%s", said_all (&errors));
	cr_assert_eq (set->n, 7);
	rule_set_destroy (&set);
}

Test (rule_files, a_plain_name_must_exist)
{
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	cr_assert_eq (load ("absent.yaml", NULL, &set, &errors), -EINVAL);
	assert_says (&errors, "absent.yaml: cannot be read: No such file", NULL, NULL);
	conf_errors_clear (&errors);
}

Test (rule_files, the_errors_of_all_files_are_said_at_once)
{
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	make ("a.yaml", "rules: [{name: A}]\n");
	make ("b.yaml", "rules: [\n");
	cr_assert_eq (load ("a.yaml", "b.yaml", &set, &errors), -EINVAL);
	cr_assert_null (set);
	assert_says (&errors, "a.yaml:1: key 'rules[0].when': missing", NULL, NULL);
	assert_says (&errors, "b.yaml:2: no YAML", NULL, NULL);
	conf_errors_clear (&errors);
}

Test (rule_files, two_files_do_not_define_one_name)
{
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	make ("a.yaml", "rules: [{name: NodeDown, when: {node: down}}]\n");
	make ("b.yaml", "rules: [{name: NodeDown, enabled: false}]\n");
	cr_assert_eq (load ("a.yaml", "b.yaml", &set, &errors), -EINVAL);
	assert_says (&errors, "b.yaml:1: rule 'NodeDown' stands in", "a.yaml:1 too", NULL);
	conf_errors_clear (&errors);
}

Test (rule_files, one_file_may_have_any_name)
{
	rule_set_t *set = NULL;
	conf_errors_t errors = { 0 };
	char path[200];
	make ("[a]*.yaml", "rules: [{name: A, when: {node: down}}]\n");
	snprintf (path, sizeof path, "%s/[a]*.yaml", directory);
	cr_assert_eq (rule_set_load_file (path, &set, &errors), 0);
	cr_assert_eq (set->n, 8);
	rule_set_destroy (&set);
}
