/* What time makes of a condition (held for long enough, over for long enough) becomes an event; one table
 * says what follows. Missing data never resolves: only a value that is back, or the end of the rule
 * or the node, does. */

#include "collector/alert/alert.h"

#include <errno.h>
#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONE BELFRY__V1__ALERT_STATE__ALERT_STATE_UNSPECIFIED
#define PENDING BELFRY__V1__ALERT_STATE__ALERT_STATE_PENDING
#define FIRING BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING
#define RESOLVED BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED
#define UNKNOWN BELFRY__V1__ALERT_STATE__ALERT_STATE_UNKNOWN

typedef enum {
	HOLDS,      /* not yet for as long as `for` says */
	HOLDS_LONG, /* for so long, or it fired already */
	CLEAR,      /* not for as long as `keep_firing_for` says */
	CLEAR_LONG,
	LOST,
	VOID
} event_t;

/* What a row does beside. */
typedef enum { ACT_NONE, ACT_BEGIN /* another episode */, ACT_AGAIN /* `for` counts anew */ } action_t;

static const struct {
	Belfry__V1__AlertState state;
	event_t event;
	Belfry__V1__AlertState next;
	action_t action;
} rows[] = {
	{ NONE, HOLDS, PENDING, ACT_BEGIN },
	{ NONE, HOLDS_LONG, FIRING, ACT_BEGIN },
	{ PENDING, HOLDS_LONG, FIRING, ACT_NONE },
	{ PENDING, CLEAR, RESOLVED, ACT_NONE },
	{ PENDING, CLEAR_LONG, RESOLVED, ACT_NONE },
	{ PENDING, LOST, UNKNOWN, ACT_NONE },
	{ PENDING, VOID, RESOLVED, ACT_NONE },
	{ FIRING, CLEAR_LONG, RESOLVED, ACT_NONE },
	{ FIRING, LOST, UNKNOWN, ACT_NONE },
	{ FIRING, VOID, RESOLVED, ACT_NONE },
	{ UNKNOWN, HOLDS, PENDING, ACT_AGAIN },
	{ UNKNOWN, HOLDS_LONG, FIRING, ACT_NONE },
	{ UNKNOWN, CLEAR, FIRING, ACT_NONE },
	{ UNKNOWN, CLEAR_LONG, RESOLVED, ACT_NONE },
	{ UNKNOWN, VOID, RESOLVED, ACT_NONE },
	{ RESOLVED, HOLDS, PENDING, ACT_BEGIN },
	{ RESOLVED, HOLDS_LONG, FIRING, ACT_BEGIN },
};

static event_t event_of (alert_t *self, condition_t condition, mono_t now)
{
	bool fresh = self->state == NONE || self->state == RESOLVED;
	/* An unknown one that never fired does not count the time in which nobody knew. */
	bool again = self->state == UNKNOWN && !self->fired;
	mono_t since = fresh || again ? now : self->holds_since;
	switch (condition) {
	case CONDITION_TRUE:
		self->held_at = now;
		return (self->fired && !fresh) || mono_since (now, since) >= self->rule->for_ns ? HOLDS_LONG
		                                                                                : HOLDS;
	case CONDITION_FALSE:
		return self->fired && mono_since (now, self->held_at) < self->rule->keep_firing_ns
		               ? CLEAR
		               : CLEAR_LONG;
	case CONDITION_LOST:
		return LOST;
	default:
		return VOID;
	}
}

static void episode_begin (alert_t *self, moment_t now)
{
	self->fired = false;
	self->starts = now.wall;
	self->ends = (wall_t){ 0 };
	self->holds_since = now.mono;
	self->repeats = 0;
}

static void fire (alert_t *self, mono_t now)
{
	if (self->fired)
		return;
	self->fired = true;
	memmove (self->fired_at + 1, self->fired_at, sizeof self->fired_at - sizeof *self->fired_at);
	self->fired_at[0] = now;
}

