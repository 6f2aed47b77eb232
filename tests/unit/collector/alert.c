/* One alert through its life, and what it says of itself. */

#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/alert/alert.h"

#define PENDING BELFRY__V1__ALERT_STATE__ALERT_STATE_PENDING
#define FIRING BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING
#define RESOLVED BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED
#define UNKNOWN BELFRY__V1__ALERT_STATE__ALERT_STATE_UNKNOWN

static rule_set_t *rules;
static alert_t *alert;
static moment_t now;
static node_t node = { .name = "n1" };
static const char *labels[] = { "mountpoint", "/var", "device", "sda1" };
static series_t series = { .name = "used", .unit = "ratio", .labels = labels, .n_labels = 2 };

static void setup (void)
{
	now = (moment_t){ { 1000 * NS_PER_S }, { INT64_C (1763973600) * NS_PER_S } };
}

static void teardown (void)
{
	alert_destroy (&alert);
	rule_set_destroy (&rules);
}

TestSuite (alert, .init = setup, .fini = teardown);

static const rule_t *rule_of (const char *text)
{
	conf_errors_t errors = { 0 };
	rule_set_destroy (&rules);
	cr_assert_eq (rule_set_parse (text, strlen (text), "test.yaml", &rules, &errors), 0);
	const rule_t *rule = rule_set_find (rules, "R");
	cr_assert_not_null (rule);
	return rule;
}

static void make (const char *text)
{
	const rule_t *rule = rule_of (text);
	const subject_t subject = { &node, NULL, "agent", &series };
	alert_destroy (&alert);
	cr_assert_eq (alert_new (rule, &subject, "demo", &alert), 0);
}

static const char plain[] = "rules: [{name: R, when: {metric: used, above: 0.9, clear: 0.8}}]";
static const char slow[] = "rules: [{name: R, when: {metric: used, above: 0.9}, for: 30s}]";
static const char kept[] = "rules: [{name: R, when: {metric: used, above: 0.9}, keep_firing_for: 60s}]";

/* After ns, with that condition. */
static alert_outcome_t step (int64_t ns, condition_t condition)
{
	now.mono.ns += ns;
	now.wall.ns += ns;
	return alert_step (alert, condition, now);
}

Test (alert, without_for_it_fires_at_once_and_resolves_at_once)
{
	make (plain);
	cr_assert_eq (alert->state, 0);
	cr_assert_eq (step (0, CONDITION_TRUE), ALERT_CHANGED);
	cr_assert_eq (alert->state, FIRING);
	cr_assert_eq (step (NS_PER_S, CONDITION_TRUE), ALERT_SAME);
	cr_assert_eq (step (NS_PER_S, CONDITION_FALSE), ALERT_CHANGED);
	cr_assert_eq (alert->state, RESOLVED);
	cr_assert_eq (alert->ends.ns - alert->starts.ns, 2 * NS_PER_S);
}

Test (alert, it_is_pending_until_for_has_passed_to_the_nanosecond)
{
	make (slow);
	cr_assert_eq (step (0, CONDITION_TRUE), ALERT_CHANGED);
	cr_assert_eq (alert->state, PENDING);
	cr_assert_eq (step (30 * NS_PER_S - 1, CONDITION_TRUE), ALERT_SAME);
	cr_assert_eq (step (1, CONDITION_TRUE), ALERT_CHANGED);
	cr_assert_eq (alert->state, FIRING);
}

Test (alert, a_pending_one_that_is_over_is_said_and_forgotten)
{
	make (slow);
	step (0, CONDITION_TRUE);
	cr_assert_eq (step (29 * NS_PER_S, CONDITION_FALSE), ALERT_OVER);
	cr_assert_eq (alert->state, RESOLVED);
	cr_assert_not (alert->fired);
}

Test (alert, for_counts_anew_in_another_episode)
{
	make (slow);
	step (0, CONDITION_TRUE);
	step (20 * NS_PER_S, CONDITION_FALSE);
	step (NS_PER_S, CONDITION_TRUE);
	cr_assert_eq (step (29 * NS_PER_S, CONDITION_TRUE), ALERT_SAME);
	cr_assert_eq (alert->state, PENDING);
	step (NS_PER_S, CONDITION_TRUE);
	cr_assert_eq (alert->state, FIRING);
}

