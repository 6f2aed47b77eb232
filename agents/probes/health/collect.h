/* collect.h - what the host probe's collectors share during a cycle, and names that the kernel gives.
 *
 * A collector reads one subject's files in a fixed order and puts its series. A file or a field that
 * this kernel does not have is a series less. Names, types and labels are node_exporter's
 * (messages.md, "Names of series"); what it calls untyped is a counter where it only grows. */

#ifndef AGENTS_PROBES_HEALTH_COLLECT_H
#define AGENTS_PROBES_HEALTH_COLLECT_H

#include "agents/probes/health/source.h"
#include "agents/samples.h"
#include "base/clock.h"

typedef struct {
	int proc, sys; /* directories */
	samples_t *samples;
	text_t text; /* of the source read last */
	mono_t now;
} collect_t;

#define COUNTER(text, unit_text)                                        \
	{                                                               \
		.name = text, .kind = SAMPLE_COUNTER, .unit = unit_text \
	}
#define GAUGE(text, unit_text)                                        \
	{                                                             \
		.name = text, .kind = SAMPLE_GAUGE, .unit = unit_text \
	}

static inline void collect_put (collect_t *c, const series_def_t *def, double value)
{
	samples_put (c->samples, def, value, NULL, 0);
}

/* The first number of a file, as a series. */
void collect_number (collect_t *c, source_t *source, const series_def_t *def);

/* --- series whose names come from a file ---------------------------------------------------------- */

enum { NAMES_MAX = 1024, NAME_TEXT_MAX = 96 };

typedef struct {
	series_def_t def;
	char name[NAME_TEXT_MAX];
	bool wanted;
	char group[NAME_TEXT_MAX / 2], key[NAME_TEXT_MAX / 2]; /* as the file says them */
} name_t;

/* Those of one file, in its order: the walk of the next cycle meets them in the same. */
typedef struct {
	name_t **items;
	size_t n, at;
} names_t;

/* Fills name, kind and unit for what a file calls group and key; false when it is not wanted. */
typedef bool names_define_fn (const char *group, const char *key, name_t *ret);

/* Begins a walk of the file. */
void names_begin (names_t *self);
/* The series of that group and key; NULL when it is not wanted, too long, or past NAMES_MAX. Valid
 * until names_free. */
const series_def_t *names_find (names_t *self, const char *group, const char *key, names_define_fn *define);
void names_free (names_t *self);
/* Writes prefix_group_key to name, what Prometheus does not take as '_'; group may be "". */
void name_join (name_t *self, const char *prefix, const char *group, const char *key, const char *suffix);

#endif
