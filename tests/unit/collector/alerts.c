/* The engine over a view: each kind of rule, what binds them to figures, reloads, bounds, the list. */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/alert/alerts.h"

#define PENDING BELFRY__V1__ALERT_STATE__ALERT_STATE_PENDING
#define FIRING BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING
#define RESOLVED BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED
#define UNKNOWN BELFRY__V1__ALERT_STATE__ALERT_STATE_UNKNOWN
#define ALIVE BELFRY__V1__NODE_STATE__NODE_STATE_ALIVE
#define DOWN BELFRY__V1__NODE_STATE__NODE_STATE_DOWN
#define LEFT BELFRY__V1__NODE_STATE__NODE_STATE_LEFT
#define NO_KIND BELFRY__V1__NODE_KIND__NODE_KIND_UNSPECIFIED
#define HOST BELFRY__V1__NODE_KIND__NODE_KIND_HOST
#define AGENT BELFRY__V1__NODE_KIND__NODE_KIND_AGENT
#define UNHEALTHY BELFRY__V1__STATUS__STATUS_UNHEALTHY
#define DEGRADED BELFRY__V1__STATUS__STATUS_DEGRADED
#define HEALTHY BELFRY__V1__STATUS__STATUS_HEALTHY

static view_t view;
static rule_set_t *rules;
static alerts_t *alerts;
static node_t *node;
static moment_t now;
static size_t n_said;
static struct {
	char name[64], node[64], inhibited_by[64];
	Belfry__V1__AlertState state;
	double value;
} last;

static void on_publish (void *arg, Belfry__V1__Alert *alert, moment_t at)
{
	(void) arg;
	(void) at;
	n_said++;
	snprintf (last.name, sizeof last.name, "%s", alert->name);
	snprintf (last.node, sizeof last.node, "%s", alert->node);
	snprintf (last.inhibited_by, sizeof last.inhibited_by, "%s", alert->inhibited_by);
	last.state = alert->state;
	last.value = alert->value;
}

/* The rules alone: the shipped ones are gone. */
static rule_set_t *rules_of (const char *text)
{
	char all[4096];
	rule_set_t *ret = NULL;
	conf_errors_t errors = { 0 };
	static const char *const shipped[] = { "Watchdog", "NodeDown", "ComponentUnhealthy", "DiskAlmostFull",
		"MemoryPressure", "FsyncSlow", "StoreStuck" };
	size_t at = (size_t) snprintf (all, sizeof all, "rules:\n%s", text);
	for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++) {
		char name[80];
		snprintf (name, sizeof name, "{name: %s,", shipped[i]);
		if (!strstr (text, name))
			at += (size_t) snprintf (
			        all + at, sizeof all - at, "  - {name: %s, enabled: false}\n", shipped[i]);
	}
	cr_assert_eq (rule_set_parse (all, at, "test.yaml", &ret, &errors), 0, "%s", all);
	return ret;
}

static void reload (const char *text)
{
	rule_set_t *old = rules;
	rules = rules_of (text);
	cr_assert_eq (alerts_set_rules (alerts, rules, now), 0);
	rule_set_destroy (&old);
}

static void verdict (Belfry__V1__NodeState state, Belfry__V1__NodeKind kind)
{
	node_verdict (node, state, kind, (uint64_t) now.wall.ns, NULL, 0);
	alerts_node (alerts, node, now);
}

static node_t *node_new (const char *name)
{
	node_t *ret = NULL;
	cr_assert_eq (nodes_get (view.nodes, span_str (name), &ret), 0);
	node_verdict (ret, ALIVE, NO_KIND, (uint64_t) now.wall.ns, NULL, 0);
	alerts_node (alerts, ret, now);
	return ret;
}

static void setup (void)
{
	memset (&view, 0, sizeof view);
	n_said = 0;
	snprintf (view.cluster, sizeof view.cluster, "demo");
	now = (moment_t){ { 1000 * NS_PER_S }, { INT64_C (1763973600) * NS_PER_S } };
	cr_assert_eq (catalogues_new (0, &view.catalogues), 0);
	cr_assert_eq (nodes_new (0, view.catalogues, &view.nodes), 0);
	rules = rules_of ("");
	cr_assert_eq (alerts_new (&view, rules, on_publish, NULL, now, &alerts), 0);
	node = node_new ("n1");
}

