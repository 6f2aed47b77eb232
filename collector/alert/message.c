/* What an alert says to others: labels and texts, made when its rule is adopted, and the summary again
 * where the figure in it is another. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/borrow.h"
#include "collector/alert/alert.h"
#include "conf/template.h"
#include "wire/describe.h"
#include "wire/validate.h"

typedef struct {
	Belfry__V1__Label *items;
	size_t n;
	bool failed;
} labels_t;

/* The first to name a label has it; what a message cannot hold is left out. */
static void labels_put (labels_t *self, const char *key, const char *value)
{
	for (size_t i = 0; i < self->n; i++) {
		if (strcmp (self->items[i].key, key) == 0)
			return;
	}
	if (self->failed || !value || self->n == VALIDATE_LABELS_MAX)
		return;
	Belfry__V1__Label *label = &self->items[self->n++];
	belfry__v1__label__init (label);
	label->key = strdup (key);
	label->value = strdup (value);
	self->failed = !label->key || !label->value;
}

static void labels_clear (labels_t *self)
{
	if (!self->items)
		return;
	for (size_t i = 0; i < self->n; i++) {
		free (self->items[i].key);
		free (self->items[i].value);
	}
	free (self->items);
}

/* The subject first, then what the rule says, then the series' own. */
static int labels_make (const alert_t *self, const rule_t *rule, labels_t *ret)
{
	labels_t labels = { .items = calloc (VALIDATE_LABELS_MAX, sizeof *labels.items) };
	if (!labels.items)
		return -ENOMEM;
	if (self->node)
		labels_put (&labels, "node", self->node->name);
	labels_put (&labels, "component", self->component);
	for (size_t i = 0; i < rule->labels.n; i++)
		labels_put (&labels, rule->labels.items[i].key, rule->labels.items[i].value);
	for (uint32_t i = 0; i < self->n_pairs; i++)
		labels_put (&labels, self->pairs[2 * i], self->pairs[2 * i + 1]);
	if (self->source && strcmp (self->source, "agent") != 0)
		labels_put (&labels, "source", self->source);
	if (labels.failed) {
		labels_clear (&labels);
		return -ENOMEM;
	}
	*ret = labels;
	return 0;
}

static Belfry__V1__AlertCategory category_of (const rule_t *rule)
{
	switch (rule->kind) {
	case RULE_METRIC:
		return strncmp (rule->metric, "belfry_store_", 13) == 0
		               ? BELFRY__V1__ALERT_CATEGORY__ALERT_CATEGORY_PERSISTENCE
		               : BELFRY__V1__ALERT_CATEGORY__ALERT_CATEGORY_PERFORMANCE;
	case RULE_ALWAYS:
		return BELFRY__V1__ALERT_CATEGORY__ALERT_CATEGORY_SYSTEM;
	case RULE_STATUS:
		if (rule->subject == RULE_OF_COMPONENT)
			return BELFRY__V1__ALERT_CATEGORY__ALERT_CATEGORY_SYSTEM;
		return BELFRY__V1__ALERT_CATEGORY__ALERT_CATEGORY_NODE;
	default:
		return BELFRY__V1__ALERT_CATEGORY__ALERT_CATEGORY_NODE;
	}
}

static char *copy (const char *text, bool *failed)
{
	char *ret = text ? strdup (text) : NULL;
	*failed = *failed || (text && !ret);
	return ret;
}

static void replace (char **at, char *text)
{
	free (*at);
	*at = text;
}

/* All that is said of an alert beside its state; taken. */
typedef struct {
	char *name, *description, *runbook;
	labels_t labels;
	Belfry__V1__Label **pointers;
} words_t;

static int words_failed (words_t *words)
{
	labels_clear (&words->labels);
	free (words->name);
	free (words->description);
	free (words->runbook);
	free (words->pointers);
	return -ENOMEM;
}

static void words_take (alert_t *self, const words_t *words)
{
	Belfry__V1__Alert *message = &self->message;
	labels_t old = { self->labels, message->n_labels, false };
	labels_clear (&old);
	free (self->labels_p);
	self->labels = words->labels.items;
	self->labels_p = words->pointers;
	for (size_t i = 0; i < words->labels.n; i++)
		words->pointers[i] = &words->labels.items[i];
	replace (&self->name, words->name);
	replace (&self->description, words->description);
	replace (&self->runbook, words->runbook);
	replace (&self->summary, NULL);
	message->n_labels = words->labels.n;
	message->labels = words->pointers;
	message->name = words->name;
	message->description = borrow (words->description);
	belfry__v1__label__init (&self->annotation);
	self->annotation.key = borrow ("runbook_url");
	self->annotation.value = borrow (words->runbook);
	self->annotation_p = &self->annotation;
	message->n_annotations = words->runbook != NULL;
	message->annotations = &self->annotation_p;
}

