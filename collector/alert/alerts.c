/* A look at a node first lets every figure and status find its alert (or make one), then takes each alert
 * of the node a step: what found nothing has lost its data. Only then, when all states are known, is
 * what changed published: so an alert goes out with its inhibition right. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "collector/alert/alerts_internal.h"

#define FIRING BELFRY__V1__ALERT_STATE__ALERT_STATE_FIRING
#define RESOLVED BELFRY__V1__ALERT_STATE__ALERT_STATE_RESOLVED

int alerts_new (view_t *view, const rule_set_t *rules, alerts_publish_fn *publish, void *arg, moment_t now,
        alerts_t **ret)
{
	alerts_t *self = calloc (1, sizeof *self);
	if (!self)
		return -ENOMEM;
	self->view = view;
	self->publish = publish;
	self->arg = arg;
	self->ticked = now.mono;
	/* Zero is the generation of what was never bound. */
	int r = bindings_new (NULL, 0, &self->none);
	if (!r)
		r = bindings_new (rules, ++self->generation, &self->bindings);
	if (r) {
		bindings_destroy (&self->none);
		free (self);
		return r;
	}
	*ret = self;
	return 0;
}

static void place_clear (place_t *self)
{
	for (uint32_t i = 0; i < self->n; i++)
		alert_destroy (&self->alerts[i]);
	free (self->alerts);
}

void alerts_destroy (alerts_t **self_p)
{
	alerts_t *self = *self_p;
	if (!self)
		return;
	for (uint32_t i = 0; i < self->n_nodes; i++)
		place_clear (&self->nodes[i]);
	place_clear (&self->cluster);
	if (self->bindings != self->none)
		bindings_destroy (&self->bindings);
	bindings_destroy (&self->none);
	free (self->nodes);
	free (self->forgotten);
	free (self->list);
	free (self);
	*self_p = NULL;
}

place_t *alerts_place (alerts_t *self, const node_t *node)
{
	if (node->index >= self->n_nodes) {
		uint32_t n = node->index < 32 ? 64 : node->index * 2;
		place_t *grown = realloc (self->nodes, n * sizeof *grown);
		if (!grown) {
			self->view->counters.memory_failed++;
			return NULL;
		}
		memset (grown + self->n_nodes, 0, (n - self->n_nodes) * sizeof *grown);
		self->nodes = grown;
		self->n_nodes = n;
	}
	return &self->nodes[node->index];
}

/* What is gone is gone from the memory too. Without room for that it comes back once, and resolves. */
static void forget (alerts_t *self, const alert_t *alert)
{
	if (self->n_forgotten == self->room_forgotten) {
		uint32_t room = self->room_forgotten ? self->room_forgotten * 2 : 16;
		char (*grown)[ALERT_FINGERPRINT_SIZE] =
		        room <= ALERTS_MAX ? realloc (self->forgotten, room * sizeof *grown) : NULL;
		if (!grown) {
			self->view->counters.memory_failed++;
			return;
		}
		self->forgotten = grown;
		self->room_forgotten = room;
	}
	memcpy (self->forgotten[self->n_forgotten++], alert->fingerprint, ALERT_FINGERPRINT_SIZE);
}

static void place_remove (alerts_t *self, place_t *place, uint32_t at)
{
	forget (self, place->alerts[at]);
	alert_destroy (&place->alerts[at]);
	place->alerts[at] = place->alerts[--place->n];
	self->n--;
}

/* Makes room by forgetting the one that was resolved longest ago. */
static bool place_evict (alerts_t *self, place_t *place)
{
	uint32_t oldest = UINT32_MAX;
	for (uint32_t i = 0; i < place->n; i++) {
		const alert_t *alert = place->alerts[i];
		if (alert->state == RESOLVED &&
		        (oldest == UINT32_MAX ||
		                alert->resolved_at.ns < place->alerts[oldest]->resolved_at.ns))
			oldest = i;
	}
	if (oldest == UINT32_MAX)
		return false;
	place_remove (self, place, oldest);
	return true;
}

bool alerts_put (alerts_t *self, place_t *place, alert_t *alert)
{
	if ((place->n >= ALERTS_NODE_MAX || self->n >= ALERTS_MAX) && !place_evict (self, place)) {
		self->view->counters.alerts_refused++;
		alert_destroy (&alert);
		return false;
	}
	if (place->n == place->room) {
		uint32_t room = place->room ? place->room * 2 : 4;
		alert_t **grown = realloc (place->alerts, room * sizeof *grown);
		if (!grown) {
			self->view->counters.memory_failed++;
			alert_destroy (&alert);
			return false;
		}
		place->alerts = grown;
		place->room = room;
	}
	place->alerts[place->n++] = alert;
	self->n++;
	return true;
}