static void teardown (void)
{
	alerts_destroy (&alerts);
	rule_set_destroy (&rules);
	nodes_destroy (&view.nodes);
	catalogues_destroy (&view.catalogues);
}

TestSuite (alerts, .init = setup, .fini = teardown);

static void pass (int64_t ns)
{
	for (int64_t passed = 0; passed < ns; passed += 20 * NS_PER_MS) {
		now.mono.ns += 20 * NS_PER_MS;
		now.wall.ns += 20 * NS_PER_MS;
		alerts_tick (alerts, now);
	}
}

static char *text_of (const char *text)
{
	union {
		const char *in;
		char *out;
	} u = { text };
	return u.out;
}

/* A named sample of source; label NULL: none. */
static void sample (const char *source, const char *name, const char *value_of_dir, double value)
{
	Belfry__V1__MetricBatch batch = BELFRY__V1__METRIC_BATCH__INIT;
	Belfry__V1__Sample one = BELFRY__V1__SAMPLE__INIT, *samples[] = { &one };
	Belfry__V1__Label label = BELFRY__V1__LABEL__INIT, *labels[] = { &label };
	source_t *at = NULL;
	uint64_t lost = 0;
	label.key = text_of ("dir");
	label.value = text_of (value_of_dir ? value_of_dir : "");
	one.name = text_of (name);
	one.kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
	one.value = value;
	one.n_labels = value_of_dir != NULL;
	one.labels = labels;
	batch.n_samples = 1;
	batch.samples = samples;
	cr_assert_eq (node_source (node, span_str (source), &at), 0);
	cr_assert_eq (
	        values_batch (&at->values, &batch, now.mono, view.catalogues, &node->values_bytes, &lost), 0);
}

/* A catalogue `hash` of the agent's with `used` of /a and /b, in that order or turned, and a last series. */
static void catalogue (uint64_t hash, bool turned, const char *third)
{
	Belfry__V1__Catalogue message = BELFRY__V1__CATALOGUE__INIT;
	Belfry__V1__Series series[3], *series_p[3];
	Belfry__V1__Label labels[3], *labels_p[3];
	source_t *at = NULL;
	catalogue_t *held = NULL;
	uint64_t lost = 0;
	for (size_t i = 0; i < 3; i++) {
		belfry__v1__series__init (&series[i]);
		belfry__v1__label__init (&labels[i]);
		series_p[i] = &series[i];
		labels_p[i] = &labels[i];
		series[i].name = text_of (i < 2 ? "used" : third);
		series[i].kind = BELFRY__V1__METRIC_KIND__METRIC_KIND_GAUGE;
		labels[i].key = text_of ("dir");
		labels[i].value = text_of ((i == 0) != turned ? "/a" : "/b");
		series[i].n_labels = i < 2;
		series[i].labels = &labels_p[i];
	}
	message.hash = hash;
	message.n_series = 3;
	message.series = series_p;
	cr_assert_eq (catalogues_hold (view.catalogues, &message, &held), 0);
	cr_assert_eq (node_source (node, span_str ("agent"), &at), 0);
	values_catalogue (&at->values, held, now.mono, view.catalogues, &node->values_bytes, &lost);
}

static void packed (uint64_t hash, double first, double second)
{
	double values[] = { first, second, 1 };
	Belfry__V1__MetricBatch batch = BELFRY__V1__METRIC_BATCH__INIT;
	source_t *at = NULL;
	uint64_t lost = 0;
	batch.catalogue_hash = hash;
	batch.n_values = 3;
	batch.values = values;
	cr_assert_eq (node_source (node, span_str ("agent"), &at), 0);
	values_batch (&at->values, &batch, now.mono, view.catalogues, &node->values_bytes, &lost);
}

static void component (const char *name, Belfry__V1__Status status)
{
	static uint64_t clock;
	Belfry__V1__ComponentHealth health = BELFRY__V1__COMPONENT_HEALTH__INIT;
	component_t *ret = NULL;
	bool changed;
	health.component = text_of (name);
	health.status = status;
	cr_assert_eq (node_component (node, &health, span_str ("agent"), 1, ++clock, &ret, &changed), 0);
}

