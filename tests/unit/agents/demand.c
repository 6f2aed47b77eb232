#include <criterion/criterion.h>

#include <stdio.h>
#include <string.h>

#include "agents/demand.h"

static demand_t *demand;

static void setup (void)
{
	cr_assert_eq (demand_new ("demo", "n1", &demand), 0);
}
static void teardown (void)
{
	demand_destroy (&demand);
}
TestSuite (demand, .init = setup, .fini = teardown);

static int note (char what, const char *prefix)
{
	char message[300];
	message[0] = what;
	memcpy (message + 1, prefix, strlen (prefix));
	return demand_note (demand, span_of (message, strlen (prefix) + 1));
}

Test (demand, nobody_listens_at_first)
{
	cr_assert (!demand_heard (demand));
	cr_assert (!demand_wanted (demand, CHANNEL_DIAGNOSTICS, "trace"));
	cr_assert_eq (demand_count (demand), 0);
}

Test (demand, a_collector_is_heard_and_unheard)
{
	cr_assert_eq (note (1, "health/"), 0);
	cr_assert_eq (note (1, "fabric/"), DEMAND_E_HEARD);
	cr_assert (demand_heard (demand));
	cr_assert_eq (note (0, "health/"), 0);
	cr_assert_eq (note (0, "fabric/"), DEMAND_E_UNHEARD);
	cr_assert (!demand_heard (demand));
}

Test (demand, a_second_listener_is_heard_too_and_outlives_the_first)
{
	cr_assert_eq (note (1, "fabric/"), DEMAND_E_HEARD);
	cr_assert_eq (note (1, "fabric/"), DEMAND_E_HEARD);
	cr_assert_eq (note (0, "fabric/"), 0);
	cr_assert (demand_heard (demand));
	cr_assert_eq (note (0, "fabric/"), DEMAND_E_UNHEARD);
}

Test (demand, everything_is_heard_but_turns_no_diagnostics_on)
{
	cr_assert_eq (note (1, ""), DEMAND_E_HEARD);
	cr_assert (!demand_wanted (demand, CHANNEL_DIAGNOSTICS, "trace"));
	cr_assert (!demand_wanted (demand, CHANNEL_LOGGING, "debug"));
	cr_assert (demand_wanted (demand, CHANNEL_LOGGING, "info"));
	note (1, "diagnostics/");
	cr_assert (demand_wanted (demand, CHANNEL_DIAGNOSTICS, "trace"));
}

Test (demand, a_narrow_prefix_wants_only_what_lies_in_it)
{
	note (1, "diagnostics/trace/demo/n1/app/");
	cr_assert (demand_wanted (demand, CHANNEL_DIAGNOSTICS, "trace"));
	cr_assert (!demand_wanted (demand, CHANNEL_DIAGNOSTICS, "state"));
	note (0, "diagnostics/trace/demo/n1/app/");
	note (1, "diagnostics/trace/demo/n2/");
	cr_assert (!demand_wanted (demand, CHANNEL_DIAGNOSTICS, "trace"), "another node's");
	note (1, "logging/debug/demo/");
	cr_assert (demand_wanted (demand, CHANNEL_LOGGING, "debug"));
	cr_assert (!demand_wanted (demand, CHANNEL_LOGGING, "info"));
}

Test (demand, what_is_no_subscription_is_ignored)
{
	char long_prefix[200];
	memset (long_prefix, 'x', sizeof long_prefix - 1);
	long_prefix[sizeof long_prefix - 1] = '\0';
	cr_assert_eq (demand_note (demand, span_of ("", 0)), DEMAND_E_MALFORMED);
	cr_assert_eq (note (2, "fabric/"), DEMAND_E_MALFORMED);
	cr_assert_eq (note (1, long_prefix), DEMAND_E_MALFORMED);
	cr_assert_eq (note (0, "never/"), 0);
	cr_assert_eq (demand_count (demand), 0);
}

Test (demand, a_flood_of_prefixes_is_bounded_and_counted)
{
	char prefix[32];
	for (int i = 0; i < DEMAND_PREFIXES_MAX; i++) {
		snprintf (prefix, sizeof prefix, "x%d/", i);
		cr_assert_eq (note (1, prefix), 0);
	}
	cr_assert_eq (note (1, "fabric/"), DEMAND_E_FULL);
	cr_assert_eq (demand_refused (demand), 1);
	cr_assert_eq (note (1, "x7/"), 0, "a known prefix takes no room");
	note (0, "x9/");
	cr_assert_eq (note (1, "fabric/"), DEMAND_E_HEARD);
}