static alert_t *place_add (alerts_t *self, place_t *place, const rule_t *rule, const subject_t *subject)
{
	alert_t *alert = NULL;
	if (alert_new (rule, subject, self->view->cluster, &alert)) {
		self->view->counters.memory_failed++;
		return NULL;
	}
	return alerts_put (self, place, alert) ? alert : NULL;
}

static alert_t *place_find (const place_t *place, const rule_t *rule, const subject_t *subject)
{
	for (uint32_t i = 0; i < place->n; i++) {
		if (place->alerts[i]->rule == rule && alert_about (place->alerts[i], subject))
			return place->alerts[i];
	}
	return NULL;
}

/* Figures. */

typedef struct {
	alerts_t *self;
	place_t *place;
	node_t *node;
	moment_t now;
} look_t;

/* The condition of rule about subject, as far as this look found it. */
static void found (alert_t *alert, condition_t condition, double value, mono_t at)
{
	alert->seen = true;
	alert->condition = condition;
	alert->seen_at = at;
	alert->seen_value = value;
}

/* A catalogue that another replaced stands in the view until it expires: whether its figure of this
 * series is not the newest. */
static bool superseded (const source_t *source, uint32_t number, const series_t *series, mono_t at)
{
	for (uint32_t s = 0; s < source->values.n_slots; s++) {
		const values_slot_t *slot = &source->values.slots[s];
		if (!slot->catalogue || slot->at.ns <= at.ns)
			continue;
		for (uint32_t b = 0; b < slot->catalogue->n_bound; b++) {
			const catalogue_bound_t *bound = &slot->catalogue->bound[b];
			const series_t *other = &slot->catalogue->series[bound->position];
			if (bound->note == number && bound->position < slot->n &&
			        alert_same_series (series, other))
				return true;
		}
	}
	return false;
}

/* One figure that a rule asks for. number: the rule's, or UINT32_MAX for a named sample. */
static void figure_look (const look_t *look, const rule_t *rule, uint32_t number, const source_t *source,
        const series_t *series, double value, mono_t at)
{
	const subject_t subject = { look->node, NULL, source->name, series };
	alert_t *alert = look->place->n ? place_find (look->place, rule, &subject) : NULL;
	if (!alert) {
		if (!alert_cross (rule, false, value) || at.ns < look->place->speaks_since.ns ||
		        !alert_matches (rule, &subject) ||
		        (number != UINT32_MAX && superseded (source, number, series, at)))
			return;
		alert = place_add (look->self, look->place, rule, &subject);
		if (!alert)
			return;
	}
	/* The freshest figure of a series is the one that counts. */
	if (alert->seen && alert->seen_at.ns >= at.ns)
		return;
	bool lost = isnan (value) || at.ns < look->place->speaks_since.ns;
	found (alert, lost ? CONDITION_LOST : CONDITION_TRUE, value, at);
}

static void figures_look (const look_t *look)
{
	const bindings_t *bindings = look->self->bindings;
	for (uint32_t i = 0; i < look->node->n_sources; i++) {
		source_t *source = look->node->sources[i];
		values_t *values = &source->values;
		for (uint32_t s = 0; s < values->n_slots; s++) {
			if (values->slots[s].catalogue &&
			        bindings_catalogue (bindings, values->slots[s].catalogue))
				look->self->view->counters.memory_failed++;
		}
		for (uint32_t s = 0; s < values->n_slots; s++) {
			const values_slot_t *slot = &values->slots[s];
			uint32_t n = slot->catalogue ? slot->catalogue->n_bound : 0;
			for (uint32_t b = 0; b < n; b++) {
				const catalogue_bound_t *bound = &slot->catalogue->bound[b];
				if (bound->position >= slot->n)
					continue;
				figure_look (look, bindings_rule (bindings, bound->note), bound->note, source,
				        &slot->catalogue->series[bound->position],
				        slot->values[bound->position], slot->at);
			}
		}
		for (uint32_t s = 0; s < values->n_named; s++) {
			values_named_t *named = &values->named[s];
			size_t n;
			const rule_t *const *rules = bindings_named (bindings, named, &n);
			for (size_t k = 0; k < n; k++)
				figure_look (look, rules[k], UINT32_MAX, source, &named->series, named->value,
				        named->at);
		}
	}
}

/* States. */

/* A condition that is known at once: an alert is made only where it holds. */
static void state_look (
        const look_t *look, const rule_t *rule, const char *component, condition_t condition, double value)
{
	const subject_t subject = { look->node, component, NULL, NULL };
	alert_t *alert = place_find (look->place, rule, &subject);
	if (!alert && condition == CONDITION_TRUE && alert_matches (rule, &subject))
		alert = place_add (look->self, look->place, rule, &subject);
	if (alert)
		found (alert, condition, value, look->now.mono);
}

