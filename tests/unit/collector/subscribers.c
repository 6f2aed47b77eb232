/* Who subscribes at the outlet: budgets, slowness, and what is carried on to the agents. */

#include <criterion/criterion.h>
#include <stdio.h>

#include "collector/subscribers.h"

static subscribers_t *subscribers;
static moment_t now = { { NS_PER_S }, { NS_PER_S } };

static void setup (void)
{
	static const uint8_t key[SUBSCRIBERS_KEY_SIZE] = "a random number";
	cr_assert_eq (subscribers_new (key, &subscribers), 0);
}

static void teardown (void)
{
	subscribers_destroy (&subscribers);
	cr_assert_null (subscribers);
	subscribers_destroy (&subscribers);
}
TestSuite (subscribers, .init = setup, .fini = teardown);

static subscriber_t *come (int descriptor, const char *user)
{
	subscriber_t *subscriber = NULL;
	cr_assert_eq (subscribers_come (subscribers, descriptor, (uint64_t) descriptor + 100,
	                      "127.0.0.1:4711", user, now, &subscriber),
	        0);
	return subscriber;
}

static subscription_t ask (subscriber_t *from, const char *prefix, bool on)
{
	subscriber_t *over;
	int error;
	subscription_t what = subscribers_ask (subscribers, from, span_str (prefix), on, &over, &error);
	cr_assert_null (over);
	cr_assert_eq (error, 0);
	return what;
}

/* Asks for n prefixes of size bytes; who went over. */
static subscriber_t *flood (subscriber_t *from, size_t n, size_t size)
{
	char prefix[512];
	subscriber_t *over = NULL;
	int error = 0;
	cr_assert (size < sizeof prefix);
	for (size_t i = 0; i < n && !over; i++) {
		snprintf (prefix, sizeof prefix, "%0*zu", (int) size, i);
		subscribers_ask (subscribers, from, span_of (prefix, size), true, &over, &error);
		cr_assert_eq (error, 0);
	}
	return over;
}

Test (subscribers, each_has_its_descriptor_until_it_goes)
{
	subscriber_t *a = come (7, ""), *b = come (3000, "anna");
	cr_assert_eq (subscribers_count (subscribers), 2);
	cr_assert_eq (subscribers_find (subscribers, 7), a);
	cr_assert_eq (subscribers_find (subscribers, 3000), b);
	cr_assert_null (subscribers_find (subscribers, 8));
	cr_assert_null (subscribers_find (subscribers, -1));
	cr_assert_null (subscribers_find (subscribers, 1000000));
	cr_assert_str_eq (b->user, "anna");
	subscribers_gone (subscribers, a);
	cr_assert_null (subscribers_find (subscribers, 7));
	cr_assert_eq (subscribers_find (subscribers, 3000), b);
}

Test (subscribers, a_descriptor_that_is_used_again_begins_anew)
{
	ask (come (7, ""), "alerts/", true);
	subscriber_t *later = come (7, "");
	cr_assert_eq (subscribers_count (subscribers), 1);
	cr_assert_eq (later->subscriptions, 0);
}

Test (subscribers, what_is_asked_twice_or_ended_unasked_counts_for_nothing)
{
	subscriber_t *a = come (7, "");
	ask (a, "alerts/", true);
	ask (a, "alerts/", true);
	ask (a, "", true);
	cr_assert_eq (a->subscriptions, 2);
	cr_assert_eq (a->prefix_bytes, 7);
	ask (a, "health/", false);
	ask (a, "alerts/", false);
	ask (a, "alerts/", false);
	cr_assert_eq (a->subscriptions, 1);
	cr_assert_eq (a->prefix_bytes, 0);
}

Test (subscribers, an_on_demand_prefix_is_carried_from_its_first_holder_to_its_last)
{
	subscriber_t *a = come (7, ""), *b = come (8, "");
	cr_assert_eq (ask (a, "health/", true), SUBSCRIPTION_NOTHING);
	cr_assert_eq (ask (a, "diagnostics/", true), SUBSCRIPTION_CARRY);
	cr_assert_eq (ask (b, "diagnostics/", true), SUBSCRIPTION_NOTHING);
	cr_assert_eq (ask (b, "logging/debug/demo/", true), SUBSCRIPTION_CARRY);
	cr_assert_eq (ask (b, "logging/", true), SUBSCRIPTION_NOTHING);
	cr_assert_eq (ask (a, "diagnostics/", false), SUBSCRIPTION_NOTHING);
	/* b's connection breaks off: ZeroMQ tells the ends. */
	subscribers_gone (subscribers, b);
	cr_assert_eq (ask (NULL, "diagnostics/", false), SUBSCRIPTION_DROP);
	cr_assert_eq (ask (NULL, "logging/debug/demo/", false), SUBSCRIPTION_DROP);
	cr_assert_eq (ask (NULL, "logging/debug/demo/", false), SUBSCRIPTION_NOTHING);
}

