/* The alerts as others see them: the list that people read, and the memory for the next run. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "collector/alert/alerts_internal.h"

#define FIRING BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING

/* The list. */

static int rank_of (Belfry__V1__AlertState state)
{
	switch (state) {
	case FIRING:
		return 0;
	case BELFRY__V1__ALERT_STATE__ALERT_STATE_UNKNOWN:
		return 1;
	case BELFRY__V1__ALERT_STATE__ALERT_STATE_PENDING:
		return 2;
	default:
		return 3;
	}
}

static int importance_compare (const void *a, const void *b)
{
	const Belfry__V1__Alert *left = *(Belfry__V1__Alert *const *) a;
	const Belfry__V1__Alert *right = *(Belfry__V1__Alert *const *) b;
	int r = rank_of (left->state) - rank_of (right->state);
	if (!r)
		r = (left->inhibited_by[0] != '\0') - (right->inhibited_by[0] != '\0');
	if (!r)
		r = (int) right->severity - (int) left->severity;
	if (!r)
		r = strcmp (left->name, right->name);
	if (!r)
		r = strcmp (left->node, right->node);
	return r ? r : strcmp (left->fingerprint, right->fingerprint);
}

static size_t place_list (const place_t *place, moment_t now, Belfry__V1__Alert **out)
{
	for (uint32_t i = 0; i < place->n; i++)
		out[i] = alert_message (place->alerts[i], now);
	return place->n;
}

size_t alerts_list (alerts_t *self, moment_t now, Belfry__V1__Alert ***ret)
{
	if (self->n > self->list_room) {
		Belfry__V1__Alert **grown = realloc (self->list, self->n * sizeof *grown);
		if (!grown) {
			self->view->counters.memory_failed++;
			*ret = NULL;
			return 0;
		}
		self->list = grown;
		self->list_room = self->n;
	}
	size_t n = place_list (&self->cluster, now, self->list);
	for (uint32_t i = 0; i < self->n_nodes; i++)
		n += place_list (&self->nodes[i], now, self->list + n);
	if (n)
		qsort (self->list, n, sizeof *self->list, importance_compare);
	*ret = self->list;
	return n;
}

/* The memory. */

bool alerts_changed (const alerts_t *self)
{
	return self->changed || self->n_forgotten;
}

static void place_remember (
        alerts_t *self, place_t *place, moment_t now, alerts_remember_fn *remember, void *arg)
{
	for (uint32_t i = 0; i < place->n; i++) {
		alert_t *alert = place->alerts[i];
		uint8_t *bytes = NULL;
		size_t size = 0;
		if (!alert->remember)
			continue;
		if (alert_pack (alert, now, &bytes, &size)) {
			self->view->counters.memory_failed++;
			self->changed = true;
			continue;
		}
		alert->remember = false;
		remember (arg, alert->fingerprint, span_of (bytes, size));
		free (bytes);
	}
}

void alerts_remember (alerts_t *self, moment_t now, alerts_remember_fn *remember, void *arg)
{
	/* First what is gone: it may have come again since. */
	while (self->n_forgotten)
		remember (arg, self->forgotten[--self->n_forgotten], span_of (NULL, 0));
	if (!self->changed)
		return;
	self->changed = false;
	for (uint32_t i = 0; i < self->n_nodes; i++)
		place_remember (self, &self->nodes[i], now, remember, arg);
	place_remember (self, &self->cluster, now, remember, arg);
}

int alerts_restore (alerts_t *self, const Belfry__V1__AlertMemory *memory, const rule_set_t *rules,
        const node_t *node, int64_t shift, moment_t now)
{
	const Belfry__V1__Alert *said = memory->alert;
	if (!said || said->state <= BELFRY__V1__ALERT_STATE__ALERT_STATE_UNSPECIFIED ||
	        said->state > BELFRY__V1__ALERT_STATE__ALERT_STATE_UNKNOWN ||
	        (said->node[0] != '\0') != !!node)
		return -EINVAL;
	place_t *place = node ? alerts_place (self, node) : &self->cluster;
	const rule_t *rule = rules ? rule_set_find (rules, said->name) : NULL;
	alert_t *alert;
	int r = place ? alert_restore (memory, rule, node, self->view->cluster, shift, now, &alert) : -ENOMEM;
	if (r)
		return r;
	for (uint32_t i = 0; i < place->n; i++) {
		if (strcmp (place->alerts[i]->fingerprint, alert->fingerprint) == 0) {
			alert_destroy (&alert);
			return -EINVAL;
		}
	}
	alert->remember = self->changed = true;
	return alerts_put (self, place, alert) ? 0 : -ENOMEM;
}

/* Who was inhibited is so still: only another inhibitor is news. */
void alerts_restore_inhibited (alerts_t *self, const Belfry__V1__AlertMemory *memory, const node_t *node)
{
	const char *by = memory->alert->inhibited_by;
	place_t *place = by[0] && node ? alerts_place (self, node) : NULL;
	alert_t *alert = NULL;
	for (uint32_t i = 0; place && i < place->n; i++) {
		if (strcmp (place->alerts[i]->fingerprint, memory->alert->fingerprint) == 0)
			alert = place->alerts[i];
	}
	for (uint32_t i = 0; alert && i < place->n; i++) {
		if (strcmp (place->alerts[i]->fingerprint, by) == 0)
			alert->inhibitor = place->alerts[i];
	}
}
