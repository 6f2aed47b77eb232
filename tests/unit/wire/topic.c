#include <criterion/criterion.h>

#include "wire/topic.h"

static int parse (const char *text)
{
	topic_t topic;
	return topic_parse (text, strlen (text), &topic);
}

Test (topic, splits_into_five_segments)
{
	topic_t t;
	static const char text[] = "health/node/demo/n1.example/agent/";
	cr_assert_eq (topic_parse (text, sizeof text - 1, &t), 0);
	cr_assert (span_is (t.channel, "health") && span_is (t.class, "node") && span_is (t.cluster, "demo"));
	cr_assert (span_is (t.node, "n1.example") && span_is (t.source, "agent"));
}

Test (topic, refuses_each_breach_by_its_name)
{
	cr_assert_eq (parse (""), TOPIC_E_SIZE);
	cr_assert_eq (parse ("health/node/demo/n1/agent"), TOPIC_E_SEGMENTS, "no trailing slash");
	cr_assert_eq (parse ("health/node/demo/n1/"), TOPIC_E_SEGMENTS, "four");
	cr_assert_eq (parse ("health/node/demo/n1/agent/x/"), TOPIC_E_SEGMENTS, "six");
	cr_assert_eq (parse ("health//demo/n1/agent/"), TOPIC_E_CHARACTER, "empty segment");
	cr_assert_eq (parse ("health/node/demo/.n1/agent/"), TOPIC_E_CHARACTER, "begins with a dot");
	cr_assert_eq (parse ("health/node/demo/n 1/agent/"), TOPIC_E_CHARACTER);
	cr_assert_eq (parse ("health/node/demo/n\xc3\xa9/agent/"), TOPIC_E_CHARACTER);
	cr_assert_eq (
	        parse ("health/node/aaaaaaaaaaaaaaaaaaaaaaaaa/n1/agent/"), TOPIC_E_LENGTH, "cluster of 25");
	char nul[] = "health/node/demo/n1/agent/";
	nul[13] = '\0';
	topic_t t;
	cr_assert_eq (topic_parse (nul, sizeof nul - 1, &t), TOPIC_E_CHARACTER, "NUL");
}

Test (topic, longest_names_fit_and_one_more_does_not)
{
	char out[TOPIC_SIZE_MAX + 1];
	static const char c[] = "cccccccccccccccccccccccc", n[] = "nnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn",
	                  s[] = "ssssssssssssssssssssssssssssssss",
	                  s1[] = "sssssssssssssssssssssssssssssssss";
	size_t size = topic_format (out, span_str ("diagnostics"), span_str ("performance"), span_str (c),
	        span_str (n), span_str (s));
	cr_assert_gt (size, 0);
	cr_assert_leq (size, TOPIC_SIZE_MAX);
	cr_assert_eq (parse (out), 0);
	cr_assert_eq (topic_format (out, span_str ("health"), span_str ("node"), span_str (c), span_str (n),
	                      span_str (s1)),
	        0);
}

Test (topic, tells_a_collector_by_its_prefix_and_a_name_behind_it)
{
	cr_assert (topic_node_is_collector (span_str ("collector.c1")));
	cr_assert (!topic_node_is_collector (span_str ("collector.")));
	cr_assert (!topic_node_is_collector (span_str ("collectors")));
	cr_assert (!topic_node_is_collector (span_str ("n1")));
}
