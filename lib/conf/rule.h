/* rule.h - alert rules as the engine takes them (interfaces.md, "A rule"): parsed, checked, with
 * compiled matchers. Plain data; loading does I/O, everything else is pure.
 *
 * A set is the shipped defaults (rule_defaults.yaml) with the files' rules over them: one of the same
 * name replaces, `enabled: false` removes. So every rule of a set is in force. */

#ifndef CONF_RULE_H
#define CONF_RULE_H

#include <regex.h>

#include "conf/table.h"

typedef enum {
	RULE_ALWAYS = 1, /* fires as long as the collector lives: the watchdog */
	RULE_METRIC,     /* a series is above or below a threshold */
	RULE_NODE_DOWN,  /* a node's state is down */
	RULE_STATUS      /* a component's or node's status is at least so bad */
} rule_kind_t;

typedef enum { RULE_ABOVE = 1, RULE_BELOW } rule_direction_t; /* AlertDirection's numbers */
typedef enum { RULE_DOWN_ANY = 0, RULE_DOWN_HOST, RULE_DOWN_AGENT } rule_down_t; /* NodeKind's numbers */
typedef enum { RULE_OF_COMPONENT = 1, RULE_OF_NODE } rule_subject_t;

/* belfry.v1.Status' numbers. DEGRADED holds for unhealthy too; neither holds for unknown. */
typedef enum { RULE_STATUS_DEGRADED = 2, RULE_STATUS_UNHEALTHY = 3 } rule_status_t;

enum { RULE_MATCHERS_MAX = 8, RULE_PATTERN_MAX = 256, RULE_LABELS_MAX = 16, RULES_MAX = 1024 };

/* Holds for a value that the whole pattern matches; an absent label counts as "". The keys `node` and
 * `component` stand for the subject's names, every other for a label of the series. */
typedef struct {
	char *key, *pattern;
	regex_t regex; /* of ^(pattern)$, POSIX ERE, REG_NOSUB */
} rule_matcher_t;

typedef struct rule {
	char *name;
	char *file; /* where it came from, for messages; "shipped" for a default */
	size_t line;
	rule_kind_t kind;

	char *metric; /* METRIC */
	rule_direction_t direction;
	double threshold, clear; /* clear: crossed back only here; threshold itself without hysteresis */

	rule_down_t down;       /* NODE_DOWN */
	rule_subject_t subject; /* STATUS */
	int status;             /* STATUS: rule_status_t */

	rule_matcher_t *matchers; /* all must hold */
	size_t n_matchers;

	int64_t for_ns, keep_firing_ns;
	int severity; /* belfry.v1.Severity's number, 1..5 */
	conf_pairs_t labels;
	char *summary;                   /* a template (conf/template.h); never NULL */
	char *description, *runbook_url; /* NULL when not given */
} rule_t;

typedef struct rule_set {
	rule_t *rules;
	size_t n;
} rule_set_t;

/* The defaults, then each file that the names and glob(7) patterns give, in their order and sorted
 * within a pattern. A pattern without a match is none; a plain name must exist.
 * 0; or, with everything that is wrong in errors and *ret untouched, -EINVAL or -ENOMEM. */
int rule_set_load (const conf_strings_t *files, rule_set_t **ret, conf_errors_t *errors);
/* The defaults, then one file, whose name is no pattern. */
int rule_set_load_file (const char *file, rule_set_t **ret, conf_errors_t *errors);
/* The defaults, then one text; name stands for the file. text: NULL for the defaults alone. */
int rule_set_parse (const char *text, size_t size, const char *name, rule_set_t **ret, conf_errors_t *errors);
/* Frees and nulls. NULL-safe. */
void rule_set_destroy (rule_set_t **self_p);

/* The rule of that name, or NULL. */
const rule_t *rule_set_find (const rule_set_t *self, const char *name);

/* Whether value is what the matcher asks for; NULL is an absent label. */
bool rule_matcher_holds (const rule_matcher_t *self, const char *value);

/* Of a rule file's top level, for conf_print_reference. */
const conf_table_t *rule_file_table (void);

#endif