/* How many alerts there are in that state (0: in any). */
static size_t count (Belfry__V1__AlertState state)
{
	Belfry__V1__Alert **list = NULL;
	size_t n = alerts_list (alerts, now, &list), found = 0;
	for (size_t i = 0; i < n; i++)
		found += !state || list[i]->state == state;
	return found;
}

static const char used[] = "  - {name: Full, when: {metric: used, above: 0.9, clear: 0.8}}\n";

Test (alerts, without_rules_nothing_is_ever_said)
{
	alerts_destroy (&alerts);
	cr_assert_eq (alerts_new (&view, NULL, on_publish, NULL, now, &alerts), 0);
	sample ("agent", "used", NULL, 1);
	pass (3 * NS_PER_S);
	verdict (DOWN, HOST);
	cr_assert_eq (n_said, 0);
	Belfry__V1__Alert **list = NULL;
	cr_assert_eq (alerts_list (alerts, now, &list), 0);
}

Test (alerts, the_watchdog_fires_from_the_first_tick)
{
	reload ("  - {name: Watchdog, when: {always: true}}\n");
	cr_assert_eq (n_said, 1);
	cr_assert_eq (last.state, FIRING);
	cr_assert_str_eq (last.node, "");
	pass (ALERTS_REPEAT_ALWAYS_NS);
	cr_assert_eq (n_said, 2);
}

Test (alerts, a_node_that_is_down_fires_at_once_and_resolves_at_once)
{
	reload ("  - {name: NodeDown, when: {node: down}}\n");
	verdict (DOWN, AGENT);
	cr_assert_eq (n_said, 1);
	cr_assert_eq (last.state, FIRING);
	verdict (ALIVE, NO_KIND);
	cr_assert_eq (n_said, 2);
	cr_assert_eq (last.state, RESOLVED);
}

Test (alerts, a_kind_of_down_is_asked_for)
{
	reload ("  - {name: HostDown, when: {node: down, kind: host}}\n"
	        "  - {name: AgentDown, when: {node: down, kind: agent, match: {node: n.}}}\n"
	        "  - {name: Other, when: {node: down, match: {node: web.*}}}\n");
	verdict (DOWN, HOST);
	cr_assert_eq (count (FIRING), 1);
	cr_assert_str_eq (last.name, "HostDown");
	verdict (ALIVE, NO_KIND);
	verdict (DOWN, AGENT);
	cr_assert_eq (count (FIRING), 1);
	cr_assert_str_eq (last.name, "AgentDown");
}

Test (alerts, a_figure_above_its_threshold_fires_within_a_second)
{
	reload (used);
	sample ("agent", "used", "/a", 0.9);
	sample ("agent", "used", "/b", 0.95);
	pass (NS_PER_S);
	cr_assert_eq (count (0), 1);
	cr_assert_eq (count (FIRING), 1);
	cr_assert_eq (last.value, 0.95);
	sample ("agent", "used", "/b", 0.85);
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), 1, "not yet clear");
	sample ("agent", "used", "/b", 0.8);
	pass (NS_PER_S);
	cr_assert_eq (count (RESOLVED), 1);
	sample ("agent", "used", "/b", 0.85);
	pass (NS_PER_S);
	cr_assert_eq (count (RESOLVED), 1, "an episode begins at the threshold");
}

Test (alerts, below_is_the_other_way)
{
	reload ("  - {name: Low, when: {metric: used, below: 10, clear: 20}}\n");
	sample ("agent", "used", NULL, 10);
	pass (NS_PER_S);
	cr_assert_eq (count (0), 0);
	sample ("agent", "used", NULL, 9);
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), 1);
	sample ("agent", "used", NULL, 20);
	pass (NS_PER_S);
	cr_assert_eq (count (RESOLVED), 1);
}

Test (alerts, packed_figures_are_found_by_position)
{
	reload (used);
	catalogue (11, false, "free");
	packed (11, 0.5, 0.99);
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), 1);
	cr_assert_eq (last.value, 0.99);
	packed (11, 0.95, 0.1);
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), 1);
	cr_assert_eq (count (RESOLVED), 1);
}

