#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "conf/field.h"

typedef struct {
	conf_diff_fn *visit;
	void *arg;
	size_t n;
} diff_t;

static bool object_same (const conf_table_t *table, const void *a, const void *b);

static bool text_same (const char *a, const char *b)
{
	return a && b ? strcmp (a, b) == 0 : a == b;
}

/* NAN stands for "not given". */
static bool double_same (double a, double b)
{
	return (a != a && b != b) || a == b;
}

static bool strings_same (const conf_strings_t *a, const conf_strings_t *b)
{
	bool same = a->n == b->n;
	for (size_t i = 0; same && i < a->n; i++)
		same = strcmp (a->items[i], b->items[i]) == 0;
	return same;
}

static bool pairs_same (const conf_pairs_t *a, const conf_pairs_t *b)
{
	bool same = a->n == b->n;
	for (size_t i = 0; same && i < a->n; i++)
		same = strcmp (a->items[i].key, b->items[i].key) == 0 &&
		       strcmp (a->items[i].value, b->items[i].value) == 0;
	return same;
}

static bool objects_same (const conf_table_t *table, const field_list_t *a, const field_list_t *b)
{
	bool same = a->n == b->n;
	for (size_t i = 0; same && i < a->n; i++)
		same = object_same (table, (const char *) a->items + i * table->size,
		        (const char *) b->items + i * table->size);
	return same;
}

static bool field_same (const conf_option_t *option, const void *a, const void *b)
{
	switch (option->type) {
	case CONF_STRING:
	case CONF_PATH:
	case CONF_NAME:
	case CONF_ENDPOINT:
	case CONF_HOST_PORT:
		return text_same (*(const char *const *) a, *(const char *const *) b);
	case CONF_BOOL:
		return *(const bool *) a == *(const bool *) b;
	case CONF_UNSIGNED:
	case CONF_SIZE:
		return *(const uint64_t *) a == *(const uint64_t *) b;
	case CONF_DURATION:
		return *(const int64_t *) a == *(const int64_t *) b;
	case CONF_NUMBER:
	case CONF_RATIO:
		return double_same (*(const double *) a, *(const double *) b);
	case CONF_WORD:
		return *(const int *) a == *(const int *) b;
	case CONF_STRINGS:
	case CONF_NAMES:
		return strings_same (a, b);
	case CONF_NUMBERS: {
		const conf_numbers_t *x = a, *y = b;
		return x->n == y->n &&
		       (x->n == 0 || memcmp (x->items, y->items, x->n * sizeof *x->items) == 0);
	}
	case CONF_PAIRS:
		return pairs_same (a, b);
	case CONF_OBJECT:
		return object_same (option->table, a, b);
	case CONF_OBJECTS:
		return objects_same (option->table, a, b);
	case CONF_UNSUPPORTED:
		break;
	}
	return true;
}

/* Joins entries with ", " in out. */
static void append (char *out, const char *text)
{
	size_t size = strlen (out);
	snprintf (out + size, CONF_DIFF_TEXT_MAX - size, "%s%s", size ? ", " : "", text ? text : "");
}

static const char *word_of (const conf_option_t *option, int value)
{
	const conf_word_t *word = option->words;
	while (word->word && word->value != value)
		word++;
	return word->word;
}

static void pairs_text (const conf_pairs_t *pairs, char out[CONF_DIFF_TEXT_MAX])
{
	for (size_t i = 0; i < pairs->n; i++) {
		char pair[CONF_DIFF_TEXT_MAX];
		snprintf (pair, sizeof pair, "%s: %s", pairs->items[i].key, pairs->items[i].value);
		append (out, pair);
	}
}

static void field_text (const conf_option_t *option, const void *field, char out[CONF_DIFF_TEXT_MAX])
{
	out[0] = '\0';
	switch (option->type) {
	case CONF_STRING:
	case CONF_PATH:
	case CONF_NAME:
	case CONF_ENDPOINT:
	case CONF_HOST_PORT:
		append (out, *(const char *const *) field);
		break;
	case CONF_BOOL:
		append (out, *(const bool *) field ? "true" : "false");
		break;
	case CONF_UNSIGNED:
	case CONF_SIZE:
		snprintf (out, CONF_DIFF_TEXT_MAX, "%" PRIu64, *(const uint64_t *) field);
		break;
	case CONF_DURATION: {
		char text[DURATION_TEXT_MAX];
		append (out, duration_format (*(const int64_t *) field, text));
		break;
	}
	case CONF_NUMBER:
	case CONF_RATIO: {
		double value = *(const double *) field;
		if (value == value)
			snprintf (out, CONF_DIFF_TEXT_MAX, "%.17g", value);
		break;
	}
	case CONF_WORD:
		append (out, word_of (option, *(const int *) field));
		break;
	case CONF_STRINGS:
	case CONF_NAMES: {
		const conf_strings_t *strings = field;
		for (size_t i = 0; i < strings->n; i++)
			append (out, strings->items[i]);
		break;
	}
	case CONF_NUMBERS: {
		const conf_numbers_t *numbers = field;
		for (size_t i = 0; i < numbers->n; i++) {
			char text[24];
			snprintf (text, sizeof text, "%" PRIu64, numbers->items[i]);
			append (out, text);
		}
		break;
	}
	case CONF_PAIRS:
		pairs_text (field, out);
		break;
	case CONF_OBJECTS:
		snprintf (out, CONF_DIFF_TEXT_MAX, "%zu entries", ((const field_list_t *) field)->n);
		break;
	case CONF_OBJECT:
	case CONF_UNSUPPORTED:
		break;
	}
}

static bool object_same (const conf_table_t *table, const void *a, const void *b)
{
	for (size_t i = 0; i < table->n; i++) {
		const conf_option_t *option = &table->options[i];
		if (!field_same (option, field_of (option, a), field_of (option, b)))
			return false;
	}
	return true;
}

static void diff (
        diff_t *self, const conf_table_t *table, const void *old, const void *new, const char *above)
{
	for (size_t i = 0; i < table->n; i++) {
		const conf_option_t *option = &table->options[i];
		const void *a = field_of (option, old), *b = field_of (option, new);
		char path[256];
		if (field_same (option, a, b))
			continue;
		snprintf (path, sizeof path, "%s%s%s", above, *above ? "." : "", option->key);
		if (option->type == CONF_OBJECT) {
			diff (self, option->table, a, b, path);
		} else {
			self->n++;
			char before[CONF_DIFF_TEXT_MAX], after[CONF_DIFF_TEXT_MAX];
			field_text (option, a, before);
			field_text (option, b, after);
			const conf_difference_t difference = { path, option->flags & CONF_RELOAD, before,
				after };
			self->visit (self->arg, &difference);
		}
	}
}

size_t conf_diff (const conf_table_t *table, const void *old, const void *new, conf_diff_fn *visit, void *arg)
{
	diff_t self = { visit, arg, 0 };
	diff (&self, table, old, new, "");
	return self.n;
}