int alert_adopt (alert_t *self, const rule_t *rule)
{
	bool failed = false;
	words_t words = { .name = copy (rule->name, &failed),
		.description = copy (rule->description, &failed),
		.runbook = copy (rule->runbook_url, &failed),
		.pointers = malloc (VALIDATE_LABELS_MAX * sizeof *words.pointers) };
	if (failed || !words.pointers || labels_make (self, rule, &words.labels))
		return words_failed (&words);
	words_take (self, &words);
	Belfry__V1__Alert *message = &self->message;
	self->rule = rule;
	message->category = category_of (rule);
	message->severity = (Belfry__V1__Severity) rule->severity;
	bool metric = rule->kind == RULE_METRIC;
	message->has_threshold_case = metric ? BELFRY__V1__ALERT__HAS_THRESHOLD_THRESHOLD
	                                     : BELFRY__V1__ALERT__HAS_THRESHOLD__NOT_SET;
	message->threshold = metric ? rule->threshold : 0;
	message->direction = metric ? (Belfry__V1__AlertDirection) rule->direction
	                            : BELFRY__V1__ALERT_DIRECTION__ALERT_DIRECTION_UNSPECIFIED;
	return 0;
}

int alert_adopt_message (alert_t *self, const Belfry__V1__Alert *said)
{
	bool failed = false;
	const char *runbook = said->n_annotations ? said->annotations[0]->value : NULL;
	words_t words = { .name = copy (said->name, &failed),
		.description = copy (said->description[0] ? said->description : NULL, &failed),
		.runbook = copy (runbook, &failed),
		.labels = { .items = calloc (VALIDATE_LABELS_MAX, sizeof *words.labels.items) },
		.pointers = malloc (VALIDATE_LABELS_MAX * sizeof *words.pointers) };
	char *summary = copy (said->summary, &failed);
	words.labels.failed = !words.labels.items;
	for (size_t i = 0; i < said->n_labels && !words.labels.failed; i++)
		labels_put (&words.labels, said->labels[i]->key, said->labels[i]->value);
	if (failed || !words.pointers || words.labels.failed) {
		free (summary);
		return words_failed (&words);
	}
	words_take (self, &words);
	self->summary = summary;
	Belfry__V1__Alert *message = &self->message;
	message->category = said->category;
	message->severity = said->severity;
	message->has_threshold_case = said->has_threshold_case;
	message->threshold = said->threshold;
	message->direction = said->direction;
	return 0;
}

static const char *label_of (void *arg, const char *key)
{
	const alert_t *self = arg;
	for (size_t i = 0; i < self->message.n_labels; i++) {
		if (strcmp (self->labels[i].key, key) == 0)
			return self->labels[i].value;
	}
	return NULL;
}

/* Without memory the last text stays, or the name stands for it. */
static void summary_render (alert_t *self)
{
	char kind[ENUM_TEXT_MAX], text[ALERT_SUMMARY_MAX];
	const rule_t *rule = self->rule;
	const char *status = NULL;
	if (rule->kind == RULE_STATUS)
		status = status_name (
		        (Belfry__V1__Status) (isnan (self->value) ? rule->status : (int) self->value));
	const template_values_t values = {
		.node = self->node ? self->node->name : NULL,
		.component = self->component,
		.cluster = self->cluster,
		.name = self->name,
		.severity = severity_name (self->message.severity),
		.kind = self->node && self->node->kind
		                ? enum_text (&belfry__v1__node_kind__descriptor, (int) self->node->kind, kind)
		                : NULL,
		.status = status,
		.metric = rule->metric,
		.value = self->value,
		.threshold = self->message.threshold,
		.label = label_of,
		.arg = self,
	};
	template_render (rule->summary, &values, text, sizeof text);
	char *copied = strdup (text);
	if (copied)
		replace (&self->summary, copied);
	self->rendered = self->value;
}

static bool same (double a, double b)
{
	return (isnan (a) && isnan (b)) || (a <= b && a >= b);
}

Belfry__V1__Alert *alert_message (alert_t *self, moment_t now)
{
	Belfry__V1__Alert *message = &self->message;
	/* What is over is told as it was. */
	bool over = self->state == BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED || !self->rule;
	if (self->rule && (!self->summary || (!over && !same (self->rendered, self->value))))
		summary_render (self);
	message->fingerprint = self->fingerprint;
	message->state = self->state;
	message->node = borrow (self->node ? self->node->name : NULL);
	message->summary = self->summary ? self->summary : self->name;
	message->starts_ns = (uint64_t) self->starts.ns;
	message->ends_ns = (uint64_t) self->ends.ns;
	message->unit = borrow (self->unit);
	message->repeats = self->repeats;
	bool valued = self->source && !isnan (self->value);
	message->has_value_case =
	        valued ? BELFRY__V1__ALERT__HAS_VALUE_VALUE : BELFRY__V1__ALERT__HAS_VALUE__NOT_SET;
	message->value = valued ? self->value : 0;
	mono_t third = self->fired_at[ALERT_FLAPS - 1];
	message->flapping = third.ns != 0 && mono_since (now.mono, third) <= ALERT_FLAP_NS;
	message->inhibited_by = borrow (self->inhibitor ? self->inhibitor->fingerprint : NULL);
	return message;
}