Test (alert, keep_firing_for_begins_when_it_held_last)
{
	make (kept);
	step (0, CONDITION_TRUE);
	step (10 * NS_PER_S, CONDITION_TRUE);
	cr_assert_eq (step (60 * NS_PER_S - 1, CONDITION_FALSE), ALERT_SAME);
	cr_assert_eq (alert->state, FIRING);
	step (0, CONDITION_TRUE);
	cr_assert_eq (step (60 * NS_PER_S - 1, CONDITION_FALSE), ALERT_SAME);
	cr_assert_eq (step (1, CONDITION_FALSE), ALERT_CHANGED);
	cr_assert_eq (alert->state, RESOLVED);
}

Test (alert, missing_data_makes_it_unknown_and_never_resolves_it)
{
	make (plain);
	step (0, CONDITION_TRUE);
	cr_assert_eq (step (NS_PER_S, CONDITION_LOST), ALERT_CHANGED);
	cr_assert_eq (alert->state, UNKNOWN);
	cr_assert_eq (step (INT64_C (86400) * 30 * NS_PER_S, CONDITION_LOST), ALERT_SAME);
	cr_assert_eq (alert->state, UNKNOWN);
	cr_assert_eq (step (NS_PER_S, CONDITION_TRUE), ALERT_CHANGED);
	cr_assert_eq (alert->state, FIRING, "it had fired");
	step (NS_PER_S, CONDITION_LOST);
	cr_assert_eq (step (NS_PER_S, CONDITION_FALSE), ALERT_CHANGED);
	cr_assert_eq (alert->state, RESOLVED);
	cr_assert_eq (step (NS_PER_S, CONDITION_LOST), ALERT_SAME, "what is over stays over");
}

Test (alert, one_that_never_fired_does_not_count_the_time_in_which_nobody_knew)
{
	make (slow);
	step (0, CONDITION_TRUE);
	step (20 * NS_PER_S, CONDITION_LOST);
	cr_assert_eq (alert->state, UNKNOWN);
	cr_assert_eq (step (60 * NS_PER_S, CONDITION_TRUE), ALERT_CHANGED);
	cr_assert_eq (alert->state, PENDING);
	step (29 * NS_PER_S, CONDITION_TRUE);
	cr_assert_eq (alert->state, PENDING);
	step (NS_PER_S, CONDITION_TRUE);
	cr_assert_eq (alert->state, FIRING);
	make (slow);
	step (0, CONDITION_TRUE);
	step (NS_PER_S, CONDITION_LOST);
	cr_assert_eq (step (NS_PER_S, CONDITION_FALSE), ALERT_OVER);
}

Test (alert, keep_firing_holds_for_one_that_comes_back_from_unknown)
{
	make (kept);
	step (0, CONDITION_TRUE);
	step (NS_PER_S, CONDITION_LOST);
	step (NS_PER_S, CONDITION_FALSE);
	cr_assert_eq (alert->state, FIRING);
	step (60 * NS_PER_S, CONDITION_FALSE);
	cr_assert_eq (alert->state, RESOLVED);
}

Test (alert, the_end_of_its_rule_or_node_resolves_it_from_any_state)
{
	make (slow);
	step (0, CONDITION_TRUE);
	cr_assert_eq (step (0, CONDITION_VOID), ALERT_OVER);
	make (plain);
	step (0, CONDITION_TRUE);
	cr_assert_eq (step (0, CONDITION_VOID), ALERT_CHANGED);
	cr_assert_eq (alert->state, RESOLVED);
	make (plain);
	step (0, CONDITION_TRUE);
	step (0, CONDITION_LOST);
	cr_assert_eq (step (0, CONDITION_VOID), ALERT_CHANGED);
	cr_assert_eq (alert->state, RESOLVED);
}

Test (alert, a_resolved_one_is_known_for_five_minutes)
{
	make (plain);
	step (0, CONDITION_TRUE);
	step (0, CONDITION_FALSE);
	cr_assert_eq (step (ALERT_RESOLVED_NS - 1, CONDITION_FALSE), ALERT_SAME);
	cr_assert_eq (step (1, CONDITION_FALSE), ALERT_OVER);
}