alert_outcome_t alert_step (alert_t *self, condition_t condition, moment_t now)
{
	event_t event = event_of (self, condition, now.mono);
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (rows[i].state != self->state || rows[i].event != event)
			continue;
		if (rows[i].action == ACT_BEGIN)
			episode_begin (self, now);
		else if (rows[i].action == ACT_AGAIN)
			self->holds_since = now.mono;
		self->state = rows[i].next;
		if (self->state == FIRING)
			fire (self, now.mono);
		if (self->state != RESOLVED)
			return ALERT_CHANGED;
		self->resolved_at = now.mono;
		/* The wall clock may have been set back since. */
		self->ends = now.wall.ns > self->starts.ns ? now.wall : self->starts;
		return self->fired ? ALERT_CHANGED : ALERT_OVER;
	}
	bool over =
	        self->state == NONE ||
	        (self->state == RESOLVED && mono_since (now.mono, self->resolved_at) >= ALERT_RESOLVED_NS);
	return over ? ALERT_OVER : ALERT_SAME;
}

bool alert_active (const alert_t *self)
{
	return self->state == PENDING || self->state == FIRING || self->state == UNKNOWN;
}

bool alert_cross (const rule_t *rule, bool crossed, double value)
{
	double limit = crossed ? rule->clear : rule->threshold;
	return rule->direction == RULE_ABOVE ? value > limit : value < limit;
}

/* Subjects. */

static const char *pair_value (const alert_t *self, const char *key)
{
	for (uint32_t i = 0; i < self->n_pairs; i++) {
		if (strcmp (self->pairs[2 * i], key) == 0)
			return self->pairs[2 * i + 1];
	}
	return NULL;
}

bool alert_about (const alert_t *self, const subject_t *subject)
{
	if (self->node != subject->node || !self->component != !subject->component ||
	        !self->source != !subject->source)
		return false;
	if (self->component && strcmp (self->component, subject->component) != 0)
		return false;
	if (self->source && strcmp (self->source, subject->source) != 0)
		return false;
	uint32_t n = subject->series ? subject->series->n_labels : 0;
	if (self->n_pairs != n)
		return false;
	/* A catalogue may list them in another order than the last one did. */
	for (uint32_t i = 0; i < n; i++) {
		const char *value = pair_value (self, subject->series->labels[2 * i]);
		if (!value || strcmp (value, subject->series->labels[2 * i + 1]) != 0)
			return false;
	}
	return true;
}

bool alert_same_series (const series_t *a, const series_t *b)
{
	if (a->n_labels != b->n_labels)
		return false;
	for (uint32_t i = 0; i < a->n_labels; i++) {
		const char *value = series_label (b, a->labels[2 * i]);
		if (!value || strcmp (value, a->labels[2 * i + 1]) != 0)
			return false;
	}
	return true;
}

/* A series says itself which component it is of, if it does. */
static bool matcher_holds (
        const rule_matcher_t *matcher, const char *node, const char *component, const char *label)
{
	if (strcmp (matcher->key, "node") == 0)
		return rule_matcher_holds (matcher, node);
	if (strcmp (matcher->key, "component") == 0 && component)
		return rule_matcher_holds (matcher, component);
	return rule_matcher_holds (matcher, label);
}

bool alert_matches (const rule_t *rule, const subject_t *subject)
{
	for (size_t i = 0; i < rule->n_matchers; i++) {
		const rule_matcher_t *matcher = &rule->matchers[i];
		if (!matcher_holds (matcher, subject->node ? subject->node->name : NULL, subject->component,
		            subject->series ? series_label (subject->series, matcher->key) : NULL))
			return false;
	}
	return true;
}

static rule_subject_t subject_of (const alert_t *self)
{
	return self->component ? RULE_OF_COMPONENT : RULE_OF_NODE;
}

