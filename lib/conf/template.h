/* template.h - the {{...}} of a rule's summary: {{node}}, {{label.mountpoint}}, {{value|duration}}.
 * Pure. A template is checked when its rule is loaded, so rendering cannot fail. */

#ifndef CONF_TEMPLATE_H
#define CONF_TEMPLATE_H

#include <stddef.h>

#include "base/error.h"

enum { TEMPLATE_SIZE_MAX = 1024 };

/* What a template may name. Any string may be NULL: it renders as "". Numbers render as "%.6g", NAN
 * as "unknown"; |duration takes seconds, |bytes bytes, |percent a ratio of 0..1. */
typedef struct {
	const char *node, *component, *cluster, *name, *severity, *kind, *status, *metric;
	double value, threshold;
	/* The label's value, or NULL. NULL: there are no labels. */
	const char *(*label) (void *arg, const char *key);
	void *arg;
} template_values_t;

/* 0; -EINVAL with err: an open {{, an unknown name or filter (and the nearest), a filter on a string. */
int template_check (const char *text, err_t *err);

/* Writes at most size - 1 bytes and a NUL, cut at a character's end. Returns out. */
char *template_render (const char *text, const template_values_t *values, char *out, size_t size);

#endif
