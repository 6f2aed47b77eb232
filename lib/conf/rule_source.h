/* rule_source.h - a rule as its file has it, before it is compiled. The room's own. */

#ifndef CONF_RULE_SOURCE_H
#define CONF_RULE_SOURCE_H

#include "conf/table.h"

typedef struct {
	bool always;
	char *metric;
	double above, below, clear;
	conf_pairs_t match;
	int node, kind; /* 0: not given, as are the next two */
	int status, is;
} rule_when_t;

typedef struct {
	char *name;
	bool enabled;
	rule_when_t when;
	int64_t for_ns, keep_firing_ns;
	int severity;
	conf_pairs_t labels;
	char *summary, *description, *runbook_url;
} rule_source_t;

typedef struct {
	CONF_LIST_OF (rule_source_t) rules;
} rule_file_t;

/* Whether text can be a matcher's pattern: a POSIX ERE that compiles in bounded memory and matches in
 * bounded time. 0; -EINVAL with err. */
int rule_pattern_check (const char *text, err_t *err);

#endif
