/* A range stands in the table as text in the type's own grammar, so that the reference prints what the
 * parser enforces. Tables are the programmer's: a range or default that does not parse is asserted. */

#include "conf/field.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "conf/word.h"

bool field_is_scalar (conf_type_t type)
{
	return type <= CONF_WORD;
}

const char *field_wanted (conf_type_t type)
{
	switch (type) {
	case CONF_STRING:
		return "text";
	case CONF_PATH:
		return "a path";
	case CONF_NAME:
		return "a name";
	case CONF_ENDPOINT:
		return "an endpoint such as tcp://127.0.0.1:7701";
	case CONF_HOST_PORT:
		return "HOST:PORT";
	case CONF_BOOL:
		return "true or false";
	case CONF_UNSIGNED:
		return "a whole number";
	case CONF_SIZE:
		return "a size such as 64MiB";
	case CONF_DURATION:
		return "a duration such as 200ms";
	case CONF_NUMBER:
		return "a number";
	case CONF_RATIO:
		return "a ratio such as 0.95";
	case CONF_WORD:
		return "a word";
	case CONF_STRINGS:
	case CONF_NAMES:
	case CONF_NUMBERS:
	case CONF_OBJECTS:
		return "a list";
	case CONF_PAIRS:
	case CONF_OBJECT:
	case CONF_UNSUPPORTED:
		break;
	}
	return "a map";
}

/* The two sides of "LEAST..MOST"; an empty one is open. */
typedef struct {
	char least[32], most[32];
} range_t;

static bool range_split (const conf_option_t *option, range_t *ret)
{
	const char *dots = strstr (option->range, "..");
	if (!dots)
		return false;
	size_t n = (size_t) (dots - option->range);
	assert (n < sizeof ret->least && strlen (dots + 2) < sizeof ret->most);
	memcpy (ret->least, option->range, n);
	ret->least[n] = '\0';
	strcpy (ret->most, dots + 2);
	return true;
}

static int range_refuse (const conf_option_t *option, const char *text, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	return error_set (err, -ERANGE, "%s is not within %s", word_quote (text, quoted), option->range);
}

typedef int unsigned_parse_fn (const char *text, uint64_t *ret, err_t *err);

static bool unsigned_outside (const conf_option_t *option, unsigned_parse_fn *parse, uint64_t value)
{
	range_t range;
	uint64_t least = 0, most = UINT64_MAX;
	if (!range_split (option, &range))
		return false;
	int r = *range.least ? parse (range.least, &least, NULL) : 0;
	if (r == 0 && *range.most)
		r = parse (range.most, &most, NULL);
	assert (r == 0);
	return value < least || value > most;
}

static bool duration_outside (const conf_option_t *option, int64_t value)
{
	range_t range;
	int64_t least = 0, most = INT64_MAX;
	if (!range_split (option, &range))
		return false;
	int r = *range.least ? value_duration (range.least, &least, NULL) : 0;
	if (r == 0 && *range.most)
		r = value_duration (range.most, &most, NULL);
	assert (r == 0);
	return value < least || value > most;
}

static bool double_outside (const conf_option_t *option, double value)
{
	range_t range;
	double least = -HUGE_VAL, most = HUGE_VAL;
	if (!range_split (option, &range))
		return false;
	int r = *range.least ? value_number (range.least, &least, NULL) : 0;
	if (r == 0 && *range.most)
		r = value_number (range.most, &most, NULL);
	assert (r == 0);
	return value < least || value > most;
}

/* The length that a NAME may have stands at the end of its range. */
static size_t name_max (const conf_option_t *option)
{
	range_t range;
	uint64_t most = 0;
	bool has = range_split (option, &range);
	int r = has ? value_unsigned (range.most, &most, NULL) : -EINVAL;
	assert (r == 0);
	return (size_t) most;
}

static bool has_control (const char *text, const char *but)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char) *text;
		if ((c < ' ' || c == 0x7f) && !strchr (but, c))
			return true;
	}
	return false;
}

static int string_check (const conf_option_t *option, const char *text, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	endpoint_t endpoint;
	int flags = (option->flags & CONF_BIND ? ENDPOINT_BIND : 0) |
	            (option->flags & CONF_LOCAL ? ENDPOINT_LOCAL : 0);
	if (has_control (text, option->type == CONF_STRING ? "\n\t" : ""))
		return error_set (err, -EINVAL, "%s holds a control character", word_quote (text, quoted));
	if (option->type == CONF_ENDPOINT)
		return value_endpoint (text, flags, &endpoint, err);
	if (option->type == CONF_HOST_PORT)
		return value_host_port (text, flags, &endpoint, err);
	if (option->type == CONF_NAME)
		return value_name (text, name_max (option), err);
	if (option->type == CONF_PATH && *text == '\0')
		return error_set (err, -EINVAL, "an empty path");
	if (unsigned_outside (option, value_unsigned, strlen (text)))
		return error_set (err, -ERANGE, "%s has %zu bytes, not within %s", word_quote (text, quoted),
		        strlen (text), option->range);
	return 0;
}

static int string_set (const conf_option_t *option, void *field, const char *text, err_t *err)
{
	int r = string_check (option, text, err);
	if (r < 0)
		return r;
	char *copy = strdup (text), **held = field;
	if (!copy)
		return -ENOMEM;
	free (*held);
	*held = copy;
	return 0;
}

