/* table.h - options as documented data: what a map may hold, and where in a struct it goes.
 *
 * The tables stand in agent.def, collector.def, cli.def and rule.def. They make the parser, the
 * defaults, the reference (help text and man page) and the check of what a reload may change.
 * Strings and lists in the struct are owned by it; conf_object_clear frees them all. */

#ifndef CONF_TABLE_H
#define CONF_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "conf/errors.h"
#include "conf/tree.h"

/* Fields of the structs. */
typedef struct {
	char **items;
	size_t n;
} conf_strings_t;

typedef struct {
	uint64_t *items;
	size_t n;
} conf_numbers_t;

typedef struct {
	char *key, *value;
} conf_pair_t;

typedef struct {
	conf_pair_t *items;
	size_t n;
} conf_pairs_t;

/* A list of objects. */
#define CONF_LIST_OF(type)   \
	struct {             \
		type *items; \
		size_t n;    \
	}

typedef enum {
	CONF_STRING = 1, /* char *; range: its length */
	CONF_PATH,       /* char *; relative to the working directory; range: its length */
	CONF_NAME,       /* char *; range: its length; the topic's grammar */
	CONF_ENDPOINT,   /* char * */
	CONF_HOST_PORT,  /* char * */
	CONF_BOOL,       /* bool */
	CONF_UNSIGNED,   /* uint64_t */
	CONF_SIZE,       /* uint64_t */
	CONF_DURATION,   /* int64_t, ns */
	CONF_NUMBER,     /* double; NAN when absent without a default */
	CONF_RATIO,      /* double; NAN when absent without a default */
	CONF_WORD,       /* int: the word's value */
	CONF_STRINGS,    /* conf_strings_t; range: how many */
	CONF_NAMES,      /* conf_strings_t of names; range: how many */
	CONF_NUMBERS,    /* conf_numbers_t; range: of each */
	CONF_PAIRS,      /* conf_pairs_t; range: how many */
	CONF_OBJECT,     /* a struct inside */
	CONF_OBJECTS,    /* CONF_LIST_OF (struct); range: how many */
	CONF_UNSUPPORTED /* no field: known, but refused with "not supported by this release yet" */
} conf_type_t;

enum {
	CONF_REQUIRED = 1,
	CONF_RELOAD = 2, /* a SIGHUP takes it over; anything else needs a restart */
	CONF_BIND = 4,   /* ENDPOINT, HOST_PORT: * is a host */
	CONF_LOCAL = 8,  /* ENDPOINT: ipc:// and inproc:// too */
	CONF_UNIQUE = 16 /* STRINGS, NAMES: none twice */
};

/* Ends with a NULL word. */
typedef struct {
	const char *word;
	int value;
} conf_word_t;

typedef struct conf_table conf_table_t;

typedef struct {
	const char *key;
	conf_type_t type;
	size_t offset;
	int flags;
	const char *range;         /* "LEAST..MOST" in the type's grammar; "" for none */
	const char *value;         /* the default in the type's grammar; NULL for none */
	const char *unit;          /* "bytes", "uid"; "" where the type says it */
	const char *text;          /* what it is, a sentence */
	const conf_word_t *words;  /* WORD */
	const conf_table_t *table; /* OBJECT, OBJECTS */
	const char *unique;        /* OBJECTS: the string keys, apart by spaces, of which no two are equal */
} conf_option_t;

typedef struct conf_fill conf_fill_t;

struct conf_table {
	const char *name; /* "agent" */
	const char *text;
	const conf_option_t *options;
	size_t n, size; /* of options; of the struct */
	/* What no single option can tell: conf_wrong says it. node: the object's map, or NULL. */
	void (*check) (conf_fill_t *fill, void *object, const conf_node_t *node);
};

/* --- filling -------------------------------------------------------------------------------- */

/* Writes the defaults into *object, whose content is overwritten. 0 or -ENOMEM (cleared then). */
int conf_object_init (const conf_table_t *table, void *object);
/* Frees what the fields own and zeroes the object. */
void conf_object_clear (const conf_table_t *table, void *object);

/* Reads the tree into an initialised object: keys that are absent keep what it has. Everything that
 * is wrong goes to errors. 0; -EINVAL when anything was; -ENOMEM. The object stays clearable. */
int conf_object_fill (
        const conf_table_t *table, const conf_tree_t *tree, void *object, conf_errors_t *errors);

/* Sets one key of the table's first level from text, as an environment variable or a command line's
 * flag gives it; origin ("BELFRY_STREAM", "--stream") stands for the file in errors.
 * 0; -EINVAL with the field untouched; -ENOMEM. */
int conf_object_set (const conf_table_t *table, void *object, const char *key, const char *text,
        const char *origin, conf_errors_t *errors);

/* For check functions: says what is wrong with key of the object under check (NULL: with the object
 * itself), at its line in the file. */
void conf_wrong (conf_fill_t *fill, const conf_node_t *node, const char *key, const char *format, ...)
        PRINTF_LIKE (4, 5);

/* The same at a line of its own, for what stands elsewhere in the file: key is the whole path. */
void conf_wrong_at (conf_fill_t *fill, size_t line, const char *key, const char *format, ...)
        PRINTF_LIKE (4, 5);

/* A new object from a file or text: init and fill. file and name as in conf_tree_load and _parse.
 * 0; or, with what is wrong in errors and *ret untouched, -EINVAL, -ENOMEM, or what reading failed
 * with. */
int conf_object_load (const conf_table_t *table, const char *file, void **ret, conf_errors_t *errors);
int conf_object_parse (const conf_table_t *table, const char *text, size_t size, const char *name, void **ret,
        conf_errors_t *errors);
/* Clears, frees and nulls. NULL-safe. */
void conf_object_destroy (const conf_table_t *table, void **self_p);

/* --- reload --------------------------------------------------------------------------------- */

/* key: the path, "probes.health.interval"; a list is one key. */
/* One option that differs; borrowed for the call. Texts are as a configuration would say them, cut at
 * CONF_DIFF_TEXT_MAX; lists and maps give their entries, or how many there are. */
enum { CONF_DIFF_TEXT_MAX = 256 };
typedef struct {
	const char *key; /* "probes.health.interval" */
	bool reloadable;
	const char *before, *after;
} conf_difference_t;
typedef void conf_diff_fn (void *arg, const conf_difference_t *difference);
/* Visits each option whose value differs, in the table's order. Returns how many there are. */
size_t conf_diff (
        const conf_table_t *table, const void *old, const void *new, conf_diff_fn *visit, void *arg);

/* --- reference ------------------------------------------------------------------------------ */

typedef enum { CONF_REFERENCE_HELP = 1, CONF_REFERENCE_ROFF, CONF_REFERENCE_MARKDOWN } conf_reference_t;
/* Every key with its type, range, default and text: for --help, a man page's .TP list, or a table. */
void conf_print_reference (const conf_table_t *table, conf_reference_t form, FILE *out);

#endif
