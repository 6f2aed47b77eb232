#include <criterion/criterion.h>

#include <math.h>

#include "agents/probes/level.h"

static const level_def_t def = { 0.90, 0.87, 0.97, 0.95, 3 * NS_PER_S, 10 * NS_PER_S };
static level_t level;

static probe_status_t step (double value, int64_t s)
{
	return level_step (&level, &def, value, (mono_t){ s * NS_PER_S });
}

Test (level, the_first_figure_counts_at_once)
{
	cr_assert_eq (step (0.98, 0), PROBE_STATUS_UNHEALTHY);
	level = (level_t){ 0 };
	cr_assert_eq (step (0.92, 0), PROBE_STATUS_DEGRADED);
	level = (level_t){ 0 };
	cr_assert_eq (step (0.1, 0), PROBE_STATUS_HEALTHY);
}

Test (level, worse_needs_the_time_to_rise)
{
	step (0.5, 0);
	cr_assert_eq (step (0.91, 1), PROBE_STATUS_HEALTHY);
	cr_assert_eq (step (0.91, 3), PROBE_STATUS_HEALTHY);
	cr_assert_eq (step (0.91, 4), PROBE_STATUS_DEGRADED);
	cr_assert_eq (step (0.99, 5), PROBE_STATUS_DEGRADED);
	cr_assert_eq (step (0.99, 8), PROBE_STATUS_UNHEALTHY);
}

Test (level, a_peak_in_between_is_nothing)
{
	step (0.5, 0);
	step (0.99, 1);
	cr_assert_eq (step (0.5, 3), PROBE_STATUS_HEALTHY);
	cr_assert_eq (step (0.99, 4), PROBE_STATUS_HEALTHY, "the time begins anew");
	cr_assert_eq (step (0.99, 6), PROBE_STATUS_HEALTHY);
	cr_assert_eq (step (0.99, 7), PROBE_STATUS_UNHEALTHY);
}

Test (level, between_its_thresholds_a_status_stays)
{
	step (0.98, 0);
	cr_assert_eq (step (0.96, 100), PROBE_STATUS_UNHEALTHY);
	cr_assert_eq (step (0.94, 101), PROBE_STATUS_UNHEALTHY);
	cr_assert_eq (step (0.94, 111), PROBE_STATUS_DEGRADED);
	cr_assert_eq (step (0.88, 200), PROBE_STATUS_DEGRADED);
	cr_assert_eq (step (0.88, 300), PROBE_STATUS_DEGRADED);
	cr_assert_eq (step (0.86, 301), PROBE_STATUS_DEGRADED);
	cr_assert_eq (step (0.86, 311), PROBE_STATUS_HEALTHY);
}

Test (level, a_figure_that_swings_about_a_threshold_flaps_nothing)
{
	step (0.5, 0);
	for (int64_t s = 1; s < 100; s++)
		cr_assert_eq (step (s % 2 ? 0.91 : 0.89, s), PROBE_STATUS_HEALTHY);
	for (int64_t s = 100; s < 110; s++)
		step (0.91, s);
	for (int64_t s = 110; s < 200; s++)
		cr_assert_eq (step (s % 2 ? 0.91 : 0.86, s), PROBE_STATUS_DEGRADED);
}

Test (level, no_figure_is_unknown_and_then_begins_anew)
{
	step (0.98, 0);
	cr_assert_eq (step (NAN, 1), PROBE_STATUS_UNKNOWN);
	cr_assert_eq (step (0.5, 2), PROBE_STATUS_HEALTHY);
}

Test (level, a_threshold_at_infinity_is_never_reached)
{
	static const level_def_t only = { 0.8, 0.5, INFINITY, INFINITY, 0, 0 };
	level_t l = { 0 };
	cr_assert_eq (level_step (&l, &only, 1e300, (mono_t){ 0 }), PROBE_STATUS_DEGRADED);
}

Test (level, the_worse_of_two_is_a_known_one)
{
	cr_assert_eq (status_worse (PROBE_STATUS_HEALTHY, PROBE_STATUS_DEGRADED), PROBE_STATUS_DEGRADED);
	cr_assert_eq (status_worse (PROBE_STATUS_UNHEALTHY, PROBE_STATUS_DEGRADED), PROBE_STATUS_UNHEALTHY);
	cr_assert_eq (status_worse (PROBE_STATUS_UNKNOWN, PROBE_STATUS_HEALTHY), PROBE_STATUS_HEALTHY);
	cr_assert_eq (status_worse (PROBE_STATUS_UNKNOWN, PROBE_STATUS_UNKNOWN), PROBE_STATUS_UNKNOWN);
}