static int word_set (const conf_option_t *option, int *field, const char *text, err_t *err)
{
	const char *known[32];
	char all[256] = "", quoted[WORD_QUOTED_MAX];
	size_t n = 0, at = 0;
	for (const conf_word_t *word = option->words; word->word; word++) {
		if (strcmp (word->word, text) == 0) {
			*field = word->value;
			return 0;
		}
		assert (n + 1 < sizeof known / sizeof known[0] && at < sizeof all);
		known[n++] = word->word;
		at += (size_t) snprintf (all + at, sizeof all - at, "%s%s", at ? ", " : "", word->word);
	}
	known[n] = NULL;
	const char *nearest = word_nearest (text, known);
	word_quote (text, quoted);
	if (nearest)
		return error_set (err, -EINVAL, "%s is none of %s; did you mean '%s'?", quoted, all, nearest);
	return error_set (
	        err, -EINVAL, n == 1 ? "%s is not %s, the only word here" : "%s is none of %s", quoted, all);
}

int field_set (const conf_option_t *option, void *object, const char *text, err_t *err)
{
	union {
		uint64_t u;
		int64_t ns;
		double d;
		bool yes;
	} value;
	void *field = field_at (option, object);
	int r;
	switch (option->type) {
	case CONF_STRING:
	case CONF_PATH:
	case CONF_NAME:
	case CONF_ENDPOINT:
	case CONF_HOST_PORT:
		return string_set (option, field, text, err);
	case CONF_WORD:
		return word_set (option, field, text, err);
	case CONF_BOOL:
		r = value_bool (text, &value.yes, err);
		if (r == 0)
			*(bool *) field = value.yes;
		return r;
	case CONF_UNSIGNED:
	case CONF_SIZE: {
		unsigned_parse_fn *parse = option->type == CONF_SIZE ? value_size : value_unsigned;
		r = parse (text, &value.u, err);
		if (r == 0 && unsigned_outside (option, parse, value.u))
			return range_refuse (option, text, err);
		if (r == 0)
			*(uint64_t *) field = value.u;
		return r;
	}
	case CONF_DURATION:
		r = value_duration (text, &value.ns, err);
		if (r == 0 && duration_outside (option, value.ns))
			return range_refuse (option, text, err);
		if (r == 0)
			*(int64_t *) field = value.ns;
		return r;
	case CONF_NUMBER:
	case CONF_RATIO:
		r = option->type == CONF_RATIO ? value_ratio (text, &value.d, err)
		                               : value_number (text, &value.d, err);
		if (r == 0 && double_outside (option, value.d))
			return range_refuse (option, text, err);
		if (r == 0)
			*(double *) field = value.d;
		return r;
	case CONF_STRINGS:
	case CONF_NAMES:
	case CONF_NUMBERS:
	case CONF_PAIRS:
	case CONF_OBJECT:
	case CONF_OBJECTS:
	case CONF_UNSUPPORTED:
		break;
	}
	return error_set (err, -EINVAL, "needs %s, and no single word", field_wanted (option->type));
}

enum { LISTED_NAME_MAX = 36, LISTED_TEXT_MAX = 4096 };

int field_check_text (const conf_option_t *option, const char *text, err_t *err)
{
	char quoted[WORD_QUOTED_MAX];
	if (option->type == CONF_NAMES)
		return value_name (text, LISTED_NAME_MAX, err);
	if (*text == '\0')
		return error_set (err, -EINVAL, "is empty");
	if (strlen (text) > LISTED_TEXT_MAX)
		return error_set (err, -ERANGE, "%s has %zu bytes, above %d", word_quote (text, quoted),
		        strlen (text), LISTED_TEXT_MAX);
	if (has_control (text, ""))
		return error_set (err, -EINVAL, "%s holds a control character", word_quote (text, quoted));
	return 0;
}

int field_check_number (const conf_option_t *option, const char *text, uint64_t *ret, err_t *err)
{
	uint64_t value;
	int r = value_unsigned (text, &value, err);
	if (r == 0 && unsigned_outside (option, value_unsigned, value))
		return range_refuse (option, text, err);
	if (r == 0)
		*ret = value;
	return r;
}

int field_check_count (const conf_option_t *option, size_t n, err_t *err)
{
	if (option->type == CONF_NUMBERS || !unsigned_outside (option, value_unsigned, n))
		return 0;
	return error_set (err, -ERANGE, "has %zu entries, not within %s", n, option->range);
}

void field_clear (const conf_option_t *option, void *object)
{
	void *field = field_at (option, object);
	if (option->type <= CONF_HOST_PORT) {
		char **text = field;
		free (*text);
		*text = NULL;
	} else if (option->type == CONF_STRINGS || option->type == CONF_NAMES) {
		conf_strings_t *strings = field;
		for (size_t i = 0; i < strings->n; i++)
			free (strings->items[i]);
		free (strings->items);
		*strings = (conf_strings_t){ 0 };
	} else if (option->type == CONF_NUMBERS) {
		conf_numbers_t *numbers = field;
		free (numbers->items);
		*numbers = (conf_numbers_t){ 0 };
	} else if (option->type == CONF_PAIRS) {
		conf_pairs_t *pairs = field;
		for (size_t i = 0; i < pairs->n; i++) {
			free (pairs->items[i].key);
			free (pairs->items[i].value);
		}
		free (pairs->items);
		*pairs = (conf_pairs_t){ 0 };
	} else if (option->type == CONF_OBJECT) {
		conf_object_clear (option->table, field);
	} else if (option->type == CONF_OBJECTS) {
		field_list_t *list = field;
		for (size_t i = 0; i < list->n; i++)
			conf_object_clear (option->table, (char *) list->items + i * option->table->size);
		free (list->items);
		*list = (field_list_t){ 0 };
	}
}