Test (alerts, matchers_ask_for_labels_and_nodes)
{
	reload ("  - {name: A, when: {metric: used, above: 0.5, match: {dir: /a}}}\n"
	        "  - {name: B, when: {metric: used, above: 0.5, match: {dir: '/[b-z]', node: n1}}}\n"
	        "  - {name: C, when: {metric: used, above: 0.5, match: {node: n2}}}\n"
	        "  - {name: D, when: {metric: used, above: 0.5, match: {gone: .+}}}\n");
	catalogue (11, false, "free");
	packed (11, 0.9, 0.9);
	pass (NS_PER_S);
	cr_assert_eq (count (0), 2);
	sample ("shop", "used", "/a", 1);
	sample ("shop", "used", NULL, 1);
	pass (NS_PER_S);
	cr_assert_eq (count (0), 3);
}

Test (alerts, another_catalogue_of_the_same_series_goes_on_with_the_same_alert)
{
	reload (used);
	catalogue (11, false, "free");
	packed (11, 0.95, 0.1);
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), 1);
	/* The old one stands beside the new one until it expires: the newer figure counts. */
	catalogue (12, true, "more");
	packed (12, 0.1, 0.5);
	pass (2 * NS_PER_S);
	cr_assert_eq (count (0), 1);
	cr_assert_eq (count (RESOLVED), 1);
	size_t said = n_said;
	pass (400 * NS_PER_S);
	cr_assert_eq (n_said, said, "the old figure says nothing, not even once the alert is forgotten");
	cr_assert_eq (count (0), 0);
}

Test (alerts, what_is_not_a_number_is_no_figure)
{
	reload (used);
	sample ("agent", "used", "/a", NAN);
	pass (2 * NS_PER_S);
	cr_assert_eq (count (0), 0);
	sample ("agent", "used", "/a", INFINITY);
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), 1);
	sample ("agent", "used", "/a", NAN);
	pass (NS_PER_S);
	cr_assert_eq (count (UNKNOWN), 1);
}

Test (alerts, figures_that_expired_leave_their_alert_unknown)
{
	reload (used);
	sample ("agent", "used", "/a", 1);
	pass (NS_PER_S);
	now.mono.ns += VALUES_STALE_NS + NS_PER_S;
	now.wall.ns += VALUES_STALE_NS + NS_PER_S;
	node_expire (node, view.catalogues, now.mono);
	pass (NS_PER_S);
	cr_assert_eq (count (UNKNOWN), 1);
	pass (600 * NS_PER_S);
	cr_assert_eq (count (UNKNOWN), 1);
}

Test (alerts, a_node_that_is_back_is_judged_by_what_it_says_now)
{
	reload (used);
	sample ("agent", "used", "/a", 1);
	pass (NS_PER_S);
	verdict (DOWN, AGENT);
	cr_assert_eq (last.state, UNKNOWN);
	cr_assert_str_eq (last.inhibited_by, "", "an agent's death inhibits nothing");
	pass (NS_PER_S);
	verdict (ALIVE, NO_KIND);
	pass (2 * NS_PER_S);
	cr_assert_eq (count (UNKNOWN), 1, "that figure is from before");
	sample ("agent", "used", "/a", 0.1);
	pass (NS_PER_S);
	cr_assert_eq (count (RESOLVED), 1);
}

Test (alerts, a_host_that_is_down_inhibits_what_is_on_it)
{
	reload ("  - {name: NodeDown, when: {node: down}, severity: critical}\n"
	        "  - {name: Full, when: {metric: used, above: 0.9}}\n"
	        "  - {name: Sick, when: {status: component, is: degraded}}\n");
	sample ("agent", "used", "/a", 1);
	component ("data", DEGRADED);
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), 2);
	verdict (DOWN, HOST);
	Belfry__V1__Alert **list = NULL;
	cr_assert_eq (alerts_list (alerts, now, &list), 3);
	cr_assert_str_eq (list[0]->name, "NodeDown");
	cr_assert_str_eq (list[0]->inhibited_by, "");
	for (size_t i = 1; i < 3; i++) {
		cr_assert_eq (list[i]->state, UNKNOWN);
		cr_assert_str_eq (list[i]->inhibited_by, list[0]->fingerprint);
	}
	verdict (ALIVE, NO_KIND);
	alerts_list (alerts, now, &list);
	for (size_t i = 0; i < 3; i++)
		cr_assert_str_eq (list[i]->inhibited_by, "");
}

