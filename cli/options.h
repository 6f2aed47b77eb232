/* options.h - command line options as data: one table makes the parser, --help and the man page's check.
 *
 * --name VALUE, --name=VALUE, flags without a value, options and words in any order, "--" ends the
 * options. Pure: no I/O, no exit. */

#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef enum {
	OPTION_FLAG,     /* bool */
	OPTION_NO_FLAG,  /* bool, set to false */
	OPTION_TEXT,     /* const char *, borrowed from argv */
	OPTION_COUNT,    /* uint64_t, at least 1 */
	OPTION_DURATION, /* int64_t ns, above 0 */
	OPTION_SEVERITY, /* Belfry__V1__Severity */
} option_kind_t;

typedef struct {
	const char *name;  /* without the dashes */
	const char *value; /* what --help calls the value; NULL for a flag */
	const char *help;
	option_kind_t kind;
	size_t offset; /* where in the values it goes */
} option_t;

/* A table and the values that it fills. */
typedef struct {
	const option_t *options;
	size_t n;
	void *values;
} option_set_t;

/* The words that are no options, borrowed from argv. */
typedef struct {
	char **at;
	size_t n;
} words_t;

/* Parses argv[0..argc). words->at has room for argc. stop_at_word: ends at the first word, for the
 * options before a command. Returns how many of argv were taken, or -EINVAL with err saying which
 * option is wrong, why, and the nearest known one. */
int options_parse (const option_set_t *sets, size_t n_sets, int argc, char **argv, bool stop_at_word,
        words_t *words, err_t *err);

#endif