static condition_t status_condition (const rule_t *rule, Belfry__V1__Status status)
{
	if (status == BELFRY__V1__STATUS__STATUS_UNKNOWN || status == BELFRY__V1__STATUS__STATUS_UNSPECIFIED)
		return CONDITION_LOST;
	return (int) status >= rule->status ? CONDITION_TRUE : CONDITION_FALSE;
}

static void components_look (const look_t *look, const rule_t *rule)
{
	for (uint32_t i = 0; i < look->node->n_components; i++) {
		const component_t *component = &look->node->components[i];
		Belfry__V1__Status status = component->published ? component->published : component->status;
		if (!look->place->speaks)
			status = BELFRY__V1__STATUS__STATUS_UNKNOWN;
		state_look (look, rule, component->name, status_condition (rule, status), (double) status);
	}
}

static void down_look (const look_t *look, const rule_t *rule)
{
	const node_t *node = look->node;
	bool down = node->state == BELFRY__V1__NODE_STATE__NODE_STATE_DOWN &&
	            (rule->down == RULE_DOWN_ANY || (int) node->kind == (int) rule->down);
	state_look (look, rule, NULL, down ? CONDITION_TRUE : CONDITION_FALSE, (double) node->kind);
}

static void others_look (const look_t *look)
{
	size_t n;
	const rule_t *const *rules = bindings_others (look->self->bindings, &n);
	for (size_t i = 0; i < n; i++) {
		const rule_t *rule = rules[i];
		if (rule->kind == RULE_NODE_DOWN)
			down_look (look, rule);
		else if (rule->kind == RULE_STATUS && rule->subject == RULE_OF_COMPONENT)
			components_look (look, rule);
		else if (rule->kind == RULE_STATUS)
			state_look (look, rule, NULL,
			        status_condition (rule, cluster_node_status (look->node)),
			        (double) look->node->status);
	}
}

/* Steps. */

static condition_t condition_of (alert_t *alert, bool gone)
{
	if (!alert->rule || gone)
		return CONDITION_VOID;
	if (!alert->seen)
		return CONDITION_LOST;
	if (alert->condition != CONDITION_TRUE)
		return alert->condition;
	if (alert->rule->kind == RULE_METRIC) {
		/* An episode begins at the threshold, whatever was before. */
		alert->crossed =
		        alert_cross (alert->rule, alert->crossed && alert_active (alert), alert->seen_value);
		alert->value = alert->seen_value;
		return alert->crossed ? CONDITION_TRUE : CONDITION_FALSE;
	}
	alert->value = alert->seen_value;
	return CONDITION_TRUE;
}

/* One of an earlier run whose data the view has not learned again: it stays as it was for a while, as long as
 * nothing says that its node does not speak. */
static bool waits (alert_t *alert, condition_t condition, const node_t *node, mono_t now)
{
	bool silent =
	        node && node->state != BELFRY__V1__NODE_STATE__NODE_STATE_UNKNOWN && !cluster_speaks (node);
	if (condition == CONDITION_LOST && !silent && now.ns < alert->waits_until.ns)
		return true;
	alert->waits_until = (mono_t){ 0 };
	return false;
}

/* The alert that says that the node's host is down, if one fires. */
static const alert_t *inhibitor_of (const place_t *place, const node_t *node)
{
	if (!node || node->state != BELFRY__V1__NODE_STATE__NODE_STATE_DOWN ||
	        node->kind != BELFRY__V1__NODE_KIND__NODE_KIND_HOST)
		return NULL;
	for (uint32_t i = 0; i < place->n; i++) {
		const alert_t *alert = place->alerts[i];
		if (alert->rule && alert->rule->kind == RULE_NODE_DOWN && alert->state == FIRING)
			return alert;
	}
	return NULL;
}

static bool repeat_due (alert_t *alert, mono_t now)
{
	int64_t every =
	        alert->rule && alert->rule->kind == RULE_ALWAYS ? ALERTS_REPEAT_ALWAYS_NS : ALERTS_REPEAT_NS;
	return alert->state == FIRING && mono_since (now, alert->said_at) >= every;
}

static void say (alerts_t *self, alert_t *alert, moment_t now)
{
	alert->said_at = now.mono;
	alert->changed = false;
	alert->remember = self->changed = true;
	self->publish (self->arg, alert_message (alert, now), now);
}

