/* What a single key cannot tell: which keys make one condition, and which do not go together. Every
 * line of the grammar that the engine does not evaluate is refused here, so that no rule is silently
 * one that never fires. */

#include "conf/rule_source.h"

#include <errno.h>
#include <math.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>

#include "conf/option.h"
#include "conf/rule.h"
#include "conf/template.h"
#include "conf/word.h"

static const conf_word_t node_states[] = { { "down", 1 }, { NULL, 0 } };
static const conf_word_t node_kinds[] = { { "host", RULE_DOWN_HOST }, { "agent", RULE_DOWN_AGENT },
	{ NULL, 0 } };
static const conf_word_t status_subjects[] = { { "component", RULE_OF_COMPONENT }, { "node", RULE_OF_NODE },
	{ NULL, 0 } };
static const conf_word_t status_words[] = { { "degraded", RULE_STATUS_DEGRADED },
	{ "unhealthy", RULE_STATUS_UNHEALTHY }, { NULL, 0 } };
static const conf_word_t severities[] = { { "debug", 1 }, { "info", 2 }, { "warning", 3 }, { "error", 4 },
	{ "critical", 5 }, { NULL, 0 } };

enum { REPEATS_MAX = 1000 };

/* The product of all {n,m}: what regcomp's memory grows with, for nested ones multiply. */
static bool repeats_bounded (const char *text)
{
	unsigned long product = 1;
	for (const char *p = strchr (text, '{'); p; p = strchr (p + 1, '{')) {
		char *end;
		unsigned long least = strtoul (p + 1, &end, 10), most = least;
		if (*end == ',')
			most = strtoul (end + 1, &end, 10);
		if (least > REPEATS_MAX || most > REPEATS_MAX)
			return false;
		product *= most > least ? most : least > 1 ? least : 1;
		if (product > REPEATS_MAX)
			return false;
	}
	return true;
}

/* Past a bracket expression that begins at text: [^]a-z[:alpha:]]. */
static const char *bracket_skip (const char *text)
{
	text += text[1] == '^' ? 2 : 1;
	if (*text == ']')
		text++;
	while (*text && *text != ']') {
		char kind = text[1];
		const char close[] = { kind, ']', '\0' };
		const char *end =
		        *text == '[' && kind && strchr (".:=", kind) ? strstr (text + 2, close) : NULL;
		text = end ? end + 2 : text + 1;
	}
	return *text ? text + 1 : text;
}

/* What regcomp takes and a rule does not: \1, which makes glibc's matching exponential and is no POSIX
 * ERE; and a ")" without its "(", which would end the group that anchors the pattern. */
static const char *pattern_flaw (const char *text)
{
	size_t depth = 0;
	while (*text) {
		if (*text == '[') {
			text = bracket_skip (text);
			continue;
		}
		if (*text == '\\' && text[1] >= '1' && text[1] <= '9')
			return "refers back (\\1), which POSIX extended patterns do not";
		if (*text == ')' && depth-- == 0)
			return "has a ) without its (; write \\) for the character";
		depth += *text == '(';
		text += *text == '\\' && text[1] ? 2 : 1;
	}
	return NULL;
}

int rule_pattern_check (const char *text, err_t *err)
{
	char quoted[WORD_QUOTED_MAX], why[128];
	regex_t regex;
	word_quote (text, quoted);
	if (strlen (text) > RULE_PATTERN_MAX)
		return error_set (err, -EINVAL, "pattern %s has %zu bytes, above %d", quoted, strlen (text),
		        RULE_PATTERN_MAX);
	const char *flaw = pattern_flaw (text);
	if (flaw)
		return error_set (err, -EINVAL, "pattern %s %s", quoted, flaw);
	if (!repeats_bounded (text))
		return error_set (err, -EINVAL, "pattern %s repeats more than %d times", quoted, REPEATS_MAX);
	int r = regcomp (&regex, text, REG_EXTENDED | REG_NOSUB);
	if (r != 0) {
		regerror (r, &regex, why, sizeof why);
		return error_set (
		        err, -EINVAL, "pattern %s is no POSIX extended regular expression: %s", quoted, why);
	}
	regfree (&regex);
	return 0;
}

/* Prometheus' grammar; colons are for names of series alone. */
static bool series_name_valid (const char *text, bool colons)
{
	bool first = true;
	for (; *text; text++, first = false) {
		char c = *text;
		bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
		bool digit = c >= '0' && c <= '9';
		if (!letter && !(digit && !first) && !(c == ':' && colons))
			return false;
	}
	return !first;
}