bool alert_fits (const alert_t *self, const rule_t *rule)
{
	if (rule->kind == RULE_METRIC ? !self->metric || strcmp (self->metric, rule->metric) != 0
	                              : self->metric != NULL)
		return false;
	if ((rule->kind == RULE_ALWAYS) != !self->node)
		return false;
	if (rule->kind == RULE_STATUS ? rule->subject != subject_of (self) : self->component != NULL)
		return false;
	for (size_t i = 0; i < rule->n_matchers; i++) {
		const rule_matcher_t *matcher = &rule->matchers[i];
		if (!matcher_holds (matcher, self->node ? self->node->name : NULL, self->component,
		            pair_value (self, matcher->key)))
			return false;
	}
	return true;
}

static int pair_compare (const void *a, const void *b)
{
	return strcmp (((char *const *) a)[0], ((char *const *) b)[0]);
}

static void hash_put (crypto_generichash_state *state, const char *text)
{
	/* With its terminator: no two splits of the same letters agree. */
	text = text ? text : "";
	crypto_generichash_update (state, (const uint8_t *) text, strlen (text) + 1);
}

void alert_fingerprint (alert_t *self)
{
	uint8_t digest[(ALERT_FINGERPRINT_SIZE - 1) / 2];
	crypto_generichash_state state;
	crypto_generichash_init (&state, NULL, 0, sizeof digest);
	hash_put (&state, self->name);
	hash_put (&state, self->node ? self->node->name : NULL);
	hash_put (&state, self->component);
	hash_put (&state, self->source);
	for (uint32_t i = 0; i < 2 * self->n_pairs; i++)
		hash_put (&state, self->pairs[i]);
	crypto_generichash_final (&state, digest, sizeof digest);
	sodium_bin2hex (self->fingerprint, sizeof self->fingerprint, digest, sizeof digest);
}

/* Making. */

static char *copy (const char *text, bool *failed)
{
	char *ret = text ? strdup (text) : NULL;
	*failed = *failed || (text && !ret);
	return ret;
}

int alert_new (const rule_t *rule, const subject_t *subject, const char *cluster, alert_t **ret)
{
	alert_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	bool failed = false;
	belfry__v1__alert__init (&self->message);
	self->node = subject->node;
	self->cluster = cluster;
	self->value = self->rendered = NAN;
	self->component = copy (subject->component, &failed);
	self->source = copy (subject->source, &failed);
	self->metric = copy (subject->series ? subject->series->name : NULL, &failed);
	self->unit = copy (subject->series ? subject->series->unit : NULL, &failed);
	uint32_t n = subject->series ? subject->series->n_labels : 0;
	self->pairs = calloc (2 * (size_t) n + 1, sizeof *self->pairs);
	failed = failed || !self->pairs;
	for (; !failed && self->n_pairs < n; self->n_pairs++) {
		for (uint32_t k = 2 * self->n_pairs; k < 2 * self->n_pairs + 2; k++)
			self->pairs[k] = copy (subject->series->labels[k], &failed);
	}
	if (!failed)
		qsort (self->pairs, n, 2 * sizeof *self->pairs, pair_compare);
	if (failed || (rule && alert_adopt (self, rule))) {
		alert_destroy (&self);
		return -ENOMEM;
	}
	if (rule)
		alert_fingerprint (self);
	*ret = self;
	return 0;
}

static void labels_free (Belfry__V1__Label *labels, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free (labels[i].key);
		free (labels[i].value);
	}
	free (labels);
}

void alert_destroy (alert_t **self_p)
{
	alert_t *self = *self_p;
	if (!self)
		return;
	for (uint32_t i = 0; self->pairs && i < 2 * self->n_pairs; i++)
		free (self->pairs[i]);
	labels_free (self->labels, self->message.n_labels);
	free (self->labels_p);
	free (self->pairs);
	free (self->component);
	free (self->source);
	free (self->metric);
	free (self->unit);
	free (self->name);
	free (self->summary);
	free (self->description);
	free (self->runbook);
	free (self);
	*self_p = NULL;
}