/* Takes every alert of the place a step, and publishes. gone: its node left for good. */
static void place_step (alerts_t *self, place_t *place, const node_t *node, bool gone, moment_t now)
{
	/* Nothing is forgotten before all is said: an inhibitor is pointed to. */
	for (uint32_t i = 0; i < place->n; i++) {
		alert_t *alert = place->alerts[i];
		condition_t condition = condition_of (alert, gone);
		alert->outcome = waits (alert, condition, node, now.mono)
		                         ? ALERT_SAME
		                         : alert_step (alert, condition, now);
		alert->changed = alert->changed || alert->outcome == ALERT_CHANGED ||
		                 (alert->outcome == ALERT_OVER && alert->state == RESOLVED && !alert->fired);
		alert->seen = false;
	}
	const alert_t *inhibitor = inhibitor_of (place, node);
	for (uint32_t i = 0; i < place->n; i++) {
		alert_t *alert = place->alerts[i];
		bool inhibits = !alert->rule || alert->rule->kind == RULE_NODE_DOWN || !alert_active (alert);
		const alert_t *by = inhibits ? NULL : inhibitor;
		alert->changed = alert->changed || (by != alert->inhibitor && alert_active (alert));
		alert->inhibitor = by;
		if (repeat_due (alert, now.mono) && !alert->changed) {
			alert->repeats++;
			alert->changed = true;
		}
		if (alert->changed)
			say (self, alert, now);
	}
	for (uint32_t i = 0; i < place->n;) {
		if (place->alerts[i]->outcome == ALERT_OVER)
			place_remove (self, place, i);
		else
			i++;
	}
}

void alerts_node (alerts_t *self, node_t *node, moment_t now)
{
	look_t look = { self, alerts_place (self, node), node, now };
	place_t *place = look.place;
	if (!place)
		return;
	bool speaks = cluster_speaks (node);
	if (speaks && !place->speaks)
		place->speaks_since = now.mono;
	place->speaks = speaks;
	others_look (&look);
	if (speaks)
		figures_look (&look);
	place_step (self, place, node, cluster_left (node), now);
}

static void cluster_look (alerts_t *self, moment_t now)
{
	size_t n;
	const rule_t *const *rules = bindings_others (self->bindings, &n);
	look_t look = { self, &self->cluster, NULL, now };
	for (size_t i = 0; i < n; i++) {
		if (rules[i]->kind == RULE_ALWAYS)
			state_look (&look, rules[i], NULL, CONDITION_TRUE, NAN);
	}
	place_step (self, &self->cluster, NULL, false, now);
}

void alerts_tick (alerts_t *self, moment_t now)
{
	uint32_t n = nodes_count (self->view->nodes), looks = 0;
	int64_t passed = mono_since (now.mono, self->ticked);
	self->ticked = now.mono;
	/* Nobody is looked at twice in one tick, however late it comes. */
	self->credit += (passed < ALERTS_ROUND_NS ? passed : ALERTS_ROUND_NS) * (int64_t) n;
	for (; self->credit >= ALERTS_ROUND_NS && looks < n; looks++, self->cursor++) {
		self->credit -= ALERTS_ROUND_NS;
		if (self->cursor >= n)
			self->cursor = 0;
		alerts_node (self, nodes_at (self->view->nodes, self->cursor), now);
	}
	cluster_look (self, now);
	self->view->counters.alerts = self->n;
}

/* Rules. */

static void place_adopt (alerts_t *self, place_t *place, const rule_set_t *rules)
{
	for (uint32_t i = 0; i < place->n; i++) {
		alert_t *alert = place->alerts[i];
		const rule_t *rule = rules ? rule_set_find (rules, alert->name) : NULL;
		int severity = (int) alert->message.severity;
		alert->rule = NULL;
		if (!rule || !alert_fits (alert, rule))
			continue;
		if (alert_adopt (alert, rule))
			self->view->counters.memory_failed++;
		else if (severity != rule->severity)
			alert->changed = alert_active (alert);
	}
}

int alerts_set_rules (alerts_t *self, const rule_set_t *rules, moment_t now)
{
	bindings_t *bindings = self->none;
	int r = bindings_new (rules, ++self->generation, &bindings);
	if (self->bindings != self->none)
		bindings_destroy (&self->bindings);
	self->bindings = bindings;
	for (uint32_t i = 0; i < self->n_nodes; i++)
		place_adopt (self, &self->nodes[i], r ? NULL : rules);
	place_adopt (self, &self->cluster, r ? NULL : rules);
	uint32_t n = nodes_count (self->view->nodes);
	for (uint32_t i = 0; i < n; i++)
		alerts_node (self, nodes_at (self->view->nodes, i), now);
	cluster_look (self, now);
	return r;
}