Test (subscribers, nobody_ends_anothers_on_demand_prefix)
{
	subscriber_t *a = come (7, ""), *hostile = come (8, "");
	cr_assert_eq (ask (a, "diagnostics/", true), SUBSCRIPTION_CARRY);
	for (int i = 0; i < 10; i++)
		cr_assert_eq (ask (hostile, "diagnostics/", false), SUBSCRIPTION_NOTHING);
	cr_assert_eq (ask (a, "diagnostics/", false), SUBSCRIPTION_DROP);
}

Test (subscribers, too_many_prefixes_are_over_the_budget_once)
{
	subscriber_t *a = come (7, "");
	cr_assert_null (flood (a, SUBSCRIBER_PREFIXES_MAX, 8));
	cr_assert_eq (flood (a, SUBSCRIBER_PREFIXES_MAX + 1, 9), a);
	cr_assert (a->over);
	cr_assert_null (flood (a, 100, 10), "it is said once");
}

Test (subscribers, too_many_bytes_are_over_the_budget)
{
	subscriber_t *a = come (7, "");
	cr_assert_null (flood (a, SUBSCRIBER_BYTES_MAX / 256, 256));
	cr_assert_eq (flood (a, 1, 200), a);
}

Test (subscribers, a_user_has_one_budget_for_all_its_connections)
{
	subscriber_t *a = come (7, "anna"), *b = come (8, "anna"), *other = come (9, "otto"),
	             *nobody = come (10, "");
	cr_assert_null (flood (a, SUBSCRIBER_PREFIXES_MAX / 2, 8));
	cr_assert_null (flood (b, SUBSCRIBER_PREFIXES_MAX / 2, 8));
	cr_assert_null (flood (other, SUBSCRIBER_PREFIXES_MAX, 8));
	cr_assert_null (flood (nobody, SUBSCRIBER_PREFIXES_MAX, 8));
	cr_assert_eq (flood (b, 1, 9), b);
}

Test (subscribers, past_the_bound_of_all_whoever_holds_most_has_to_go)
{
	enum { EACH = SUBSCRIBER_PREFIXES_MAX - 1, N = SUBSCRIBERS_PREFIXES_MAX / EACH };
	subscriber_t *hoarder = come (7, "");
	cr_assert_null (flood (hoarder, EACH, 9));
	for (int i = 1; i < N; i++)
		cr_assert_null (flood (come (7 + i, ""), EACH, 8));
	subscriber_t *modest = come (100, "");
	subscriber_t *over = flood (modest, SUBSCRIBER_PREFIXES_MAX, 8);
	cr_assert_eq (over, hoarder);
	cr_assert_not (modest->over);
}

Test (subscribers, a_full_table_of_on_demand_prefixes_says_so)
{
	subscriber_t *a = come (7, "");
	char prefix[64];
	subscriber_t *over;
	int error;
	for (int i = 0; i < SUBSCRIBERS_ON_DEMAND_MAX; i++) {
		snprintf (prefix, sizeof prefix, "diagnostics/%d", i);
		cr_assert_eq (ask (a, prefix, true), SUBSCRIPTION_CARRY);
	}
	cr_assert_eq (
	        subscribers_ask (subscribers, come (8, ""), span_str ("diagnostics/x"), true, &over, &error),
	        SUBSCRIPTION_FULL);
	cr_assert_eq (ask (NULL, "diagnostics/x", false), SUBSCRIPTION_NOTHING);
}

/* A look every second. Whether it changed. */
static bool look (subscriber_t *subscriber, uint64_t unsent)
{
	now.mono.ns += NS_PER_S;
	return subscribers_look (subscribers, subscriber, unsent + 1, unsent, now);
}

Test (subscribers, who_is_behind_for_three_seconds_is_slow_until_it_keeps_up_for_three)
{
	subscriber_t *a = come (7, "");
	for (int i = 0; i < 3; i++)
		cr_assert_not (look (a, SUBSCRIBER_SLOW_BYTES));
	cr_assert (look (a, SUBSCRIBER_SLOW_BYTES));
	cr_assert (a->slow);
	cr_assert_eq (a->queued_bytes, SUBSCRIBER_SLOW_BYTES + 1);
	cr_assert_eq (subscribers_slow (subscribers), 1);
	cr_assert_not (look (a, SUBSCRIBER_SLOW_BYTES), "said once");
	for (int i = 0; i < 3; i++)
		cr_assert_not (look (a, 0));
	cr_assert (look (a, 0));
	cr_assert_eq (subscribers_slow (subscribers), 0);
}

Test (subscribers, who_catches_up_in_between_is_not_slow)
{
	subscriber_t *a = come (7, "");
	for (int i = 0; i < 20; i++)
		cr_assert_not (look (a, i % 3 == 2 ? SUBSCRIBER_SLOW_BYTES - 1 : SUBSCRIBER_SLOW_BYTES * 10));
	cr_assert_not (a->slow);
}

Test (subscribers, a_slow_one_that_goes_is_counted_no_more)
{
	subscriber_t *a = come (7, "");
	for (int i = 0; i < 5; i++)
		look (a, SUBSCRIBER_SLOW_BYTES);
	cr_assert_eq (subscribers_slow (subscribers), 1);
	subscribers_gone (subscribers, a);
	cr_assert_eq (subscribers_slow (subscribers), 0);
}