Test (alerts, a_components_status_counts_from_where_the_rule_says)
{
	reload ("  - {name: Bad, when: {status: component, is: unhealthy}}\n"
	        "  - {name: Worse, when: {status: component, is: degraded, match: {component: 'd.*'}}}\n");
	component ("data", DEGRADED);
	component ("web", DEGRADED);
	pass (NS_PER_S);
	cr_assert_eq (count (0), 1);
	cr_assert_str_eq (last.name, "Worse");
	component ("data", UNHEALTHY);
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), 2);
	component ("data", BELFRY__V1__STATUS__STATUS_UNKNOWN);
	pass (NS_PER_S);
	cr_assert_eq (count (UNKNOWN), 2);
	component ("data", HEALTHY);
	pass (NS_PER_S);
	cr_assert_eq (count (RESOLVED), 2);
}

Test (alerts, a_nodes_own_status_can_be_a_rule)
{
	reload ("  - {name: Ill, when: {status: node, is: unhealthy}}\n");
	node->status = UNHEALTHY;
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), 1);
	verdict (BELFRY__V1__NODE_STATE__NODE_STATE_STOPPED, NO_KIND);
	cr_assert_eq (count (UNKNOWN), 1);
	verdict (ALIVE, NO_KIND);
	node->status = DEGRADED;
	pass (NS_PER_S);
	cr_assert_eq (count (RESOLVED), 1);
}

Test (alerts, a_node_that_leaves_takes_its_alerts_along)
{
	reload (used);
	sample ("agent", "used", "/a", 1);
	pass (NS_PER_S);
	verdict (LEFT, NO_KIND);
	cr_assert_eq (count (RESOLVED), 1);
	pass (ALERT_RESOLVED_NS + NS_PER_S);
	cr_assert_eq (count (0), 0);
}

Test (alerts, a_pending_alert_is_said_too_and_leaves_without_a_trace)
{
	reload ("  - {name: Full, when: {metric: used, above: 0.9}, for: 10s}\n");
	sample ("agent", "used", "/a", 1);
	pass (NS_PER_S);
	cr_assert_eq (last.state, PENDING);
	sample ("agent", "used", "/a", 0.1);
	pass (NS_PER_S);
	cr_assert_eq (n_said, 2);
	cr_assert_eq (last.state, RESOLVED);
	cr_assert_eq (count (0), 0);
}

Test (alerts, what_fires_is_said_again_after_five_minutes)
{
	reload ("  - {name: NodeDown, when: {node: down}}\n");
	verdict (DOWN, HOST);
	pass (ALERTS_REPEAT_NS - NS_PER_S);
	cr_assert_eq (n_said, 1);
	pass (2 * NS_PER_S);
	cr_assert_eq (n_said, 2);
	Belfry__V1__Alert **list = NULL;
	cr_assert_eq (alerts_list (alerts, now, &list), 1);
	cr_assert_eq (list[0]->repeats, 1);
}

Test (alerts, a_reload_keeps_the_state_of_what_stays)
{
	reload ("  - {name: Full, when: {metric: used, above: 0.9}, for: 10s, severity: warning}\n"
	        "  - {name: Gone, when: {metric: used, above: 0.9}}\n"
	        "  - {name: Turned, when: {metric: used, above: 0.9}}\n");
	catalogue (11, false, "free");
	for (int i = 0; i < 6; i++) {
		packed (11, 1, 0);
		pass (NS_PER_S);
	}
	cr_assert_eq (count (PENDING), 1);
	cr_assert_eq (count (FIRING), 2);
	reload ("  - {name: Other, when: {metric: free, above: 0.9}}\n"
	        "  - {name: Turned, when: {metric: free, above: 0.9}}\n"
	        "  - {name: Full, when: {metric: used, above: 0.8}, for: 10s, severity: critical}\n");
	cr_assert_eq (count (RESOLVED), 2);
	cr_assert_eq (count (PENDING), 1);
	for (int i = 0; i < 5; i++) {
		packed (11, 1, 0);
		pass (NS_PER_S);
	}
	cr_assert_eq (count (RESOLVED), 2);
	cr_assert_eq (count (FIRING), 3, "Full since the beginning, Other and Turned about another series");
	Belfry__V1__Alert **list = NULL;
	alerts_list (alerts, now, &list);
	cr_assert_str_eq (list[0]->name, "Full");
	cr_assert_eq (list[0]->severity, BELFRY__V1__SEVERITY__SEVERITY_CRITICAL);
}

