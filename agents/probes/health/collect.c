#include "agents/probes/health/collect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void collect_number (collect_t *c, source_t *source, const series_def_t *def)
{
	uint64_t value;
	if (!source_read (source, &c->text))
		return;
	char *p = c->text.data;
	if (scan_u64 (&p, &value))
		collect_put (c, def, (double) value);
}

void names_begin (names_t *self)
{
	self->at = 0;
}

static bool name_is (const name_t *name, const char *group, const char *key)
{
	return strcmp (name->key, key) == 0 && strcmp (name->group, group) == 0;
}

static name_t *names_add (names_t *self, const char *group, const char *key, names_define_fn *define)
{
	name_t *name;
	if (self->n == NAMES_MAX || strlen (group) >= sizeof name->group || strlen (key) >= sizeof name->key)
		return NULL;
	if ((self->n & (self->n - 1)) == 0) {
		name_t **items = realloc (self->items, (self->n ? 2 * self->n : 1) * sizeof *items);
		if (!items)
			return NULL;
		self->items = items;
	}
	name = calloc (1, sizeof *name);
	if (!name)
		return NULL;
	memcpy (name->group, group, strlen (group));
	memcpy (name->key, key, strlen (key));
	name->def = (series_def_t) GAUGE (name->name, "");
	name->wanted = define (group, key, name);
	return self->items[self->n++] = name;
}

const series_def_t *names_find (names_t *self, const char *group, const char *key, names_define_fn *define)
{
	name_t *name = NULL;
	if (self->at < self->n && name_is (self->items[self->at], group, key))
		name = self->items[self->at++];
	for (size_t i = 0; !name && i < self->n; i++) {
		if (name_is (self->items[i], group, key)) {
			name = self->items[i];
			self->at = i + 1;
		}
	}
	if (!name) {
		name = names_add (self, group, key, define);
		self->at = self->n;
	}
	return name && name->wanted ? &name->def : NULL;
}

void names_free (names_t *self)
{
	for (size_t i = 0; i < self->n; i++)
		free (self->items[i]);
	free (self->items);
	*self = (names_t){ 0 };
}

void name_join (name_t *self, const char *prefix, const char *group, const char *key, const char *suffix)
{
	snprintf (self->name, sizeof self->name, "%s%s%s%s%s", prefix, group, *group ? "_" : "", key, suffix);
	for (char *c = self->name; *c; c++) {
		bool fits = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
		            (*c >= '0' && *c <= '9') || *c == '_';
		if (!fits)
			*c = '_';
	}
}
