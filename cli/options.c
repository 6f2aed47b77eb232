#include "cli/options.h"

#include "base/clock.h"
#include "conf/word.h"
#include "wire/describe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMES_MAX = 64, GIVEN_MAX = 64 };

static int option_unknown (const option_set_t *sets, size_t n_sets, const char *given, err_t *err)
{
	const char *names[NAMES_MAX + 1];
	size_t n = 0;
	for (size_t s = 0; s < n_sets; s++) {
		for (size_t i = 0; i < sets[s].n && n < NAMES_MAX; i++)
			names[n++] = sets[s].options[i].name;
	}
	names[n] = NULL;
	const char *nearest = word_nearest (given, names);
	if (nearest)
		return error_set (
		        err, -EINVAL, "unknown option '--%s': did you mean '--%s'?", given, nearest);
	return error_set (err, -EINVAL, "unknown option '--%s'; see --help", given);
}

static const option_t *option_find (
        const option_set_t *sets, size_t n_sets, const char *name, size_t size, void **ret_values)
{
	for (size_t s = 0; s < n_sets; s++) {
		for (size_t i = 0; i < sets[s].n; i++) {
			const option_t *option = &sets[s].options[i];
			if (strlen (option->name) == size && memcmp (option->name, name, size) == 0) {
				*ret_values = sets[s].values;
				return option;
			}
		}
	}
	return NULL;
}

static int option_set (const option_t *option, void *values, const char *text, err_t *err)
{
	char *at = (char *) values + option->offset;
	switch (option->kind) {
	case OPTION_FLAG:
	case OPTION_NO_FLAG:
		*(bool *) at = option->kind == OPTION_FLAG;
		return 0;
	case OPTION_TEXT:
		*(const char **) at = text;
		return 0;
	case OPTION_COUNT: {
		char *end;
		errno = 0;
		unsigned long long value = strtoull (text, &end, 10);
		if (*text < '0' || *text > '9' || *end || errno || value == 0)
			return error_set (err, -EINVAL, "--%s %s: a whole number of at least 1 is wanted",
			        option->name, text);
		*(uint64_t *) at = value;
		return 0;
	}
	case OPTION_DURATION: {
		int64_t ns;
		if (duration_parse (text, &ns) || ns <= 0)
			return error_set (err, -EINVAL,
			        "--%s %s: a duration such as 500ms, 20s, 5m or 1h is wanted", option->name,
			        text);
		*(int64_t *) at = ns;
		return 0;
	}
	case OPTION_SEVERITY:
		if (severity_parse (span_str (text), (Belfry__V1__Severity *) at))
			return error_set (err, -EINVAL,
			        "--%s %s: one of debug, info, warning, error, critical is wanted",
			        option->name, text);
		return 0;
	}
	return -EINVAL;
}

static int option_take (const option_set_t *sets, size_t n_sets, int argc, char **argv, int i, err_t *err)
{
	const char *text = argv[i];
	if (text[1] != '-' && !(strcmp (text, "-h") == 0))
		return error_set (
		        err, -EINVAL, "unknown option '%s': options begin with two dashes; see --help", text);
	const char *name = text[1] == '-' ? text + 2 : "help";
	size_t size = strcspn (name, "=");
	const char *value = name[size] == '=' ? name + size + 1 : NULL;
	void *values;
	const option_t *option = option_find (sets, n_sets, name, size, &values);
	if (!option) {
		char given[GIVEN_MAX];
		snprintf (given, sizeof given, "%.*s", size < GIVEN_MAX ? (int) size : GIVEN_MAX, name);
		return option_unknown (sets, n_sets, given, err);
	}
	if (!option->value) {
		if (value)
			return error_set (err, -EINVAL, "--%s takes no value", option->name);
		int r = option_set (option, values, NULL, err);
		return r ? r : 1;
	}
	int taken = 1;
	if (!value) {
		if (i + 1 >= argc)
			return error_set (err, -EINVAL, "--%s needs a value: --%s %s", option->name,
			        option->name, option->value);
		value = argv[i + 1];
		taken = 2;
	}
	int r = option_set (option, values, value, err);
	return r ? r : taken;
}

int options_parse (const option_set_t *sets, size_t n_sets, int argc, char **argv, bool stop_at_word,
        words_t *words, err_t *err)
{
	int i = 0;
	while (i < argc) {
		const char *text = argv[i];
		if (text[0] != '-' || text[1] == '\0') {
			if (stop_at_word)
				return i;
			words->at[words->n++] = argv[i++];
			continue;
		}
		if (strcmp (text, "--") == 0) {
			i++;
			while (!stop_at_word && i < argc)
				words->at[words->n++] = argv[i++];
			return i;
		}
		int taken = option_take (sets, n_sets, argc, argv, i, err);
		if (taken < 0)
			return taken;
		i += taken;
	}
	return i;
}