Test (alert, firing_three_times_in_ten_minutes_is_flapping)
{
	make (plain);
	for (int i = 0; i < 3; i++) {
		cr_assert_eq (alert_message (alert, now)->flapping, false);
		step (NS_PER_S, CONDITION_TRUE);
		if (i < 2)
			step (100 * NS_PER_S, CONDITION_FALSE);
	}
	cr_assert (alert_message (alert, now)->flapping);
	step (ALERT_FLAP_NS, CONDITION_TRUE);
	cr_assert_not (alert_message (alert, now)->flapping);
}

Test (alert, a_wall_clock_that_was_set_back_makes_no_negative_life)
{
	make (plain);
	step (0, CONDITION_TRUE);
	now.wall.ns -= 3600 * NS_PER_S;
	step (NS_PER_S, CONDITION_FALSE);
	const Belfry__V1__Alert *message = alert_message (alert, now);
	cr_assert_eq (message->ends_ns, message->starts_ns);
}

Test (alert, hysteresis_holds_between_threshold_and_clear_on_both_sides)
{
	const rule_t *rule = rule_of (plain);
	cr_assert_not (alert_cross (rule, false, 0.9));
	cr_assert (alert_cross (rule, false, 0.91));
	cr_assert_not (alert_cross (rule, false, 0.85));
	cr_assert (alert_cross (rule, true, 0.85));
	cr_assert_not (alert_cross (rule, true, 0.8));
	rule = rule_of ("rules: [{name: R, when: {metric: used, below: 10, clear: 20}}]");
	cr_assert_not (alert_cross (rule, false, 10));
	cr_assert (alert_cross (rule, false, 9));
	cr_assert_not (alert_cross (rule, false, 15));
	cr_assert (alert_cross (rule, true, 15));
	cr_assert_not (alert_cross (rule, true, 20));
	cr_assert_not (alert_cross (rule, true, NAN));
	cr_assert (alert_cross (rule, false, -INFINITY));
}

Test (alert, without_clear_the_threshold_is_the_way_back)
{
	const rule_t *rule = rule_of (slow);
	cr_assert (alert_cross (rule, true, 0.91));
	cr_assert_not (alert_cross (rule, true, 0.9));
}

Test (alert, its_fingerprint_is_the_same_for_ever)
{
	make (plain);
	/* hashlib.blake2b (b"R\0n1\0\0agent\0device\0sda1\0mountpoint\0/var\0", digest_size=16) */
	cr_assert_str_eq (alert->fingerprint, "94eb941874d436f4fd6e82eacc1a44e2");
	/* Other order of labels, another threshold, severity and text: the same alert. */
	static const char *turned[] = { "device", "sda1", "mountpoint", "/var" };
	char before[ALERT_FINGERPRINT_SIZE];
	memcpy (before, alert->fingerprint, sizeof before);
	series.labels = turned;
	make ("rules: [{name: R, when: {metric: used, below: 3}, severity: critical, labels: {team: x}}]");
	series.labels = labels;
	cr_assert_str_eq (alert->fingerprint, before);
}

Test (alert, every_part_of_its_subject_is_in_its_fingerprint)
{
	const rule_t *rule = rule_of (plain);
	node_t other = { .name = "n2" };
	static const char *shifted[] = { "mountpoint", "/varsda", "device", "1" };
	series_t moved = series;
	moved.labels = shifted;
	const subject_t subjects[] = { { &node, NULL, "agent", &series }, { &other, NULL, "agent", &series },
		{ &node, NULL, "shop", &series }, { &node, NULL, "agent", &moved },
		{ &node, "data", NULL, NULL }, { &node, NULL, NULL, NULL }, { NULL, NULL, NULL, NULL } };
	enum { N = sizeof subjects / sizeof *subjects };
	alert_t *alerts[N];
	for (size_t i = 0; i < N; i++) {
		cr_assert_eq (alert_new (rule, &subjects[i], "demo", &alerts[i]), 0);
		for (size_t k = 0; k < i; k++) {
			cr_assert_str_neq (alerts[k]->fingerprint, alerts[i]->fingerprint);
			cr_assert_not (alert_about (alerts[k], &subjects[i]));
		}
		cr_assert (alert_about (alerts[i], &subjects[i]));
	}
	for (size_t i = 0; i < N; i++)
		alert_destroy (&alerts[i]);
}

