/* clock.h - monotonic and wall time as distinct types, so that mixing them does not compile.
 * Units are nanoseconds everywhere. Cores never read a clock: a shell hands them `now`. */

#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define NS_PER_US INT64_C (1000)
#define NS_PER_MS INT64_C (1000000)
#define NS_PER_S INT64_C (1000000000)

/* CLOCK_MONOTONIC: what decides. */
typedef struct {
	int64_t ns;
} mono_t;

/* CLOCK_REALTIME, UTC since 1970: what people read. */
typedef struct {
	int64_t ns;
} wall_t;

/* One moment on both clocks, as a shell hands it to a core. */
typedef struct {
	mono_t mono;
	wall_t wall;
} moment_t;

mono_t mono_now (void);
wall_t wall_now (void);
moment_t moment_now (void);
/* When this host booted, by its clocks now: time suspended counts. */
wall_t wall_boot (void);

/* later - earlier, in ns; negative when the order is the other way. */
static inline int64_t mono_since (mono_t later, mono_t earlier)
{
	return later.ns - earlier.ns;
}
static inline mono_t mono_add (mono_t at, int64_t ns)
{
	return (mono_t){ at.ns + ns };
}

enum { WALL_TEXT_MAX = 40, DURATION_TEXT_MAX = 24 };

/* RFC 3339 in UTC with nanoseconds: 2026-11-24T03:12:07.123456789Z. Returns text. */
char *wall_format_rfc3339 (wall_t at, char text[WALL_TEXT_MAX]);
/* RFC 3339 in UTC without a fraction: 2026-11-24T03:12:07Z. Returns text. */
char *wall_format_seconds (wall_t at, char text[WALL_TEXT_MAX]);
/* Local time for people: 04:12:07.123; the date goes before it when it is not today's (now). */
char *wall_format_local (wall_t at, wall_t now, char text[WALL_TEXT_MAX]);

/* Parses "200ms", "1.5s", "15m", "4h", "2d", "0"; units ns us ms s m h d w, no sum of parts.
 * 0; -EINVAL when it is none; -ERANGE beyond +-292 years. */
int duration_parse (const char *text, int64_t *ret_ns);
/* The shortest of the above forms that is true to three digits: "812ms", "4.2s", "15m". */
char *duration_format (int64_t ns, char text[DURATION_TEXT_MAX]);

#endif
