/* One scanner serves both: checking it is rendering to nowhere. */

#include "conf/template.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/size.h"
#include "base/utf8.h"
#include "conf/word.h"

enum { NAME_SIZE_MAX = 80 };

typedef struct {
	char *out;
	size_t size, at;
	bool full;
} sink_t;

/* Whole characters only: a cut one would make the alert invalid UTF-8. */
static void sink_write (sink_t *self, const char *text, size_t size)
{
	while (size > 0 && !self->full) {
		size_t n = utf8_character (text, size);
		if (n == 0)
			n = 1;
		if (self->at + n >= self->size) {
			self->full = true;
			return;
		}
		memcpy (self->out + self->at, text, n);
		self->at += n;
		text += n;
		size -= n;
	}
}

/* One {{name|filter}}. */
typedef struct {
	char name[NAME_SIZE_MAX], filter[NAME_SIZE_MAX];
} term_t;

static void trim_copy (char out[NAME_SIZE_MAX], const char *text, size_t size)
{
	while (size > 0 && *text == ' ')
		text++, size--;
	while (size > 0 && text[size - 1] == ' ')
		size--;
	if (size >= NAME_SIZE_MAX)
		size = NAME_SIZE_MAX - 1;
	memcpy (out, text, size);
	out[size] = '\0';
}

/* Reads the term whose {{ ends at text; returns what follows its }}, or NULL when there is none. */
static const char *term_read (const char *text, term_t *ret)
{
	const char *end = strstr (text, "}}");
	if (!end)
		return NULL;
	const char *bar = memchr (text, '|', (size_t) (end - text));
	trim_copy (ret->name, text, (size_t) ((bar ? bar : end) - text));
	trim_copy (ret->filter, bar ? bar + 1 : end, bar ? (size_t) (end - bar - 1) : 0);
	return end + 2;
}

static const char *const names[] = { "node", "component", "cluster", "name", "severity", "kind", "status",
	"metric", "value", "threshold", "label.", NULL };
static const char *const filters[] = { "duration", "bytes", "percent", NULL };

static bool is_one_of (const char *word, const char *const *known)
{
	for (; *known; known++) {
		if (strcmp (word, *known) == 0)
			return true;
	}
	return false;
}

static int term_check (const term_t *term, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	bool label = strncmp (term->name, "label.", 6) == 0 && term->name[6];
	if (!label && (!is_one_of (term->name, names) || strcmp (term->name, "label.") == 0)) {
		const char *nearest = word_nearest (term->name, names);
		return error_set (err, -EINVAL,
		        "{{%s}} is unknown%s%s%s; there are node, component, cluster, name, severity, kind, "
		        "status, metric, value, threshold and label.NAME",
		        term->name, nearest ? ", did you mean {{" : "", nearest ? nearest : "",
		        nearest ? "}}?" : "");
	}
	if (!*term->filter)
		return 0;
	if (!is_one_of (term->filter, filters))
		return error_set (err, -EINVAL, "filter %s is none of duration, bytes, percent",
		        word_quote (term->filter, quoted));
	if (strcmp (term->name, "value") != 0 && strcmp (term->name, "threshold") != 0)
		return error_set (err, -EINVAL, "{{%s|%s}}: a filter is for value and threshold alone",
		        term->name, term->filter);
	return 0;
}

int template_check (const char *text, err_t *err)
{
	term_t term;
	if (strlen (text) > TEMPLATE_SIZE_MAX)
		return error_set (err, -EINVAL, "has %zu bytes, above %d", strlen (text), TEMPLATE_SIZE_MAX);
	while ((text = strstr (text, "{{"))) {
		text = term_read (text + 2, &term);
		if (!text)
			return error_set (err, -EINVAL, "a {{ without its }}");
		int r = term_check (&term, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void number_format (double value, const char *filter, char *out, size_t size)
{
	char duration[DURATION_TEXT_MAX], bytes[SIZE_TEXT_MAX];
	if (isnan (value)) {
		snprintf (out, size, "unknown");
	} else if (strcmp (filter, "percent") == 0) {
		snprintf (out, size, "%.3g %%", value * 100);
	} else if (strcmp (filter, "bytes") == 0) {
		snprintf (out, size, "%s", size_format (value, bytes));
	} else if (strcmp (filter, "duration") == 0 && fabs (value) < 9e9) {
		snprintf (out, size, "%s", duration_format ((int64_t) (value * 1e9), duration));
	} else {
		snprintf (out, size, "%.6g%s", value, *filter ? " s" : "");
	}
}

static const char *string_of (const char *name, const template_values_t *values)
{
	const struct {
		const char *name, *value;
	} strings[] = { { "node", values->node }, { "component", values->component },
		{ "cluster", values->cluster }, { "name", values->name }, { "severity", values->severity },
		{ "kind", values->kind }, { "status", values->status }, { "metric", values->metric } };
	if (strncmp (name, "label.", 6) == 0)
		return values->label ? values->label (values->arg, name + 6) : NULL;
	for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
		if (strcmp (name, strings[i].name) == 0)
			return strings[i].value;
	}
	return NULL;
}

char *template_render (const char *text, const template_values_t *values, char *out, size_t size)
{
	sink_t sink = { out, size, 0, false };
	const char *open;
	term_t term;
	if (size == 0)
		return out;
	while ((open = strstr (text, "{{"))) {
		const char *rest = term_read (open + 2, &term);
		if (!rest)
			break;
		sink_write (&sink, text, (size_t) (open - text));
		text = rest;
		bool value = strcmp (term.name, "value") == 0;
		if (value || strcmp (term.name, "threshold") == 0) {
			char number[48];
			number_format (value ? values->value : values->threshold, term.filter, number,
			        sizeof number);
			sink_write (&sink, number, strlen (number));
		} else {
			const char *string = string_of (term.name, values);
			sink_write (&sink, string ? string : "", string ? strlen (string) : 0);
		}
	}
	sink_write (&sink, text, strlen (text));
	out[sink.at] = '\0';
	return out;
}
