/* An alert over a restart of its collector: what it said and where it stands, apart from what its rule says
 * anew. Its moments are those of the run that wrote them, and move to the clock of the one that reads. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/borrow.h"
#include "collector/alert/alert.h"

int alert_pack (alert_t *self, moment_t now, uint8_t **ret, size_t *ret_size)
{
	Belfry__V1__AlertMemory memory = BELFRY__V1__ALERT_MEMORY__INIT;
	Belfry__V1__Label *labels = calloc (self->n_pairs + 1, sizeof *labels);
	Belfry__V1__Label **pointers = calloc (self->n_pairs + 1, sizeof *pointers);
	int64_t fired[ALERT_FLAPS];
	int r = -ENOMEM;
	if (!labels || !pointers)
		goto out;
	for (uint32_t i = 0; i < self->n_pairs; i++) {
		belfry__v1__label__init (&labels[i]);
		labels[i].key = self->pairs[2 * i];
		labels[i].value = self->pairs[2 * i + 1];
		pointers[i] = &labels[i];
	}
	for (size_t i = 0; i < ALERT_FLAPS; i++)
		fired[i] = self->fired_at[i].ns;
	memory.alert = alert_message (self, now);
	memory.component = borrow (self->component);
	memory.source = borrow (self->source);
	memory.metric = borrow (self->metric);
	memory.n_series = self->n_pairs;
	memory.series = pointers;
	memory.fired = self->fired;
	memory.crossed = self->crossed;
	memory.value = self->value;
	memory.holds_since_ns = self->holds_since.ns;
	memory.resolved_at_ns = self->resolved_at.ns;
	memory.said_at_ns = self->said_at.ns;
	memory.n_fired_at_ns = ALERT_FLAPS;
	memory.fired_at_ns = fired;
	size_t size = belfry__v1__alert_memory__get_packed_size (&memory);
	uint8_t *bytes = malloc (size ? size : 1);
	if (bytes) {
		*ret_size = belfry__v1__alert_memory__pack (&memory, bytes);
		*ret = bytes;
		r = 0;
	}
out:
	free (labels);
	free (pointers);
	return r;
}

/* Never stays never; what lies beyond any clock's reach lies at its end. */
static mono_t moved (int64_t at_ns, int64_t shift)
{
	enum { YEARS = 100 };
	const int64_t most = YEARS * 365 * INT64_C (86400) * NS_PER_S;
	int64_t at;
	if (at_ns == 0)
		return (mono_t){ 0 };
	if (__builtin_add_overflow (at_ns, shift, &at))
		at = at_ns > 0 ? most : -most;
	return (mono_t){ at > most ? most : at < -most ? -most : at };
}

static const char *text_or_null (const char *text)
{
	return text[0] ? text : NULL;
}

/* The subject as a rule has it: a series of one point. */
static int make (const Belfry__V1__AlertMemory *memory, const rule_t *rule, const node_t *node,
        const char *cluster, alert_t **ret)
{
	const char **labels = calloc (2 * memory->n_series + 1, sizeof *labels);
	if (!labels)
		return -ENOMEM;
	for (size_t i = 0; i < memory->n_series; i++) {
		labels[2 * i] = memory->series[i]->key;
		labels[2 * i + 1] = memory->series[i]->value;
	}
	const series_t series = { .name = memory->metric,
		.unit = memory->alert->unit,
		.labels = labels,
		.n_labels = (uint32_t) memory->n_series };
	const subject_t subject = { node, text_or_null (memory->component), text_or_null (memory->source),
		memory->metric[0] ? &series : NULL };
	int r = alert_new (rule, &subject, cluster, ret);
	free (labels);
	return r;
}

int alert_restore (const Belfry__V1__AlertMemory *memory, const rule_t *rule, const node_t *node,
        const char *cluster, int64_t shift, moment_t now, alert_t **ret)
{
	const Belfry__V1__Alert *said = memory->alert;
	alert_t *self = NULL;
	int r = make (memory, NULL, node, cluster, &self);
	if (!r)
		r = alert_adopt_message (self, said);
	if (r) {
		alert_destroy (&self);
		return r;
	}
	alert_fingerprint (self);
	if (strcmp (self->fingerprint, said->fingerprint) != 0) {
		alert_destroy (&self);
		return -EINVAL;
	}
	self->state = said->state;
	self->starts.ns = (int64_t) said->starts_ns;
	self->ends.ns = (int64_t) said->ends_ns;
	self->repeats = said->repeats;
	self->fired = memory->fired;
	self->crossed = memory->crossed;
	self->value = self->rendered = memory->value;
	self->holds_since = moved (memory->holds_since_ns, shift);
	self->held_at = now.mono; /* as far as anybody knows */
	self->resolved_at = moved (memory->resolved_at_ns, shift);
	self->said_at = moved (memory->said_at_ns, shift);
	for (size_t i = 0; i < ALERT_FLAPS && i < memory->n_fired_at_ns; i++)
		self->fired_at[i] = moved (memory->fired_at_ns[i], shift);
	self->waits_until = mono_add (now.mono, VALUES_STALE_NS);
	if (rule && alert_fits (self, rule)) {
		Belfry__V1__Severity severity = self->message.severity;
		if (alert_adopt (self, rule)) {
			alert_destroy (&self);
			return -ENOMEM;
		}
		/* As after a reload: another severity is news. */
		self->changed = severity != self->message.severity && alert_active (self);
	}
	*ret = self;
	return 0;
}