static void match_check (conf_fill_t *fill, const rule_when_t *self, const conf_node_t *node)
{
	char quoted[WORD_QUOTED_MAX];
	err_t err;
	for (size_t i = 0; i < self->match.n; i++) {
		const char *key = self->match.items[i].key;
		word_quote (key, quoted);
		if (!series_name_valid (key, false))
			conf_wrong (fill, node, "match",
			        "%s is no label: letters, digits and '_', no digit first", quoted);
		else if (self->always)
			conf_wrong (fill, node, "match", "%s: what always holds has no labels", quoted);
		else if (self->node && strcmp (key, "node") != 0)
			conf_wrong (
			        fill, node, "match", "%s: a node's state has only 'node' to match", quoted);
		else if (self->status && strcmp (key, "node") != 0 && strcmp (key, "component") != 0)
			conf_wrong (fill, node, "match",
			        "%s: a status has only 'node' and 'component' to match", quoted);
		else if (rule_pattern_check (self->match.items[i].value, &err) < 0)
			conf_wrong (fill, node, "match", "%s: %s", quoted, err.text);
	}
}

static bool has (const conf_node_t *node, const char *key)
{
	return conf_node_find (node, key) != NULL;
}

static void metric_check (conf_fill_t *fill, const rule_when_t *self, const conf_node_t *node)
{
	char quoted[WORD_QUOTED_MAX];
	bool above = has (node, "above"), below = has (node, "below");
	if (self->metric && !series_name_valid (self->metric, true))
		conf_wrong (fill, node, "metric", "%s is no series' name: letters, digits, '_' and ':'",
		        word_quote (self->metric, quoted));
	if (has (node, "predict") || has (node, "rate_per_second"))
		return;
	if (above == below)
		conf_wrong (fill, node, "metric", "needs %s",
		        above ? "one of above and below, not both" : "above or below");
	else if (above && self->clear > self->above)
		conf_wrong (fill, node, "clear",
		        "%g is above the threshold %g, and the alert would never hold", self->clear,
		        self->above);
	else if (below && self->clear < self->below)
		conf_wrong (fill, node, "clear",
		        "%g is below the threshold %g, and the alert would never hold", self->clear,
		        self->below);
}

/* Keys that only go with one condition. */
static void strays_check (conf_fill_t *fill, const conf_node_t *node)
{
	static const struct {
		const char *key, *with, *or_with;
	} strays[] = { { "above", "metric", NULL }, { "below", "metric", "quorum" },
		{ "clear", "metric", NULL }, { "kind", "node", NULL }, { "is", "status", NULL } };
	for (size_t i = 0; i < sizeof strays / sizeof strays[0]; i++) {
		if (has (node, strays[i].key) && !has (node, strays[i].with) &&
		        !(strays[i].or_with && has (node, strays[i].or_with)))
			conf_wrong (fill, node, strays[i].key, "means nothing without '%s'", strays[i].with);
	}
}

static void rule_when_check (conf_fill_t *fill, void *object, const conf_node_t *node)
{
	static const char *const conditions[] = { "always", "metric", "node", "status", "event", "absent",
		"quorum" };
	const rule_when_t *self = object;
	const char *first = NULL;
	for (size_t i = 0; i < sizeof conditions / sizeof conditions[0]; i++) {
		if (!has (node, conditions[i]))
			continue;
		if (first)
			conf_wrong (fill, node, conditions[i], "stands beside '%s'; a rule has one condition",
			        first);
		else
			first = conditions[i];
	}
	if (!first)
		conf_wrong (fill, node, NULL, "says no condition: one of always, metric, node or status");
	strays_check (fill, node);
	if (has (node, "always") && !self->always)
		conf_wrong (fill, node, "always", "is true or not there; enabled: false removes a rule");
	if (has (node, "metric"))
		metric_check (fill, self, node);
	if (has (node, "status") && !has (node, "is"))
		conf_wrong (fill, node, "status", "needs 'is': unhealthy or degraded");
	match_check (fill, self, node);
}

static void rule_source_check (conf_fill_t *fill, void *object, const conf_node_t *node)
{
	const rule_source_t *self = object;
	err_t err;
	if (self->enabled && !has (node, "when"))
		conf_wrong (fill, node, "when",
		        "missing; it says what must hold, such as {metric: NAME, above: 0.9}");
	if (self->summary && template_check (self->summary, &err) < 0)
		conf_wrong (fill, node, "summary", "%s", err.text);
	if (self->runbook_url && strncmp (self->runbook_url, "http://", 7) != 0 &&
	        strncmp (self->runbook_url, "https://", 8) != 0)
		conf_wrong (fill, node, "runbook_url", "begins with neither http:// nor https://");
	for (size_t i = 0; i < self->labels.n; i++) {
		char quoted[WORD_QUOTED_MAX];
		if (!series_name_valid (self->labels.items[i].key, false))
			conf_wrong (fill, node, "labels",
			        "%s is no label: letters, digits and '_', no digit first",
			        word_quote (self->labels.items[i].key, quoted));
	}
}

#include "conf/rule.def"

const conf_table_t *rule_file_table (void)
{
	return &rules_table;
}
