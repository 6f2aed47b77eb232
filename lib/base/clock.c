#include "base/clock.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int64_t clock_read (clockid_t id)
{
	struct timespec ts;
	clock_gettime (id, &ts);
	return (int64_t) ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

mono_t mono_now (void)
{
	return (mono_t){ clock_read (CLOCK_MONOTONIC) };
}
wall_t wall_now (void)
{
	return (wall_t){ clock_read (CLOCK_REALTIME) };
}
moment_t moment_now (void)
{
	return (moment_t){ mono_now (), wall_now () };
}
wall_t wall_boot (void)
{
	return (wall_t){ wall_now ().ns - clock_read (CLOCK_BOOTTIME) };
}

/* Floors, so that times before 1970 keep a fraction in 0..1 s. */
static time_t wall_seconds (wall_t at, int64_t *ret_ns)
{
	int64_t s = at.ns / NS_PER_S, ns = at.ns % NS_PER_S;
	if (ns < 0) {
		ns += NS_PER_S;
		s--;
	}
	*ret_ns = ns;
	return (time_t) s;
}

char *wall_format_rfc3339 (wall_t at, char text[WALL_TEXT_MAX])
{
	int64_t ns;
	time_t s = wall_seconds (at, &ns);
	struct tm tm;
	gmtime_r (&s, &tm);
	size_t n = strftime (text, WALL_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf (text + n, WALL_TEXT_MAX - n, ".%09" PRId64 "Z", ns);
	return text;
}

char *wall_format_seconds (wall_t at, char text[WALL_TEXT_MAX])
{
	int64_t ns;
	time_t s = wall_seconds (at, &ns);
	struct tm tm;
	gmtime_r (&s, &tm);
	strftime (text, WALL_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
	return text;
}

char *wall_format_local (wall_t at, wall_t now, char text[WALL_TEXT_MAX])
{
	int64_t ns, ignored;
	time_t s = wall_seconds (at, &ns), n = wall_seconds (now, &ignored);
	struct tm tm, today;
	localtime_r (&s, &tm);
	localtime_r (&n, &today);
	bool same_day = tm.tm_year == today.tm_year && tm.tm_yday == today.tm_yday;
	size_t used = strftime (text, WALL_TEXT_MAX, same_day ? "%H:%M:%S" : "%Y-%m-%d %H:%M:%S", &tm);
	snprintf (text + used, WALL_TEXT_MAX - used, ".%03" PRId64, ns / NS_PER_MS);
	return text;
}

static const struct {
	const char *unit;
	int64_t ns;
} units[] = {
	{ "ns", 1 },
	{ "us", NS_PER_US },
	{ "ms", NS_PER_MS },
	{ "s", NS_PER_S },
	{ "m", 60 * NS_PER_S },
	{ "h", 3600 * NS_PER_S },
	{ "d", 86400 * NS_PER_S },
	{ "w", 7 * 86400 * NS_PER_S },
};

int duration_parse (const char *text, int64_t *ret_ns)
{
	const char *digits = *text == '-' ? text + 1 : text;
	if (*digits < '0' || *digits > '9')
		return -EINVAL;
	char *end;
	double value = strtod (text, &end);
	if (strspn (digits, "0123456789.") != (size_t) (end - digits))
		return -EINVAL; /* hexadecimal and exponents are not durations */
	if (value == 0 && *end == '\0') {
		*ret_ns = 0;
		return 0;
	}
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (strcmp (end, units[i].unit) != 0)
			continue;
		double ns = value * (double) units[i].ns;
		if (!(fabs (ns) < 9.2e18))
			return -ERANGE;
		*ret_ns = (int64_t) llround (ns);
		return 0;
	}
	return -EINVAL;
}

char *duration_format (int64_t ns, char text[DURATION_TEXT_MAX])
{
	const size_t largest = sizeof units / sizeof units[0] - 2;
	size_t i = 0;
	uint64_t size = ns < 0 ? 0 - (uint64_t) ns : (uint64_t) ns;
	while (i < largest && size >= (uint64_t) units[i + 1].ns)
		i++;
	double value = (double) ns / (double) units[i].ns;
	/* What three digits would round up to a thousand is one of the next unit. */
	if (i < largest && fabs (value) >= 999.5 && units[i + 1].ns == 1000 * units[i].ns)
		value = (double) ns / (double) units[++i].ns;
	snprintf (text, DURATION_TEXT_MAX, fabs (value) >= 999.5 ? "%.0f%s" : "%.3g%s", value,
	        ns == 0 ? "s" : units[i].unit);
	return text;
}