Test (alerts, a_rule_that_comes_back_finds_its_alert_again)
{
	reload (used);
	sample ("agent", "used", "/a", 1);
	pass (NS_PER_S);
	reload ("");
	cr_assert_eq (count (RESOLVED), 1);
	sample ("agent", "used", "/a", 1);
	reload (used);
	cr_assert_eq (count (0), 1);
	cr_assert_eq (count (FIRING), 1);
}

Test (alerts, sources_of_one_node_do_not_share_an_alert)
{
	reload (used);
	sample ("shop", "used", "/a", 1);
	sample ("mill", "used", "/a", 0.1);
	pass (3 * NS_PER_S);
	cr_assert_eq (count (FIRING), 1);
	cr_assert_eq (n_said, 1);
}

Test (alerts, a_node_has_its_share_and_no_more)
{
	reload (used);
	char dir[16];
	for (int i = 0; i < ALERTS_NODE_MAX + 10; i++) {
		snprintf (dir, sizeof dir, "/%d", i);
		sample ("agent", "used", dir, 1);
	}
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), ALERTS_NODE_MAX);
	cr_assert_eq (view.counters.alerts_refused, 10);
	cr_assert_eq (view.counters.alerts, ALERTS_NODE_MAX);
	/* What was resolved makes room. */
	sample ("agent", "used", "/7", 0);
	pass (2 * NS_PER_S);
	cr_assert_eq (count (FIRING), ALERTS_NODE_MAX);
	cr_assert_eq (count (0), ALERTS_NODE_MAX);
	node = node_new ("n2");
	sample ("agent", "used", "/a", 1);
	pass (NS_PER_S);
	cr_assert_eq (count (FIRING), ALERTS_NODE_MAX + 1);
}

Test (alerts, the_list_begins_with_what_a_person_must_see)
{
	reload ("  - {name: Mild, when: {metric: used, above: 0.9}, severity: warning}\n"
	        "  - {name: Bad, when: {metric: used, above: 0.9}, severity: critical}\n"
	        "  - {name: Soon, when: {metric: used, above: 0.9}, severity: critical, for: 1h}\n"
	        "  - {name: Over, when: {metric: used, above: 1.5}, severity: critical}\n"
	        "  - {name: Odd, when: {metric: odd, above: 0}, severity: critical}\n");
	sample ("agent", "used", "/a", 2);
	sample ("agent", "odd", NULL, 1);
	pass (NS_PER_S);
	sample ("agent", "used", "/a", 1);
	sample ("agent", "odd", NULL, NAN);
	pass (NS_PER_S);
	static const char *const order[] = { "Bad", "Mild", "Odd", "Soon", "Over" };
	Belfry__V1__Alert **list = NULL;
	cr_assert_eq (alerts_list (alerts, now, &list), 5);
	for (size_t i = 0; i < 5; i++)
		cr_assert_str_eq (list[i]->name, order[i]);
}

Test (alerts, many_nodes_are_each_looked_at_once_a_second)
{
	reload (used);
	char name[16];
	for (int i = 2; i <= 333; i++) {
		snprintf (name, sizeof name, "n%d", i);
		node = node_new (name);
		sample ("agent", "used", "/a", 1);
	}
	pass (NS_PER_S + 20 * NS_PER_MS);
	cr_assert_eq (count (FIRING), 332);
	cr_assert_eq (n_said, 332);
	/* A tick that comes late looks at each node once, not at all of them many times. */
	now.mono.ns += 60 * NS_PER_S;
	alerts_tick (alerts, now);
	cr_assert_eq (n_said, 332);
}