Test (alert, its_message_says_whom_what_and_where_to_read_on)
{
	make ("rules: [{name: R, when: {metric: used, above: 0.9}, severity: critical, labels: {team: "
	      "storage, "
	      "device: mine}, summary: '{{label.mountpoint}} on {{node}} is {{value|percent}} full', "
	      "description: "
	      "grow it, runbook_url: 'https://example.org/r'}]");
	alert->value = 0.95;
	step (0, CONDITION_TRUE);
	const Belfry__V1__Alert *message = alert_message (alert, now);
	cr_assert_str_eq (message->name, "R");
	cr_assert_eq (message->severity, BELFRY__V1__SEVERITY__SEVERITY_CRITICAL);
	cr_assert_str_eq (message->node, "n1");
	cr_assert_str_eq (message->summary, "/var on n1 is 95 % full");
	cr_assert_str_eq (message->description, "grow it");
	cr_assert_eq (message->n_labels, 4);
	cr_assert_str_eq (message->labels[0]->value, "n1");
	cr_assert_str_eq (message->labels[2]->key, "device");
	cr_assert_str_eq (message->labels[2]->value, "mine", "the rule's own word goes first");
	cr_assert_eq (message->n_annotations, 1);
	cr_assert_str_eq (message->annotations[0]->value, "https://example.org/r");
	cr_assert_eq (message->has_value_case, BELFRY__V1__ALERT__HAS_VALUE_VALUE);
	cr_assert_eq (message->threshold, 0.9);
	cr_assert_eq (message->direction, BELFRY__V1__ALERT_DIRECTION__ALERT_DIRECTION_ABOVE);
	cr_assert_str_eq (message->unit, "ratio");
	alert->value = 0.96;
	cr_assert_str_eq (alert_message (alert, now)->summary, "/var on n1 is 96 % full");
	step (0, CONDITION_FALSE);
	alert->value = 0.1;
	cr_assert_str_eq (alert_message (alert, now)->summary, "/var on n1 is 96 % full", "as it was");
}

Test (alert, more_labels_than_a_message_holds_leave_out_the_last)
{
	static const char *many[32];
	static char texts[32][8];
	for (size_t i = 0; i < 32; i++) {
		snprintf (texts[i], sizeof texts[i], "%s%02zu", i % 2 ? "v" : "k", i);
		many[i] = texts[i];
	}
	const series_t wide = { .name = "used", .unit = "", .labels = many, .n_labels = 16 };
	const rule_t *rule = rule_of (plain);
	const subject_t subject = { &node, NULL, "shop", &wide };
	cr_assert_eq (alert_new (rule, &subject, "demo", &alert), 0);
	cr_assert_eq (alert->message.n_labels, 16);
	cr_assert (alert_about (alert, &subject));
}

Test (alert, another_rule_of_its_name_fits_only_if_it_is_still_about_it)
{
	make (plain);
	rule_set_t *mine = rules;
	rules = NULL;
	static const struct {
		const char *text;
		bool fits;
	} cases[] = {
		{ "rules: [{name: R, when: {metric: used, above: 5}, severity: error}]", true },
		{ "rules: [{name: R, when: {metric: used, above: 5, match: {mountpoint: /v.*}}}]", true },
		{ "rules: [{name: R, when: {metric: used, above: 5, match: {mountpoint: /home}}}]", false },
		{ "rules: [{name: R, when: {metric: used, above: 5, match: {node: n2}}}]", false },
		{ "rules: [{name: R, when: {metric: unused, above: 5}}]", false },
		{ "rules: [{name: R, when: {node: down}}]", false },
		{ "rules: [{name: R, when: {status: node, is: degraded}}]", false },
		{ "rules: [{name: R, when: {always: true}}]", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		cr_assert_eq (
		        alert_fits (alert, rule_of (cases[i].text)), cases[i].fits, "%s", cases[i].text);
	cr_assert_eq (alert_adopt (alert, rule_of (cases[0].text)), 0);
	cr_assert_eq (alert->message.severity, BELFRY__V1__SEVERITY__SEVERITY_ERROR);
	cr_assert_eq (alert->message.threshold, 5);
	rule_set_destroy (&mine);
}
