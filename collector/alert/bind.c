/* Rules about series are sorted by the series' name: all of one name lie side by side, and a name is found
 * by bisection. */

#include "collector/alert/bind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct bindings {
	const rule_set_t *rules;
	uint64_t generation;
	const rule_t **metrics, **others;
	size_t n_metrics, n_others;
};

static int name_compare (const void *a, const void *b)
{
	const rule_t *left = *(const rule_t *const *) a, *right = *(const rule_t *const *) b;
	int r = strcmp (left->metric, right->metric);
	return r ? r : left < right ? -1 : left > right;
}

int bindings_new (const rule_set_t *rules, uint64_t generation, bindings_t **ret)
{
	bindings_t *self = calloc (1, sizeof *self);
	size_t n = rules ? rules->n : 0;
	if (!self)
		return -ENOMEM;
	self->rules = rules;
	self->generation = generation;
	self->metrics = calloc (n + 1, sizeof *self->metrics);
	self->others = calloc (n + 1, sizeof *self->others);
	if (!self->metrics || !self->others) {
		bindings_destroy (&self);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		const rule_t *rule = &rules->rules[i];
		if (rule->kind == RULE_METRIC)
			self->metrics[self->n_metrics++] = rule;
		else
			self->others[self->n_others++] = rule;
	}
	qsort (self->metrics, self->n_metrics, sizeof *self->metrics, name_compare);
	*ret = self;
	return 0;
}

void bindings_destroy (bindings_t **self_p)
{
	if (!*self_p)
		return;
	free ((*self_p)->metrics);
	free ((*self_p)->others);
	free (*self_p);
	*self_p = NULL;
}

const rule_t *const *bindings_others (const bindings_t *self, size_t *ret_n)
{
	*ret_n = self->n_others;
	return self->others;
}

const rule_t *bindings_rule (const bindings_t *self, uint32_t number)
{
	return self->metrics[number];
}

/* The first rule of that name, or n_metrics. */
static size_t first_of (const bindings_t *self, const char *name)
{
	size_t low = 0, high = self->n_metrics;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (strcmp (self->metrics[middle]->metric, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	bool found = low < self->n_metrics && strcmp (self->metrics[low]->metric, name) == 0;
	return found ? low : self->n_metrics;
}

static bool same_name (const bindings_t *self, size_t number, const char *name)
{
	return number < self->n_metrics && strcmp (self->metrics[number]->metric, name) == 0;
}

/* Labels are the series' for good; the node's name is not known here. */
static bool labels_match (const rule_t *rule, const series_t *series)
{
	for (size_t i = 0; i < rule->n_matchers; i++) {
		const rule_matcher_t *matcher = &rule->matchers[i];
		if (strcmp (matcher->key, "node") != 0 &&
		        !rule_matcher_holds (matcher, series_label (series, matcher->key)))
			return false;
	}
	return true;
}

static size_t notes_make (const bindings_t *self, const catalogue_t *catalogue, catalogue_bound_t *out)
{
	size_t n = 0;
	for (uint32_t i = 0; i < catalogue->n; i++) {
		const series_t *series = &catalogue->series[i];
		for (size_t at = first_of (self, series->name); same_name (self, at, series->name); at++) {
			if (!labels_match (self->metrics[at], series))
				continue;
			if (out)
				out[n] = (catalogue_bound_t){ i, (uint32_t) at };
			n++;
		}
	}
	return n;
}

int bindings_catalogue (const bindings_t *self, catalogue_t *catalogue)
{
	if (catalogue->bound_generation == self->generation)
		return 0;
	size_t n = notes_make (self, catalogue, NULL);
	catalogue_bound_t *bound = n ? malloc (n * sizeof *bound) : NULL;
	if (n && !bound)
		return -ENOMEM;
	free (catalogue->bound);
	notes_make (self, catalogue, bound);
	catalogue->bound = bound;
	catalogue->n_bound = (uint32_t) n;
	catalogue->bound_generation = self->generation;
	return 0;
}

const rule_t *const *bindings_named (const bindings_t *self, values_named_t *named, size_t *ret_n)
{
	if (named->bound_generation != self->generation) {
		named->bound = (uint32_t) first_of (self, named->series.name);
		named->bound_generation = self->generation;
	}
	size_t n = 0;
	if (named->bound < self->n_metrics) {
		while (same_name (self, named->bound + n, named->series.name))
			n++;
	}
	*ret_n = n;
	return self->metrics + named->bound;
}
