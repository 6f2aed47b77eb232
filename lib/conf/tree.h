/* tree.h - a YAML document as a tree whose nodes know their line.
 *
 * The subset that a configuration needs: one document of maps with scalar keys, lists and scalars.
 * Refused with a line each: anchors, aliases and tags, a second document, a key that stands twice,
 * nesting past CONF_DEPTH_MAX, more than CONF_NODES_MAX nodes, CONF_FILE_MAX bytes, NUL, control
 * characters and invalid UTF-8. So no input makes more memory than its size times a constant. */

#ifndef CONF_TREE_H
#define CONF_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "conf/errors.h"

enum { CONF_FILE_MAX = 1024 * 1024, CONF_DEPTH_MAX = 16, CONF_NODES_MAX = 65536 };

typedef enum {
	CONF_NULL = 1, /* a key without a value */
	CONF_SCALAR,
	CONF_LIST,
	CONF_MAP,
	CONF_REFUSED /* an alias, of which errors says enough */
} conf_kind_t;

/* Owned by its tree. In a map each child has its key. */
typedef struct conf_node conf_node_t;
struct conf_node {
	conf_kind_t kind;
	uint32_t line;     /* of the value, from 1 */
	uint32_t key_line; /* of the key; the value's own where there is none */
	const char *key;   /* NULL in a list and at the root */
	const char *text;  /* a scalar's, terminated, UTF-8 without NUL; "" for a null */
	uint32_t order;    /* among its siblings */
	size_t n;          /* children */
	conf_node_t *first, *last, *next;
};

typedef struct conf_tree conf_tree_t;

enum { CONF_E_FLAWED = 1 };

/* Reads a file: any that open(2) takes but a directory. 0; CONF_E_FLAWED - *ret is set, but something
 * was skipped and errors says what, so that the rest can be checked too. Or, with what was wrong in
 * errors and *ret untouched: -EINVAL for its text, -EFBIG, -ENOMEM, open(2)'s or read(2)'s errno. */
int conf_tree_load (const char *file, conf_tree_t **ret, conf_errors_t *errors);
/* The same from text; name stands for the file. */
int conf_tree_parse (
        const char *text, size_t size, const char *name, conf_tree_t **ret, conf_errors_t *errors);
/* Frees and nulls. NULL-safe. */
void conf_tree_destroy (conf_tree_t **self_p);

const char *conf_tree_file (const conf_tree_t *self);
/* Never NULL; an empty document's kind is CONF_NULL. */
const conf_node_t *conf_tree_root (const conf_tree_t *self);

/* The child of a map with that key, or NULL; NULL too when node is NULL or no map. */
const conf_node_t *conf_node_find (const conf_node_t *node, const char *key);
/* "a list", "a map", "nothing" or "a single value", for messages. */
const char *conf_kind_name (conf_kind_t kind);

#endif
